"""Who answers, and what is said when the model cannot (API.md, "Engine" and "End of an answer")."""

from collections.abc import Callable
from hashlib import sha256
from math import ceil
from typing import Any

import pytest
from flask import Flask

from tests.blueprints.people import Person, names, text_of
from tests.clocks import PATIENCE_S
from tests.model_server import ModelServer, Script, refused_port
from tests.sse import Frame

# The model is asked up to three times before its first token.
TIMES = 3
EARLY = {
    "bad key": (Script(status=401), "MODEL_AUTH"),
    "busy": (Script(status=429, retry_after="0"), "MODEL_BUSY"),
    "server error": (Script(status=500, retry_after="0"), "MODEL_UNREACHABLE"),
    "no first token": (Script(stall_after=0), "MODEL_TIMEOUT"),
    "no headers": (Script(stall_after=-1), "MODEL_TIMEOUT"),
}
LATE = {
    "cut": (Script(cut_after=12), "MODEL_BROKEN"),
    "reset": (Script(cut_after=12, ending="reset"), "MODEL_BROKEN"),
    "done without a reason": (Script(cut_after=12, ending="done"), "MODEL_BROKEN"),
    "whole without a reason": (Script(tokens=12, finish=None), "MODEL_BROKEN"),
    "malformed": (Script(malformed_after=12), "MODEL_BROKEN"),
    "error": (Script(error_after=12), "MODEL_BROKEN"),
    "silent": (Script(stall_after=12), "MODEL_STALLED"),
    "withheld": (Script(tokens=12, finish="content_filter"), "CONTENT_FILTER"),
}
TIMEOUTS = {"MODEL_FIRST_TOKEN_TIMEOUT": "0.3", "MODEL_TOKEN_TIMEOUT": "0.3", "MODEL_CONNECT_TIMEOUT": "0.3"}


@pytest.fixture(scope="module", params=["on", "off"], ids=["fallback", "no fallback"])
def site(request: pytest.FixtureRequest, make_shared: Callable[..., Flask], _model: ModelServer) -> Flask:
    """A site that soon loses patience with its model."""
    model = {"OPENAI_BASE_URL": _model.base_url, "OPENAI_MODEL": "scripted"}
    return make_shared(MODEL_FALLBACK=request.param, **model, **TIMEOUTS)


@pytest.fixture
def person(site: Flask, make_person: Callable[[Flask], Person]) -> Person:
    return make_person(site)


def only(frames: list[Frame], name: str) -> Any:
    """The payload of the one frame of this name."""
    (frame,) = (frame for frame in frames if frame.name == name)
    return frame.json


def check_spoken_for(frames: list[Frame], engine: str) -> None:
    """A complete answer of the built-in engine in the model's place."""
    assert frames[0].json["engine"] in ("scripted", engine), "who is asked, or who answers"
    assert only(frames, "message.start")["metadata"] == {"engine": "built-in", "fallback": True}
    assert only(frames, "message.end")["finish_reason"] == "stop"
    assert not [frame for frame in frames if frame.name == "error"]
    assert text_of(frames)


def check_failed(frames: list[Frame], code: str) -> None:
    """Exactly one error, in words of ours, and the end after it."""
    error, end = frames[-2:]
    assert (error.name, end.name) == ("error", "message.end")
    assert only(frames, "error") == error.json
    assert set(error.json) == {"code", "message", "retryable", "request_id"}
    assert error.json["code"] == code
    assert "sk-secret" not in error.data
    text = text_of(frames)
    assert end.json["finish_reason"] == "error"
    assert end.json["content_length"] == len(text)
    assert end.json["content_sha256"] == sha256(text.encode()).hexdigest()


@pytest.mark.req("T17", "T41", "R14", "A6-7")
@pytest.mark.parametrize("fault", EARLY)
def test_a_model_out_of_reach_is_replaced_and_labelled_or_an_error(
    person: Person, model: ModelServer, fault: str
) -> None:
    script, code = EARLY[fault]
    model.play(*[script] * TIMES)
    asked = person.ask()

    with person.follow(asked.json["stream_id"]) as stream:
        frames = stream.until("message.end")

    assert model.calls, "needs a model that was asked"
    if person.services.settings.model_fallback:
        check_spoken_for(frames, "built-in")
    else:
        check_failed(frames, code)
        assert only(frames, "error")["request_id"] == asked.headers["X-Request-Id"]
        assert text_of(frames) == ""


@pytest.mark.slow
@pytest.mark.req("T41", "R14")
@pytest.mark.parametrize("fallback", ["on", "off"])
def test_a_port_that_nobody_listens_on_is_a_model_out_of_reach(
    make_shared: Callable[..., Flask], make_person: Callable[[Flask], Person], fallback: str
) -> None:
    url = f"http://127.0.0.1:{refused_port()}/v1"
    site = make_shared(OPENAI_BASE_URL=url, OPENAI_MODEL="scripted", MODEL_FALLBACK=fallback, **TIMEOUTS)

    _, frames = make_person(site).answered()

    if fallback == "on":
        check_spoken_for(frames, "built-in")
    else:
        check_failed(frames, "MODEL_UNREACHABLE")


@pytest.mark.req("T17", "R14", "A6-6", "A6-7")
@pytest.mark.parametrize("fault", LATE)
def test_after_the_first_token_every_fault_is_an_error_and_what_came_is_kept(
    person: Person, model: ModelServer, fault: str
) -> None:
    script, code = LATE[fault]
    model.play(script)

    _, frames = person.answered()
    conversation_id = person.client.get("/api/conversations").json["conversations"][0]["id"]
    stored = person.client.get(f"/api/conversations/{conversation_id}").json["messages"][-1]

    check_failed(frames, code)
    assert text_of(frames).startswith("word0 ")
    assert only(frames, "message.start")["metadata"] == {"engine": "scripted", "fallback": False}
    assert (stored["content"], stored["outcome"], stored["error_code"]) == (text_of(frames), "failed", code)
    assert len(model.calls) == 1, "no second generation"
    assert person.client.get("/api/streams").json == {"streams": []}


@pytest.mark.slow
@pytest.mark.req("R8", "R14")
@pytest.mark.parametrize("words", [0, 12])
def test_a_deadline_is_an_error_and_what_came_is_kept(
    make_shared: Callable[..., Flask], make_person: Callable[[Flask], Person], model: ModelServer, words: int
) -> None:
    site = make_shared(OPENAI_BASE_URL=model.base_url, OPENAI_MODEL="scripted", STREAMING_TIMEOUT="1")
    person = make_person(site)
    model.play(Script(stall_after=words))

    stream_id, frames = person.answered()

    check_failed(frames, "DEADLINE")
    assert only(frames, "error")["retryable"] is True
    assert bool(text_of(frames)) is bool(words)
    assert model.calls[0].closed.wait(PATIENCE_S)
    assert person.client.post(f"/api/streams/{stream_id}/continue").status_code == 201


@pytest.mark.slow
@pytest.mark.req("R14", "A6-6")
def test_an_empty_answer_is_an_error_that_may_be_tried_again(person: Person, model: ModelServer) -> None:
    model.play("empty")

    stream_id, frames = person.answered()

    check_failed(frames, "EMPTY_ANSWER")
    assert only(frames, "error")["retryable"] is True
    assert person.client.post(f"/api/streams/{stream_id}/retry").status_code == 201


@pytest.mark.req("T14", "T29")
def test_an_answer_cut_at_the_models_limit_is_complete_but_says_so(person: Person, model: ModelServer) -> None:
    model.play(Script(tokens=12, finish="length"))

    stream_id, frames = person.answered()

    assert only(frames, "message.end")["finish_reason"] == "length"
    assert person.standing(stream_id)["outcome"] == "completed"


@pytest.mark.slow
@pytest.mark.req("T14", "T29", "A6-6")
def test_tokens_are_the_providers_or_marked_as_an_estimate(person: Person, model: ModelServer) -> None:
    _, counted = person.answered()
    model.play("no-usage")
    _, estimated = person.answered(session_id="s2")

    assert only(counted, "message.end")["total_tokens"] == 27
    assert "estimated" not in only(counted, "message.end")
    assert only(estimated, "message.end")["estimated"] is True
    assert only(estimated, "message.end")["total_tokens"] >= ceil(len(text_of(estimated)) / 4)


@pytest.mark.req("T29", "A6-6")
def test_the_model_is_asked_to_stream_and_to_count(person: Person, model: ModelServer) -> None:
    person.answered()

    body = model.calls[0].body
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert body["model"] == "scripted"


@pytest.mark.slow
def test_without_a_model_the_built_in_engine_says_its_name_everywhere(
    make_shared: Callable[..., Flask], make_person: Callable[[Flask], Person]
) -> None:
    person = make_person(make_shared())

    stream_id, frames = person.answered()

    assert frames[0].json["engine"] == "built-in"
    assert only(frames, "message.start")["metadata"] == {"engine": "built-in", "fallback": False}
    assert only(frames, "message.end")["estimated"] is True
    with person.follow(stream_id, query="?view=html") as stream:
        shown = "".join(frame.data for frame in stream.rest())
    assert "Built-in engine" in shown
    conversation_id = person.client.get("/api/conversations").json["conversations"][0]["id"]
    assert person.client.get(f"/api/conversations/{conversation_id}").json["messages"][-1]["engine"] == "built-in"


@pytest.mark.slow
def test_a_fallback_is_labelled_on_the_page(
    modelled: Flask, make_person: Callable[[Flask], Person], model: ModelServer
) -> None:
    person = make_person(modelled)
    model.play(Script(status=401))
    stream_id, frames = person.answered()

    with person.follow(stream_id, query="?view=html") as stream:
        shown = "".join(frame.data for frame in stream.rest())

    assert names(frames)[0] == "stream.start"
    assert "The model could not be reached" in shown
    assert "Built-in engine" in shown
