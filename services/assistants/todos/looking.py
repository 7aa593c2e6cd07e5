"""The list as the built-in engine looks things up in it, as it was when the question was asked."""

from collections.abc import Iterator, Sequence
from typing import Final

from services.assistants.todos.done import Did
from services.assistants.todos.matching import Item, stems
from services.todos.actions import Filter, Todo, Todos

# Of those with the same words so many are looked at, and of the whole list so many where none has them.
_NAMED: Final = 200
_ALL: Final = 500
_ABOUT_CHARS: Final = 24
_OPEN_BEFORE: Final = frozenset({"completed", "deleted", "updated", "moved"})


class Looker:
    """Gives the todos that may be meant by a name.

    Args:
        before: What earlier tries at the question have done: they found what they then changed, so it is found again.
    """

    def __init__(self, todos: Todos, user_id: int, before: Sequence[Did]) -> None:
        self._todos = todos
        self._user_id = user_id
        self._before = before

    def named(self, name: str, *, is_done: bool = False) -> list[Item]:
        """Those with these words in them; without a name the first ones of the list."""
        words = " ".join(stems(name))
        wanted = Filter(view="done" if is_done else "open", text=words or None, limit=_NAMED if words else _ALL)
        return self._with_before(self._read(wanted, is_done=is_done), is_done=is_done)

    def last(self) -> Item | None:
        """The last one of the list in the order by hand."""
        count = self._todos.count(self._user_id, Filter(view="open"))
        found = self._todos.listing(self._user_id, Filter(view="open", offset=max(count - 1, 0), limit=1))
        return next((item for todo in found for item in _items(todo)), None)

    def _read(self, wanted: Filter, *, is_done: bool) -> dict[str, Item]:
        found = {item.id: item for todo in self._todos.listing(self._user_id, wanted) for item in _items(todo)}
        return {key: item for key, item in found.items() if item.is_done == is_done}

    def _with_before(self, found: dict[str, Item], *, is_done: bool) -> list[Item]:
        for did in self._before:
            if did.is_reworded:
                # Another question may well be about what was done for that one.
                continue
            status, todo_id = did.output.get("status"), str(did.output.get("todo_id"))
            if status == "created":
                found.pop(todo_id, None)
            elif (status == "reopened") == is_done and (is_done or status in _OPEN_BEFORE) and todo_id not in found:
                found[todo_id] = Item(todo_id, str(did.output.get("item")), is_done)
        return list(found.values())


def _items(todo: Todo) -> Iterator[Item]:
    for one in (todo, *todo.subtasks):
        yield Item(
            one.id,
            one.item,
            one.is_done,
            about=one.day.text if one.day else (one.project or "")[:_ABOUT_CHARS],
            tags=one.tags,
            has_due=one.due is not None,
            when=one.day.text if one.day else "",
            parent_id=one.parent_id,
        )
