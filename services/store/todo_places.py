"""The order by hand: numbers with gaps, so that a move writes one row. All of a person's todos share one line.

Where a gap is used up everything is numbered anew, and so are the places that changes remember.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from services.store.todo_changes import TodoChange
from services.store.todos import TodoRow

# Thirty-two moves to one place are possible before it is used up.
GAP: Final = 1 << 32
# JSON's numbers are exact up to here in every client.
_FARTHEST: Final = 1 << 52


class Places:
    """Finds places in one person's order, within an edit."""

    def __init__(self, s: Session, user_id: int, remembered: Callable[[], Iterable[int]]) -> None:
        """For an edit; `remembered` are the places that todos had before it."""
        self._session = s
        self._user_id = user_id
        self._remembered = remembered
        self._renumbered: list[dict[int, int]] = []
        # The last place, once it has been asked for: many todos at once need not ask again.
        self._last: int | None = None

    def last(self) -> int:
        """A place behind all others."""
        self._last = self._fitting(lambda: (self._edge(func.max) or 0 if self._last is None else self._last) + GAP)
        return self._last

    def first(self) -> int:
        """A place before all others."""
        return self._fitting(lambda: (self._edge(func.min) or 0) - GAP)

    def after(self, row: TodoRow) -> int:
        """A place right behind a todo."""
        place = self._fitting(lambda: self._between(row.position))
        self._last = None if self._last is None else max(self._last, place)
        return place

    @property
    def age(self) -> int:
        """How often all places have been numbered anew in this edit."""
        return len(self._renumbered)

    def moved(self, kept: Mapping[str, Any], age: int) -> dict[str, Any]:
        """What was kept of a todo at that age, with its place as it is called now."""
        place = kept["position"]
        for numbers in self._renumbered[age:]:
            place = numbers[place]
        return {**kept, "position": place}

    def _fitting(self, find: Any) -> int:
        place = find()
        if place is None or abs(place) > _FARTHEST:
            self._renumber()
            place = find()
        return int(place)

    def _edge(self, which: Any) -> int | None:
        return self._session.scalar(select(which(TodoRow.position)).where(TodoRow.user_id == self._user_id))

    def _between(self, low: int) -> int | None:
        behind = select(func.min(TodoRow.position)).where(TodoRow.user_id == self._user_id, TodoRow.position > low)
        high = self._session.scalar(behind)
        if high is None:
            return low + GAP
        middle = (low + high) // 2
        return middle if middle > low else None

    def _renumber(self) -> None:
        s = self._session
        self._last = None
        own = select(TodoRow.id, TodoRow.position).where(TodoRow.user_id == self._user_id)
        rows = s.execute(own.order_by(TodoRow.position, TodoRow.id)).all()
        changes = s.scalars(select(TodoChange).where(TodoChange.user_id == self._user_id)).all()
        remembered = {place for change in changes for pair in change.states.values() for place in _places(pair)}
        remembered.update(self._remembered())
        remembered.update(place for _, place in rows)
        numbers = {place: number * GAP for number, place in enumerate(sorted(remembered), start=1)}
        if rows:
            s.execute(update(TodoRow), [{"id": key, "position": numbers[place]} for key, place in rows])
        self._renumbered.append(numbers)
        for row in list(s.identity_map.values()):
            if isinstance(row, TodoRow):
                s.refresh(row, ["position"])
        for change in changes:
            change.states = {
                key: [_renumbered(numbers, state) for state in pair] for key, pair in change.states.items()
            }
        s.flush()


def _places(states: Iterable[Mapping[str, Any] | None]) -> list[int]:
    return [state["position"] for state in states if state is not None and "position" in state]


def _renumbered(numbers: Mapping[int, int], state: dict[str, Any] | None) -> dict[str, Any] | None:
    return state if state is None or "position" not in state else {**state, "position": numbers[state["position"]]}
