"""Undoing: a change whose todos go back to what they were before another one.

Only what that change did goes back: a todo whose date it moved keeps the name that it got since. Where something that
it did has been changed since, it is not undone, and whoever asks is told what has been changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from services import errors
from services.store import todo_changes
from services.store.todo_changes import Change, State
from services.store.todo_edits import SILENT, Edit, values_of
from services.store.todos import TodoRow

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
    for todo_id, (before, after) in states.items():
        _check(edit, change, todo_id, before, after, states)
    came = {key: before for key, (before, after) in states.items() if after is None and before is not None}
    for todo_id in sorted(came, key=lambda key: came[key]["parent_id"] is not None):
        edit.add(values_of(came[todo_id]), todo_id)
    for todo_id, (before, after) in states.items():
        if before is not None and after is not None:
            _give_back(edit, edit.row(todo_id), before)
    edit.remove([edit.row(key) for key, (before, _) in states.items() if before is None])


def close(edit: Edit, reverted: list[Change]) -> Change | None:
    """Write down that changes were undone, the newest of them first; whose undoing was undone are done again."""
    newest = reverted[0]
    ids = [change.id for change in reverted]
    written = edit.close("undone", newest.todo_id, newest.item, undoes=ids)
    todo_changes.mark(edit.session, ids, written.id if written else newest.id)
    todo_changes.mark(edit.session, [key for change in reverted for key in change.undoes], None)
    return written


def is_untouched(edit: Edit, row: TodoRow) -> bool:
    """Whether a todo is as it was made: nothing but its place has been changed, and it has no new subtasks."""
    return row.status == "open" and all(
        each.updated_at == each.created_at == row.created_at for each in (row, *edit.children(row.id))
    )


def _followers_apart(edit: Edit, change: Change) -> Mapping[str, tuple[State, State]]:
    """The states of a completion without the todo that it made, if that one has been worked on or is gone."""
    if change.kind != "completed":
        return change.states
    follower = next((key for key in change.made if (change.states[key][1] or {}).get("parent_id") is None), None)
    row = None if follower is None else edit.find(follower)
    if follower is None or (row is not None and is_untouched(edit, row)):
        return change.states
    return {key: pair for key, pair in change.states.items() if key not in change.made}


def _check(
    edit: Edit,
    change: Change,
    todo_id: str,
    before: State,
    after: State,
    states: Mapping[str, tuple[State, State]],
) -> None:
    row = edit.find(todo_id)
    if after is None:
        if row is not None:
            raise _conflict(change, todo_id, ["it is there again"], "is there already")
        parent_id = (before or {}).get("parent_id")
        if parent_id is not None and parent_id not in states and edit.find(parent_id) is None:
            raise _conflict(change, todo_id, ["parent_id"], "belonged to a todo that has been deleted since")
        return
    if row is None:
        raise _conflict(change, todo_id, ["deleted"], "has been deleted since")
    now = edit.snapshot(row)
    if before is None:
        differing = [key for key in after if key not in SILENT and after[key] != now[key]]
        new = [each.id for each in edit.children(todo_id) if each.id not in states]
        if new:
            raise _conflict(change, todo_id, ["subtasks"], "has got subtasks since")
    else:
        differing = [key for key in after if key not in _UNTOLD and after[key] != now[key]]
    if differing:
        raise _conflict(change, todo_id, differing, f"has been changed since: {_said(differing)}")


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
