"""Programs that have a story told as an EventSource does: one GET, repeated with their last id, until its end."""

import contextlib
import http.client
import random
import socket
import struct
import threading
from collections.abc import Sequence
from typing import Any, Final, Self
from urllib.parse import urlencode

from tests.e2e.clients import Account
from tests.sse import Reader

CHILDREN: Final = "/api/v1/children"
STORIES: Final = "/api/v1/stories"
GENERATE: Final = f"{STORIES}/generate/stream"
_RETRY_S: Final = 0.1
_WAIT_S: Final = 30.0
_SENTENCES: Final = (
    "The small boat went home.", "A whale sang to Mia.", "They looked at the stars.", "The warm sand was soft.",
    "Her friend laughed and waved.", "A shell lay in the grass.", "The waves came in slowly.",
)  # fmt: skip


def tale(words: int, *, seed: int = 1) -> str:
    """A harmless chapter of about so many words, in paragraphs of about sixty."""
    chosen = random.Random(seed).choices(_SENTENCES, k=words // 5)
    return "\n\n".join(" ".join(chosen[at : at + 12]) for at in range(0, len(chosen), 12))


class Family:
    """Somebody with a child on a site.

    Attributes:
        child_id: Mia, six years old.
    """

    def __init__(self, account: Account) -> None:
        self.account = account
        made = account.call("POST", CHILDREN, {"name": "Mia", "age": 6, "pronouns": "she"})
        assert made.status == 201, made
        self.child_id: int = made.json["id"]

    def query(self, **more: Any) -> str:
        """The address of a chapter, with what a test says besides."""
        return f"{GENERATE}?{urlencode({'child_id': self.child_id, 'theme': 'ocean', **more})}"

    def stories(self) -> list[dict[str, Any]]:
        """The shelf."""
        found: list[dict[str, Any]] = self.account.call("GET", STORIES).json["stories"]
        return found

    def story(self) -> dict[str, Any]:
        """The only story that there is."""
        (only,) = self.stories()
        found: dict[str, Any] = self.account.call("GET", f"{STORIES}/{only['id']}").json
        return found

    def told_today(self) -> int:
        """What was counted for the child's day."""
        return int(self.account.call("GET", f"{CHILDREN}/{self.child_id}").json["today"]["told"])


class Listener(threading.Thread):
    """Reads a chapter from an address, as an EventSource.

    Args:
        pid: The worker that takes the first connection.
        among: The workers that take the connections in turn; none: whichever does.
        cuts: After how many bytes of its body each connection is cut by the network, first to last.

    Attributes:
        events: What was told, once each, whatever connections it took.
        verdicts: What it was told of its place when it came back.
    """

    def __init__(
        self,
        account: Account,
        url: str,
        *,
        pid: int | None = None,
        among: Sequence[int] = (),
        cuts: Sequence[int] = (),
    ) -> None:
        super().__init__(daemon=True)
        self.account = account
        self.url = url
        self.connections = 0
        self.events: list[dict[str, Any]] = []
        self.verdicts: list[str] = []
        self.stream_ids: set[str] = set()
        self.request_ids: list[str] = []
        self.refusals: list[tuple[int, bytes]] = []
        self.last_id = ""
        self._pid = pid
        self._among = among
        self._cuts = list(cuts)
        self._changed = threading.Condition()

    @property
    def text(self) -> str:
        return "".join(event["chunk"] for event in list(self.events) if event["type"] == "content")

    @property
    def end(self) -> dict[str, Any]:
        return self.events[-1]

    @property
    def pids(self) -> list[int]:
        return [self.account.site.pid_of_request(request_id) for request_id in self.request_ids]

    def opened(self) -> Self:
        """Start, and wait until some of the story is here."""
        self.start()
        with self._changed:
            assert self._changed.wait_for(lambda: self.text, _WAIT_S), (self.refusals, self.events)
        return self

    def done(self, *, within_s: float = _WAIT_S) -> Self:
        """Wait for its end."""
        self.join(within_s)
        assert not self.is_alive(), f"no end within {within_s} s: {self.events[-3:]} {self.refusals}"
        return self

    def run(self) -> None:
        pause = threading.Event()
        while not self._follow():
            pause.wait(_RETRY_S)

    def _follow(self) -> bool:
        connection: http.client.HTTPConnection | None = None
        try:
            connection = self.account.reach(self._worker())
            return self._read(connection)
        except (OSError, http.client.HTTPException):
            return False
        finally:
            if connection is not None:
                connection.close()

    def _worker(self) -> int | None:
        if self._among:
            return self._among[self.connections % len(self._among)]
        return None if self.connections else self._pid

    def _read(self, connection: http.client.HTTPConnection) -> bool:
        headers = {"Authorization": f"Bearer {self.account.token}", "Accept": "text/event-stream"}
        if self.last_id:
            headers["Last-Event-ID"] = self.last_id
        connection.request("GET", self.url, headers=headers)
        sock = connection.sock
        response = connection.getresponse()
        self.request_ids.append(response.headers["X-Request-Id"])
        if response.status != 200:
            self.refusals.append((response.status, response.read()))
            return response.status == 204
        self.connections += 1
        self.stream_ids.add(response.headers["X-Stream-Id"])
        reader, left = Reader(), self._cuts.pop(0) if self._cuts else -1
        while left and (piece := response.read1(left if left > 0 else 65536)):
            left -= len(piece) if left > 0 else 0
            for frame in reader.feed(piece):
                self.last_id = frame.id
                if self._hear(frame.json):
                    return True
        if left == 0:
            cut(sock)
        return False

    def _hear(self, event: dict[str, Any]) -> bool:
        with self._changed:
            if event["type"] == "stream":
                self.verdicts.append(event["verdict"])
            else:
                self.events.append(event)
            self._changed.notify_all()
        return event["type"] in {"complete", "error"}


def cut(sock: Any) -> None:
    """As a network that fails: the connection is gone, with whatever was on its way."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
