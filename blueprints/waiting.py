"""Answers for clients that do not stream: waited for here, and given whole."""

import time
from collections.abc import Mapping
from typing import Any, Final

from flask import request

from blueprints import streams
from blueprints.dialects.search import SearchDialect, SearchView, Told
from blueprints.extensions import services
from blueprints.reading import Reading
from blueprints.stored import stored_stream
from services import errors
from services.streaming.events import StreamId, UserId
from services.streaming.hub import Finished

# Only what lets a client that leaves be noticed: nothing is written to its socket before the answer is whole.
_SOCKET: Final = "gunicorn.socket"
# For the end to be written after the deadline.
_SPARE_S: Final = 5.0
_FAILURES: Final[Mapping[str, type[errors.AppError]]] = {
    error.code: error for error in (errors.NotFound, errors.Unavailable)
}


def for_the_end(user_id: int, stream_id: str) -> Told:
    """What a search's answer has come to when it has ended, which it does within its own deadline.

    Raises:
        NotFound: Unknown, or somebody else's.
        SiteFull, Unavailable: As the hub says, or its end cannot be written because Redis is away.
    """
    facts = streams.facts_of(UserId(user_id), StreamId(stream_id))
    if facts is None:
        stored = stored_stream(user_id, StreamId(stream_id))
        told = Told(stored.facts)
        for entry in stored.entries:
            told.take(entry)
        return told
    environ = {_SOCKET: request.environ.get(_SOCKET)}
    viewer = services().hub.subscribe(facts, SearchDialect(), last_event_id=None, environ=environ, stays=True)
    assert not isinstance(viewer, Finished), "only a reader with a cursor can have read everything"
    until_s = time.monotonic() + services().settings.deadline_s("search") + _SPARE_S
    body = Reading(viewer, facts)
    try:
        for _ in body:
            # Something comes at every heartbeat, if it is nothing else.
            if time.monotonic() > until_s:
                break
        view = viewer.channel.view
        assert isinstance(view, SearchView), "the dialect's own"
    finally:
        body.close()
    if view.told.end is None:
        raise errors.Unavailable("The answer is still being written. Ask again for it, or follow its stream.")
    return view.told


def failure(error: Mapping[str, Any], extra: Mapping[str, Any]) -> errors.AppError:
    """An answer's failure as one of the request that waited for it: `error` is its event's data."""
    kind = _FAILURES.get(str(error.get("code")), errors.ModelError)
    failed = kind(str(error.get("message") or ""), code=str(error.get("code") or ""), extra=extra)
    failed.retryable = bool(error.get("retryable"))
    return failed
