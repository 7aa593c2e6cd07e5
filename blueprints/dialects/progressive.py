"""The same answer for a browser without script: HTML in one response, that only ever grows."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment

from blueprints.dialects.answers import begin
from blueprints.dialects.steps import Step
from services.streaming import events
from services.streaming.events import Entry
from services.streaming.views import Replay, StreamFacts


class ProgressiveDialect:
    """The same answer for a browser without script: HTML that only ever grows.

    The response is `head()`, then what a view of this dialect gives, then `foot()`. Finished blocks
    are final, so they can be appended; the block being written waits until it is finished.
    """

    key = "progressive"
    interval_s = 0.05

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def shows(self, entry: Entry) -> bool:  # noqa: ARG002 - the protocol's
        """Every subscribe is answered with the whole answer, whatever the reader has seen."""
        return True

    def view(self, stream: StreamFacts) -> "ProgressiveView":
        """A new view that has been fed nothing."""
        return ProgressiveView(self._environment, stream)

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

    def __init__(self, environment: Environment, stream: StreamFacts) -> None:
        self._environment = environment
        self._stream_id = stream.stream_id
        self._assistant = stream.assistant
        self._today = datetime.now(UTC).date()
        self._run = begin(stream.stream_id, {}, stream.assistant, today=self._today)
        self._all: list[bytes] = []
        self._sent_blocks = 0
        self._sent_steps: set[str] = set()
        self._is_closed = False

    @property
    def done(self) -> bool:
        """Whether the run has ended."""
        return self._is_closed

    def prime(self, entries: Sequence[Entry]) -> None:
        """Take what the log held already."""
        self.feed(entries)

    def feed(self, entries: Sequence[Entry]) -> bytes:
        """Take what the log gained; the HTML that it adds to the page."""
        if self._is_closed:
            return b""
        for entry in entries:
            if entry.event.name == events.START:
                self._run = begin(self._stream_id, entry.event.data, self._assistant, today=self._today)
                self._sent_blocks = 0
                self._sent_steps.clear()
            else:
                self._run.take(entry.event)
            self._is_closed = self._run.answer.outcome is not None or entry.event.name == events.CLOSE
        self._run.settle()
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

    def _new_steps(self) -> list[Step]:
        """Steps that have come to their end since the last look; what is said of them is final."""
        steps = self._run.answer.steps.shown
        new = [step for step in steps if step.sentence.state != "running" and step.call_id not in self._sent_steps]
        self._sent_steps |= {step.call_id for step in new}
        return new

    def _added(self) -> bytes:
        changed, blocks = self._run.changed, self._run.renderer.blocks
        # What a late link address would change stays as it is: this page cannot take anything back.
        html = self._environment.get_template("streams/progressive_part.html").render(
            answer=self._run.answer,
            blocks=blocks[self._sent_blocks :],
            steps=self._new_steps(),
            changed=frozenset(changed),
        )
        self._sent_blocks = len(blocks)
        changed.clear()
        return html.strip().encode() + b"\n" if html.strip() else b""
