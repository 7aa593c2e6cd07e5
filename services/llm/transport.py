"""The sockets under the model's HTTP client: exact deadlines, and closing from another greenlet.

HTTP itself is httpcore2's. Its own timeouts start anew with every byte received and cannot change in
the middle of a reply, and it offers no way to end a request that has no response yet. So each socket
here asks the `Call` it works for how long it may wait, and tells it whom to shut down.
"""

import contextlib
import socket
import ssl
import time
from collections.abc import Generator, Iterable, Iterator
from contextvars import ContextVar
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore2
import httpx2

from services.llm.call import Call
from services.llm.rechunk import Rechunker

# Idle connections are kept for the next answer; most servers close theirs after a minute or more,
# and one that closed earlier is noticed before the connection is used.
_KEEP_IDLE_S: Final = 30.0
_MAX_IDLE: Final = 32
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

_current: ContextVar[Call] = ContextVar("call")


@contextlib.contextmanager
def working_for(call: Call) -> Generator[None]:
    """Requests that this greenlet begins in the block belong to `call`."""
    token = _current.set(call)
    try:
        yield
    finally:
        _current.reset(token)


class Transport(httpx2.BaseTransport):
    """Carries httpx2's requests over one bounded pool of connections.

    Failures are httpcore2's exceptions, untranslated.

    Args:
        base_url: The server that all requests go to; decides the proxy (the environment's, if any).
        max_connections: Calls that may be open at once; one more waits for the pool timeout.
    """

    def __init__(self, base_url: str, *, max_connections: int) -> None:
        self.pool = httpcore2.ConnectionPool(
            ssl_context=httpx2.create_ssl_context() if base_url.startswith("https:") else None,
            proxy=_proxy_for(base_url),
            max_connections=max_connections,
            max_keepalive_connections=_MAX_IDLE,
            keepalive_expiry=_KEEP_IDLE_S,
            network_backend=_Sockets(),
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request of the current call; returns once the response's headers are here."""
        assert isinstance(request.stream, Iterable)
        url = httpcore2.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        inner = httpcore2.Request(
            request.method, url, headers=request.headers.raw, content=request.stream, extensions=request.extensions
        )
        response = self.pool.handle_request(inner)
        return httpx2.Response(
            response.status, headers=response.headers, stream=_Body(response), extensions=response.extensions
        )

    def close(self) -> None:
        """Close every connection, also those in use."""
        self.pool.close()


class _Body(httpx2.SyncByteStream):
    def __init__(self, response: httpcore2.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class _Socket(httpcore2.NetworkStream):
    """One connection; works for the call that last wrote to it, and obeys that call's deadline."""

    def __init__(self, sock: socket.socket, call: Call) -> None:
        self._sock = sock
        self._call = call
        self._rechunker = Rechunker()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the call's deadline counts
        if self._call.is_closed:
            raise httpcore2.ReadError
        try:
            while True:
                self._sock.settimeout(self._call.remaining_s())
                data = self._sock.recv(max_bytes)
                shown = self._rechunker.feed(data) if data else b""
                # Nothing to show for what came means no end, but half a line between two chunks.
                if shown or not data:
                    return shown
        except TimeoutError as exc:
            raise httpcore2.ReadTimeout from exc
        except OSError as exc:
            raise httpcore2.ReadError from exc

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - as above
        self._call = _current.get()
        # What follows is the reply to this.
        self._rechunker = Rechunker()
        try:
            self._call.hold(self._sock)
            self._sock.settimeout(self._call.remaining_s())
            self._sock.sendall(buffer)
        except TimeoutError as exc:
            raise httpcore2.WriteTimeout from exc
        except OSError as exc:
            raise httpcore2.WriteError from exc

    def close(self) -> None:
        self._call.release()
        self._sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        if isinstance(self._sock, ssl.SSLSocket):
            raise httpcore2.ConnectError("TLS inside TLS is not supported: use an http:// proxy")
        # The handshake comes after `hold`, so that it too can be ended from outside.
        sock = ssl_context.wrap_socket(self._sock, server_hostname=server_hostname, do_handshake_on_connect=False)
        try:
            self._call.hold(sock)
            sock.settimeout(_at_most(timeout, self._call))
            sock.do_handshake()
        except BaseException as exc:
            sock.close()
            if isinstance(exc, TimeoutError):
                raise httpcore2.ConnectTimeout from exc
            if isinstance(exc, OSError):
                raise httpcore2.ConnectError from exc
            raise
        return _Socket(sock, self._call)

    def get_extra_info(self, info: str) -> Any:
        if info == "socket":
            return self._sock
        if info == "is_readable":
            return self._is_readable()
        return None

    def _is_readable(self) -> bool:
        """Whether an idle connection has something to read, which means that its server closed it.

        Peeks with the plain socket's method: it does not wait, and it works under TLS.
        """
        try:
            self._sock.settimeout(0)
            socket.socket.recv(self._sock, 1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True


class _Sockets(httpcore2.NetworkBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002 - the interface's; no caller gives one
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,  # noqa: ARG002 - as above
    ) -> httpcore2.NetworkStream:
        call = _current.get()
        until_s = time.monotonic() + _at_most(timeout, call)
        try:
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as exc:
            raise httpcore2.ConnectError from exc
        failure: OSError = ConnectionError()
        for position, (family, kind, protocol, _, address) in enumerate(addresses):
            # An address that swallows packets may not use up the time of those after it.
            share_s = (until_s - time.monotonic()) / (len(addresses) - position)
            sock = socket.socket(family, kind, protocol)
            try:
                call.hold(sock)
                sock.settimeout(max(share_s, 0.001))
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as exc:
                sock.close()
                failure = exc
            except BaseException:
                sock.close()
                raise
            else:
                return _Socket(sock, call)
        if isinstance(failure, TimeoutError):
            raise httpcore2.ConnectTimeout from failure
        raise httpcore2.ConnectError from failure


def _at_most(timeout_s: float | None, call: Call) -> float:
    remaining_s = call.remaining_s()
    return remaining_s if timeout_s is None else min(timeout_s, remaining_s)


def _proxy_for(base_url: str) -> httpcore2.Proxy | None:
    """The environment's proxy for the model's server; none for this machine and hosts in `no_proxy`."""
    target = urlsplit(base_url)
    host = target.hostname or ""
    found = getproxies()
    address = found.get(target.scheme) or found.get("all")
    if not address or host in _LOOPBACK or proxy_bypass(host):
        return None
    proxy = urlsplit(address if "://" in address else f"http://{address}")
    url = httpcore2.URL(
        scheme=proxy.scheme.encode(), host=(proxy.hostname or "").encode(), port=proxy.port, target=b"/"
    )
    auth = (unquote(proxy.username), unquote(proxy.password or "")) if proxy.username else None
    return httpcore2.Proxy(url, auth=auth)
