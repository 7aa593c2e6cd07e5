"""A run that has just begun, as its client wants to have it: places to follow, an element that connects
itself, or a page that grows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson
from flask import Response, jsonify, render_template, request
from flask_wtf.csrf import generate_csrf

from blueprints import identity, negotiate, transcript
from blueprints.addresses import live as live
from blueprints.addresses import stop_url as stop_url
from blueprints.addresses import stream_url as stream_url
from blueprints.dialects import registry as dialects
from blueprints.extensions import services
from blueprints.reading import Reading
from blueprints.referrer import came_from
from blueprints.tickets import stream_ticket
from services import errors
from services.assistants.turns import Ask, Asked, Kind
from services.streaming.events import StreamId, UserId
from services.streaming.hub import Finished


def places(assistant: str, stream_id: str) -> dict[str, str]:
    """Where the current user follows and stops a run; the tutor's stream is opened by its ticket (API.md, "Tutor")."""
    if assistant != "tutor":
        return {"stream_id": stream_id, "stream_url": stream_url(stream_id), "stop_url": stop_url(stream_id)}
    return {
        "stream_id": stream_id,
        "stream_url": f"/v1/tutor/stream?token={_ticket(stream_id)}",
        "stop_url": f"/v1/tutor/stream/{stream_id}",
    }


def started(ask: Ask) -> Asked:
    """Start an answer; `record` has the places of the run to follow (`repeats.once`), `stream_id` is that run's.

    It is another's if the same request, sent twice, has started one at this moment. Raises what `Turns.ask` does.
    """

    def record(stream_id: str, _kind: Kind) -> str:
        return orjson.dumps(places(ask.assistant, stream_id)).decode()

    asked = services().turns.ask(replace(ask, record=record))
    kept = asked.record or record(asked.stream_id, asked.kind)
    return replace(asked, stream_id=StreamId(orjson.loads(kept)["stream_id"]), record=kept)


def _ticket(stream_id: str) -> str:
    """A ticket that opens one stream for as long as its log may live."""
    settings = services().settings
    ttl_s = settings.stream_ttl_s + settings.streaming_timeout_s + settings.stream_idle_s
    return stream_ticket(identity.require().user, stream_id, ttl_s)


def as_json(body: Mapping[str, str], status: int = 201) -> Response:
    """Places to follow and stop a run."""
    response = jsonify(body)
    response.status_code = status
    response.headers["X-Stream-Id"] = body["stream_id"]
    return response


def as_fragment(template: str, stream_id: str, **variables: Any) -> Response:
    """A piece of a page that holds the answer's element, which connects itself."""
    response = Response(render_template(template, **variables), content_type="text/html; charset=utf-8")
    response.headers["X-Stream-Id"] = stream_id
    return response


def as_page(user_id: int, stream_id: str, *, title: str, question: str | None, back_url: str) -> Response:
    """The whole page of a browser without script: the answer streams into this very response.

    Raises:
        NotFound, SiteFull, Unavailable: As the hub says.
    """
    dialect = dialects.progressive()
    facts = services().hub.facts(UserId(user_id), StreamId(stream_id))
    if facts is None:
        # Started by another worker, as a repeat of a request may find: the page it belongs to shows it.
        return negotiate.see_other(back_url)
    viewer = services().hub.subscribe(facts, dialect, last_event_id=None, environ=request.environ, stays=True)
    if isinstance(viewer, Finished):
        raise errors.NotFound("Stream not found")
    shared = {"title": title, "back_url": back_url}
    head = dialect.head(
        stream_id,
        question=question,
        stop_url=stop_url(stream_id),
        csrf=generate_csrf(),
        theme=request.cookies.get("theme", ""),
        user=identity.require().user,
        **shared,
    )
    foot = dialect.foot(stream_id, **shared)
    response = Response(_Page(head, Reading(viewer, facts), foot), content_type="text/html; charset=utf-8")
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Accel-Buffering"] = "no"
    response.headers["X-Stream-Id"] = stream_id
    response.headers["Content-Location"] = stream_url(stream_id)
    return response


def again(user_id: int, body: Mapping[str, str], *, question: str | None = None) -> Response:
    """A run that continues or repeats another, in the shape that its client wants.

    Args:
        body: Of the JSON shape, from `places`.
        question: What a page of its own shows above the answer.
    """
    wanted, stream_id = negotiate.wants(request), body["stream_id"]
    if wanted == "fragment":
        return as_fragment("components/_turn.html", stream_id, turn=transcript.of_stream(user_id, stream_id))
    if wanted == "page":
        return as_page(user_id, stream_id, title="The answer", question=question, back_url=came_from())
    return as_json(body)


class _Page:
    """Head, answer and foot as one response, whose viewer leaves however it ends."""

    def __init__(self, head: bytes, viewer: Reading, foot: bytes) -> None:
        self._head = head
        self._viewer = viewer
        self._foot = foot

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        yield from self._viewer
        yield self._foot

    def close(self) -> None:
        """The server is done with the response, whether or not it was iterated."""
        self._viewer.close()
