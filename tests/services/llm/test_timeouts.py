"""The three timeouts: exact, and independent of each other."""

import socket
from time import monotonic

import pytest

from services.errors import ModelBroken, ModelError, ModelUnreachable
from services.llm.client import OpenAIEngine
from services.llm.messages import Began, Finish, Message, Request
from tests.clocks import LATE_S, PATIENCE_S
from tests.model_server import ModelServer, Script

from .conftest import MakeEngine, until_said

REQUEST = Request([Message("user", "Help!")], "authored")


def failure_of(engine: OpenAIEngine) -> ModelError:
    with pytest.raises(ModelError) as raised:
        list(engine.stream(REQUEST))
    return raised.value


@pytest.mark.slow
def test_a_first_token_that_does_not_come_ends_exactly_at_its_deadline(
    make_engine: MakeEngine, model_server: ModelServer
) -> None:
    for script in ("stall-headers", "stall-first"):
        engine = make_engine(openai_model=script, model_first_token_timeout_s=0.3, model_token_timeout_s=9.0)
        began_s = monotonic()

        failure = failure_of(engine)

        assert 0.3 <= monotonic() - began_s < 0.3 + LATE_S
        assert isinstance(failure, ModelUnreachable)
        assert failure.code == "MODEL_TIMEOUT"
        assert model_server.calls[-1].closed.wait(PATIENCE_S), "the connection was closed"


def test_a_stall_between_tokens_ends_exactly_at_its_deadline(
    make_engine: MakeEngine, model_server: ModelServer
) -> None:
    engine = make_engine(openai_model="stall-after-2", model_first_token_timeout_s=9.0, model_token_timeout_s=0.3)
    reply = engine.stream(REQUEST)
    assert until_said(reply, 2)[0] == Began("stall-after-2")
    began_s = monotonic()

    with pytest.raises(ModelBroken) as raised:
        next(reply)

    assert 0.3 <= monotonic() - began_s < 0.3 + LATE_S
    assert raised.value.code == "MODEL_STALLED"
    assert model_server.calls[-1].closed.wait(PATIENCE_S)


@pytest.mark.parametrize("stall_after", [0, 1])
def test_comments_and_empty_chunks_do_not_move_a_deadline(
    stall_after: int, make_engine: MakeEngine, model_server: ModelServer
) -> None:
    model_server.play(Script(stall_after=stall_after, comment_every_s=0.02))
    engine = make_engine(model_first_token_timeout_s=0.3, model_token_timeout_s=0.3)
    began_s = monotonic()

    assert failure_of(engine).code == ("MODEL_STALLED" if stall_after else "MODEL_TIMEOUT")
    assert 0.3 <= monotonic() - began_s < 0.3 + LATE_S


@pytest.mark.slow
def test_a_slow_reply_is_not_a_stalled_one(make_engine: MakeEngine, model_server: ModelServer) -> None:
    model_server.play(Script(tokens=24, pace_s=0.1))
    engine = make_engine(model_first_token_timeout_s=2.0, model_token_timeout_s=2.0)

    assert list(engine.stream(REQUEST))[-1] == Finish("stop"), "it took longer than either timeout"


def test_a_reader_that_comes_late_does_not_count_as_a_stall(make_engine: MakeEngine, model_server: ModelServer) -> None:
    model_server.play(Script(tokens=10, pace_s=0.05))
    reply = make_engine(model_token_timeout_s=0.2).stream(REQUEST)
    next(reply)
    assert model_server.calls[0].finished.wait(PATIENCE_S), "the whole reply was sent meanwhile"

    assert list(reply)[-1] == Finish("stop")


def test_a_connection_that_is_not_accepted_ends_exactly_at_its_deadline(make_engine: MakeEngine) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.create_connection(("127.0.0.1", port))]  # fills the queue: the next one gets no answer
        engine = make_engine(openai_base_url=f"http://127.0.0.1:{port}/v1", model_connect_timeout_s=0.3)
        began_s = monotonic()

        failure = failure_of(engine)

        assert 0.3 <= monotonic() - began_s < 0.3 + LATE_S
        assert failure.code == "MODEL_TIMEOUT"
        for connection in waiting:
            connection.close()


def test_a_stall_over_tls_ends_exactly_at_its_deadline(make_engine: MakeEngine, tls_server: ModelServer) -> None:
    engine = make_engine(openai_base_url=tls_server.base_url, openai_model="stall-after-1", model_token_timeout_s=0.3)
    began_s = monotonic()

    assert failure_of(engine).code == "MODEL_STALLED"
    assert 0.3 <= monotonic() - began_s < 0.3 + LATE_S


def test_reasoning_moves_the_deadline_and_still_leaves_the_model_replaceable(
    make_engine: MakeEngine, model_server: ModelServer
) -> None:
    model_server.play(Script(reasoning=2, stall_after=0))
    engine = make_engine(model_first_token_timeout_s=0.2, model_token_timeout_s=0.5)
    began_s = monotonic()

    failure = failure_of(engine)

    assert 0.5 <= monotonic() - began_s < 0.5 + LATE_S
    assert isinstance(failure, ModelUnreachable)
