"""The study chat's simple form, its health, its logs, and who may start an answer by a GET."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from services.store.conversations import Message
from tests.blueprints.streams import Stream
from tests.blueprints.students import CONVERSATION, SIMPLE, SSE, Student, kinds, text_of
from tests.conftest import sign_up
from tests.model_server import ModelServer


@pytest.mark.req("U9", "R4", "R32")
def test_the_simple_form_is_tokens_and_complete(student: Student) -> None:
    events = student.simply(message="What is a cell?")

    assert kinds(events) == ["token", "complete"]
    assert text_of(events) == events[-1]["content"]
    assert events[0]["stream_id"]
    assert events[0]["engine"] == "built-in"
    assert "stream_id" not in events[1]


@pytest.mark.slow
@pytest.mark.req("U9", "A6-9")
def test_the_same_get_finds_its_answer_while_it_runs_and_just_after(
    modelled_student: Student, model: ModelServer
) -> None:
    model.play("stall-after-2")
    first = modelled_student.simple(message="What is light?")
    attached = modelled_student.simple(message="What is light?")
    model.release()
    with Stream(first) as one, Stream(attached) as two:
        told, same = one.rest(), two.rest()

    after = modelled_student.simple(message="What is light?")
    other = modelled_student.simple(message="What is dark?")

    ids = {response.headers["X-Stream-Id"] for response in (first, attached, after)}
    assert len(ids) == 1
    assert told[-1].json["content"] == same[-1].json["content"]
    assert other.headers["X-Stream-Id"] not in ids
    for response in (after, other):
        response.close()
    assert len([call for call in model.calls if "What is light?" in str(call.body)]) == 1


@pytest.mark.slow
@pytest.mark.req("U9", "A6-9")
def test_a_get_that_comes_back_with_its_last_id_is_told_that_all_has_been_said(student: Student) -> None:
    with Stream(student.simple(message="What is a cell?")) as stream:
        early = stream.until("message")[-1].id
        stream.rest()
        last = stream.reader.last_id

    assert student.simple(message="What is a cell?", headers={**SSE, "Last-Event-ID": last}).status_code == 204
    again = student.simple(message="What is a cell?", headers={**SSE, "Last-Event-ID": early})
    with Stream(again) as stream:
        assert stream.rest()[0].json["verdict"] == "exact"
    unknown = student.simple(message="What is a cell?", headers={**SSE, "Last-Event-ID": "nothing-7"})
    assert unknown.status_code == 404


@pytest.mark.slow
@pytest.mark.req("U9")
def test_after_a_minute_the_same_get_begins_anew(student: Student) -> None:
    first = student.simply(message="What is a cell?")[0]["stream_id"]
    student.settle()
    _age(student, first)

    second = student.simply(message="What is a cell?")[0]["stream_id"]
    third = student.simply(message="What is a cell?")[0]["stream_id"]

    assert second != first
    assert third == second


def _age(student: Student, stream_id: str) -> None:
    """Let an answer have ended two minutes ago."""

    def older(session: Any) -> None:
        ended = update(Message).where(Message.stream_id == stream_id)
        row = session.query(Message).filter(Message.stream_id == stream_id).one()
        session.execute(ended.values(finished_at=row.finished_at - timedelta(seconds=120)))

    student.services.database.run(older)


@pytest.mark.req("U9", "U12", "R25")
def test_the_simple_form_checks_its_query(student: Student) -> None:
    assert student.simple().json["errors"] == [{"field": "message", "message": "is required"}]
    assert student.simple(message="x", view="html").status_code == 400
    assert student.simple(message="x", interaction_id="unknown").status_code == 404


def test_asking_for_the_headers_alone_asks_nothing(student: Student) -> None:
    response = student.client.head(f"{SIMPLE}?message=Hello")

    assert (response.status_code, response.content_type) == (200, "text/event-stream")
    assert student.client.get("/api/conversations").json["conversations"] == []


@pytest.mark.req("U9", "R5")
def test_the_simple_form_takes_a_token_in_its_query(student: Student, plain: Flask) -> None:
    response = plain.test_client().get(SIMPLE, query_string={"message": "What is a cell?", "token": student.token})

    with Stream(response) as stream:
        assert stream.rest()[-1].json["type"] == "complete"


@pytest.mark.req("R4")
def test_another_site_cannot_have_a_visitors_browser_ask(plain: Flask) -> None:
    visitor = sign_up(plain.test_client(), "visitor@example.org")

    refused = visitor.get(f"{SIMPLE}?message=Hello", headers={**SSE, "Sec-Fetch-Site": "cross-site"})

    assert refused.status_code == 403
    assert visitor.get("/api/conversations").json["conversations"] == []


def test_a_browser_must_send_its_csrf_token(plain: Flask) -> None:
    visitor = sign_up(plain.test_client(), "formless@example.org")
    del visitor.environ_base["HTTP_X_CSRF_TOKEN"]

    assert visitor.post(CONVERSATION, json={"message": "Hello"}, headers=SSE).json["code"] == "CSRF"


@pytest.mark.req("U10", "U16")
def test_health_needs_no_login_and_has_the_specifications_shape(plain: Flask) -> None:
    response = plain.test_client().get("/api/stream/health")

    assert response.status_code == 200
    assert response.json["status"] == "healthy"
    assert response.json["service"] == "interaction-streaming"
    assert abs(response.json["timestamp"] - time.time()) < 60


@pytest.mark.slow
@pytest.mark.req("U10", "U16")
def test_health_says_when_questions_cannot_be_answered(make_app: Callable[..., Flask]) -> None:
    response = make_app(STREAMING_ENABLED="off").test_client().get("/api/stream/health")

    assert response.status_code == 503
    assert response.json["status"] == "unhealthy"


@pytest.mark.slow
@pytest.mark.req("U16", "U18")
def test_detailed_logs_tell_sizes_and_never_words(
    make_app: Callable[..., Flask], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        Student(make_app(ENABLE_LOGS="true", BUILTIN_PACE_MS="0")).ask("What is photosynthesis?")

    made = [record for record in caplog.records if record.getMessage() == "prompt made"]
    read = [record for record in caplog.records if record.getMessage() == "answer read"]
    assert made[0].__dict__["prompt_characters"] > 0
    assert read[0].__dict__["finish_reason"] == "stop"
    assert "photosynthesis" not in " ".join(str(record.__dict__) for record in made + read).lower()
