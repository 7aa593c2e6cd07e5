"""Todos of a file, made: by parts, once for each id, for one person; on either database."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from services.errors import Conflict, NotFound
from services.store import todo_edits
from services.store import todos as stored
from services.store.database import Database
from services.todos import importing
from services.todos.actions import Added, By, Draft, Filter, Todos
from services.todos.importing import Imported
from services.todos.transfer import Mistake, Parsed, Row
from tests.factories import make_user

Take = Callable[..., Imported]


@pytest.fixture
def todos(database: Database) -> Todos:
    return Todos(database)


@pytest.fixture
def user_id(database: Database) -> int:
    return int(database.run(make_user).id)


@pytest.fixture
def take(todos: Todos, database: Database, user_id: int) -> Take:
    def made(*drafts: Draft, whose: int = user_id) -> Imported:
        rows = tuple(Row(place, draft) for place, draft in enumerate(drafts, start=1))
        return importing.take(todos, database, whose, Parsed(rows, ()))

    return made


def items(todos: Todos, user_id: int) -> list[str]:
    return [todo.item for todo in todos.listing(user_id, Filter(view="all"))]


@pytest.mark.slow
def test_each_id_is_made_once_for_each_person(take: Take, todos: Todos, database: Database, user_id: int) -> None:
    other = int(database.run(make_user).id)
    drafts = [Draft("One", id="a"), Draft("Two", id="A\x00"), Draft("Three", id="a"), Draft("Four"), Draft("Four")]

    first, again, theirs = take(*drafts), take(*drafts), take(*drafts, whose=other)

    assert (first.added, [row.draft.item for row in first.skipped]) == (4, ["Three"])
    assert (again.added, [row.draft.item for row in again.skipped]) == (2, ["One", "Two", "Three"])
    assert theirs.added == 4
    assert items(todos, user_id) == ["One", "Two", "Four", "Four", "Four", "Four"]
    ids = [{todo.id for todo in todos.listing(whose)} for whose in (user_id, other)]
    assert not ids[0] & ids[1]


@pytest.mark.slow
def test_ones_own_ids_are_known(take: Take, todos: Todos, database: Database, user_id: int) -> None:
    take(Draft("One", subtasks=(Draft("Part"),)))
    (todo,) = todos.listing(user_id)

    found = database.run(stored.known, user_id, [todo.id, todo.subtasks[0].id, "x", *(f"y{n}" for n in range(3_000))])

    assert found == {todo.id, todo.subtasks[0].id}
    assert database.run(stored.known, int(database.run(make_user).id), [todo.id]) == set()
    assert database.run(stored.known, user_id, []) == set()
    again = take(Draft("One", id=todo.id.upper(), subtasks=(Draft("Part", id=todo.subtasks[0].id),)))
    moved = take(Draft("New", subtasks=(Draft("Part", id=todo.subtasks[0].id), Draft("Other"))))
    assert (again.added, len(again.skipped)) == (0, 1)
    assert moved.added == 2


def test_what_a_list_refuses_is_told_and_the_rest_is_made(take: Take, todos: Todos, user_id: int) -> None:
    bad = Draft("Bad", rule="FREQ=DAILY")
    done = take(Draft("One"), bad, replace(bad, item="Worse"), Draft("Two"))

    assert (done.added, len(done.change_ids)) == (2, 2)
    assert [(wrong.place, wrong.field) for wrong in done.mistakes] == [(2, "recurrence"), (3, "recurrence")]
    assert items(todos, user_id) == ["One", "Two"]


@pytest.mark.slow
def test_a_list_that_is_full_is_not_asked_once_for_each_row(
    database: Database, user_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Counting(Todos):
        tries = 0

        def add(self, by: By, wanted: Sequence[Draft]) -> Added:
            self.tries += 1
            return super().add(by, wanted)

    for module in (todo_edits, importing):
        monkeypatch.setattr(module, "MAX_OPEN", 6)
    todos = Counting(database)
    large = Draft("Large", subtasks=tuple(Draft(f"Step {n}") for n in range(4)))
    wanted = [*(Draft(f"Todo {n}") for n in range(4)), large, *(Draft(f"More {n}") for n in range(150))]
    rows = tuple(Row(place, draft) for place, draft in enumerate([*wanted, Draft("Past", status="done")], start=1))

    done = importing.take(todos, database, user_id, Parsed(rows, ()))

    assert items(todos, user_id) == ["Todo 0", "Todo 1", "Todo 2", "Todo 3", "More 0", "More 1", "Past"]
    assert [wrong.place for wrong in done.mistakes] == [5, *range(8, 156)]
    assert "6 open todos" in done.mistakes[-1].message
    assert todos.tries == 1 + 4 + 1 + 2 + 1 + 1


def test_mistakes_of_reading_and_of_making_stand_in_the_order_of_the_file(
    todos: Todos, database: Database, user_id: int
) -> None:
    rows = (Row(2, Draft("One")), Row(3, Draft("Bad", rule="FREQ=DAILY")))

    done = importing.take(todos, database, user_id, Parsed(rows, (Mistake(4, "item", "is missing"),)))

    assert [wrong.place for wrong in done.mistakes] == [3, 4]


@pytest.mark.slow
def test_an_import_is_undone_part_by_part_and_done_again(take: Take, todos: Todos, user_id: int) -> None:
    bad = Draft("Bad", rule="FREQ=DAILY")
    done = take(Draft("One", id="1"), bad, Draft("Two", id="2", subtasks=(Draft("Part"),)))

    undone = importing.undo(todos, user_id, done.message_id)

    assert len(undone.gone) == 3
    assert items(todos, user_id) == []
    with pytest.raises(NotFound):
        importing.undo(todos, user_id, done.message_id)
    assert take(Draft("One", id="1")).added == 1


@pytest.mark.slow
def test_what_was_worked_on_stays_and_is_told(take: Take, todos: Todos, user_id: int) -> None:
    bad = Draft("Bad", rule="FREQ=DAILY")
    done = take(Draft("One"), bad, Draft("Two"))
    two = todos.listing(user_id)[1]
    todos.update(importing.By(user_id), two.id, {"item": "Mine"})

    undone = importing.undo(todos, user_id, done.message_id)

    assert items(todos, user_id) == ["Mine"]
    assert [refused.why.code for refused in undone.refused] == ["TODO_CHANGED"]
    with pytest.raises(Conflict):
        importing.undo(todos, user_id, done.message_id)


def test_nothing_new_is_no_change(take: Take, todos: Todos, user_id: int) -> None:
    take(Draft("One", id="1"))
    before = todos.revision(user_id)

    done = take(Draft("One", id="1"))

    assert (done.added, done.message_id, done.change_ids) == (0, "", ())
    assert todos.revision(user_id) == before
