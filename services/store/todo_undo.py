"""Undoing: a change whose todos go back to what they were before another one.

Only what that change did goes back: a todo whose date it moved keeps the name that it got since. Where something that
it did has been changed since, it is not undone, and whoever asks is told what has been changed.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services import errors
from services.store import todo_changes
from services.store.todo_changes import Change, State
from services.store.todo_edits import SILENT, Edit, values_of
from services.store.todos import TodoRow

States = Mapping[str, tuple[State, State]]

_NAMES: Final[Mapping[str, str]] = {
    "item": "name",
    "notes": "notes",
    "start": "start",
    "due": "due date",
    "zone": "time zone",
    "importance": "importance",
    "tags": "tags",
    "project": "project",
    "parent_id": "todo that it belongs to",
    "status": "status",
    "completed_at": "status",
    "rule": "repetition",
    "mode": "repetition",
    "anchor": "repetition",
    "position": "place",
}
# What changes together with others of these, which then say it better.
_UNTOLD: Final = frozenset({"updated_at", "created_at", "series_id", "following_id", "source"})


@dataclass(frozen=True, slots=True)
class Refused:
    """A change that could not be undone, and why, as a sentence."""

    change: Change
    why: errors.Conflict


def revert(edit: Edit, change: Change) -> None:
    """Take back what a change did, all of it or nothing.

    Raises:
        Conflict: Code `TODO_CHANGED`: something of it has been changed since; `extra` says what of which todo.
            Code `UNDONE`: it has been undone already.
    """
    if change.undone_by is not None:
        raise errors.Conflict(f"That change of “{change.item}” has been undone already.", code="UNDONE")
    states = _followers_apart(edit, change)
    there = edit.some([*states, *_parents(states)])
    made = [key for key, (before, _) in states.items() if before is None]
    new = {row.parent_id for row in edit.children(*made) if row.id not in states}
    for todo_id in states:
        why = _objection(edit, states, todo_id, there, new)
        if why is not None:
            raise _conflict(change, todo_id, *why)
    came = [(key, before) for key, (before, after) in states.items() if after is None and before is not None]
    for todo_id, kept in sorted(came, key=lambda each: each[1]["parent_id"] is not None):
        edit.add(values_of(kept), todo_id)
    for todo_id, (before, after) in states.items():
        if before is not None and after is not None:
            _give_back(edit, there[todo_id], before)
    edit.remove([there[key] for key in made])


def close(edit: Edit, reverted: list[Change]) -> Change | None:
    """Write down that changes were undone, the newest of them first; whose undoing was undone are done again."""
    newest = reverted[0]
    ids = [change.id for change in reverted]
    written = edit.close("undone", newest.todo_id, newest.item, undoes=ids)
    todo_changes.mark(edit.session, ids, written.id if written else newest.id)
    todo_changes.mark(edit.session, [key for change in reverted for key in change.undoes], None)
    return written


def is_as_made(edit: Edit, change: Change, todo_id: str) -> bool:
    """Whether a todo that a change made is still as it was made, its place aside, and has no other subtasks."""
    if todo_id not in change.made or edit.find(todo_id) is None:
        return False
    own = [key for key in change.made if key == todo_id or (change.states[key][1] or {}).get("parent_id") == todo_id]
    there = edit.some([todo_id, *(part.id for part in edit.children(todo_id))])
    return there.keys() == set(own) and not any(_differing(edit, there[key], change.states[key]) for key in own)


def _followers_apart(edit: Edit, change: Change) -> States:
    """The states of a completion without the todo that it made, if that one has been worked on or is gone."""
    if change.kind != "completed":
        return change.states
    follower = next((key for key in change.made if (change.states[key][1] or {}).get("parent_id") is None), None)
    if follower is None or is_as_made(edit, change, follower):
        return change.states
    return {key: pair for key, pair in change.states.items() if key not in change.made}


def _parents(states: States) -> set[str]:
    """The todos to which those that come back belonged."""
    return {
        before["parent_id"] for before, after in states.values() if before and after is None and before["parent_id"]
    }


def _objection(
    edit: Edit, states: States, todo_id: str, there: Mapping[str, TodoRow], new: Collection[str | None]
) -> tuple[list[str], str] | None:
    """Why a todo cannot go back: which of its fields have been changed since, and the end of a sentence about it.

    Args:
        edit: The edit.
        states: All that the change did.
        todo_id: Which todo.
        there: Those of the change, and those that they belong to, as they are now.
        new: Those that have got subtasks since they were made.
    """
    before, after = states[todo_id]
    row = there.get(todo_id)
    if after is None:
        parent_id = (before or {}).get("parent_id")
        if row is not None:
            return ["deleted"], "is there already"
        if parent_id is not None and parent_id not in states and parent_id not in there:
            return ["parent_id"], "belonged to a todo that has been deleted since"
        return None
    if row is None:
        return ["deleted"], "has been deleted since"
    if todo_id in new:
        return ["subtasks"], "has got subtasks since"
    differing = _differing(edit, row, (before, after))
    return (differing, f"has been changed since: {_said(differing)}") if differing else None


def _differing(edit: Edit, row: TodoRow, states: tuple[State, State]) -> list[str]:
    """The fields that are no longer what a change made them."""
    before, after = states
    now, ignored = edit.snapshot(row), SILENT if before is None else _UNTOLD
    return [key for key in after or () if key not in ignored and (after or {})[key] != now[key]]


def _give_back(edit: Edit, row: TodoRow, before: Mapping[str, Any]) -> None:
    kept = {key: value for key, value in before.items() if key != "updated_at"}
    edit.change(row, values_of(kept), silently=set(kept) <= SILENT)


def _said(fields: list[str]) -> str:
    names = dict.fromkeys(_NAMES[key] for key in fields if key in _NAMES)
    return ", ".join(f"its {name}" for name in names) or "it is another one"


def _conflict(change: Change, todo_id: str, fields: list[str], why: str) -> errors.Conflict:
    before, after = change.states[todo_id]
    name = (after or {}).get("item") or (before or {}).get("item") or change.item
    return errors.Conflict(
        f"“{name}” {why}.",
        code="TODO_CHANGED",
        extra={"todo_id": todo_id, "change_id": change.id, "changed": fields},
    )
