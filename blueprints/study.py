"""The study chat's own routes: a question whose answer streams in the same response, the simple form, health.

Source: REQUIREMENTS A4 and API.md, "Study". An `interaction_id` is the conversation's id.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, Response, g, jsonify, request

from blueprints import (
    answered,
    attaching,
    body,
    identity,
    negotiate,
    pages,
    repeats,
    streams,
    study_commands,
    study_pages,
)
from blueprints.dialects import registry as dialects
from blueprints.extensions import count_creation, services
from blueprints.stored import answers_of, settle_ended
from services import errors
from services.assistants.study import StudyInput, parse_message
from services.assistants.study.resolving import path_of
from services.assistants.turns import Ask, Asked
from services.store.paths import Said
from services.streaming.wire import parse_event_id

blueprint = Blueprint("study", __name__, cli_group=None)
blueprint.cli.add_command(study_commands.study_client)

_SIMPLE_FIELDS: Final = ("message", "interaction_id", "max_tokens", "length", "way", "media")


@blueprint.post("/api/stream/stream-conversation")
def ask() -> Response:
    """Ask; the answer streams in this response, or at the places that it names."""
    user_id = identity.require().user.id
    seen = _reconnecting(user_id)
    if seen is not None:
        return streams.attached(user_id, seen, dialects.published("study"), stays=True)
    count_creation("study")
    values = _with_media(body.fields(request).values)
    sent = parse_message(values)
    key = repeats.key()
    fingerprint = repeats.fingerprint(values) if key else ""
    places = repeats.once(user_id, key, fingerprint, lambda: _started(user_id, sent, key, fingerprint))
    return _answer(user_id, sent, places)


@blueprint.get("/api/stream/stream-simple")
@identity.starts
def simple() -> Response:
    """Ask by a plain GET, or come back to what was asked: one answer for the same question while it is young."""
    user_id = identity.require().user.id
    seen = attaching.looked(user_id, "study", dialects.study_simple())
    if seen is not None:
        return seen
    values = _with_media({name: request.args[name] for name in _SIMPLE_FIELDS if name in request.args})

    def start(key: str, fingerprint: str) -> Asked:
        return _started(user_id, parse_message(values), key, fingerprint)

    stream_id, is_new = attaching.begun(user_id, "study", values, start)
    if negotiate.wants(request, "sse") == "json":
        return answered.as_json(answered.places("study", stream_id), 201 if is_new else 200)
    return streams.attached(user_id, stream_id, dialects.study_simple(), stays=False)


@blueprint.get("/api/stream/health")
@identity.public
@identity.for_children
def health() -> Response:
    """Whether questions can be answered: Redis and the database are there, and streaming is switched on."""
    is_well = all(pages.standing().values()) and services().settings.streaming_enabled
    response = jsonify(
        status="healthy" if is_well else "unhealthy",
        service="interaction-streaming",
        timestamp=time.time(),
        engine=services().engine.name,
    )
    response.status_code = 200 if is_well else 503
    response.headers["Cache-Control"] = "no-store"
    return response


def _started(user_id: int, sent: StudyInput, key: str, fingerprint: str) -> Asked:
    """Start the answer, within what the person has left."""
    settle_ended(user_id)
    path: list[Said] = []
    if sent.interaction_id is not None:
        path = services().database.run(path_of, user_id, sent.interaction_id, sent.message)
    desk = services().desk
    with desk.asking(user_id, sent, path) as facts:
        services().database.run(desk.check, user_id, desk.estimate(sent.message, facts))
        ask = Ask(
            user_id=user_id,
            assistant="study",
            question=sent.message,
            facts=facts,
            deadline_s=services().settings.streaming_timeout_s,
            conversation_id=sent.interaction_id,
            request_id=g.request_id,
            idempotency_key=key,
            fingerprint=fingerprint,
        )
        return answered.started(ask)


def _answer(user_id: int, sent: StudyInput, places: Mapping[str, str]) -> Response:
    """The answer as its client wants to have it; unless it says otherwise, as the specification's stream."""
    wanted, stream_id = negotiate.wants(request, "sse"), places["stream_id"]
    if wanted == "sse":
        return streams.attached(user_id, stream_id, dialects.published("study"), stays=True)
    conversation_id = answers_of(user_id, stream_id)[-1].conversation_id
    if wanted == "json":
        return answered.as_json({**places, "interaction_id": conversation_id})
    return study_pages.asked(
        user_id, stream_id, conversation_id, question=sent.message, as_fragment=wanted == "fragment"
    )


def _reconnecting(user_id: int) -> str | None:
    """The stream that a client has lost which posts its question again: its cursor names it.

    Polyfills of EventSource that can POST come back so; a question that was answered must not be paid twice, and
    coming back is no start that a rate would count. What is wrong with such a request is told after the rate.
    """
    place = parse_event_id(streams.cursor() or "")
    if place is None:
        return None
    try:
        last = answers_of(user_id, place[0])[-1]
        message = parse_message(body.fields(request).values).message
    except (errors.NotFound, errors.InvalidInput, errors.UnsupportedType):
        return None
    return place[0] if (last.turn or {}).get("question") == message else None


def _with_media(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A form, or a query, repeats a field that has several values."""
    sent = request.args if request.method == "GET" else request.form
    several = [item for item in sent.getlist("media") if item]
    return {**values, "media": several} if several else {k: v for k, v in values.items() if k != "media" or v}
