"""One person's todos, for tests of the store: short words for what is done to them, and a clock that a test moves."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from typing import Any

import gevent

from services.store import todo_changes, users
from services.store.database import Database
from services.store.todo_changes import By
from services.store.todo_filters import Filter
from services.store.todos import Draft, Todo
from services.todos.actions import Done, Todos, Undone
from services.when import When

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)  # a Saturday
BERLIN = "Europe/Berlin"


def day(text: str) -> When:
    """A day: `2026-11-21`."""
    return When(date.fromisoformat(text))


def at(text: str, zone: str = BERLIN) -> When:
    """A time of a zone's clocks: `2026-11-21 14:00`."""
    there, then = text.split()
    return When(date.fromisoformat(there), time.fromisoformat(then), zone)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What each of some calls that run at the same time returned or raised."""
    running = [gevent.spawn(call) for call in calls]
    gevent.joinall(running, timeout=30)
    assert all(job.ready() for job in running)
    return [job.value if job.exception is None else job.exception for job in running]


class TodoList:
    """A person and their list."""

    def __init__(self, database: Database, user: users.User) -> None:
        self.database = database
        self.user_id = user.id
        self.by = By(user.id)
        self.now = NOON
        self.todos = Todos(database, clock=lambda: self.now)

    def call(self, message_id: str, call_id: str) -> By:
        """The agent, by one of its calls."""
        return By(self.user_id, "ai", message_id, call_id)

    def live_in(self, zone: str) -> None:
        self.database.run(users.update_profile, self.user_id, language="en", zone=zone)

    def make(self, item: str = "Buy milk", *, by: By | None = None, **more: Any) -> Todo:
        return self.todos.create(by or self.by, Draft(item, **more)).todo

    def get(self, todo: Todo) -> Todo:
        return self.todos.get(self.user_id, todo.id)

    def change(self, todo: Todo, *, by: By | None = None, **changes: Any) -> Done:
        return self.todos.update(by or self.by, todo.id, changes)

    def complete(self, todo: Todo, *, by: By | None = None) -> Done:
        return self.todos.complete(by or self.by, todo.id)

    def move(self, todo: Todo, after: Todo | None) -> Done:
        return self.todos.move(self.by, todo.id, after_id=after and after.id)

    def undo(self, change_id: str | None = None, **more: Any) -> Undone:
        return self.todos.undo(self.by, change_id, **more)

    def items(self, view: Any = "open", **more: Any) -> list[str]:
        """What the todos that fit are called, in their order."""
        return [todo.item for todo in self.todos.listing(self.user_id, Filter(view=view, **more))]

    def everything(self) -> Mapping[str, Todo]:
        """All that is there, by id; but for when it was last changed."""
        return {todo.id: todo for todo in self.todos.listing(self.user_id, Filter(view="all"))}

    @property
    def revision(self) -> int:
        return self.database.run(todo_changes.revision, self.user_id)
