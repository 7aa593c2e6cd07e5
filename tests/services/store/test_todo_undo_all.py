"""Whatever was done, in whatever order: undone step by step it never was."""

import random
from datetime import timedelta
from typing import Any

import pytest

from services import errors
from services.store import todo_places
from services.store.todos import Draft
from tests.services.store.lists import TodoList, at, day
from tests.services.store.test_todo_undo import told


class Chance:
    """Does something or other to a list."""

    def __init__(self, todo_list: TodoList, seed: int) -> None:
        self.its = todo_list
        self.of = random.Random(seed)

    def values(self) -> dict[str, Any]:
        dated = {"due": self.of.choice([day("2026-11-21"), at("2026-11-30 09:00"), day("2026-12-31")])}
        repeated = {**dated, "rule": self.of.choice(["FREQ=DAILY", "FREQ=MONTHLY"])}
        others = {"tags": tuple(self.of.sample("abcd", 2)), "project": self.of.choice(["p", None])}
        return self.of.choice([{}, dated, repeated, others, {"notes": str(self.of.random())}, {**dated, **others}])

    def do(self) -> None:
        """One operation, also one that is refused."""
        its, of = self.its, self.of
        its.now += timedelta(minutes=1)
        every = [each for todo in its.everything().values() for each in (todo, *todo.subtasks)]
        draft = Draft(str(of.random()), subtasks=tuple(Draft("part") for _ in range(of.randrange(3))), **self.values())
        if len(every) < 3:
            its.todos.create(its.by, draft)
            return
        one, other = of.sample(every, 2)
        operations = [
            lambda: its.todos.create(its.by, draft),
            lambda: its.make("below", parent_id=one.id),
            lambda: its.change(one, **self.values()),
            lambda: its.change(one, item=str(of.random())),
            lambda: its.change(one, parent_id=of.choice([other.id, None])),
            lambda: its.complete(one),
            lambda: its.complete(other),
            lambda: its.todos.reopen(its.by, one.id),
            lambda: its.todos.delete(its.by, one.id),
            lambda: its.move(one, of.choice([None, other])),
            lambda: its.undo(),
        ]
        try:
            of.choice(operations)()
        except (errors.InvalidInput, errors.Conflict, errors.NotFound):
            return


@pytest.mark.parametrize(
    ("seed", "times"), [(41, 10), *(pytest.param(seed, 40, marks=pytest.mark.slow) for seed in (29, 41, 42))]
)
def test_all_that_was_done_is_undone(
    todo_list: TodoList, seed: int, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(todo_places, "GAP", 16)
    chance = Chance(todo_list, seed)
    states = []
    for _ in range(times):
        before, revision = told(todo_list), todo_list.revision
        chance.do()
        if todo_list.revision > revision:
            states.append((todo_list.todos.changes(todo_list.user_id, 1)[0].id, without_places(before)))
        else:
            assert told(todo_list) == before

    for change_id, before in reversed(states):
        todo_list.undo(change_id)
        assert without_places(told(todo_list)) == before
    assert todo_list.everything() == {}


def without_places(there: Any) -> Any:
    """The same, but for the numbers of places: they may have been made anew meanwhile, in the same order."""
    return [({**kept, "position": 0}, without_places(parts)) for kept, parts in there]
