"""Splits the bytes of a model's streamed reply into the data of its events. Pure.

Not for our own streams (`services/streaming/wire.py`): this one is lenient, because every provider
bends the format a little. Source: WHATWG HTML Standard, section "Server-sent events".
"""

from typing import Final

MAX_EVENT_BYTES: Final = 4 * 1024 * 1024
# What a line costs in memory besides its text: an event of endless empty lines is too large as well.
_LINE_BYTES: Final = 64


class EventTooLarge(ValueError):
    """An event grew past `MAX_EVENT_BYTES` without ending."""


class EventReader:
    """Takes bytes as the network cut them; gives each event's data once it is complete."""

    __slots__ = ("_data", "_rest", "_size")

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of the events that `piece` completed.

        Raises:
            EventTooLarge: The event that is being received has no end.
        """
        text = self._rest + piece if self._rest else piece
        held = b""
        if b"\r" in text:
            # A CR at the very end may be half of a CRLF: it waits for the next piece.
            if text.endswith(b"\r"):
                text, held = text[:-1], b"\r"
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = text.split(b"\n")
        self._rest = lines.pop() + held
        events = []
        for line in lines:
            if line:
                self._take(line)
            elif self._data:
                events.append(self._complete())
        if self._size + len(self._rest) > MAX_EVENT_BYTES:
            raise EventTooLarge
        return events

    def flush(self) -> list[bytes]:
        """What is left when the bytes have ended: some servers leave out the last blank line."""
        rest, self._rest = self._rest.rstrip(b"\r"), b""
        if rest:
            self._take(rest)
        return [self._complete()] if self._data else []

    def _take(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            value = line[6:] if line[5:6] == b" " else line[5:]
            self._data.append(value)
            self._size += len(value) + _LINE_BYTES

    def _complete(self) -> bytes:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data = []
        self._size = 0
        return data
