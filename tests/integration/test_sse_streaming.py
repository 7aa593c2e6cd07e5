"""The specification's integration tests of the search's streams, under their names (REQUIREMENTS Q7, Q20).

On a whole site: the document comes in through the API and is read, cut and embedded by the ingestion.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from blueprints.tickets import login_jwt
from services import settings
from tests.blueprints.streams import Stream
from tests.factories import make_user
from tests.sse import Frame

SSE: Final = {"Accept": "text/event-stream"}
JSON: Final = {"Accept": "application/json"}
DOCUMENT: Final = """\
# Authentication

## OAuth

OAuth 2.0 is an authorization framework. A client gets an access token from the authorization server and sends it with
every request.

## Sessions

A session ends after thirty minutes without a request. Signing out ends it at once.
"""
QUESTION: Final = "What does a client get from the authorization server?"

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def site(valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    environ = {
        "DATA_DIR": str(tmp_path_factory.mktemp("integration")),
        "SECRET_KEY": "a secret for the site of the integration tests",
        "REDIS_URL": f"{valkey_url}?db=1",
        "BUILTIN_PACE_MS": "1",
        "SEARCH_RATE_LIMIT": "1000/minute",
    }
    made = create_app(settings.load(environ))
    services = made.extensions["rill"]
    services.database.migrate()
    services.start()
    yield made
    services.close()


@pytest.fixture(scope="module")
def client(site: Flask) -> FlaskClient:
    """A program of somebody's who has put in a document, which can be found."""
    user = site.extensions["rill"].database.run(make_user)
    with site.app_context():
        token = login_jwt(user)[0]
    client = site.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    base = client.post("/api/v1/kbs", json={"name": "Guides"}).json
    sent = client.post(f"/api/v1/kbs/{base['id']}/documents", json={"name": "auth.md", "text": DOCUMENT})
    assert sent.status_code == 202, sent.text
    # The stream of progress ends when everything is at rest.
    with Stream(client.get(f"/api/v1/kbs/{base['id']}/progress", headers=SSE)) as stream:
        stream.rest()
    state = client.get(f"/api/v1/documents/{sent.json[0]['id']}").json
    assert state["status"] == "ready", state
    return client


@pytest.fixture
def search(client: FlaskClient) -> Callable[..., list[Frame]]:
    """The events of an answer, read to their end."""

    def ask(query: str = QUESTION, **headers: str) -> list[Frame]:
        response = client.post("/api/v1/search", json={"query": query, "kb_ids": []}, headers={**SSE, **headers})
        assert response.status_code == 200, response.text
        with Stream(response) as stream:
            return stream.rest()

    return ask


@pytest.mark.slow
@pytest.mark.req("Q3", "Q7", "Q17", "Q20")
def test_search_with_sse_accept_header_returns_event_stream(client: FlaskClient) -> None:
    response = client.post("/api/v1/search", json={"query": QUESTION, "kb_ids": []}, headers=SSE)

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-cache"
    with Stream(response) as stream:
        assert stream.rest()


@pytest.mark.req("Q4", "Q7")
def test_sse_events_streamed_in_correct_order(search: Callable[..., list[Frame]]) -> None:
    names = [frame.name for frame in search()]

    assert set(names) == {"token", "citation", "done"}
    assert names == sorted(names, key=["token", "citation", "done"].index), "tokens, then citations, then done"
    assert names.count("done") == 1


@pytest.mark.slow
@pytest.mark.req("Q1", "Q7", "Q8")
def test_sse_token_events_contain_incremental_text(search: Callable[..., list[Frame]], client: FlaskClient) -> None:
    tokens = [frame.json["text"] for frame in search() if frame.name == "token"]

    assert len(tokens) > 1, "as it grows; how much comes at once is up to what else the machine does"
    assert all(isinstance(token, str) and token for token in tokens)
    text = "".join(tokens)
    assert "access token from the authorization server" in text
    whole = client.post("/api/v1/search", json={"query": QUESTION}, headers=JSON).json
    assert text == whole["answer"]


@pytest.mark.req("Q4", "Q7", "Q8")
def test_sse_citation_events_contain_metadata(search: Callable[..., list[Frame]]) -> None:
    frames = search()

    citations: list[Mapping[str, Any]] = [frame.json for frame in frames if frame.name == "citation"]
    assert [citation["number"] for citation in citations] == list(range(1, len(citations) + 1))
    first = citations[0]
    assert first["document_name"] == "auth.md"
    assert "access token" in first["excerpt"]
    assert first["heading"].endswith("OAuth")
    assert first["excerpt"].removesuffix("…")[:40] in DOCUMENT[first["start"] : first["end"]]
    text = "".join(frame.json["text"] for frame in frames if frame.name == "token")
    assert all(f"[{citation['number']}]" in text for citation in citations)


@pytest.mark.req("Q5", "Q7")
def test_sse_reconnection_resumes_from_last_event(search: Callable[..., list[Frame]], client: FlaskClient) -> None:
    """Deferred, and skipped, in the specification; it holds here."""
    frames = search()
    seen = len(frames) // 2

    again = client.post(
        "/api/v1/search",
        json={"query": QUESTION, "kb_ids": []},
        headers={**SSE, "Last-Event-ID": frames[seen - 1].id},
    )
    with Stream(again) as stream:
        verdict, *rest = stream.rest()

    assert verdict.json["verdict"] == "exact"
    text = "".join(frame.json["text"] for frame in frames[:seen] + rest if frame.name == "token")
    assert text == "".join(frame.json["text"] for frame in frames if frame.name == "token")
    assert [frame.data for frame in rest if frame.name != "token"] == [
        frame.data for frame in frames[seen:] if frame.name != "token"
    ]


@pytest.mark.req("Q6", "Q7", "Q12")
def test_search_without_sse_header_returns_non_streaming(client: FlaskClient) -> None:
    response = client.post("/api/v1/search", json={"query": QUESTION, "kb_ids": []}, headers=JSON)

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    told = response.json
    assert {"answer", "citations", "confidence_score", "results"} <= set(told)
    assert told["citations"][0]["document_name"] == "auth.md"
    assert 0 < told["confidence_score"] <= 100
