"""The text/event-stream format and the ids on it. Pure: no Redis, no Flask, no clock.

Source: WHATWG HTML Standard, section "Server-sent events".
"""

import re
from typing import Any, Final

import orjson

from services.streaming.events import StreamId

HEARTBEAT: Final = b": \n\n"
_CURSOR: Final = re.compile(r"([a-z0-9]{1,64})-([0-9]{1,15})")
# The standard ends a line at CRLF, LF or CR only; str.splitlines() also cuts at U+2028.
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_UNSAFE: Final = re.compile(r"[\r\n\x00]")


def format_event_id(stream_id: StreamId, seq: int) -> str:
    """The id of an event on the wire: opaque to clients, unique across streams."""
    return f"{stream_id}-{seq}"


def parse_event_id(text: str) -> tuple[StreamId, int] | None:
    """What a `Last-Event-ID` names, or None if it is not one of ours."""
    match = _CURSOR.fullmatch(text)
    return (StreamId(match[1]), int(match[2])) if match else None


def frame(data: Any, *, name: str | None = None, event_id: str | None = None) -> bytes:
    """One frame with JSON on a single data line.

    Args:
        data: Anything that orjson takes.
        name: The event's name; without one a browser dispatches it as `message`.
        event_id: What the client sends back as `Last-Event-ID`.
    """
    head = (f"id: {_line(event_id)}\n" if event_id else "") + (f"event: {_line(name)}\n" if name else "")
    # JSON escapes CR, LF and NUL, so that its text is one line whatever it holds.
    return b"%bdata: %b\n\n" % (head.encode(), orjson.dumps(data, default=str))


def text_frame(text: str, *, name: str | None = None, event_id: str | None = None) -> bytes:
    """One frame whose data is text, a `data:` line for each of its lines."""
    head = (f"id: {_line(event_id)}\n" if event_id else "") + (f"event: {_line(name)}\n" if name else "")
    lines = "".join(f"data: {line}\n" for line in _LINE_END.split(text.replace("\x00", "")))
    return f"{head}{lines}\n".encode("utf-8", "replace")


def farewell(retry_ms: int) -> bytes:
    """Tells a client to come back after `retry_ms`; the response ends after it."""
    return b"retry: %d\n\n" % retry_ms


def _line(text: str) -> str:
    return _UNSAFE.sub("", text)
