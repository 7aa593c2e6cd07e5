"""The tutor's API as its clients see it: REQUIREMENTS A1 and API.md, "Tutor"."""

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.blueprints.streams import Streams
from tests.conftest import PASSWORD
from tests.sse import Frame

if TYPE_CHECKING:
    from redis import Redis


def names(frames: list[Frame]) -> list[str]:
    return [frame.name for frame in frames]


@pytest.mark.slow
@pytest.mark.req("T7", "T22", "T34", "T36", "T37")
def test_a_question_answers_201_with_places_to_follow_and_stop_it(ask: Callable[..., Any]) -> None:
    response = ask()

    assert response.status_code == 201
    assert set(response.json) == {"stream_id", "stream_url", "stop_url"}
    assert response.json["stream_url"].startswith("/v1/tutor/stream?token=")
    assert response.headers["X-Stream-Id"] == response.json["stream_id"]


@pytest.mark.slow
@pytest.mark.req("T5", "T8", "T11", "T12", "T14", "T15", "T16", "T33", "T42", "R2", "R17", "R34")
def test_a_stream_gives_start_deltas_and_an_end_that_proves_the_text(ask: Callable[..., Any], streams: Streams) -> None:
    asked = ask(hint_level=2).json

    with streams.open(asked["stream_url"]) as stream:
        frames = stream.until("message.end")

    assert stream.response.status_code == 200
    assert stream.response.headers["Content-Type"] == "text/event-stream"
    assert stream.response.headers["Cache-Control"] == "no-cache"
    assert stream.response.headers["X-Accel-Buffering"] == "no"
    assert stream.response.headers["X-Stream-Id"] == asked["stream_id"]
    assert stream.response.headers["Content-Location"] == f"/api/streams/{asked['stream_id']}"
    first, start, *rest = frames
    assert first.name == "stream.start"
    assert first.json["stream_id"] == asked["stream_id"]
    assert (first.json["asked"], first.json["from"], first.json["verdict"]) == (
        None,
        f"{asked['stream_id']}-0",
        "exact",
    )
    assert datetime.fromisoformat(first.json["timestamp"]).utcoffset() is not None
    assert start.name == "message.start"
    assert start.json["stream_id"] == asked["stream_id"]
    assert start.json["hint_level"] == 2
    assert start.json["message_id"]
    assert start.json["metadata"]["engine"] == "built-in"
    deltas = [frame.json for frame in rest if frame.name == "message.delta"]
    assert len(deltas) > 5
    assert all(delta["type"] == "markdown" for delta in deltas)
    text = "".join(delta["content"] for delta in deltas)
    end = frames[-1].json
    assert end["finish_reason"] == "stop"
    assert end["content_length"] == len(text)
    assert end["content_sha256"] == sha256(text.encode()).hexdigest()
    assert end["total_tokens"] > 0
    assert all(frame.own_id and frame.own_id.startswith(asked["stream_id"]) for frame in frames)
    seqs = [frame.seq for frame in frames]
    assert seqs == sorted(set(seqs))


@pytest.mark.slow
@pytest.mark.req("T13", "T28", "R19")
def test_suggested_tests_come_as_an_event_of_their_own(ask: Callable[..., Any], streams: Streams) -> None:
    asked = ask(hint_level=3, message="Which edge cases should I test?").json

    with streams.open(asked["stream_url"]) as stream:
        frames = stream.until("message.end")

    suggested = [frame.json["tests"] for frame in frames if frame.name == "tool.suggested_tests"]
    assert suggested
    assert all(test["input"] for tests in suggested for test in tests)
    assert "```tests" not in stream.text("message.delta", "content")


@pytest.mark.slow
@pytest.mark.req("T36")
def test_a_question_without_its_fields_names_every_one_of_them(signed_in: FlaskClient) -> None:
    response = signed_in.post("/v1/tutor/messages", json={"hint_level": 9})

    assert response.status_code == 400
    assert response.content_type == "application/problem+json"
    assert {error["field"] for error in response.json["errors"]} >= {
        "session_id",
        "problem_id",
        "message",
        "hint_level",
    }
    assert signed_in.get("/api/streams").json == {"streams": []}
    assert signed_in.get("/api/conversations").json["conversations"] == []


@pytest.mark.slow
def test_an_unknown_problem_is_404_and_nothing_remains(ask: Callable[..., Any], signed_in: FlaskClient) -> None:
    assert ask(problem_id="nothing-like-it").status_code == 404
    assert signed_in.get("/api/streams").json == {"streams": []}
    assert signed_in.get("/api/conversations").json["conversations"] == []


@pytest.mark.slow
@pytest.mark.req("T9", "T37", "A6-5")
def test_a_stop_closes_the_stream_and_is_idempotent(ask_slowly: Callable[..., Any], slow_streams: Streams) -> None:
    asked = ask_slowly().json

    with slow_streams.open(asked["stream_url"]) as stream:
        stream.until("message.delta")
        first = slow_streams.client.delete(asked["stop_url"])
        frames = stream.until("stream.close")

    assert first.status_code == 200
    assert first.json == {"message": "Stream closed", "outcome": "stopped", "confirmed": True}
    assert names(frames)[-2:] == ["message.end", "stream.close"]
    assert frames[-2].json["finish_reason"] == "cancelled"
    assert frames[-1].json == {"reason": "stopped"}
    assert slow_streams.client.delete(asked["stop_url"]).json["message"] == "Stream closed"


@pytest.mark.slow
@pytest.mark.req("T31", "T24", "T43", "R5")
@pytest.mark.parametrize("token", ["unknown", "x.y.z", "0123456789abcdef01234567"])
def test_an_unknown_token_is_404(signed_in: FlaskClient, token: str) -> None:
    response = signed_in.get(f"/v1/tutor/stream?token={token}")

    assert response.status_code == 404
    assert response.json["detail"] == "Stream not found"


@pytest.mark.slow
@pytest.mark.req("A6-5", "R5", "T43")
def test_a_stream_is_its_owners_only(
    ask_slowly: Callable[..., Any], make_signed_in: Callable[..., FlaskClient], client: FlaskClient
) -> None:
    asked = ask_slowly().json
    stranger = make_signed_in("eve@example.org")
    stream_id = asked["stream_id"]

    assert stranger.get(f"/v1/tutor/stream?token={stream_id}").status_code == 404
    assert stranger.get(asked["stream_url"]).status_code == 404
    assert stranger.get(f"/api/streams/{stream_id}").status_code == 404
    assert stranger.delete(f"/v1/tutor/stream/{stream_id}").status_code == 404
    assert stranger.post(f"/api/streams/{stream_id}/stop").status_code == 404
    assert stranger.post(f"/api/streams/{stream_id}/continue").status_code == 404
    follow = {"session_id": "s1", "problem_id": "x", "message": "m", "stream_id": stream_id}
    assert stranger.post("/v1/tutor/messages", json=follow).status_code == 404
    assert client.get(f"/v1/tutor/stream?token={stream_id}").status_code == 404
    assert client.get(f"/api/streams/{stream_id}").status_code == 401


@pytest.mark.slow
@pytest.mark.req("T8", "R5")
def test_a_ticket_alone_opens_its_stream_and_no_other(ask: Callable[..., Any], app: Flask, streams: Streams) -> None:
    first, second = ask().json, ask(session_id="s2").json
    nobody = app.test_client()
    ticket = first["stream_url"].partition("token=")[2]

    with streams.open(first["stream_url"], client=nobody) as stream:
        assert stream.until("message.end")[-1].json["finish_reason"] == "stop"
    assert nobody.get(f"/api/streams/{second['stream_id']}?token={ticket}").status_code == 404
    assert nobody.delete(f"/v1/tutor/stream/{first['stream_id']}?token={ticket}").status_code == 401


@pytest.mark.slow
@pytest.mark.req("T35", "R16", "A6-4")
def test_a_follow_up_streams_on_the_connection_that_is_open(ask: Callable[..., Any], streams: Streams) -> None:
    asked = ask().json

    with streams.open(asked["stream_url"]) as stream:
        stream.until("message.end")
        again = ask(message="And then?", stream_id=asked["stream_id"])
        frames = stream.until("message.end")

    assert again.status_code == 200
    assert again.json["message"] == "Sent to existing stream"
    assert again.json["stream_id"] == asked["stream_id"]
    assert names(frames)[0] == "message.start"
    assert "".join(frame.json["content"] for frame in frames if frame.name == "message.delta")


@pytest.mark.slow
@pytest.mark.req("R16")
def test_a_follow_up_to_a_stream_that_still_runs_is_409(ask_slowly: Callable[..., Any]) -> None:
    asked = ask_slowly().json

    busy = ask_slowly(message="And then?", stream_id=asked["stream_id"])

    assert busy.status_code == 409
    assert busy.json["code"] == "STREAM_BUSY"


@pytest.mark.slow
@pytest.mark.req("R16")
def test_a_follow_up_to_a_closed_stream_gets_a_successor(ask_slowly: Callable[..., Any], slow_streams: Streams) -> None:
    asked = ask_slowly().json
    slow_streams.client.delete(asked["stop_url"])

    again = ask_slowly(message="And then?", stream_id=asked["stream_id"])

    assert again.status_code == 201
    assert again.json["message"] == "Sent to existing stream"
    assert again.json["stream_id"] != asked["stream_id"]
    assert again.json["stream_url"].startswith("/v1/tutor/stream?token=")


@pytest.mark.slow
@pytest.mark.req("T4", "T18", "T23", "R1")
def test_a_third_answer_at_once_is_429_and_says_which_run(ask_slowly: Callable[..., Any]) -> None:
    running = {ask_slowly(session_id=name).json["stream_id"] for name in ("a", "b")}

    refused = ask_slowly(session_id="c")

    assert refused.status_code == 429
    assert "User has reached maximum concurrent streams (2)" in refused.json["detail"]
    assert (refused.json["limit"], refused.json["current"]) == (2, 2)
    assert {run["stream_id"] for run in refused.json["running"]} == running
    assert all(run["stop_url"] == f"/api/streams/{run['stream_id']}/stop" for run in refused.json["running"])
    assert int(refused.headers["Retry-After"]) >= 1


@pytest.mark.slow
@pytest.mark.req("T43", "R7")
def test_a_sixth_question_in_a_minute_is_429(ask_slowly: Callable[..., Any], slow_streams: Streams) -> None:
    for number in range(5):
        asked = ask_slowly(session_id=f"s{number}")
        assert asked.status_code == 201
        slow_streams.client.delete(asked.json["stop_url"])

    refused = ask_slowly(session_id="s6")

    assert refused.status_code == 429
    assert refused.json["code"] == "RATE_LIMITED"
    assert refused.json["limit"] == 5
    assert 1 <= int(refused.headers["Retry-After"]) <= 60


@pytest.mark.slow
@pytest.mark.req("T43")
def test_subscribing_is_not_limited_like_asking(ask: Callable[..., Any], streams: Streams) -> None:
    asked = ask().json

    for _ in range(12):
        with streams.open(asked["stream_url"]) as stream:
            assert stream.until("stream.start")


@pytest.mark.slow
def test_an_idempotency_key_gives_the_first_answer_again(ask_slowly: Callable[..., Any], slow_streams: Streams) -> None:
    key = {"Idempotency-Key": "once"}

    first, again = ask_slowly(headers=key), ask_slowly(headers=key)
    other = ask_slowly(headers=key, message="Something else")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json == first.json
    assert other.status_code == 409
    assert other.json["code"] == "IDEMPOTENCY_MISMATCH"
    assert len(slow_streams.client.get("/api/streams").json["streams"]) == 1


@pytest.mark.slow
@pytest.mark.req("T20")
def test_an_idle_stream_is_closed_with_its_reason(
    make_app: Callable[..., Flask], streams_of: Callable[..., Streams]
) -> None:
    streams = streams_of(make_app(STREAM_IDLE="0"))
    problem_id = streams.client.get("/v1/tutor/problems").json["problems"][0]["id"]
    asked = streams.client.post(
        "/v1/tutor/messages", json={"session_id": "s1", "problem_id": problem_id, "message": "How do I start?"}
    ).json

    with streams.open(asked["stream_url"]) as stream:
        frames = stream.rest()

    assert names(frames)[-2:] == ["message.end", "stream.close"]
    assert frames[-1].json == {"reason": "idle"}


@pytest.mark.slow
@pytest.mark.req("A6-13", "R11")
def test_a_word_comes_when_it_is_spoken_not_when_many_have_gathered(
    ask_slowly: Callable[..., Any], slow_streams: Streams
) -> None:
    asked = ask_slowly().json

    with slow_streams.open(asked["stream_url"]) as stream:
        first = stream.until("message.delta")[-1]

        standing = slow_streams.client.get(f"/api/streams/{asked['stream_id']}", headers={"Accept": "application/json"})

    assert len(first.json["content"].split()) <= 3
    assert standing.json["state"] == "running"


@pytest.mark.slow
@pytest.mark.req("T19")
def test_a_streams_record_is_in_redis_and_does_not_stay_for_ever(
    ask: Callable[..., Any], streams: Streams, redis: "Redis"
) -> None:
    asked = ask().json
    with streams.open(asked["stream_url"]) as stream:
        stream.until("message.end")

    kept = list(redis.scan_iter(match=f"*{asked['stream_id']}*"))

    assert len(kept) >= 2
    assert all(60 <= redis.ttl(key) <= 3600 + 60 + 300 + 60 for key in kept)


@pytest.mark.slow
@pytest.mark.req("T21", "R20")
def test_a_turn_is_answered_from_what_is_stored_by_another_worker(
    ask_slowly: Callable[..., Any], slow_streams: Streams, make_app: Callable[..., Flask]
) -> None:
    asked = ask_slowly(message="Which edge cases are there?", hint_level=2).json
    with slow_streams.open(asked["stream_url"]) as stream:
        stream.until("message.delta")
        slow_streams.client.delete(asked["stop_url"])
        stream.until("message.end")
    partial = stream.text("message.delta", "content")
    other = make_app().test_client()
    token = {"email": "slow@example.org", "password": PASSWORD}
    bearer = {"Authorization": f"Bearer {other.post('/api/auth/token', json=token).json['access_token']}"}

    more = other.post(f"/api/streams/{asked['stream_id']}/continue", headers=bearer).json
    with Streams(other).open(more["stream_url"], headers=bearer) as stream:
        end = stream.until("message.end")[-1]

    assert end.json["finish_reason"] == "stop"
    assert partial
    assert not stream.text("message.delta", "content").startswith(partial)
