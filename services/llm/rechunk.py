"""Makes one chunk of the chunks that came together in a reply's bytes. Pure.

A model's server sends a chunk for each token. When tokens come faster than they are taken, many wait in the socket;
made one here, they go through the HTTP client once and become one delta, so that a token costs the less the busier
the worker is. What is not understood passes as it came: the client's own parser judges it.
Source: RFC 9112, section 7.1.
"""

import re
from collections.abc import Callable
from typing import Final

_HEAD_END: Final = b"\r\n\r\n"
_LINE: Final = re.compile(rb"\r\n")
_SIZE: Final = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")
_CHUNKED: Final = re.compile(rb"(?i)\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n")
_MAX_HEAD_BYTES: Final = 64 * 1024
_MAX_LINE_BYTES: Final = 1024


class Rechunker:
    """The bytes of one response."""

    __slots__ = ("_held", "_is_at_end", "_left", "_step")

    def __init__(self) -> None:
        self._step: Callable[[bytes], bytes] = self._head
        # A copy of the head so far; later, of the body, what is no whole line yet.
        self._held = b""
        # Bytes that the current chunk lacks, and whether all have come but the end of its line.
        self._left = 0
        self._is_at_end = False

    def feed(self, data: bytes) -> bytes:
        """What to hand on for `data`; may be empty where only framing came."""
        return self._step(data)

    def _head(self, data: bytes) -> bytes:
        self._held += data
        head, end, body = self._held.partition(_HEAD_END)
        if not end:
            if len(head) > _MAX_HEAD_BYTES:
                self._step = _as_it_is
            return data
        self._held = b""
        is_interim = head[9:10] == b"1"
        if not is_interim:
            self._step = self._body if _CHUNKED.search(head + b"\r\n") else _as_it_is
        return data[: len(data) - len(body)] + (self._step(body) if body else b"")

    def _body(self, data: bytes) -> bytes:
        self._held += data
        payload = b"".join(self._taken())
        framed = b"%x\r\n%b\r\n" % (len(payload), payload) if payload else b""
        if self._step == self._body:
            return framed
        rest, self._held = self._held, b""
        # A chunk that goes on beyond its size stays one: no parser takes an empty line for the next one's size.
        return framed + (b"\r\n" + rest if self._is_at_end else rest)

    def _taken(self) -> list[bytes]:
        """The payloads of what is held; what stays held is the beginning of a line, or not for chunks at all."""
        data, position, payloads = self._held, 0, []
        while True:
            if self._left:
                payloads.append(data[position : position + self._left])
                position += len(payloads[-1])
                self._left -= len(payloads[-1])
                self._is_at_end = not self._left
            if self._left or not (line := self._line(data, position)):
                break
            position = line
        self._held = data[position:]
        return payloads

    def _line(self, data: bytes, position: int) -> int:
        """Read the line before a chunk, or after one; where it ends, 0 if it is torn or no such line."""
        match = (_LINE if self._is_at_end else _SIZE).match(data, position)
        size = int(match[1], 16) if match and not self._is_at_end else 0
        if match and (size or self._is_at_end):
            self._left, self._is_at_end = size, False
            return match.end()
        rest = data[position:]
        is_torn = b"\r\n".startswith(rest) if self._is_at_end else b"\n" not in rest and len(rest) < _MAX_LINE_BYTES
        if not is_torn:
            self._step = _as_it_is
        return 0


def _as_it_is(data: bytes) -> bytes:
    return data
