"""Records between an ingestion and its child, over a socket that they share; a file can go with one.

A record is four bytes of length and a JSON object of that length. Works alike with plain and with cooperative sockets.
"""

import os
import socket
from typing import Any, Final

import orjson

MAX_RECORD_BYTES: Final = 16 * 1024 * 1024
_READ_BYTES: Final = 64 * 1024


class Gone(Exception):
    """The other side has ended, or what it says makes no sense."""


class Channel:
    """One end. A `TimeoutError` of the socket, while receiving, loses nothing: it may be tried again."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._read = bytearray()
        self._files: list[int] = []

    def send(self, record: dict[str, Any], file: int | None = None) -> None:
        """Send a record; with a file's descriptor, if given, which stays open here.

        Raises:
            Gone: The other side has ended.
        """
        line = orjson.dumps(record)
        packed = len(line).to_bytes(4, "big") + line
        try:
            sent = 0 if file is None else socket.send_fds(self._sock, [packed], [file])
            self._sock.sendall(packed[sent:])
        except TimeoutError:
            raise
        except OSError as exc:
            raise Gone from exc

    def receive(self) -> dict[str, Any]:
        """The next record.

        Raises:
            Gone: The other side has ended, or sent something else.
            TimeoutError: None came in time.
        """
        while (line := self._whole()) is None:
            try:
                data, files, _, _ = socket.recv_fds(self._sock, _READ_BYTES, 1)
            except TimeoutError:
                raise
            except OSError as exc:
                raise Gone from exc
            self._files += files
            if not data:
                raise Gone
            self._read += data
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as exc:
            raise Gone from exc
        if not isinstance(record, dict):
            raise Gone
        return record

    def take_file(self) -> int | None:
        """The descriptor that came with the latest record; the caller closes it."""
        return self._files.pop(0) if self._files else None

    def close(self) -> None:
        """Close this end, and files that nobody took."""
        self._sock.close()
        while self._files:
            os.close(self._files.pop())

    def _whole(self) -> bytes | None:
        if len(self._read) < 4:
            return None
        length = int.from_bytes(self._read[:4], "big")
        if length > MAX_RECORD_BYTES:
            raise Gone
        if len(self._read) < 4 + length:
            return None
        line = bytes(self._read[4 : 4 + length])
        del self._read[: 4 + length]
        return line
