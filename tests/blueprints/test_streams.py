"""Subscribing: where a reader stands, what it is told, and what it gets (API.md, "Subscribe")."""

from collections.abc import Callable
from hashlib import sha256

import pytest
from flask import Flask

from blueprints.dialects.registry import published
from services.streaming.events import StreamId, UserId
from services.streaming.views import StreamFacts
from tests.blueprints.people import Person, names, text_of
from tests.blueprints.streams import Streams
from tests.factories import make_answer
from tests.model_server import ModelServer, Script
from tests.sse import frames as frames_of


@pytest.mark.req("T15", "R10", "R17")
def test_a_fresh_subscribe_begins_where_the_stream_begins(person: Person) -> None:
    stream_id, frames = person.answered()

    first = frames[0]
    assert (first.name, first.own_id) == ("stream.start", f"{stream_id}-0")
    assert first.json["stream_id"] == stream_id
    assert (first.json["asked"], first.json["from"], first.json["verdict"]) == (None, f"{stream_id}-0", "exact")
    assert first.json["tail"].startswith(f"{stream_id}-")
    assert first.json["stream_url"] == f"/api/streams/{stream_id}"
    assert first.json["stop_url"] == f"/api/streams/{stream_id}/stop"
    assert first.json["engine"] == "scripted"
    assert names(frames) == ["stream.start", "message.start", "message.delta", "message.end"]


@pytest.mark.req("T16", "R10")
def test_every_event_has_an_id_of_its_stream_and_ids_only_rise(person: Person) -> None:
    stream_id, frames = person.answered()

    assert all(frame.own_id is not None for frame in frames)
    assert all(frame.id == f"{stream_id}-{frame.seq}" for frame in frames)
    seqs = [frame.seq for frame in frames]
    assert seqs == sorted(set(seqs))


@pytest.mark.req("T8", "R22")
def test_both_addresses_of_a_tutors_stream_say_the_same(person: Person) -> None:
    asked = person.asked()

    with person.streams.open(asked["stream_url"]) as by_ticket:
        by_ticket.until("message.end")
    with person.follow(asked["stream_id"]) as by_id:
        by_id.until("message.end")

    assert text_of(by_id.frames) == text_of(by_ticket.frames) != ""
    assert by_id.frames[-1] == by_ticket.frames[-1]


@pytest.mark.req("T33", "A6-17")
@pytest.mark.parametrize("cursor", [None, "nonsense"])
@pytest.mark.parametrize("expired", [False, True], ids=["live", "expired"])
def test_every_streaming_answer_has_the_promised_headers(person: Person, expired: bool, cursor: str | None) -> None:
    stream_id, _ = person.answered()
    if expired:
        person.forget(stream_id)

    with person.follow(stream_id, cursor=cursor) as stream:
        headers = stream.response.headers

    assert headers.getlist("Content-Type") == ["text/event-stream"]
    assert headers.getlist("Cache-Control") == ["no-cache"]
    assert headers["X-Accel-Buffering"] == "no"
    assert headers["X-Stream-Id"] == stream_id
    assert headers["Content-Location"] == f"/api/streams/{stream_id}"
    assert "Connection" not in headers, "hop-by-hop headers are the server's (PEP 3333)"


@pytest.mark.req("T14", "R29")
def test_the_end_proves_the_text_to_every_reader(person: Person, model: ModelServer) -> None:
    model.play(Script(text="Ein Gruß: 你好 👋🏽 and `code`\n\n<b>raw</b> $x^2$"))
    stream_id, frames = person.answered()

    with person.follow(stream_id) as later:
        later.until("message.end")

    for read in (frames, later.frames):
        text, end = text_of(read), read[-1].json
        assert "👋🏽" in text
        assert "<b>raw</b>" in text
        assert end["content_length"] == len(text)
        assert end["content_sha256"] == sha256(text.encode()).hexdigest()


@pytest.mark.slow
@pytest.mark.req("R28")
def test_how_a_stream_stands_while_it_runs_when_it_is_stopped_and_long_after(
    person: Person, model: ModelServer
) -> None:
    model.play("stall-after-6")
    stream_id = person.asked()["stream_id"]
    with person.follow(stream_id) as stream:
        person.read_words(stream, 3)
        running = person.standing(stream_id)
        last_seen = stream.frames[-1].id
        person.client.delete(f"/api/streams/{stream_id}")
    stopped = person.standing(stream_id)
    person.forget(stream_id)
    expired = person.standing(stream_id)

    text = text_of(stream.frames)
    common = {"stream_id": stream_id, "assistant": "tutor", "text": text}
    assert running == {**common, "state": "running", "outcome": None, "last_event_id": last_seen}
    assert {name: stopped[name] for name in common} == common
    assert (stopped["state"], stopped["outcome"]) == ("closed", "stopped")
    assert {name: expired[name] for name in common} == common
    assert (expired["state"], expired["outcome"]) == ("closed", "stopped")


def test_how_a_stream_stands_can_be_asked_at_the_tutors_address_too(person: Person) -> None:
    asked = person.asked()

    response = person.client.get(asked["stream_url"], headers={"Accept": "application/json"})

    assert response.json["stream_id"] == asked["stream_id"]


def test_how_a_stream_of_which_nothing_is_left_stands(person: Person) -> None:
    person.services.database.run(make_answer, person.user.id, stream_id="facade")

    standing = person.standing("facade")

    assert (standing["state"], standing["outcome"], standing["text"]) == ("closed", "interrupted", "")


@pytest.mark.slow
@pytest.mark.req("T3", "R4")
def test_my_running_answers_are_listed_and_only_mine(person: Person, stranger: Person, model: ModelServer) -> None:
    model.play("stall-after-5")
    stream_id = person.asked()["stream_id"]
    done, _ = person.answered(session_id="s2")

    listed = person.client.get("/api/streams").json["streams"]

    assert done != stream_id
    assert [stream["stream_id"] for stream in listed] == [stream_id]
    assert listed[0]["assistant"] == "tutor"
    assert stranger.client.get("/api/streams").json == {"streams": []}
    person.client.delete(listed[0]["stop_url"].removesuffix("/stop"))
    assert person.client.get("/api/streams").json == {"streams": []}


@pytest.mark.req("T31", "T43", "A6-5")
@pytest.mark.parametrize("stream_id", ["unknown", "0" * 24, "a b", "a\x00b", "..", "{u1}", "é", "x" * 300])
def test_an_unknown_stream_is_404(person: Person, stream_id: str) -> None:
    for method, suffix in (("GET", ""), ("DELETE", ""), ("POST", "/stop"), ("POST", "/continue"), ("POST", "/retry")):
        response = person.client.open(f"/api/streams/{stream_id}{suffix}", method=method)
        assert response.status_code == 404, (method, suffix, response.text)
        assert response.content_type == "application/problem+json"


@pytest.mark.slow
@pytest.mark.req("T43", "A6-5", "R5")
def test_a_foreign_stream_is_404_alive_and_expired(person: Person, stranger: Person) -> None:
    stream_id, frames = person.answered()

    for _ in ("alive", "expired"):
        assert stranger.client.get(f"/api/streams/{stream_id}").status_code == 404
        assert stranger.client.get(f"/api/streams/{stream_id}?last_event_id={frames[-1].id}").status_code == 404
        as_json = stranger.client.get(f"/api/streams/{stream_id}", headers={"Accept": "application/json"})
        assert as_json.status_code == 404
        if any(stream_id in key for key in person.kept):
            person.forget(stream_id)


@pytest.mark.slow
@pytest.mark.req("R5")
def test_a_login_token_and_a_bare_id_open_streams_from_the_query(person: Person, stranger: Person) -> None:
    stream_id, _ = person.answered()
    nobody = person.site.test_client()

    with person.streams.open(f"/api/streams/{stream_id}?token={person.token}", client=nobody) as stream:
        assert stream.until("message.end")
    with person.streams.open(f"/v1/tutor/stream?token={stream_id}") as stream:
        assert stream.until("message.end")
    assert nobody.get(f"/v1/tutor/stream?token={stream_id}").status_code == 404
    assert stranger.client.get(f"/v1/tutor/stream?token={stream_id}").status_code == 404
    assert nobody.get(f"/api/streams/{stream_id}?token={stream_id}").status_code == 401
    assert nobody.get("/v1/tutor/stream").status_code == 401


@pytest.mark.req("T8", "R5")
def test_a_ticket_with_somebody_elses_credentials_is_404(person: Person, stranger: Person) -> None:
    asked = person.asked()

    assert stranger.client.get(asked["stream_url"]).status_code == 404
    ticket = asked["stream_url"].partition("token=")[2]
    assert stranger.client.get(f"/api/streams/{asked['stream_id']}?token={ticket}").status_code == 404


@pytest.mark.slow
def test_a_stream_takes_ten_viewers_who_read_the_same(person: Person, model: ModelServer) -> None:
    model.play("stall-after-8")
    stream_id = person.asked()["stream_id"]
    viewers = [Streams(person.client).open(f"/api/streams/{stream_id}") for _ in range(10)]
    opened = [viewer.__enter__() for viewer in viewers]

    for stream in opened:
        person.read_words(stream, 5)
    model.release()
    for stream in opened:
        stream.until("message.end")

    assert len({text_of(stream.frames) for stream in opened}) == 1
    for viewer in viewers:
        viewer.__exit__(None, None, None)


@pytest.mark.slow
@pytest.mark.req("T17", "R18")
def test_heartbeats_are_comments_without_ids(
    make_shared: Callable[..., Flask], make_person: Callable[[Flask], Person], model: ModelServer
) -> None:
    person = make_person(make_shared(STREAM_HEARTBEAT="0.1", OPENAI_BASE_URL=model.base_url, OPENAI_MODEL="scripted"))
    model.play("stall-after-5")

    with person.follow(person.asked()["stream_id"]) as stream:
        stream.until("message.delta")
        frames = [*stream.frames, *stream._waiting]
        while not stream.reader.comments:
            frames += stream.reader.feed(next(stream._chunks))

    assert stream.reader.last_id == frames[-1].id


@pytest.mark.req("T15", "R18")
def test_a_silent_stream_is_pinged_by_name_without_an_id() -> None:
    view = published("tutor").view(StreamFacts(UserId(1), StreamId("s"), "tutor", "c"))

    assert list(frames_of([view.beat(29.0)])) == []
    (ping,) = frames_of([view.beat(30.0)])
    assert (ping.name, ping.own_id) == ("ping", None)
    assert "timestamp" in ping.json


@pytest.mark.slow
def test_viewers_are_sent_away_with_a_time_to_come_back(
    make_shared: Callable[..., Flask], make_person: Callable[[Flask], Person], model: ModelServer
) -> None:
    person = make_person(make_shared(OPENAI_BASE_URL=model.base_url, OPENAI_MODEL="scripted"))
    model.play("stall-after-5")
    stream_id = person.asked()["stream_id"]

    with person.follow(stream_id) as stream:
        stream.until("message.delta")
        person.services.hub.send_away(retry_ms=300)
        assert stream.rest() == []
        assert stream.reader.retry_ms in range(300, 601)
    with person.follow(stream_id, cursor=stream.frames[-1].id) as late:
        assert late.rest() == []
        assert late.reader.retry_ms


def test_other_methods_are_refused_with_those_that_are_taken(person: Person) -> None:
    stream_id, _ = person.answered()

    response = person.client.post(f"/api/streams/{stream_id}")

    assert response.status_code == 405
    assert "GET" in response.headers["Allow"]


@pytest.mark.req("T43")
def test_a_head_request_leaves_no_viewer_behind(person: Person) -> None:
    stream_id, _ = person.answered()
    before = person.services.hub.viewers

    with person.client.head(f"/api/streams/{stream_id}") as response:
        assert response.status_code == 200

    assert person.services.hub.viewers == before
