"""Starting: once for each key, never more than allowed, and again on streams that live (API.md, "Start", "Tutor")."""

from collections.abc import Callable
from datetime import datetime, timedelta

import gevent
import pytest
from flask import Flask

from tests.blueprints.people import Person, names, text_of
from tests.model_server import ModelServer

KEY = {"Idempotency-Key": "one key"}


@pytest.mark.slow
def test_a_repeated_start_gets_the_first_answer_again(person: Person, model: ModelServer) -> None:
    first = person.ask(headers=KEY)
    with person.follow(first.json["stream_id"]) as stream:
        stream.until("message.end")

    again = person.ask(headers=KEY)

    assert (again.status_code, again.json) == (first.status_code, first.json)
    assert len(model.calls) == 1
    assert len(person.client.get("/api/conversations").json["conversations"]) == 1


@pytest.mark.slow
def test_starts_with_one_key_at_the_same_time_are_one(person: Person, model: ModelServer) -> None:
    starts = [gevent.spawn(person.ask, headers=KEY) for _ in range(8)]
    gevent.joinall(starts, timeout=10, raise_error=True)

    assert {start.value.status_code for start in starts} == {201}
    (stream_id,) = {start.value.json["stream_id"] for start in starts}
    with person.follow(stream_id) as stream:
        stream.until("message.end")
    assert len(model.calls) == 1
    (listed,) = person.client.get("/api/conversations").json["conversations"]
    assert len(person.client.get(f"/api/conversations/{listed['id']}").json["messages"]) == 2


@pytest.mark.slow
def test_a_key_is_its_users_own_and_for_one_request(person: Person, stranger: Person) -> None:
    first = person.ask(headers=KEY)

    theirs = stranger.ask(headers=KEY)
    other = person.ask("Something else", headers=KEY)
    elsewhere = person.ask(headers={"Idempotency-Key": "another key"})

    assert theirs.status_code == elsewhere.status_code == 201
    assert len({first.json["stream_id"], theirs.json["stream_id"], elsewhere.json["stream_id"]}) == 3
    assert (other.status_code, other.json["code"]) == (409, "IDEMPOTENCY_MISMATCH")


def test_a_key_is_kept_for_a_day(person: Person) -> None:
    person.ask(headers=KEY)

    (kept,) = (key for key in person.kept if ":idem:" in key)

    assert "one key" not in kept
    assert timedelta(hours=23, minutes=59) < timedelta(seconds=person.services.redis.ttl(kept)) <= timedelta(hours=24)


@pytest.mark.slow
def test_a_refused_start_does_not_use_its_key_up(person: Person, model: ModelServer) -> None:
    model.play("stall-after-6", "stall-after-6")
    person.asked(session_id="a")
    person.asked(session_id="b")
    assert person.ask(session_id="c", headers=KEY).status_code == 429
    person.stop_all()

    assert person.ask(session_id="c", headers=KEY).status_code == 201


@pytest.mark.slow
def test_a_repeat_is_answered_while_every_slot_is_held(person: Person, model: ModelServer) -> None:
    model.play("stall-after-6", "stall-after-6")
    first = person.ask(session_id="a", headers=KEY)
    person.asked(session_id="b")

    assert person.ask(session_id="a", headers=KEY).json == first.json


@pytest.mark.slow
def test_a_repeated_follow_up_and_its_successor_are_one_too(person: Person, model: ModelServer) -> None:
    stream_id, _ = person.answered()
    living = [person.ask("And then?", stream_id=stream_id, headers=KEY) for _ in range(2)]
    with person.follow(stream_id) as stream:
        stream.until("message.end")
        stream.until("message.end")
        person.client.delete(f"/api/streams/{stream_id}")
    closed = [person.ask("And now?", stream_id=stream_id, headers={"Idempotency-Key": "k2"}) for _ in range(2)]
    with person.follow(closed[0].json["stream_id"]) as stream:
        stream.until("message.end")

    assert [response.status_code for response in (*living, *closed)] == [200, 200, 201, 201]
    assert living[0].json == living[1].json
    assert closed[0].json == closed[1].json
    assert len(model.calls) == 3


def test_htmx_repeating_itself_gets_the_same_element(person: Person) -> None:
    headers = {**KEY, "HX-Request": "true", "Accept": "text/html, text/event-stream"}

    first, again = (person.ask(headers=headers) for _ in range(2))

    assert first.status_code == again.status_code == 200
    assert first.headers["X-Stream-Id"] == again.headers["X-Stream-Id"]


@pytest.mark.slow
@pytest.mark.req("T4", "T18", "A6-3", "A6-11", "R1")
def test_twenty_starts_at_the_same_time_are_two(person: Person, model: ModelServer) -> None:
    model.play("stall-after-6", "stall-after-6")

    starts = [gevent.spawn(person.ask, session_id=f"s{number}") for number in range(20)]
    gevent.joinall(starts, timeout=20, raise_error=True)

    statuses = sorted(start.value.status_code for start in starts)
    assert statuses == [201] * 2 + [429] * 18
    assert len(person.client.get("/api/conversations").json["conversations"]) == 2
    assert len(person.client.get("/api/streams").json["streams"]) == 2


@pytest.mark.slow
@pytest.mark.req("R1", "R16")
def test_idle_streams_and_viewers_hold_no_slot(person: Person, model: ModelServer) -> None:
    for number in range(3):
        stream_id, _ = person.answered(session_id=f"s{number}")
    assert person.standing(stream_id)["state"] == "idle"
    model.play("stall-after-6", "stall-after-6")

    assert person.ask(session_id="a").status_code == 201
    assert person.ask(session_id="b").status_code == 201


@pytest.mark.slow
@pytest.mark.req("T35", "R16")
def test_a_follow_up_to_a_living_stream_names_it_and_where_to_read_it(person: Person) -> None:
    stream_id, frames = person.answered()

    again = person.ask("And then?", stream_id=stream_id)

    assert again.status_code == 200
    assert set(again.json) == {"message", "stream_id", "stream_url"}
    assert (again.json["message"], again.json["stream_id"]) == ("Sent to existing stream", stream_id)
    nobody = person.site.test_client()
    with person.streams.open(
        again.json["stream_url"], client=nobody, headers={"Last-Event-ID": frames[-1].id}
    ) as stream:
        assert names(stream.until("message.end")) == ["stream.start", "message.start", "message.delta", "message.end"]


@pytest.mark.slow
@pytest.mark.req("R16")
def test_a_follow_up_to_an_expired_stream_gets_a_successor(person: Person) -> None:
    stream_id, _ = person.answered()
    person.forget(stream_id)

    again = person.ask("And then?", stream_id=stream_id)

    assert again.status_code == 201
    assert again.json["message"] == "Sent to existing stream"
    assert again.json["stream_id"] != stream_id
    with person.streams.open(again.json["stream_url"]) as stream:
        assert text_of(stream.until("message.end"))


@pytest.mark.slow
@pytest.mark.req("T17", "T20", "R15", "R16", "A6-2")
def test_an_idle_stream_is_closed_by_whoever_meets_it(
    make_shared: Callable[..., Flask], make_person: Callable[[Flask], Person], model: ModelServer
) -> None:
    site = make_shared(OPENAI_BASE_URL=model.base_url, OPENAI_MODEL="scripted", STREAM_IDLE="0.3")
    person = make_person(site)
    met_by_post, _ = person.answered(session_id="a")
    met_by_get, _ = person.answered(session_id="b")
    watched, _ = person.answered(session_id="c")

    with person.follow(watched) as stream:
        frames = stream.rest()
    successor = person.ask("And then?", session_id="a", stream_id=met_by_post)

    assert frames[-1].name == "stream.close"
    assert frames[-1].json == {"reason": "idle"}
    assert (successor.status_code, successor.json["stream_id"] != met_by_post) == (201, True)
    assert person.standing(met_by_get)["state"] == "closed"
    assert person.standing(watched) == {
        **person.standing(watched),
        "state": "closed",
        "outcome": "completed",
        "last_event_id": frames[-1].id,
    }


@pytest.mark.req("T2", "A6-13")
def test_words_are_sent_while_the_model_still_speaks(person: Person, model: ModelServer) -> None:
    model.play("stall-after-6")
    stream_id = person.asked()["stream_id"]

    with person.follow(stream_id) as stream:
        person.read_words(stream, 3)

        assert model.calls[0].outcome == "open"


@pytest.mark.req("R2", "R30", "R34")
def test_events_are_named_plain_and_stamped_as_the_tutor_promised(person: Person) -> None:
    stream_id, _ = person.answered()

    with person.follow(stream_id, **{"Accept-Encoding": "gzip, br"}) as stream:
        frames = stream.until("message.end")

    assert "Content-Encoding" not in stream.response.headers
    assert all("event" not in frame.json for frame in frames)
    assert datetime.fromisoformat(frames[0].json["timestamp"]).tzinfo is not None
    assert [frame.json["type"] for frame in frames if frame.name == "message.delta"] == ["markdown"]


@pytest.mark.slow
@pytest.mark.req("T36")
def test_a_form_says_what_json_says(person: Person, model: ModelServer) -> None:
    form = {
        "session_id": "s1",
        "problem_id": person.client.get("/v1/tutor/problems").json["problems"][0]["id"],
        "message": "How do I start?",
        "hint_level": "3",
        "context": '{"messages": [{"role": "tutor", "content": "an earlier hint"}]}',
    }

    for kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        asked = person.client.post("/v1/tutor/messages", data=form, content_type=kind)
        assert asked.status_code == 201
        with person.follow(asked.json["stream_id"]) as stream:
            start = stream.until("message.start")[-1]
            stream.until("message.end")
        assert start.json["hint_level"] == 3
        assert "an earlier hint" in "".join(message["content"] for message in model.calls[-1].body["messages"])
