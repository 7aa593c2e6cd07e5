"""Todos as files for programs and pages: export, import, and the calendar feed with its secret address."""

import hashlib
import secrets
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final, get_args

from flask import Blueprint, Response, jsonify, request, url_for
from limits import RateLimitItemPerMinute

from blueprints import body, extensions, identity, security
from blueprints.extensions import services
from blueprints.todo_items import me, zone
from services.errors import FieldError, InvalidInput, RateLimited, TooLarge
from services.store import todo_changes, todo_feeds, users
from services.store.base import utc_now
from services.store.database import Session
from services.store.todo_filters import View
from services.todos import calendar, fields, importing, transfer
from services.todos.actions import Filter, Todo, Todos
from services.todos.importing import Imported
from services.todos.transfer import Mistake

blueprint = Blueprint("todo_files", __name__)

FIELD: Final = "file"
_BATCH: Final = 500
_MISTAKES_TOLD: Final = 200
_SECRET_BYTES: Final = 32
_ICS: Final = "text/calendar; charset=utf-8"
# After so much work others get their turn.
_WORK_S: Final = 0.01
_TURN_S: Final = 0.0001
_PIECE_BYTES: Final = 32 * 1024
# Reading a file is some seconds of a processor.
_RATE: Final = RateLimitItemPerMinute(20, 1, namespace="todos-import")


@blueprint.get("/api/todos/export")
def export() -> Response:
    """All my todos: `format=json`, which can be imported again as it is, or `csv`."""
    wanted = request.args.get("format") or "json"
    if wanted not in ("json", "csv"):
        raise InvalidInput([FieldError("format", "must be json or csv")])
    found = _all(services().todos, me(), "all")
    if wanted == "csv":
        response = Response(_in_turns(transfer.as_table(found)), content_type="text/csv; charset=utf-8")
    else:
        response = Response(_in_turns(transfer.as_lines(found)), content_type="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="rill-todos.{wanted}"'
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/api/todos/import")
@security.accepts_uploads
def take() -> Response:
    """Todos of a `file` (JSON, CSV, ICS, or a text with one a line), or `todos` or `text` in JSON.

    Rows that are wrong are told and not taken, all others are; those that are there already are skipped.
    """
    done = imported()
    response = jsonify(imported_json(done))
    response.status_code = 201 if done.added else 200
    return response


@blueprint.get("/api/todos/feed")
def standing() -> Response:
    """Whether I have a calendar feed, and since when; its address cannot be told again."""
    since = services().database.run(todo_feeds.since, me())
    return jsonify(active=since is not None, created_at=fields.moment(since) if since else None)


@blueprint.post("/api/todos/feed")
def renew() -> Response:
    """A new secret address for my calendar feed, told this once; the one before opens nothing from now on."""
    response = jsonify(renewed())
    response.status_code = 201
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.delete("/api/todos/feed")
def revoke() -> Response:
    """End my calendar feed: its address opens nothing any more."""
    services().database.run(todo_feeds.revoke, me())
    return Response(status=204)


@blueprint.get("/todos/feed/<secret>.ics")
@identity.public
def feed(secret: str) -> Response:
    """Somebody's open todos as a calendar, for whoever knows the address; `as=tasks` for programs that show tasks.

    What is looked for is a hash, in an index: how long that takes says nothing of any secret.
    """
    extensions.count_feed(request.remote_addr or "")
    kind: calendar.Kind = "tasks" if request.args.get("as") == "tasks" else "events"
    found = services().database.run(_subscribed, _hashed(secret))
    if found is None:
        # In a line: what asks for calendars reads no pages.
        return Response("There is no such calendar, or its address has been renewed.\n", 404, content_type="text/plain")
    user, revision = found
    response = Response(content_type=_ICS)
    response.set_etag(
        hashlib.sha256(f"{user.id} {revision} {user.zone} {kind} {calendar.VERSION}".encode()).hexdigest()
    )
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    response.headers["Content-Disposition"] = 'inline; filename="todos.ics"'
    if request.if_none_match.contains(response.get_etag()[0] or ""):
        response.status_code = 304
        return response
    todos = list(_all(services().todos, user.id, "open"))
    response.response = _in_turns(calendar.feed(todos, zone=user.zone, kind=kind))
    return response


def imported() -> Imported:
    """Take in what this request brings.

    Raises:
        InvalidInput: It is no list, or no row of it can be taken; names them.
        TooLarge: More than `importing.MAX_BYTES`.
    """
    _count()
    content, kind, name = _sent()
    parsed = importing.read(content, kind, name, now=utc_now(), zone=zone())
    if not parsed.rows:
        raise InvalidInput([_as_field(each) for each in parsed.mistakes[:_MISTAKES_TOLD]])
    done = importing.take(services().todos, services().database, me(), parsed)
    if not done.added and done.mistakes and not done.skipped:
        raise InvalidInput([_as_field(each) for each in done.mistakes[:_MISTAKES_TOLD]])
    return done


def renewed() -> dict[str, str]:
    """The addresses of my feed, with a new secret."""
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    services().database.run(todo_feeds.put, me(), _hashed(secret), now=utc_now())
    url = f"{services().settings.public_url or request.host_url.rstrip('/')}{url_for('todo_files.feed', secret=secret)}"
    return {"url": url, "tasks_url": f"{url}?as=tasks", "webcal_url": f"webcal://{url.partition('://')[2]}"}


def imported_json(done: Imported) -> dict[str, Any]:
    """What became of an imported file."""
    return {
        "added": done.added,
        "skipped": [{"row": row.place, "id": row.draft.id} for row in done.skipped],
        "errors": [{"row": each.place, "field": each.field, "message": each.message} for each in done.mistakes],
        "message_id": done.message_id or None,
        "change_ids": list(done.change_ids),
    }


def _as_field(wrong: Mistake) -> FieldError:
    return FieldError(f"row {wrong.place}: {wrong.field}", wrong.message)


def _count() -> None:
    """Count an import by the current user; what is refused is not counted.

    Raises:
        RateLimited: More than `_RATE`.
        limits.errors.StorageError: Redis is away; answered with 503.
    """
    if not extensions.limiter().limiter.hit(_RATE, "todos-import", str(me())):
        message = f"You may import {_RATE.amount} files a minute. Wait a moment and try again."
        raise RateLimited(message, retry_after_s=10, extra={"limit": _RATE.amount, "current": _RATE.amount})


def _sent() -> tuple[bytes, importing.Kind | None, str]:
    """What is to be imported, what it is said to be, and the file's name."""
    if request.mimetype == "multipart/form-data":
        return _sent_file()
    if request.mimetype in ("text/calendar", "text/csv", "text/plain"):
        kinds: dict[str, importing.Kind] = {"text/calendar": "ics", "text/csv": "csv", "text/plain": "text"}
        return _capped(request.get_data()), kinds[request.mimetype], ""
    content = _capped(request.get_data())
    if request.is_json and content.lstrip()[:1] == b"[":
        return content, "json", ""
    sent = body.fields(request)
    kind = _kind(sent)
    text = sent.values.get("text")
    if text is not None and not isinstance(text, str):
        sent.wrong("text", "must be a text")
    if text is None and "todos" not in sent.values:
        sent.wrong(FIELD, "is missing: send a file, or `todos`, or `text`")
    sent.check()
    return (content, "json", "") if text is None else (str(text).encode("utf-8", "replace"), kind, "")


def _sent_file() -> tuple[bytes, importing.Kind | None, str]:
    sent = body.Fields(request.form.to_dict())
    kind = _kind(sent)
    # A browser sends a field for a file that was not chosen.
    files = [file for file in request.files.getlist(FIELD) if file.filename]
    text = str(sent.values.get("text") or "")
    if len(files) > 1 or not (files or text.strip()):
        sent.wrong(FIELD, "must be one file" if files else "is missing")
    sent.check()
    if not files:
        return text.encode("utf-8", "replace"), kind, ""
    return _capped(files[0].stream.read(importing.MAX_BYTES + 1)), kind, files[0].filename or ""


def _kind(sent: body.Fields) -> importing.Kind | None:
    named = sent.values.get("format")
    known = {name: name for name in get_args(importing.Kind)}
    if named in (None, "") or (isinstance(named, str) and named in known):
        return known[named] if named else None
    sent.wrong("format", f"must be one of {', '.join(known)}")
    return None


def _capped(content: bytes) -> bytes:
    if len(content) > importing.MAX_BYTES:
        raise TooLarge(f"A list of todos may have {importing.MAX_BYTES // 1024 // 1024} MiB.")
    return content


def _all(todos: Todos, user_id: int, view: View) -> Iterator[Todo]:
    """Somebody's todos in their order by hand, read in parts; one that is moved meanwhile is told once."""
    seen: set[str] = set()
    offset = 0
    while found := todos.listing(user_id, Filter(view=view, order="hand", limit=_BATCH, offset=offset)):
        yield from (todo for todo in found if todo.id not in seen)
        seen.update(todo.id for todo in found)
        offset += len(found)


def _in_turns(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Pieces of some size; while they are made, others get their turns."""
    held, begun = bytearray(), time.perf_counter()
    for piece in pieces:
        held += piece
        if time.perf_counter() - begun > _WORK_S:
            time.sleep(_TURN_S)
            begun = time.perf_counter()
        if len(held) >= _PIECE_BYTES:
            yield bytes(held)
            held.clear()
    yield bytes(held)


def _subscribed(s: Session, secret_hash: str) -> tuple[users.User, int] | None:
    user_id = todo_feeds.owner(s, secret_hash)
    user = None if user_id is None else users.by_id(s, user_id)
    return None if user is None else (user, todo_changes.revision(s, user.id))


def _hashed(secret: str) -> str:
    # Not a password's slow hash: 256 random bits cannot be guessed.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
