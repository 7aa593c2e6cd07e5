"""What the JSON dialects share, and what any of them promises."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueprints.dialects.default import JsonDialect
from services.streaming.events import CLOSE, DELTA, END, SEAL, Entry, Event, StreamId, UserId, delta
from services.streaming.views import Replay, StreamFacts
from tests.sse import frames

STREAM = StreamFacts(UserId(7), StreamId("s1"), "study", "c1")


def shape(entry: Entry, stream: StreamFacts) -> tuple[str | None, Any] | None:
    match entry.event.name:
        case "delta":
            return None, {"type": "token", "content": entry.event.data["text"]}
        case "end":
            return "done", {"stream": stream.stream_id}
    return None


def make_dialect(**options: Any) -> JsonDialect:
    return JsonDialect("study", shape, **options)


def entries(*events: Event) -> list[Entry]:
    return [Entry(1, seq, event) for seq, event in enumerate(events, 1)]


def replay(*, asked: str | None = None, position: int = 0, verdict: Any = "exact", of: Any = ()) -> Replay:
    return Replay(asked, position, of[-1].seq if of else position, verdict, list(of))


def test_each_event_is_one_frame_with_its_id() -> None:
    view = make_dialect().view(STREAM)

    made = view.feed(entries(Event("start"), delta("a"), Event(SEAL), Event(END)))

    assert made == (
        b'id: s1-2\ndata: {"type":"token","content":"a"}\n\nid: s1-4\nevent: done\ndata: {"stream":"s1"}\n\n'
    )


@pytest.mark.parametrize(
    ("ends", "events", "done"),
    [
        (END, [Event(END)], True),
        (END, [Event(END), Event(CLOSE)], True),
        (END, [delta("a")], False),
        (END, [Event(END), Event("start")], False),
        (CLOSE, [Event(END)], False),
        (CLOSE, [Event(END), Event(CLOSE)], True),
    ],
)
def test_the_last_event_ends_it_whether_it_came_before_or_now(ends: str, events: list[Event], done: bool) -> None:
    primed, fed = make_dialect(ends=ends).view(STREAM), make_dialect(ends=ends).view(STREAM)

    primed.prime(entries(*events))
    fed.feed(entries(*events))

    assert (primed.done, fed.done) == (done, done)


def test_nothing_is_done_before_anything_came() -> None:
    view = make_dialect().view(STREAM)

    view.prime([])

    assert not view.done


def test_a_fresh_reader_gets_the_first_event_first_and_never_nothing() -> None:
    view = make_dialect().view(STREAM)

    assert view.greeting(replay()) == b": \n\n"
    assert view.greeting(replay(of=entries(delta("a")))) == b'id: s1-1\ndata: {"type":"token","content":"a"}\n\n'


@pytest.mark.parametrize(
    ("asked", "verdict", "position"), [("s1-1", "exact", 1), ("bad", "snapshot", 0), (None, "gone", 0)]
)
def test_a_reader_with_a_cursor_or_a_text_to_replace_is_told_where_it_stands(
    asked: Any, verdict: Any, position: int
) -> None:
    view = make_dialect().view(STREAM)
    of = entries(delta("a"), delta("b"))[position:]

    first, *rest = frames([view.greeting(replay(asked=asked, verdict=verdict, position=position, of=of))])

    assert first.json == {
        "type": "stream",
        "stream_id": "s1",
        "asked": asked,
        "from": f"s1-{position}",
        "tail": "s1-2",
        "verdict": verdict,
    }
    assert first.id == f"s1-{position}"
    assert [frame.seq for frame in rest] == [entry.seq for entry in of]


def test_what_it_shows_is_what_makes_a_frame() -> None:
    dialect = make_dialect()

    for entry in entries(Event("start"), delta("a"), Event(END), Event(CLOSE)):
        assert dialect.shows(entry) == bool(dialect.view(STREAM).feed([entry]))


def test_a_heartbeat_is_a_comment_without_an_id() -> None:
    view = make_dialect().view(STREAM)

    assert view.beat(0) == view.beat(1000) == b": \n\n"


@pytest.mark.slow
@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_any_text_comes_through(text: str) -> None:
    (frame,) = frames([make_dialect().view(STREAM).feed(entries(delta(text)))])

    assert json.loads(frame.data)["content"] == text
    assert DELTA == "delta"
