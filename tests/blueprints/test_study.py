"""The study chat's API as its clients see it: REQUIREMENTS A4 and API.md, "Study"."""

import time
from hashlib import sha256
from math import ceil
from typing import Any

import pytest
from flask import Flask

from tests.blueprints.streams import Stream
from tests.blueprints.students import CONVERSATION, JSON, SIMPLE, SSE, Student, kinds, text_of
from tests.conftest import csrf_token, sign_up
from tests.model_server import ModelServer, Script


@pytest.mark.slow
@pytest.mark.req("U1", "U2", "U3", "U4", "U5", "U6", "U7", "R2", "R4", "R15", "R34")
def test_a_question_streams_metadata_tokens_and_complete_in_its_own_response(student: Student) -> None:
    began = time.time()

    response = student.post("What is photosynthesis?", max_tokens=5000)
    with Stream(response) as stream:
        frames = stream.rest()

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Accel-Buffering"] == "no"
    stream_id = response.headers["X-Stream-Id"]
    assert response.headers["Content-Location"] == f"/api/streams/{stream_id}"
    assert "Connection" not in response.headers
    assert {frame.name for frame in frames} == {"message"}, "frames of this API are unnamed"
    first, *tokens, last = [frame.json for frame in frames]
    assert first["type"] == "metadata"
    assert first["interaction_id"]
    assert first["is_new_interaction"] is True
    assert first["user_id"] == student.user.id
    assert first["engine"] == "built-in"
    assert first["stream_id"] == stream_id
    assert first["stop_url"] == f"/api/streams/{stream_id}/stop"
    assert {token["type"] for token in tokens} == {"token"}
    assert len(tokens) > 5
    assert all(isinstance(token["timestamp"], float) and token["timestamp"] >= began for token in tokens)
    text = text_of(tokens)
    assert last["type"] == "complete"
    assert last["content"] == text
    assert last["tokens_used"] > 0
    assert last["points_cost"] == max(1, ceil(last["tokens_used"] / 30))
    assert isinstance(last["timestamp"], float)
    assert (last["finish_reason"], last["content_length"]) == ("stop", len(text))
    assert last["content_sha256"] == sha256(text.encode()).hexdigest()
    seqs = [frame.seq for frame in frames]
    assert seqs == sorted(set(seqs))
    assert all(frame.own_id and frame.own_id.startswith(f"{stream_id}-") for frame in frames)


@pytest.mark.slow
@pytest.mark.req("U1", "U15", "R20")
def test_the_model_answers_with_its_own_count_of_tokens(modelled_student: Student, model: ModelServer) -> None:
    model.play(Script(text="It stores light."))

    events = modelled_student.ask("What does chlorophyll do?", max_tokens=5000)

    assert text_of(events) == "It stores light."
    assert events[0]["engine"] == "scripted"
    sent = model.calls[-1].body
    assert sent["max_tokens"] == 5000
    assert sent["messages"][0]["role"] == "system"
    assert "What does chlorophyll do?" in sent["messages"][-1]["content"]
    assert "estimated" not in events[-1]


@pytest.mark.slow
@pytest.mark.req("U4", "U15")
def test_a_follow_up_goes_on_in_its_interaction(modelled_student: Student, model: ModelServer) -> None:
    model.play(Script(text="It is a unit."), Script(text="It has a wall."))
    first = modelled_student.ask("What is a cell?")

    second = modelled_student.ask("And in plants?", interaction_id=first[0]["interaction_id"])

    assert second[0]["interaction_id"] == first[0]["interaction_id"]
    assert second[0]["is_new_interaction"] is False
    sent = model.calls[-1].body["messages"]
    assert [message["content"] for message in sent[1:3]] == ["What is a cell?", "It is a unit."]
    stored = modelled_student.messages(first[0]["interaction_id"])
    assert [message["content"] for message in stored] == [
        "What is a cell?",
        "It is a unit.",
        "And in plants?",
        "It has a wall.",
    ]


@pytest.mark.slow
@pytest.mark.req("U8", "U12", "R14")
def test_a_failure_is_one_error_event_and_the_last(modelled_student: Student, model: ModelServer) -> None:
    model.play("cut-after-3")

    events = modelled_student.ask()

    assert kinds(events) == ["metadata", "token", "error"]
    error = events[-1]
    assert error["error"] == error["message"]
    assert (error["code"], error["retryable"]) == ("MODEL_BROKEN", True)
    assert isinstance(error["timestamp"], float)
    assert error["request_id"]


@pytest.mark.req("U17")
def test_an_empty_answer_is_an_error_that_can_be_tried_again(modelled_student: Student, model: ModelServer) -> None:
    model.play("empty")

    error = modelled_student.ask()[-1]

    assert (error["type"], error["code"], error["retryable"]) == ("error", "EMPTY_ANSWER", True)


@pytest.mark.slow
@pytest.mark.req("U12", "U16")
def test_a_model_that_is_away_is_stood_in_for_and_labelled(modelled_student: Student, model: ModelServer) -> None:
    model.play(*["status-503"] * 3)

    events = modelled_student.ask()

    assert [event["engine"] for event in events if event["type"] == "metadata"] == ["scripted", "built-in"]
    assert (events[-1]["engine"], events[-1]["fallback"]) == ("built-in", True)
    assert "photosynthesis" in events[-1]["content"].lower()


@pytest.mark.req("U12", "R25")
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "message"),
        ({"message": ""}, "message"),
        ({"message": "x" * 10_001}, "message"),
        ({"message": "x", "max_tokens": 0}, "max_tokens"),
        ({"message": "x", "media_files": {"id": "x"}}, "media_files"),
        ({"message": "x", "way": "simpler"}, "way"),
        ({"message": "x", "length": "endless"}, "length"),
    ],
)
def test_bad_input_is_400_at_its_field_before_any_stream(student: Student, body: Any, field: str) -> None:
    response = student.client.post(CONVERSATION, json=body, headers=SSE)

    assert response.status_code == 400
    assert response.content_type == "application/problem+json"
    assert field in {error["field"] for error in response.json["errors"]}
    assert student.client.get("/api/streams").json == {"streams": []}
    assert student.client.get("/api/conversations").json["conversations"] == []
    assert student.points()["used_this_month"] == 0


@pytest.mark.req("U12")
@pytest.mark.parametrize(("kind", "status"), [("text/plain", 415), ("application/json", 400)])
def test_a_body_that_is_no_json_is_refused(student: Student, kind: str, status: int) -> None:
    assert student.client.post(CONVERSATION, data="{", content_type=kind, headers=SSE).status_code == status


@pytest.mark.req("U3", "U12", "U17")
@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Bearer "}])
def test_without_a_good_token_it_is_401_as_json(plain: Flask, header: dict[str, str]) -> None:
    nobody = plain.test_client()

    for response in (
        nobody.post(CONVERSATION, json={"message": "Hello"}, headers={**SSE, **header}),
        nobody.get(f"{SIMPLE}?message=Hello", headers={**SSE, **header}),
    ):
        assert response.status_code == 401
        assert response.content_type == "application/problem+json"
        assert response.json["code"] == "NOT_SIGNED_IN"
        assert response.json["message"]


@pytest.mark.slow
@pytest.mark.req("U15", "R5")
def test_somebody_elses_interaction_and_an_unknown_one_are_404(student: Student, plain: Flask) -> None:
    interaction_id = student.ask()[0]["interaction_id"]
    stranger = Student(plain)

    for somebody, wanted in ((stranger, interaction_id), (student, "nothing-like-it"), (student, "../x"), (student, 7)):
        response = somebody.post("And?", interaction_id=wanted)
        assert response.status_code == 404
        assert response.json["code"] == "NOT_FOUND"
    assert len(student.messages(interaction_id)) == 2


def test_a_conversation_of_another_assistant_is_no_interaction(plain: Flask) -> None:
    client = sign_up(plain.test_client(), "both@example.org")
    problem_id = client.get("/v1/tutor/problems").json["problems"][0]["id"]
    client.post("/v1/tutor/messages", json={"session_id": "s", "problem_id": problem_id, "message": "How?"})
    (conversation,) = client.get("/api/conversations").json["conversations"]

    refused = client.post(CONVERSATION, json={"message": "And?", "interaction_id": conversation["id"]}, headers=SSE)

    assert refused.status_code == 404


@pytest.mark.req("U12", "U17", "U16")
def test_a_reader_that_was_cut_off_finds_the_rest(modelled_student: Student, model: ModelServer) -> None:
    model.play("stall-after-3")
    response = modelled_student.post("What is light?")
    with Stream(response) as stream:
        while stream.text("message", "type").count("token") < 1:
            stream.until("message")
        cursor = stream.frames[-1].id
        seen = text_of([frame.json for frame in stream.frames])
    model.release()

    with modelled_student.follow(response.headers["X-Stream-Id"], cursor) as stream:
        rest = [frame.json for frame in stream.rest()]

    assert rest[0]["type"] == "stream"
    assert (rest[0]["asked"], rest[0]["verdict"]) == (cursor, "exact")
    assert seen + text_of(rest) == rest[-1]["content"]
    assert (
        modelled_student.client.get(
            f"/api/streams/{response.headers['X-Stream-Id']}", headers={**SSE, "Last-Event-ID": stream.reader.last_id}
        ).status_code
        == 204
    )


@pytest.mark.slow
@pytest.mark.req("U12", "R4", "A6-9")
def test_a_client_that_posts_its_question_again_with_its_last_id_is_not_charged_twice(student: Student) -> None:
    response = student.post("What is a cell?")
    with Stream(response) as stream:
        early = stream.until("message")[-1].id
        stream.rest()
        last = stream.reader.last_id

    again = student.post("What is a cell?", headers={**SSE, "Last-Event-ID": early})
    with Stream(again) as stream:
        rest = [frame.json for frame in stream.rest()]
    over = student.post("What is a cell?", headers={**SSE, "Last-Event-ID": last})
    other = student.post("What is an atom?", headers={**SSE, "Last-Event-ID": last})

    assert again.headers["X-Stream-Id"] == response.headers["X-Stream-Id"]
    assert rest[0]["verdict"] == "exact"
    assert rest[-1]["type"] == "complete"
    assert over.status_code == 204
    assert other.headers["X-Stream-Id"] != response.headers["X-Stream-Id"]


@pytest.mark.slow
@pytest.mark.req("U12")
def test_a_stop_ends_with_complete_and_what_came(modelled_student: Student, model: ModelServer) -> None:
    model.play("stall-after-3")
    response = modelled_student.post("What is light?")
    with Stream(response) as stream:
        while stream.text("message", "type").count("token") < 1:
            stream.until("message")
        stopped = modelled_student.client.delete(response.headers["Content-Location"])
        events = [frame.json for frame in stream.rest()]
        whole = [frame.json for frame in stream.frames]

    assert stopped.json["outcome"] == "stopped"
    assert events[-1]["type"] == "complete"
    assert events[-1]["finish_reason"] == "cancelled"
    assert events[-1]["content"] == text_of(whole)
    modelled_student.settle()
    assert modelled_student.points()["spent"] == events[-1]["points_cost"]
    assert modelled_student.points()["reserved"] == 0


@pytest.mark.slow
@pytest.mark.req("U4")
def test_an_answer_that_was_cut_at_max_tokens_says_so_and_goes_on(student: Student) -> None:
    events = student.ask("What is photosynthesis?", max_tokens=20)
    assert events[-1]["finish_reason"] == "length"
    student.settle()

    more = student.client.post(f"/api/streams/{events[0]['stream_id']}/continue", headers=JSON)
    with student.follow(more.json["stream_id"]) as stream:
        rest = [frame.json for frame in stream.rest()]

    assert more.status_code == 201
    assert rest[-1]["type"] == "complete"
    whole = student.ask("What is photosynthesis?", max_tokens=5000)[-1]["content"]
    assert whole.startswith(events[-1]["content"] + rest[-1]["content"])


@pytest.mark.slow
@pytest.mark.req("R4", "R23")
def test_a_client_that_wants_json_gets_places_and_the_interaction(student: Student) -> None:
    response = student.post(headers=JSON)

    assert response.status_code == 201
    assert set(response.json) == {"stream_id", "stream_url", "stop_url", "interaction_id"}
    assert len(student.messages(response.json["interaction_id"])) == 2


@pytest.mark.req("R23")
@pytest.mark.parametrize("accept", ["*/*", "", "text/event-stream", "text/event-stream, application/json"])
def test_a_client_that_takes_anything_gets_the_stream(student: Student, accept: str) -> None:
    assert kinds(student.ask(headers={"Accept": accept}))[-1] == "complete"


@pytest.mark.slow
@pytest.mark.req("R23")
def test_a_page_gets_a_connected_answer_and_a_form_without_script_the_answer_itself(plain: Flask) -> None:
    visitor = sign_up(plain.test_client(), "pages@example.org")
    htmx = {"Accept": "text/html, text/event-stream", "HX-Request": "true"}

    fragment = visitor.post(CONVERSATION, data={"message": "What is a cell?"}, headers=htmx)
    token = csrf_token(visitor, "/account")
    page = visitor.post(
        CONVERSATION, data={"message": "What is an atom?", "csrf_token": token}, headers={"Accept": "text/html"}
    )

    assert fragment.status_code == 200
    assert f'id="answer-{fragment.headers["X-Stream-Id"]}"' in fragment.text
    assert "What is a cell?" in fragment.text
    assert page.status_code == 200
    assert "nucleus" in page.text


@pytest.mark.slow
@pytest.mark.req("U15")
def test_what_no_longer_fits_is_summed_up_and_the_summary_can_be_seen(
    modelled_student: Student, model: ModelServer
) -> None:
    model.play(Script(text="First. " + "x" * 3000), Script(text="They spoke of light."), Script(text="It is a wave."))
    interaction_id = modelled_student.ask("What is light?")[0]["interaction_id"]
    modelled_student.ask("Once more?", interaction_id=interaction_id)
    model.reset()
    model.play(Script(text="They spoke of light."), Script(text="It is a wave."))

    events = modelled_student.ask("And then?", interaction_id=interaction_id)

    assert events[-1]["content"] == "It is a wave."
    assert events[-1]["summary"] == "They spoke of light."
    assert "They spoke of light." in str(model.calls[-1].body["messages"])
    stored = modelled_student.messages(interaction_id)[-1]
    assert stored["message"][0]["content"] == "They spoke of light."


@pytest.mark.req("U12", "U17")
def test_an_expired_stream_is_told_from_what_is_stored(student: Student) -> None:
    events = student.ask("What is a cell?")
    student.settle()
    stream_id = events[0]["stream_id"]
    redis = student.services.redis
    redis.delete(*[key for key in redis.scan_iter("rill:*") if stream_id.encode() in key])

    with student.follow(stream_id) as stream:
        again = [frame.json for frame in stream.rest()]

    assert again[0]["verdict"] == "gone"
    assert kinds(again) == ["stream", "metadata", "token", "complete"]
    assert again[1]["interaction_id"] == events[0]["interaction_id"]
    for name in ("content", "tokens_used", "points_cost", "citations", "finish_reason"):
        assert again[-1][name] == events[-1][name]


@pytest.mark.slow
@pytest.mark.parametrize("accept", ["text/event-stream", "text/html"])
def test_an_answer_that_was_read_where_it_was_asked_for_is_no_news(student: Student, accept: str) -> None:
    asked = student.post("What is a cell?", headers={"Accept": accept})
    assert asked.data
    elsewhere = student.post("What is an atom?", headers=JSON)
    student.settle()
    with student.follow(elsewhere.json["stream_id"]) as stream:
        stream.rest()
    student.settle()

    found = student.client.get("/api/conversations").json["conversations"]

    assert {row["title"]: row["unread"] for row in found} == {"What is a cell?": False, "What is an atom?": True}


@pytest.mark.slow
def test_an_answer_that_was_left_before_its_end_is_news(student: Student) -> None:
    response = student.post("What is a cell?")
    response.close()
    stream_id = response.headers["X-Stream-Id"]
    with student.follow(stream_id) as stream:
        stream.rest()
    student.settle()

    assert [row["unread"] for row in student.client.get("/api/conversations").json["conversations"]] == [True]
