"""Addresses: what may be fetched, and from where, with servers that do not play by the rules."""

import socket
import tempfile
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, BinaryIO, cast

import gevent
import pytest
from gevent.server import StreamServer

from services import errors
from services.media.fetching import Address, Fetcher, is_public

MAX_BYTES = 1_000_000
HOSTS = ("files.example.org", "*.example.net", "odd.example.org:8443")


class Server:
    """Answers each request by the next of its answers, byte for byte; keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: list[bytes | Callable[[socket.socket], None]] = []
        self.asked: list[str] = []
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()
        self.port = cast(int, self._server.server_port)

    def _serve(self, sock: socket.socket, _address: Any) -> None:
        with sock:
            asked = b""
            while b"\r\n\r\n" not in asked:
                piece = sock.recv(65536)
                if not piece:
                    return
                asked += piece
            self.asked.append(asked.decode())
            answer = self.answers.pop(0)
            if callable(answer):
                answer(sock)
            else:
                sock.sendall(answer)

    def close(self) -> None:
        self._server.stop(timeout=1)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def lookups() -> list[str]:
    """The hosts that were looked up."""
    return []


@pytest.fixture
def make_fetcher(server: Server, lookups: list[str]) -> Callable[..., Fetcher]:
    """Fetchers for which every allowed host is the server of the test, at its port."""

    def make(hosts: tuple[str, ...] = (), **options: Any) -> Fetcher:
        def resolve(host: str, _port: int) -> list[Address]:
            lookups.append(host)
            return [(socket.AF_INET, "127.0.0.1")]

        allowed = hosts or (f"files.example.org:{server.port}",)
        return Fetcher(allowed, **{"resolve": resolve, "may_reach": lambda _address: True, **options})

    return make


def ok(body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def moved(to: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


def got(fetcher: Fetcher, url: str) -> tuple[str, bytes]:
    into = BytesIO()
    return fetcher.get(url, into, max_bytes=MAX_BYTES), into.getvalue()


def refusal(fetcher: Fetcher, url: str) -> str:
    with tempfile.TemporaryFile() as into, pytest.raises(errors.InvalidInput) as refused:
        fetcher.get(url, cast(BinaryIO, into), max_bytes=MAX_BYTES)
    (wrong,) = refused.value.errors
    assert wrong.field == "url"
    return wrong.message


def test_a_file_of_an_allowed_host_is_fetched(make_fetcher: Callable[..., Fetcher], server: Server) -> None:
    server.answers = [ok(b"notes")]

    name, content = got(make_fetcher(), f"http://files.example.org:{server.port}/a%20b/Gr%C3%BC%C3%9Fe.txt?x=1#part")

    assert (name, content) == ("Grüße.txt", b"notes")
    (asked,) = server.asked
    assert asked.startswith("GET /a%20b/Gr%C3%BC%C3%9Fe.txt?x=1 HTTP/1.1\r\n")
    assert f"Host: files.example.org:{server.port}\r\n" in asked
    assert "cookie" not in asked.lower()
    assert "authorization" not in asked.lower()


def test_a_file_in_chunks_is_fetched(make_fetcher: Callable[..., Fetcher], server: Server) -> None:
    server.answers = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nnot\r\n2\r\nes\r\n0\r\n\r\n"]

    assert got(make_fetcher(), f"http://files.example.org:{server.port}/n")[1] == b"notes"


def test_a_file_whose_end_is_the_connections_is_fetched(make_fetcher: Callable[..., Fetcher], server: Server) -> None:
    server.answers = [b"HTTP/1.0 200 OK\r\n\r\nnotes"]

    assert got(make_fetcher(), f"http://files.example.org:{server.port}/n")[1] == b"notes"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a",
        "http://files.example.org.evil.test/a",
        "http://evilfiles.example.org/a",
        "http://example.net/a",
        "http://files.example.org:8080/a",
        "http://odd.example.org/a",
        "https://odd.example.org/a",
        "http://127.0.0.1/a",
        "http://[::1]/a",
        "http://2130706433/a",
        "http://localhost/a",
        "http://evil.test#.example.net/a",
        "http://evil.test?.example.net",
        "http://evil.test\\.example.net/a",
    ],
)
def test_other_hosts_and_ports_are_not_asked(
    make_fetcher: Callable[..., Fetcher], lookups: list[str], url: str
) -> None:
    assert "host" in refusal(make_fetcher(HOSTS), url) or "address" in refusal(make_fetcher(HOSTS), url)
    assert lookups == []


@pytest.mark.parametrize(
    "url",
    [
        "http://FILES.example.org/a",
        "https://files.example.org./a",
        "http://a.b.example.net/",
        "http://odd.example.org:8443/",
    ],
)
def test_allowed_hosts_are_looked_up(make_fetcher: Callable[..., Fetcher], lookups: list[str], url: str) -> None:
    nowhere = make_fetcher(HOSTS, may_reach=lambda _address: False)

    assert refusal(nowhere, url) == "does not lead to the public network"
    assert len(lookups) == 1


def test_without_hosts_nothing_is_fetched(lookups: list[str]) -> None:
    assert "not on a host" in refusal(Fetcher(()), "https://example.org/a")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "notes.pdf",
        "//files.example.org/a",
        "file:///etc/passwd",
        "ftp://files.example.org/a",
        "gopher://files.example.org/a",
        "http://",
        "http://[::1",
        "http://files.example.org:99999/",
        "http://files.example.org:0/",
        "http://files.example.org/a b",
        "http://files.example.org/\r\nX-Evil: 1",
        "http://files.example.org/ü",
        "http://files.example.org/" + "a" * 2000,
        "http://name@files.example.org/",
        "http://name:word@files.example.org/",
        "http://files.example.org@evil.test/",
    ],
)
def test_malformed_addresses_are_refused(make_fetcher: Callable[..., Fetcher], lookups: list[str], url: str) -> None:
    refusal(make_fetcher(HOSTS), url)

    assert lookups == []


def test_one_private_answer_among_public_ones_spoils_them(server: Server) -> None:
    def resolve(_host: str, _port: int) -> list[Address]:
        return [(socket.AF_INET, "93.184.215.14"), (socket.AF_INET, "127.0.0.1")]

    fetcher = Fetcher((f"files.example.org:{server.port}",), resolve=resolve)

    assert refusal(fetcher, f"http://files.example.org:{server.port}/") == "does not lead to the public network"
    assert server.asked == []


def test_the_systems_own_look_up_of_this_machine_is_refused(server: Server) -> None:
    fetcher = Fetcher((f"127.0.0.1:{server.port}", f"localhost.localdomain:{server.port}"))

    assert refusal(fetcher, f"http://127.0.0.1:{server.port}/") == "does not lead to the public network"
    assert server.asked == []


def test_a_name_is_looked_up_once_so_that_it_cannot_change(
    make_fetcher: Callable[..., Fetcher], server: Server, lookups: list[str]
) -> None:
    server.answers = [ok(b"notes")]

    got(make_fetcher(), f"http://files.example.org:{server.port}/")

    assert lookups == ["files.example.org"]


def test_a_redirect_within_the_allowed_hosts_is_followed(
    make_fetcher: Callable[..., Fetcher], server: Server, lookups: list[str]
) -> None:
    server.answers = [moved("/second"), moved(f"http://files.example.org:{server.port}/third.txt"), ok(b"notes")]

    name, content = got(make_fetcher(), f"http://files.example.org:{server.port}/first")

    assert (name, content) == ("third.txt", b"notes")
    assert len(lookups) == 3, "each step is looked at like the first"


@pytest.mark.parametrize(
    "to",
    ["http://127.0.0.1/", "http://169.254.169.254/latest/", "file:///etc/passwd", "http://evil.test/", "//evil.test/"],
)
def test_a_redirect_to_elsewhere_is_not_followed(
    make_fetcher: Callable[..., Fetcher], server: Server, lookups: list[str], to: str
) -> None:
    server.answers = [moved(to)]

    refusal(make_fetcher(), f"http://files.example.org:{server.port}/")

    assert lookups == ["files.example.org"]


def test_a_redirect_to_a_private_address_is_not_followed(server: Server) -> None:
    answers = iter(["93.184.215.14", "10.0.0.1"])
    reached = []

    def may_reach(address: str) -> bool:
        reached.append(address)
        return is_public(next(answers))

    fetcher = Fetcher(
        (f"files.example.org:{server.port}",),
        resolve=lambda _host, _port: [(socket.AF_INET, "127.0.0.1")],
        may_reach=may_reach,
    )
    server.answers = [moved("/inside")]

    assert refusal(fetcher, f"http://files.example.org:{server.port}/") == "does not lead to the public network"
    assert len(server.asked) == 1


def test_redirects_come_to_an_end(make_fetcher: Callable[..., Fetcher], server: Server) -> None:
    server.answers = [moved("/again") for _ in range(10)]

    assert "too often" in refusal(make_fetcher(), f"http://files.example.org:{server.port}/")
    assert len(server.asked) == 4


@pytest.mark.parametrize("announced", [MAX_BYTES + 1, 10**15])
def test_a_file_that_announces_too_much_is_not_read(
    make_fetcher: Callable[..., Fetcher], server: Server, announced: int
) -> None:
    server.answers = [ok(b"x", length=announced)]

    with pytest.raises(errors.TooLarge):
        got(make_fetcher(), f"http://files.example.org:{server.port}/")


def test_a_file_that_does_not_end_is_cut_off(make_fetcher: Callable[..., Fetcher], server: Server) -> None:
    sent = 0

    def pour(sock: socket.socket) -> None:
        nonlocal sent
        sock.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        try:
            while True:
                sent += sock.send(b"x" * 65536)
        except OSError:
            pass

    server.answers = [pour]
    with pytest.raises(errors.TooLarge):
        got(make_fetcher(), f"http://files.example.org:{server.port}/")

    assert sent < 20 * MAX_BYTES


@pytest.mark.parametrize(
    "answer",
    [
        ok(b"half", length=400),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"not HTTP at all\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    ],
)
def test_a_broken_answer_is_no_file(make_fetcher: Callable[..., Fetcher], server: Server, answer: bytes) -> None:
    server.answers = [answer]

    assert refusal(make_fetcher(), f"http://files.example.org:{server.port}/") == "cannot be reached, or broke off"


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "204 No Content", "206 Partial Content", "304 Same"])
def test_only_a_whole_file_counts(make_fetcher: Callable[..., Fetcher], server: Server, status: str) -> None:
    server.answers = [f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()]

    assert status.split()[0] in refusal(make_fetcher(), f"http://files.example.org:{server.port}/")


def test_what_comes_compressed_is_not_unpacked(make_fetcher: Callable[..., Fetcher], server: Server) -> None:
    server.answers = [ok(b"\x1f\x8b", "Content-Encoding: gzip")]

    assert refusal(make_fetcher(), f"http://files.example.org:{server.port}/") == "sent the file compressed"


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"])
def test_a_server_that_drips_is_left_at_the_deadline(
    make_fetcher: Callable[..., Fetcher], server: Server, first: bytes
) -> None:
    def drip(sock: socket.socket) -> None:
        sock.sendall(first)
        # Nothing more, until the other side leaves.
        sock.recv(1)

    server.answers = [drip]
    with gevent.Timeout(5):
        assert "within 0.3 seconds" in refusal(make_fetcher(deadline_s=0.3), f"http://files.example.org:{server.port}/")


def test_a_name_that_nobody_knows_cannot_be_reached(make_fetcher: Callable[..., Fetcher]) -> None:
    def resolve(_host: str, _port: int) -> list[Address]:
        raise socket.gaierror("unknown")

    fetcher = make_fetcher(("files.example.org",), resolve=resolve)

    assert refusal(fetcher, "https://files.example.org/") == "cannot be reached, or broke off"


def test_a_server_that_speaks_no_tls_is_not_believed(make_fetcher: Callable[..., Fetcher]) -> None:
    plain = StreamServer(("127.0.0.1", 0), lambda sock, _address: sock.sendall(b"HTTP/1.1 200 OK\r\n\r\nnotes"))
    plain.start()
    fetcher = make_fetcher((f"files.example.org:{plain.server_port}",))

    assert refusal(fetcher, f"https://files.example.org:{plain.server_port}/") == "cannot be reached, or broke off"
    plain.stop()
