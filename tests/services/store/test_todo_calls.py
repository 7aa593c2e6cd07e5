"""What the agent does: each of its calls once, and none after its answer has ended."""

import pytest

from services.store.todo_changes import By
from services.store.todos import Draft
from tests.services.store.lists import TodoList, at_once, day


@pytest.mark.slow
@pytest.mark.req("D9", "D10")
def test_a_call_of_the_agent_does_something_once(todo_list: TodoList) -> None:
    call = todo_list.call("message", "call 1")
    made = todo_list.todos.create(call, Draft("Pay rent", due=day("2026-11-21"), rule="FREQ=DAILY"))
    again = todo_list.todos.create(call, Draft("Pay rent", due=day("2026-11-21"), rule="FREQ=DAILY"))

    assert (again.repeated, again.todo, again.change_id) == (True, made.todo, made.change_id)
    assert made.todo.source == "ai"
    operations = {
        "update": lambda by: todo_list.change(made.todo, by=by, item="Pay the rent"),
        "complete": lambda by: todo_list.complete(made.todo, by=by),
        "reopen": lambda by: todo_list.todos.reopen(by, made.todo.id),
        "move": lambda by: todo_list.todos.move(by, made.todo.id, after_id=None),
        "delete": lambda by: todo_list.todos.delete(by, made.todo.id),
    }
    for name, operation in operations.items():
        by = todo_list.call("message", name)
        first = operation(by)
        revision = todo_list.revision
        second = operation(by)
        assert (second.repeated, second.change_id, second.todo.item) == (True, first.change_id, first.todo.item), name
        assert (second.following, todo_list.revision) == (first.following, revision), name
    assert todo_list.everything() == {}
    assert todo_list.todos.create(call, Draft("Pay rent")).todo.item == "Pay rent", "told from what was kept of it"
    assert todo_list.everything() == {}

    undo = todo_list.call("another", "undo")
    undone = todo_list.todos.undo(undo)
    assert todo_list.todos.undo(undo).repeated
    assert todo_list.todos.undo(undo).change_id == undone.change_id
    assert list(todo_list.everything()) == [made.todo.id]


@pytest.mark.slow
def test_calls_are_told_apart_by_answer_and_person(todo_list: TodoList, foreign_list: TodoList) -> None:
    for by in (todo_list.call("m", "c"), todo_list.call("m", "d"), todo_list.call("n", "c")):
        assert not todo_list.todos.create(by, Draft("x")).repeated
    assert not foreign_list.todos.create(foreign_list.call("m", "c"), Draft("x")).repeated
    for _ in range(2):
        # Without a name for the call nothing is the same call.
        assert not todo_list.todos.create(By(todo_list.user_id, "ai", "m"), Draft("x")).repeated
        assert not todo_list.todos.create(By(todo_list.user_id, "ai", "", "c"), Draft("x")).repeated
    assert todo_list.items() == ["x"] * 7


@pytest.mark.slow
def test_the_same_call_at_once_does_something_once(todo_list: TodoList) -> None:
    call = todo_list.call("m", "c")

    done = at_once(*[lambda: todo_list.todos.create(call, Draft("x"))] * 8)

    assert len({each.todo.id for each in done}) == 1
    assert sorted(each.repeated for each in done) == [False] + [True] * 7
    assert todo_list.items() == ["x"]


def test_what_an_answer_made_is_known(todo_list: TodoList, foreign_list: TodoList) -> None:
    todo_list.make("mine")
    made = todo_list.make("its", by=todo_list.call("m", "1"), subtasks=(Draft("part"),))
    todo_list.change(made, by=todo_list.call("m", "2"), item="its own")
    todo_list.make("another's", by=todo_list.call("n", "1"))

    assert todo_list.todos.made_in(todo_list.user_id, "m") == {made.id, made.subtasks[0].id}
    assert foreign_list.todos.made_in(foreign_list.user_id, "m") == frozenset()
    assert [change.kind for change in todo_list.todos.changes_of(todo_list.user_id, "m")] == ["updated", "created"]


@pytest.mark.slow
def test_names_of_calls_may_be_of_any_length(todo_list: TodoList) -> None:
    for name in ("x" * 100_000, "ü" * 1_000, "a\x00b", "\ud800", "🙂"):
        first, second = (todo_list.todos.create(todo_list.call("m", name), Draft(name[:9])) for _ in range(2))
        assert (first.repeated, second.repeated, second.todo) == (False, True, first.todo)
    assert len(todo_list.items()) == 5
