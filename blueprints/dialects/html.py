"""The HTML flavour: a stream as out-of-band fragments that any page with htmx 2 or 4 can show.

Every frame is unnamed and holds only fragments that are addressed by element id; the page needs one
element `answer-{stream_id}`. What a newcomer gets first replaces all that is inside it, so that a
reload, a reconnect without a cursor and a second tab end up with the same page. The stream ends
with the named event `close`. Nothing here knows a request: frames are made in the engine's greenlets
and shared by all viewers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jinja2 import Environment
from markupsafe import Markup

from blueprints.dialects.markdown import BlockRenderer, render_markdown
from services.streaming import events
from services.streaming.events import Entry, Event, StreamId
from services.streaming.views import Replay, StreamFacts
from services.streaming.wire import HEARTBEAT, format_event_id, text_frame

BUILT_IN: Final = "built-in"
GONE: Final = {"message": "This answer is no longer kept.", "code": "STREAM_GONE"}
_CLOSED_BY_US: Final = "ended"
# Parts of an answer, in the order in which they stand on the page: its element's suffix and template.
_PARTS: Final = {
    "engine": "streams/_metadata.html",
    "body": "streams/_message.html",
    "blocks": "streams/_blocks.html",
    "tail": "streams/_delta.html",
    "tests": "streams/_tests.html",
    "error": "streams/_error.html",
    "status": "streams/_status.html",
}


@dataclass(slots=True)
class Answer:
    """What the page shows of an answer.

    Attributes:
        waiting_for: What is being waited for, in words; empty once the run has ended.
        tests: Suggested tests, each {input, expected?, why?}.
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

    @property
    def is_running(self) -> bool:
        """Whether more may come."""
        return self.outcome is None and bool(self.waiting_for)

    @property
    def has_text(self) -> bool:
        """Whether there is anything to go on from."""
        return bool(self.blocks or self.tail)

    @property
    def can_continue(self) -> bool:
        """Whether it ended before its own end."""
        cut_short = self.outcome in (events.STOPPED, events.FAILED, events.INTERRUPTED)
        return cut_short or self.finish_reason == "length"


def stored_answer(
    stream_id: str,
    text: str,
    *,
    outcome: str,
    engine: str = "",
    fallback: bool = False,
    hint_level: int | None = None,
    tests: Sequence[Mapping[str, Any]] = (),
    error: Mapping[str, Any] | None = None,
    finish_reason: str | None = None,
) -> Answer:
    """An answer that has ended, from what the database keeps, for a page that is made as a whole."""
    return Answer(
        stream_id=stream_id,
        engine=engine,
        fallback=fallback,
        hint_level=hint_level,
        blocks=[render_markdown(text)] if text else [],
        tests=tests,
        error=error,
        outcome=outcome,
        finish_reason=finish_reason,
    )


class HtmlDialect:
    """The dialect behind `?view=html`.

    Args:
        environment: The site's templates, with autoescape.
    """

    key = "html"
    # Twenty times a second is as often as a reader's eye can tell.
    interval_s = 0.05

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def view(self, stream: StreamFacts) -> "HtmlView":
        """A new view that has been fed nothing."""
        return HtmlView(self._environment, stream.stream_id)

    def refusal(self, stream_id: str | None, problem: Mapping[str, Any]) -> bytes:
        """The whole body of a stream that is refused: a fragment that explains, then `close`.

        Args:
            stream_id: As the request named it, or None if it named none.
            problem: A problem document; `message` and `request_id` are shown.
        """
        return refusal(self._environment, stream_id, problem)


def refusal(environment: Environment, stream_id: str | None, problem: Mapping[str, Any]) -> bytes:
    """See `HtmlDialect.refusal`."""
    html = environment.get_template("streams/refusal.html").render(stream_id=stream_id, problem=problem)
    return text_frame(html.strip()) + text_frame("refused", name="close")


@dataclass(slots=True)
class Run:
    """What one run of a stream has come to, as its entries are fed."""

    answer: Answer
    renderer: BlockRenderer = field(default_factory=BlockRenderer)
    changed: set[str] = field(default_factory=set)
    is_replaced: bool = False

    def take(self, event: Event) -> None:
        """Take one entry's event; names that are not known change nothing."""
        handler = _HANDLERS.get(event.name)
        if handler is not None and (self.answer.outcome is None):
            handler(self, event.data)

    def settle(self) -> None:
        """Bring what the renderer has made into the answer."""
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
    run.changed.add("engine")
    if not run.renderer.text:
        run.wait_for("Thinking…")


def _take_delta(run: Run, data: Mapping[str, Any]) -> None:
    run.renderer.add(str(data.get("text", "")))
    run.changed.add("tail")
    run.wait_for("Writing…")


def _take_tests(run: Run, data: Mapping[str, Any]) -> None:
    tests = data.get("tests")
    if isinstance(tests, list):
        run.answer.tests = [*run.answer.tests, *(test for test in tests if isinstance(test, Mapping))]
        run.changed.add("tests")


def _take_step(run: Run, data: Mapping[str, Any]) -> None:
    words = data.get("description") or data.get("name") or data.get("stage")
    if words:
        run.wait_for(f"{words}…")


def _take_error(run: Run, data: Mapping[str, Any]) -> None:
    run.answer.error = dict(data)
    run.changed.add("error")


def _take_end(run: Run, data: Mapping[str, Any]) -> None:
    run.answer.outcome = str(data.get("outcome") or events.COMPLETED)
    run.answer.finish_reason = str(data.get("finish_reason") or "")
    run.answer.waiting_for = ""
    whole = run.renderer.finish()
    if whole is not None:
        run.is_replaced = True
        run.answer.blocks, run.answer.tail = [whole], ""
    run.changed |= {"body"} if run.is_replaced else {"tail"}
    run.changed |= {"status", "error"}


_HANDLERS: Final = {
    events.METADATA: _take_metadata,
    events.DELTA: _take_delta,
    events.TESTS: _take_tests,
    events.STEP: _take_step,
    events.PROGRESS: _take_step,
    events.TOOL_CALL: _take_step,
    events.ERROR: _take_error,
    events.END: _take_end,
}


def _begin(stream_id: StreamId, data: Mapping[str, Any]) -> Run:
    run = Run(Answer(stream_id, waiting_for="Waiting for the model…"))
    level = data.get("hint_level")
    run.answer.hint_level = level if isinstance(level, int) else None
    if partial := data.get("partial"):
        run.renderer.add(str(partial))
    return run


class HtmlView:
    """One stream as fragments, shared by all viewers in this process."""

    def __init__(self, environment: Environment, stream_id: StreamId) -> None:
        self._environment = environment
        self._stream_id = stream_id
        self._run = _begin(stream_id, {})
        self._seq = 0
        self._sent_blocks = 0
        self._is_closed = False

    @property
    def done(self) -> bool:
        """Whether the latest run has ended: a page shows one answer, then closes."""
        return self._is_closed

    def feed(self, entries: Sequence[Entry]) -> bytes:
        """Take what the log gained; the fragments that changed, and `close` after the end."""
        was_closed, is_new_run = self._is_closed, False
        for entry in entries:
            self._seq = entry.seq
            if entry.event.name == events.START:
                self._run, self._is_closed, was_closed, is_new_run = (
                    _begin(self._stream_id, entry.event.data),
                    False,
                    False,
                    True,
                )
            elif entry.event.name == events.CLOSE:
                self._close_run(entry.event.data)
            else:
                self._run.take(entry.event)
            self._is_closed = self._is_closed or self._run.answer.outcome is not None
        if was_closed:
            return b""
        self._run.settle()
        shown = self._snapshot() if is_new_run else self._changes()
        self._run.changed.clear()
        self._sent_blocks = len(self._run.answer.blocks)
        return shown + (self._closing() if self._is_closed else b"")

    def greeting(self, replay: Replay) -> bytes:
        """The whole answer as it has been shown to the others."""
        if replay.verdict == "gone" and not self._seq:
            if not replay.entries:
                return refusal(self._environment, self._stream_id, GONE)
            self.feed(replay.entries)
        return self._snapshot() + (self._closing() if self._is_closed else b"")

    def beat(self, idle_s: float) -> bytes:
        """A comment; htmx knows no other heartbeat."""
        del idle_s
        return HEARTBEAT

    def _close_run(self, data: Mapping[str, Any]) -> None:
        self._is_closed = True
        if self._run.answer.outcome is None and data.get("reason") == "stopped":
            _take_end(self._run, {"outcome": events.STOPPED})

    def _closing(self) -> bytes:
        return text_frame(_CLOSED_BY_US, name="close")

    def _snapshot(self) -> bytes:
        return self._frame("streams/snapshot.html", {})

    def _changes(self) -> bytes:
        changed, answer = self._run.changed, self._run.answer
        parts: list[dict[str, Any]] = []
        if "tail" in changed and len(answer.blocks) > self._sent_blocks:
            parts.append(_part("blocks", swap="beforeend", blocks=answer.blocks[self._sent_blocks :]))
        parts += [_part(name) for name in _PARTS if name in changed]
        return self._frame("streams/changes.html", {"parts": parts}) if parts else b""

    def _frame(self, template: str, variables: Mapping[str, Any]) -> bytes:
        html = self._environment.get_template(template).render(answer=self._run.answer, **variables)
        return text_frame(html.strip(), event_id=format_event_id(self._stream_id, self._seq))


def _part(name: str, *, swap: str = "innerHTML", blocks: Iterable[Markup] = ()) -> dict[str, Any]:
    return {"name": name, "template": _PARTS[name], "swap": swap, "blocks": blocks}


class ProgressiveDialect:
    """The same answer for a browser without script: HTML that only ever grows.

    The response is `head()`, then what a view of this dialect gives, then `foot()`. Finished blocks
    are final, so they can be appended; the block being written waits until it is finished.
    """

    key = "progressive"
    interval_s = 0.05

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def view(self, stream: StreamFacts) -> "ProgressiveView":
        """A new view that has been fed nothing."""
        return ProgressiveView(self._environment, stream.stream_id)

    def head(self, stream_id: str, **variables: Any) -> bytes:
        """The page up to the answer; the variables stand in streams/progressive_head.html."""
        return self._page("streams/progressive_head.html", stream_id, variables)

    def foot(self, stream_id: str, **variables: Any) -> bytes:
        """The page after the answer; the variables stand in streams/progressive_foot.html."""
        return self._page("streams/progressive_foot.html", stream_id, variables)

    def _page(self, template: str, stream_id: str, variables: Mapping[str, Any]) -> bytes:
        return self._environment.get_template(template).render(stream_id=stream_id, **variables).encode()


class ProgressiveView:
    """One stream as HTML that grows, shared by all who read it so."""

    def __init__(self, environment: Environment, stream_id: StreamId) -> None:
        self._environment = environment
        self._stream_id = stream_id
        self._run = _begin(stream_id, {})
        self._all: list[bytes] = []
        self._sent_blocks = 0
        self._is_closed = False

    @property
    def done(self) -> bool:
        """Whether the run has ended."""
        return self._is_closed

    def feed(self, entries: Sequence[Entry]) -> bytes:
        """Take what the log gained; the HTML that it adds to the page."""
        if self._is_closed:
            return b""
        for entry in entries:
            if entry.event.name == events.START:
                self._run, self._sent_blocks = _begin(self._stream_id, entry.event.data), 0
            else:
                self._run.take(entry.event)
            self._is_closed = self._run.answer.outcome is not None or entry.event.name == events.CLOSE
        added = self._added()
        self._all.append(added)
        return added

    def greeting(self, replay: Replay) -> bytes:
        """All that has been added so far."""
        if replay.verdict == "gone" and not self._all:
            self.feed(replay.entries)
        return b"".join(self._all)

    def beat(self, idle_s: float) -> bytes:
        """White space, which shows nothing between blocks."""
        del idle_s
        return b"\n"

    def _added(self) -> bytes:
        changed, blocks = self._run.changed, self._run.renderer.blocks
        # What a late link address would change stays as it is: this page cannot take anything back.
        html = self._environment.get_template("streams/progressive_part.html").render(
            answer=self._run.answer, blocks=blocks[self._sent_blocks :], changed=frozenset(changed)
        )
        self._sent_blocks = len(blocks)
        changed.clear()
        return html.strip().encode() + b"\n" if html.strip() else b""
