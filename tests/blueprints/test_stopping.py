"""Stopping, going on and trying again (API.md, "Stop", "Continue" and "Grace")."""

import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import gevent
import pytest
from flask import Flask

from tests.blueprints.people import Person, text_of
from tests.clocks import PATIENCE_S
from tests.conftest import sign_up
from tests.factories import make_answer
from tests.model_server import Call, ModelServer, Script

# What is fenced off in a prompt has marks of its own in each.
MARK = re.compile(r"DATA [0-9a-f]{16}")
VERBS = [("DELETE", "/api/streams/{}"), ("POST", "/api/streams/{}/stop"), ("DELETE", "/v1/tutor/stream/{}")]


def prompt(call: Call) -> str:
    """All that the model was told, without marks that differ from call to call."""
    return MARK.sub("", "\n".join(message["content"] for message in call.body["messages"]))


@pytest.mark.req("T9", "R4", "R22", "A6-2")
@pytest.mark.parametrize(("method", "url"), VERBS)
def test_a_stop_is_confirmed_tells_every_reader_and_may_be_repeated(
    person: Person, model: ModelServer, method: str, url: str
) -> None:
    model.play("stall-after-6")
    stream_id = person.asked()["stream_id"]

    with person.follow(stream_id) as stream:
        person.read_words(stream, 3)
        first, again = (person.client.open(url.format(stream_id), method=method) for _ in range(2))
        stream.rest()

    assert first.status_code == again.status_code == 200
    assert first.json == again.json == {"message": "Stream closed", "outcome": "stopped", "confirmed": True}
    end, close = stream.frames[-2:]
    assert (end.name, end.json["finish_reason"]) == ("message.end", "cancelled")
    assert (close.name, close.json) == ("stream.close", {"reason": "stopped"})
    text = text_of(stream.frames)
    assert end.json["content_length"] == len(text) > 0
    assert end.json["content_sha256"] == sha256(text.encode()).hexdigest()
    assert end.json["total_tokens"] > 0
    assert end.json["estimated"] is True
    assert not [frame for frame in stream.frames if frame.name == "error"]


@pytest.mark.req("T9", "T42")
def test_a_confirmed_stop_has_closed_the_call_to_the_model(person: Person, model: ModelServer) -> None:
    model.play("stall-after-6")
    stream_id = person.asked()["stream_id"]
    call = model.wait_for_call()

    assert person.client.delete(f"/api/streams/{stream_id}").json["confirmed"] is True

    assert call.closed.wait(PATIENCE_S)
    assert call.outcome == "closed by client"
    assert person.client.get("/api/streams").json == {"streams": []}


@pytest.mark.slow
@pytest.mark.req("T9")
def test_the_places_that_a_start_names_take_both_verbs(person: Person, model: ModelServer) -> None:
    for method in ("DELETE", "POST"):
        model.play("stall-after-6")
        asked = person.asked()
        with person.follow(asked["stream_id"]) as stream:
            urls = [asked["stop_url"], stream.until("stream.start")[0].json["stop_url"]]

        for url in urls:
            assert person.client.open(url, method=method).json["outcome"] == "stopped"


@pytest.mark.req("R16")
def test_a_stop_of_an_answer_that_is_complete_closes_its_stream(person: Person) -> None:
    stream_id, frames = person.answered()

    with person.follow(stream_id, cursor=frames[-1].id) as stream:
        stopped = person.client.delete(f"/api/streams/{stream_id}")
        closing = stream.rest()

    assert stopped.json == {"message": "Stream closed", "outcome": "completed", "confirmed": True}
    assert [frame.json for frame in closing[1:]] == [{"reason": "stopped"}]


@pytest.mark.slow
def test_a_stop_of_an_expired_stream_tells_how_it_ended(person: Person) -> None:
    stream_id, _ = person.answered()
    person.forget(stream_id)
    person.services.database.run(make_answer, person.user.id, stream_id="0ff")

    assert person.client.delete(f"/api/streams/{stream_id}").json["outcome"] == "completed"
    assert person.client.delete("/api/streams/0ff").json["outcome"] == "interrupted"


@pytest.mark.req("R5")
def test_a_ticket_stops_nothing(person: Person, model: ModelServer) -> None:
    model.play("stall-after-6")
    asked = person.asked()
    nobody, ticket = person.site.test_client(), asked["stream_url"].partition("?")[2]

    for method, url in VERBS:
        assert nobody.open(f"{url.format(asked['stream_id'])}?{ticket}", method=method).status_code == 401
    assert person.standing(asked["stream_id"])["state"] == "running"


@pytest.mark.req("T43")
def test_a_cookie_needs_a_csrf_token_to_stop_or_go_on(modelled: Flask, model: ModelServer) -> None:
    browser = sign_up(modelled.test_client(), "stopping@example.org")
    assert browser.get("/api/streams").json == {"streams": []}, "needs a browser that is signed in"
    del browser.environ_base["HTTP_X_CSRF_TOKEN"]

    for method, url in [*VERBS, ("POST", "/api/streams/{}/continue"), ("POST", "/api/streams/{}/retry")]:
        refused = browser.open(url.format("0" * 24), method=method)
        assert (refused.status_code, refused.json["code"]) == (403, "CSRF")
    refused = browser.post("/v1/tutor/messages", json={})
    assert (refused.status_code, refused.json["code"]) == (403, "CSRF")
    assert model.calls == []


@pytest.mark.slow
@pytest.mark.req("T32", "R21", "R24")
@pytest.mark.parametrize("grace", ["0", "300"])
def test_a_run_that_its_last_viewer_left_is_stopped_after_the_grace(
    make_shared: Callable[..., Flask], make_person: Callable[[Flask], Person], model: ModelServer, grace: str
) -> None:
    site = make_shared(OPENAI_BASE_URL=model.base_url, OPENAI_MODEL="scripted", STREAM_DISCONNECT_GRACE=grace)
    person = make_person(site)
    model.play("stall-after-6")
    stream_id = person.asked()["stream_id"]

    with person.follow(stream_id) as stream, person.follow(stream_id) as other:
        person.read_words(stream, 3)
        person.read_words(other, 3)
    closed = model.calls[0].closed.wait(1 if grace == "0" else 0.2)

    assert closed is (grace == "0")
    if closed:
        with person.follow(stream_id, cursor=stream.frames[-1].id) as late:
            assert late.until("message.end")[-1].json["finish_reason"] == "cancelled"


# -- going on


@pytest.mark.req("R4")
def test_an_answer_goes_on_from_its_partial_on_a_new_stream(person: Person, model: ModelServer) -> None:
    stream_id, frames = person.stopped()
    partial = text_of(frames)
    model.play(Script(text="and goes on from there."))

    again = person.client.post(f"/api/streams/{stream_id}/continue")

    assert again.status_code == 201, again.text
    assert set(again.json) == {"stream_id", "stream_url", "stop_url"}
    assert again.json["stream_id"] != stream_id
    assert again.headers["X-Stream-Id"] == again.json["stream_id"]
    with person.streams.open(again.json["stream_url"], client=person.site.test_client()) as stream:
        stream.until("message.end")
    assert text_of(stream.frames) == "and goes on from there."
    assert partial.strip() in prompt(model.calls[-1])
    assert prompt(model.calls[-1]).startswith(prompt(model.calls[0])), "the question stays the same"


@pytest.mark.slow
def test_a_continued_answer_can_be_continued(person: Person, model: ModelServer) -> None:
    stream_id, frames = person.stopped()
    model.play("stall-after-7")
    second = person.client.post(f"/api/streams/{stream_id}/continue").json["stream_id"]
    with person.follow(second) as stream:
        person.read_words(stream, 3)
        person.client.delete(f"/api/streams/{second}")
        stream.rest()

    third = person.client.post(f"/api/streams/{second}/continue")

    assert third.status_code == 201
    model.wait_for_call(3)
    assert (text_of(frames) + text_of(stream.frames)).strip() in prompt(model.calls[-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    "script",
    ["cut-after-8", "error-after-8", Script(tokens=8, finish="length")],
    ids=["failed", "error", "length"],
)
def test_an_answer_that_was_cut_off_can_go_on(person: Person, model: ModelServer, script: Any) -> None:
    model.play(script)
    stream_id, _ = person.answered()

    again = person.client.post(f"/api/streams/{stream_id}/continue")

    assert again.status_code == 201, again.text


def test_an_interrupted_answer_can_go_on_long_after(person: Person, model: ModelServer) -> None:
    turn = {"question": "How?", "facts": {"hint_level": 1, "problem": {"id": "p", "title": "T", "statement": "S"}}}
    person.services.database.run(make_answer, person.user.id, stream_id="dead", turn=turn)

    again = person.client.post("/api/streams/dead/continue")

    assert again.status_code == 201, again.text
    with person.follow(again.json["stream_id"]) as stream:
        assert stream.until("message.end")[-1].json["finish_reason"] == "stop"


@pytest.mark.slow
def test_a_complete_answer_cannot_go_on_but_be_tried_again(person: Person, model: ModelServer) -> None:
    stream_id, frames = person.answered()

    refused = person.client.post(f"/api/streams/{stream_id}/continue")
    again = person.client.post(f"/api/streams/{stream_id}/retry")

    assert (refused.status_code, refused.json["code"]) == (409, "COMPLETE")
    assert again.status_code == 201
    with person.follow(again.json["stream_id"]) as stream:
        stream.until("message.end")
    assert text_of(stream.frames) == text_of(frames)
    assert prompt(model.calls[1]) == prompt(model.calls[0])


def test_an_answer_that_runs_can_neither_go_on_nor_be_tried_again(person: Person, model: ModelServer) -> None:
    model.play("stall-after-6")
    stream_id = person.asked()["stream_id"]

    for verb in ("continue", "retry"):
        refused = person.client.post(f"/api/streams/{stream_id}/{verb}")
        assert (refused.status_code, refused.json["code"]) == (409, "STREAM_BUSY")
    assert len(model.calls) <= 1


@pytest.mark.slow
def test_going_on_twice_with_one_key_happens_once(person: Person, model: ModelServer) -> None:
    stream_id, _ = person.stopped()
    key = {"Idempotency-Key": "again"}

    first, second = (person.client.post(f"/api/streams/{stream_id}/continue", headers=key) for _ in range(2))
    other = person.client.post(f"/api/streams/{stream_id}/retry", headers=key)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json == second.json
    assert (other.status_code, other.json["code"]) == (409, "IDEMPOTENCY_MISMATCH")
    with person.follow(first.json["stream_id"]) as stream:
        stream.until("message.end")
    assert len(model.calls) == 2


@pytest.mark.slow
@pytest.mark.req("R7")
def test_going_on_counts_as_a_start(
    make_shared: Callable[..., Flask], make_person: Callable[[Flask], Person], model: ModelServer
) -> None:
    site = make_shared(OPENAI_BASE_URL=model.base_url, OPENAI_MODEL="scripted", TUTOR_RATE_LIMIT="1/hour")
    person = make_person(site)
    stream_id, _ = person.stopped()

    assert person.client.post(f"/api/streams/{stream_id}/continue").status_code == 429


@pytest.mark.slow
def test_stops_from_everywhere_at_once_end_a_run_once(person: Person, model: ModelServer) -> None:
    model.play("stall-after-6")
    stream_id = person.asked()["stream_id"]

    with person.follow(stream_id) as stream:
        person.read_words(stream, 3)
        stops = [gevent.spawn(person.client.delete, f"/api/streams/{stream_id}") for _ in range(6)]
        gevent.joinall(stops, timeout=10, raise_error=True)
        stream.rest()

    assert {stop.value.json["outcome"] for stop in stops} == {"stopped"}
    assert [frame.name for frame in stream.frames].count("message.end") == 1
    assert [frame.name for frame in stream.frames].count("stream.close") == 1
