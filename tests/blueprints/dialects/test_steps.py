"""The todo agent's steps as pages show them: live, to newcomers, stored, and without script."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader

from blueprints.dialects.answers import stored_answer
from blueprints.dialects.html import HtmlDialect, HtmlView
from blueprints.dialects.progressive import ProgressiveDialect
from blueprints.dialects.steps import Option, Steps, stored_steps
from services.assistants.todos.agreeing import agrees, refuses
from services.streaming import events
from services.streaming.events import Entry, Event, StreamId, UserId
from services.streaming.views import Replay, StreamFacts

STREAM = StreamFacts(UserId(1), StreamId("abc"), "todos", "session")
TEMPLATES = Path(__file__).parents[3] / "templates"
HOSTILE = "<img src=x onerror=alert(1)> *x*"
TODAY = date(2026, 1, 2)
DONE = {"todo_id": "T-1", "status": "created", "item": HOSTILE, "start_time": "2020-01-15", "change_id": "01C"}
MORE = {"todo_id": "T-2", "status": "completed", "item": "Milk", "change_id": "01D"}
SENTENCE = "Added *\\<img src=x onerror=alert\\(1\\)\\> \\*x\\**, Wed 15 Jan 2020"


@pytest.fixture
def environment() -> Environment:
    made = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    made.globals["new_key"] = lambda: "key"
    return made


def told(*more: Event, text: str = "") -> list[Entry]:
    """The events of one answer."""
    happened = [
        Event(events.START, {"run_id": "r", "message_id": "m"}),
        Event(events.METADATA, {"engine": "built-in", "conversation_id": "session"}),
        Event(events.TOOL_CALL, {"id": "c1", "name": "create_todo", "arguments": {"item": HOSTILE}}),
        Event(events.TOOL_RESULT, {"id": "c1", "name": "create_todo", "output": DONE}),
        Event(events.TOOL_CALL, {"id": "c2", "name": "complete_todo", "arguments": {"todo_id": "T-2"}}),
        Event(events.TOOL_RESULT, {"id": "c2", "name": "complete_todo", "output": MORE}),
        *([Event(events.DELTA, {"text": text})] if text else []),
        *more,
        Event(events.END, {"outcome": events.COMPLETED, "finish_reason": "stop"}),
    ]
    return [Entry(1, at, event) for at, event in enumerate(happened, 1)]


def live(environment: Environment, entries: Sequence[Entry]) -> tuple[HtmlView, str]:
    """A view that was fed entry by entry, and all that it sent."""
    view = HtmlDialect(environment).view(STREAM)
    return view, b"".join(view.feed([entry]) for entry in entries).decode()


def newcomer(view: HtmlView) -> str:
    return view.greeting(Replay(None, 0, 0, "exact", [])).decode()


def extras(entries: Sequence[Entry]) -> dict[str, list[Any]]:
    kept: dict[str, list[Any]] = {}
    for entry in entries:
        kept.setdefault(entry.event.name, []).append(entry.event.data)
    return kept


def undo_buttons(html: str) -> list[tuple[str, str]]:
    return re.findall(r'action="(/todos/agent/\w+)".*?name="call_id" value="(\w*)"', html, re.DOTALL)


@pytest.mark.slow
@pytest.mark.req("D9", "D10")
def test_steps_are_sentences_that_lead_to_their_items(environment: Environment) -> None:
    _, sent = live(environment, told())

    assert '<a class="step__item" href="/todos?item=T-1" data-item="T-1"><bdi>&lt;img src=x' in sent
    assert "<img" not in sent
    assert ", Wed 15 Jan 2020" in sent


def test_what_is_being_done_is_said_while_it_is_done(environment: Environment) -> None:
    entries = told()
    view, sent = live(environment, entries[:3])

    assert "Adding &lt;img src=x onerror=alert(1)&gt; *x*…" in sent
    assert "step--running" in newcomer(view)
    view.feed(entries[3:4])
    assert "Thinking…" in newcomer(view)


@pytest.mark.slow
def test_what_was_done_can_be_undone_once_the_answer_has_ended(environment: Environment) -> None:
    entries = told()
    view, sent = live(environment, entries[:-1])
    assert undo_buttons(sent) == []

    last = view.feed(entries[-1:]).decode()

    assert undo_buttons(last) == [("/todos/agent/undo", "c1"), ("/todos/agent/undo", "c2"), ("/todos/agent/undo", "")]
    assert undo_buttons(newcomer(view)) == undo_buttons(last)


@pytest.mark.slow
def test_a_stored_answer_shows_the_same_steps(environment: Environment) -> None:
    entries = told(text="Well.")
    steps = stored_steps(extras(entries), today=TODAY).known({"01C": "", "01D": ""})
    answer = stored_answer("abc", "Well.", outcome="completed", assistant="todos", message_id="m", steps=steps)

    html = environment.get_template("streams/_snapshot.html").render(answer=answer, token=None)

    view, _ = live(environment, entries)
    shown = re.compile(r'<p class="step__told">.*?</p>', re.DOTALL)
    assert shown.findall(html) == shown.findall(newcomer(view))
    assert undo_buttons(html) == undo_buttons(newcomer(view))


@pytest.mark.slow
def test_the_builtin_engines_own_account_of_its_steps_is_not_shown_twice(environment: Environment) -> None:
    text = f"{SENTENCE}.\n\nCompleted *Milk*. Anything else?"
    view, sent = live(environment, told(text=text))
    whole = newcomer(view)

    assert "Anything else?" in whole
    assert whole.count("onerror=alert") == 1 + 1, "the step, and the name of its button"
    assert "<em>Milk</em>" not in sent


@pytest.mark.slow
def test_what_an_earlier_try_had_done_is_said_so_once(environment: Environment) -> None:
    again = [
        Event(events.TOOL_CALL, {"id": "c3", "name": "complete_todo", "arguments": {"todo_id": "T-2"}}),
        Event(events.TOOL_RESULT, {"id": "c3", "name": "complete_todo", "output": {**MORE, "already_done": True}}),
    ]
    view, _ = live(
        environment, told(*again, Event(events.DELTA, {"text": "Completed *Milk*. It had been done already."}))
    )

    whole = newcomer(view)

    assert whole.count("Done before") == 1
    assert "had been done" not in whole


def test_undone_steps_can_be_done_again(environment: Environment) -> None:
    steps = stored_steps(extras(told()), today=TODAY)
    for undone_by, buttons in (
        ({"01C": "01U", "01D": ""}, [("/todos/agent/redo", "c1"), ("/todos/agent/undo", "c2")]),
        ({"01C": "01U", "01D": "01V"}, [("/todos/agent/redo", "c1"), ("/todos/agent/redo", "c2")]),
        ({"01C": "01U", "01D": "01U"}, [("/todos/agent/redo", "")]),
        ({"01C": ""}, [("/todos/agent/undo", "c1")]),
        ({}, []),
    ):
        answer = stored_answer(
            "abc", "", outcome="completed", assistant="todos", message_id="m", steps=steps.known(undone_by)
        )
        html = environment.get_template("streams/_steps.html").render(answer=answer, token="t")
        assert undo_buttons(html) == buttons, undone_by


@pytest.mark.slow
def test_an_option_is_a_button_that_sends_its_words(environment: Environment) -> None:
    asks = {"kind": "ask", "question": "Which?", "options": ["The <b>first</b>", "", 7, "x" * 201, "The second"]}
    call = Event(events.TOOL_CALL, {"id": "c3", "name": "ask_user", "arguments": {"question": "Which?"}})
    result = Event(events.TOOL_RESULT, {"id": "c3", "name": "ask_user", "output": {"status": "asked"}})
    view, sent = live(environment, told(call, result, Event(events.MESSAGE, asks), text="Which?"))

    for html in (sent, newcomer(view)):
        assert re.findall(r'name="message" value="([^"]*)"', html) == ["The &lt;b&gt;first&lt;/b&gt;", "The second"]
        assert "c3" not in html


@pytest.mark.slow
@pytest.mark.req("D10")
def test_deleting_is_confirmed_in_words_that_the_agent_takes_for_a_yes(environment: Environment) -> None:
    for ids in (["T-1"], ["T-1", "T-2"]):
        steps = Steps().asked({"kind": "confirm", "todo_ids": ids, "items": []})
        yes, no = steps.options
        assert yes.is_grave
        assert agrees(yes.words)
        assert refuses(no.words)
    _, sent = live(environment, told(Event(events.MESSAGE, {"kind": "confirm", "todo_ids": ["T-1"]}), text="Sure?"))
    assert "Yes, delete it" in sent


def test_what_is_no_question_asks_nothing() -> None:
    for data in ({}, {"kind": "said", "content": "x"}, {"kind": "ask"}, {"kind": "ask", "options": "ab"}):
        assert Steps().asked(data).options in ((), [])


def test_without_script_steps_are_told_as_they_end(environment: Environment) -> None:
    entries = told(Event(events.MESSAGE, {"kind": "ask", "options": ["<b>A</b>"]}), text="Which?")
    view = ProgressiveDialect(environment).view(STREAM)

    parts = [view.feed([entry]).decode() for entry in entries]

    assert [part.count("step__item") for part in parts][2:6] == [0, 1, 0, 1]
    whole = "".join(parts)
    assert whole.count("step__item") == 2
    assert "“&lt;b&gt;A&lt;/b&gt;”" in whole
    assert "<img" not in whole
    assert view.greeting(Replay(None, 0, 0, "exact", [])).decode() == whole


@pytest.mark.slow
def test_events_that_make_no_sense_are_told_all_the_same(environment: Environment) -> None:
    happened = [
        Event(events.START, {}),
        Event(events.TOOL_RESULT, {"id": "lost", "name": "create_todo", "output": DONE}),
        Event(events.TOOL_RESULT, {"output": None}),
        Event(events.TOOL_CALL, {"id": 7, "name": None, "arguments": "x"}),
        Event(events.MESSAGE, {"kind": "confirm", "todo_ids": 3}),
        Event(events.END, {}),
    ]

    view, _ = live(environment, [Entry(1, at, event) for at, event in enumerate(happened, 1)])

    assert "T-1" in newcomer(view)


def test_a_step_is_what_its_call_says() -> None:
    steps = Steps().called({"id": "c", "name": "create_todo", "arguments": {"item": "A"}}, TODAY)
    answered = steps.answered({"id": "c", "output": DONE}, TODAY)

    assert steps.told == set()
    assert answered.told == {SENTENCE}
    assert [step.call_id for step in answered.undoable] == ["c"]
    assert replace(answered, options=[Option("x")]).shown == answered.all
