"""The search's dialect: named frames in the published order, with all that `done` tells."""

from collections.abc import Sequence
from typing import Any

import pytest

from blueprints.dialects.search import SearchDialect, Told, format_sse_event, stream_events
from services.assistants.search import telling
from services.streaming.coalesce import merged
from services.streaming.events import EVENT_NAMES, Entry, Event, StreamId, UserId, delta
from services.streaming.views import Replay, StreamFacts
from services.streaming.wire import HEARTBEAT
from tests.sse import Frame, frames

STREAM = StreamFacts(UserId(7), StreamId("s1"), "search", "")
PLACE = {
    "stream_id": "s1",
    "stream_url": "/api/streams/s1",
    "stop_url": "/api/streams/s1/stop",
    "conversation_id": "c1",
    "engine": "m",
}
START = Event("start", {"run_id": "r", "message_id": "m1", "engine": "m"})
METADATA = Event("metadata", {"engine": "m", "fallback": False, "conversation_id": "c1", "message_id": "m1"})
ENTRIES = [
    {"passage": 1, "document_id": "d1", "document_name": "a.pdf", "page": 2, "start": 0, "excerpt": "A."},
    {"passage": 2, "document_id": "d2", "document_name": "b.md", "page": 1, "start": 5, "excerpt": "B."},
]
PASSAGES = telling.passages(ENTRIES, found=True, notes=["By words alone."], query="q")
CITED = telling.cited(1, 2)
CITATION = telling.citation(1, ENTRIES[1])
JUDGED = {"score": 85, "retrieval": 0.9, "coverage": 0.8, "agreement": 0.7, "words": "Well."}
TRUST = telling.trust(JUDGED, also_found=ENTRIES[:1], related=["Why?"])
CLOSE = Event("close", {"reason": "idle"})


def end(outcome: str = "completed", **more: Any) -> Event:
    reason = {"completed": "stop", "stopped": "cancelled", "failed": "error"}[outcome]
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "estimated": False}
    return Event(
        "end",
        {
            "outcome": outcome,
            "finish_reason": reason,
            "content_length": 5,
            "content_sha256": "h",
            "usage": usage,
            **more,
        },
    )


WHOLE = (START, METADATA, PASSAGES, delta("So"), CITED, delta(" [1]."), CITATION, TRUST, end(), CLOSE)


def entries(*events: Event) -> list[Entry]:
    return [Entry(1, seq, event) for seq, event in enumerate(events, 1)]


def shown(*events: Event) -> list[Frame]:
    view = SearchDialect().view(STREAM)
    return list(frames(view.feed([entry]) for entry in entries(*events)))


def told(events: Sequence[Event]) -> Told:
    found = Told(STREAM)
    for entry in entries(*events):
        found.take(entry)
    return found


@pytest.mark.req("Q4", "Q8", "R2")
def test_events_have_their_published_names_order_and_payloads() -> None:
    read = shown(*WHOLE)

    assert [(frame.name, frame.id) for frame in read] == [
        ("token", "s1-4"),
        ("token", "s1-6"),
        ("citation", "s1-7"),
        ("done", "s1-9"),
    ]
    first, second, citation, done = (frame.json for frame in read)
    assert first == {"text": "So", **PLACE}
    assert second == {"text": " [1]."}
    assert citation == {"number": 1, **ENTRIES[1]}
    assert done == {
        "confidence_score": 85,
        "confidence": JUDGED,
        "finish_reason": "stop",
        "content_length": 5,
        "content_sha256": "h",
        "engine": "m",
        "fallback": False,
        "found": True,
        "also_found": ENTRIES[:1],
        "related": ["Why?"],
        "notes": ["By words alone."],
        "message_id": "m1",
        "stream_id": "s1",
        "conversation_id": "c1",
    }


@pytest.mark.req("R15")
def test_an_error_is_the_last_event() -> None:
    error = {"code": "MODEL_BROKEN", "message": "It broke.", "retryable": True, "request_id": "q"}

    read = shown(START, METADATA, PASSAGES, Event("error", error), end("failed", error=error), CLOSE)

    assert [frame.name for frame in read] == ["error"]
    assert read[0].json == {**error, **PLACE}


def test_an_answer_that_was_stopped_tells_its_citations_with_its_end() -> None:
    read = shown(START, METADATA, PASSAGES, delta("So"), CITED, delta(" [1]."), end("stopped"), CLOSE)

    assert [frame.name for frame in read] == ["token", "token", "done"]
    assert read[-1].json["citations"] == [{"number": 1, **ENTRIES[1]}]
    assert (read[-1].json["finish_reason"], read[-1].json["confidence_score"]) == ("cancelled", 0)


@pytest.mark.req("Q12")
def test_the_whole_answer_is_what_the_stream_told() -> None:
    whole = told(WHOLE).whole()

    assert {name: whole[name] for name in ("answer", "citations", "confidence_score", "results")} == {
        "answer": "So [1].",
        "citations": [{"number": 1, **ENTRIES[1]}],
        "confidence_score": 85,
        "results": ENTRIES,
    }
    assert (whole["conversation_id"], whole["stream_id"], whole["engine"]) == ("c1", "s1", "m")


@pytest.mark.req("Q5", "R9")
def test_whoever_comes_later_gets_the_same_with_deltas_merged() -> None:
    all_of_it = entries(START, METADATA, PASSAGES, delta("a"), delta("b"), delta("c"), TRUST, end())
    view = SearchDialect().view(STREAM)
    view.prime(all_of_it)

    late = list(frames([view.greeting(Replay(None, 0, 8, "exact", merged(all_of_it)))]))

    assert [frame.name for frame in late] == ["token", "done"]
    assert (late[0].json["text"], late[0].id, late[0].json["stream_id"]) == ("abc", "s1-6", "s1")
    assert view.done


@pytest.mark.req("Q5")
@pytest.mark.parametrize("seen", range(1, 9))
def test_a_reader_with_a_cursor_is_told_where_it_stands_and_gets_the_rest(seen: int) -> None:
    all_of_it = entries(*WHOLE[:-1])
    view = SearchDialect().view(STREAM)
    view.prime(all_of_it)

    verdict, *rest = frames([view.greeting(Replay(f"s1-{seen}", seen, 9, "exact", all_of_it[seen:]))])

    assert (verdict.name, verdict.id) == ("stream", f"s1-{seen}")
    assert verdict.json["verdict"] == "exact"
    text = "".join(frame.json["text"] for frame in rest if frame.name == "token")
    assert text == ("So [1]." if seen < 4 else " [1]." if seen < 6 else "")
    assert rest[-1].name == "done"
    # `done` is made of all that came, also of what this reader has seen.
    assert rest[-1].json["confidence_score"] == 85


def test_a_stream_that_has_nothing_to_show_yet_sends_a_comment() -> None:
    view = SearchDialect().view(STREAM)
    first = entries(START, METADATA, PASSAGES)
    view.prime(first)

    assert view.greeting(Replay(None, 0, 3, "exact", first)) == HEARTBEAT
    assert view.beat(31.0) == HEARTBEAT


def test_what_shows_says_is_what_makes_a_frame() -> None:
    dialect = SearchDialect()
    error = {"code": "X", "message": "m", "retryable": True, "request_id": ""}
    data = {"delta": {"text": "x"}, "end": end().data, "error": error, "citation": CITATION.data}

    for name in EVENT_NAMES:
        entry = Entry(1, 2, Event(name, data.get(name, {})))
        assert dialect.shows(entry) == bool(dialect.view(STREAM).feed([entry])), name


# -- the named utilities


@pytest.mark.req("Q20")
def test_an_event_is_its_name_its_data_and_a_blank_line() -> None:
    assert format_sse_event("token", {"text": "OAuth"}) == 'event: token\ndata: {"text":"OAuth"}\n\n'


@pytest.mark.req("Q20", "A6-1")
def test_what_an_event_carries_cannot_end_it() -> None:
    data = {"text": "a\n\nevent: done\ndata: {}\r\n\r\n\u2028é"}

    read = list(frames([format_sse_event("token\nevent: x", data).encode()]))

    assert [frame.json for frame in read] == [data]


@pytest.mark.req("Q20")
def test_events_are_streamed_one_by_one() -> None:
    made: list[int] = []

    def events() -> Any:
        for number in range(3):
            made.append(number)
            yield "token", {"text": str(number)}

    body = iter(stream_events(events()))

    assert next(body) == b'event: token\ndata: {"text":"0"}\n\n'
    assert made == [0]
    assert [frame.json["text"] for frame in frames(body)] == ["1", "2"]
