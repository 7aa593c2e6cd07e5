"""The specifications' own tests, under their own names (REQUIREMENTS T39, T40, U14, D31, D32), against this product."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient

from services.assistants import problem_bank
from services.streaming.wire import frame
from tests.conftest import PASSWORD, sign_up
from tests.model_scripts import Script
from tests.model_server import ModelServer
from tests.sse import Reader, frames

PROBLEM = next(iter(problem_bank.bundled()))


def ask(client: FlaskClient, **fields: Any) -> Any:
    body = {"session_id": "session_1", "problem_id": PROBLEM, "message": "I need a hint", **fields}
    return client.post("/v1/tutor/messages", json=body)


@pytest.fixture
def slow(make_app: Callable[..., Flask]) -> FlaskClient:
    """Somebody on a site whose answers take seconds."""
    return sign_up(make_app(BUILTIN_PACE_MS="500").test_client(), "ada@example.org")


@pytest.mark.req("T16", "T39", "A6-1")
def test_sse_message_formatting() -> None:
    message = frame({"content": "Grüße\nvon hier", "type": "markdown"}, name="message.delta", event_id="s-1")

    text = message.decode()
    assert "id: s-1\n" in text
    assert "event: message.delta\n" in text
    assert "data: " in text
    assert "Grüße" in text
    assert text.endswith("\n\n")
    # Two in a row are two events to a browser.
    first, second = frames([message, message])
    assert first == second
    assert (first.name, first.id) == ("message.delta", "s-1")
    assert first.json == {"content": "Grüße\nvon hier", "type": "markdown"}


@pytest.mark.req("T16", "A6-1", "A6-15")
def test_a_message_is_the_same_wherever_it_is_cut() -> None:
    message = frame({"content": "👋🏽 Grüße"}, name="message.delta", event_id="s-1") * 2
    whole = list(frames([message]))

    for place in range(len(message)):
        reader = Reader()
        assert reader.feed(message[:place]) + reader.feed(message[place:]) == whole


@pytest.mark.req("T19", "T20", "T21", "T39")
def test_stream_creation(slow: FlaskClient, app: Flask) -> None:
    created = ask(slow)

    assert created.status_code == 201
    stream_id = created.json["stream_id"]
    assert created.json["stream_url"].startswith("/v1/tutor/stream?token=")
    assert [stream["stream_id"] for stream in slow.get("/api/streams").json["streams"]] == [stream_id]
    # Kept in Redis, for every worker, with a time to live; what to answer is kept with the conversation.
    redis = app.extensions["rill"].redis
    kept = [key for key in redis.scan_iter("rill:*") if stream_id.encode() in key]
    assert kept
    assert all(redis.ttl(key) > 0 for key in kept)
    # Another worker, with nothing in its memory, finds the stream and its context.
    state = app.extensions["rill"].log.state(1, stream_id)
    assert (state.status, state.assistant) == ("running", "tutor")


@pytest.mark.req("T4", "T18", "T23", "T39", "A6-3")
def test_concurrent_stream_limit(slow: FlaskClient) -> None:
    first, second = ask(slow), ask(slow, session_id="session_2")

    third = ask(slow, session_id="session_3")

    assert (first.status_code, second.status_code) == (201, 201)
    assert third.status_code == 429
    assert third.json["detail"] == "User has reached maximum concurrent streams (2)"
    assert slow.delete(first.json["stop_url"]).json["message"] == "Stream closed"
    assert ask(slow, session_id="session_3").status_code == 201


@pytest.mark.req("T2", "T5", "T7", "T8", "T40", "T42", "A6-1")
def test_tutor_stream_flow(signed_in: FlaskClient) -> None:
    created = ask(signed_in, hint_level=1)
    assert created.status_code == 201

    seen = []
    response = signed_in.get(created.json["stream_url"], headers={"Accept": "text/event-stream"})
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/event-stream"
    for event in frames(response.response):
        seen.append(event)
        if event.name == "message.end":
            break
    response.close()

    names = [event.name for event in seen]
    assert names[:2] == ["stream.start", "message.start"]
    assert names.count("message.delta") > 1
    assert names[-1] == "message.end"
    assert "".join(event.json["content"] for event in seen if event.name == "message.delta").strip()
    assert {"total_tokens", "finish_reason"} <= set(seen[-1].json)


class StreamingClient:
    """The study chat's test client as its specification has it: four checks, named there (U14)."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def health_check(self) -> Any:
        return self.client.get("/api/stream/health")

    def stream_simple(self, message: str) -> list[Any]:
        response = self.client.get("/api/stream/stream-simple", query_string={"message": message})
        return self.read(response)

    def stream_conversation(self, message: str, **fields: Any) -> list[Any]:
        headers = {"Accept": "text/event-stream", "Content-Type": "application/json"}
        body = {"message": message, "media_files": [], "max_tokens": 5000, **fields}
        return self.read(self.client.post("/api/stream/stream-conversation", json=body, headers=headers))

    def read(self, response: Any) -> list[Any]:
        """Line by line, as the specification's client does."""
        assert response.status_code == 200, response.text
        lines = response.get_data(as_text=True).split("\n")
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]


@pytest.fixture
def study(signed_in: FlaskClient) -> StreamingClient:
    return StreamingClient(signed_in)


@pytest.mark.req("U10", "U14")
def test_health_check(study: StreamingClient) -> None:
    answer = study.health_check()

    assert answer.status_code == 200
    assert {"status": "healthy", "service": "interaction-streaming"}.items() <= answer.json.items()
    assert isinstance(answer.json["timestamp"], float)


@pytest.mark.req("U9", "U14")
def test_simple_streaming(study: StreamingClient) -> None:
    events = study.stream_simple("What is photosynthesis?")

    assert {event["type"] for event in events} == {"token", "complete"}
    assert "".join(event["content"] for event in events[:-1]) == events[-1]["content"]


@pytest.mark.req("U2", "U5", "U6", "U7", "U14")
def test_full_conversation(study: StreamingClient) -> None:
    first = study.stream_conversation("What is photosynthesis?")
    second = study.stream_conversation("And a cell?", interaction_id=first[0]["interaction_id"])

    for events, is_new in ((first, True), (second, False)):
        assert events[0]["type"] == "metadata"
        assert events[0]["is_new_interaction"] is is_new
        assert events[-1]["type"] == "complete"
        assert {"content", "tokens_used", "points_cost", "timestamp"} <= set(events[-1])
    assert first[0]["interaction_id"] == second[0]["interaction_id"]


@pytest.mark.req("U12", "U14")
def test_error_handling(study: StreamingClient, app: Flask) -> None:
    path = "/api/stream/stream-conversation"

    assert app.test_client().post(path, json={"message": "Hello"}).status_code == 401
    assert study.client.post(path, json={"message": ""}).status_code == 400
    assert study.client.post(path, json={"message": "Hello", "max_tokens": "many"}).status_code == 400
    assert study.client.post(path, json={"message": "Hello", "interaction_id": "unknown"}).status_code == 404


# -- the todo agent's (REQUIREMENTS D31 and D32), in both framings (R3)

TODOS = "/api/todos/agent-create/stream"
FRAMINGS = pytest.mark.parametrize("query", ["", "?frame=envelope"], ids=["named", "envelope"])


def todo_events(response: Any, query: str) -> list[tuple[str, Any]]:
    """Line by line, as the specification's test does: the name stands in the JSON, or on a line of its own."""
    lines = response.get_data(as_text=True).split("\n")
    told = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    if query:
        return [(event["event"], event["data"]) for event in told]
    return list(zip([line[7:] for line in lines if line.startswith("event: ")], told, strict=True))


@FRAMINGS
@pytest.mark.req("D31", "D5", "D8", "D12", "R3", "A6-10")
def test_agent_create_todo_stream_success(make_app: Callable[..., Flask], query: str) -> None:
    with ModelServer() as model:
        model.play(Script(text="Todo created successfully"))
        site = make_app(OPENAI_BASE_URL=model.base_url, OPENAI_MODEL="stub")
        client = sign_up(site.test_client(), "ada@example.org")
        body = {"messages": [{"role": "user", "content": "Create a todo"}], "session_id": "test_session"}
        response = client.post(f"{TODOS}{query}", json=body)
        events = todo_events(response, query)

    assert response.status_code == 200
    assert [name for name, _ in events if name not in ("agent_updated", "message_delta")] == [
        "session_initialized",
        "message",
        "completed",
        "history",
    ]
    told = dict(events)
    assert told["session_initialized"]["session_id"] == "test_session"
    assert told["message"] == {"content": "Todo created successfully"}
    assert told["completed"]["final_message"] == "Todo created successfully"
    assert told["history"] == [
        {"role": "user", "content": "Create a todo"},
        {"role": "assistant", "content": "Todo created successfully"},
    ]


@FRAMINGS
@pytest.mark.req("D32", "D3", "D5", "D12", "R3", "A6-10")
def test_streaming_end_to_end(app: Flask, query: str) -> None:
    sign_up(app.test_client(), "ada@example.org")
    credentials = {"email": "ada@example.org", "password": PASSWORD}
    token = app.test_client().post("/api/auth/token", json=credentials).json["access_token"]
    body = {"messages": [{"role": "user", "content": "Add buy groceries tomorrow"}], "session_id": "integration_test"}

    response = app.test_client().post(f"{TODOS}{query}", json=body, headers={"Authorization": f"Bearer {token}"})

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/event-stream"
    events = todo_events(response, query)
    assert {"session_initialized", "completed", "history"} <= {name for name, _ in events}
    assert events[0][0] == "session_initialized"
    assert [name for name, _ in events][-2:] == ["completed", "history"]
    assert events[0][1]["session_id"] == "integration_test"


# -- the stories' (REQUIREMENTS Y23, and Y24's address; a browser's EventSource is tried in tests/e2e)

GENERATE = "/api/v1/stories/generate/stream"


@pytest.fixture
def told(app: Flask) -> tuple[httpx.Client, str, int]:
    """A client without a cookie, a login token, and a child's id."""
    sign_up(app.test_client(), "ada@example.org")
    client = httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://site.test")
    credentials = {"email": "ada@example.org", "password": PASSWORD}
    token = client.post("/api/auth/token", json=credentials).json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    child = client.post("/api/v1/children", json={"name": "Mia", "age": 6}, headers=bearer).json()
    return client, token, child["id"]


def story_types(response: httpx.Response) -> list[str]:
    """Line by line, as the specification's test does; nothing but unnamed data may stand there."""
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream"
    types = []
    for line in response.iter_lines():
        assert not line.startswith("event:")
        if line.startswith("data: "):
            types.append(json.loads(line[6:])["type"])
    return types


@pytest.mark.req("Y2", "Y3", "Y5", "Y7", "Y13", "Y21", "Y23")
def test_story_streaming(told: tuple[httpx.Client, str, int]) -> None:
    client, token, child_id = told
    params = {"child_id": child_id, "theme": "adventure", "chapter_number": 1}

    with client.stream("GET", GENERATE, params=params, headers={"Authorization": f"Bearer {token}"}) as response:
        types = story_types(response)

    assert set(types) == {"node", "progress", "content", "safety_check", "metadata", "complete"}
    assert types[0] == "node"
    assert types[-1] == "complete"
    assert types.count("content") > 1
    assert types.index("content") < types.index("safety_check") < types.index("metadata") < types.index("complete")


@pytest.mark.req("Y3", "Y24", "Y31")
def test_story_streaming_by_the_address_of_an_eventsource(told: tuple[httpx.Client, str, int]) -> None:
    client, token, child_id = told

    with client.stream("GET", f"{GENERATE}?child_id={child_id}&theme=adventure&token={token}") as response:
        types = story_types(response)

    assert (types[0], types[-1]) == ("node", "complete")
