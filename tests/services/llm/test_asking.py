"""Short questions to the provider: answered whole, in time, or not at all; and its moderation."""

import time
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from services.errors import ModelError, ModelUnreachable
from services.llm.asking import Moderated, moderated
from services.llm.door import Door
from services.llm.messages import Message, Request, Usage
from tests.clocks import LATE_S, PATIENCE_S
from tests.model_server import ModelServer, Script, refused_port

from .conftest import MakeEngine, MakeSettings

REQUEST = Request([Message("user", "Is this fit for a child?")], "never spoken", max_tokens=9)


@pytest.fixture
def door(make_model_settings: MakeSettings) -> Iterator[Door]:
    made = Door(make_model_settings())
    yield made
    made.close()


class Stopped(gevent.GreenletExit):
    """What a run throws at its own greenlet."""


def test_an_answer_comes_whole_with_its_tokens(door: Door, model_server: ModelServer) -> None:
    model_server.play(Script(text="SAFE. It is calm.", frame_bytes=1))

    said = door.say(REQUEST, timeout_s=PATIENCE_S)

    assert (said.text, said.usage, said.is_whole) == ("SAFE. It is calm.", Usage(7, 4), True)
    body = model_server.calls[0].body
    assert body["max_tokens"] == 9
    assert body["messages"] == [{"role": "user", "content": "Is this fit for a child?"}]


def test_an_option_that_the_server_does_not_know_is_left_out(door: Door, model_server: ModelServer) -> None:
    refused = {"error": {"message": "no", "param": "max_tokens", "code": "unsupported_parameter"}}
    model_server.play(Script(status=400, body=refused), Script(text="SAFE"))

    assert door.say(REQUEST, timeout_s=PATIENCE_S).text == "SAFE"
    assert "max_completion_tokens" in model_server.calls[1].body


@pytest.mark.parametrize(
    "script", ["status-500", "status-429", "status-401", "cut-after-2", "malformed-after-1", "content-filter", "empty"]
)
def test_a_failure_is_one_at_once_and_nobody_stands_in(door: Door, model_server: ModelServer, script: str) -> None:
    model_server.play(script, "reply-3")

    if script == "empty":
        assert door.say(REQUEST, timeout_s=PATIENCE_S).text == ""
        return
    with pytest.raises(ModelError):
        door.say(REQUEST, timeout_s=PATIENCE_S)
    assert len(model_server.calls) == 1


@pytest.mark.slow
@pytest.mark.parametrize("script", ["stall-headers", "stall-first", "stall-after-2", "paced-4000-2"])
def test_what_is_not_whole_in_time_is_a_failure(door: Door, model_server: ModelServer, script: str) -> None:
    model_server.play(script)
    began_s = time.monotonic()

    with pytest.raises(ModelError):
        door.say(REQUEST, timeout_s=0.2)

    assert time.monotonic() - began_s < LATE_S
    assert model_server.calls[0].closed.wait(PATIENCE_S), "the provider is told to stop"


@pytest.mark.parametrize("ask", ["say", "moderate"])
def test_whoever_is_stopped_in_a_question_closes_it(door: Door, model_server: ModelServer, ask: str) -> None:
    model_server.play("stall-headers")
    asked: Any = REQUEST if ask == "say" else "A story."
    asking = gevent.spawn(getattr(door, ask), asked, timeout_s=60.0)
    call = model_server.wait_for_call()
    gevent.idle()

    asking.kill(Stopped, timeout=PATIENCE_S)

    assert asking.dead
    assert call.closed.wait(PATIENCE_S)


def test_moderation_says_what_is_flagged_and_why(door: Door, model_server: ModelServer) -> None:
    model_server.play(Script(text="wolf"), Script(text="wolf"))

    flagged = door.moderate("A wolf came.", timeout_s=PATIENCE_S)
    fine = door.moderate("A fox came.", timeout_s=PATIENCE_S)

    assert flagged == Moderated(True, "violence", 0.93)
    assert (fine.flagged, fine.category, fine.score) == (False, "", 0.002)
    assert model_server.calls[0].path.endswith("/moderations")
    assert model_server.calls[0].body == {"input": "A wolf came.", "model": "omni-moderation-latest"}


NO_ANSWERS: list[Any] = [
    b"",
    b"<html>",
    b"null",
    b"[]",
    b'{"results": []}',
    b'{"results": [{}]}',
    b'{"results": [{"flagged": "yes"}]}',
    b'{"results": [{"flagged": true, "category_scores": {"hate": "much"}}]}',
    b'{"results": [{"flagged": true, "categories": 5}]}',
]


def test_an_answer_that_is_none_is_a_failure() -> None:
    for answer in NO_ANSWERS:
        with pytest.raises(ModelUnreachable):
            moderated(answer)


def test_what_is_worse_for_children_is_flagged_by_a_smaller_score() -> None:
    told = b'{"results": [{"flagged": false, "categories": {}, "category_scores": {"sexual": 0.3, "violence": 0.4}}]}'

    assert moderated(told) == Moderated(True, "sexual", 0.4)


def test_a_server_without_moderations_is_a_failure(door: Door, model_server: ModelServer) -> None:
    model_server.play(Script(status=404), Script(status=500))

    for _ in range(2):
        with pytest.raises(ModelUnreachable):
            door.moderate("A story.", timeout_s=PATIENCE_S)


def test_without_a_model_there_is_nobody_to_ask(make_model_settings: MakeSettings) -> None:
    door = Door(make_model_settings(openai_base_url=""))

    assert not door.is_hosted
    with pytest.raises(ModelUnreachable):
        door.say(REQUEST, timeout_s=1.0)
    with pytest.raises(ModelUnreachable):
        door.moderate("A story.", timeout_s=1.0)


def test_only_openais_own_address_is_the_hosted_one(make_engine: MakeEngine) -> None:
    assert not make_engine().is_hosted
    assert make_engine(openai_base_url="", openai_api_key="sk-x").is_hosted
    assert make_engine(openai_base_url="https://api.openai.com/v1/", openai_api_key="sk-x").is_hosted
    assert not make_engine(openai_base_url=f"http://127.0.0.1:{refused_port()}/v1").is_hosted
