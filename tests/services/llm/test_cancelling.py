"""Ending a reply while its reader waits: promptly, silently, and without leaking a connection."""

import socket
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.queue import Queue

from services.llm.call import Reply
from services.llm.client import OpenAIEngine
from services.llm.messages import Finish, Message, Request
from tests.clocks import LATE_S, PATIENCE_S
from tests.model_server import ModelServer

from .conftest import MakeEngine, until_said

REQUEST = Request([Message("user", "Help!")], "authored")
ENDED = "ended"


class Stopped(gevent.GreenletExit):
    """What a run throws at its own greenlet."""


class Reader:
    """Reads a reply in a greenlet of its own, as a run does."""

    def __init__(self, engine: OpenAIEngine) -> None:
        self.reply: Reply = engine.stream(REQUEST)
        self.parts: Queue[Any] = Queue()
        self.greenlet = gevent.spawn(self._read)

    def _read(self) -> None:
        for part in self.reply:
            self.parts.put(part)
        self.parts.put(ENDED)

    def wait_for(self, tokens: int) -> None:
        """Return once so many tokens came and the reader waits for more."""
        if tokens:
            until_said(iter(lambda: self.parts.get(timeout=PATIENCE_S), ENDED), tokens)
        gevent.idle()

    def close(self) -> None:
        self.reply.close()

    def kill(self) -> None:
        self.greenlet.kill(Stopped, timeout=PATIENCE_S)


@pytest.mark.parametrize("end", [Reader.close, Reader.kill])
@pytest.mark.parametrize(("script", "tokens"), [("stall-headers", 0), ("stall-first", 0), ("stall-after-3", 3)])
def test_the_upstream_connection_is_closed_within_a_second(
    end: Callable[[Reader], None], script: str, tokens: int, make_engine: MakeEngine, model_server: ModelServer
) -> None:
    engine = make_engine(openai_model=script)
    reader = Reader(engine)
    call = model_server.wait_for_call()
    reader.wait_for(tokens)

    end(reader)

    assert call.closed.wait(1 + LATE_S)
    reader.greenlet.join(timeout=PATIENCE_S)
    assert reader.greenlet.ready()
    assert reader.greenlet.exception is None, "it ended without an error"
    assert len(model_server.calls) == 1, "and nothing was retried"
    assert not engine.transport.pool.connections


@pytest.mark.parametrize("end", [Reader.close, Reader.kill])
@pytest.mark.parametrize(("script", "tokens"), [("stall-headers", 0), ("stall-after-3", 3)])
def test_the_same_holds_under_tls(
    end: Callable[[Reader], None], script: str, tokens: int, make_engine: MakeEngine, tls_server: ModelServer
) -> None:
    engine = make_engine(openai_base_url=tls_server.base_url, openai_model=script)
    reader = Reader(engine)
    call = tls_server.wait_for_call()
    reader.wait_for(tokens)

    end(reader)

    assert call.closed.wait(1 + LATE_S)
    reader.greenlet.join(timeout=PATIENCE_S)
    assert reader.greenlet.ready()
    assert reader.greenlet.exception is None
    assert not engine.transport.pool.connections


@pytest.mark.parametrize("end", [Reader.close, Reader.kill])
def test_a_connection_attempt_and_a_handshake_are_ended_too(
    end: Callable[[Reader], None], make_engine: MakeEngine
) -> None:
    for scheme, backlog in (("http", 0), ("https", 5)):
        with socket.socket() as listener:  # accepts nobody: connections hang, or their handshakes do
            listener.bind(("127.0.0.1", 0))
            listener.listen(backlog)
            address = listener.getsockname()
            filler = socket.create_connection(address)
            engine = make_engine(openai_base_url=f"{scheme}://127.0.0.1:{address[1]}/v1", model_connect_timeout_s=30.0)
            reader = Reader(engine)
            gevent.idle()
            assert not reader.greenlet.ready(), "it waits"

            end(reader)

            reader.greenlet.join(timeout=PATIENCE_S)
            assert reader.greenlet.ready()
            assert reader.greenlet.exception is None
            assert not engine.transport.pool.connections
            filler.close()


def test_a_reply_closed_by_another_greenlet_just_ends(make_engine: MakeEngine, model_server: ModelServer) -> None:
    reader = Reader(make_engine(openai_model="stall-after-1"))
    reader.wait_for(1)

    reader.close()

    assert reader.parts.get(timeout=PATIENCE_S) == ENDED


@pytest.mark.parametrize("end", [Reader.close, Reader.kill])
def test_a_pause_before_a_retry_is_ended_too(
    end: Callable[[Reader], None], make_engine: MakeEngine, model_server: ModelServer
) -> None:
    reader = Reader(make_engine(openai_model="status-429-30"))
    assert model_server.wait_for_call().finished.wait(PATIENCE_S)
    gevent.idle()

    end(reader)

    reader.greenlet.join(timeout=PATIENCE_S)
    assert reader.greenlet.ready()
    assert reader.greenlet.exception is None
    assert len(model_server.calls) == 1


def test_a_closed_generator_around_a_reply_closes_the_connection(
    make_engine: MakeEngine, model_server: ModelServer
) -> None:
    engine = make_engine(openai_model="stall-after-2")
    wrapped = (part for part in engine.stream(REQUEST))
    next(wrapped)

    wrapped.close()
    del wrapped

    assert model_server.calls[0].closed.wait(PATIENCE_S)
    assert not engine.transport.pool.connections


@pytest.mark.slow
@pytest.mark.parametrize("end", [Reader.close, Reader.kill])
def test_a_hundred_ended_replies_leave_the_pool_as_it_was(
    end: Callable[[Reader], None], make_engine: MakeEngine, model_server: ModelServer
) -> None:
    engine = make_engine(max_streaming_connections=4)  # 20 connections in all
    cases = [("stall-headers", 0), ("stall-first", 0), ("stall-after-1", 1), ("stall-after-7", 7)]

    for number in range(1, 101, 10):
        model_server.play(*[cases[(number + offset) % len(cases)][0] for offset in range(10)])
        readers = [Reader(engine) for _ in range(10)]
        calls = [model_server.wait_for_call(number + offset) for offset in range(10)]
        gevent.idle()
        for reader in readers:
            end(reader)
        for call in calls:
            assert call.closed.wait(PATIENCE_S)

    assert not engine.transport.pool.connections
    assert "Requests: 0 active, 0 queued" in repr(engine.transport.pool)
    assert list(engine.stream(REQUEST))[-1] == Finish("stop")


def test_ending_one_reply_does_not_touch_the_next_on_the_same_connection(
    make_engine: MakeEngine, model_server: ModelServer
) -> None:
    engine = make_engine()
    first = engine.stream(REQUEST)
    list(first)
    second = engine.stream(REQUEST)
    next(second)

    first.close()

    assert list(second)[-1] == Finish("stop")
    assert [call.connection for call in model_server.calls] == [1, 1]
