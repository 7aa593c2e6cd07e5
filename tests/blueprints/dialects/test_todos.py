"""The todo agent's dialect: its published names, order and payloads, in all three framings."""

from collections.abc import Sequence
from typing import Any

import pytest

from blueprints.dialects.todos import BATCH_BYTES, BATCH_S, TodosDialect
from services.assistants.todos import telling
from services.streaming.coalesce import merged
from services.streaming.events import EVENT_NAMES, Entry, Event, StreamId, UserId, delta
from services.streaming.views import Replay, StreamFacts
from services.streaming.wire import HEARTBEAT
from tests.sse import Frame, frames

STREAM = StreamFacts(UserId(7), StreamId("s1"), "todos", "")
PLACE = {"stream_id": "s1", "stream_url": "/api/streams/s1", "stop_url": "/api/streams/s1/stop", "engine": "m"}
ASKED = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "Do"},
]
START = Event("start", {"run_id": "r", "engine": "m", "session_id": "work", "history": ASKED})
METADATA = Event("metadata", {"engine": "m", "fallback": False, "message_id": "m1"})
ARGUMENTS = {"item": "Team meeting", "start_time": "2026-01-15 14:00:00", "importance": "high"}
OUTPUT = {"todo_id": "6ea1", "status": "created", "item": "Team meeting"}
CALL, RESULT = telling.tool_call("c1", "create_todo", ARGUMENTS), telling.tool_result("c1", "create_todo", OUTPUT)
SAID = telling.said("Done.")
CLOSE = Event("close", {"reason": "idle"})
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
ERROR = {"code": "MODEL_BROKEN", "message": "It broke off.", "retryable": True, "request_id": "q1"}


def end(outcome: str = "completed", **more: Any) -> Event:
    reason = {"completed": "stop", "stopped": "cancelled", "failed": "error"}[outcome]
    told = {"outcome": outcome, "finish_reason": reason, "content_length": 5, "content_sha256": "h", "usage": USAGE}
    return Event("end", {**told, **more})


WHOLE = (START, METADATA, CALL, RESULT, delta("Do"), delta("ne."), SAID, end(), CLOSE)
BROKEN = (START, METADATA, delta("Do"), Event("error", ERROR), end("failed", error=ERROR), CLOSE)


def entries(*events: Event) -> list[Entry]:
    return [Entry(1, seq, event) for seq, event in enumerate(events, 1)]


def shown(*events: Event, dialect: TodosDialect | None = None) -> list[Frame]:
    view = (dialect or TodosDialect()).view(STREAM)
    return list(frames(view.feed([entry]) for entry in entries(*events)))


def greeted(events: Sequence[Event], position: int, dialect: TodosDialect | None = None) -> list[Frame]:
    view, all_of_it = (dialect or TodosDialect()).view(STREAM), entries(*events)
    view.prime(all_of_it)
    asked = f"s1-{position}" if position else None
    replay = Replay(asked, position, len(all_of_it), "exact", merged(all_of_it[position:]))
    return list(frames([view.greeting(replay)]))


def told(read: Sequence[Frame]) -> list[Any]:
    return [[frame.name, frame.json] for frame in read]


@pytest.mark.req("D5", "D7", "D8", "D9", "D10", "D11", "D12", "R2", "R15")
def test_events_have_their_published_names_order_and_payloads() -> None:
    read = shown(*WHOLE)

    assert told(read) == [
        ["session_initialized", {"session_id": "work", **PLACE}],
        ["agent_updated", {"name": "Todo agent", "engine": "m", "fallback": False}],
        ["tool_call", {"tool_name": "create_todo", "arguments": ARGUMENTS, "tool_call_id": "c1"}],
        ["tool_result", {"output": OUTPUT, "tool_name": "create_todo", "tool_call_id": "c1"}],
        ["message_delta", {"content": "Do"}],
        ["message_delta", {"content": "ne."}],
        ["message", {"content": "Done."}],
        [
            "completed",
            {
                "final_message": "Done.",
                "finish_reason": "stop",
                "content_length": 5,
                "content_sha256": "h",
                "usage": USAGE,
                "engine": "m",
                "fallback": False,
            },
        ],
        ["history", [*ASKED, {"role": "assistant", "content": "Done."}]],
    ]
    assert [frame.own_id for frame in read] == [f"s1-{seq}" for seq in range(1, 10)]


@pytest.mark.req("D13", "D22", "R14", "R15")
def test_an_answer_that_failed_ends_with_an_error_and_without_a_history() -> None:
    read = shown(*BROKEN)

    assert [frame.name for frame in read] == ["session_initialized", "agent_updated", "message_delta", "error"]
    assert read[-1].json == {**ERROR, "status": "error", "message": "Streaming failed: It broke off."}


@pytest.mark.req("D12", "D19")
def test_an_answer_that_was_stopped_is_completed_with_what_came() -> None:
    read = shown(START, METADATA, delta("Do"), end("stopped"), CLOSE)

    assert [frame.name for frame in read[-2:]] == ["completed", "history"]
    assert (read[-2].json["final_message"], read[-2].json["finish_reason"]) == ("Do", "cancelled")
    assert read[-1].json[-1] == {"role": "assistant", "content": "Do"}


def test_an_answer_that_goes_on_tells_its_own_text_and_a_history_with_all_of_it() -> None:
    start = Event("start", {**START.data, "partial": "Well, "})

    read = shown(start, METADATA, delta("done."), end(), CLOSE)

    assert read[-2].json["final_message"] == "done."
    assert read[-1].json[-1]["content"] == "Well, done."


def test_questions_to_the_person_are_told_as_text_only() -> None:
    read = shown(START, telling.ask("Which?", ["a", "b"]), telling.confirm([{"todo_id": "1", "item": "x"}]))

    assert [frame.name for frame in read] == ["session_initialized"]


@pytest.mark.req("D2", "R2")
def test_what_shows_says_is_what_makes_a_frame() -> None:
    dialect = TodosDialect()
    data = {"delta": {"text": "x"}, "end": end().data, "error": ERROR, "message": SAID.data, "close": CLOSE.data}

    for name in EVENT_NAMES:
        entry = Entry(1, 2, Event(name, data.get(name, {})))
        assert dialect.shows(entry) == bool(dialect.view(STREAM).feed([entry])), name


@pytest.mark.req("D12", "R9", "R10")
@pytest.mark.parametrize("seen", range(1, 10))
def test_a_reader_with_a_cursor_is_told_where_it_stands_and_gets_the_rest(seen: int) -> None:
    whole = greeted(WHOLE, 0)

    verdict, *rest = greeted(WHOLE, seen)

    assert (verdict.name, verdict.id, verdict.json["verdict"]) == ("stream", f"s1-{seen}", "exact")
    names = [frame.name for frame in rest]
    if seen == 8:
        assert names == ["history"], "between `completed` and `history`"
    # The last two tell of all of it, also of what this reader has seen.
    last = told(rest)[-2:] if rest else []
    assert last == told(whole)[len(whole) - len(last) :]
    assert len(last) == min(2, 9 - seen)
    text = "".join(frame.json["content"] for frame in rest if frame.name == "message_delta")
    assert text == ("Done." if seen < 5 else "ne." if seen < 6 else "")


@pytest.mark.req("D13")
@pytest.mark.parametrize("seen", [3, 4, 5])
def test_a_reader_that_missed_the_error_is_told_it(seen: int) -> None:
    assert [frame.name for frame in greeted(BROKEN, seen)] == ["stream", "error"]


def test_the_stream_is_over_with_its_last_frame_only() -> None:
    view = TodosDialect().view(STREAM)

    view.feed(entries(*WHOLE[:-1]))
    assert not view.done
    view.feed([Entry(1, 9, CLOSE)])
    assert view.done
    assert view.beat(40.0) == HEARTBEAT


# -- envelope


@pytest.mark.req("R3", "D33")
def test_an_envelope_has_the_name_and_the_payload_in_its_json() -> None:
    named = shown(*WHOLE)

    read = shown(*WHOLE, dialect=TodosDialect(envelope=True))

    assert {frame.name for frame in read} == {"message"}, "unnamed: onmessage hears every one"
    assert [frame.json for frame in read] == [{"event": frame.name, "data": frame.json} for frame in named]
    assert [frame.own_id for frame in read] == [frame.own_id for frame in named]


# -- batch


@pytest.mark.req("D25", "R11", "A6-13")
def test_a_batch_holds_the_same_events_in_order_and_the_last_ones_id() -> None:
    dialect = TodosDialect(batch=True)

    read = greeted(WHOLE, 0, dialect)

    assert {frame.name for frame in read} == {"batch"}
    inner = [[event["event"], event["data"]] for frame in read for event in frame.json]
    assert inner == told(greeted(WHOLE, 0))
    assert read[-1].own_id == "s1-9"
    assert 0 < dialect.interval_s <= BATCH_S <= 0.1


@pytest.mark.req("D25")
def test_a_batch_stays_small_and_what_is_large_comes_alone() -> None:
    large = delta("x" * 5000)

    view = TodosDialect(batch=True).view(STREAM)
    read = list(frames([view.feed(entries(START, *[delta("word ")] * 100, large, *[delta("y")] * 3))]))

    assert [len(frame.json) for frame in read if "x" * 5000 in frame.data] == [1]
    assert all(len(frame.data) <= BATCH_BYTES + 2 * len(frame.json) for frame in read if len(frame.json) > 1)
    seqs = [frame.seq for frame in read]
    assert seqs == sorted(set(seqs))
    assert sum(len(frame.json) for frame in read) == 105


def test_a_batch_with_nothing_to_show_is_not_sent() -> None:
    view = TodosDialect(batch=True).view(STREAM)

    assert view.feed([Entry(1, 1, Event("seal"))]) == b""
    assert view.greeting(Replay(None, 1, 1, "exact", [])) == HEARTBEAT


@pytest.mark.req("R3", "D25")
def test_batches_come_in_envelopes_too() -> None:
    (read,) = shown(START, dialect=TodosDialect(envelope=True, batch=True))

    assert read.json["event"] == "batch"
    assert [event["event"] for event in read.json["data"]] == ["session_initialized"]


@pytest.mark.req("D25", "D12")
def test_a_cursor_in_a_batched_stream_stands_where_the_batch_ended() -> None:
    (read,) = greeted(WHOLE, 8, TodosDialect(batch=True))

    assert [event["event"] for event in read.json] == ["stream", "history"]


# -- hostile


@pytest.mark.req("D15", "A6-1")
def test_what_an_event_carries_cannot_end_it() -> None:
    nasty = "a\n\nevent: history\ndata: []\r\n\r\n\u2028\x00é👋"

    for dialect in (TodosDialect(), TodosDialect(envelope=True), TodosDialect(batch=True)):
        read = shown(delta(nasty), telling.tool_call("c\nd", "x\ndata: 1", {"a": nasty}), dialect=dialect)
        assert len(read) == 2
        assert nasty in _texts(read[0].json)
        assert {nasty, "c\nd", "x\ndata: 1"} <= set(_texts(read[1].json))


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []
