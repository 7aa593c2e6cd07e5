"""What can be done to todos: one class for the API, the pages, the built-in engine and the model alike.

Each operation is one transaction: the todos, the change that says what was done, and the list's next revision. The
same call of the same answer does something once: made again, it returns what the first did.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from services import errors, when
from services.store import todo_changes, todo_filters, todo_undo, todos, users
from services.store.base import utc_now
from services.store.database import Database, Session
from services.store.todo_changes import By, Change, Kind
from services.store.todo_edits import Edit
from services.store.todo_filters import Filter
from services.store.todo_undo import Refused
from services.store.todos import Draft, Todo, TodoRow
from services.todos import drafts, series
from services.todos.outcomes import Added, Done, Undone, added, done, told, undone

__all__ = ["Added", "By", "Change", "Done", "Draft", "Filter", "Refused", "Todo", "Todos", "Undone"]


class Todos:
    """Everybody's todos. Who is asked for in `By` or as `user_id` sees their own only: others' are `NotFound`."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._clock = clock

    def create(self, by: By, draft: Draft) -> Done:
        """Make a todo, with its subtasks.

        Raises:
            InvalidInput: Something of it is too long, or does not fit together.
            NotFound: It is to be a subtask of an unknown todo.
            Conflict: Code `TOO_MANY_TODOS`: the list is full. Code `TODO_DONE`: that todo is done.
        """

        def make(edit: Edit) -> tuple[Kind, TodoRow]:
            return "created", drafts.add(edit, draft)

        return self._do(by, make)

    def add(self, by: By, wanted: Sequence[Draft]) -> Added:
        """Make several todos by one change, all or none; raises what `create` does."""

        def run(s: Session) -> Added:
            edit = Edit(s, by, now=self._clock())
            known = todo_changes.of_call(s, by)
            if known is not None:
                return added(s, by.user_id, known, repeated=True)
            rows = [drafts.add(edit, draft) for draft in wanted]
            if not rows:
                return Added((), "", revision=todo_changes.revision(s, by.user_id))
            item = rows[0].item if len(rows) == 1 else f"{rows[0].item} and {len(rows) - 1} more"
            written = edit.close("created", rows[0].id, item)
            assert written is not None, "todos were made"
            return added(s, by.user_id, written)

        return self._database.run(run)

    def update(self, by: By, todo_id: str, changes: Mapping[str, Any], *, seen: datetime | None = None) -> Done:
        """Give a todo other values.

        Args:
            by: Who.
            todo_id: Which.
            changes: By the names of `Draft`, those that change: item, notes, start, due, importance, tags, project,
                parent_id, rule, mode. None takes a date, the project, the todo above or the repetition away.
            seen: Its `updated_at` when the person saw it: refuse if it has been changed since.

        Raises:
            NotFound: Unknown, or the todo above is.
            InvalidInput: As `create`.
            Conflict: As `create`; or code `TODO_CHANGED`.
        """

        def make(edit: Edit) -> tuple[Kind, TodoRow]:
            row = edit.row(todo_id)
            if seen is not None and row.updated_at != seen:
                raise errors.Conflict(
                    f"“{row.item}” has been changed meanwhile. Look at it again.", code="TODO_CHANGED"
                )
            drafts.update(edit, row, changes)
            return "updated", row

        return self._do(by, make)

    def complete(self, by: By, todo_id: str) -> Done:
        """Mark a todo as done, with its subtasks; one that repeats makes the next one. Twice is once.

        Raises:
            NotFound: Unknown.
            Conflict: The list is full (code `TOO_MANY_TODOS`).
        """

        def make(edit: Edit) -> tuple[Kind, TodoRow]:
            row = edit.row(todo_id)
            series.complete(edit, row, today=when.today(edit.now, _zone(edit.session, by.user_id)))
            return "completed", row

        return self._do(by, make)

    def reopen(self, by: By, todo_id: str) -> Done:
        """Open a todo again, with the subtasks that were completed with it, and a subtask with its todo.

        The next one that was made when it was completed goes away again, unless it has been worked on.

        Raises:
            NotFound: Unknown.
            Conflict: The list is full (code `TOO_MANY_TODOS`).
        """

        def make(edit: Edit) -> tuple[Kind, TodoRow]:
            row = edit.row(todo_id)
            series.reopen(edit, row)
            return "reopened", row

        return self._do(by, make)

    def delete(self, by: By, todo_id: str) -> Done:
        """Take a todo away, with its subtasks.

        Raises:
            NotFound: Unknown.
        """

        def run(s: Session) -> Done:
            edit = Edit(s, by, now=self._clock())
            known = todo_changes.of_call(s, by)
            if known is not None:
                return done(s, by.user_id, known, repeated=True)
            row = edit.row(todo_id)
            was = todos.get(s, by.user_id, todo_id)
            edit.remove([row, *edit.children(todo_id)])
            written = edit.close("deleted", todo_id, was.item)
            assert written is not None, "a todo was taken away"
            return Done(was, written.id, revision=written.revision)

        return self._database.run(run)

    def move(self, by: By, todo_id: str, *, after_id: str | None) -> Done:
        """Put a todo behind another one, in the order by hand; None: before all others.

        Raises:
            NotFound: Either is unknown.
            InvalidInput: It is to stand behind itself, or behind one that is not in the same list.
        """

        def make(edit: Edit) -> tuple[Kind, TodoRow]:
            row = edit.row(todo_id)
            drafts.move(edit, row, after_id)
            return "moved", row

        return self._do(by, make)

    def undo(self, by: By, change_id: str | None = None, *, message_id: str | None = None) -> Undone:
        """Undo a change; or all that an answer did, the newest first; or the latest change of all.

        Of an answer's changes those that cannot be undone are told, and the others are undone.

        Raises:
            NotFound: There is no such change (any more), or nothing to undo.
            Conflict: What is to be undone has been changed since (code `TODO_CHANGED`, `extra["changed"]`), or has
                been undone already (code `UNDONE`); of an answer: nothing of it can be undone.
        """

        def run(s: Session) -> Undone:
            edit = Edit(s, by, now=self._clock())
            known = todo_changes.of_call(s, by)
            if known is not None:
                return undone(s, by.user_id, known)
            return _undo(edit, _wanted(s, by.user_id, change_id, message_id))

        return self._database.run(run)

    def get(self, user_id: int, todo_id: str) -> Todo:
        """One of the person's todos.

        Raises:
            NotFound: Unknown.
        """
        return self._database.run(todos.get, user_id, todo_id)

    def listing(self, user_id: int, wanted: Filter | None = None, *, now: datetime | None = None) -> list[Todo]:
        """The person's todos that fit; without a filter the open ones, in their order by hand."""

        def run(s: Session) -> list[Todo]:
            zone = _zone(s, user_id)
            return todo_filters.listing(s, user_id, wanted or Filter(), now=now or self._clock(), zone=zone)

        return self._database.run(run)

    def in_order(self, user_id: int) -> list[str]:
        """The ids of the person's open todos in their order by hand, without subtasks."""
        return self._database.run(todos.in_order, user_id)

    def count(self, user_id: int, wanted: Filter, *, now: datetime | None = None) -> int:
        """How many `listing` gives without limit."""

        def run(s: Session) -> int:
            zone = _zone(s, user_id)
            return todo_filters.count(s, user_id, wanted, now=now or self._clock(), zone=zone)

        return self._database.run(run)

    def counts(self, user_id: int, *, now: datetime | None = None) -> dict[str, int]:
        """How many there are in each view of a filter."""

        def run(s: Session) -> dict[str, int]:
            return todo_filters.counts(s, user_id, now=now or self._clock(), zone=_zone(s, user_id))

        return self._database.run(run)

    def tags(self, user_id: int) -> list[tuple[str, int]]:
        """The tags of the person's open todos, and how many have each; the most frequent first."""
        return self._database.run(todos.tags, user_id)

    def projects(self, user_id: int) -> list[tuple[str, int]]:
        """The projects of the person's open todos, and how many are in each; the largest first."""
        return self._database.run(todos.projects, user_id)

    def revision(self, user_id: int) -> int:
        """A number that rises with every change of the person's list."""
        return self._database.run(todo_changes.revision, user_id)

    def changes(self, user_id: int, limit: int = 50, *, after: int = 0) -> list[Change]:
        """What was done to the person's list, the newest first; only what came after a revision."""
        return self._database.run(todo_changes.recent, user_id, limit, after=after)

    def changes_of(self, user_id: int, message_id: str) -> list[Change]:
        """What an answer has done, the newest first."""
        return self._database.run(todo_changes.of_answer, user_id, message_id)

    def made_in(self, user_id: int, message_id: str) -> frozenset[str]:
        """The ids of the todos that an answer has made: what it may delete without being told to."""
        return frozenset(key for change in self.changes_of(user_id, message_id) for key in change.made)

    def _do(self, by: By, make: Callable[[Edit], tuple[Kind, TodoRow]]) -> Done:
        def run(s: Session) -> Done:
            edit = Edit(s, by, now=self._clock())
            known = todo_changes.of_call(s, by)
            if known is not None:
                return done(s, by.user_id, known, repeated=True)
            kind, row = make(edit)
            written = edit.close(kind, row.id, row.item)
            if written is None:
                now = todo_changes.revision(s, by.user_id)
                return Done(todos.whole(s, [row])[0], "", revision=now)
            return done(s, by.user_id, written)

        return self._database.run(run)


def _zone(s: Session, user_id: int) -> str:
    user = users.by_id(s, user_id)
    return "UTC" if user is None else user.zone


def _wanted(s: Session, user_id: int, change_id: str | None, message_id: str | None) -> list[Change]:
    if change_id is not None:
        return [todo_changes.get(s, user_id, change_id)]
    if message_id is not None:
        done = [change for change in todo_changes.of_answer(s, user_id, message_id) if change.undone_by is None]
        if not done:
            raise errors.NotFound("That answer has changed nothing, or it has been undone.")
        return done
    latest = todo_changes.newest(s, user_id)
    if latest is None:
        raise errors.NotFound("There is nothing to undo.")
    return [latest]


def _undo(edit: Edit, wanted: list[Change]) -> Undone:
    reverted: list[Change] = []
    refused: list[Refused] = []
    for change in wanted:
        try:
            todo_undo.revert(edit, change)
            reverted.append(change)
        except errors.Conflict as why:
            refused.append(Refused(change, why))
    if not reverted:
        raise refused[0].why
    written = todo_undo.close(edit, reverted)
    s, user_id = edit.session, edit.by.user_id
    if written is None:
        return Undone(tuple(reverted), tuple(refused), "", (), (), revision=todo_changes.revision(s, user_id))
    return told(s, user_id, written, reverted, refused)
