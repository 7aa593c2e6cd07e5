"""The study chat's pages as a server makes them: whose they are, what they hold, files without script."""

import io
import re
import secrets
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from blueprints import study_pages
from services.assistants.study import notes
from services.assistants.study.input import MAX_MEDIA
from tests.sites import sign_up

PAGE = {"Accept": "text/html"}
HTMX = {"Accept": "text/html, text/event-stream", "HX-Request": "true"}
ASK = "/api/stream/stream-conversation"
TEXT = b"Blue light is scattered more than red light."


@pytest.fixture
def newcomer(plain: Flask) -> FlaskClient:
    """Somebody on a site that answers as fast as it can."""
    return sign_up(plain.test_client(), f"{secrets.token_hex(6)}@example.org")


@pytest.fixture
def ben(plain: Flask) -> FlaskClient:
    """Somebody else there."""
    return sign_up(plain.test_client(), f"{secrets.token_hex(6)}@example.org")


def asked(client: FlaskClient, message: str = "What is photosynthesis?", **fields: str) -> dict[str, Any]:
    """The places of an answer that has begun."""
    sent = client.post(ASK, json={"message": message, **fields}, headers={"Accept": "application/json"})
    assert sent.status_code == 201, sent.text
    body: dict[str, Any] = sent.json
    return body


def ended(client: FlaskClient, places: dict[str, Any]) -> str:
    """Wait for the end of an answer; its conversation."""
    client.get(places["stream_url"], headers={"Accept": "text/event-stream"}).get_data()
    return str(places["interaction_id"])


def attach(client: FlaskClient, data: bytes = TEXT, name: str = "optics.txt", **fields: Any) -> TestResponse:
    """Send a file as a page without script does."""
    return client.post("/study/files", data={"file": (io.BytesIO(data), name), **fields}, headers=PAGE)


def attached(html: str) -> list[str]:
    """The files that go with the next message."""
    return re.findall(r'name="media" value="([^"]+)">\s*</li>', html)


def test_a_new_conversation_begins_with_what_a_link_hands_over(newcomer: FlaskClient) -> None:
    html = newcomer.get("/study?q=%3Cb%3EWhy%3F", headers=PAGE).text

    assert "&lt;b&gt;Why?</textarea>" in html
    assert "<b>Why?" not in html


@pytest.mark.slow
def test_a_conversation_is_its_owners_only(newcomer: FlaskClient, ben: FlaskClient) -> None:
    conversation_id = ended(newcomer, asked(newcomer))

    mine = newcomer.get(f"/study/{conversation_id}", headers=PAGE)
    assert mine.status_code == 200
    assert "What is photosynthesis?" in mine.text
    assert ben.get(f"/study/{conversation_id}", headers=PAGE).status_code == 404
    assert newcomer.get("/study/nothing", headers=PAGE).status_code == 404


def test_another_assistants_conversation_is_not_shown_as_one_of_study(newcomer: FlaskClient) -> None:
    question = {"session_id": "s", "problem_id": "odd-sock", "message": "Where do I begin?"}
    sent = newcomer.post("/v1/tutor/messages", json=question, headers={"Accept": "application/json"})
    assert sent.status_code == 201, sent.text
    conversation_id = newcomer.get("/api/conversations").json["conversations"][0]["id"]

    assert newcomer.get(f"/study/{conversation_id}", headers=PAGE).status_code == 404


@pytest.mark.slow
def test_htmx_gets_the_turn_and_what_the_page_must_know_of_it(newcomer: FlaskClient) -> None:
    sent = newcomer.post(ASK, data={"message": "What is <i>light</i>?", "interaction_id": ""}, headers=HTMX)

    assert sent.status_code == 200
    stream_id = sent.headers["X-Stream-Id"]
    assert f'id="answer-{stream_id}"' in sent.text
    assert "What is &lt;i&gt;light&lt;/i&gt;?" in sent.text
    conversation_id = newcomer.get("/api/conversations").json["conversations"][0]["id"]
    assert f'data-page="/study/{conversation_id}"' in sent.text
    assert f'name="interaction_id" value="{conversation_id}" hx-swap-oob="true"' in sent.text
    again = newcomer.post(f"/api/streams/{stream_id}/stop", headers={"Accept": "application/json"})
    assert again.status_code == 200


@pytest.mark.slow
def test_a_retry_answers_htmx_with_the_turn_and_its_versions(newcomer: FlaskClient) -> None:
    places = asked(newcomer)
    ended(newcomer, places)

    sent = newcomer.post(f"/api/streams/{places['stream_id']}/retry", headers=HTMX)

    assert sent.status_code == 200
    assert "2 of 2" in sent.text
    assert "What is photosynthesis?" in sent.text
    assert sent.headers["X-Stream-Id"] != places["stream_id"]


@pytest.mark.slow
def test_the_page_says_what_an_answer_cost_and_what_is_left(newcomer: FlaskClient) -> None:
    places = asked(newcomer)
    conversation_id = ended(newcomer, places)
    html = newcomer.get(f"/study/{conversation_id}", headers=PAGE).text

    cost = re.search(r"<dt>Cost</dt><dd>(\d+) point", html)
    assert cost, html
    spent = newcomer.get("/api/points").json["spent"]
    assert int(cost[1]) == spent
    assert f"<strong>{1000 - spent}</strong>" in html


@pytest.mark.slow
@pytest.mark.req("U4", "D2-1")
def test_files_are_attached_one_by_one_without_script(newcomer: FlaskClient) -> None:
    first = attach(newcomer)
    assert first.status_code == 303
    page = newcomer.get(first.location, headers=PAGE)
    held = attached(page.text)
    assert len(held) == 1

    second = attach(newcomer, b"Red light goes straight.", "red.txt", media=held)
    page = newcomer.get(second.location, headers=PAGE)

    assert len(attached(page.text)) == 2
    assert attached(page.text)[0] == held[0]
    assert "optics.txt" in page.text


@pytest.mark.slow
def test_attaching_comes_back_to_its_conversation(newcomer: FlaskClient) -> None:
    conversation_id = ended(newcomer, asked(newcomer))

    sent = attach(newcomer, interaction_id=conversation_id)

    assert sent.location.startswith(f"/study/{conversation_id}?file=")


@pytest.mark.slow
def test_a_file_that_is_refused_says_why_and_keeps_the_others(newcomer: FlaskClient) -> None:
    held = attached(newcomer.get(attach(newcomer).location, headers=PAGE).text)

    refused = attach(newcomer, b"MZ\x90\x00" * 100, "virus.exe", media=held)

    assert refused.status_code == 415
    problem = re.search(r'id="attach-problem" role="alert">([^<]+)<', refused.text)
    assert problem
    assert attached(refused.text) == held


@pytest.mark.slow
def test_a_message_takes_so_many_files_and_no_more(newcomer: FlaskClient) -> None:
    held = attached(newcomer.get(attach(newcomer).location, headers=PAGE).text)

    refused = attach(newcomer, b"One more.", "more.txt", media=held * MAX_MEDIA)

    assert refused.status_code == 400
    assert f"at most {MAX_MEDIA}" in refused.text
    assert len(newcomer.get("/api/media").json["media"]) == 1


@pytest.mark.slow
def test_somebody_elses_file_is_not_attached(newcomer: FlaskClient, ben: FlaskClient) -> None:
    held = attached(newcomer.get(attach(newcomer).location, headers=PAGE).text)

    html = ben.get(f"/study?file={held[0]}&file=nothing", headers=PAGE).text

    assert attached(html) == []
    assert "optics.txt" not in html


@pytest.mark.parametrize("starter", study_pages._STARTERS)
def test_what_the_page_proposes_is_answered_without_a_model(starter: str) -> None:
    assert notes.best(starter) is not None


@pytest.mark.slow
@pytest.mark.req("D2-9")
def test_questions_that_go_on_from_the_answer_are_asked_by_pressing_them(newcomer: FlaskClient) -> None:
    conversation_id = ended(newcomer, asked(newcomer))

    page = newcomer.get(f"/study/{conversation_id}", headers=PAGE).text
    chips = page[page.index('class="related related--study"') :]
    chips = chips[: chips.index("</section>")]
    first = re.findall(r'name="message" value="([^"]+)"', chips)[0]

    assert f'action="{ASK}"' in chips
    assert f'name="interaction_id" value="{conversation_id}"' in chips, "without script too"
    assert first == "What do the notes say about “The cell”?"
    answer = newcomer.post(ASK, data={"message": first, "interaction_id": conversation_id}, headers=PAGE).text
    assert "The cell" in answer[answer.index("<article") :]


@pytest.mark.slow
def test_an_answer_that_found_nothing_has_no_questions_below_it(newcomer: FlaskClient) -> None:
    conversation_id = ended(newcomer, asked(newcomer, "Who won the cup in 1987?"))

    assert "related--study" not in newcomer.get(f"/study/{conversation_id}", headers=PAGE).text
