"""A response as gunicorn's gevent worker sends it, over a real pair of sockets."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gevent
from gevent import socket
from gevent.event import Event as Signal
from gunicorn import util

from services.streaming.viewer import Viewer
from tests.services.streaming.nodes import Node
from tests.sse import Frame, Reader

HEAD_END = b"\r\n\r\n"


class Response:
    """One open response: the server's greenlet and the client's end.

    Attributes:
        ended: Set when the server is done with it.
        was_clean: Whether the client saw the proper end of a body.
    """

    def __init__(
        self, subscribe: Callable[[dict[str, Any]], Viewer], *, protocol: str, send_bytes: int = 0, **environ: Any
    ) -> None:
        self.client, self.server = socket.socketpair()
        if send_bytes:
            self.server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_bytes)
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, send_bytes)
        self.ended = Signal()
        self.was_clean = False
        self.reader = Reader()
        self._chunked = protocol == "HTTP/1.1"
        self._data, self._left = b"", 0
        self._has_head = False
        self.viewer = subscribe(
            {
                "gunicorn.socket": self.server,
                "SERVER_PROTOCOL": protocol,
                "wsgi.url_scheme": "http",
                "REQUEST_METHOD": "GET",
                **environ,
            }
        )
        gevent.spawn(self._serve)

    def _serve(self) -> None:
        # The same calls in the same order as gunicorn/workers/base_async.py and gunicorn/http/wsgi.py.
        try:
            with contextlib.suppress(OSError):
                self.server.sendall(b"HTTP/1.1 200 OK" + HEAD_END)
                try:
                    for item in self.viewer:
                        util.write(self.server, item, self._chunked)
                    if self._chunked:
                        util.write_chunk(self.server, b"")
                finally:
                    self.viewer.close()
        finally:
            util.close(self.server)
            self.ended.set()

    def read(self, size: int = 65536) -> list[Frame]:
        """What the next bytes complete; an empty list and `was_clean` or EOF at the end."""
        data = self.client.recv(size)
        if not data:
            self.was_clean = self.was_clean or (not self._chunked and self._has_head)
            raise EOFError
        self._data += data
        if not self._has_head:
            if HEAD_END not in self._data:
                return []
            self._data, self._has_head = self._data.partition(HEAD_END)[2], True
        if not self._chunked:
            body, self._data = self._data, b""
            return self.reader.feed(body)
        return self.reader.feed(self._body())

    def _body(self) -> bytes:
        body = b""
        while self._data:
            size, found, rest = self._data.partition(b"\r\n")
            if not found:
                break
            length = int(size, 16)
            if len(rest) < length + 2:
                break
            assert rest[length : length + 2] == b"\r\n", "a chunk ends where it says"
            assert not self.was_clean, "nothing follows the last chunk"
            body += rest[:length]
            self._data = rest[length + 2 :]
            if not length:
                self.was_clean = True
        return body

    def until(self, claim: Callable[[Frame], bool], *, size: int = 65536) -> list[Frame]:
        """All frames up to one of which the claim holds."""
        frames: list[Frame] = []
        with gevent.Timeout(4):
            while not any(claim(frame) for frame in frames):
                frames += self.read(size)
        return frames

    def rest(self, *, size: int = 65536) -> list[Frame]:
        """All frames up to the end of the connection."""
        frames: list[Frame] = []
        with gevent.Timeout(4), contextlib.suppress(EOFError, OSError):
            while True:
                frames += self.read(size)
        return frames

    def close(self) -> None:
        self.client.close()


@dataclass
class Way:
    """A worker that delivers in one way."""

    node: Node
    protocol: str
    responses: list[Response] = field(default_factory=list)

    def open(self, spec: Any, *, last_event_id: str | None = None, dialect: Any = None, **options: Any) -> Response:
        def subscribe(environ: dict[str, Any]) -> Viewer:
            viewer = self.node.subscribe(spec, last_event_id=last_event_id, environ=environ, dialect=dialect)
            assert isinstance(viewer, Viewer)
            return viewer

        response = Response(subscribe, protocol=self.protocol, **options)
        self.responses.append(response)
        return response
