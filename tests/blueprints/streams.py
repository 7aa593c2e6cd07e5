"""Streams read through the test client, as strictly as a browser reads them."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import gevent
from flask.testing import FlaskClient

from tests.sse import Frame, Reader

PATIENCE_S = 15.0


class Stream:
    """One open response."""

    def __init__(self, response: Any) -> None:
        self.response = response
        self.reader = Reader()
        self.frames: list[Frame] = []
        self._chunks = iter(response.response)
        self._waiting: list[Frame] = []

    def __enter__(self) -> "Stream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.response.close()

    def until(self, name: str) -> list[Frame]:
        """The frames up to the next of this name; fails if the stream ends before."""
        taken: list[Frame] = []
        with gevent.Timeout(PATIENCE_S, TimeoutError(f"no {name}; so far {self.frames}")):
            for frame in self._next():
                taken.append(frame)
                if frame.name == name:
                    return taken
        raise AssertionError(f"the stream ended before {name}: {self.frames}")

    def rest(self) -> list[Frame]:
        """All frames up to the end of the response."""
        with gevent.Timeout(PATIENCE_S, TimeoutError(f"no end; so far {self.frames}")):
            return list(self._next())

    def text(self, name: str, field: str) -> str:
        """One field of all frames of a name, joined."""
        return "".join(frame.json[field] for frame in self.frames if frame.name == name)

    def _next(self) -> Iterator[Frame]:
        while True:
            while self._waiting:
                frame = self._waiting.pop(0)
                self.frames.append(frame)
                yield frame
            chunk = next(self._chunks, None)
            if chunk is None:
                return
            self._waiting += self.reader.feed(chunk)


class Streams:
    """Opens streams for one client."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    @contextmanager
    def open(
        self, url: str, *, client: FlaskClient | None = None, headers: dict[str, str] | None = None
    ) -> Iterator[Stream]:
        """Open a stream; it is closed, as by a client that leaves, at the end of the block."""
        response = (client or self.client).get(url, headers={"Accept": "text/event-stream", **(headers or {})})
        with Stream(response) as stream:
            yield stream
