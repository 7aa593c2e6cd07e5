"""How much there may be of todos and of what is kept of their changes, and what becomes of all of it."""

import pytest
from sqlalchemy import func, insert, select

from services import errors
from services.store import todo_changes, todo_edits, todos, users
from services.store.database import Session
from services.store.schema import metadata
from services.store.todo_filters import Filter
from services.store.todos import Draft, TodoRow
from tests.services.store.lists import NOON, TodoList, at_once


def fill(s: Session, user_id: int, count: int, *, status: str = "open", parent_id: str | None = None) -> None:
    same = dict.fromkeys(TodoRow.__table__.columns.keys())
    same |= {"user_id": user_id, "item": "x", "notes": "", "words": "x", "is_timed": False, "importance": "low"}
    same |= {"status": status, "source": "user", "created_at": NOON, "updated_at": NOON, "parent_id": parent_id}
    tail = f"{status}-{user_id}-{parent_id}"
    s.execute(insert(TodoRow), [{**same, "id": f"{n}-{tail}", "position": n} for n in range(count)])


@pytest.mark.slow
def test_the_list_has_an_end(todo_list: TodoList, foreign_list: TodoList, monkeypatch: pytest.MonkeyPatch) -> None:
    assert todo_edits.MAX_OPEN == 5_000
    monkeypatch.setattr(todo_edits, "MAX_OPEN", 12)
    last = todo_list.make("last")
    todo_list.database.run(fill, todo_list.user_id, 10)

    done = at_once(*[todo_list.make] * 3)

    refused = [each for each in done if isinstance(each, errors.Conflict)]
    assert [each.code for each in refused] == ["TOO_MANY_TODOS"] * 2
    assert refused[0].extra == {"limit": 12, "current": 12}
    assert "12 open todos" in refused[0].message
    foreign_list.make()
    todo_list.complete(last)
    todo_list.make("instead")
    for call in (
        lambda: todo_list.todos.reopen(todo_list.by, last.id),
        lambda: todo_list.undo(todo_list.todos.changes(todo_list.user_id)[1].id),
    ):
        with pytest.raises(errors.Conflict, match="as many as one may have"):
            call()
    assert todo_list.get(last).status == "done"
    todo_list.change(last, item="can be changed")
    assert todo_list.todos.count(todo_list.user_id, Filter()) == 12


def test_what_is_done_counts_too(todo_list: TodoList, monkeypatch: pytest.MonkeyPatch) -> None:
    assert todo_edits.MAX_ROWS == 20_000
    monkeypatch.setattr(todo_edits, "MAX_ROWS", 10)
    todo_list.database.run(fill, todo_list.user_id, 10, status="done")

    with pytest.raises(errors.Conflict, match="10 todos") as error:
        todo_list.make()
    assert error.value.code == "TOO_MANY_TODOS"


@pytest.mark.slow
def test_a_todo_has_so_many_subtasks(todo_list: TodoList) -> None:
    above = todo_list.make("above")
    todo_list.database.run(fill, todo_list.user_id, todos.MAX_SUBTASKS - 1, parent_id=above.id)

    todo_list.make("last", parent_id=above.id)
    other = todo_list.make("other")

    for call in (lambda: todo_list.make("x", parent_id=above.id), lambda: todo_list.change(other, parent_id=above.id)):
        with pytest.raises(errors.Conflict, match="200 subtasks"):
            call()


@pytest.mark.slow
def test_old_changes_are_forgotten(todo_list: TodoList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(todo_changes, "KEPT", 30)
    first = todo_list.todos.create(todo_list.by, Draft("first"))
    for number in range(60):
        todo_list.change(first.todo, item=str(number))

    kept = todo_list.todos.changes(todo_list.user_id, 1000)

    assert 30 <= len(kept) <= 30 + 25
    assert kept[0].revision == 61
    with pytest.raises(errors.NotFound, match="too old"):
        todo_list.undo(first.change_id)


@pytest.mark.slow
def test_long_changes_are_forgotten_sooner(todo_list: TodoList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(todo_changes, "KEPT_BYTES", 300_000)
    todo_list.make("short")
    for _ in range(4):
        todo_list.make("long", subtasks=tuple(Draft("x", notes="n" * 10_000) for _ in range(11)))

    kept = todo_list.todos.changes(todo_list.user_id)

    assert [change.revision for change in kept] == [5, 4]
    monkeypatch.setattr(todo_changes, "KEPT_BYTES", 1)
    made = todo_list.make("long", subtasks=tuple(Draft("x", notes="n" * 10_000) for _ in range(11)))
    todo_list.undo()
    assert made.id not in todo_list.everything(), "the newest stays"


def test_changes_say_who_did_what(todo_list: TodoList) -> None:
    made = todo_list.make("mine")
    todo_list.change(made, by=todo_list.call("m", "c"), item="its")
    todo_list.undo()

    undone, updated, created = todo_list.todos.changes(todo_list.user_id)

    assert [(each.kind, each.revision, each.source) for each in (created, updated, undone)] == [
        ("created", 1, "user"),
        ("updated", 2, "ai"),
        ("undone", 3, "user"),
    ]
    assert (updated.message_id, updated.call_id, updated.todo_id, updated.item) == ("m", "c", made.id, "its")
    assert updated.states == {made.id: ({"item": "mine"}, {"item": "its"})}
    assert (undone.undoes, updated.undone_by) == ((updated.id,), undone.id)
    assert [each.id for each in todo_list.todos.changes(todo_list.user_id, after=1)] == [undone.id, updated.id]
    assert [each.id for each in todo_list.todos.changes(todo_list.user_id, 1)] == [undone.id]


@pytest.mark.slow
def test_an_account_takes_its_todos_along_and_exports_them_before(todo_list: TodoList, foreign_list: TodoList) -> None:
    made = todo_list.make("mine", tags=("t",), subtasks=(Draft("part"),))
    foreign_list.make("theirs")

    exported = todo_list.database.run(users.export, todo_list.user_id)

    assert {row["item"] for row in exported["todos"]} == {"mine", "part"}
    assert "words" not in exported["todos"][0]
    assert [row["tag"] for row in exported["todo_tags"]] == ["t"]
    assert [row["kind"] for row in exported["todo_changes"]] == ["created"]
    assert exported["todo_changes"][0]["states"].keys() == {made.id, made.subtasks[0].id}
    assert exported["todo_lists"] == [{"user_id": todo_list.user_id, "revision": 1}]
    todo_list.database.run(users.delete, todo_list.user_id)
    left = {
        table: todo_list.database.run(_count, table) for table in ("todos", "todo_tags", "todo_changes", "todo_lists")
    }
    assert left == {"todos": 1, "todo_tags": 0, "todo_changes": 1, "todo_lists": 1}


def _count(s: Session, table: str) -> int:
    return s.scalar(select(func.count()).select_from(metadata.tables[table])) or 0
