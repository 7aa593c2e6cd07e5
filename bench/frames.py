"""One streamed HTTP/1.1 response: head, chunks and event-stream frames, read strictly. Pure: no sockets, no clock.

Strict means that what a browser would quietly forgive (mixed line ends, an unknown field, a chunk of the wrong size)
is an error of the contender and ends the measurement.

Source: RFC 9112 sections 6 and 7; WHATWG HTML Standard, section "Server-sent events".
"""

from typing import NamedTuple


class WireError(Exception):
    """What was received is not what a correct server sends."""


class Frame(NamedTuple):
    """One event as it came over the wire; `seq` is the number at the end of its id."""

    id: bytes | None
    seq: int | None
    name: bytes | None
    data: bytes


class Body:
    """The bytes of one response's body, taken out of whatever pieces the socket gave."""

    __slots__ = ("_chunk_left", "_chunked", "_head_seen", "_held", "_length_left", "ended", "status")

    def __init__(self) -> None:
        self._held = b""
        self._head_seen = False
        self._chunked = False
        self._chunk_left = 0
        self._length_left: int | None = None
        self.ended = False
        self.status = 0

    @property
    def head_seen(self) -> bool:
        return self._head_seen

    def feed(self, data: bytes) -> bytes:
        """Take what the socket gave; return what it adds to the body.

        Raises:
            WireError: The head or the chunked framing is malformed.
        """
        if not self._head_seen:
            held = self._held + data
            head, found, data = held.partition(b"\r\n\r\n")
            if not found:
                self._held = held
                return b""
            self._held = b""
            self._read_head(head)
        if self._chunked:
            return self._dechunk(data)
        if self._length_left is not None:
            self._length_left -= len(data)
            if self._length_left < 0:
                raise WireError("more bytes than Content-Length announced")
            self.ended = self._length_left == 0
        return data

    def _read_head(self, head: bytes) -> None:
        status_line, *lines = head.split(b"\r\n")
        if not status_line.startswith(b"HTTP/1.1 "):
            raise WireError(f"not an HTTP/1.1 status line: {status_line[:80]!r}")
        self.status = int(status_line[9:12])
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        self._chunked = headers.get(b"transfer-encoding", b"").lower() == b"chunked"
        if not self._chunked and b"content-length" in headers:
            self._length_left = int(headers[b"content-length"])
            self.ended = self._length_left == 0
        self._head_seen = True

    def _dechunk(self, data: bytes) -> bytes:
        if self.ended:
            if data.strip(b"\r\n"):
                raise WireError(f"bytes after the last chunk: {data[:60]!r}")
            return b""
        if self._held:
            data = self._held + data
            self._held = b""
        parts = []
        at, size = 0, len(data)
        while at < size:
            if self._chunk_left:
                # A chunk's bytes and its line end, of which any part may be missing yet.
                part = data[at : at + self._chunk_left]
                at += len(part)
                left_after = self._chunk_left - len(part)
                parts.append(_without_line_end(part, self._chunk_left, left_after))
                self._chunk_left = left_after
                continue
            line_end = data.find(b"\r\n", at)
            if line_end < 0:
                self._held = data[at:]
                break
            length = int(data[at:line_end], 16)
            at = line_end + 2
            if length == 0:
                self.ended = True
                break
            self._chunk_left = length + 2
        return b"".join(parts)


def _without_line_end(part: bytes, left_before: int, left_after: int) -> bytes:
    """The part of `part` that is chunk data: a chunk's last two bytes are CR and LF."""
    if left_after >= 2:
        return part
    text = part[: max(0, left_before - 2)]
    line_end = part[len(text) :]
    expected = b"\r\n"[2 - min(left_before, 2) : 2 - left_after]
    if line_end != expected:
        raise WireError(f"a chunk ends with {line_end!r}")
    return text


class Frames:
    """Event-stream frames out of body bytes."""

    __slots__ = ("_held", "_line_end", "comments")

    def __init__(self) -> None:
        self._held = b""
        self._line_end = b""
        self.comments = 0

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes.

        Raises:
            WireError: A line is not of the format, or line ends are mixed.
        """
        if self._held:
            data = self._held + data
        if not self._line_end:
            at = data.find(b"\n")
            if at < 0:
                self._held = data
                return []
            self._line_end = b"\r\n" if at and data[at - 1] == 13 else b"\n"
        line_end = self._line_end
        *blocks, self._held = data.split(line_end + line_end)
        return [frame for block in blocks if (frame := self._read(block, line_end)) is not None]

    def _read(self, block: bytes, line_end: bytes) -> Frame | None:
        event_id = seq = name = data = None
        for line in block.split(line_end):
            field, colon, value = line.partition(b":")
            if value[:1] == b" ":
                value = value[1:]
            if field == b"data":
                data = value if data is None else data + b"\n" + value
            elif field == b"id":
                event_id, seq = value, int(value.rpartition(b"-")[2])
            elif field == b"event":
                name = value
            elif not field:
                self.comments += bool(colon)
            elif field != b"retry":
                raise WireError(f"an unknown field in the frame {block[:120]!r}")
        return None if data is None else Frame(event_id, seq, name, data)
