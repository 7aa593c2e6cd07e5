"""Requests that may be repeated without effect: the key that a client gives, and what the request said.

Source: API.md, "Start" (Idempotency-Key on every start).
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
from flask import request

from blueprints.extensions import services
from blueprints.stored import begun_answers_of
from services import errors
from services.assistants.turns import Asked
from services.errors import FieldError, IdempotencyMismatch, InvalidInput
from services.streaming.events import UserId

_HEADER: Final = "Idempotency-Key"
_FIELD: Final = "idempotency_key"
_MAX_KEY_CHARS: Final = 255


def key() -> str:
    """The request's `Idempotency-Key`, or what stands for it in a form; empty without one.

    Raises:
        InvalidInput: It is too long.
    """
    name, sent = _HEADER, request.headers.get(_HEADER, "").strip()
    if not sent:
        name, sent = _FIELD, request.form.get(_FIELD, "").strip()
    if len(sent) > _MAX_KEY_CHARS:
        raise InvalidInput([FieldError(name, f"must have at most {_MAX_KEY_CHARS} characters")])
    return _of_form() if sent and name == _FIELD else sent


def _of_form() -> str:
    """A page that is gone back to sends its key again: with other words it is another request."""
    said = sorted((name, values) for name, values in request.form.lists() if name != "csrf_token")
    return f"form:{hashlib.sha256(orjson.dumps([request.path, said])).hexdigest()}"


def first_answer(user_id: int, key: str, fingerprint: str) -> str | None:
    """What the first request with this key was answered with; None if there was none, or no key.

    Raises:
        IdempotencyMismatch: It said something else.
        Unavailable: Redis is away.
    """
    kept = services().log.recorded(UserId(user_id), key) if key else None
    if kept is None:
        return None
    if kept[0] != fingerprint:
        raise IdempotencyMismatch
    return kept[1]


def once(user_id: int, key: str, fingerprint: str, start: Callable[[], Asked]) -> Mapping[str, str]:
    """The places of the answer that this request starts, or that the first one with its key has started.

    Args:
        start: Starts the answer; its `record` is never None.

    Raises:
        IdempotencyMismatch: The first one said something else.
        NotFound: The first one's answer has been deleted since.
        Unavailable: The first one is still being stored, or Redis is away.
    """
    seen = ""
    while True:
        record = first_answer(user_id, key, fingerprint)
        if record is None:
            asked = start()
            record = asked.record
            assert record is not None, "every start here has one"
            if asked.message_id:
                return _places(record)
        if begun_answers_of(user_id, _places(record)["stream_id"]):
            return _places(record)
        if record == seen:
            raise errors.NotFound("Stream not found")
        # If the first one was refused at its last step, which leaves nothing of it, this one is the first now;
        # unless another repeat has come before it, and may be refused as well.
        seen = record


def _places(record: str) -> dict[str, str]:
    places: dict[str, str] = orjson.loads(record)
    return places


def fingerprint(values: Mapping[str, Any]) -> str:
    """Tells one request from another under the same key: where it went and what it said, tokens aside."""
    said = {name: value for name, value in values.items() if name != "csrf_token"} | {"path": request.path}
    try:
        text = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # nested deeper than can be written again
        text = request.path.encode() + b"\n" + request.get_data()
    return hashlib.sha256(text).hexdigest()
