"""Making, changing and moving todos within an edit: what fits together, and how it is kept."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from services import errors, when
from services.errors import FieldError
from services.store import todos
from services.store.base import clean
from services.store.todo_edits import Edit, Values
from services.store.todos import DONE, OPEN, Draft, TodoRow
from services.when import When

CHANGEABLE: Final = frozenset(
    {"item", "notes", "start", "due", "importance", "tags", "project", "parent_id", "rule", "mode"}
)


def add(edit: Edit, draft: Draft) -> TodoRow:
    """Make a todo of a draft, behind all others, and its subtasks.

    Raises:
        InvalidInput: Something of it is too long, or does not fit together.
        NotFound: The todo above it is unknown.
        Conflict: Code `TODO_DONE`: that is done.
    """
    if draft.parent_id is not None:
        if draft.subtasks:
            raise _wrong("subtasks", "A subtask cannot have subtasks.")
        _above(edit, draft.parent_id, draft.status)
    row = _add(edit, draft, draft.parent_id)
    for part in draft.subtasks:
        if part.subtasks:
            raise _wrong("subtasks", "A subtask cannot have subtasks.")
        _add(edit, part, row.id)
    return row


def update(edit: Edit, row: TodoRow, changes: Mapping[str, Any]) -> None:
    """Give a todo other values, by the names of `Draft`; see `CHANGEABLE`. Raises as `add`."""
    unknown = changes.keys() - CHANGEABLE
    if unknown:
        raise ValueError(f"not to be changed: {sorted(unknown)}")
    values: dict[str, Any] = {
        key: changes[key] for key in ("item", "notes", "importance", "tags", "project") if key in changes
    }
    _check_texts(values)
    if "parent_id" in changes and changes["parent_id"] != row.parent_id:
        _put_below(edit, row, changes["parent_id"])
        values["parent_id"] = changes["parent_id"]
    if changes.keys() & {"start", "due", "rule", "mode"}:
        values.update(_timing(row, changes))
    if values.get("rule", row.rule) and values.get("parent_id", row.parent_id):
        raise _wrong("recurrence", "A subtask does not repeat by itself: let its todo repeat.")
    edit.change(row, Values(**values))  # type: ignore[typeddict-item]  # the names are those above


def move(edit: Edit, row: TodoRow, after_id: str | None) -> None:
    """Put a todo behind another of the same list; None: before all others.

    Raises:
        NotFound: There is no such other one.
        InvalidInput: It is itself, or in another list.
    """
    if after_id is None:
        edit.change(row, {"position": edit.places.first()}, silently=True)
        return
    other = edit.row(after_id)
    if other.id == row.id or other.parent_id != row.parent_id:
        raise _wrong("after_id", "A todo can be put behind another one of the same list only.")
    edit.change(row, {"position": edit.places.after(other)}, silently=True)


def dated(start: When | None, due: When | None) -> Values:
    """Dates as a row keeps them: both in one zone, that of the due time if there is one."""
    zone = (due and due.zone) or (start and start.zone) or None
    start = _in_zone(start, zone)
    return {"start": start.text if start else None, "due": due.text if due else None, "zone": zone}


def _add(edit: Edit, draft: Draft, parent_id: str | None) -> TodoRow:
    values: dict[str, Any] = {
        "item": draft.item,
        "notes": draft.notes,
        "importance": draft.importance,
        "tags": draft.tags,
        "project": draft.project,
    }
    _check_texts(values)
    values.update(dated(draft.start, draft.due))
    if draft.rule is not None:
        if parent_id is not None:
            raise _wrong("recurrence", "A subtask does not repeat by itself: let its todo repeat.")
        day = draft.due or draft.start
        values.update(_repeating(draft.rule, draft.mode, day, draft.anchor or day, str(uuid4())))
    if draft.status == DONE:
        values["completed_at"] = draft.completed_at or edit.now
    own = {"parent_id": parent_id, "position": edit.places.last(), "source": edit.by.source, "status": draft.status}
    return edit.add(Values(**values, **own), draft.id)  # type: ignore[typeddict-item]


def _timing(row: TodoRow, changes: Mapping[str, Any]) -> Values:
    start = changes["start"] if "start" in changes else todos.when(row.start, row.zone)
    due = changes["due"] if "due" in changes else todos.when(row.due, row.zone)
    values = dated(start, due)
    day = due or start
    rule = changes.get("rule", row.rule)
    if rule is None:
        values.update({"rule": None, "mode": None, "anchor": None, "series_id": None})
        return values
    mode = changes.get("mode") or row.mode or "schedule"
    anchor = todos.when(row.anchor, row.zone)
    if rule != row.rule or anchor is None:
        # It is another series from here on; what came before it keeps its id.
        anchor = day
    values.update(_repeating(rule, mode, day, anchor, row.series_id or str(uuid4())))
    return values


def _repeating(rule: str, mode: str, day: When | None, anchor: When | None, series_id: str) -> Values:
    if day is None or anchor is None:
        raise _wrong("recurrence", "A todo that repeats needs a date to begin with.")
    # The series keeps its first day, so that no date drifts; its time is the one that was chosen last.
    first = When(anchor.day, day.at, day.zone)
    return {"rule": rule, "mode": mode, "anchor": first.text, "series_id": series_id}


def _above(edit: Edit, parent_id: str, status: str) -> TodoRow:
    above = edit.row(parent_id)
    if above.parent_id is not None:
        raise _wrong("parent_id", "A subtask cannot have subtasks.")
    if above.status == DONE and status == OPEN:
        raise errors.Conflict(f"“{above.item}” is done. Reopen it first.", code="TODO_DONE")
    return above


def _put_below(edit: Edit, row: TodoRow, parent_id: str | None) -> None:
    if parent_id is None:
        return
    if parent_id == row.id:
        raise _wrong("parent_id", "A todo cannot be its own subtask.")
    _above(edit, parent_id, row.status)
    if edit.children(row.id):
        raise _wrong("parent_id", "A todo that has subtasks cannot become one.")


def _check_texts(values: Mapping[str, Any]) -> None:
    wrong = []
    if "item" in values and not clean(values["item"]).strip():
        wrong.append(FieldError("item", "is missing"))
    for field, limit in (("item", todos.MAX_ITEM), ("notes", todos.MAX_NOTES), ("project", todos.MAX_PROJECT)):
        if len(values.get(field) or "") > limit:
            wrong.append(FieldError(field, f"has more than {limit} characters"))
    wrong += _tag_mistakes(values.get("tags", ()))
    if values.get("importance", "medium") not in todos.IMPORTANCES:
        wrong.append(FieldError("importance", "must be low, medium or high"))
    if wrong:
        raise errors.InvalidInput(wrong)


def _tag_mistakes(tags: Sequence[str]) -> list[FieldError]:
    if len(tags) > todos.MAX_TAGS:
        return [FieldError("tags", f"are more than {todos.MAX_TAGS}")]
    if any(not clean(tag).strip() or len(tag) > todos.MAX_TAG for tag in tags):
        return [FieldError("tags", f"must have from 1 to {todos.MAX_TAG} characters each")]
    return []


def _in_zone(day: When | None, zone: str | None) -> When | None:
    at = day.instant() if day is not None else None
    return day if at is None or zone is None or (day and day.zone == zone) else when.of_instant(at, zone)


def _wrong(field: str, message: str) -> errors.InvalidInput:
    return errors.InvalidInput([FieldError(field, message)], message)
