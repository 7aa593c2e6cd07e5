"""The verbs that all assistants share: subscribe, stop, continue, and the list of what runs."""

from collections.abc import Iterable
from typing import Any, Final

from flask import Blueprint, Response, g, jsonify, request

from blueprints import answered, identity, negotiate
from blueprints.answered import stop_url, stream_url
from blueprints.dialects import registry as dialects
from blueprints.extensions import count_creation, services
from blueprints.tickets import stream_ticket
from services import errors
from services.store import conversations
from services.store.conversations import Message
from services.streaming.answers import folded, of_run
from services.streaming.events import CLOSE, DELTA, END, ERROR, METADATA, START, Entry, Event, StreamId, UserId
from services.streaming.hub import Finished
from services.streaming.views import Dialect, Replay, StreamFacts
from services.streaming.wire import farewell, format_event_id, parse_event_id

blueprint = Blueprint("streams", __name__)

SSE: Final = "text/event-stream"
_RETRY_MS: Final = 300
_STOPPED: Final = "Stream closed"
_GONE: Final = "Nothing of this answer is kept. Ask again."


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
                "state": state.status,
                "stream_url": stream_url(stream_id),
                "stop_url": stop_url(stream_id),
            }
            for stream_id, state in states
            if state is not None
        ]
    )


@blueprint.get("/api/streams/<stream_id>")
@identity.subscribes
def subscribe(stream_id: str) -> Response:
    """Follow a stream in its assistant's dialect, as HTML fragments, or ask how it stands."""
    who, found = identity.for_stream(stream_id)
    accept = request.accept_mimetypes
    if request.args.get("view") != "html" and accept.best == "application/json":
        return jsonify(standing(who.user.id, StreamId(found)))
    return follow(who.user.id, StreamId(found))


@blueprint.delete("/api/streams/<stream_id>")
@blueprint.post("/api/streams/<stream_id>/stop")
def stop(stream_id: str) -> Response:
    """Stop a run wherever it is; what came is kept."""
    user_id = UserId(identity.require().user.id)
    stopped = services().runs.stop(user_id, StreamId(stream_id))
    outcome = stopped.outcome if stopped is not None else answers_of(user_id, stream_id)[-1].outcome
    if negotiate.wants(request) == "page":
        return negotiate.see_other(answered.came_from())
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
    """Start another run of a stored turn, within the limits of a new one."""
    user_id = identity.require().user.id
    last = answers_of(user_id, stream_id)[-1]
    conversation = services().database.run(conversations.get, user_id, last.conversation_id)
    count_creation(conversation.assistant)
    services().turns.recover(last, user_id)
    asked = services().turns.go_on(user_id, stream_id, from_partial=from_partial, request_id=g.request_id)
    return answered.again(user_id, asked.stream_id)


def ticket_for(user_id: int, stream_id: str) -> str:
    """A ticket that opens one stream for as long as its log may live."""
    settings = services().settings
    return stream_ticket(
        user_id, stream_id, settings.stream_ttl_s + settings.streaming_timeout_s + settings.stream_idle_s
    )


def cursor() -> str | None:
    """The newest id that the reader has: the header wins over the query."""
    sent = request.headers.get("Last-Event-ID") or request.args.get("last_event_id")
    return sent or None


def follow(user_id: int, stream_id: StreamId) -> Response:
    """The response that follows a stream from the reader's cursor on.

    Raises:
        NotFound: Unknown, or somebody else's.
        SiteFull, Unavailable: As the hub says.
    """
    if services().hub.draining:
        # On a connection that was kept open: the next worker has another.
        return streaming([farewell(_RETRY_MS)], stream_id)
    facts = facts_of(UserId(user_id), stream_id)
    if facts is None:
        return _stored(user_id, stream_id)
    as_html = request.args.get("view") == "html"
    dialect: Dialect = dialects.html() if as_html else dialects.published(facts.assistant)
    asked = cursor()
    viewer = services().hub.subscribe(facts, dialect, last_event_id=asked, environ=request.environ)
    if isinstance(viewer, Finished):
        services().metrics.resumed("finished")
        return Response(status=204, headers={"X-Stream-Id": stream_id})
    if asked is not None:
        services().metrics.resumed(viewer.verdict)
    return streaming(viewer, stream_id)


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
    known = services().hub.facts(user_id, stream_id)
    if known is not None:
        return known
    state = services().log.state(user_id, stream_id)
    if state is None:
        return None
    return StreamFacts(user_id, stream_id, state.assistant, state.conversation_id)


def answers_of(user_id: int, stream_id: str) -> list[Message]:
    """The stored answers of a stream, the newest last.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    rows = [
        row for row in services().database.run(conversations.by_stream, user_id, stream_id) if row.role == "assistant"
    ]
    if not rows:
        raise errors.NotFound("Stream not found")
    return rows


def standing(user_id: int, stream_id: StreamId) -> dict[str, Any]:
    """How a stream stands, for clients that do not stream."""
    state = services().log.state(UserId(user_id), stream_id)
    if state is None:
        rows = answers_of(user_id, stream_id)
        conversation = services().database.run(conversations.get, user_id, rows[-1].conversation_id)
        last = (rows[-1].extras or {}).get("last", 0)
        return _standing(stream_id, conversation.assistant, "closed", rows[-1].outcome, rows[-1].content, last)
    entries = services().log.read(UserId(user_id), stream_id)
    text = folded(of_run(entries, state.run_id)).text
    return _standing(stream_id, state.assistant, state.status, state.outcome, text, entries[-1].seq if entries else 0)


def _standing(
    stream_id: StreamId, assistant: str, state: str, outcome: str | None, text: str, last: int
) -> dict[str, Any]:
    return {
        "stream_id": stream_id,
        "assistant": assistant,
        "state": {"sealed": "running"}.get(state, state),
        "outcome": outcome,
        "text": text,
        "last_event_id": format_event_id(stream_id, last),
    }


def _stored(user_id: int, stream_id: StreamId) -> Response:
    """A stream whose log has expired: told from the stored answers, and never generated again."""
    rows = answers_of(user_id, stream_id)
    settled = [row for row in rows if services().turns.recover(row, user_id)]
    if len(settled) < len(rows) or any(row.outcome is None for row in rows):
        rows = answers_of(user_id, stream_id)
    conversation = services().database.run(conversations.get, user_id, rows[-1].conversation_id)
    facts = StreamFacts(UserId(user_id), stream_id, conversation.assistant, conversation.id)
    dialect: Dialect = dialects.html() if request.args.get("view") == "html" else dialects.published(facts.assistant)
    asked, last = cursor(), int((rows[-1].extras or {}).get("last", 0))
    place = parse_event_id(asked) if asked else None
    if place and place[0] == stream_id and last and place[1] >= last and request.args.get("view") != "html":
        services().metrics.resumed("finished")
        return Response(status=204, headers={"X-Stream-Id": stream_id})
    services().metrics.resumed("gone")
    entries = stored_entries(rows)
    view = dialect.view(facts)
    replay = Replay(asked, 0, entries[-1].seq, "gone", entries)
    view.prime(entries)
    return streaming([view.greeting(replay)], stream_id)


def stored_entries(rows: Iterable[Message]) -> list[Entry]:
    """Stored answers as the events that a log would have held; the last keeps its place."""
    entries: list[Entry] = []
    for row in rows:
        extras = row.extras or {}
        happened = [
            Event(START, {"run_id": row.run_id, "message_id": row.id}),
            Event(METADATA, _metadata(row)),
            *([Event(DELTA, {"text": row.content})] if row.content else []),
            *(Event(name, data) for name, many in extras.items() if isinstance(many, list) for data in many),
        ]
        if row.error_code:
            happened.append(Event(ERROR, _error(row)))
        first = len(entries) + 1
        entries += [Entry(1, first + place, event) for place, event in enumerate(happened)]
        last = max(int(extras.get("last", 0)), entries[-1].seq + 1)
        entries.append(Entry(1, last, Event(END, _end(row))))
    if entries:
        entries.append(Entry(1, entries[-1].seq + 1, Event(CLOSE, {"reason": "idle"})))
    return entries


def _metadata(row: Message) -> dict[str, Any]:
    level = ((row.turn or {}).get("facts") or {}).get("hint_level")
    return {"engine": row.engine, "fallback": row.fallback, "message_id": row.id, "hint_level": level}


def _error(row: Message) -> dict[str, Any]:
    is_gone = not row.content and not (row.extras or {}).get("last")
    message = _GONE if is_gone else "The answer did not come to its end. What came is kept; continue or try again."
    return {
        "code": "STREAM_GONE" if is_gone else row.error_code,
        "message": message,
        "retryable": True,
        "request_id": g.request_id,
    }


def _end(row: Message) -> dict[str, Any]:
    answer = folded([Entry(1, 1, Event(DELTA, {"text": row.content}))])
    end = answer.closing(row.outcome or "", None)[-1].data
    usage = row.usage or end["usage"]
    return {**end, "finish_reason": row.finish_reason or end["finish_reason"], "usage": usage}
