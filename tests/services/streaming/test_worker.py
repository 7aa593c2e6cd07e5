"""The gunicorn worker's parts that need no gunicorn; tests/e2e runs it whole."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gevent import socket
from gunicorn import http
from gunicorn.config import Config
from gunicorn.glogging import Logger

from services.streaming.worker import Handover, RillWorker, last_bytes_until_s


class ImpatientWorker(RillWorker):
    """A worker that was neither forked nor started."""

    stalled_s = 0.05

    def __init__(self, wsgi: Callable[..., Any]) -> None:
        self.cfg = Config()
        self.log = Logger(self.cfg)
        self.wsgi, self.alive, self.nr, self.max_requests = wsgi, True, 0, 100

    def serve(self, connection: Any) -> None:
        request = next(http.get_parser(self.cfg, connection, ("127.0.0.1", 1)))
        self.handle_request(("127.0.0.1", 2), request, connection, ("127.0.0.1", 1))


@pytest.fixture
def pair() -> Iterator[tuple[Any, Any]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_client_that_sends_only_a_part_of_its_request_is_left(pair: tuple[Any, Any]) -> None:
    ours, theirs = pair
    theirs.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\na=b")

    with pytest.raises(StopIteration):
        ImpatientWorker(lambda environ, _: [environ["wsgi.input"].read()]).serve(ours)


def test_a_client_that_takes_nothing_of_its_answer_is_left(pair: tuple[Any, Any]) -> None:
    ours, theirs = pair
    theirs.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

    def answer(_environ: Any, start: Any) -> list[bytes]:
        start("200 OK", [("Content-Type", "text/plain")])
        return [b"x" * (1 << 24)]

    with pytest.raises(StopIteration):
        ImpatientWorker(answer).serve(ours)


@pytest.mark.parametrize(("runs_took_s", "until_s"), [(3, 27), (25, 27), (26.5, 28.5), (29, 29.5)])
def test_a_drain_ends_before_the_master_kills_whatever_hangs(runs_took_s: float, until_s: float) -> None:
    assert last_bytes_until_s(25, runs_took_s) == until_s
    assert until_s < 25 + 5, "as gunicorn.conf.py has it"


def test_a_reload_is_pending_until_every_new_worker_serves() -> None:
    handover = Handover()
    handover.begin(2)

    assert handover.is_pending(1, 2)
    assert handover.is_pending(2, 2)
    assert not handover.is_pending(3, 2), "the new ones replace nobody"
    handover.serving(3)
    assert handover.is_pending(1, 2)
    handover.serving(4)
    assert not handover.is_pending(1, 2)


def test_a_second_reload_begins_anew() -> None:
    handover = Handover()
    handover.begin(1)
    handover.serving(2)
    handover.begin(2)

    assert handover.is_pending(2, 1)
    handover.serving(3)
    assert not handover.is_pending(2, 1)


def test_without_a_reload_nothing_is_pending() -> None:
    assert not Handover().is_pending(1, 1)
