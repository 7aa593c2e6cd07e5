"""One line, or a pasted list, as todos: how it is understood, told alike before and after it is saved. For programs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Final

from flask import Blueprint, Response, jsonify, request

from blueprints import body, todo_quick
from blueprints.bases import sent_flag
from blueprints.extensions import services
from blueprints.todo_items import by, zone
from blueprints.todo_said import date_said
from services.errors import FieldError, InvalidInput
from services.store.base import utc_now
from services.store.todos import Draft
from services.todos import fields, recurrence
from services.todos.quick import Chip, Kind
from services.todos.recurrence import Recurrence

blueprint = Blueprint("todo_lines", __name__)

# What may be put right of a line, and what its chip is then called.
_KINDS: Final[Mapping[str, Kind]] = {
    "start_time": "start",
    "due_time": "due",
    "recurrence": "repeat",
    "importance": "importance",
    "tags": "tag",
    "project": "project",
}
_OVERRIDES: Final = (*_KINDS, "item", "notes")


@blueprint.post("/api/todos/quick")
def quick() -> Response:
    """What a `line` means, and, with `save`, the todos of it.

    `plain` are words in it that are to be taken as they are; `overrides` are fields that replace what was understood.
    """
    sent = body.fields(request)
    save, plain, overrides = sent_flag(sent, "save"), _plain(sent), _overrides(sent)
    sent.check()
    line = sent.values.get("line")
    if not isinstance(line, str):
        raise InvalidInput([FieldError("line", "is missing" if line is None else "must be a text")])
    found = todo_quick.understood(line, plain, now=utc_now(), zone=zone())
    drafts, chips, remarks = todo_quick.drafts(found), list(found.chips), list(found.notes)
    if overrides:
        if len(drafts) > 1:
            raise InvalidInput([FieldError("overrides", "are for one todo; this makes several")])
        drafts[0], chips, more = _overridden(drafts[0], chips, overrides)
        remarks += more
    told = {"line": line, "zone": zone(), "chips": [asdict(chip) for chip in chips], "remarks": remarks}
    if not save:
        return jsonify(**told, saved=False, todos=[fields.draft_json(draft) for draft in drafts])
    added = services().todos.add(by("quick"), drafts)
    made = [fields.as_json(todo) for todo in added.todos]
    response = jsonify(**told, saved=True, todos=made, change_id=added.change_id, revision=added.revision)
    response.status_code = 201
    return response


def _plain(sent: body.Fields) -> list[str]:
    values = sent.values.get("plain")
    if values is None:
        return []
    values = [values] if isinstance(values, str) else values
    if isinstance(values, list) and all(isinstance(value, str) for value in values):
        return values
    sent.wrong("plain", "must be a list of texts")
    return []


def _overrides(sent: body.Fields) -> Mapping[str, Any]:
    values = sent.values.get("overrides")
    if values is None:
        return {}
    if isinstance(values, Mapping) and all(name in _OVERRIDES for name in values):
        return values
    sent.wrong("overrides", f"must be an object with some of {', '.join(_OVERRIDES)}")
    return {}


def _overridden(
    draft: Draft, chips: Sequence[Chip], overrides: Mapping[str, Any]
) -> tuple[Draft, list[Chip], Sequence[str]]:
    try:
        changed = fields.changed(overrides, now=utc_now(), zone=zone())
    except InvalidInput as wrong:
        told = [FieldError(f"overrides.{each.field}", each.message) for each in wrong.errors]
        raise InvalidInput(told, wrong.message) from wrong
    values = {name: value for name, value in changed.values.items() if name != "mode" or value is not None}
    draft = replace(draft, **values)
    gone = {_KINDS[name] for name in overrides if name in _KINDS}
    if draft.rule is not None and not (draft.start or draft.due) and "recurrence" not in overrides:
        # Without its date, the line's own repetition has nothing to begin with.
        draft, gone = replace(draft, rule=None), gone | {"repeat"}
    kept = [chip for chip in chips if chip.kind not in gone]
    return draft, kept + [chip for chip in _chips(draft) if chip.kind in gone], changed.remarks


def _chips(draft: Draft) -> list[Chip]:
    """What a draft says, as chips of no words."""
    found = [Chip("start", "", date_said(draft.start, zone()))] if draft.start else []
    found += [Chip("due", "", f"due {date_said(draft.due, zone())}")] if draft.due else []
    found += [Chip("repeat", "", recurrence.said(Recurrence(draft.rule, draft.mode)))] if draft.rule else []
    found += [Chip("importance", "", f"{draft.importance} importance")] if draft.importance != "medium" else []
    found += [Chip("tag", "", f"tag {tag}") for tag in draft.tags]
    return found + ([Chip("project", "", f"project {draft.project}")] if draft.project else [])
