"""The study chat's published events, payload by payload."""

from typing import Any

import pytest

from blueprints.dialects.study import StudyDialect
from services.points import Prices
from services.streaming.answers import Answer
from services.streaming.coalesce import merged
from services.streaming.events import EVENT_NAMES, Entry, Event, StreamId, UserId, delta
from services.streaming.views import Replay, StreamFacts
from services.streaming.wire import HEARTBEAT
from tests.sse import Frame, frames

STREAM = StreamFacts(UserId(7), StreamId("s1"), "study", "")
METADATA = Event(
    "metadata",
    {
        "engine": "built-in",
        "fallback": False,
        "message_id": "m1",
        "conversation_id": "c1",
        "is_new": True,
        "user_id": 7,
        "cached": False,
        "media_count": 1,
        "secret": "x",
    },
)
CITATION = Event("citation", {"number": 1, "document_name": "a.pdf", "page": 3})
SUMMARY = Event("message", {"kind": "summary", "content": "What was said.", "upto": "m0"})
RELATED = Event("message", {"kind": "related", "related": ["Why?", "And then?"]})
PLACE = {"stream_id": "s1", "stream_url": "/api/streams/s1", "stop_url": "/api/streams/s1/stop"}


def end(outcome: str = "completed", **usage: Any) -> Event:
    answer = Answer()
    answer.take(delta("héllo"))
    if usage:
        answer.usage = {"total_tokens": 150, **usage}
    return answer.closing(outcome, None)[-1]


def entries(*events: Event) -> list[Entry]:
    return [Entry(1, seq, event) for seq, event in enumerate(events, 1)]


def shown(*events: Event, simple: bool = False) -> list[Frame]:
    view = StudyDialect(Prices(), simple=simple).view(STREAM)
    return list(frames([view.feed([entry]) for entry in entries(*events)]))


def told(frame: Frame) -> Any:
    """A payload without its time, which is checked."""
    payload = frame.json
    if payload["type"] in ("token", "complete", "error"):
        assert isinstance(payload.pop("timestamp"), float)
    return payload


@pytest.mark.req("U5", "U6", "U7", "R2", "R34")
def test_an_answers_events_have_their_published_payloads_and_no_name() -> None:
    read = shown(
        Event("start", {"run_id": "r", "engine": "m"}),
        METADATA,
        delta("hé"),
        CITATION,
        delta("llo"),
        SUMMARY,
        RELATED,
        Event("seal"),
        end(points_cost=7),
        Event("close", {"reason": "idle"}),
    )

    assert [(frame.name, frame.id) for frame in read] == [("message", f"s1-{seq}") for seq in (2, 3, 5, 9)]
    metadata, first, second, complete = (told(frame) for frame in read)
    assert metadata == {
        "type": "metadata",
        "interaction_id": "c1",
        "is_new_interaction": True,
        "user_id": 7,
        "message_id": "m1",
        "engine": "built-in",
        "fallback": False,
        "cached": False,
        **PLACE,
    }
    assert (first, second) == ({"type": "token", "content": "hé"}, {"type": "token", "content": "llo"})
    assert complete["type"] == "complete"
    assert complete["content"] == "héllo"
    assert (complete["tokens_used"], complete["points_cost"]) == (150, 7)
    assert complete["citations"] == [dict(CITATION.data)]
    assert complete["summary"] == "What was said."
    assert complete["related"] == ["Why?", "And then?"]


@pytest.mark.req("U8", "R15")
def test_an_error_is_the_last_event() -> None:
    error = {"code": "MODEL_BROKEN", "message": "It broke.", "retryable": True, "request_id": "q"}
    ending = Event("end", {**end("failed").data, "error": error})

    read = shown(Event("start"), METADATA, Event("error", error), ending, Event("close", {"reason": "idle"}))

    assert told(read[-1]) == {"type": "error", "error": "It broke.", **error}
    assert len(read) == 2


@pytest.mark.req("R32", "U9")
def test_the_simple_form_leaves_metadata_out_and_places_the_first_token() -> None:
    read = shown(Event("start", {"engine": "m"}), METADATA, delta("a"), delta("b"), end(), simple=True)

    assert [frame.json["type"] for frame in read] == ["token", "token", "complete"]
    assert told(read[0]) == {"type": "token", "content": "a", **PLACE, "engine": "built-in"}
    assert told(read[1]) == {"type": "token", "content": "b"}


@pytest.mark.req("U7", "R31")
@pytest.mark.parametrize(("outcome", "cost"), [("stopped", 3), ("completed", 3)])
def test_what_an_answer_cost_that_did_not_say_so_is_counted_with_its_files(outcome: str, cost: int) -> None:
    complete = shown(Event("start"), METADATA, delta("héllo"), end(outcome))[-1].json

    assert complete["points_cost"] == cost
    assert complete["estimated"] is True


@pytest.mark.parametrize("simple", [True, False])
def test_whoever_comes_later_gets_the_same_with_deltas_merged(simple: bool) -> None:
    all_of_it = entries(Event("start"), METADATA, delta("a"), delta("b"), CITATION, delta("c"), end())
    view = StudyDialect(Prices(), simple=simple).view(STREAM)
    view.prime(all_of_it)

    late = list(frames([view.greeting(Replay(None, 0, 7, "exact", merged(all_of_it)))]))

    assert "".join(frame.json["content"] for frame in late if frame.json["type"] == "token") == "abc"
    assert late[0].json["stream_id"] == "s1"
    assert sum("stream_id" in frame.json for frame in late) == 1
    assert late[-1].json["content"] == "abc"
    assert view.done


@pytest.mark.parametrize("seen", range(1, 6))
def test_a_reader_with_a_cursor_is_told_where_it_stands_and_gets_the_rest(seen: int) -> None:
    all_of_it = entries(Event("start"), METADATA, delta("a"), delta("b"), delta("c"), end())
    view = StudyDialect(Prices()).view(STREAM)
    view.prime(all_of_it)

    verdict, *rest = frames([view.greeting(Replay(f"s1-{seen}", seen, 6, "exact", merged(all_of_it[seen:])))])

    assert verdict.name == "message"
    assert verdict.json == {
        "type": "stream",
        "stream_id": "s1",
        "asked": f"s1-{seen}",
        "from": f"s1-{seen}",
        "tail": "s1-6",
        "verdict": "exact",
    }
    assert rest[-1].json["content"] == "abc"
    assert (
        "".join(frame.json["content"] for frame in rest if frame.json["type"] == "token") == "abc"[max(seen - 2, 0) :]
    )


def test_a_stream_that_has_nothing_to_show_yet_sends_a_comment() -> None:
    view = StudyDialect(Prices()).view(STREAM)
    first = entries(Event("start"))
    view.prime(first)

    assert view.greeting(Replay(None, 0, 1, "exact", first)) == HEARTBEAT
    assert view.beat(31.0) == HEARTBEAT


@pytest.mark.parametrize("simple", [True, False])
def test_what_shows_says_is_what_makes_a_frame(simple: bool) -> None:
    dialect = StudyDialect(Prices(), simple=simple)
    error = {"code": "X", "message": "m", "retryable": True, "request_id": ""}
    data = {"delta": {"text": "x"}, "end": end().data, "error": error, "metadata": METADATA.data}

    for name in EVENT_NAMES:
        entry = Entry(1, 2, Event(name, data.get(name, {})))
        assert dialect.shows(entry) == bool(dialect.view(STREAM).feed([entry])), name
