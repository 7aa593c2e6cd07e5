"""One message: asking it again in other words, what its reader thinks of it, and whether they want to find it again."""

from dataclasses import asdict
from typing import Any, Final

import orjson
from flask import Blueprint, Response, g, jsonify, render_template, request

from blueprints import answered, body, identity, negotiate, repeats
from blueprints.extensions import count_creation, services
from blueprints.referrer import came_from
from services import errors
from services.assistants.turns import Again, Kind
from services.errors import FieldError
from services.store import bookmarks, conversations, feedback
from services.streaming.events import StreamId

blueprint = Blueprint("messages", __name__)

_MESSAGE_CHARS: Final = 10_000
_REASON_CHARS: Final = 500
_PAGE: Final = 50
_VALUES: Final = ("up", "down")


@blueprint.post("/api/messages/<message_id>/edit")
def edit(message_id: str) -> Response:
    """Ask one of my questions in other words, on a new stream; what was there is kept as an alternative."""
    user_id = identity.require().user.id
    asked, conversation = services().database.run(conversations.message, user_id, message_id)
    if asked.role != "user":
        raise errors.NotFound("There is no such question.")
    count_creation(conversation.assistant)
    sent = body.fields(request)
    question = sent.text("message", max_chars=_MESSAGE_CHARS)
    sent.check()
    key = repeats.key()

    def record(stream_id: StreamId, kind: Kind = "new") -> str:  # noqa: ARG001 - a new stream, always
        return orjson.dumps(answered.places(conversation.assistant, stream_id)).decode()

    again = Again(
        request_id=g.request_id,
        idempotency_key=key,
        fingerprint=repeats.fingerprint({"message": question}) if key else "",
        record=record,
    )
    started = services().turns.edit(user_id, message_id, question, again)
    return answered.again(user_id, orjson.loads(started.record or record(started.stream_id)), question=question)


@blueprint.route("/api/messages/<message_id>/feedback", methods=["PUT", "POST"])
def rate(message_id: str) -> Response:
    """Say what I think of an answer: `value` up or down, and `reason`; a form takes it back with an empty value."""
    user_id = identity.require().user.id
    sent = body.fields(request)
    if request.method == "POST" and sent.values.get("value") == "":
        return forget(message_id)
    value = sent.text("value", max_chars=10)
    if value and value not in _VALUES:
        sent.wrong("value", "must be up or down")
    reason = sent.text("reason", max_chars=_REASON_CHARS, required=False)
    sent.check()
    noted = services().database.run(feedback.put, user_id, message_id, value=value, reason=reason)
    return _done({"value": noted.value, "reason": noted.reason})


@blueprint.delete("/api/messages/<message_id>/feedback")
def forget(message_id: str) -> Response:
    """Take back what I said of an answer."""
    services().database.run(feedback.remove, identity.require().user.id, message_id)
    return _done({"value": None, "reason": ""})


@blueprint.route("/api/messages/<message_id>/bookmark", methods=["PUT", "POST"])
def bookmark(message_id: str) -> Response:
    """Keep an answer in mind; a form takes it back with an empty `bookmarked`."""
    user_id = identity.require().user.id
    if request.method == "POST" and body.fields(request).values.get("bookmarked") == "":
        return unbookmark(message_id)
    services().database.run(bookmarks.put, user_id, message_id)
    return _marked(message_id, is_bookmarked=True)


@blueprint.delete("/api/messages/<message_id>/bookmark")
def unbookmark(message_id: str) -> Response:
    """Forget that I kept it in mind."""
    services().database.run(bookmarks.remove, identity.require().user.id, message_id)
    return _marked(message_id, is_bookmarked=False)


@blueprint.get("/api/bookmarks")
def bookmarked() -> Response:
    """My bookmarked answers, the one bookmarked last first; `before` is the last message id of the page before."""
    user_id = identity.require().user.id
    assistant = request.args.get("assistant") or None
    if assistant is not None and assistant not in services().assistants:
        raise errors.InvalidInput([FieldError("assistant", f"must be one of {', '.join(services().assistants)}")])
    q, before = request.args.get("q", ""), request.args.get("before") or None
    rows = services().database.run(bookmarks.listing, user_id, assistant=assistant, q=q, before=before, limit=_PAGE)
    return jsonify(bookmarks=[{**asdict(row), "created_at": row.created_at.isoformat()} for row in rows])


def _marked(message_id: str, *, is_bookmarked: bool) -> Response:
    if negotiate.wants(request) == "fragment":
        shown = {"message_id": message_id, "bookmarked": is_bookmarked}
        return Response(render_template("components/_bookmark.html", answer=shown, is_new=True))
    return _done({"bookmarked": is_bookmarked})


def _done(told: dict[str, Any]) -> Response:
    """To a browser's form the page that it came from, to others what is kept now."""
    if negotiate.wants(request) == "page":
        return negotiate.see_other(came_from())
    return jsonify(told)
