"""API clients of the site, on plain sockets that can be cut anywhere, and what a viewer is owed."""

import contextlib
import http.client
import json
import re
import secrets
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import urlencode

from tests.e2e.sites import Site, eventually
from tests.e2e.transcript import Transcript
from tests.sse import Frame, Reader

PASSWORD: Final = "correct horse battery staple"
_CSRF: Final = re.compile(r'<meta name="csrf-token" content="([^"]+)">')
_TIMEOUT_S: Final = 30.0
# A browser's own pause before it connects again, shortened: what the site's `retry:` says goes before it.
_RETRY_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Answer:
    """A response that has been read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    took_s: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def request_id(self) -> str:
        return self.headers["X-Request-Id"]


class Account:
    """Somebody with an account, who calls the API with a login token."""

    def __init__(self, site: Site, email: str | None = None) -> None:
        self.site = site
        self.email = email or f"{secrets.token_hex(6)}@example.org"
        self._register()
        self.renew_token()

    def _register(self) -> None:
        with self.connect() as connection:
            page = _exchange(connection, "GET", "/register", headers={"Accept": "text/html"})
            cookie = page.headers["Set-Cookie"].split(";")[0]
            token = _CSRF.search(page.body.decode())
            assert token, page.body
            form = urlencode({"email": self.email, "password": PASSWORD, "csrf_token": token[1]})
            headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie, "Accept": "text/html"}
            made = _exchange(connection, "POST", "/register", form, headers)
            assert made.status == 303, made

    def renew_token(self) -> None:
        """Sign in again."""
        with self.connect() as connection:
            body = json.dumps({"email": self.email, "password": PASSWORD})
            signed_in = _exchange(connection, "POST", "/api/auth/token", body, {"Content-Type": "application/json"})
        assert signed_in.status == 200, signed_in
        self.token = signed_in.json["access_token"]

    @contextlib.contextmanager
    def connect(self, pid: int | None = None) -> Iterator[http.client.HTTPConnection]:
        """A connection, to a given worker if need be."""
        connection = self.reach(pid)
        try:
            yield connection
        finally:
            connection.close()

    def reach(self, pid: int | None = None) -> http.client.HTTPConnection:
        """A connection that is kept open; with a pid, one that this worker has taken, as the log says."""
        for _ in range(200):
            connection = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=_TIMEOUT_S)
            try:
                connection.connect()
                if pid is None or self.site.pid_of_request(_exchange(connection, "GET", "/healthz").request_id) == pid:
                    return connection
            except BaseException:
                connection.close()
                raise
            connection.close()
        raise AssertionError(f"worker {pid} takes no connection")

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        pid: int | None = None,
        connection: http.client.HTTPConnection | None = None,
        **headers: str | None,
    ) -> Answer:
        """One request of this person's; header names with underscores for hyphens, None to leave one out."""
        given = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in given.items() if value is not None}
        text = None
        if body is not None:
            text, sent["Content-Type"] = json.dumps(body), "application/json"
        if connection is not None:
            return _exchange(connection, method, path, text, sent)
        with self.connect(pid) as own:
            return _exchange(own, method, path, text, sent)

    def ask_at_once(self, count: int, *, headers: dict[str, str] | None = None, **fields: Any) -> list[Answer]:
        """The same question so many times at the same moment, to all workers in turn."""
        workers = sorted(self.site.workers())
        with contextlib.ExitStack() as stack:
            ways = [stack.enter_context(self.connect(workers[at % len(workers)])) for at in range(count)]
            return at_once(count, lambda at: self.ask(connection=ways[at], headers=headers, **fields))

    def ask(
        self,
        *,
        pid: int | None = None,
        connection: http.client.HTTPConnection | None = None,
        headers: dict[str, str] | None = None,
        **fields: Any,
    ) -> Answer:
        """A question for the tutor, in a conversation of its own."""
        question = {
            "session_id": secrets.token_hex(6),
            "problem_id": "odd-sock",
            "message": "Where do I begin?",
            "hint_level": 3,
            **fields,
        }
        return self.call("POST", "/v1/tutor/messages", question, pid=pid, connection=connection, **(headers or {}))

    def start(self, *, pid: int | None = None, **fields: Any) -> str:
        """Ask, and the stream's id."""
        asked = self.ask(pid=pid, **fields)
        assert asked.status == 201, asked
        stream_id: str = asked.json["stream_id"]
        return stream_id

    def stop(self, stream_id: str, *, pid: int | None = None) -> Answer:
        return self.call("DELETE", f"/api/streams/{stream_id}", pid=pid)

    def standing(self, stream_id: str) -> dict[str, Any]:
        """How a stream stands, without streaming."""
        seen = self.call("GET", f"/api/streams/{stream_id}")
        assert seen.status == 200, seen
        standing: dict[str, Any] = seen.json
        return standing

    def stored(self, stream_id: str, *, settled_within_s: float = 10.0) -> dict[str, Any]:
        """The stored message of a stream, once its outcome is known."""
        conversation = self.conversation_of(stream_id)
        path = f"/api/conversations/{conversation}"

        def settled() -> dict[str, Any] | None:
            messages = self.call("GET", path).json["messages"]
            ours = [message for message in messages if message.get("stream_id") == stream_id]
            assert len(ours) == 1, messages
            return ours[0] if ours[0]["outcome"] else None

        return eventually(settled, within_s=settled_within_s, what=f"the answer of {stream_id} is not settled")

    def conversation_of(self, stream_id: str) -> str:
        """The conversation that holds a stream's answer."""
        for summary in self.call("GET", "/api/conversations").json["conversations"]:
            whole = self.call("GET", f"/api/conversations/{summary['id']}").json
            if any(message.get("stream_id") == stream_id for message in whole["messages"]):
                found: str = whole["id"]
                return found
        raise AssertionError(f"no conversation holds {stream_id}")

    def running(self) -> list[str]:
        """The streams that hold this person's slots."""
        return [stream["stream_id"] for stream in self.call("GET", "/api/streams").json["streams"]]


class Viewer(threading.Thread):
    """Follows a stream as an EventSource does: comes back with its last id until the answer has ended.

    Args:
        pid: The worker that takes the first connection; the others go to whichever takes them.
        cuts: After how many bytes of its body each connection is cut by the client, first to last.
        until: The event that it waits for.
        retry_s: Before it comes back, unless the site says otherwise.

    Attributes:
        pids: The workers that took the connections, as the log says.
        pause_s: The longest time between two events that came on.
    """

    def __init__(
        self,
        account: Account,
        stream_id: str,
        pid: int | None = None,
        *,
        cuts: Sequence[int] = (),
        until: str = "message.end",
        retry_s: float = _RETRY_S,
    ) -> None:
        super().__init__(daemon=True)
        self.account = account
        self.stream_id = stream_id
        self.seen = Transcript(stream_id)
        self.connections = 0
        self.refusals: list[tuple[int, bytes]] = []
        self.request_ids: list[str] = []
        self.pause_s = 0.0
        self.ended_s = 0.0
        self.connected = threading.Event()
        self._pid = pid
        self._cuts = list(cuts)
        self._until = until
        self._leave = threading.Event()
        self._connection: http.client.HTTPConnection | None = None
        self._heard_s = 0.0
        self._retry_s = retry_s

    @property
    def pids(self) -> list[int]:
        return [self.account.site.pid_of_request(request_id) for request_id in self.request_ids]

    def opened(self) -> Self:
        """Start, and wait until the first frame is here."""
        self.start()
        assert self.connected.wait(_TIMEOUT_S), self.refusals
        return self

    def leave(self) -> None:
        """Go away, for good and without a word."""
        self._leave.set()
        if self._connection is not None and self._connection.sock is not None:
            with contextlib.suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)
        self.join(_TIMEOUT_S)

    def done(self, *, within_s: float = 30.0) -> Transcript:
        """What it has seen, once it has seen the end."""
        self.join(within_s)
        assert not self.is_alive(), f"no {self._until} within {within_s} s: {self.seen.events[-3:]} {self.refusals}"
        assert self.seen.faults == []
        return self.seen

    def run(self) -> None:
        while not self._leave.is_set() and not self._follow():
            self._leave.wait(self._retry_s)
        self.ended_s = time.monotonic()

    def _follow(self) -> bool:
        """One connection; whether there is nothing left to come back for."""
        try:
            self._connection = self.account.reach(None if self.connections else self._pid)
            return self._read(self._connection)
        except (OSError, http.client.HTTPException):
            return False
        finally:
            if self._connection is not None:
                self._connection.close()

    def _read(self, connection: http.client.HTTPConnection) -> bool:
        headers = {"Authorization": f"Bearer {self.account.token}", "Accept": "text/event-stream"}
        if self.seen.last_id:
            headers["Last-Event-ID"] = self.seen.last_id
        connection.request("GET", f"/api/streams/{self.stream_id}", headers=headers)
        # http.client gives the socket away with a response that ends its connection.
        sock = connection.sock
        response = connection.getresponse()
        self.request_ids.append(response.headers["X-Request-Id"])
        if response.status != 200:
            if response.status != 204:
                self.refusals.append((response.status, response.read()))
            return response.status == 204
        self.connections += 1
        reader = Reader()
        left = self._cuts.pop(0) if self._cuts else -1
        while left and not self._leave.is_set() and (piece := response.read1(left if left > 0 else 65536)):
            left -= len(piece) if left > 0 else 0
            for frame in reader.feed(piece):
                self._hear(frame)
            if reader.retry_ms is not None:
                self._retry_s = reader.retry_ms / 1000
            if any(name == self._until for name, _, _ in self.seen.events[-4:]):
                return True
        if left == 0:
            _reset(sock)
        return False

    def _hear(self, frame: Frame) -> None:
        now_s = time.monotonic()
        if self._heard_s and frame.name != "ping":
            self.pause_s = max(self.pause_s, now_s - self._heard_s)
        self._heard_s = now_s
        self.seen.take(frame)
        self.connected.set()


def at_once(count: int, act: Any) -> list[Any]:
    """What `act(number)` returns for each number, all called at the same moment."""
    gate = threading.Barrier(count)
    results: list[Any] = [None] * count

    def go(number: int) -> None:
        gate.wait()
        results[number] = act(number)

    threads = [threading.Thread(target=go, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_TIMEOUT_S)
    return results


def _exchange(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: str | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    began = time.monotonic()
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    read = response.read()
    return Answer(response.status, response.headers, read, time.monotonic() - began)


def _reset(sock: socket.socket) -> None:
    """As a network that fails: the connection is gone, with whatever was on its way."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
