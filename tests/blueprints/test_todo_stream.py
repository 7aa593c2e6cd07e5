"""The todo agent's API as its clients see it: REQUIREMENTS A3 and API.md, "Todos"."""

import json
from hashlib import sha256
from typing import Any

import pytest
from flask import Flask

from tests.blueprints.doers import ASK, JSON, SESSIONS, SSE, WISH, Doer, names, of, text_of
from tests.blueprints.streams import Stream
from tests.conftest import csrf_token, sign_up
from tests.model_scripts import Script
from tests.model_server import ModelServer

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
HTMX = {"Accept": "text/html, text/event-stream", "HX-Request": "true"}
LAST = ["completed", "history"]
CREATE = '{"item": "Team meeting", "start_time": "2027-01-15 14:00:00", "importance": "high"}'
CREATED = Script(tokens=0, finish="tool_calls", tool_calls=[("create_todo", CREATE)])


def said(*texts: str) -> list[dict[str, str]]:
    """Messages of a conversation, the person's first."""
    return [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(texts)]


@pytest.mark.req("D1", "D3", "D5", "D7", "D9", "D10", "D11", "D12", "D32", "R2", "R15", "R22", "A6-17")
def test_a_wish_streams_its_steps_and_its_answer_in_its_own_response(doer: Doer) -> None:
    response = doer.post(session_id="work")
    with Stream(response) as stream:
        frames = stream.rest()

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Accel-Buffering"] == "no"
    stream_id = response.headers["X-Stream-Id"]
    assert response.headers["Content-Location"] == f"/api/streams/{stream_id}"
    assert "Connection" not in response.headers
    first, second = frames[0].json, frames[1].json
    assert (frames[0].name, first["session_id"], first["stream_id"]) == ("session_initialized", "work", stream_id)
    assert first["stop_url"] == f"/api/streams/{stream_id}/stop"
    assert (frames[1].name, second) == (
        "agent_updated",
        {"name": "Todo agent", "engine": "built-in", "fallback": False},
    )
    (call,), (result,) = of(frames, "tool_call"), of(frames, "tool_result")
    assert call["tool_name"] == result["tool_name"] == "create_todo"
    assert call["tool_call_id"] == result["tool_call_id"]
    assert call["arguments"]["item"] == result["output"]["item"] == "Team meeting"
    assert call["arguments"]["start_time"].endswith(" 14:00:00")
    assert result["output"]["status"] == "created"
    assert len(result["output"]["todo_id"]) == 36
    assert names(frames).index("tool_result") == names(frames).index("tool_call") + 1
    assert names(frames)[-2:] == LAST
    text, completed = text_of(frames), of(frames, "completed")[0]
    assert completed["final_message"] == text
    assert (completed["finish_reason"], completed["content_length"]) == ("stop", len(text))
    assert completed["content_sha256"] == sha256(text.encode()).hexdigest()
    assert frames[-1].json == said(WISH, text)
    assert "todos.agent_create_todo_stream" in {rule.endpoint for rule in doer.site.url_map.iter_rules()}
    seqs = [frame.seq for frame in frames]
    assert seqs == sorted(set(seqs))
    assert all(frame.own_id and frame.own_id.startswith(f"{stream_id}-") for frame in frames)
    assert [todo["item"] for todo in doer.todos()] == ["Team meeting"]


@pytest.mark.slow
@pytest.mark.req("D6", "D8", "D9", "D10", "D16", "D20", "R20")
def test_a_models_tool_calls_and_words_are_told_as_they_come(modelled_doer: Doer, model: ModelServer) -> None:
    model.play(CREATED, Script(text="Your meeting is in the list."))

    frames = modelled_doer.ask("Meeting on Friday the 15th")

    assert names(frames) == [
        "session_initialized", "agent_updated", "tool_call", "tool_result", "message_delta", "message", *LAST,
    ]  # fmt: skip
    (call,) = of(frames, "tool_call")
    assert call["tool_name"] == "create_todo"
    wanted = {"item": "Team meeting", "start_time": "2027-01-15 14:00:00", "importance": "high"}
    assert call["arguments"] == wanted
    assert of(frames, "message") == [{"content": "Your meeting is in the list."}]
    assert of(frames, "agent_updated")[-1]["engine"] == "scripted"
    # The agent knows of the list and of its tags.
    offered = {tool["function"]["name"] for tool in model.calls[0].body["tools"]}
    assert {"create_todo", "update_todo", "complete_todo", "delete_todo", "list_todos", "list_tags"} <= offered


@pytest.mark.req("D22", "D13", "A6-7", "D36")
def test_a_failure_in_the_middle_is_one_error_at_the_end_and_gives_the_request_back(
    modelled_doer: Doer, model: ModelServer
) -> None:
    model.play(Script(text="I was about to say something", cut_after=3))

    frames = modelled_doer.ask()

    assert names(frames)[-2:] == ["message_delta", "error"]
    error = frames[-1].json
    assert error["status"] == "error"
    assert error["message"].startswith("Streaming failed: ")
    assert (error["code"], error["retryable"]) == ("MODEL_BROKEN", True)
    assert error["request_id"]
    assert "Traceback" not in error["message"]
    assert modelled_doer.used() == 0
    assert modelled_doer.client.get("/api/streams").json["streams"] == []


@pytest.mark.req("D19", "R24")
def test_a_stopped_answer_is_completed_with_what_came_and_is_spent(modelled_doer: Doer, model: ModelServer) -> None:
    model.play(Script(text="One two three four five six", stall_after=3))

    with Stream(modelled_doer.post()) as stream:
        while "three" not in text_of(stream.frames):
            stream.until("message_delta")
        modelled_doer.client.post(stream.frames[0].json["stop_url"])
        rest = stream.rest()

    assert names(rest)[-2:] == LAST
    completed, history = rest[-2].json, rest[-1].json
    assert completed["finish_reason"] == "cancelled"
    assert completed["final_message"] == text_of(stream.frames) == history[-1]["content"]
    assert modelled_doer.used() == 1


# -- what a request wants


@pytest.mark.req("R23", "A6-16", "D3")
@pytest.mark.parametrize(
    ("headers", "content_type", "status"),
    [
        ({}, "text/event-stream", 200),
        ({"Accept": "*/*"}, "text/event-stream", 200),
        (SSE, "text/event-stream", 200),
        ({"Accept": "application/json;q=0.5, text/event-stream"}, "text/event-stream", 200),
        ({"Accept": "application/json, text/event-stream"}, "application/json", 201),
        (JSON, "application/json", 201),
        (HTMX, "text/html; charset=utf-8", 200),
        ({"Accept": BROWSER}, "text/html; charset=utf-8", 200),
    ],
)
def test_what_a_request_wants_is_chosen_by_its_accept_header(
    doer: Doer, headers: dict[str, str], content_type: str, status: int
) -> None:
    response = doer.post(headers=headers)

    assert (response.status_code, response.headers["Content-Type"]) == (status, content_type)
    response.close()
    doer.stop_all()


@pytest.mark.req("R4", "D2")
def test_with_json_the_answer_is_followed_elsewhere(doer: Doer) -> None:
    begun = doer.start(session_id="work")

    assert set(begun) == {"stream_id", "stream_url", "stop_url", "session_id", "conversation_id"}
    assert begun["session_id"] == "work"
    with doer.follow(begun["stream_id"]) as stream:
        frames = stream.rest()
    assert names(frames)[0] == "session_initialized"
    assert names(frames)[-2:] == LAST


@pytest.mark.slow
@pytest.mark.req("D4", "R23")
def test_a_form_asks_with_its_message_alone(app: Flask) -> None:
    client = sign_up(app.test_client(), "ada@example.org")
    form = {"message": "Add Milk", "session_id": "forms", "csrf_token": csrf_token(client, "/account")}
    del client.environ_base["HTTP_X_CSRF_TOKEN"]

    page = client.post(ASK, data=form, headers={"Accept": BROWSER})

    assert page.status_code == 200
    assert page.text.rstrip().endswith("</html>")
    assert [todo["item"] for todo in client.get("/api/todos").json["todos"]] == ["Milk"]
    refused = client.post(ASK, data={"message": "Add Milk"}, headers=JSON)
    assert (refused.status_code, refused.json["code"]) == (403, "CSRF")


# -- the framings


@pytest.mark.req("R3", "D15", "D25", "R11")
@pytest.mark.parametrize("query", ["?frame=envelope", "?batch=1", "?frame=envelope&batch=1"])
def test_the_other_framings_tell_the_same(doer: Doer, query: str) -> None:
    frames = doer.ask(query=query)
    stream_id = frames[0].id.rpartition("-")[0]
    with doer.follow(stream_id) as stream:
        named = stream.rest()

    told = []
    for frame in frames:
        assert frame.name == ("batch" if query == "?batch=1" else "message")
        value = frame.json
        if "batch" in query and "envelope" in query:
            assert value["event"] == "batch"
            value = value["data"]
        told += value if isinstance(value, list) else [value]
    assert [one["event"] for one in told if one["event"] != "message_delta"] == [
        frame.name for frame in named if frame.name != "message_delta"
    ]
    assert [one["data"] for one in told][-2:] == [frame.json for frame in named][-2:]
    assert "".join(one["data"]["content"] for one in told if one["event"] == "message_delta") == text_of(named)


@pytest.mark.req("D25", "R11", "A6-13")
def test_a_batch_is_not_held_back_until_it_is_full(modelled_doer: Doer, model: ModelServer) -> None:
    model.play(Script(text="Only a few words, and then nothing", stall_after=4))

    with Stream(modelled_doer.post(query="?batch=1")) as stream:
        told = ""
        while "words" not in told:
            told += "".join(one["data"].get("content", "") for one in stream.until("batch")[-1].json)
        assert model.calls[-1].outcome == "open"
        model.release()
        last = stream.rest()[-1].json

    assert [one["event"] for one in last][-1] == "history"


# -- refusals, in the stream and before it

TOO_MANY = [{"role": "user", "content": "x"}] * 51
REFUSED: list[tuple[Any, dict[str, Any], str, int]] = [
    (None, {}, "No messages provided", 400),
    ([], {}, "No messages provided", 400),
    (said("x" * 10_001), {}, "Message content too long", 400),
    (TOO_MANY, {}, "Too many messages in conversation", 400),
    ([{"role": "user", "content": 5}], {}, "Invalid message content", 400),
    ([{"role": "user"}], {}, "Invalid message content", 400),
    (said("Hi"), {"session_id": "no spaces"}, "Invalid session ID format", 400),
    (said("Hi"), {"session_id": "näh"}, "Invalid session ID format", 400),
    (said("Hi"), {"session_id": 5}, "Invalid session ID format", 400),
    (said("Hi"), {"session_id": "user_0_theirs"}, "Access denied: Invalid session", 403),
]


@pytest.mark.slow
@pytest.mark.req("D13", "D20", "D27", "D28", "R6", "R25")
def test_who_would_be_streamed_to_is_refused_in_the_stream(doer: Doer) -> None:
    for messages, fields, text, _ in REFUSED:
        for query in ("", "?frame=envelope", "?batch=1"):
            response = doer.post(messages, query=query, **fields)

            assert (response.status_code, response.headers["Content-Type"]) == (200, "text/event-stream")
            assert "X-Stream-Id" not in response.headers
            with Stream(response) as stream:
                (frame,) = stream.rest()
            told = frame.json
            if query == "?batch=1":
                assert frame.name == "batch"
                (told,) = told
            if query:
                assert told["event"] == "error"
                told = told["data"]
            else:
                assert frame.name == "error"
            assert frame.own_id is None
            assert (told["status"], told["message"]) == ("error", text)
            assert told["request_id"]
    assert doer.client.get(SESSIONS).json == {"sessions": [], "next": None}
    assert doer.used() == 0


@pytest.mark.slow
@pytest.mark.req("D20", "D27", "D28", "R25")
def test_everybody_else_is_refused_by_status_in_the_same_words(doer: Doer) -> None:
    for messages, fields, text, status in REFUSED:
        response = doer.post(messages, headers=JSON, **fields)

        assert response.status_code == status
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json["message"] == response.json["detail"] == text
        assert doer.post(messages, headers=HTMX, **fields).status_code == status


@pytest.mark.slow
@pytest.mark.req("D28", "R26")
def test_the_limits_are_characters_and_themselves_allowed(doer: Doer) -> None:
    # As many bytes as so many characters can have: each is written as twelve.
    texts = ["👍" * 10_000] * 10 + ["x"] * 39
    longest = [*said(*texts), {"role": "user", "content": "What is due today?"}]
    body = json.dumps({"messages": longest, "session_id": "a" * 128})
    assert len(body) > 1_200_000, "needs more than a body usually may have"

    response = doer.client.post(ASK, data=body, content_type="application/json", headers=SSE)
    with Stream(response) as stream:
        frames = stream.rest()
    larger = doer.client.post(ASK, data=b"x" * 8_400_000, content_type="application/json", headers=SSE)

    assert names(frames)[-2:] == LAST
    assert len(frames[-1].json) == 51
    assert (larger.status_code, larger.json["code"]) == (413, "TOO_LARGE")


@pytest.mark.req("D27")
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nonsense"}])
def test_nobody_asks_without_signing_in(keeping: Flask, headers: dict[str, str]) -> None:
    refused = keeping.test_client().post(ASK, json={"messages": said("Hi")}, headers={**SSE, **headers})

    assert refused.status_code == 401


def test_a_body_that_is_no_json_has_its_status(doer: Doer) -> None:
    for body in ("{", "[1]", '"x"'):
        refused = doer.client.post(ASK, data=body, content_type="application/json", headers=SSE)
        assert (refused.status_code, refused.headers["Content-Type"]) == (400, "application/problem+json")


# -- what is asked, and of whom


@pytest.mark.slow
@pytest.mark.req("D4", "D17")
def test_what_is_wanted_is_the_last_thing_that_the_person_said(doer: Doer) -> None:
    frames = doer.ask(said("Add Bread", "Bread is in your list.", "Add Milk"))

    assert [call["arguments"]["item"] for call in of(frames, "tool_call")] == ["Milk"]
    assert frames[-1].json[:-1] == said("Add Bread", "Bread is in your list.", "Add Milk")


@pytest.mark.slow
@pytest.mark.req("D12", "D17")
def test_a_session_that_is_known_goes_on_with_what_is_stored(doer: Doer) -> None:
    first = doer.ask("Add Bread", session_id="work")

    second = doer.ask(said("Something else", "was said", "Add Milk"), session_id="work")

    assert [one["content"] for one in second[-1].json] == [
        "Add Bread",
        text_of(first),
        "Add Milk",
        text_of(second),
    ]


@pytest.mark.slow
@pytest.mark.req("D5", "R6")
def test_a_session_has_its_own_name_and_is_called_as_its_client_calls_it(doer: Doer) -> None:
    own = f"user_{doer.user.id}_work"

    for name in ("work", own):
        assert doer.ask(session_id=name)[0].json["session_id"] == name
    (row,) = doer.client.get(SESSIONS).json["sessions"]
    assert (row["session_id"], row["name"]) == (own, "work")
    made = doer.ask()[0].json["session_id"]
    assert made
    assert doer.client.get(f"{SESSIONS}/{made}").status_code == 200
