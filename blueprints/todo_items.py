"""Todos for programs: list, make, change, complete, move, delete, undo. Pages are todo_pages.py's.

Everything goes through the operations that the pages and the agent use (services/todos/actions.py).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from flask import Blueprint, Response, jsonify, request

from blueprints import body, identity
from blueprints.card_fields import whole_number
from blueprints.extensions import services
from services.errors import Conflict, FieldError, InvalidInput
from services.store.base import utc_now
from services.store.todo_filters import VIEWS, View
from services.store.todos import MAX_PROJECT, MAX_TAG
from services.todos import fields, importing
from services.todos.actions import By, Change, Done, Filter, Todos, Undone
from services.todos.fields import Changed

blueprint = Blueprint("todo_items", __name__)

MAX_ON_A_PAGE: Final = 1_000
_ON_A_PAGE: Final = 200
_MAX_CHANGES: Final = 500
_CHANGES: Final = 50
_MAX_QUERY: Final = 200
_MAX_KEY: Final = 200
_FARTHEST: Final = 1_000_000


@blueprint.get("/api/todos")
def listing() -> Response:
    """My todos that fit `view`, `tag`, `project` and `q`; `cursor` is the `next` of the page before."""
    wanted, limit = _filter()
    found = _todos().listing(me(), wanted)
    more = str(wanted.offset + limit) if len(found) > limit else None
    return jsonify(todos=[fields.as_json(todo) for todo in found[:limit]], next=more)


@blueprint.post("/api/todos")
def create() -> Response:
    """A new todo; dates in words, or as machines write them."""
    found = fields.drafted(body.fields(request).values, now=utc_now(), zone=zone())
    done = _todos().create(by("create"), found.draft)
    response = shown(done, found.remarks)
    response.status_code = 201
    response.location = f"/api/todos/{done.todo.id}"
    return response


@blueprint.get("/api/todos/tags")
def tags() -> Response:
    """The tags and projects of my open todos, and how many have each."""
    told = {"tags": _todos().tags(me()), "projects": _todos().projects(me())}
    return jsonify({kind: [{"name": name, "count": count} for name, count in found] for kind, found in told.items()})


@blueprint.get("/api/todos/changes")
def changes() -> Response:
    """What was done to my list, the newest first; with `after`, what came after that revision."""
    limit = _number("limit", 1, _MAX_CHANGES, _CHANGES)
    after = _number("after", 0, 10**10, 0)
    found = _todos().changes(me(), limit, after=after)
    return jsonify(changes=[change_json(change) for change in found], revision=_todos().revision(me()))


@blueprint.post("/api/todos/undo")
def undo() -> Response:
    """Undo a change (`change_id`), all that an answer or an import did (`message_id`), or else the latest change."""
    sent = body.fields(request)
    change_id = sent.text("change_id", max_chars=100, required=False) or None
    message_id = sent.text("message_id", max_chars=200, required=False) or None
    if change_id and message_id:
        sent.wrong("message_id", "cannot be sent together with change_id")
    sent.check()
    if message_id and message_id.startswith(importing.PREFIX):
        return jsonify(undone_json(importing.undo(_todos(), me(), message_id)))
    return jsonify(undone_json(_todos().undo(By(me()), change_id, message_id=message_id)))


@blueprint.get("/api/todos/<todo_id>")
def read(todo_id: str) -> Response:
    """One todo with its subtasks."""
    return jsonify(fields.as_json(_todos().get(me(), known_id(todo_id))))


@blueprint.patch("/api/todos/<todo_id>")
def change(todo_id: str) -> Response:
    """Change what is sent of a todo; with `seen`, its `updated_at` as I know it, only if nobody else has meanwhile."""
    seen, status, found = _sent_change()
    key, operations = known_id(todo_id), _todos()
    try:
        done = operations.update(by("update"), key, found.values, seen=seen)
    except Conflict as refused:
        if refused.code == "TODO_CHANGED":
            refused.extra["todo"] = fields.as_json(operations.get(me(), key))
        raise
    if status is not None and status != done.todo.status:
        done = (operations.complete if status == "done" else operations.reopen)(by("status"), key)
    return shown(done, found.remarks)


@blueprint.delete("/api/todos/<todo_id>")
def delete(todo_id: str) -> Response:
    """Take a todo away, with its subtasks."""
    done = _todos().delete(by("delete"), known_id(todo_id))
    return jsonify(todo_id=done.todo.id, status="deleted", item=done.todo.item, change_id=done.change_id)


@blueprint.post("/api/todos/<todo_id>/complete")
def complete(todo_id: str) -> Response:
    """Tick a todo off; one that repeats comes again, and is told as `following`."""
    return shown(_todos().complete(by("complete"), known_id(todo_id)))


@blueprint.post("/api/todos/<todo_id>/reopen")
def reopen(todo_id: str) -> Response:
    """Take the tick back."""
    return shown(_todos().reopen(by("reopen"), known_id(todo_id)))


@blueprint.post("/api/todos/<todo_id>/move")
def move(todo_id: str) -> Response:
    """Put a todo behind another one (`after_id`) in the order by hand; null or nothing: before all others."""
    sent = body.fields(request)
    after_id = sent.text("after_id", max_chars=100, required=False)
    sent.check()
    return shown(_todos().move(by("move"), known_id(todo_id), after_id=known_id(after_id) if after_id else None))


def me() -> int:
    """Whose list it is."""
    return identity.require().user.id


def zone() -> str:
    """The zone of their days and times."""
    return identity.require().user.zone


def by(what: str) -> By:
    """Who does something; with an `Idempotency-Key`, by which the same is done once however often it is sent."""
    key = request.headers.get("Idempotency-Key", "")
    if not key:
        return By(me())
    if len(key) > _MAX_KEY:
        raise InvalidInput([FieldError("Idempotency-Key", f"must have at most {_MAX_KEY} characters")])
    digest = hashlib.sha256(f"{request.path}\n{key}".encode("utf-8", "replace")).hexdigest()[:32]
    return By(me(), message_id=f"key-{digest}", call_id=what)


def known_id(todo_id: str) -> str:
    """An id as it is kept; anything else is nobody's."""
    return todo_id.strip().casefold()[:64]


def shown(done: Done, remarks: tuple[str, ...] = ()) -> Response:
    """A todo after something was done to it."""
    told = {**fields.as_json(done.todo), "change_id": done.change_id, "revision": done.revision}
    if done.following is not None:
        told["following"] = fields.as_json(done.following)
    if remarks:
        told["remarks"] = list(remarks)
    return jsonify(told)


def change_json(change: Change) -> dict[str, Any]:
    """A change, as programs read it."""
    return {
        "id": change.id,
        "revision": change.revision,
        "kind": change.kind,
        "todo_id": change.todo_id,
        "item": change.item,
        "source": change.source,
        "message_id": change.message_id,
        "todo_ids": list(change.states),
        "undoes": list(change.undoes),
        "undone_by": change.undone_by,
        "created_at": fields.moment(change.created_at),
    }


def undone_json(undone: Undone) -> dict[str, Any]:
    """What an undoing did, and what it could not do because of what came since."""
    return {
        "status": "undone",
        "change_id": undone.change_id,
        "undone": [change_json(change) for change in undone.changes],
        "refused": [
            {**change_json(one.change), "code": one.why.code, "message": one.why.message, **_why(one.why.extra)}
            for one in undone.refused
        ],
        "todos": [fields.as_json(todo) for todo in undone.todos],
        "gone": list(undone.gone),
        "revision": undone.revision,
    }


def _why(extra: Mapping[str, Any]) -> dict[str, Any]:
    return {"changed": extra["changed"]} if "changed" in extra else {}


def _sent_change() -> tuple[datetime | None, str | None, Changed]:
    """What is to be changed; all mistakes are told at once."""
    sent = body.fields(request)
    seen, status, found, message = _seen(sent), _status(sent), Changed({}, ()), None
    try:
        found = fields.changed(sent.values, now=utc_now(), zone=zone())
    except InvalidInput as refused:
        message = refused.message
        for wrong in refused.errors:
            sent.wrong(wrong.field, wrong.message)
    sent.check(message)
    return seen, status, found


def _filter() -> tuple[Filter, int]:
    sent = body.Fields(request.args.to_dict())
    view = sent.text("view", max_chars=20, required=False).casefold() or "open"
    if view not in VIEWS:
        sent.wrong("view", f"must be one of {', '.join(VIEWS)}")
    tag = sent.text("tag", max_chars=MAX_TAG + 1, required=False).removeprefix("#")
    project = sent.text("project", max_chars=MAX_PROJECT, required=False)
    text = sent.text("q", max_chars=_MAX_QUERY, required=False)
    limit = _counted(sent, "limit", 1, MAX_ON_A_PAGE, _ON_A_PAGE)
    offset = _counted(sent, "cursor", 0, _FARTHEST, 0)
    sent.check()
    known: dict[str, View] = {name: name for name in VIEWS}
    wanted = Filter(view=known[view], tag=tag or None, project=project or None, text=text or None)
    return replace(wanted, limit=limit + 1, offset=offset), limit


def _number(name: str, low: int, high: int, default: int) -> int:
    sent = body.Fields(request.args.to_dict())
    found = _counted(sent, name, low, high, default)
    sent.check()
    return found


def _counted(sent: body.Fields, name: str, low: int, high: int, default: int) -> int:
    value = sent.values.get(name)
    if value in (None, ""):
        return default
    found = whole_number(value, low, high)
    if found is None:
        sent.wrong(name, f"must be a whole number from {low} to {high}")
    return default if found is None else found


def _seen(sent: body.Fields) -> datetime | None:
    text = sent.text("seen", max_chars=40, required=False)
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        sent.wrong("seen", "must be an `updated_at`, such as 2026-01-15T13:00:00.123456Z")
        return None


def _status(sent: body.Fields) -> str | None:
    value = sent.values.get("status")
    if value is None or value in ("open", "done"):
        return value
    sent.wrong("status", "must be open or done")
    return None


def _todos() -> Todos:
    return services().todos
