"""The order by hand."""

import random

import gevent
import pytest

from services import errors
from services.store import todo_places
from services.store.todos import Draft, Todo
from tests.services.store.lists import TodoList


@pytest.fixture
def four(todo_list: TodoList) -> list[Todo]:
    return [todo_list.make(item) for item in "abcd"]


@pytest.mark.slow
def test_what_is_new_stands_last(todo_list: TodoList, four: list[Todo]) -> None:
    assert todo_list.items() == ["a", "b", "c", "d"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moved", "after", "order"),
    [
        ("d", None, "dabc"),
        ("a", None, "abcd"),
        ("d", "a", "adbc"),
        ("a", "d", "bcda"),
        ("a", "b", "bacd"),
        ("b", "a", "abcd"),
        ("b", "c", "acbd"),
    ],
)
def test_a_todo_is_put_behind_another(
    todo_list: TodoList, four: list[Todo], moved: str, after: str | None, order: str
) -> None:
    by_name = {todo.item: todo for todo in four}

    todo_list.move(by_name[moved], by_name[after] if after else None)

    assert "".join(todo_list.items()) == order
    todo_list.undo()
    assert "".join(todo_list.items()) == "abcd"


def test_subtasks_are_moved_within_their_todo(todo_list: TodoList) -> None:
    above = todo_list.make("above", subtasks=(Draft("a"), Draft("b"), Draft("c")))
    a, b, c = above.subtasks
    other = todo_list.make("other")

    todo_list.move(c, a)
    todo_list.move(b, None)

    assert [part.item for part in todo_list.get(above).subtasks] == ["b", "a", "c"]
    assert todo_list.items() == ["above", "other"]
    for wrong in (lambda: todo_list.move(a, other), lambda: todo_list.move(other, a), lambda: todo_list.move(a, a)):
        with pytest.raises(errors.InvalidInput):
            wrong()


@pytest.mark.slow
def test_a_place_that_is_used_up_is_made_anew(todo_list: TodoList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(todo_places, "GAP", 4)
    four = [todo_list.make(item) for item in "abcd"]
    todo_list.todos.delete(todo_list.by, four[2].id)
    deleted = todo_list.todos.changes(todo_list.user_id)[0]
    moved = todo_list.move(four[3], four[0])
    order = ["a", "d", "b"]
    for number in range(10):
        todo_list.move(todo_list.make(str(number)), four[0])
        order.insert(1, str(number))
        assert todo_list.items() == order

    todo_list.undo(moved.change_id)
    order.remove("d")
    assert todo_list.items() == [*order, "d"], "places that changes remember are renumbered too"
    todo_list.undo(deleted.id)
    assert todo_list.items() == [*order, "c", "d"]


@pytest.mark.slow
def test_a_move_that_makes_all_places_anew_is_undone_too(todo_list: TodoList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(todo_places, "GAP", 5)
    four = [todo_list.make(item) for item in "abcd"]
    order = ["a", "b", "c", "d"]
    renumbered = 0
    for number in range(24):
        name = "bcd"[number % 3]
        places = {todo.item: todo.position for todo in todo_list.everything().values()}
        todo_list.move(next(todo for todo in four if todo.item == name), four[0])
        others = [todo for todo in todo_list.everything().values() if todo.item != name]
        renumbered += any(todo.position != places[todo.item] for todo in others)
        moved = [each for each in order if each != name]
        moved.insert(1, name)
        assert todo_list.items() == moved
        undone = todo_list.undo()
        assert todo_list.items() == order, number
        todo_list.undo(undone.change_id)
        assert todo_list.items() == moved
        order = moved
    assert renumbered > 3

    while todo_list.items() != ["a", "b", "c", "d"]:
        todo_list.undo()


@pytest.mark.slow
def test_the_line_is_never_too_long(todo_list: TodoList, four: list[Todo], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(todo_places, "_FARTHEST", 14 * todo_places.GAP)
    order = list(four)
    for number in range(16):
        made = todo_list.make(str(number))
        if number % 2:
            todo_list.move(made, None)
            order.insert(0, made)
        else:
            order.append(made)
            todo_list.todos.delete(todo_list.by, order.pop(0).id)
        assert todo_list.items() == [todo.item for todo in order]
        places = [todo.position for todo in todo_list.everything().values()]
        assert max(map(abs, places)) <= 14 * todo_places.GAP


@pytest.mark.slow
def test_moves_at_once_all_happen(todo_list: TodoList, four: list[Todo]) -> None:
    chance = random.Random(4711)
    moves = [chance.sample(four, 2) for _ in range(20)]

    jobs = [gevent.spawn(todo_list.move, moved, after) for moved, after in moves]
    gevent.joinall(jobs, timeout=30, raise_error=True)

    assert sorted(todo_list.items()) == ["a", "b", "c", "d"]
    places = [todo.position for todo in todo_list.everything().values()]
    assert len(set(places)) == 4
    assert todo_list.revision == 24


@pytest.mark.slow
def test_a_place_in_a_filtered_list_is_one_in_the_whole(todo_list: TodoList) -> None:
    todos = [todo_list.make(item, tags=("t",) if item in "ace" else ()) for item in "abcde"]

    todo_list.move(todos[4], todos[0])

    assert todo_list.items(tag="t") == ["a", "e", "c"]
    assert todo_list.items() == ["a", "e", "b", "c", "d"]
