"""Undo: of every operation, of a whole answer, after others, and of itself."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import gevent
import pytest

from services import errors
from services.store.todos import Draft, Todo
from tests.services.store.lists import BERLIN, TodoList, at, day

FULL: dict[str, Any] = {
    "notes": "n",
    "start": day("2026-11-20"),
    "due": at("2026-11-30 09:00"),
    "importance": "high",
    "tags": ("Home", "money"),
    "project": "Flat",
    "rule": "FREQ=MONTHLY",
    "subtasks": (Draft("one", tags=("x",), due=day("2026-11-22")), Draft("two", notes="t")),
}
OPERATIONS: dict[str, Callable[[TodoList, Todo], Any]] = {
    "create": lambda its, _: its.make("more", **FULL),
    "create below": lambda its, it: its.make("more", parent_id=it.id),
    "rename": lambda its, it: its.change(it, item="Pay the rent"),
    "change all": lambda its, it: its.change(
        it, item="x", notes="y", start=None, due=at("2027-01-01 10:00", BERLIN), importance="low", tags=(), project=None
    ),
    "day for a time": lambda its, it: its.change(it, due=day("2026-12-01")),
    "no repetition": lambda its, it: its.change(it, rule=None, due=None, start=None),
    "other repetition": lambda its, it: its.change(it, rule="FREQ=DAILY", mode="completion"),
    "complete": lambda its, it: its.complete(it),
    "complete a part": lambda its, it: its.complete(it.subtasks[0]),
    "delete": lambda its, it: its.todos.delete(its.by, it.id),
    "delete a part": lambda its, it: its.todos.delete(its.by, it.subtasks[0].id),
    "move": lambda its, it: its.move(it, None),
    "part with": lambda its, it: its.change(it.subtasks[0], parent_id=None),
}


def told(its: TodoList) -> Any:
    """All that is there, in its order; but for when it was changed."""

    def one(todo: Todo) -> Any:
        kept = {name: getattr(todo, name) for name in Todo.__slots__ if name not in {"updated_at", "subtasks"}}
        return kept, [one(part) for part in todo.subtasks]

    return [one(todo) for todo in its.everything().values()]


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_is_undone_and_done_again(todo_list: TodoList, operation: str) -> None:
    todo_list.make("first")
    rent = todo_list.make("Pay rent", **FULL)
    todo_list.make("last")
    before = told(todo_list)
    todo_list.now += timedelta(minutes=1)
    OPERATIONS[operation](todo_list, rent)
    after = told(todo_list)
    assert after != before

    undone = todo_list.undo()
    assert told(todo_list) == before
    assert undone.refused == ()
    with pytest.raises(errors.Conflict, match="undone already") as error:
        todo_list.undo(undone.changes[0].id)
    assert error.value.code == "UNDONE"

    todo_list.undo(undone.change_id)
    assert told(todo_list) == after
    todo_list.undo()
    assert told(todo_list) == before, "what was done again is the latest again"


def test_undoing_tells_what_is_there_and_what_is_gone(todo_list: TodoList) -> None:
    rent = todo_list.make("Pay rent", **FULL)
    deleted = todo_list.todos.delete(todo_list.by, rent.id)

    undone = todo_list.undo(deleted.change_id)

    assert (undone.todos, undone.gone) == ((rent,), ())
    assert [change.kind for change in undone.changes] == ["deleted"]
    again = todo_list.undo(undone.change_id)
    assert (again.todos, set(again.gone)) == ((), {rent.id, *(part.id for part in rent.subtasks)})


def test_the_latest_change_is_undone_then_the_one_before(todo_list: TodoList) -> None:
    made = todo_list.make("a")
    todo_list.change(made, item="b")
    todo_list.change(made, item="c")

    for expected in (["b"], ["a"], []):
        todo_list.undo()
        assert todo_list.items() == expected
    with pytest.raises(errors.NotFound, match="nothing to undo"):
        todo_list.undo()


def test_only_what_a_change_did_goes_back(todo_list: TodoList) -> None:
    made = todo_list.make("a", due=day("2026-11-21"))
    moved = todo_list.change(made, due=day("2026-11-22"))
    todo_list.change(made, item="b", tags=("t",))
    todo_list.complete(made)

    todo_list.undo(moved.change_id)

    kept = todo_list.get(made)
    assert (kept.due, kept.item, kept.tags, kept.status) == (day("2026-11-21"), "b", ("t",), "done")


# What is done, what somebody does then, and what is said to whoever wants the first undone.
SINCE = [
    ("rename", lambda its, it: its.change(it, item="c"), "changed since: its name", ["item"]),
    ("rename", lambda its, it: its.todos.delete(its.by, it.id), "“Pay the rent” has been deleted since", ["deleted"]),
    ("create", lambda its, it: its.change(it, notes="mine", due=None, rule=None), "notes, its due date", None),
    (
        "create",
        lambda its, it: its.change(it.subtasks[1], item="c"),
        "“two” has been changed since: its name",
        ["item"],
    ),
    ("create", lambda its, it: its.make("x", parent_id=it.id), "has got subtasks since", ["subtasks"]),
    ("create", lambda its, it: its.todos.delete(its.by, it.id), "deleted since", ["deleted"]),
    ("complete", lambda its, it: its.todos.reopen(its.by, it.id), "its status", None),
    ("move", lambda its, it: its.move(it, its.get(its.last)), "its place", ["position"]),
    ("day for a time", lambda its, it: its.change(it, due=at("2027-01-01 10:00")), "its due date", None),
    (
        "delete a part",
        lambda its, it: its.todos.delete(its.by, it.id),
        "todo that has been deleted since",
        ["parent_id"],
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("operation", "since", "why", "changed"), SINCE)
def test_what_was_changed_since_is_named_and_kept(
    todo_list: TodoList, operation: str, since: Callable[[Any, Todo], Any], why: str, changed: list[str] | None
) -> None:
    todo_list.last = todo_list.make("last")  # type: ignore[attr-defined]
    it = todo_list.make("Pay rent", **FULL)
    done = OPERATIONS[operation](todo_list, it)
    if operation == "create":
        it = done
    change = todo_list.todos.changes(todo_list.user_id)[0]
    todo_list.now += timedelta(minutes=1)
    since(todo_list, it)
    before, revision = told(todo_list), todo_list.revision

    with pytest.raises(errors.Conflict, match=why) as error:
        todo_list.undo(change.id)

    assert error.value.code == "TODO_CHANGED"
    assert error.value.extra["change_id"] == change.id
    if changed is not None:
        assert error.value.extra["changed"] == changed
    assert (told(todo_list), todo_list.revision) == (before, revision)


@pytest.mark.slow
def test_all_that_an_answer_did_is_undone_at_once(todo_list: TodoList) -> None:
    mine = todo_list.make("mine", due=day("2026-11-21"), rule="FREQ=DAILY")
    other = todo_list.make("other", subtasks=(Draft("part"),))
    before = told(todo_list)
    call = iter(todo_list.call("m", str(number)) for number in range(20))
    made = todo_list.make("its", by=next(call), subtasks=(Draft("its part"),))
    todo_list.change(made, by=next(call), item="its own", due=day("2026-11-30"))
    todo_list.complete(mine, by=next(call))
    todo_list.todos.delete(next(call), other.id)
    todo_list.todos.move(next(call), made.id, after_id=None)
    todo_list.complete(made, by=next(call))
    after = told(todo_list)

    undone = todo_list.todos.undo(todo_list.by, message_id="m")

    assert told(todo_list) == before
    assert [change.kind for change in undone.changes] == [
        "completed",
        "moved",
        "deleted",
        "completed",
        "updated",
        "created",
    ]
    assert undone.refused == ()
    assert todo_list.revision == 9, "one change, however much it undoes"
    with pytest.raises(errors.NotFound, match="has been undone"):
        todo_list.todos.undo(todo_list.by, message_id="m")

    todo_list.undo(undone.change_id)
    assert told(todo_list) == after
    todo_list.todos.undo(todo_list.by, message_id="m")
    assert told(todo_list) == before


def test_what_an_answer_did_is_undone_but_for_what_was_changed_since(todo_list: TodoList) -> None:
    first = todo_list.make("first", by=todo_list.call("m", "1"))
    second = todo_list.make("second", by=todo_list.call("m", "2"))
    todo_list.change(first, by=todo_list.call("m", "3"), importance="high")
    todo_list.change(second, item="mine now")

    undone = todo_list.todos.undo(todo_list.by, message_id="m")

    assert todo_list.items() == ["mine now"]
    assert [change.item for change in undone.changes] == ["first", "first"]
    assert [(each.change.item, each.why.extra["changed"]) for each in undone.refused] == [("second", ["item"])]
    with pytest.raises(errors.Conflict, match="“second” has been changed since: its name"):
        todo_list.todos.undo(todo_list.by, message_id="m")


@pytest.mark.slow
def test_an_answer_that_undid_something_is_undone_too(todo_list: TodoList) -> None:
    made = todo_list.make("a")
    change = todo_list.change(made, item="b")
    todo_list.todos.undo(todo_list.call("m", "1"), change.change_id)
    assert todo_list.items() == ["a"]

    todo_list.todos.undo(todo_list.by, message_id="m")

    assert todo_list.items() == ["b"]
    todo_list.undo(change.change_id)
    assert todo_list.items() == ["a"], "and can be undone again"


def test_nobody_undoes_what_another_answer_did(todo_list: TodoList, foreign_list: TodoList) -> None:
    foreign_list.make("theirs", by=foreign_list.call("m", "1"))
    todo_list.make("mine", by=todo_list.call("n", "1"))

    with pytest.raises(errors.NotFound):
        todo_list.todos.undo(todo_list.by, message_id="m")

    assert (todo_list.items(), foreign_list.items()) == (["mine"], ["theirs"])


@pytest.mark.slow
def test_one_change_is_undone_once_however_many_ask(todo_list: TodoList) -> None:
    made = todo_list.make("a")
    change = todo_list.change(made, item="b")

    jobs = [gevent.spawn(todo_list.undo, change.change_id) for _ in range(5)]
    gevent.joinall(jobs, timeout=30)

    assert sorted(job.exception is None for job in jobs) == [False] * 4 + [True]
    assert {job.exception.code for job in jobs if job.exception} == {"UNDONE"}
    assert todo_list.items() == ["a"]


@pytest.mark.slow
def test_what_comes_back_needs_room(todo_list: TodoList, monkeypatch: pytest.MonkeyPatch) -> None:
    made = todo_list.make("a")
    todo_list.todos.delete(todo_list.by, made.id)
    todo_list.make("b")
    monkeypatch.setattr("services.store.todo_edits.MAX_OPEN", 1)

    with pytest.raises(errors.Conflict, match="as many as one may have"):
        todo_list.undo(todo_list.todos.changes(todo_list.user_id)[1].id)

    assert todo_list.items() == ["b"]
