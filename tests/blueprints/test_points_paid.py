"""The points' ledger with the study chat: what an answer costs is what is taken."""

from collections.abc import Callable
from typing import Any

import gevent
import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import sign_up
from tests.sse import Frame, frames

HTML = {"Accept": "text/html"}
JSON = {"Accept": "application/json"}
HTMX = {"HX-Request": "true", "Accept": "text/html"}


def estimate(client: FlaskClient, **fields: Any) -> Any:
    return client.post("/api/points/estimate", json={"message": "What is photosynthesis?", **fields})


def ask(client: FlaskClient, **fields: Any) -> Any:
    sent = {"message": "What is photosynthesis?", **fields}
    return client.post("/api/stream/stream-conversation", json=sent, headers={"Accept": "text/event-stream"})


def answered(client: FlaskClient) -> list[Frame]:
    """All that the answer to the usual question shows."""
    response = ask(client)
    assert response.status_code == 200, response.text
    return list(frames([response.data]))


def settled(client: FlaskClient) -> Any:
    """The balance once nothing is held any more: an answer is paid just after its last frame."""
    with gevent.Timeout(10, TimeoutError("points are still held")):
        while (now := client.get("/api/points").json)["reserved"]:
            gevent.sleep(0)
    return now


@pytest.mark.slow
@pytest.mark.req("U7", "R31")
def test_what_an_answer_says_it_cost_is_what_the_ledger_takes(make_app: Callable[..., Flask]) -> None:
    site = make_app(STUDY_POINTS="500")
    client = register_on(site)
    expected = estimate(client).json["points"]

    told = answered(client)

    last = told[-1].json
    assert last["type"] == "complete"
    assert last["points_cost"] == max(1, -(-last["tokens_used"] // 30))
    now = settled(client)
    assert (now["spent"], now["reserved"], now["left"]) == (last["points_cost"], 0, 500 - last["points_cost"])
    entries = client.get("/api/points/history").json["entries"]
    assert [entry["reserved"] for entry in entries if entry["kind"] == "reserve"] == [expected]


@pytest.mark.slow
@pytest.mark.req("U13")
def test_the_same_question_again_costs_nothing(make_app: Callable[..., Flask]) -> None:
    client = register_on(make_app())
    answered(client)
    before = settled(client)

    again = answered(client)

    assert estimate(client).json["cached"] is True
    assert (again[-1].json["points_cost"], again[-1].json.get("cached", again[0].json.get("cached"))) == (0, True)
    assert settled(client) == before


@pytest.mark.slow
@pytest.mark.req("R31")
def test_who_has_too_few_points_is_told_and_nothing_is_stored(make_app: Callable[..., Flask]) -> None:
    client = register_on(make_app(STUDY_POINTS="2"))

    refused = ask(client)

    assert refused.status_code == 402
    assert refused.content_type == "application/problem+json"
    assert refused.json["code"] == "POINTS_EXHAUSTED"
    assert (refused.json["limit"], refused.json["current"]) == (2, 0)
    assert refused.json["needed"] > 2
    assert refused.json["resets_at"] > "2026"
    assert client.get("/api/conversations").json["conversations"] == []
    assert client.get("/api/points/history").json["entries"] == []


@pytest.mark.slow
@pytest.mark.req("R31")
def test_another_try_and_an_edit_are_paid_for_like_questions(make_app: Callable[..., Flask]) -> None:
    client = register_on(make_app())
    response = ask(client)
    stream_id, spent = response.headers["X-Stream-Id"], list(frames([response.data]))[-1].json["points_cost"]
    settled(client)
    conversation = client.get("/api/conversations").json["conversations"][0]["id"]
    before = client.get(f"/api/conversations/{conversation}").json["messages"]
    client.put("/api/points/cap", json={"cap": spent + 1})

    retried = client.post(f"/api/streams/{stream_id}/retry", headers=JSON)
    edited = client.post(f"/api/messages/{before[0]['id']}/edit", json={"message": "What is a cell?"}, headers=JSON)

    assert (retried.status_code, edited.status_code) == (402, 402)
    assert client.get(f"/api/conversations/{conversation}").json["messages"] == before
    assert client.get("/api/streams").json["streams"] == [], "their slots are free again"
    client.put("/api/points/cap", json={"cap": None})
    assert client.post(f"/api/streams/{stream_id}/retry", headers=JSON).status_code == 201
    assert settled(client)["spent"] > spent


@pytest.mark.slow
@pytest.mark.req("R31")
def test_points_are_looked_at_before_slots_for_an_edit_and_another_try(make_app: Callable[..., Flask]) -> None:
    client = register_on(make_app(STUDY_MAX_STREAMS="1", BUILTIN_PACE_MS="10000"))
    first = ask(client)
    stream_id = first.headers["X-Stream-Id"]
    client.post(f"/api/streams/{stream_id}/stop")
    conversation = client.get("/api/conversations").json["conversations"][0]["id"]
    question = client.get(f"/api/conversations/{conversation}").json["messages"][0]["id"]
    holding = ask(client, message="What is a cell?")
    again = [
        lambda: client.post(f"/api/streams/{stream_id}/retry", headers=JSON),
        lambda: client.post(f"/api/streams/{stream_id}/continue", headers=JSON),
        lambda: client.post(f"/api/messages/{question}/edit", json={"message": "What is light?"}, headers=JSON),
    ]
    assert [asked().status_code for asked in again] == [429, 429, 429], "needs the only slot to be held"

    client.put("/api/points/cap", json={"cap": 1})

    assert [asked().status_code for asked in again] == [402, 402, 402]
    client.post(f"/api/streams/{holding.headers['X-Stream-Id']}/stop")


@pytest.mark.slow
@pytest.mark.parametrize(("headers", "whole"), [(HTML, True), (HTMX, False)])
def test_a_page_without_points_leads_to_what_explains_it(
    make_app: Callable[..., Flask], headers: dict[str, str], whole: bool
) -> None:
    client = register_on(make_app(STUDY_POINTS="2"))

    data = {"message": "What is photosynthesis?"}
    refused = client.post("/api/stream/stream-conversation", data=data, headers=headers)

    assert refused.status_code == 402
    assert 'role="alert"' in refused.text
    assert "of your 2 for this month are left" in refused.text
    assert 'href="/points"' in refused.text
    assert ("Not enough points" in refused.text) == whole


# -- the command


def register_on(site: Flask) -> FlaskClient:
    """Somebody's browser on a site of the test's own."""
    return sign_up(site.test_client(), "ada@example.org")
