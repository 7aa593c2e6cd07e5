"""The search's own routes: a question whose answer streams in the same response, or comes whole as JSON.

Source: REQUIREMENTS A5 and API.md, "Search"; R23 says which of the two, or a page, a request wants.
"""

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, Response, g, jsonify, request

from blueprints import answered, body, identity, negotiate, repeats, search_commands, search_pages, streams, waiting
from blueprints.dialects import registry as dialects
from blueprints.extensions import count_creation, services
from blueprints.stored import answers_of, settle_ended
from services import errors
from services.assistants.search import SearchInput, parse_search
from services.assistants.search.resolving import path_of
from services.assistants.turns import Ask, Asked
from services.store.conversations import Message

blueprint = Blueprint("search", __name__, cli_group=None)
blueprint.cli.add_command(search_commands.search_client)

# A form repeats a field that has several values, under either name.
_LISTS: Final = ("kb_ids", "kb_ids[]")


@blueprint.post("/search")
@blueprint.post("/api/v1/search")
def ask() -> Response:
    """Ask; the answer streams in this response, comes whole, or on a page."""
    user_id = identity.require().user.id
    seen = _reconnecting(user_id)
    if seen is not None:
        return streams.attached(user_id, seen, dialects.published("search"), stays=True)
    count_creation("search")
    values = _values()
    sent = parse_search(values)
    key = repeats.key()
    fingerprint = repeats.fingerprint(values) if key else ""
    places = repeats.once(user_id, key, fingerprint, lambda: _started(user_id, sent, key, fingerprint))
    return _answer(user_id, sent, places)


def _started(user_id: int, sent: SearchInput, key: str, fingerprint: str) -> Asked:
    """Start the answer."""
    path: list[Message] = []
    if sent.conversation_id is not None:
        settle_ended(user_id)
        path = services().database.run(path_of, user_id, sent.conversation_id)
    return answered.started(
        Ask(
            user_id=user_id,
            assistant="search",
            question=sent.query,
            facts=services().search_desk.facts(user_id, sent, path),
            deadline_s=services().settings.deadline_s("search"),
            conversation_id=sent.conversation_id,
            request_id=g.request_id,
            idempotency_key=key,
            fingerprint=fingerprint,
        )
    )


def _answer(user_id: int, sent: SearchInput, places: Mapping[str, str]) -> Response:
    """The answer as its client wants to have it; whole, unless it says otherwise."""
    wanted, stream_id = negotiate.wants(request), places["stream_id"]
    if wanted == "sse":
        return streams.attached(user_id, stream_id, dialects.published("search"), stays=True)
    if wanted == "json":
        return _whole(user_id, stream_id)
    conversation_id = answers_of(user_id, stream_id)[-1].conversation_id
    return search_pages.asked(
        user_id, stream_id, conversation_id, question=sent.query, as_fragment=wanted == "fragment"
    )


def _whole(user_id: int, stream_id: str) -> Response:
    """The answer when it has come to its end (REQUIREMENTS Q12).

    Raises:
        AppError: What it failed of; what came of it is kept, and can be read and continued.
    """
    told = waiting.for_the_end(user_id, stream_id)
    if told.error is not None:
        raise waiting.failure(told.error, {"stream_id": stream_id, "answer": "".join(told.texts)})
    response = jsonify(told.whole())
    response.headers["X-Stream-Id"] = stream_id
    response.headers["Content-Location"] = answered.stream_url(stream_id)
    response.headers["Cache-Control"] = "no-store"
    return response


def _reconnecting(user_id: int) -> str | None:
    """The stream that a client has lost which posts its question again: its cursor names it.

    A question that was answered is not answered twice, and coming back is no start that a rate would count. What is
    wrong with such a request is told after the rate.
    """
    place = streams.place()
    if place is None or negotiate.wants(request) != "sse":
        return None
    try:
        last = answers_of(user_id, place[0])[-1]
        query = parse_search(_values()).query
    except (errors.NotFound, errors.InvalidInput, errors.UnsupportedType):
        return None
    return place[0] if (last.turn or {}).get("question") == query else None


def _values() -> Mapping[str, Any]:
    values = dict(body.fields(request).values)
    several = [item for name in _LISTS for item in request.form.getlist(name) if item]
    return {**values, "kb_ids": several} if several else values
