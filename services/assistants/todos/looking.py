"""The list as the built-in engine looks things up in it, as it was when the question was asked."""

from collections.abc import Iterator, Sequence
from typing import Final

from services.assistants.todos.done import Did
from services.assistants.todos.matching import Item
from services.todos.actions import Filter, Todo, Todos

# Of those that are done the latest: who reopens something has just completed it.
_DONE_LIMIT: Final = 500
_ABOUT_CHARS: Final = 24
_OPEN_BEFORE: Final = frozenset({"completed", "deleted", "updated", "moved"})


class Looker:
    """Gives the todos that are open, or those that are done; read once, when they are first needed.

    Args:
        before: What earlier tries at the question have done: they found what they then changed, so it is found again.
    """

    def __init__(self, todos: Todos, user_id: int, before: Sequence[Did]) -> None:
        self._todos = todos
        self._user_id = user_id
        self._before = before
        self._known: dict[bool, list[Item]] = {}

    def __call__(self, is_done: bool) -> Sequence[Item]:
        if is_done not in self._known:
            self._known[is_done] = self._read(is_done)
        return self._known[is_done]

    def _read(self, is_done: bool) -> list[Item]:
        wanted = Filter(view="done", limit=_DONE_LIMIT) if is_done else Filter(view="open")
        found = {item.id: item for todo in self._todos.listing(self._user_id, wanted) for item in _items(todo)}
        found = {key: item for key, item in found.items() if item.is_done == is_done}
        for did in self._before:
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
