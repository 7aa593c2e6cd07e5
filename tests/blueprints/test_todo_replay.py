"""Coming back to an answer of the todo agent: by a cursor, by a key, live and from what is stored."""

import pytest

from tests.blueprints.doers import JSON, SSE, Doer, names, of, text_of
from tests.model_scripts import Script
from tests.model_server import ModelServer

CREATE = '{"item": "Team meeting", "start_time": "2027-01-15 14:00:00", "importance": "high"}'
CREATED = Script(tokens=0, finish="tool_calls", tool_calls=[("create_todo", CREATE)])


@pytest.mark.slow
@pytest.mark.req("D12", "R9", "R10", "D34")
def test_every_cursor_gets_the_rest_and_the_last_one_204(doer: Doer) -> None:
    frames = doer.ask()
    stream_id = frames[0].id.rpartition("-")[0]

    for at in range(len(frames) - 1):
        with doer.follow(stream_id, frames[at].id) as stream:
            verdict, *rest = stream.rest()
        assert (verdict.name, verdict.json["verdict"]) == ("stream", "exact")
        assert [frame.name for frame in rest][-2:] == [frame.name for frame in frames[at + 1 :]][-2:]
        assert [frame.data for frame in rest[-2:]] == [frame.data for frame in frames[at + 1 :][-2:]]
        assert text_of(frames[: at + 1]) + text_of(rest) == text_of(frames)
    over = doer.client.get(f"/api/streams/{stream_id}", headers={**SSE, "Last-Event-ID": frames[-1].id})
    assert over.status_code == 204


@pytest.mark.slow
@pytest.mark.req("R9", "D34")
def test_a_stream_whose_log_is_gone_is_told_from_what_is_stored(modelled_doer: Doer, model: ModelServer) -> None:
    doer = modelled_doer
    model.play(CREATED, Script(text="It is there."))
    frames = doer.ask(session_id="kept")
    stream_id = frames[0].id.rpartition("-")[0]
    doer.forget(stream_id)

    with doer.follow(stream_id, "x-1") as stream:
        verdict, *told = stream.rest()

    assert verdict.json["verdict"] == "gone"
    assert names(told) == names(frames)
    for name in ("session_initialized", "agent_updated", "tool_call", "tool_result", "message", "history"):
        assert of(told, name) == of(frames, name), name
    assert text_of(told) == text_of(frames)
    assert of(told, "completed")[0]["content_sha256"] == of(frames, "completed")[0]["content_sha256"]
    # Between the last two, the last is not lost; after it there is nothing left.
    with doer.follow(stream_id, frames[-2].id) as stream:
        assert stream.rest()[-1].json == frames[-1].json
    over = doer.client.get(f"/api/streams/{stream_id}", headers={**SSE, "Last-Event-ID": frames[-1].id})
    assert over.status_code == 204


@pytest.mark.req("D13", "R9")
def test_a_failed_answer_whose_log_is_gone_ends_with_its_error(modelled_doer: Doer, model: ModelServer) -> None:
    model.play(Script(text="I was about to say", cut_after=3))
    frames = modelled_doer.ask()
    stream_id = frames[0].id.rpartition("-")[0]
    modelled_doer.forget(stream_id)

    with modelled_doer.follow(stream_id) as stream:
        told = stream.rest()

    assert names(told)[-2:] == ["message_delta", "error"]
    over = modelled_doer.client.get(f"/api/streams/{stream_id}", headers={**SSE, "Last-Event-ID": frames[-1].id})
    assert over.status_code == 204


@pytest.mark.req("R4", "D23")
def test_the_same_request_with_its_key_or_cursor_attaches_and_nothing_is_done_twice(doer: Doer) -> None:
    key = {**SSE, "Idempotency-Key": "once"}
    first = doer.ask(headers=key, session_id="work")

    again = doer.ask(headers=key, session_id="work")
    with_cursor = doer.ask(headers={**SSE, "Last-Event-ID": first[2].id}, session_id="work")
    other = doer.post("Add Milk", headers=key, session_id="work")

    assert again[0].id == first[0].id
    assert again[-1].json == first[-1].json
    assert with_cursor[0].json["verdict"] == "exact"
    assert with_cursor[-1].json == first[-1].json
    assert (other.status_code, other.json["code"]) == (409, "IDEMPOTENCY_MISMATCH")
    assert [todo["item"] for todo in doer.todos()] == ["Team meeting"]
    assert doer.used() == 1


@pytest.mark.slow
def test_a_cursor_of_something_else_asks_anew(doer: Doer) -> None:
    first = doer.ask("Add Bread")

    other = doer.ask("Add Milk", headers={**SSE, "Last-Event-ID": first[2].id})

    assert other[0].name == "session_initialized"
    assert {todo["item"] for todo in doer.todos()} == {"Bread", "Milk"}


@pytest.mark.slow
@pytest.mark.req("D12", "D19", "R15")
def test_an_answer_that_goes_on_tells_its_own_text_and_a_history_with_all_of_it(
    modelled_doer: Doer, model: ModelServer
) -> None:
    doer = modelled_doer
    model.play(CREATED, Script(text="One two three four five", stall_after=3))
    begun = doer.start(session_id="work")
    with doer.follow(begun["stream_id"]) as stream:
        while "three" not in text_of(stream.frames):
            stream.until("message_delta")
        doer.client.post(begun["stop_url"])
        stopped = stream.rest()
    doer.settle()
    model.play(Script(text=" four five."))

    again = doer.client.post(f"/api/streams/{begun['stream_id']}/continue", headers=JSON)
    assert again.status_code == 201, again.text
    with doer.follow(again.json["stream_id"]) as stream:
        frames = stream.rest()

    before, text = of(stopped, "completed")[0]["final_message"], text_of(frames)
    assert frames[0].json["session_id"] == "work"
    assert of(frames, "completed")[0]["final_message"] == text
    assert [one["content"] for one in frames[-1].json][1:] == [before + text]
    assert "four five." in text
    doer.settle()
    assert doer.client.get("/api/todos/sessions/work/history").json == frames[-1].json
    # What the first part did is not done again; each part has taken one of the month.
    assert [todo["item"] for todo in doer.todos()] == ["Team meeting"]
    assert doer.used() == 2
    doer.forget(again.json["stream_id"])
    with doer.follow(again.json["stream_id"]) as stream:
        assert stream.rest()[-1].json == frames[-1].json


@pytest.mark.slow
@pytest.mark.req("D22", "D36")
def test_an_answer_tried_again_after_a_failure_does_nothing_twice(modelled_doer: Doer, model: ModelServer) -> None:
    doer = modelled_doer
    model.play(CREATED, Script(text="And then it broke", cut_after=2))
    failed = doer.ask(session_id="work")
    doer.settle()
    model.play(CREATED, Script(text="It is in your list."))

    again = doer.client.post(f"{failed[0].json['stream_url']}/retry", headers=JSON)
    with doer.follow(again.json["stream_id"]) as stream:
        frames = stream.rest()

    assert (failed[-1].name, frames[-1].name) == ("error", "history")
    assert [todo["item"] for todo in doer.todos()] == ["Team meeting"]
    assert of(frames, "tool_result")[0]["output"]["todo_id"] == of(failed, "tool_result")[0]["output"]["todo_id"]
    assert doer.used() == 1
