"""Problems and submissions in the tutor's API."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from services.store import users
from services.store.problems import MAX_PROBLEMS
from tests.blueprints.streams import Streams
from tests.factories import make_problems

PROBLEM = {"title": "Count the odd ones", "statement": "Given a list of numbers, count those that are odd."}
SUBMISSION = {
    "problem_id": "",
    "session_id": "s1",
    "code": "def solve(watts, budget):\n    return None",
    "language": "python",
    "status": "failed",
    "visible_passed": 1,
    "visible_total": 4,
    "hidden_passed": 0,
    "hidden_total": 5,
    "categories": ["empty input"],
}


@pytest.fixture
def problem_id(signed_in: FlaskClient) -> str:
    return str(signed_in.get("/v1/tutor/problems").json["problems"][0]["id"])


@pytest.mark.slow
@pytest.mark.req("T26", "T30")
def test_a_submission_is_kept_and_reaches_the_next_answer(
    ask: Callable[..., Any], streams: Streams, signed_in: FlaskClient, problem_id: str
) -> None:
    kept = signed_in.post("/v1/tutor/submissions", json={**SUBMISSION, "problem_id": problem_id})

    assert kept.status_code == 201
    assert kept.json["id"]
    with streams.open(ask().json["stream_url"]) as stream:
        stream.until("message.end")
    assert "1" in stream.text("message.delta", "content")


@pytest.mark.slow
def test_a_submission_of_nonsense_names_every_field(signed_in: FlaskClient) -> None:
    response = signed_in.post("/v1/tutor/submissions", json={"visible_passed": 3, "visible_total": 1})

    assert response.status_code == 400
    assert {error["field"] for error in response.json["errors"]} >= {"problem_id", "code", "language", "status"}


@pytest.mark.slow
@pytest.mark.req("T26")
def test_a_problem_of_ones_own_can_be_asked_about(
    ask: Callable[..., Any], streams: Streams, signed_in: FlaskClient, make_signed_in: Callable[..., FlaskClient]
) -> None:
    made = signed_in.post("/v1/tutor/problems", json=PROBLEM)
    problem_id = made.json["id"]

    assert made.status_code == 201
    assert signed_in.get(f"/v1/tutor/problems/{problem_id}").json["title"] == PROBLEM["title"]
    assert make_signed_in("eve@example.org").get(f"/v1/tutor/problems/{problem_id}").status_code == 404
    assert signed_in.post("/v1/tutor/problems", json=PROBLEM).status_code == 409
    with streams.open(ask(problem_id=problem_id).json["stream_url"]) as stream:
        assert stream.until("message.end")[-1].json["finish_reason"] == "stop"


def test_a_bundled_id_cannot_be_taken(signed_in: FlaskClient, problem_id: str) -> None:
    assert signed_in.post("/v1/tutor/problems", json={**PROBLEM, "id": problem_id}).status_code == 409


@pytest.mark.slow
@pytest.mark.req("T27")
def test_the_bank_shows_neither_solutions_nor_hidden_tests(signed_in: FlaskClient) -> None:
    problems = signed_in.get("/v1/tutor/problems").json["problems"]

    assert len(problems) >= 24
    for problem in problems:
        for query in ("", "?format=json", "?format=markdown"):
            text = signed_in.get(f"/v1/tutor/problems/{problem['id']}{query}").text
            assert "def solve" not in text
            assert "hidden_tests" not in json.dumps(text) or '"hidden_tests": []' in text


@pytest.mark.slow
def test_an_export_can_be_imported_under_another_id(signed_in: FlaskClient) -> None:
    signed_in.post("/v1/tutor/problems", json=PROBLEM)
    listed = signed_in.get("/v1/tutor/problems").json["problems"]
    own = next(problem for problem in listed if problem["own"])
    source = signed_in.get(f"/v1/tutor/problems/{own['id']}?format=markdown").text

    imported = signed_in.post("/v1/tutor/problems", data={"source": source.replace(own["id"], "another-one")})

    assert imported.status_code == 201
    assert imported.json["id"] == "another-one"
    assert imported.json["statement"].strip() == PROBLEM["statement"]


@pytest.mark.slow
def test_a_problem_of_ones_own_can_be_deleted(
    signed_in: FlaskClient, make_signed_in: Callable[..., FlaskClient], problem_id: str
) -> None:
    first = signed_in.post("/v1/tutor/problems", json=PROBLEM).json["id"]
    eve = make_signed_in("eve@example.org")

    assert eve.delete(f"/v1/tutor/problems/{first}").status_code == 404
    assert signed_in.delete(f"/v1/tutor/problems/{problem_id}").status_code == 404, "the bank's are nobody's"
    assert signed_in.delete(f"/v1/tutor/problems/{first}").status_code == 204
    assert signed_in.get(f"/v1/tutor/problems/{first}").status_code == 404

    second = signed_in.post("/v1/tutor/problems", json=PROBLEM).json["id"]
    gone = signed_in.post(f"/v1/tutor/problems/{second}/delete", headers={"Accept": "text/html"})
    assert (gone.status_code, gone.location) == (303, "/tutor")
    assert signed_in.get(f"/v1/tutor/problems/{second}").status_code == 404


@pytest.mark.slow
def test_over_the_cap_a_problem_is_refused_with_the_cap(app: Flask, signed_in: FlaskClient) -> None:
    database = app.extensions["rill"].database
    (user_id,) = database.run(lambda s: [users.by_email(s, "ada@example.org").id])
    database.run(make_problems, user_id, MAX_PROBLEMS)

    refused = signed_in.post("/v1/tutor/problems", json=PROBLEM)
    form = signed_in.post("/v1/tutor/problems", data=PROBLEM, headers={"Accept": "text/html"})

    assert (refused.status_code, refused.json["code"]) == (409, "TOO_MANY_PROBLEMS")
    assert (refused.json["limit"], refused.json["current"]) == (MAX_PROBLEMS, MAX_PROBLEMS)
    assert form.status_code == 409
    assert f"You have {MAX_PROBLEMS} problems" in form.text
    assert PROBLEM["statement"] in form.text, "what was written is kept"
