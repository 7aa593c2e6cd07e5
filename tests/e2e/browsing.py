"""What stands around the site in a browser test: pages of another origin, a network that fails, a watchful eye."""

import contextlib
import http.server
import re
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from playwright.sync_api import Page, Response

from tests.e2e.clients import PASSWORD, Account
from tests.e2e.sites import eventually

ROOT: Final = Path(__file__).resolve().parents[2]
_MODULES: Final = ROOT / "tests" / "e2e" / "node_modules"
# What host pages load: other people's releases, as they come.
SCRIPTS: Final = {
    "/htmx2.js": _MODULES / "htmx.org" / "dist" / "htmx.min.js",
    "/sse2.js": _MODULES / "htmx-ext-sse" / "dist" / "sse.min.js",
    "/htmx4.js": ROOT / "static" / "vendor" / "htmx-4.0.1" / "htmx.min.js",
    "/sse4.js": ROOT / "static" / "vendor" / "htmx-4.0.1" / "hx-sse.min.js",
}
_STREAM: Final = re.compile(r"GET (/api/streams/[^/ ]+|/v1/tutor/stream)(\?[^ ]*)? ")
_CSRF: Final = re.compile(r'<meta name="csrf-token" content="([^"]+)">')
_PIECE: Final = 65536


class HostPages:
    """A small server of another origin, with pages that other people might have; a context manager."""

    def __init__(self) -> None:
        pages = self._pages = {}  # type: dict[str, str]

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                if path in SCRIPTS:
                    self._send("text/javascript", SCRIPTS[path].read_bytes())
                else:
                    self._send("text/html; charset=utf-8", pages.get(path, "<!doctype html>").encode())

            def _send(self, kind: str, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Nothing: a failed test has the site's log."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.origin = f"http://127.0.0.1:{self.port}"
        # Another site even to a browser that leaves ports out of that.
        self.foreign_origin = f"http://localhost:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def page(self, html: str, *, foreign: bool = False) -> str:
        """Serve this; its address."""
        path = f"/page{len(self._pages)}"
        self._pages[path] = html
        return (self.foreign_origin if foreign else self.origin) + path


@dataclass(slots=True)
class Seen:
    """A request for a stream that went through the proxy."""

    path: str
    headers: dict[str, str]
    status: int = 0
    body: bytes = b""
    ended: threading.Event = field(default_factory=threading.Event)


class FaultProxy:
    """A network between browser and site that fails on demand; a context manager.

    `plan` says what happens to the next requests for streams, in order: a number cuts the connection after
    so many bytes of the body, 503 in words ("503") refuses. Everything else passes.
    """

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self.plan: list[int | str] = []
        self.streams: list[Seen] = []
        self._open: set[socket.socket] = set()
        self._frozen: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_up = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Break all connections."""
        with self._lock:
            broken = list(self._open)
        for sock in broken:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.shutdown(socket.SHUT_RDWR)

    def freeze(self) -> None:
        """As a pulled cable: what is connected now stays so and is silent for ever."""
        with self._lock:
            self._frozen |= self._open

    def down(self) -> None:
        """Break all connections and take no new one."""
        self._is_up = False
        self.cut()

    def up(self) -> None:
        """Be a network again."""
        self._is_up = True

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._is_up:
                    threading.Thread(target=self._serve, args=(client,), daemon=True).start()
                else:
                    client.close()

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            self._open.add(client)
        try:
            with contextlib.suppress(OSError), client:
                self._pass(client)
        finally:
            with self._lock:
                self._open.discard(client)
                self._frozen.discard(client)

    def _pass(self, client: socket.socket) -> None:
        """One request and its answer; the connection ends with it."""
        head, rest = _read_head(client)
        if not head:
            return
        found = _STREAM.match(head)
        fault = self.plan.pop(0) if found and self.plan else None
        seen = Seen(head.split(" ", 2)[1], _headers(head)) if found else None
        if seen is not None:
            self.streams.append(seen)
        try:
            if fault == "503":
                self._refuse(client, seen)
                return
            with socket.create_connection(("127.0.0.1", self._upstream_port)) as site:
                lines = [line for line in head.split("\r\n") if not line.lower().startswith("connection:")]
                site.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + rest)
                self._relay(client, site, seen, fault if isinstance(fault, int) else None)
        finally:
            if seen is not None:
                seen.ended.set()

    def _refuse(self, client: socket.socket, seen: Seen | None) -> None:
        assert seen
        seen.status = 503
        origin = seen.headers.get("origin", "*")
        shared = f"Access-Control-Allow-Origin: {origin}\r\nAccess-Control-Allow-Credentials: true\r\n"
        client.sendall(
            f"HTTP/1.1 503 Service Unavailable\r\n{shared}Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )

    def _relay(self, client: socket.socket, site: socket.socket, seen: Seen | None, cut_after: int | None) -> None:
        head, is_body = b"", False
        while True:
            readable, _, _ = select.select([client, site], [], [])
            if client in readable:
                more = client.recv(_PIECE)
                if not more:
                    return
                site.sendall(more)
            if site not in readable:
                continue
            if client in self._frozen:
                select.select([client], [], [])
                return
            piece = site.recv(_PIECE)
            if not piece:
                return
            if seen is not None:
                if is_body:
                    seen.body += piece
                else:
                    head += piece
                    before, is_body, after = head.partition(b"\r\n\r\n")
                    if is_body:
                        seen.status = int(before.split(b" ", 2)[1])
                        seen.body += after
                if cut_after is not None and len(seen.body) >= cut_after:
                    client.sendall(piece[: len(piece) - (len(seen.body) - cut_after)])
                    return
            client.sendall(piece)


def _read_head(client: socket.socket) -> tuple[str, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(_PIECE)
        if not piece:
            return "", b""
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    return head.decode("latin-1"), rest


def _headers(head: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in head.split("\r\n")[1:])
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


class Watch:
    """What a page complains about or reaches for. Attach before the first navigation.

    Attributes:
        complaints: Console errors and warnings (broken rules of the CSP are such), and uncaught exceptions.
        refusals: What the browser says of each response with an error status.
        foreign: Requests to other origins.
        dialogs: alert() and its like.
        requests: Every request, as "METHOD path".
    """

    def __init__(self, page: Page) -> None:
        self.complaints: list[str] = []
        self.refusals: list[str] = []
        self.foreign: list[str] = []
        self.dialogs: list[str] = []
        self.requests: list[str] = []
        self._page = page
        page.on("console", lambda said: self._hear(said.type, said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._see(request.method, request.url))
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))

    def _hear(self, kind: str, text: str) -> None:
        if text.startswith("Failed to load resource: the server responded with a status of"):
            self.refusals.append(text)
        elif kind in ("error", "warning"):
            self.complaints.append(f"{kind}: {text}")

    def _see(self, method: str, url: str) -> None:
        parts = urlsplit(url)
        self.requests.append(f"{method} {parts.path}")
        own = urlsplit(self._page.url)
        if parts.scheme in ("http", "https", "ws", "wss") and own.netloc and parts.netloc != own.netloc:
            self.foreign.append(url)

    def forget(self) -> None:
        """Begin anew."""
        for told in (self.complaints, self.refusals, self.foreign, self.dialogs, self.requests):
            told.clear()


def sign_in(page: Page, account: Account) -> Page:
    """Give the page's context the cookie of somebody who has signed in."""
    request = page.context.request
    token = _CSRF.search(request.get("/login").text())
    assert token
    form = {"email": account.email, "password": PASSWORD, "csrf_token": token[1], "next": "/"}
    signed_in = request.post("/login", form=form, max_redirects=0)
    assert signed_in.status == 303, signed_in.text()
    return page


def words(text: str) -> str:
    """Text without regard to white space, as a rendered page is compared with what was said."""
    return " ".join(text.split())


@contextlib.contextmanager
def responses(page: Page, wanted: Callable[[Response], bool]) -> Iterator[list[Response]]:
    """The responses within the block that are wanted."""
    found: list[Response] = []

    def take(response: Response) -> None:
        if wanted(response):
            found.append(response)

    page.on("response", take)
    yield found
    page.remove_listener("response", take)


def until(page: Page, check: Callable[[], Any], *, within_s: float = 10.0, what: str = "it did not happen") -> Any:
    """`eventually`, while the page's own events are taken in."""

    def look() -> Any:
        page.evaluate("0")
        return check()

    return eventually(look, within_s=within_s, what=what)
