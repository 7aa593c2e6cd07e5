"""What operations on todos did, as it is told to whoever asked: also when the same call is made again."""

from dataclasses import dataclass

from services.store import todo_changes, todos
from services.store.database import Session
from services.store.todo_changes import Change
from services.store.todo_undo import Refused
from services.store.todos import Todo
from services.todos import series


@dataclass(frozen=True, slots=True)
class Done:
    """What an operation did.

    Attributes:
        todo: As it is now; a deleted one as it was.
        change_id: By which it can be undone; empty where nothing had to be done.
        following: The next one of its series, made because this one was completed.
        repeated: Whether this very call had been made before; then nothing was done now.
        revision: The list's after it.
    """

    todo: Todo
    change_id: str
    following: Todo | None = None
    repeated: bool = False
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Added:
    """Several todos that were made at once, by one change."""

    todos: tuple[Todo, ...]
    change_id: str
    repeated: bool = False
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Undone:
    """What an undoing did.

    Attributes:
        changes: Those that were undone, the newest first.
        refused: Those that were not, because of what has been changed since.
        change_id: The undoing's own, by which it can be undone; empty if nothing was.
        todos: Those that it touched, as they are now; a subtask within its todo.
        gone: The ids of those that are no more.
        repeated: As in `Done`.
    """

    changes: tuple[Change, ...]
    refused: tuple[Refused, ...]
    change_id: str
    todos: tuple[Todo, ...]
    gone: tuple[str, ...]
    repeated: bool = False
    revision: int = 0


def done(s: Session, user_id: int, change: Change, *, repeated: bool = False) -> Done:
    """What a change did, told from what is there now; of a todo that is gone, from what was kept of it."""
    next_ids = [key for key in change.made if _parent(change, key) is None] if change.kind == "completed" else []
    there = todos.some(s, user_id, [change.todo_id, *next_ids])
    todo = there.get(change.todo_id) or series.remembered(change, change.todo_id)
    return Done(todo, change.id, there.get(next_ids[0]) if next_ids else None, repeated, change.revision)


def added(s: Session, user_id: int, change: Change, *, repeated: bool = False) -> Added:
    """The same for a change that made several todos."""
    made = [key for key in change.made if _parent(change, key) not in change.states]
    there = todos.some(s, user_id, made)
    return Added(
        tuple(there.get(key) or series.remembered(change, key) for key in made), change.id, repeated, change.revision
    )


def undone(s: Session, user_id: int, written: Change) -> Undone:
    """What an undoing did that was made before."""
    reverted = todo_changes.some(s, user_id, written.undoes)
    return told(s, user_id, written, reverted, [], repeated=True)


def told(
    s: Session, user_id: int, written: Change, reverted: list[Change], refused: list[Refused], *, repeated: bool = False
) -> Undone:
    """What an undoing did."""
    there = todos.some(s, user_id, list(written.states))
    kept = tuple(todo for todo in there.values() if todo.parent_id not in there)
    gone = tuple(key for key in written.states if key not in there)
    return Undone(tuple(reverted), tuple(refused), written.id, kept, gone, repeated, written.revision)


def _parent(change: Change, todo_id: str) -> str | None:
    parent_id: str | None = (change.states[todo_id][1] or {}).get("parent_id")
    return parent_id
