"""What an answer does to todos, and its end: one of the two is first, and the later one knows of it."""

import gevent
import pytest
from gevent.event import Event

from services import errors
from services.store import conversations, todo_changes
from services.store.base import utc_now
from services.store.database import Database, Session
from services.store.todo_edits import Edit
from services.store.users import User
from services.todos import drafts
from services.todos.actions import By, Draft, Todos
from tests.clocks import PATIENCE_S
from tests.factories import make_answer


def settled(s: Session, user_id: int, message_id: str) -> list[str]:
    """Settle an answer; what it has done, as this very transaction knows it."""
    conversations.settle(
        s, message_id, text="", outcome="stopped", finish_reason="cancelled", engine=None, fallback=False, usage=None,
        extras=None, error_code=None,
    )  # fmt: skip
    return [change.item for change in todo_changes.of_answer(s, user_id, message_id)]


def test_a_step_that_has_begun_is_known_to_whoever_settles_its_answer(database: Database, user: User) -> None:
    message_id = database.run(make_answer, user.id, assistant="todos").id
    begun, may_end = Event(), Event()

    def step(s: Session) -> None:
        edit = Edit(s, By(user.id, "ai", message_id, "call_1"), now=utc_now())
        row = drafts.add(edit, Draft("Buy milk"))
        begun.set()
        assert may_end.wait(PATIENCE_S)
        edit.close("created", row.id, row.item)

    stepping = gevent.spawn(database.run, step)
    assert begun.wait(PATIENCE_S)
    settling = gevent.spawn(database.run, settled, user.id, message_id)
    gevent.idle()
    may_end.set()

    assert settling.get(timeout=PATIENCE_S) == ["Buy milk"]
    stepping.get(timeout=PATIENCE_S)


@pytest.mark.req("D36")
def test_a_step_that_comes_after_its_answers_end_is_refused(database: Database, user: User) -> None:
    message_id = database.run(make_answer, user.id, assistant="todos").id
    todos = Todos(database)
    done = todos.create(By(user.id, "ai", message_id, "call_1"), Draft("Buy milk"))
    assert database.run(settled, user.id, message_id) == ["Buy milk"]

    with pytest.raises(errors.Conflict) as refused:
        todos.complete(By(user.id, "ai", message_id, "call_2"), done.todo.id)

    assert refused.value.code == "ANSWER_ENDED"
    assert [todo.status for todo in todos.listing(user.id)] == ["open"]
    todos.complete(By(user.id), done.todo.id)
