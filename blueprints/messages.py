"""One message: asking it again in other words, and what its reader thinks of it."""

from typing import Any, Final

import orjson
from flask import Blueprint, Response, g, jsonify, request

from blueprints import answered, body, identity, negotiate, repeats
from blueprints.extensions import count_creation, services
from blueprints.referrer import came_from
from services import errors
from services.assistants.turns import Again, Kind
from services.store import conversations, feedback
from services.streaming.events import StreamId

blueprint = Blueprint("messages", __name__)

_MESSAGE_CHARS: Final = 10_000
_REASON_CHARS: Final = 500
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


def _done(told: dict[str, Any]) -> Response:
    """To a browser's form the page that it came from, to others what is kept now."""
    if negotiate.wants(request) == "page":
        return negotiate.see_other(came_from())
    return jsonify(told)
