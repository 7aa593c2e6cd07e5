"""Viewers that are left, cut or never written to."""

import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gevent import socket

from services.streaming.viewer import Viewer
from tests.clocks import PATIENCE_S
from tests.services.streaming.nodes import Node, Script, told, until
from tests.services.streaming.responses import Response, Way


def test_a_response_that_was_never_read_is_left(node: Node) -> None:
    run = node.run(Script().say("x"))
    viewer = node.subscribe(run.spec)
    assert isinstance(viewer, Viewer)

    viewer.close()
    viewer.close()

    assert node.hub.viewers == 0


@pytest.mark.parametrize(
    "environ",
    [
        {"SERVER_PROTOCOL": "HTTP/2.0"},
        {"wsgi.url_scheme": "https"},
        {"REQUEST_METHOD": "HEAD"},
        {"gunicorn.socket": None},
    ],
)
def test_a_socket_that_is_not_ours_is_not_written(node: Node, environ: Any) -> None:
    run = node.run(told("x"))
    ours, theirs = socket.socketpair()
    defaults = {
        "gunicorn.socket": ours,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "REQUEST_METHOD": "GET",
    }

    reader = node.watch(run.spec, environ={**defaults, **environ})

    reader.wait_for("close")
    assert reader.text == "x"
    theirs.setblocking(False)
    ours.close()
    assert theirs.recv(100) == b""
    theirs.close()


def test_an_encrypted_socket_is_neither_written_nor_watched(node: Node) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours, theirs = socket.socketpair()
    wrapped = context.wrap_socket(ours, server_side=True, do_handshake_on_connect=False)
    run = node.run(told("x"))

    reader = node.watch(
        run.spec,
        environ={
            "gunicorn.socket": wrapped,
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
            "REQUEST_METHOD": "GET",
        },
    )

    reader.wait_for("close")
    wrapped.close()
    theirs.close()


def test_a_reader_whose_place_is_no_longer_kept_is_cut(node: Node) -> None:
    run = node.run(Script().say("a"))
    viewer = node.subscribe(run.spec)
    assert isinstance(viewer, Viewer)
    frames = iter(viewer)
    next(frames)

    viewer.position -= 1

    with pytest.raises(StopIteration):
        next(frames)
    assert node.hub.viewers == 0


@pytest.fixture
def pushed(make_node: Callable[..., Node]) -> Iterator[tuple[Any, Response]]:
    """A run that goes on, and a response that waits for more of it."""
    way = Way(make_node(push=True), "HTTP/1.1")
    run = way.node.run(Script().say("a"))
    response = way.open(run.spec)
    until(lambda: response.viewer.is_ready)
    yield run, response
    response.close()


def test_a_client_that_leaves_with_unread_frames_is_noticed(pushed: tuple[Any, Response]) -> None:
    _, response = pushed

    response.client.close()

    assert response.ended.wait(PATIENCE_S)


def test_a_client_that_left_a_moment_ago_is_noticed_by_what_is_sent(pushed: tuple[Any, Response]) -> None:
    _, response = pushed
    response.client.close()

    response.viewer.take(b": nobody reads this\n\n")

    assert not response.viewer.is_ready or response.viewer._gone
    assert response.ended.wait(PATIENCE_S)


def test_a_client_of_whom_nothing_came_stays(pushed: tuple[Any, Response]) -> None:
    _, response = pushed

    response.viewer._peek(None)

    assert response.viewer.is_ready
