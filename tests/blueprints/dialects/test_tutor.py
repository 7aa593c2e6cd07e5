"""The tutor's published events, byte for byte where it matters."""

from datetime import datetime
from typing import Any

import pytest

from blueprints.dialects.tutor import TutorDialect
from services.streaming.answers import Answer
from services.streaming.events import EVENT_NAMES, Entry, Event, StreamId, UserId, delta
from services.streaming.views import Replay, StreamFacts
from tests.sse import Frame, frames

STREAM = StreamFacts(UserId(7), StreamId("s1"), "tutor", "c1")


def shown(*events: Event) -> list[Frame]:
    entries = [Entry(1, seq, event) for seq, event in enumerate(events, 1)]
    return list(frames([TutorDialect().view(STREAM).feed(entries)]))


def end(**changes: Any) -> Event:
    answer = Answer()
    answer.take(delta("héllo"))
    (event,) = answer.closing("completed", None)
    return Event(event.name, {**event.data, **changes})


@pytest.mark.req("T15", "T16")
def test_every_reader_gets_stream_start_first() -> None:
    view = TutorDialect().view(STREAM)

    for asked, verdict in ((None, "exact"), ("s1-4", "exact"), ("x", "snapshot"), (None, "gone")):
        (frame,) = frames([view.greeting(Replay(asked, 4 if asked == "s1-4" else 0, 4, verdict, []))])  # type: ignore[arg-type]
        told = frame.json
        assert frame.name == "stream.start"
        assert datetime.fromisoformat(told.pop("timestamp")).tzinfo is not None
        assert told == {
            "stream_id": "s1",
            "asked": asked,
            "from": frame.id,
            "tail": "s1-4",
            "verdict": verdict,
            "stream_url": "/api/streams/s1",
            "stop_url": "/api/streams/s1/stop",
        }
        assert frame.id == ("s1-4" if asked == "s1-4" else "s1-0")


@pytest.mark.req("T9", "T10")
def test_an_answers_events_have_their_published_names_and_payloads() -> None:
    metadata = {"message_id": "m1", "hint_level": 2, "engine": "built-in", "fallback": True, "secret": "x"}
    tests = {"tests": [{"input": "1", "expected": "2"}]}
    error = {"code": "MODEL_BROKEN", "message": "It broke.", "retryable": True, "request_id": "q"}

    read = shown(
        Event("start", {"run_id": "r"}),
        Event("metadata", metadata),
        delta("héllo"),
        Event("tests", tests),
        Event("seal"),
        Event("error", error),
        end(finish_reason="error"),
        Event("close", {"reason": "idle"}),
    )

    assert [(frame.name, frame.id) for frame in read] == [
        ("message.start", "s1-2"),
        ("message.delta", "s1-3"),
        ("tool.suggested_tests", "s1-4"),
        ("error", "s1-6"),
        ("message.end", "s1-7"),
        ("stream.close", "s1-8"),
    ]
    assert [frame.json for frame in read[:4]] == [
        {
            "stream_id": "s1",
            "message_id": "m1",
            "hint_level": 2,
            "metadata": {"engine": "built-in", "fallback": True},
        },
        {"content": "héllo", "type": "markdown"},
        tests,
        error,
    ]
    assert read[-1].json == {"reason": "idle"}


@pytest.mark.parametrize("estimated", [True, False])
def test_the_end_carries_totals_length_and_hash(estimated: bool) -> None:
    usage = {"total_tokens": 9, "estimated": estimated}

    (frame,) = shown(end(usage=usage, finish_reason="length"))

    assert frame.json == {
        "total_tokens": 9,
        **({"estimated": True} if estimated else {}),
        "finish_reason": "length",
        "content_length": 5,
        "content_sha256": "3c48591d8d098a4538f5e013dfcf406e948eac4d3277b10bf614e295d6068179",
    }


@pytest.mark.req("R16", "A6-4")
def test_the_connection_outlives_the_answer_and_ends_with_close() -> None:
    view = TutorDialect().view(STREAM)

    view.feed([Entry(1, 1, end())])
    assert not view.done
    view.feed([Entry(1, 2, Event("close", {"reason": "stopped"}))])

    assert view.done


@pytest.mark.req("R18", "T15")
def test_a_named_ping_is_sent_after_thirty_seconds_beside_the_comment() -> None:
    view = TutorDialect().view(STREAM)

    assert view.beat(29) == b": \n\n"
    assert view.beat(30).startswith(b": \n\n")
    (ping,) = frames([view.beat(30)])
    assert (ping.name, ping.own_id, list(ping.json)) == ("ping", None, ["timestamp"])


def test_one_event_makes_at_most_one_frame_and_says_so() -> None:
    dialect, data = TutorDialect(), {"text": "x", "tests": [], "reason": "idle", **end().data}

    for name in EVENT_NAMES:
        entry = Entry(1, 1, Event(name, data))
        made = list(frames([dialect.view(STREAM).feed([entry])]))
        assert len(made) == dialect.shows(entry)
