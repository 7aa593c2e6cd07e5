"""Connections to the model: shared, found dead in time, refused, proxied, encrypted."""

from time import monotonic
from typing import Any

import pytest

from services.errors import ModelError
from services.llm.client import OpenAIEngine
from services.llm.messages import Finish, Message, Request
from tests.clocks import LATE_S
from tests.model_server import ModelServer, Script, refused_port

from .conftest import MakeEngine

REQUEST = Request([Message("user", "Help!")], "authored")


def failure_of(engine: OpenAIEngine) -> ModelError:
    with pytest.raises(ModelError) as raised:
        list(engine.stream(REQUEST))
    return raised.value


def test_a_refused_port_is_told_soon(make_engine: MakeEngine) -> None:
    engine = make_engine(openai_base_url=f"http://127.0.0.1:{refused_port()}/v1")
    began_s = monotonic()

    assert failure_of(engine).code == "MODEL_UNREACHABLE"
    assert monotonic() - began_s < LATE_S


def test_a_name_that_does_not_resolve_is_unreachable(make_engine: MakeEngine) -> None:
    engine = make_engine(openai_base_url="http://model.invalid/v1", model_first_token_timeout_s=0.2)

    assert failure_of(engine).code == "MODEL_UNREACHABLE"


def test_replies_after_another_share_one_connection(make_engine: MakeEngine, model_server: ModelServer) -> None:
    engine = make_engine()

    for _ in range(3):
        list(engine.stream(REQUEST))

    assert [call.connection for call in model_server.calls] == [1, 1, 1]


def test_replies_over_tls_share_one_connection_too(make_engine: MakeEngine, tls_server: ModelServer) -> None:
    engine = make_engine(openai_base_url=tls_server.base_url)

    for _ in range(3):
        assert list(engine.stream(REQUEST))[-1] == Finish("stop")

    assert [call.connection for call in tls_server.calls] == [1, 1, 1]


def test_a_certificate_that_is_not_trusted_is_refused(
    make_engine: MakeEngine, tls_server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    engine = make_engine(openai_base_url=tls_server.base_url, model_first_token_timeout_s=0.3)

    assert failure_of(engine).code == "MODEL_UNREACHABLE"
    assert tls_server.calls == []


def test_a_server_that_holds_the_connection_after_its_reply_costs_no_time(
    make_engine: MakeEngine, model_server: ModelServer
) -> None:
    model_server.play(Script(hold_open_s=5.0))
    engine = make_engine()
    began_s = monotonic()

    assert list(engine.stream(REQUEST))[-1] == Finish("stop")
    assert monotonic() - began_s < LATE_S
    assert not engine.transport.pool.connections


def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again(make_engine: MakeEngine) -> None:
    with ModelServer() as first:
        engine = make_engine(openai_base_url=first.base_url)
        list(engine.stream(REQUEST))
        port = first.port
    with ModelServer(port=port) as second:
        assert list(engine.stream(REQUEST))[-1] == Finish("stop")
        assert len(second.calls) == 1


def test_the_environments_proxy_carries_requests_to_other_hosts(
    make_engine: MakeEngine, model_server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://user:p%40ss@127.0.0.1:{model_server.port}")
    monkeypatch.setenv("no_proxy", "spared.invalid")
    values: dict[str, Any] = {"model_first_token_timeout_s": 0.2}

    list(make_engine(openai_base_url="http://model.invalid/v1", **values).stream(REQUEST))

    assert model_server.calls[0].path == "http://model.invalid/v1/chat/completions"
    assert model_server.calls[0].headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"
    assert failure_of(make_engine(openai_base_url="http://spared.invalid/v1", **values))
