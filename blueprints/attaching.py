"""GETs that start a run, or come back to the one that they have started: a reconnect never starts a second one.

EventSource repeats its GET by itself whenever its connection breaks, so that the same GET is the same answer while it
is young. A cursor names its stream, whatever else the request says; who wants another answer sends a POST.

Source: REQUIREMENTS R4 and A6-9; API.md, "Stories".
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
from flask import Response, request

from blueprints import repeats, streams
from blueprints.extensions import count_creation, services
from blueprints.stored import begun_answers_of
from services import errors
from services.assistants.turns import Asked
from services.errors import FieldError, InvalidInput
from services.store.base import utc_now
from services.store.conversations import Message
from services.streaming.events import StreamId, UserId
from services.streaming.views import Dialect

# How long after its end a GET without a cursor still finds the answer that it asked for before (API.md, "Stories").
ATTACH_S: Final = 60

# Starts an answer under a key and a fingerprint, and records it there.
Start = Callable[[str, str], Asked]


def looked(user_id: int, assistant: str, dialect: Dialect) -> Response | None:
    """What a GET is answered with that starts nothing, whatever it asks for.

    Args:
        dialect: Of the frames for one who comes back.

    Returns:
        The headers of a HEAD, or the stream that the cursor names; None if there is something to start or to find.

    Raises:
        InvalidInput: It wants the HTML flavour, which is for streams that run.
        NotFound: The cursor's stream is unknown, somebody else's, or another assistant's.
        SiteFull, Unavailable: As the hub says.
    """
    if request.method == "HEAD":
        return Response(content_type=streams.SSE)
    if request.args.get("view") == "html":
        raise InvalidInput([FieldError("view", "is for streams that run; this address starts one")])
    place = streams.place()
    if place is None:
        return None
    _refuse_foreign(user_id, place[0], assistant)
    return streams.attached(user_id, place[0], dialect, stays=False)


def begun(user_id: int, assistant: str, values: Mapping[str, Any], start: Start) -> tuple[str, bool]:
    """The answer that a GET asks for, and whether this request has started it.

    Args:
        values: What it said, as it was sent: the same words are the same request.
        start: Reads and starts it; called when there is none, after the rate has been counted.

    Raises:
        RateLimited: Too many are started; coming back is not counted.
        IdempotencyMismatch: Its key was used for another request.
        NotFound: What its key has begun has been deleted since.
        Unavailable: Redis is away, or the same request is just being stored.
    """
    key, fingerprint = repeats.key(), repeats.fingerprint(values)
    is_counted, seen = False, ""
    while True:
        stream_id, own_key = _known(user_id, key, fingerprint)
        if not stream_id:
            if not is_counted:
                count_creation(assistant)
                is_counted = True
            asked = start(own_key, fingerprint)
            if asked.message_id:
                return asked.stream_id, True
            stream_id = asked.stream_id
        if begun_answers_of(user_id, stream_id):
            return stream_id, False
        if stream_id == seen:
            raise errors.NotFound("Stream not found")
        # The same request, sent at this moment, was refused at its last step, which leaves nothing of it.
        seen = stream_id


def _known(user_id: int, key: str, fingerprint: str) -> tuple[str, str]:
    """The answer that this request comes back to, or empty; and the key to begin one with."""
    if not key:
        return _young(user_id, fingerprint)
    record = repeats.first_answer(user_id, key, fingerprint)
    return (orjson.loads(record)["stream_id"] if record else ""), key


def _refuse_foreign(user_id: int, stream_id: StreamId, assistant: str) -> None:
    """A cursor names a stream of this address, or none."""
    state = services().log.state(UserId(user_id), stream_id)
    if state is not None and state.assistant != assistant:
        raise errors.NotFound("Stream not found")


def _young(user_id: int, fingerprint: str) -> tuple[str, str]:
    """The answer that the same GET has begun, if it runs or ended just now; else the key to begin another with.

    Each start is recorded under a key that names the one before it, so that of two at once one is the second's.
    """
    key = f"get:{fingerprint}"
    while (kept := services().log.recorded(UserId(user_id), key)) is not None:
        stream_id: str = orjson.loads(kept[1])["stream_id"]
        if _is_young(user_id, stream_id):
            return stream_id, key
        key = f"get:{fingerprint}:{stream_id}"
    return "", key


def _is_young(user_id: int, stream_id: str) -> bool:
    if services().log.state(UserId(user_id), StreamId(stream_id)) is None:
        return False
    stored = begun_answers_of(user_id, stream_id)
    return bool(stored) and _ended_within(stored[-1], ATTACH_S)


def _ended_within(answer: Message, seconds: float) -> bool:
    return answer.finished_at is None or (utc_now() - answer.finished_at).total_seconds() <= seconds
