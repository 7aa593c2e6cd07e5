"""The stories' dialect: its published frames, in their order, with their payloads."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from blueprints.dialects.stories import StoriesDialect
from services.streaming.coalesce import merged
from services.streaming.events import EVENT_NAMES, Entry, Event, StreamId, UserId, delta
from services.streaming.views import Replay, StreamFacts
from services.streaming.wire import HEARTBEAT
from tests.sse import Frame, frames

STREAM = StreamFacts(UserId(7), StreamId("s1"), "stories", "story")
PLACE = {"stream_id": "s1", "stream_url": "/api/streams/s1", "stop_url": "/api/streams/s1/stop", "engine": "m"}
STORY = {"story_id": "story", "chapter_id": "c1", "chapter_number": 2}
START = Event("start", {"run_id": "r", "engine": "m", "message_id": "c1", "story_id": "story", "chapter_number": 2})
METADATA = Event("metadata", {"engine": "built-in", "fallback": True, "message_id": "c1"})
CHECKED = Event("check", {"status": "approved", "score": 0.9, "checked_by": ["rules", "model"], "pieces": 2})
REFUSED = Event(
    "check",
    {"status": "rejected", "score": 0.1, "checked_by": ["rules"], "action": "rewritten", "category": "violence"},
)
ABOUT = {
    "vocabulary_level": "beginner",
    "educational_elements": ["sharing"],
    "title": "The Well",
    "choices": ["Go in", "Go home"],
    "choice_question": "What now?",
    "is_last": False,
    "recap": "They met.",
    "words": 4,
    "grade": 1.5,
    "estimated_reading_time": 3,
}
CHAPTER = Event("message", {"kind": "chapter", "number": 2, **ABOUT})
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
ERROR = {"code": "SAFETY_REJECTED", "message": "The story ends here.", "retryable": True, "request_id": "q1"}


def step(name: str, status: str) -> Event:
    return Event("step", {"name": name, "status": status})


def progress(percent: int) -> Event:
    return Event("progress", {"stage": "write", "description": "Telling", "percent": percent})


def end(outcome: str = "completed", **more: Any) -> Event:
    reason = {"completed": "stop", "stopped": "cancelled", "failed": "error"}[outcome]
    told = {"outcome": outcome, "finish_reason": reason, "content_length": 9, "content_sha256": "h", "usage": USAGE}
    return Event("end", {**told, **more})


WHOLE = (
    START, METADATA, step("generate_content", "started"), progress(6),
    delta("One.\n\n"), progress(40), delta("Two"), progress(85), step("generate_content", "completed"),
    step("safety_check", "started"), CHECKED, step("safety_check", "completed"), CHAPTER, progress(100), end(),
    Event("close", {"reason": "idle"}),
)  # fmt: skip


def entries(*events: Event) -> list[Entry]:
    return [Entry(1, seq, event) for seq, event in enumerate(events, 1)]


def shown(*events: Event) -> list[Frame]:
    view = StoriesDialect().view(STREAM)
    return list(frames(view.feed([entry]) for entry in entries(*events)))


def greeted(events: Sequence[Event], position: int = 0) -> list[Frame]:
    view, all_of_it = StoriesDialect().view(STREAM), entries(*events)
    view.prime(all_of_it)
    asked = f"s1-{position}" if position else None
    replay = Replay(asked, position, len(all_of_it), "exact", merged(all_of_it[position:]))
    return list(frames([view.greeting(replay)]))


@pytest.mark.req("Y7", "Y8", "Y13", "Y14", "Y15", "Y16", "Y17", "Y18", "Y19", "Y21", "Y35", "R2", "R12", "R13", "R15")
def test_events_have_their_published_order_and_payloads() -> None:
    read = shown(*WHOLE)

    def node(name: str, status: str) -> dict[str, Any]:
        return {"type": "node", "node": name, "status": status}

    def percent(number: int) -> dict[str, Any]:
        return {"type": "progress", "progress": {"stage": "write", "description": "Telling", "percent": number}}

    *before, complete = [frame.json for frame in read]
    assert before == [
        {**node("workflow", "started"), **STORY, **PLACE},
        node("generate_content", "started"),
        percent(6),
        {"type": "content", "chunk": "One.\n\n"},
        percent(40),
        {"type": "content", "chunk": "Two"},
        percent(85),
        node("generate_content", "completed"),
        node("safety_check", "started"),
        {"type": "safety_check", "status": "approved", "score": 0.9, "checked_by": ["rules", "model"]},
        node("safety_check", "completed"),
        {"type": "metadata", **ABOUT},
        percent(100),
    ]
    story = complete.pop("story")
    assert complete == {
        "type": "complete",
        "engine": "built-in",
        "fallback": True,
        "finish_reason": "stop",
        "content_length": 9,
        "content_sha256": "h",
        "tokens": USAGE,
    }
    told = {name: value for name, value in ABOUT.items() if name not in ("recap", "words", "grade")}
    approved = {"success": True, "story_content": "One.\n\nTwo", "safety_score": 0.9, "content_approved": True}
    assert story == {**told, **approved, **STORY}
    # Nothing has a name, so that `onmessage` hears it; everything has an id.
    assert {frame.name for frame in read} == {"message"}
    assert [frame.own_id for frame in read] == [f"s1-{seq}" for seq in range(1, 16) if seq != 2]


@pytest.mark.req("Y17", "Y20", "Y25", "R12", "R14", "R15", "A6-8")
def test_a_chapter_that_is_ended_by_its_check_says_so_and_tells_nothing_of_what_was_withheld() -> None:
    read = [
        frame.json
        for frame in shown(START, METADATA, delta("One."), REFUSED, Event("error", ERROR), end("failed", error=ERROR))
    ]

    assert [event["type"] for event in read] == ["node", "content", "safety_check", "error"]
    assert read[2] == {
        "type": "safety_check",
        "status": "rejected",
        "score": 0.1,
        "checked_by": ["rules"],
        "action": "rewritten",
        "category": "violence",
    }
    assert read[3] == {"type": "error", "error_code": "SAFETY_REJECTED", **ERROR}


@pytest.mark.req("Y19", "Y36", "Y39")
def test_a_stopped_chapter_is_complete_without_success_and_without_choices() -> None:
    complete = shown(START, METADATA, delta("One."), CHAPTER, end("stopped"))[-1].json

    story = complete["story"]
    assert (complete["type"], complete["finish_reason"]) == ("complete", "cancelled")
    assert (story["success"], story["content_approved"], story["story_content"]) == (False, True, "One.")
    assert (story["choices"], story["choice_question"], story["is_last"]) == ([], "", False)


@pytest.mark.req("Y19")
def test_a_chapter_of_which_nothing_else_was_told_has_all_fields_of_the_specification() -> None:
    story = shown(START, delta("Once upon a time."), end("stopped"))[-1].json["story"]

    assert story["estimated_reading_time"] == 1
    assert story["vocabulary_level"] == "intermediate"
    assert story["educational_elements"] == []


@pytest.mark.req("Y39")
def test_a_continued_chapter_tells_what_it_goes_on_from_and_its_own_text() -> None:
    read = shown(Event("start", {**START.data, "partial": "One. "}), METADATA, delta("Two."), end())

    assert read[0].json["partial"] == "One. "
    assert read[-1].json["story"]["story_content"] == "Two."
    assert read[-1].json["story"]["partial"] == "One. "


def test_a_story_without_an_id_in_its_first_event_is_known_by_its_stream() -> None:
    first = shown(Event("start", {"engine": "m"}))[0].json

    assert (first["story_id"], first["chapter_id"], first["chapter_number"]) == ("story", None, None)


@pytest.mark.req("Y37", "R9")
def test_whoever_comes_later_is_told_the_same() -> None:
    # What is remembered of the end of it is known at once: who answered in the end.
    whole = [frame.json for frame in shown(*WHOLE)]
    later = [frame.json for frame in greeted(WHOLE)]

    assert later[1:] == whole[1:]
    assert later[0] == {**whole[0], "engine": "built-in"}


@pytest.mark.req("Y37", "R10")
def test_whoever_comes_back_is_told_where_it_stands_and_the_rest() -> None:
    first, *rest = greeted(WHOLE, 5)

    assert first.json == {
        "type": "stream",
        "stream_id": "s1",
        "asked": "s1-5",
        "from": "s1-5",
        "tail": "s1-16",
        "verdict": "exact",
    }
    assert [frame.json for frame in rest] == [frame.json for frame in shown(*WHOLE) if frame.seq > 5]


def test_what_shows_says_is_what_makes_a_frame() -> None:
    samples = {
        **{name: {} for name in EVENT_NAMES},
        "delta": {"text": "a"},
        "error": ERROR,
        "end": end().data,
        "message": CHAPTER.data,
        "close": {"reason": "idle"},
    }
    dialect = StoriesDialect()

    for name, data in samples.items():
        entry = Entry(1, 1, Event(name, data))
        made = dialect.view(STREAM).feed([entry])
        assert bool(made) is dialect.shows(entry), name
    # What the workers tell each other of a chapter is none of a client's business.
    assert not dialect.shows(Entry(1, 1, Event("message", {"kind": "memory", "content": {}})))
    assert not dialect.shows(Entry(1, 1, end("failed", error=ERROR)))


def test_a_view_beats_and_knows_its_end() -> None:
    view = StoriesDialect().view(STREAM)
    view.feed(entries(START))
    assert (view.done, view.beat(15.0)) == (False, HEARTBEAT)
    view.feed([Entry(1, 2, end())])
    assert view.done


@pytest.mark.req("Y21")
def test_frames_are_one_line_of_data_and_an_empty_line() -> None:
    made = StoriesDialect().view(STREAM).feed(entries(START, delta("A “star”\nand\r\u2028more")))

    for block in made.decode().rstrip("\n").split("\n\n"):
        event_id, data = block.split("\n")
        assert event_id.startswith("id: s1-")
        assert json.loads(data.removeprefix("data: "))["type"] in {"node", "content"}
