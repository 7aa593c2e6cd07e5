"""One contract for everything that answers: services/assistants/base.py, `Engine`."""

from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event

from services.llm.builtin import BuiltinEngine
from services.llm.door import Door
from services.llm.messages import Began, Delta, Finish, Message, Request, Usage
from tests.clocks import PATIENCE_S
from tests.model_server import ModelServer, Script, refused_port

from .conftest import MakeEngine, MakeSettings

ANSWER = "Look at the pairs: «é» 🙂\n\n1. count them\n2. compare\n"
REQUEST = Request([Message("system", "You tutor."), Message("user", "Help!")], ANSWER)


@pytest.fixture(params=["model", "built-in", "door to a model", "door without a model", "door past a dead model"])
def engine(
    request: pytest.FixtureRequest,
    model_server: ModelServer,
    make_engine: MakeEngine,
    make_model_settings: MakeSettings,
) -> Iterator[Any]:
    model_server.script = Script(text=ANSWER)
    doors = {
        "door to a model": {},
        "door without a model": {"openai_base_url": ""},
        "door past a dead model": {"openai_base_url": f"http://127.0.0.1:{refused_port()}/v1"},
    }
    if request.param == "model":
        yield make_engine()
    elif request.param == "built-in":
        yield BuiltinEngine(0)
    else:
        door = Door(make_model_settings(**doors[request.param], model_first_token_timeout_s=0.2), pace_s=0)
        yield door
        door.close()


@pytest.mark.req("T10", "R20")
class TestEngine:
    def test_a_reply_is_began_deltas_usage_and_finish(self, engine: Any) -> None:
        parts = list(engine.stream(REQUEST))

        assert isinstance(parts[0], Began)
        assert all(isinstance(part, Delta) for part in parts[1:-2])
        assert isinstance(parts[-2], Usage)
        assert parts[-1] == Finish("stop")
        assert "".join(part.text for part in parts[1:-2]) == ANSWER

    def test_the_text_comes_as_it_is_said(self, engine: Any, model_server: ModelServer) -> None:
        model_server.script = Script(text=ANSWER, pace_s=0.02)

        assert sum(isinstance(part, Delta) for part in engine.stream(REQUEST)) > 5

    def test_a_reply_that_ended_stays_ended(self, engine: Any) -> None:
        reply = engine.stream(REQUEST)
        list(reply)

        assert list(reply) == []
        reply.close()
        reply.close()

    def test_a_reply_closed_between_two_parts_has_ended(self, engine: Any) -> None:
        reply = engine.stream(REQUEST)
        assert isinstance(next(reply), Began)
        assert isinstance(next(reply), Delta)

        reply.close()

        assert list(reply) == []

    def test_a_reply_closed_before_its_first_part_asks_nobody(self, engine: Any, model_server: ModelServer) -> None:
        reply = engine.stream(REQUEST)

        reply.close()

        assert list(reply) == []
        assert model_server.calls == []

    def test_replies_at_the_same_time_do_not_mix(self, engine: Any) -> None:
        readers = [gevent.spawn(lambda: list(engine.stream(REQUEST))) for _ in range(20)]

        for reader in readers:
            assert "".join(part.text for part in reader.get(timeout=PATIENCE_S) if isinstance(part, Delta)) == ANSWER

    def test_a_reader_that_is_killed_unwinds(self, engine: Any) -> None:
        has_begun, unwound = Event(), Event()

        def read() -> None:
            try:
                for _ in engine.stream(REQUEST):
                    has_begun.set()
                    gevent.idle()
            finally:
                unwound.set()

        reader = gevent.spawn(read)
        assert has_begun.wait(PATIENCE_S)
        reader.kill(timeout=PATIENCE_S)

        assert unwound.is_set()
        assert list(engine.stream(REQUEST))[-1] == Finish("stop"), "the engine still works"
