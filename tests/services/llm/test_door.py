import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gevent
import pytest

from services.errors import ModelBroken, ModelUnreachable
from services.llm.door import Door
from services.llm.messages import Began, Delta, Finish, Message, Request
from tests.clocks import PATIENCE_S
from tests.model_server import ModelServer, refused_port

from .conftest import MakeSettings, until_said

REQUEST = Request([Message("user", "My name is Ada.")], "The authored answer.")
FAULTS = {
    "a refused port": ("reply-5", "MODEL_UNREACHABLE"),
    "a bad key": ("status-401", "MODEL_AUTH"),
    "a forbidden model": ("status-403", "MODEL_AUTH"),
    "an unknown model": ("status-404", "MODEL_NOT_FOUND"),
    "a refused question": ("status-400", "MODEL_REJECTED"),
    "a stall": ("stall-first", "MODEL_TIMEOUT"),
    "a stall before the headers": ("stall-headers", "MODEL_TIMEOUT"),
    "too many requests": ("status-429-0.01", "MODEL_BUSY"),
    "a failing server": ("status-503", "MODEL_UNREACHABLE"),
    "nonsense": ("malformed-after-0", "MODEL_UNREACHABLE"),
    "an error in the reply": ("error-after-0", "MODEL_UNREACHABLE"),
    "a reply cut before its first token": ("cut-after-0", "MODEL_UNREACHABLE"),
}


@pytest.fixture(params=FAULTS)
def fault(request: pytest.FixtureRequest) -> dict[str, Any]:
    script, code = FAULTS[request.param]
    changes: dict[str, Any] = {"openai_model": script, "model_first_token_timeout_s": 0.4}
    if "stall" in script:
        changes["model_first_token_timeout_s"] = 0.1
    if request.param == "a refused port":
        changes["openai_base_url"] = f"http://127.0.0.1:{refused_port()}/v1"
    return {"changes": changes, "code": code}


@pytest.fixture
def doors() -> Iterator[list[Door]]:
    made: list[Door] = []
    yield made
    for door in made:
        door.close()


def test_a_model_that_fails_before_its_first_token_is_replaced_and_labelled(
    fault: dict[str, Any], make_model_settings: MakeSettings, doors: list[Door], caplog: pytest.LogCaptureFixture
) -> None:
    doors.append(Door(make_model_settings(**fault["changes"]), pace_s=0))

    with caplog.at_level(logging.WARNING):
        parts = list(doors[0].stream(REQUEST))

    assert parts[0] == Began("built-in", fallback=True, facts={"fallback_code": fault["code"]})
    assert "".join(part.text for part in parts if isinstance(part, Delta)) == REQUEST.authored
    assert parts[-1] == Finish("stop")
    assert [record.message for record in caplog.records] == ["model unreachable"]
    assert "Ada" not in str(caplog.records[0].__dict__)
    assert "sk-secret" not in str(caplog.records[0].__dict__)


@pytest.mark.req("A6-7")
def test_without_fallback_the_failure_is_raised_in_the_sites_own_words(
    fault: dict[str, Any], make_model_settings: MakeSettings, doors: list[Door]
) -> None:
    doors.append(Door(make_model_settings(**fault["changes"], model_fallback=False), pace_s=0))

    with pytest.raises(ModelUnreachable) as raised:
        list(doors[0].stream(REQUEST))

    assert raised.value.code == fault["code"]
    assert "sk-secret" not in raised.value.message
    assert raised.value.message.endswith(".")


@pytest.mark.parametrize(
    "script", ["cut-after-3", "reset-after-3", "done-after-3", "malformed-after-3", "error-after-3"]
)
def test_after_the_first_token_nothing_is_replaced(
    script: str, make_model_settings: MakeSettings, doors: list[Door]
) -> None:
    doors.append(Door(make_model_settings(openai_model=script), pace_s=0))
    reply = doors[0].stream(REQUEST)
    began, *words = until_said(reply, 3)

    with pytest.raises(ModelBroken) as raised:
        next(reply)

    assert began == Began(script)
    assert "".join(part.text for part in words if isinstance(part, Delta)) == "word0 word1 word2 "
    assert raised.value.code == "MODEL_BROKEN"
    assert raised.value.retryable
    assert "sk-secret" not in raised.value.message


def test_a_withheld_answer_is_neither_replaced_nor_complete(
    make_model_settings: MakeSettings, doors: list[Door]
) -> None:
    doors.append(Door(make_model_settings(openai_model="content-filter"), pace_s=0))

    with pytest.raises(ModelBroken) as raised:
        list(doors[0].stream(REQUEST))

    assert raised.value.code == "CONTENT_FILTER"
    assert not raised.value.retryable


def test_the_door_is_named_after_who_answers(make_model_settings: MakeSettings, doors: list[Door]) -> None:
    doors += [Door(make_model_settings()), Door(make_model_settings(openai_base_url=""))]

    assert [door.name for door in doors] == ["scripted", "built-in"]


def test_closing_while_the_model_is_awaited_does_not_fall_back(
    make_model_settings: MakeSettings, doors: list[Door], model_server: ModelServer
) -> None:
    doors.append(Door(make_model_settings(openai_model="stall-first"), pace_s=0))
    reply = doors[0].stream(REQUEST)
    reader = gevent.spawn(list, reply)
    call = model_server.wait_for_call()

    reply.close()

    assert reader.get(timeout=PATIENCE_S) == []
    assert call.closed.wait(PATIENCE_S)


def test_closing_the_fallback_ends_it(make_model_settings: MakeSettings, doors: list[Door]) -> None:
    doors.append(Door(make_model_settings(openai_model="status-401"), pace_s=30))
    reply = doors[0].stream(REQUEST)
    assert next(reply) == Began("built-in", fallback=True, facts={"fallback_code": "MODEL_AUTH"})
    reader = gevent.spawn(list, reply)
    gevent.idle()

    reply.close()

    assert reader.get(timeout=PATIENCE_S) == [Delta("The")]


def test_what_was_written_for_it_is_spoken_by_the_built_in_engine_and_no_model_is_asked(
    model_server: ModelServer, make_model_settings: MakeSettings, doors: list[Door]
) -> None:
    doors.append(Door(make_model_settings(), pace_s=0))

    parts = list(doors[0].stream(replace(REQUEST, authored_only=True)))

    assert parts[0] == Began("built-in", fallback=True)
    assert "".join(part.text for part in parts if isinstance(part, Delta)) == REQUEST.authored
    assert model_server.calls == []
