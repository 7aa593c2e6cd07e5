"""The verbs that all assistants share: subscribe, stop, continue, and the list of what runs."""

from collections.abc import Iterable
from typing import Any, Final

import orjson
from flask import Blueprint, Response, g, jsonify, request

from blueprints import answered, identity, negotiate, repeats
from blueprints.answered import stop_url, stream_url
from blueprints.dialects import registry as dialects
from blueprints.extensions import count_creation, services
from blueprints.reading import Reading, Viewing
from blueprints.referrer import came_from
from blueprints.stored import answers_of, settled_answers_of, stored_stream
from services.assistants.turns import Kind
from services.store import conversations
from services.streaming.answers import folded, of_run
from services.streaming.events import StreamId, UserId
from services.streaming.hub import Finished
from services.streaming.state import State
from services.streaming.views import Dialect, Replay, StreamFacts
from services.streaming.wire import farewell, format_event_id, parse_event_id

blueprint = Blueprint("streams", __name__)

SSE: Final = "text/event-stream"
_RETRY_MS: Final = 300
_STOPPED: Final = "Stream closed"
_RUNNING: Final = frozenset({"running", "sealed"})


@blueprint.get("/api/streams")
def running() -> Response:
    """My running answers, on whatever device they were asked for."""
    user_id = UserId(identity.require().user.id)
    streams = services().log.running(user_id)
    states = [(stream_id, services().log.state(user_id, stream_id)) for stream_id in streams]
    return jsonify(
        streams=[
            {
                "stream_id": stream_id,
                "assistant": state.assistant,
                "state": "running",
                "stream_url": stream_url(stream_id),
                "stop_url": stop_url(stream_id),
            }
            for stream_id, state in states
            if state is not None and state.status in _RUNNING
        ]
    )


@blueprint.get("/api/streams/<stream_id>")
@identity.subscribes
@identity.for_children
def subscribe(stream_id: str) -> Response:
    """Follow a stream in its assistant's dialect, as HTML fragments, or ask how it stands."""
    who, found = identity.for_stream(stream_id)
    return read(who.user.id, StreamId(found))


@blueprint.delete("/api/streams/<stream_id>")
@blueprint.route("/api/streams/<stream_id>/stop", methods=["POST", "DELETE"])
def stop(stream_id: str) -> Response:
    """Stop a run wherever it is; what came is kept."""
    user_id = UserId(identity.require().user.id)
    stopped = services().runs.stop(user_id, StreamId(stream_id))
    outcome = stopped.outcome if stopped is not None else settled_answers_of(user_id, stream_id)[-1].outcome
    if negotiate.wants(request) == "page":
        return negotiate.see_other(came_from())
    return jsonify(message=_STOPPED, outcome=outcome, confirmed=stopped is None or stopped.confirmed)


@blueprint.post("/api/streams/<stream_id>/continue")
def go_on(stream_id: str) -> Response:
    """A new stream whose text goes on from an answer that was cut short."""
    return _again(stream_id, from_partial=True)


@blueprint.post("/api/streams/<stream_id>/retry")
def retry(stream_id: str) -> Response:
    """A new stream that answers the same stored question from the beginning."""
    return _again(stream_id, from_partial=False)


def _again(stream_id: str, *, from_partial: bool) -> Response:
    user_id = identity.require().user.id
    return answered.again(user_id, restarted(user_id, stream_id, from_partial=from_partial))


def restarted(user_id: int, stream_id: str, *, from_partial: bool) -> dict[str, str]:
    """Start another run of a stored turn, within the limits of a new one; the places where it is followed.

    Raises:
        NotFound: Unknown, or somebody else's.
        RateLimited: Too many are started. Also what `Turns.go_on` raises.
    """
    last = answers_of(user_id, stream_id)[-1]
    conversation = services().database.run(conversations.get, user_id, last.conversation_id)
    count_creation(conversation.assistant)
    key = repeats.key()
    services().turns.recover(last, user_id)

    def record(new_id: StreamId, kind: Kind = "new") -> str:  # noqa: ARG001 - a new stream, always
        return orjson.dumps(answered.places(conversation.assistant, new_id)).decode()

    asked = services().turns.go_on(
        user_id,
        stream_id,
        from_partial=from_partial,
        request_id=g.request_id,
        idempotency_key=key,
        fingerprint=repeats.fingerprint({}),
        record=record,
    )
    places: dict[str, str] = orjson.loads(asked.record or record(asked.stream_id))
    return places


def cursor() -> str | None:
    """The newest id that the reader has: the header wins over the query."""
    sent = request.headers.get("Last-Event-ID") or request.args.get("last_event_id")
    return sent or None


def place() -> tuple[StreamId, int] | None:
    """The stream and the event that the reader's cursor names; None without one of ours."""
    return parse_event_id(cursor() or "")


def read(user_id: int, stream_id: StreamId) -> Response:
    """What a GET of a stream wants: to follow it, or to be told how it stands.

    Raises:
        NotFound: Unknown, or somebody else's.
        SiteFull, Unavailable: As the hub says.
    """
    if not _wants_html() and request.accept_mimetypes.best == "application/json":
        return jsonify(standing(user_id, stream_id))
    facts = facts_of(UserId(user_id), stream_id)
    if facts is not None and services().hub.draining:
        # On a connection that was kept open: the next worker has another.
        return streaming([farewell(_RETRY_MS)], stream_id)
    return _stored(user_id, stream_id) if facts is None else _follow(facts)


def attached(user_id: int, stream_id: str, dialect: Dialect, *, stays: bool) -> Response:
    """The response of a request that started a run, or would have if it did not run already.

    Args:
        stays: Whether it is kept at a deploy until the run ends, as the response to a POST is, whose client cannot
            come back for the rest by itself.

    Raises:
        NotFound: Unknown, or somebody else's.
        SiteFull, Unavailable: As the hub says.
    """
    facts = facts_of(UserId(user_id), StreamId(stream_id))
    if facts is None:
        return _stored(user_id, StreamId(stream_id), dialect)
    asked = cursor_in(stream_id)
    viewer = services().hub.subscribe(facts, dialect, last_event_id=asked, environ=request.environ, stays=stays)
    if isinstance(viewer, Finished):
        return _finished(facts.stream_id)
    if asked is not None:
        services().metrics.resumed(viewer.verdict)
    return streaming(Reading(viewer, facts), facts.stream_id)


def cursor_in(stream_id: str) -> str | None:
    """The reader's cursor, if it is one of this stream's."""
    sent = cursor()
    place = parse_event_id(sent) if sent else None
    return sent if place is not None and place[0] == stream_id else None


def _follow(facts: StreamFacts) -> Response:
    """The response that follows a stream from the reader's cursor on."""
    # A page is shown the whole answer, whatever it has seen, and never told 204.
    asked = None if _wants_html() else cursor()
    dialect = _dialect(facts)
    viewer = services().hub.subscribe(facts, dialect, last_event_id=asked, environ=request.environ)
    if isinstance(viewer, Finished):
        return _finished(facts.stream_id)
    if asked is not None:
        services().metrics.resumed(viewer.verdict)
    return streaming(Viewing(viewer, facts), facts.stream_id)


def _stored(user_id: int, stream_id: StreamId, dialect: Dialect | None = None) -> Response:
    """A stream whose log has expired: told from the stored answers, and never generated again."""
    stored, asked = stored_stream(user_id, stream_id), cursor()
    dialect = dialect or _dialect(stored.facts)
    if stored.has_been_read(asked, dialect.shows) and not _wants_html():
        return _finished(stream_id)
    services().metrics.resumed("gone")
    view = dialect.view(stored.facts)
    view.prime(stored.entries)
    replay = Replay(asked, 0, stored.entries[-1].seq, "gone", stored.entries)
    return streaming([view.greeting(replay)], stream_id)


def _finished(stream_id: str) -> Response:
    services().metrics.resumed("finished")
    return Response(status=204, headers={"X-Stream-Id": stream_id})


def _wants_html() -> bool:
    return request.args.get("view") == "html"


def _dialect(facts: StreamFacts) -> Dialect:
    return dialects.html() if _wants_html() else dialects.published(facts.assistant)


def streaming(body: Iterable[bytes], stream_id: str) -> Response:
    """A streamed answer with the headers that every one of them has."""
    response = Response(body, content_type=SSE, direct_passthrough=True)
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Accel-Buffering"] = "no"
    response.headers["X-Stream-Id"] = stream_id
    response.headers["Content-Location"] = stream_url(stream_id)
    return response


def facts_of(user_id: UserId, stream_id: StreamId) -> StreamFacts | None:
    """What does not change about a stream of this user's whose log lives; None without one."""
    hub = services().hub
    if hub.writes(user_id, stream_id):
        return hub.facts(user_id, stream_id)
    # What this worker remembers of a stream outlives its log.
    state = services().log.state(user_id, stream_id)
    if state is None:
        return None
    return StreamFacts(user_id, stream_id, state.assistant, state.conversation_id)


def standing(user_id: int, stream_id: StreamId) -> dict[str, Any]:
    """How a stream stands, for clients that do not stream.

    Raises:
        NotFound: Unknown, or somebody else's.
        Unavailable: Redis is away.
    """
    state = _state(UserId(user_id), stream_id)
    if state is None:
        stored = stored_stream(user_id, stream_id)
        row = stored.answers[-1]
        return _standing(stored.facts, "closed", row.outcome, row.content, stored.last)
    entries = services().log.read(UserId(user_id), stream_id)
    text = folded(of_run(entries, state.run_id)).text
    facts = StreamFacts(UserId(user_id), stream_id, state.assistant, state.conversation_id)
    status = "running" if state.status in _RUNNING else state.status
    return _standing(facts, status, state.outcome, text, entries[-1].seq if entries else 0)


def _state(user_id: UserId, stream_id: StreamId) -> State | None:
    """A stream's state, after closing it if it has been idle for too long."""
    log = services().log
    state = log.state(user_id, stream_id)
    if state is not None and state.status == "idle" and log.close_idle(user_id, stream_id):
        return log.state(user_id, stream_id)
    return state


def _standing(facts: StreamFacts, state: str, outcome: str | None, text: str, last: int) -> dict[str, Any]:
    return {
        "stream_id": facts.stream_id,
        "assistant": facts.assistant,
        "state": state,
        "outcome": outcome,
        "text": text,
        "last_event_id": format_event_id(facts.stream_id, last),
    }
