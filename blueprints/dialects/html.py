"""The HTML flavour: a stream as out-of-band fragments that any page with htmx 2 or 4 can show.

Every frame is unnamed and holds only fragments that are addressed by element id; the page needs one
element `answer-{stream_id}`. What a newcomer gets first replaces all that is inside it, so that a
reload, a reconnect without a cursor and a second tab end up with the same page. The stream ends
with the named event `close`. Nothing here knows a request: frames are made in the engine's greenlets
and shared by all viewers.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from jinja2 import Environment
from markupsafe import Markup

from blueprints.dialects.answers import begin
from services.streaming import events
from services.streaming.events import Entry, Event
from services.streaming.views import Replay, StreamFacts
from services.streaming.wire import HEARTBEAT, format_event_id, text_frame

GONE: Final = {"message": "This answer is no longer kept.", "code": "STREAM_GONE"}
_CLOSED_BY_US: Final = "ended"
# Parts of an answer, in the order in which they stand on the page: its element's suffix and template.
_PARTS: Final = {
    "engine": "streams/_metadata.html",
    "about": "streams/_about.html",
    "summary": "streams/_summary.html",
    "passages": "streams/_passages.html",
    "steps": "streams/_steps.html",
    "body": "streams/_message.html",
    "blocks": "streams/_blocks.html",
    "tail": "streams/_delta.html",
    "sources": "streams/_sources.html",
    "found": "streams/_found.html",
    "tests": "streams/_tests.html",
    "error": "streams/_error.html",
    "asks": "streams/_asks.html",
    "status": "streams/_status.html",
    "choices": "streams/_choices.html",
    "related": "streams/_related.html",
}


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

    def shows(self, entry: Entry) -> bool:  # noqa: ARG002 - the protocol's
        """Every subscribe is answered with the whole answer, whatever the reader has seen."""
        return True

    def view(self, stream: StreamFacts) -> "HtmlView":
        """A new view that has been fed nothing."""
        return HtmlView(self._environment, stream)

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


class HtmlView:
    """One stream as fragments, shared by all viewers in this process."""

    def __init__(self, environment: Environment, stream: StreamFacts) -> None:
        self._environment = environment
        self._stream_id = stream.stream_id
        self._assistant = stream.assistant
        # Of dates it decides only whether they are told with their year.
        self._today = datetime.now(UTC).date()
        self._run = begin(stream.stream_id, {}, stream.assistant, today=self._today)
        self._seq = 0
        self._sent_blocks = 0
        self._is_closed = False

    @property
    def done(self) -> bool:
        """Whether the latest run has ended: a page shows one answer, then closes."""
        return self._is_closed

    def prime(self, entries: Sequence[Entry]) -> None:
        """Take what the log held already."""
        self.feed(entries)

    def feed(self, entries: Sequence[Entry]) -> bytes:
        """Take what the log gained; the fragments that changed, and `close` after the end."""
        was_closed, is_new_run = self._is_closed, False
        for entry in entries:
            self._seq = entry.seq
            if entry.event.name == events.START:
                self._run = begin(self._stream_id, entry.event.data, self._assistant, today=self._today)
                self._is_closed, was_closed, is_new_run = False, False, True
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
            self._run.take(Event(events.END, {"outcome": events.STOPPED}))

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
        if "numbers" in changed:
            parts += [_number(at, number) for at, number in answer.evidence.numbers.items()]
        return self._frame("streams/changes.html", {"parts": parts}) if parts else b""

    def _frame(self, template: str, variables: Mapping[str, Any]) -> bytes:
        html = self._environment.get_template(template).render(answer=self._run.answer, **variables)
        return text_frame(html.strip(), event_id=format_event_id(self._stream_id, self._seq))


def _number(at: int, number: int) -> dict[str, Any]:
    """A cited passage's number on its card; the cards themselves stay, as far as they have been moved."""
    return {"name": f"card-{at}", "template": "streams/_card_number.html", "swap": "innerHTML", "number": number}


def _part(name: str, *, swap: str = "innerHTML", blocks: Iterable[Markup] = ()) -> dict[str, Any]:
    return {"name": name, "template": _PARTS[name], "swap": swap, "blocks": blocks}
