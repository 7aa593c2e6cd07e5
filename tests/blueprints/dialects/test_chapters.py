"""A chapter on our pages: its bar never goes back, its choices come when it is whole, and its checks are told."""

import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader

from blueprints.dialects.answers import stored_answer
from blueprints.dialects.chapters import Chapter, Telling, stored_chapter, telling_of
from blueprints.dialects.html import HtmlDialect
from services.streaming import events
from services.streaming.events import StreamId, UserId
from services.streaming.views import Replay, StreamFacts
from tests.blueprints.dialects.test_html import TEMPLATES, Log, frames

ENVIRONMENT = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
STREAM = StreamFacts(UserId(1), StreamId("abc"), "stories", "conversation")
TOLD = {
    "kind": "chapter",
    "title": "The Glass Whale",
    "number": 2,
    "estimated_reading_time": 3,
    "vocabulary_level": "intermediate",
    "educational_elements": ["whales sing"],
    "choices": ["Follow the song", "Wake the <captain>"],
    "choice_question": "What should Mia do?",
    "is_last": False,
    "recap": "Mia met a whale.",
    "words": 310,
    "grade": 2.4,
}
FACTS = {"child": {"id": 7, "name": "Mia"}, "theme": "ocean", "chapter_number": 2, "choice": "Dive", "chapters": 5}


def told_log(*, outcome: str = events.COMPLETED, **told: Any) -> Log:
    log = Log()
    log.add(events.START, run_id="r", message_id="m")
    log.add(events.METADATA, engine="built-in", fallback=False)
    log.add(events.STEP, name="plan", status="started")
    log.add(events.PROGRESS, stage="plan", description="Planning", percent=10)
    log.add(events.STEP, name="generate_content", status="started")
    log.add(events.DELTA, text="Mia saw the sea.\n\n")
    log.add(events.PROGRESS, stage="generate_content", description="Writing", percent=60)
    log.add(events.DELTA, text="It sang.")
    log.add(events.CHECK, status="approved", score=1.0, checked_by=["rules", "model"])
    log.add(events.MESSAGE, **{**TOLD, **told})
    log.add(events.END, outcome=outcome, finish_reason="stop")
    return log


@dataclass
class Shown:
    """What a page that follows was sent of each part of a chapter, last."""

    parts: dict[str, str] = field(default_factory=dict)
    is_closed: bool = False

    def show(self, data: bytes) -> None:
        for frame in frames(data):
            self.is_closed = frame.get("event") == "close"
            for name, html in re.findall(
                r'<div id="answer-abc-(\w+)" hx-swap-oob="\w+">(.*?)</div>\s*(?=<div id="answer-abc-\w+" hx-|$)',
                frame["data"],
                re.DOTALL,
            ):
                self.parts[name] = html


def page_of(log: Log) -> Shown:
    """What a page shows that has followed from the first entry."""
    view, page = HtmlDialect(ENVIRONMENT).view(STREAM), Shown()
    view.greeting(Replay(None, 0, 0, "exact", []))
    for entry in log.entries:
        page.show(view.feed([entry]))
    return page


@pytest.mark.req("Y11", "Y35")
def test_progress_is_told_in_friendly_words_and_never_falls() -> None:
    chapter = Chapter()
    seen = []
    for data in (
        {"name": "plan", "status": "started"},
        {"stage": "generate_content", "percent": 40},
        {"stage": "generate_content", "percent": 20},
        {"name": "generate_content", "status": "completed"},
        {"stage": "safety_check", "percent": 4000},
        {"stage": "something new", "percent": "much"},
    ):
        chapter = chapter.stepped(data)
        seen.append((chapter.waiting_for, chapter.percent))

    assert seen == [
        ("Dreaming up what happens…", 0),
        ("Telling the story…", 40),
        ("Telling the story…", 40),
        ("Telling the story…", 40),
        ("Reading it over once more…", 100),
        ("Reading it over once more…", 100),
    ]


@pytest.mark.req("Y18", "Y19")
def test_a_chapter_that_is_stored_tells_what_it_told_live() -> None:
    extras = {
        "check": [
            {"status": "rejected", "score": 0.1, "checked_by": ["rules"], "action": "rewritten", "category": "fear"},
            {"status": "approved", "score": 1.0, "checked_by": ["rules", "model"], "pieces": 6, "by_rules_alone": 2},
            "no event",
        ],
        "message": [{"kind": "summary", "content": "x"}, TOLD],
    }

    chapter = stored_chapter(extras)

    assert (chapter.title, chapter.number, chapter.minutes, chapter.choices) == (
        "The Glass Whale",
        2,
        3,
        ["Follow the song", "Wake the <captain>"],
    )
    assert (chapter.approved, chapter.withheld, chapter.checked_by) == (1, 1, ("rules", "model"))
    assert (chapter.is_cut, chapter.is_last, chapter.is_told, chapter.unanswered) == (False, False, True, 2)


def test_what_is_malformed_spoils_only_itself() -> None:
    told = stored_chapter({"message": [{**TOLD, "choices": "none", "number": None, "grade": "high", "title": 5}]})

    assert (told.choices, told.number, told.grade, told.title, told.minutes) == ([], 0, None, "", 3)


def test_a_turn_tells_whose_chapter_it_is() -> None:
    assert telling_of(FACTS) == Telling(7, "Mia", "ocean", 2, choice="Dive", chapters=5)
    assert telling_of({"hint_level": 2}) is None


@pytest.mark.slow
@pytest.mark.req("Y11")
def test_live_choices_and_title_come_at_the_end_and_the_bar_goes() -> None:
    whole = told_log()
    half = Log()
    half.entries = whole.entries[:6]

    before, after = page_of(half), page_of(whole)

    waiting = before.parts["status"]
    assert 'value="10"' in waiting
    assert "Telling the story…" in waiting
    assert "Follow the song" not in str(before.parts)
    assert after.is_closed
    assert "<progress" not in after.parts["status"]
    assert after.parts["about"].strip() == "The Glass Whale"
    choices = after.parts["choices"]
    assert 'name="choice" value="Follow the song"' in choices
    assert "Wake the &lt;captain&gt;" in choices
    assert 'name="from_chapter" value="m"' in choices
    assert 'name="chapter_number" value="3"' in choices
    assert "What should Mia do?" in choices
    assert "3 minutes to read · every passage checked" in after.parts["status"]


@pytest.mark.parametrize(
    ("told", "outcome", "shown", "hidden"),
    [
        ({"is_last": True, "choices": []}, events.COMPLETED, "The end", "What happens next?"),
        ({"choices": [], "choice_question": ""}, events.COMPLETED, "What happens next?", "Surprise me"),
        ({}, events.COMPLETED, "Surprise me", "The end"),
        ({}, events.STOPPED, "", "Follow the song"),
    ],
)
def test_the_end_is_said_at_the_end_only(told: dict[str, Any], outcome: str, shown: str, hidden: str) -> None:
    choices = page_of(told_log(outcome=outcome, **told)).parts["choices"]

    assert shown in choices
    assert hidden not in choices


def test_a_chapter_that_broke_off_can_be_gone_on_with_and_says_what_was_held_back() -> None:
    answer = stored_answer(
        "s1",
        "Mia saw the sea.",
        outcome=events.FAILED,
        assistant="stories",
        error={"code": "SAFETY_REJECTED", "message": "The story took a turn.", "retryable": True},
        chapter=stored_chapter({"check": [{"status": "rejected", "action": "ended", "checked_by": ["model"]}]}),
    )
    html = ENVIRONMENT.get_template("streams/_snapshot.html").render(answer=answer)

    assert 'action="/api/streams/s1/continue"' in html
    assert "Go on where it stopped" in html
    assert "1 passage was held back and the chapter was brought to a gentle end" in html
    assert "The story took a turn." in html
    assert "What happens next?" not in html
