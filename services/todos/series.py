"""Completing and opening again, and the todos of a series: each is a todo of its own, made when the last is done."""

from datetime import date, timedelta
from typing import Any

from services import when
from services.store import todo_changes, todos
from services.store.todo_changes import Change
from services.store.todo_edits import Edit, Values, values_of
from services.store.todo_undo import is_as_made
from services.store.todos import DONE, OPEN, Todo, TodoRow
from services.todos.drafts import dated
from services.todos.recurrence import Recurrence, following
from services.when import LAST_YEAR, When


def complete(edit: Edit, row: TodoRow, *, today: date) -> None:
    """Mark a todo and its open subtasks as done, and make the next one of its series; one that is done stays so."""
    if row.status == DONE:
        return
    parts = edit.children(row.id)
    done: Values = {"status": DONE, "completed_at": edit.now}
    made = _next(edit, row, parts, today)
    edit.change(row, {**done, "following_id": made.id if made else None})
    for part in parts:
        if part.status == OPEN:
            edit.change(part, done)


def reopen(edit: Edit, row: TodoRow) -> None:
    """Open a todo again, with the subtasks that were completed with it; a subtask with its todo."""
    if row.status == OPEN:
        return
    if row.parent_id is not None:
        _open(edit, edit.row(row.parent_id))
    at = row.completed_at
    _open(edit, row)
    for part in edit.children(row.id):
        if part.completed_at == at:
            _open(edit, part)


def remembered(change: Change, todo_id: str) -> Todo:
    """A todo that is gone, as far as a change kept it."""
    before, after = change.states[todo_id]
    kept: dict[str, Any] = {**_UNKNOWN, **(before or {}), **(after or {})}
    at = todos.as_utc(kept["created_at"]) or change.created_at
    return Todo(
        id=todo_id,
        subtasks=(),
        item=kept["item"] or change.item,
        tags=tuple(kept["tags"]),
        start=todos.when(kept["start"], kept["zone"]),
        due=todos.when(kept["due"], kept["zone"]),
        anchor=todos.when(kept["anchor"], kept["zone"]),
        created_at=at,
        updated_at=todos.as_utc(kept["updated_at"]) or at,
        completed_at=todos.as_utc(kept["completed_at"]),
        **{name: kept[name] for name in _AS_KEPT},
    )


_AS_KEPT = (
    "notes",
    "importance",
    "project",
    "parent_id",
    "status",
    "rule",
    "mode",
    "series_id",
    "following_id",
    "position",
    "source",
)
_UNKNOWN: dict[str, Any] = {
    **dict.fromkeys((*_AS_KEPT, "item", "start", "due", "zone", "anchor", "created_at", "updated_at", "completed_at")),
    "tags": (),
    "notes": "",
    "importance": "medium",
    "status": OPEN,
    "position": 0,
    "source": "user",
}


def _open(edit: Edit, row: TodoRow) -> None:
    if row.status == OPEN:
        return
    made = todo_changes.completion(edit.session, edit.by.user_id, row.id) if row.following_id else None
    if made is not None and row.following_id and is_as_made(edit, made, row.following_id):
        edit.remove([edit.row(row.following_id), *edit.children(row.following_id)])
    edit.change(row, {"status": OPEN, "completed_at": None, "following_id": None})


def _next(edit: Edit, row: TodoRow, parts: list[TodoRow], today: date) -> TodoRow | None:
    """The next todo of a series; the one that is there already, if one is."""
    day = todos.when(row.due or row.start, row.zone)
    anchor = todos.when(row.anchor, row.zone)
    if row.rule is None or row.series_id is None or day is None or anchor is None:
        return None
    there = [each for each in todos.open_of_series(edit.session, edit.by.user_id, row.series_id) if each.id != row.id]
    if there:
        return there[0]
    kept = Recurrence(row.rule, "completion" if row.mode == "completion" else "schedule")
    following_day = following(kept, anchor=anchor, day=day, today=today)
    if following_day is None or following_day.day.year > LAST_YEAR:
        return None
    made = edit.add({**_copied(edit, row), **_moved(row, following_day), "position": edit.places.after(row)})
    for part in parts:
        edit.add({**_copied(edit, part), "parent_id": made.id, "position": edit.places.last()})
    return made


def _copied(edit: Edit, row: TodoRow) -> Values:
    fresh = {"status": OPEN, "completed_at": None, "following_id": None, "created_at": edit.now, "updated_at": edit.now}
    return {**values_of(edit.snapshot(row)), **fresh}  # type: ignore[typeddict-item]


def _moved(row: TodoRow, day: When) -> Values:
    """Its dates with the one that it is listed by on another day; one that comes before that moves along."""
    if row.due is None:
        return dated(day, None)
    start, due = todos.when(row.start, row.zone), todos.when(row.due, row.zone)
    assert due is not None, "it has one"
    return dated(_later(start, day.day - due.day), day)


def _later(day: When | None, by: timedelta) -> When | None:
    if day is None:
        return None
    moved = day.day + by
    return When(moved) if day.at is None or day.zone is None else when.settled(moved, day.at, day.zone)[0]
