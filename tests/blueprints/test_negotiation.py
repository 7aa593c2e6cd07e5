"""What the tutor answers to whom: places for programs, a connected element for htmx, a page for forms (R23)."""

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.blueprints.people import MESSAGES, PROBLEM, Person
from tests.blueprints.streams import Stream
from tests.conftest import sign_up
from tests.model_server import ModelServer, Script
from tests.sse import Frame

CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
HTMX_4 = {"Accept": "text/html, text/event-stream", "HX-Request": "true"}
HTMX_2 = {"Accept": "*/*", "HX-Request": "true"}
FORM = {"session_id": "s1", "problem_id": PROBLEM, "message": "How do I start?", "hint_level": "2"}


@pytest.fixture
def browser(modelled: Flask, model: ModelServer, request: pytest.FixtureRequest) -> FlaskClient:
    """A browser that somebody is signed in with by cookie."""
    address = re.sub(r"\W", "-", request.node.name)[:50]
    return sign_up(modelled.test_client(), f"{address}@example.org")


@pytest.mark.slow
@pytest.mark.req("T34", "T37", "R23", "A6-16")
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Accept": "*/*"},
        {"Accept": "application/json"},
        {"Accept": "text/event-stream"},
        {"Accept": "text/event-stream, application/json"},
        {"Accept": "application/json, text/html"},
        {"Accept": "image/png"},
    ],
    ids=str,
)
def test_programs_get_places_whatever_they_accept(person: Person, headers: dict[str, str]) -> None:
    for response in (person.ask(headers=headers), person.client.post(MESSAGES, data=FORM, headers=headers)):
        assert response.status_code == 201
        assert response.content_type == "application/json"
        assert set(response.json) == {"stream_id", "stream_url", "stop_url"}


@pytest.mark.req("T42", "R23", "R30", "A6-16")
@pytest.mark.parametrize("headers", [HTMX_4, HTMX_2], ids=["htmx 4", "htmx 2"])
@pytest.mark.parametrize("kind", ["json", "data"])
def test_htmx_gets_the_connected_element(
    browser: FlaskClient, model: ModelServer, headers: dict[str, str], kind: str
) -> None:
    model.play("stall-after-3")

    response = browser.post(MESSAGES, headers=headers, **{kind: FORM})

    assert response.status_code == 200, response.text
    assert response.mimetype == "text/html"
    assert "<html" not in response.text
    stream_id = response.headers["X-Stream-Id"]
    element = re.search(rf'<[a-z]+ id="answer-{stream_id}"[^>]*>', response.text)
    assert element, response.text
    assert f"/api/streams/{stream_id}?view=html" in element[0]
    assert browser.get(f"/api/streams/{stream_id}?view=html").status_code == 200


@pytest.mark.slow
@pytest.mark.req("R23", "R30")
def test_a_plain_form_gets_a_page_that_the_answer_streams_into(browser: FlaskClient, model: ModelServer) -> None:
    model.play(Script(text="First <b>x</b>.\n\nSecond one.\n\nThird.", stall_after=4))
    token = browser.environ_base.pop("HTTP_X_CSRF_TOKEN")

    response = browser.post(MESSAGES, data={**FORM, "csrf_token": token}, headers={"Accept": CHROMIUM}, buffered=False)
    chunks = iter(response.response)
    page = next(chunks)
    while b"Second" not in page:
        if b"First" in page:
            model.release()
        page += next(chunks)
    page += b"".join(chunks)
    response.close()

    assert response.status_code == 200
    assert response.mimetype == "text/html"
    stream_id = response.headers["X-Stream-Id"]
    assert response.headers["Content-Location"] == f"/api/streams/{stream_id}"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Accel-Buffering"] == "no"
    html = page.decode()
    assert html.startswith("<!doctype html>")
    assert html.rstrip().endswith("</html>")
    assert f'id="answer-{stream_id}"' in html
    assert html.index("First") < html.index("Second") < html.index("Third")
    assert "<script" not in html


@pytest.mark.req("R25")
@pytest.mark.parametrize(
    ("headers", "kind"),
    [(HTMX_4, "text/html"), ({"Accept": CHROMIUM}, "text/html"), ({}, "application/problem+json")],
    ids=["htmx", "form", "program"],
)
def test_a_refusal_has_its_status_in_every_shape(browser: FlaskClient, headers: dict[str, str], kind: str) -> None:
    for fields, status in (({**FORM, "message": ""}, 400), ({**FORM, "problem_id": "nothing"}, 404)):
        response = browser.post(MESSAGES, data=fields, headers=headers)

        assert response.status_code == status
        assert response.mimetype == kind
    assert "X-Stream-Id" not in response.headers


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["continue", "retry"])
def test_going_on_has_the_same_shapes(person: Person, verb: str) -> None:
    stream_id, _ = person.stopped()
    url = f"/api/streams/{stream_id}/{verb}"

    places = person.client.post(url, headers={"Accept": "text/event-stream"})
    fragment = person.client.post(url, headers=HTMX_4)
    page: Any = person.client.post(url, headers={"Accept": CHROMIUM})

    assert places.status_code == 201
    assert fragment.status_code == 200
    new_id = fragment.headers["X-Stream-Id"]
    assert f'id="answer-{new_id}"' in fragment.text
    assert f"/api/streams/{new_id}?view=html" in fragment.text
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert "word19" in page.text


@pytest.mark.slow
def test_a_page_with_htmx_2_that_says_so_gets_an_element_that_it_can_connect(browser: FlaskClient) -> None:
    asked = browser.post(MESSAGES, data=FORM, headers={**HTMX_2, "HX-Version": "2"})
    other = browser.post(MESSAGES, data={**FORM, "session_id": "s2"}, headers=HTMX_2)

    url = f"/api/streams/{asked.headers['X-Stream-Id']}?view=html"
    assert f'hx-ext="sse" sse-connect="{url}" sse-swap="message" sse-close="close" hx-swap="none"' in asked.text
    assert "hx-sse:connect" not in asked.text
    assert "hx-sse:connect" in other.text
    assert "sse-swap" not in other.text


@pytest.mark.slow
def test_a_form_that_stops_goes_back_to_its_page(person: Person, model: ModelServer) -> None:
    model.play("stall-after-6")
    stream_id = person.asked()["stream_id"]
    headers = {"Accept": CHROMIUM, "Referer": f"http://localhost/tutor/{PROBLEM}"}

    response = person.client.post(f"/api/streams/{stream_id}/stop", headers=headers)

    assert response.status_code == 303
    assert response.location == f"/tutor/{PROBLEM}"
    elsewhere = {"Accept": CHROMIUM, "Referer": "http://localhost.evil.example//evil.example"}
    assert person.client.post(f"/api/streams/{stream_id}/stop", headers=elsewhere).location == "/"
    odd = {"Accept": CHROMIUM, "Referer": "http://localhost//evil.example"}
    assert not person.client.post(f"/api/streams/{stream_id}/stop", headers=odd).location.startswith("//")


@pytest.mark.req("R23")
@pytest.mark.parametrize("accept", ["text/event-stream", "*/*", CHROMIUM, "text/event-stream, application/json", ""])
def test_a_stream_is_a_stream_to_all_who_do_not_ask_for_json(person: Person, accept: str) -> None:
    stream_id, _ = person.answered()

    with Stream(person.client.get(f"/api/streams/{stream_id}", headers={"Accept": accept})) as stream:
        frames: list[Frame] = stream.until("message.end")

    assert frames[0].name == "stream.start"
