"""What a page shows of an answer, and how a run's events bring it about. Pure: no HTML frame, no template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from markupsafe import Markup

from blueprints.dialects.chapters import Chapter
from blueprints.dialects.evidence import Evidence, source
from blueprints.dialects.markdown import BlockRenderer, render_markdown
from blueprints.dialects.steps import Steps
from blueprints.dialects.untold import Untold, untold
from services.streaming import events
from services.streaming.events import Event, StreamId


@dataclass(slots=True)
class Answer:
    """What the page shows of an answer.

    Attributes:
        waiting_for: What is being waited for, in words; empty once the run has ended.
        tests: Suggested tests, each {input, expected?, why?}.
        sources: What the answer cites, each {number, document_name, excerpt? (without marks), page?, media_id?,
            document_id?, url?}.
        evidence: What a search found, and how far it bears the answer.
        steps: What the todo agent did, and what it asks.
        chapter: What a story tells besides its words.
        conversation_id: Where a question that goes on from it belongs; empty where nobody has said.
        summary: What was said before, where it was too long to go word for word.
        cached: Whether it is an earlier answer to the same question.
        usage: Tokens, as the run's end says: {total_tokens, estimated?, first_token_s?, ...}.
        points: What it cost; None where nothing is charged.
        took_s: From the question to the end; None while nobody knows.
        feedback: {value, reason} as the reader gave it.
        bookmarked: Whether the reader wants to find it again.
        error: {code, message, retryable, request_id} or None.
        outcome: None while the run goes on.
    """

    stream_id: str
    waiting_for: str = ""
    engine: str = ""
    fallback: bool = False
    hint_level: int | None = None
    blocks: Sequence[Markup] = ()
    tail: Markup | str = ""
    tests: Sequence[Mapping[str, Any]] = ()
    error: Mapping[str, Any] | None = None
    outcome: str | None = None
    finish_reason: str | None = None
    message_id: str = ""
    assistant: str = ""
    sources: Sequence[Mapping[str, Any]] = ()
    summary: str = ""
    cached: bool = False
    usage: Mapping[str, Any] = field(default_factory=dict)
    points: int | None = None
    took_s: float | None = None
    feedback: Mapping[str, Any] = field(default_factory=dict)
    bookmarked: bool = False
    evidence: Evidence = field(default_factory=Evidence)
    steps: Steps = field(default_factory=Steps)
    chapter: Chapter = field(default_factory=Chapter)
    conversation_id: str = ""

    @property
    def is_running(self) -> bool:
        """Whether more may come."""
        return self.outcome is None and bool(self.waiting_for)

    @property
    def has_text(self) -> bool:
        """Whether there is anything to go on from."""
        return bool(self.blocks or self.tail or self.steps.all)

    @property
    def can_continue(self) -> bool:
        """Whether it ended before its own end."""
        cut_short = self.outcome in (events.STOPPED, events.FAILED, events.INTERRUPTED)
        return cut_short or self.finish_reason == "length"


# Whose numbers in brackets are sources and nothing else, so that they lead there from the first.
_CITING: Final = "search"
# Who uses tools, each a step that is told.
_ACTING: Final = "todos"
# Who tells chapters: how far each is stands below it.
_TELLING: Final = "stories"


def _cites(stream_id: str, assistant: str) -> str:
    return f"answer-{stream_id}-source-" if assistant == _CITING else ""


def stored_answer(stream_id: str, text: str, *, outcome: str, **facts: Any) -> Answer:
    """An answer that has ended, from what the database keeps, for a page that is made as a whole.

    Args:
        facts: Other attributes of `Answer`, by name.
    """
    text = untold(text, facts["steps"].told) if facts.get("steps") else text
    blocks = [render_markdown(text, _cites(stream_id, facts.get("assistant", "")))] if text else []
    facts["sources"] = [source(one) for one in facts.get("sources", ())]
    return Answer(stream_id=stream_id, blocks=blocks, outcome=outcome, **facts)


@dataclass(slots=True)
class Run:
    """What one run of a stream has come to, as its entries are fed."""

    answer: Answer
    renderer: BlockRenderer = field(default_factory=BlockRenderer)
    today: date | None = None
    changed: set[str] = field(default_factory=set)
    is_replaced: bool = False
    unread: list[str] = field(default_factory=list)
    rest: Untold = field(default_factory=Untold)

    def take(self, event: Event) -> None:
        """Take one entry's event; names that are not known change nothing."""
        handler = _HANDLERS.get(event.name)
        if handler is not None and (self.answer.outcome is None):
            handler(self, event.data)

    def settle(self) -> None:
        """Render the text that came, once for however many deltas, and show it."""
        if self.unread:
            self.renderer.add(self.rest.add("".join(self.unread)))
            self.unread.clear()
        if not self.is_replaced:
            self.answer.blocks, self.answer.tail = list(self.renderer.blocks), self.renderer.tail

    def wait_for(self, words: str) -> None:
        """Say what is being waited for."""
        if words != self.answer.waiting_for:
            self.answer.waiting_for = words
            self.changed.add("status")


def _take_metadata(run: Run, data: Mapping[str, Any]) -> None:
    run.answer.engine = str(data.get("engine") or run.answer.engine)
    run.answer.fallback = bool(data.get("fallback", run.answer.fallback))
    level = data.get("hint_level")
    run.answer.hint_level = level if isinstance(level, int) else run.answer.hint_level
    run.answer.message_id = str(data.get("message_id") or run.answer.message_id)
    run.answer.cached = bool(data.get("cached", run.answer.cached))
    run.changed.add("engine")
    run.answer.conversation_id = str(data.get("conversation_id") or run.answer.conversation_id)
    if run.answer.assistant != _TELLING and not (run.answer.has_text or run.unread):
        run.wait_for("Searching…" if run.answer.assistant == _CITING else "Thinking…")


def _take_evidence(run: Run, data: Mapping[str, Any]) -> None:
    before, told = run.answer.evidence, run.answer.evidence.told(data)
    run.answer.evidence = told
    if told.passages != before.passages or told.notes != before.notes:
        run.changed.add("passages")
    if told.numbers != before.numbers:
        run.changed.add("numbers")
    if told.confidence != before.confidence or told.also_found != before.also_found:
        run.changed.add("found")
    if told.related != before.related:
        run.changed.add("related")


def _take_delta(run: Run, data: Mapping[str, Any]) -> None:
    run.unread.append(str(data.get("text", "")))
    run.changed.add("tail")
    if run.answer.assistant != _TELLING:
        run.wait_for("Writing…")


def _take_call(run: Run, data: Mapping[str, Any]) -> None:
    if run.answer.assistant != _ACTING:
        _take_step(run, data)
        return
    run.answer.steps = run.answer.steps.called(data, run.today)
    run.changed.add("steps")
    run.wait_for(f"{run.answer.steps.all[-1].sentence.text}…")


def _take_result(run: Run, data: Mapping[str, Any]) -> None:
    if run.answer.assistant != _ACTING:
        return
    run.answer.steps = run.answer.steps.answered(data, run.today)
    run.rest.told |= run.answer.steps.told
    run.changed.add("steps")
    running = [step for step in run.answer.steps.all if step.sentence.state == "running"]
    run.wait_for(f"{running[-1].sentence.text}…" if running else "Thinking…")


def _take_tests(run: Run, data: Mapping[str, Any]) -> None:
    tests = data.get("tests")
    if isinstance(tests, list):
        run.answer.tests = [*run.answer.tests, *(test for test in tests if isinstance(test, Mapping))]
        run.changed.add("tests")


def _take_citation(run: Run, data: Mapping[str, Any]) -> None:
    run.answer.sources = [*run.answer.sources, source(data)]
    run.changed.add("sources")
    _take_evidence(run, data)


def _take_message(run: Run, data: Mapping[str, Any]) -> None:
    if data.get("kind") == "summary":
        run.answer.summary = str(data.get("content") or "")
        run.changed.add("summary")
    elif run.answer.assistant == _CITING:
        _take_evidence(run, data)
        if data.get("kind") == "passages" and not (run.answer.has_text or run.unread):
            run.wait_for("Reading…")
    elif run.answer.assistant == _ACTING:
        run.answer.steps = run.answer.steps.asked(data)
        run.changed.add("asks")
        return
    elif run.answer.assistant == _TELLING:
        run.answer.chapter = run.answer.chapter.told(data)
        run.changed.add("about")
        return
    _take_evidence(run, data)


def _take_step(run: Run, data: Mapping[str, Any]) -> None:
    if run.answer.assistant == _TELLING:
        before, run.answer.chapter = run.answer.chapter, run.answer.chapter.stepped(data)
        run.wait_for(run.answer.chapter.waiting_for)
        run.changed |= {"status"} if run.answer.chapter.percent != before.percent else set()
        return
    words = data.get("description") or data.get("name") or data.get("stage")
    if words:
        run.wait_for(f"{words}…")


def _take_check(run: Run, data: Mapping[str, Any]) -> None:
    run.answer.chapter = run.answer.chapter.checked(data)


def _take_error(run: Run, data: Mapping[str, Any]) -> None:
    run.answer.error = dict(data)
    run.changed.add("error")


def _take_end(run: Run, data: Mapping[str, Any]) -> None:
    run.answer.outcome = str(data.get("outcome") or events.COMPLETED)
    run.answer.finish_reason = str(data.get("finish_reason") or "")
    run.answer.usage = data.get("usage") or {}
    run.answer.points = run.answer.usage.get("points_cost")
    run.answer.waiting_for = ""
    run.settle()
    if left := run.rest.finish():
        run.renderer.add(left)
        run.settle()
    whole = run.renderer.finish()
    if whole is not None:
        run.is_replaced = True
        run.answer.blocks, run.answer.tail = [whole], ""
    run.changed |= {"body"} if run.is_replaced else {"tail"}
    run.changed |= {"status", "error"}
    # What was done can be undone from now on.
    run.changed |= {"steps"} if run.answer.steps.all else set()
    # What can happen next is chosen when the chapter is there.
    run.changed |= {"about", "choices"} if run.answer.assistant == _TELLING else set()


_HANDLERS: Final = {
    events.METADATA: _take_metadata,
    events.DELTA: _take_delta,
    events.TESTS: _take_tests,
    events.CITATION: _take_citation,
    events.MESSAGE: _take_message,
    events.STEP: _take_step,
    events.PROGRESS: _take_step,
    events.CHECK: _take_check,
    events.TOOL_CALL: _take_call,
    events.TOOL_RESULT: _take_result,
    events.ERROR: _take_error,
    events.END: _take_end,
}


def begin(stream_id: StreamId, data: Mapping[str, Any], assistant: str, *, today: date | None = None) -> Run:
    """A run of this assistant's that has just begun.

    Args:
        data: That of its `start`.
        today: Dates of this year are told without it.
    """
    searches = assistant == _CITING
    waiting_for = "Searching…" if searches else "Waiting for the model…"
    waiting_for = Chapter().waiting_for if assistant == _TELLING else waiting_for
    run = Run(Answer(stream_id, waiting_for=waiting_for), BlockRenderer(_cites(stream_id, assistant)), today)
    run.answer.message_id = str(data.get("message_id") or "")
    run.answer.assistant = assistant
    level = data.get("hint_level")
    run.answer.hint_level = level if isinstance(level, int) else None
    number = data.get("chapter_number")
    run.answer.chapter = Chapter(number=number if isinstance(number, int) else 0)
    if partial := data.get("partial"):
        run.unread.append(str(partial))
        run.settle()
    return run
