"""What questions of the study chat cost: points, the cache, rates and slots, repeated requests."""

from collections.abc import Callable
from typing import Any

import gevent
import pytest
from flask import Flask

from services.assistants.study import parse_message
from services.store import ledger
from tests.blueprints.students import CONVERSATION, JSON, SSE, Student, text_of
from tests.model_server import ModelServer, Script


@pytest.mark.slow
@pytest.mark.req("U1", "U13", "R31")
def test_the_same_question_costs_nothing_the_second_time_and_says_why(student: Student) -> None:
    first = student.ask("What is a cell?")
    second = student.ask("What is a cell?")
    plainly = student.post("What is a cell?", headers=JSON)
    with student.follow(plainly.json["stream_id"]) as stream:
        third = [frame.json for frame in stream.rest()]

    for events in (second, third):
        assert events[0]["cached"] is True
        assert (events[-1]["cached"], events[-1]["points_cost"], events[-1]["tokens_used"]) == (True, 0, 0)
        assert events[-1]["content"] == first[-1]["content"]
        assert events[-1]["citations"] == first[-1]["citations"]
    student.settle()
    assert student.points()["spent"] == first[-1]["points_cost"]
    assert student.points()["reserved"] == 0


@pytest.mark.slow
@pytest.mark.req("U13")
def test_the_same_question_right_after_its_answer_is_the_same_question(student: Student) -> None:
    first = student.ask("What is a cell?")

    again = student.ask("What is a cell?", interaction_id=first[0]["interaction_id"])

    assert again[-1]["cached"] is True
    assert again[-1]["content"] == first[-1]["content"]


@pytest.mark.slow
@pytest.mark.req("U13")
def test_fresh_asks_anew_and_is_paid(student: Student) -> None:
    first = student.ask("What is a cell?")

    fresh = student.ask("What is a cell?", fresh=True)

    assert fresh[-1]["cached"] is False
    assert fresh[-1]["points_cost"] == first[-1]["points_cost"]


@pytest.mark.slow
def test_trying_a_cached_answer_again_asks_anew(student: Student) -> None:
    student.ask("What is a cell?")
    cached = student.ask("What is a cell?")
    student.settle()

    again = student.client.post(f"/api/streams/{cached[0]['stream_id']}/retry", headers=JSON)
    with student.follow(again.json["stream_id"]) as stream:
        events = [frame.json for frame in stream.rest()]

    assert events[-1]["cached"] is False
    assert events[-1]["points_cost"] > 0


@pytest.mark.slow
@pytest.mark.req("U13")
@pytest.mark.parametrize("other", [{"max_tokens": 77}, {"length": "short"}])
def test_another_limit_is_another_question(student: Student, other: dict[str, Any]) -> None:
    student.ask("What is a cell?")

    assert student.ask("What is a cell?", **other)[-1]["cached"] is False


@pytest.mark.slow
@pytest.mark.req("U13")
def test_nobody_gets_anybody_elses_answer_from_the_cache(student: Student, plain: Flask) -> None:
    student.ask("What is a cell?")

    assert Student(plain).ask("What is a cell?")[-1]["cached"] is False


@pytest.mark.slow
@pytest.mark.req("R31")
def test_without_points_it_is_402_before_any_stream(make_shared: Callable[..., Flask]) -> None:
    poor = Student(make_shared(STUDY_POINTS="3"))

    refused = poor.post("What is photosynthesis?")

    assert refused.status_code == 402
    assert refused.json["code"] == "POINTS_EXHAUSTED"
    assert refused.json["needed"] > refused.json["current"] >= 0
    assert refused.json["resets_at"]
    assert poor.client.get("/api/conversations").json["conversations"] == []
    assert poor.client.get("/api/streams").json == {"streams": []}


@pytest.mark.slow
@pytest.mark.req("U16", "R1", "R7")
def test_a_third_answer_at_once_is_429_and_costs_nothing(modelled_student: Student, model: ModelServer) -> None:
    model.play("stall-after-1", "stall-after-1")
    running = [modelled_student.post(f"Question {number}?") for number in range(2)]

    refused = modelled_student.post("A third?")

    assert refused.status_code == 429
    assert (refused.json["limit"], refused.json["current"]) == (2, 2)
    assert int(refused.headers["Retry-After"]) >= 1
    held = modelled_student.points()["reserved"]
    for response in running:
        modelled_student.client.delete(response.headers["Content-Location"])
        response.close()
    assert held > 0
    assert len(modelled_student.client.get("/api/conversations").json["conversations"]) == 2


@pytest.mark.slow
@pytest.mark.req("U13", "U16", "R7")
def test_questions_have_a_rate(make_app: Callable[..., Flask]) -> None:
    hasty = Student(make_app(STUDY_RATE_LIMIT="2/minute", BUILTIN_PACE_MS="0"))
    hasty.ask("One?")
    hasty.ask("Two?")

    refused = hasty.post("Three?")

    assert refused.status_code == 429
    assert refused.json["code"] == "RATE_LIMITED"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60


@pytest.mark.slow
@pytest.mark.req("U11", "R4")
def test_coming_back_to_an_answer_is_not_counted_as_a_question(make_app: Callable[..., Flask]) -> None:
    hasty = Student(make_app(STUDY_RATE_LIMIT="2/minute", BUILTIN_PACE_MS="0"))
    stream_id = hasty.ask("One?")[0]["stream_id"]
    lost = {**SSE, "Last-Event-ID": f"{stream_id}-1"}

    back = [hasty.ask("One?", headers=lost)[-1]["type"] for _ in range(3)]
    malformed = hasty.client.post(CONVERSATION, data="{", content_type="application/json", headers=lost)
    refused = hasty.post("Three?", headers=lost)

    assert back == ["complete"] * 3
    assert (malformed.status_code, refused.status_code) == (400, 429)


@pytest.mark.req("R31")
@pytest.mark.parametrize("path", ["/api/points", "/points/meter"])
def test_who_has_read_an_answer_to_its_end_finds_it_paid(student: Student, path: str) -> None:
    cost = student.ask("What is a cell?", fresh=True)[-1]["points_cost"]

    told = student.client.get(path)

    assert cost > 0
    if path == "/api/points":
        assert (told.json["reserved"], told.json["spent"]) == (0, cost)
    else:
        assert f"{1000 - cost}" in told.text


@pytest.mark.req("R4")
def test_an_idempotency_key_attaches_to_the_first_answer(student: Student) -> None:
    key = {**SSE, "Idempotency-Key": "once"}

    first, again = student.ask("What is a cell?", headers=key), student.ask("What is a cell?", headers=key)
    other = student.post("Something else?", headers=key)

    assert again[0]["stream_id"] == first[0]["stream_id"]
    assert text_of(again) == text_of(first)
    assert again[-1]["cached"] is False
    assert other.status_code == 409
    assert other.json["code"] == "IDEMPOTENCY_MISMATCH"


@pytest.mark.slow
@pytest.mark.req("R31", "U16")
def test_of_fifty_at_once_on_a_balance_for_ten_exactly_ten_succeed(
    make_shared: Callable[..., Flask], model: ModelServer
) -> None:
    site = make_shared(
        OPENAI_BASE_URL=model.base_url,
        STUDY_POINTS="240",
        STUDY_MAX_STREAMS="60",
        USER_MAX_STREAMS="60",
        STUDY_RATE_LIMIT="1000/minute",
    )
    crowd = Student(site)
    desk = site.extensions["rill"].desk
    sent = parse_message({"message": "Why?", "fresh": True})
    assert desk.estimate(sent.message, desk.facts(crowd.user.id, sent, [])) == 24, "needs a price that fits ten times"
    model.script = Script(stall_after=1)

    asking = [gevent.spawn(crowd.post, "Why?", fresh=True, headers=JSON) for _ in range(50)]
    gevent.joinall(asking, timeout=30)
    statuses = [greenlet.get().status_code for greenlet in asking]

    assert sorted(statuses) == [201] * 10 + [402] * 40
    assert crowd.points()["reserved"] == 240
    assert len(crowd.client.get("/api/conversations").json["conversations"]) == 10
    crowd.stop_all()
    crowd.settle()
    balance = crowd.points()
    spent = [crowd.messages(row["id"])[-1] for row in crowd.client.get("/api/conversations").json["conversations"]]
    assert balance["reserved"] == 0
    assert balance["spent"] == sum(message["points_cost"] for message in spent)
    assert site.extensions["rill"].database.run(ledger.audit) == []
