"""The HTML flavour: fragments by id, a snapshot first, `close` last."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment, FileSystemLoader

from blueprints.dialects.answers import stored_answer
from blueprints.dialects.html import HtmlDialect, HtmlView, refusal
from blueprints.dialects.markdown import render_markdown
from blueprints.dialects.progressive import ProgressiveDialect
from services.streaming import events
from services.streaming.events import Entry, Event, StreamId, UserId
from services.streaming.views import Replay, StreamFacts

STREAM = StreamFacts(UserId(1), StreamId("abc"), "tutor", "conversation")
TEMPLATES = Path(__file__).parents[3] / "templates"
TEXT = "Think about **bounds**.\n\n- one\n- two\n\nThen `code`.\n\n```python\nx = 1\n```\n\nThe end."


@pytest.fixture
def environment() -> Environment:
    return _environment()


def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)


class Log:
    """Entries with their numbers."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(self, event: str, **data: Any) -> Entry:
        entry = Entry(1, len(self.entries) + 1, Event(event, data))
        self.entries.append(entry)
        return entry


def answer_log(text: str = TEXT, step: int = 3, **end: Any) -> Log:
    log = Log()
    log.add(events.START, run_id="r", message_id="m")
    log.add(events.METADATA, engine="built-in", fallback=False, hint_level=2)
    for start in range(0, len(text), step):
        log.add(events.DELTA, text=text[start : start + step])
    log.add(events.END, **{"outcome": events.COMPLETED, "finish_reason": "stop"} | end)
    return log


def frames(data: bytes) -> Iterator[dict[str, str]]:
    """The frames of a body, read as the standard says."""
    text = data.decode()
    assert "\r" not in text
    assert text == "" or text.endswith("\n\n")
    for block in text.split("\n\n")[:-1]:
        fields: dict[str, list[str]] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
        yield {name: "\n".join(values) for name, values in fields.items()}


class Page:
    """What htmx makes of the frames: out-of-band swaps by id, on top-level fragments."""

    FRAGMENT = re.compile(r'<div id="([^"]+)" hx-swap-oob="(innerHTML|beforeend)">')

    def __init__(self) -> None:
        self.parts: dict[str, str] = {}
        self.closed = False
        self.ids: list[str] = []

    def show(self, data: bytes) -> None:
        for frame in frames(data):
            assert not self.closed, "nothing follows close"
            if frame.get("event") == "close":
                self.closed = True
                continue
            assert "event" not in frame, "only close has a name"
            self.ids.append(frame["id"])
            self._swap(frame["data"])

    def _swap(self, html: str) -> None:
        found = list(self.FRAGMENT.finditer(html))
        assert found, "every frame holds fragments"
        for fragment, after in zip(found, [*found[1:], None], strict=True):
            inner = html[fragment.end() : after.start() if after else len(html)].rstrip().removesuffix("</div>")
            self._place(fragment[1], fragment[2], inner)

    def _place(self, element_id: str, swap: str, inner: str) -> None:
        assert element_id.startswith("answer-abc")
        if swap == "beforeend":
            self.parts[element_id] += inner
        elif element_id == "answer-abc":
            self.parts = {
                match[1]: match[2]
                for match in re.finditer(
                    r'<div id="(answer-abc-(?:engine|blocks|tail|tests|error|status))"[^>]*>(.*?)</div>'
                    r"(?=\s*(?:<div id=|</div>\s*<div id=|</div>\s*$|$))",
                    inner,
                    re.DOTALL,
                )
            }
        elif element_id == "answer-abc-body":
            self.parts["answer-abc-blocks"] = re.sub(r"</?div[^>]*>", "", inner)
            self.parts["answer-abc-tail"] = ""
        else:
            self.parts[element_id] = inner

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", self.parts["answer-abc-blocks"] + self.parts["answer-abc-tail"]).strip()


def fresh() -> Replay:
    return Replay(None, 0, 0, "exact", [])


def normal(text: str) -> str:
    return re.sub(r"\s+", " ", render_markdown(text)).strip()


def view_of(environment: Environment) -> HtmlView:
    return HtmlDialect(environment).view(STREAM)


@pytest.mark.slow
@pytest.mark.req("T6", "T42")
def test_a_viewer_from_the_start_sees_the_whole_answer(environment: Environment) -> None:
    view, page = view_of(environment), Page()

    page.show(view.greeting(fresh()))
    for entry in answer_log().entries:
        page.show(view.feed([entry]))

    assert page.text == normal(TEXT)
    assert page.closed
    assert view.done


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_viewer_who_joins_anywhere_sees_the_same_page(data: st.DataObject) -> None:
    entries = answer_log(step=data.draw(st.integers(1, 11))).entries
    view, page = view_of(_environment()), Page()
    at = data.draw(st.integers(0, len(entries)))
    size = data.draw(st.integers(1, 7))

    view.feed(entries[:at])
    page.show(view.greeting(fresh()))
    for start in range(at, len(entries), size):
        page.show(view.feed(entries[start : start + size]))

    assert page.text == normal(TEXT)
    assert page.closed


@pytest.mark.slow
def test_ids_name_the_last_entry_and_increase(environment: Environment) -> None:
    view, page = view_of(environment), Page()

    for entry in answer_log().entries:
        page.show(view.feed([entry]))

    numbers = [int(event_id.removeprefix("abc-")) for event_id in page.ids]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == len(answer_log().entries)


def test_finished_blocks_are_sent_once(environment: Environment) -> None:
    view = view_of(environment)

    sent = b"".join(view.feed([entry]) for entry in answer_log().entries).decode()

    assert sent.count("<ul>") > 1, "the list is sent again while it is the last block"
    # While it was the last block the paragraph grew in the tail; as a finished block it came once.
    assert len(re.findall(r'-blocks" hx-swap-oob="beforeend"><p>Think', sent)) == 1


@pytest.mark.req("T17")
def test_failure_shows_message_and_request_and_closes(environment: Environment) -> None:
    view, page, log = view_of(environment), Page(), Log()
    log.add(events.START)
    log.add(events.DELTA, text="Some text")
    log.add(events.ERROR, code="MODEL_BROKEN", message="It broke <off>.", retryable=True, request_id="req-1")
    log.add(events.END, outcome=events.FAILED, finish_reason="error")

    page.show(view.feed(log.entries))

    assert "It broke &lt;off&gt;." in page.parts["answer-abc-error"]
    assert "req-1" in page.parts["answer-abc-error"]
    assert "/api/streams/abc/continue" in page.parts["answer-abc-status"]
    assert "Some text" in page.text
    assert page.closed


@pytest.mark.parametrize(("outcome", "words"), [(events.STOPPED, "Stopped"), (events.INTERRUPTED, "Interrupted")])
def test_a_cut_answer_says_so_and_can_go_on(environment: Environment, outcome: str, words: str) -> None:
    view, page = view_of(environment), Page()

    page.show(view.feed(answer_log(outcome=outcome, finish_reason="cancelled").entries))

    assert words in page.parts["answer-abc-status"]
    assert "Continue" in page.parts["answer-abc-status"]


@pytest.mark.slow
def test_an_answer_without_a_word_can_be_tried_again(environment: Environment) -> None:
    view, page = view_of(environment), Page()

    page.show(view.feed(answer_log("", outcome=events.INTERRUPTED).entries))

    assert "/api/streams/abc/retry" in page.parts["answer-abc-status"]
    assert "/continue" not in page.parts["answer-abc-status"]


def test_a_continued_answer_begins_with_what_was_there(environment: Environment) -> None:
    view, page, log = view_of(environment), Page(), Log()
    log.add(events.START, partial="The first ha")
    log.add(events.DELTA, text="lf and the rest.")

    page.show(view.feed(log.entries))

    assert "The first half and the rest." in page.text


def test_an_error_that_cannot_be_retried_offers_nothing(environment: Environment) -> None:
    view, page, log = view_of(environment), Page(), Log()
    log.add(events.START)
    log.add(events.ERROR, code="X", message="No.", retryable=False, request_id="r")
    log.add(events.END, outcome=events.FAILED)

    page.show(view.feed(log.entries))

    assert "continue" not in page.parts["answer-abc-status"]


def test_the_built_in_engine_is_labelled_and_a_fallback_says_why(environment: Environment) -> None:
    view, page, log = view_of(environment), Page(), Log()
    log.add(events.START)
    page.show(view.feed(log.entries))

    page.show(view.feed([log.add(events.METADATA, engine="built-in", fallback=True, hint_level=1)]))

    assert "Built-in engine" in page.parts["answer-abc-engine"]
    assert "could not be reached" in page.parts["answer-abc-engine"]
    assert "Hint 1 of 3" in page.parts["answer-abc-engine"]


@pytest.mark.req("T13")
def test_suggested_tests_are_a_card(environment: Environment) -> None:
    view, page, log = view_of(environment), Page(), Log()
    log.add(events.START)
    log.add(events.TESTS, tests=[{"input": "[1]", "expected": 0, "why": "zero is a value"}, {"input": "<b>"}])

    page.show(view.feed(log.entries))

    card = page.parts["answer-abc-tests"]
    assert ">0</code>" in card
    assert "zero is a value" in card
    assert "&lt;b&gt;" in card


def test_a_follow_up_on_the_same_stream_replaces_the_answer(environment: Environment) -> None:
    view, page, log = view_of(environment), Page(), answer_log("First.")
    view.feed(log.entries)
    assert view.done
    follow_up = [log.add(events.START), log.add(events.DELTA, text="Second.")]

    page.show(view.feed(follow_up))

    assert not view.done
    assert "Second." in page.text
    assert "First." not in page.text


@pytest.mark.slow
def test_after_the_end_nothing_more_is_sent(environment: Environment) -> None:
    view, log = view_of(environment), answer_log()
    view.feed(log.entries)

    assert view.feed([log.add(events.SEAL)]) == b""
    assert view.feed([log.add(events.CLOSE, reason="idle")]) == b""


def test_names_that_are_not_known_change_nothing(environment: Environment) -> None:
    view, log = view_of(environment), Log()
    view.feed([log.add(events.START)])

    assert view.feed([log.add("tomorrow", anything=[1]), log.add(events.SEAL)]) == b""


@pytest.mark.slow
def test_a_gone_answer_is_shown_from_what_was_stored(environment: Environment) -> None:
    view, page = view_of(environment), Page()

    page.show(view.greeting(Replay("abc-9", 0, 0, "gone", answer_log().entries)))

    assert page.text == normal(TEXT)
    assert page.closed


def test_a_gone_answer_that_was_not_stored_says_so_and_closes(environment: Environment) -> None:
    body = view_of(environment).greeting(Replay("abc-9", 0, 0, "gone", []))

    assert b"no longer kept" in body
    assert body.endswith(b"event: close\ndata: refused\n\n")


@pytest.mark.parametrize("text", ["\n\nevent: close\ndata: x\n\n", "a\r\rid: evil-1\r\r", "x\u2028\u2029\x85y", "\x00"])
def test_text_cannot_make_frames(environment: Environment, text: str) -> None:
    log = Log()
    log.add(events.START)
    log.add(events.METADATA, engine=text, hint_level=1)
    log.add(events.DELTA, text=text)
    log.add(events.ERROR, message=text, request_id=text)

    for frame in frames(view_of(environment).feed(log.entries)):
        assert set(frame) == {"id", "data"}
        assert frame["id"] == "abc-4"


@pytest.mark.req("T43")
def test_markup_in_any_event_is_text(environment: Environment) -> None:
    evil = '"><script>alert(1)</script><b hx-get="/x" hx-trigger="load">'
    log = Log()
    log.add(events.START, hint_level=evil)
    log.add(events.METADATA, engine=evil, hint_level=evil)
    log.add(events.STEP, name=evil)
    log.add(events.DELTA, text=evil)
    log.add(events.TESTS, tests=[{"input": evil, "expected": evil, "why": evil}, evil])
    log.add(events.ERROR, message=evil, request_id=evil, code=evil)
    log.add(events.END, outcome=evil, finish_reason=evil)

    body = view_of(environment).feed(log.entries).decode()

    assert "<script" not in body
    assert "<b " not in body


def test_refusal_explains_in_the_pages_element_and_closes(environment: Environment) -> None:
    problem = {"message": "Stream <not> found", "request_id": "q1"}

    first, last = frames(refusal(environment, "abc", problem))

    assert 'id="answer-abc"' in first["data"]
    assert "Stream &lt;not&gt; found" in first["data"]
    assert last["event"] == "close"


@pytest.mark.parametrize("stream_id", [None, 'x"><script>'])
def test_refusal_of_no_or_a_hostile_id_is_inert(environment: Environment, stream_id: str | None) -> None:
    body = refusal(environment, stream_id, {"message": "No."})

    assert b"<script" not in body
    assert b"No." in body


def test_a_stored_answer_renders_like_a_streamed_one(environment: Environment) -> None:
    answer = stored_answer("abc", TEXT, outcome=events.COMPLETED, engine="built-in")

    html = environment.get_template("streams/_snapshot.html").render(answer=answer)

    assert str(render_markdown(TEXT)) in html


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(step=st.integers(1, 30), size=st.integers(1, 9), joins=st.booleans())
def test_without_script_the_same_answer_grows_by_whole_blocks(step: int, size: int, joins: bool) -> None:
    view = ProgressiveDialect(_environment()).view(STREAM)
    entries = answer_log(step=step).entries

    body = b"".join(view.feed(entries[start : start + size]) for start in range(0, len(entries), size))
    if joins:
        body = view.greeting(fresh())

    text = re.sub(
        r"<p class=\"answer__engine\">.*?</p>|<div class=\"answer__(tests|error)\">\s*</div>",
        "",
        body.decode(),
        flags=re.DOTALL,
    )
    assert re.sub(r"\s+", " ", text).strip() == normal(TEXT)
    assert view.done
