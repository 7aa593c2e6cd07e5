"""What has been done to a todo, in a sentence with its way back: for the toast of a page and its list of changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from blueprints.todo_shown import repeats
from services import when
from services.store.todo_changes import Change
from services.todos.actions import Added, Done, Undone
from services.when import When

_SHOWN_CHARS: Final = 80
_WORDS: Final[Mapping[str, str]] = {
    "created": "Added {item}",
    "updated": "Changed {item}",
    "completed": "Done: {item}",
    "reopened": "Open again: {item}",
    "deleted": "Deleted {item}",
    "moved": "Moved {item}",
    "undone": "Undid a change of {item}",
}
_UNDONE: Final[Mapping[str, str]] = {
    "created": "Taken back: {item}",
    "updated": "As before: {item}",
    "completed": "Open again: {item}",
    "reopened": "Done again: {item}",
    "deleted": "Back again: {item}",
    "moved": "Moved back: {item}",
    "undone": "Done again: {item}",
}
_FIELDS: Final[Mapping[str, str]] = {
    "item": "its words",
    "notes": "its notes",
    "start": "its start",
    "due": "its due date",
    "importance": "its importance",
    "tags": "its tags",
    "project": "its project",
    "rule": "its repetition",
    "mode": "its repetition",
    "parent_id": "where it belongs",
}


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence for the toast.

    Attributes:
        notes: More about it: how a line was understood, what comes next.
        change_id: By which it can be undone; empty where nothing is to be undone.
        label: Of the button that undoes it.
        fix_url: Where what was understood can be put right; empty where there is nothing to put right.
    """

    text: str
    notes: Sequence[str] = ()
    change_id: str = ""
    label: str = "Undo"
    fix_url: str = ""


def of_added(added: Added, notes: Sequence[str], *, zone: str) -> Said:
    """One todo was made, or several."""
    if len(added.todos) != 1:
        return Said(f"Added {len(added.todos)} todos", tuple(notes), added.change_id)
    todo = added.todos[0]
    told = []
    if todo.day:
        told = [", ".join(filter(None, (todo.day.said(zone=zone), repeats(todo)))), f"Days and times of {zone}."]
    text = f"Added {quoted(todo.item)}" + (f", with {steps(len(todo.subtasks))}" if todo.subtasks else "")
    return Said(text, (*told, *notes), added.change_id, fix_url=f"/todos/{todo.id}")


def of_done(kind: str, done: Done, notes: Sequence[str] = (), *, zone: str) -> Said:
    """Something was done to a todo."""
    if not done.change_id:
        return Said(f"Nothing to change: {quoted(done.todo.item)}", tuple(notes))
    told = list(notes)
    if kind == "updated" and done.todo.day:
        told.insert(0, date_said(done.todo.day, zone))
    if done.following is not None and done.following.day is not None:
        told.append(f"Next: {date_said(done.following.day, zone)}")
    if kind == "deleted" and done.todo.subtasks:
        told.append(f"With {steps(len(done.todo.subtasks))}")
    return Said(_WORDS[kind].format(item=quoted(done.todo.item)), told, done.change_id)


def of_undone(undone: Undone) -> Said:
    """One change was undone, or all of an answer."""
    one = undone.changes[0] if undone.changes else None
    text = f"Undone: {len(undone.changes)} changes"
    if one is not None and len(undone.changes) == 1:
        text = _UNDONE[one.kind].format(item=quoted(one.item))
    notes = [str(refused.why) for refused in undone.refused]
    return Said(text, notes, undone.change_id, label="Redo")


def again(change: Change) -> Said:
    """The same of a change that a page without script was sent back for."""
    return Said(of_change(change), (), "" if change.undone_by else change.id, "Redo" if change.undoes else "Undo")


def of_change(change: Change) -> str:
    """A change in words."""
    text = _WORDS[change.kind].format(item=quoted(change.item))
    before, after = change.states.get(change.todo_id, (None, None))
    if change.kind == "updated" and before is not None and after is not None:
        names = dict.fromkeys(_FIELDS[name] for name in after if name in _FIELDS)
        text += f": {', '.join(names)}" if names else ""
    others = len(change.states) - 1
    if change.kind in {"created", "deleted"} and _has_steps(change, others):
        text += f", with {steps(others)}"
    return text


def _has_steps(change: Change, others: int) -> bool:
    """Whether all else that a change touched are steps of its todo."""
    parts = [state for pair in change.states.values() for state in pair if state is not None]
    return others > 0 and sum(state.get("parent_id") == change.todo_id for state in parts) == others


def date_said(day: When, zone: str) -> str:
    """A date with its weekday and its zone."""
    return f"{day.said(zone=zone)} ({zone})" if day.zone == zone else day.said(zone=zone)


def quoted(item: str) -> str:
    """A todo's words within a sentence."""
    return f"“{item if len(item) <= _SHOWN_CHARS else item[: _SHOWN_CHARS - 1].rstrip() + '…'}”"


def steps(count: int) -> str:
    """A number of steps."""
    return f"{count} step{'' if count == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Told:
    """A change in the list of changes."""

    change: Change
    text: str
    at: str
    can_undo: bool


def told(changes: Sequence[Change], *, now: datetime, zone: str) -> list[Told]:
    """Changes as the list of them shows them."""
    return [
        Told(change, of_change(change), _at(change.created_at, now=now, zone=zone), change.undone_by is None)
        for change in changes
    ]


def _at(moment: datetime, *, now: datetime, zone: str) -> str:
    local = when.of_instant(moment, zone)
    clock = f"{local.at:%H:%M}"
    return clock if local.day == when.today(now, zone) else f"{when.said_day(local.day)}, {clock}"


def values(said: Said, suffix: str) -> dict[str, Any]:
    """What todos/_toast.html takes."""
    return {
        "text": said.text,
        "notes": said.notes,
        "change_id": said.change_id,
        "label": said.label,
        "fix_url": said.fix_url and said.fix_url + suffix,
        "suffix": suffix,
    }
