"""What a search's events tell besides its answer, as pages show it: live, to newcomers, stored, and without script."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader

from blueprints.dialects.answers import stored_answer
from blueprints.dialects.evidence import Evidence, stored_evidence
from blueprints.dialects.html import HtmlDialect, HtmlView
from blueprints.dialects.progressive import ProgressiveDialect
from services.streaming import events
from services.streaming.events import Entry, Event, StreamId, UserId
from services.streaming.views import Replay, StreamFacts

STREAM = StreamFacts(UserId(1), StreamId("abc"), "search", "thread")
TEMPLATES = Path(__file__).parents[3] / "templates"
TEXT = "Three months [1], in writing [2].\n\nNot `a[1]`, but again [1]."
PASSAGES: list[dict[str, Any]] = [
    {
        "passage": at,
        "document_id": f"D{at}",
        "document_name": f"<b>{name}",
        "page": at,
        "heading": "Leaving > Notice",
        "excerpt": f"**Words** of {name}.",
        "start": 10 * at,
        "end": 10 * at + 5,
        "url": f"/search/documents/D{at}?page={at}&start={10 * at}&end={10 * at + 5}#passage",
    }
    for at, name in enumerate(("handbook.pdf", "faq.md", "minutes.docx"), 1)
]
CONFIDENCE = {"score": 82, "retrieval": 0.914, "coverage": 0.7, "agreement": 2.0, "words": "It stands there."}
FOUND = {"kind": "passages", "passages": PASSAGES, "found": True, "notes": ["dt was left out."], "query": "notice"}
TRUST = {"kind": "trust", "confidence": CONFIDENCE, "also_found": PASSAGES[1:2], "related": ["And <i>earlier</i>?"]}
CITED = [{"number": 1, **PASSAGES[2]}, {"number": 2, **PASSAGES[0]}]


@pytest.fixture
def environment() -> Environment:
    made = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    made.globals["new_key"] = lambda: "key"
    return made


def told(text: str = TEXT, **end: Any) -> list[Entry]:
    """The events of one answer."""
    before, after = text.split("[2]") if "[2]" in text else (text, "")
    happened = [
        Event(events.START, {"run_id": "r", "message_id": "m"}),
        Event(events.METADATA, {"engine": "built-in", "conversation_id": "thread"}),
        Event(events.MESSAGE, FOUND),
        Event(events.MESSAGE, {"kind": "cited", "number": 1, "passage": 3}),
        Event(events.DELTA, {"text": before}),
        Event(events.MESSAGE, {"kind": "cited", "number": 2, "passage": 1}),
        Event(events.DELTA, {"text": f"[2]{after}"}),
        *(Event(events.CITATION, citation) for citation in CITED),
        Event(events.MESSAGE, TRUST),
        Event(events.END, {"outcome": "completed", "finish_reason": "stop", "usage": {}, **end}),
    ]
    return [Entry(1, number, event) for number, event in enumerate(happened, 1)]


def view_of(environment: Environment) -> HtmlView:
    return HtmlDialect(environment).view(STREAM)


def fed(view: HtmlView, entries: Sequence[Entry]) -> list[str]:
    """A frame for each entry."""
    return [view.feed([entry]).decode() for entry in entries]


def greeting(view: HtmlView) -> str:
    return view.greeting(Replay(None, 0, 0, "exact", [])).decode()


@pytest.mark.slow
@pytest.mark.req("Q1", "Q4")
def test_passages_come_before_the_first_word(environment: Environment) -> None:
    frames = fed(view_of(environment), told())

    first = next(at for at, frame in enumerate(frames) if "Words of handbook.pdf." in frame)
    text = next(at for at, frame in enumerate(frames) if "Three months" in frame)
    assert first < text
    assert frames[first].count('class="passage"') == 3
    assert "3 passages in 3 documents" in frames[first]
    assert "&lt;b&gt;handbook.pdf" in frames[first]
    assert 'href="/search/documents/D1?page=1&amp;start=10&amp;end=15#passage"' in frames[first]
    assert "dt was left out." in frames[first]


@pytest.mark.slow
@pytest.mark.req("Q4")
def test_a_number_is_a_link_from_the_first_and_a_cards_number_comes_with_it(environment: Environment) -> None:
    frames = fed(view_of(environment), told())

    text = next(frame for frame in frames if "Three months" in frame)
    assert '<sup class="cite"><a href="#answer-abc-source-1" aria-label="Source 1">1</a></sup>' in text
    card = next(frame for frame in frames if '<div id="answer-abc-card-3" hx-swap-oob="innerHTML">' in frame)
    assert re.search(r"cited as </span>1\b", card)
    assert 'id="answer-abc-passages"' not in card, "cards that were moved must stay"
    assert frames.index(card) < frames.index(text)


@pytest.mark.slow
@pytest.mark.req("Q4", "Q8")
def test_sources_trust_and_ways_on_follow_the_text(environment: Environment) -> None:
    view = view_of(environment)
    frames = fed(view, told())

    sources = max(at for at, frame in enumerate(frames) if 'id="answer-abc-source-2"' in frame)
    assert "&lt;b&gt;minutes.docx" in frames[sources]
    last = frames[sources + 1]
    assert "<strong>82</strong> of 100" in last
    assert "It stands there." in last
    assert "<strong>91 %</strong>" in last
    assert "<strong>100 %</strong>" in last, "no part is more than all"
    assert "Also found: 1 more passage" in last
    assert "And &lt;i&gt;earlier&lt;/i&gt;?" in last
    assert frames[-1].rstrip().endswith("event: close\ndata: ended")


@pytest.mark.slow
@pytest.mark.req("Q5")
def test_a_newcomer_at_any_moment_sees_what_the_others_see(environment: Environment) -> None:
    entries = told()
    for count in range(1, len(entries) + 1):
        view = view_of(environment)
        fed(view, entries[:count])
        late = view_of(environment)
        late.prime(entries[:count])

        assert greeting(view) == greeting(late)
        assert ("Words of faq.md." in greeting(late)) == (count >= 3)


def test_while_nothing_is_found_yet_its_place_is_kept(environment: Environment) -> None:
    view = view_of(environment)
    fed(view, told()[:2])

    assert "found--waiting" in greeting(view)
    assert "Searching…" in greeting(view)


@pytest.mark.slow
def test_what_is_only_near_is_called_so(environment: Environment) -> None:
    view = view_of(environment)
    entries = told("Nothing relevant was found.")
    entries[2] = Entry(1, 3, Event(events.MESSAGE, {**FOUND, "found": False}))
    fed(view, entries[:3])

    assert 'aria-label="Nearest passages"' in greeting(view)
    fed(view, entries[3:])
    assert "Also found" not in greeting(view), "they are all on the cards"


@pytest.mark.req("Q6")
def test_without_script_the_same_comes_in_the_order_of_the_page(environment: Environment) -> None:
    view = ProgressiveDialect(environment).view(STREAM)
    html = b"".join(view.feed([entry]) for entry in told()).decode()

    order = ["3 passages in 3 documents", "Three months", "answer-abc-source-1", 'id="answer-abc-source-1"', "of 100"]
    places = [html.index(piece) for piece in order]
    assert places == sorted(places)
    assert html.count('class="passage"') == 3


def test_a_stored_answer_shows_what_the_live_one_did() -> None:
    extras = {"message": [FOUND, {"kind": "cited", "number": 1, "passage": 3}, TRUST], "citation": CITED}
    evidence = stored_evidence(extras)

    assert evidence.numbers == {3: 1, 1: 2}
    assert evidence.documents == 3
    assert evidence.confidence["level"] == "high"
    assert evidence.related == ["And <i>earlier</i>?"]
    answer = stored_answer("abc", TEXT, outcome="completed", assistant="search", evidence=evidence)
    assert 'href="#answer-abc-source-2"' in answer.blocks[0]
    assert "a[1]" in answer.blocks[0], "code keeps its brackets"


@pytest.mark.parametrize(("score", "level"), [(-4, "low"), (39, "low"), (40, "fair"), (70, "high"), (400, "high")])
def test_confidence_has_three_levels_and_stays_within_its_bounds(score: int, level: str) -> None:
    confidence = Evidence().told({"confidence": {"score": score}}).confidence

    assert confidence["level"] == level
    assert 0 <= confidence["score"] <= 100


@pytest.mark.slow
def test_other_assistants_show_none_of_it(environment: Environment) -> None:
    view = HtmlDialect(environment).view(StreamFacts(UserId(1), StreamId("abc"), "study", "thread"))
    fed(view, told())

    html = greeting(view)
    assert "answer-abc-passages" not in html
    assert "[1]" in html
