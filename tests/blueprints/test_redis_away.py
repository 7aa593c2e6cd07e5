"""Redis away, by being closed or by hanging: starts are refused in time, pages render (DESIGN.md, "Limits")."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from services.store import users
from services.streaming.embedded_valkey import private_valkey
from tests.blueprints.conftest import same_person
from tests.blueprints.people import MESSAGES, PROBLEM, Person, text_of
from tests.clocks import within
from tests.conftest import sign_up
from tests.factories import make_answer
from tests.model_server import ModelServer
from tests.sse import frames

IN_TIME_S = 2.0
QUESTION = {"session_id": "s1", "problem_id": PROBLEM, "message": "How?"}
CHROMIUM = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def closed(make_shared: Callable[..., Flask], tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """A site whose Redis nobody listens for."""
    return make_shared(REDIS_URL=f"unix://{tmp_path_factory.mktemp('no')}/redis")


@pytest.fixture(scope="module")
def make_browser(closed: Flask, make_shared: Callable[..., Flask]) -> Callable[[str], FlaskClient]:
    """Browsers of people who registered while Redis was there."""
    open_site = make_shared(DATA_DIR=str(closed.extensions["rill"].settings.data_dir))
    return lambda email: same_person(closed, sign_up(open_site.test_client(), email))


@pytest.fixture
def person(closed: Flask, model: ModelServer) -> Person:
    return Person(closed, model)


@pytest.mark.slow
@pytest.mark.req("T41")
@pytest.mark.parametrize("accept", ["application/json", "text/html", "text/event-stream"])
def test_a_start_is_refused_in_time_and_says_when_to_come_back(person: Person, accept: str) -> None:
    with within(IN_TIME_S):
        refused = person.ask(headers={"Accept": accept, "Idempotency-Key": "k"})

    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1
    assert "redis" not in refused.text.lower()
    if accept != "text/html":
        assert refused.content_type == "application/problem+json"
        assert refused.json["code"] == "UNAVAILABLE"
    assert person.client.get("/api/conversations").json["conversations"] == []


@pytest.mark.req("D29", "D34")
def test_the_todo_agent_is_refused_by_status_and_its_sessions_are_there(person: Person) -> None:
    wish = {"messages": [{"role": "user", "content": "Add Milk"}], "session_id": "work"}

    with within(IN_TIME_S):
        refused = person.client.post("/api/todos/agent-create/stream", json=wish)

    assert (refused.status_code, refused.json["code"]) == (503, "UNAVAILABLE")
    assert person.client.get("/api/todos/sessions").json == {"sessions": [], "next": None}
    assert person.client.get("/api/todos").json["todos"] == []


@pytest.mark.slow
def test_the_list_of_todos_is_worked_on_as_ever(person: Person) -> None:
    html = {"Accept": "text/html"}

    with within(IN_TIME_S):
        assert person.client.post("/todos", data={"line": "Buy milk"}, headers=html).status_code == 303
        page = person.client.get("/todos", headers=html)

    assert (page.status_code, "Buy milk" in page.text) == (200, True)


@pytest.mark.req("T41")
def test_streams_are_refused_in_time_in_their_own_shape(person: Person) -> None:
    person.services.database.run(make_answer, person.user.id, stream_id="5eed")

    for method, url in (
        ("GET", "/api/streams/5eed"),
        ("GET", "/api/streams"),
        ("DELETE", "/api/streams/5eed"),
        ("POST", "/api/streams/5eed/stop"),
        ("POST", "/api/streams/5eed/continue"),
    ):
        with within(IN_TIME_S):
            refused = person.client.open(url, method=method)
        assert refused.status_code == 503, (method, url)
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.json["code"] == "UNAVAILABLE"
    with within(IN_TIME_S):
        as_html = person.client.get("/api/streams/5eed?view=html")
    fragment, close = frames([as_html.data])
    assert as_html.status_code == 200
    assert 'id="answer-5eed"' in fragment.data
    assert close.name == "close"


@pytest.mark.slow
@pytest.mark.req("T41")
def test_pages_and_history_are_shown_without_redis(closed: Flask, make_browser: Callable[[str], FlaskClient]) -> None:
    browser = make_browser("pages@example.org")
    database = closed.extensions["rill"].database
    user = database.run(users.by_email, "pages@example.org")
    answer = database.run(make_answer, user.id, client_name=f"page-{PROBLEM}", question="Which way?")

    for path in ("/", "/tutor", f"/tutor/{PROBLEM}", "/tutor/new", "/account"):
        with within(IN_TIME_S):
            page = browser.get(path, headers=CHROMIUM)
        assert page.status_code == 200, path
    assert "Which way?" in browser.get(f"/tutor/{PROBLEM}", headers=CHROMIUM).text
    read = browser.get(f"/api/conversations/{answer.conversation_id}")
    assert [message["role"] for message in read.json["messages"]] == ["user", "assistant"]
    assert browser.get("/v1/tutor/problems").status_code == 200


@pytest.fixture
def frozen(
    make_app: Callable[..., Flask], tmp_path: Path, model: ModelServer
) -> Iterator[tuple[Person, Callable[[int], None]]]:
    """Somebody on a site with a Redis of its own, and a way to send that a signal."""
    with private_valkey(tmp_path / "own") as url:
        site = make_app(REDIS_URL=url, OPENAI_BASE_URL=model.base_url, OPENAI_MODEL="scripted")
        pid = site.extensions["rill"].redis.info("server")["process_id"]
        try:
            yield Person(site, model), lambda number: os.kill(pid, number)
        finally:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.slow
@pytest.mark.req("T41")
def test_a_redis_that_hangs_costs_nobody_more_than_two_seconds_and_an_answer_nothing(
    frozen: tuple[Person, Callable[[int], None]], model: ModelServer
) -> None:
    person, send = frozen
    model.play("stall-after-6")
    stream_id = person.asked()["stream_id"]
    with person.follow(stream_id) as stream:
        person.read_words(stream, 3)
        send(signal.SIGSTOP)

        with within(IN_TIME_S):
            refused = person.ask()
        with within(IN_TIME_S):
            stop = person.client.delete(f"/api/streams/{stream_id}")
        with within(IN_TIME_S):
            page = person.client.get(f"/tutor/{PROBLEM}", headers=CHROMIUM)
        send(signal.SIGCONT)
        model.release()
        end = stream.until("message.end")[-1]

    assert (refused.status_code, stop.status_code, page.status_code) == (503, 503, 200)
    assert end.json["finish_reason"] in ("stop", "cancelled"), "the stop may have been heard after all"
    assert end.json["content_length"] == len(text_of(stream.frames))
    assert person.ask().status_code == 201


@pytest.mark.slow
def test_a_form_is_told_on_a_page(make_browser: Callable[[str], FlaskClient]) -> None:
    browser = make_browser("forms@example.org")

    page = browser.post(MESSAGES, data=QUESTION, headers=CHROMIUM)
    fragment = browser.post(MESSAGES, data=QUESTION, headers={"HX-Request": "true", "Accept": "*/*"})

    for shown in (page, fragment):
        assert shown.status_code == 503
        assert shown.mimetype == "text/html"
        assert int(shown.headers["Retry-After"]) >= 1
