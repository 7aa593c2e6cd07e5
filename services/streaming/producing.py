"""What an assistant says, taken into its run: cleaned, bounded, within its deadline.

Whatever an assistant does, its run comes out of here with an outcome, or taken by somebody else.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import gevent

from services.errors import AppError
from services.streaming.answers import Answer, DeadlinePassed, EmptyAnswer, RunFailed
from services.streaming.coalesce import Normaliser
from services.streaming.events import COMPLETED, DELTA, END, FAILED, Event, StreamId, UserId, delta
from services.streaming.metrics import Metrics
from services.streaming.payload import plain
from services.streaming.state import NewRun
from services.streaming.writer import Writer

logger = logging.getLogger(__name__)

MAX_ANSWER_BYTES: Final = 1 << 20
# Deltas that may wait in one entry, and entries that may wait, before the run waits for the log: an assistant that is
# faster than the loop would keep it from everybody else, and from this very stream.
_MAX_BACKLOG: Final = 32
_MAX_PENDING: Final = 8
_BACKLOG_WAIT_S: Final = 0.1


class Taken(gevent.GreenletExit):
    """Thrown into a run's greenlet: somebody else has the run, or it must end at once."""


@dataclass(slots=True, eq=False)
class Run:
    """One execution of an assistant, in the worker that owns it.

    Attributes:
        left_s: When its last viewer in this worker left, on the monotonic clock; None if it had none.
    """

    spec: NewRun
    writer: Writer
    answer: Answer
    started_s: float
    renewed_s: float
    greenlet: "gevent.Greenlet[..., Any] | None" = None
    producing: bool = False
    first_text_s: float | None = None
    left_s: float | None = None

    @property
    def key(self) -> tuple[UserId, StreamId]:
        return self.spec.user_id, self.spec.stream_id


class Producer:
    """Runs assistants.

    Args:
        put: Hands an event to the run's writer.
    """

    def __init__(self, put: Callable[[Writer, Event], None], metrics: Metrics) -> None:
        self._put = put
        self._metrics = metrics

    def produce(self, run: Run, produce: Callable[[], Iterator[Event]]) -> tuple[str, AppError | None]:
        """Take events until there are no more; the outcome, empty if the run was taken away."""
        events: Iterator[Event] = iter(())
        deadline = gevent.Timeout(run.spec.deadline_ms / 1000)
        run.producing = True
        try:
            if run.writer.lost:
                raise Taken
            deadline.start()
            events = produce()
            self._take_all(run, events)
            return (FAILED, EmptyAnswer()) if run.answer.is_empty else (COMPLETED, None)
        except Taken:
            return "", None
        except AppError as problem:
            return FAILED, problem
        except (Exception, gevent.Timeout) as problem:  # the top of a greenlet
            if problem is deadline:
                return FAILED, DeadlinePassed()
            logger.exception("run failed", extra={"run_id": run.spec.run_id})
            return FAILED, RunFailed()
        finally:
            deadline.close()
            run.producing = False
            self._leave_generator(run, events)

    def _leave_generator(self, run: Run, events: Iterator[Event]) -> None:
        """Close the call to the model. A `Taken` that is on its way already arrives here at the latest."""
        # In a greenlet of its own, so that nothing on its way to this one interrupts it.
        closing = gevent.spawn(_close, run, events)
        while not closing.dead:
            with contextlib.suppress(Taken):
                closing.join()

    def _take_all(self, run: Run, events: Iterator[Event]) -> None:
        normaliser, answer, writer, put = Normaliser(), run.answer, run.writer, self._put
        for event in events:
            if event.name != DELTA:
                self._write(run, event)
                if writer.pending >= _MAX_PENDING:
                    writer.settle(_BACKLOG_WAIT_S)
                continue
            said = event.data["text"]
            text = normaliser.add(said)
            if not text:
                continue
            # At most four bytes a character: nearly always it fits without being counted.
            if answer.size + 4 * len(text) > MAX_ANSWER_BYTES and not self._fits(run, text):
                return
            if run.first_text_s is None:
                self._note_first_text(run)
            answer.add(text)
            put(writer, event if text is said else delta(text))
            if writer.backlog > _MAX_BACKLOG:
                writer.settle(_BACKLOG_WAIT_S)
        held = normaliser.end()
        if held:
            self._write_text(run, held)

    def _write(self, run: Run, event: Event) -> None:
        """Write an event that is no delta; `end` is the engine's to write."""
        # It must not surprise those who write and show it for everybody.
        event = plain(event)
        run.answer.take(event)
        if event.name != END:
            self._put(run.writer, event)

    def _write_text(self, run: Run, text: str) -> None:
        run.answer.add(text)
        self._put(run.writer, delta(text))

    def _fits(self, run: Run, text: str) -> bool:
        """Whether the answer may grow by this text; if not, it ends with as much of it as it may."""
        data, room = text.encode(), MAX_ANSWER_BYTES - run.answer.size
        if len(data) <= room:
            return True
        run.answer.finish_reason = "length"
        fitting = data[:room].decode("utf-8", "ignore")
        if fitting:
            self._write_text(run, fitting)
        return False

    def _note_first_text(self, run: Run) -> None:
        run.first_text_s = time.monotonic() - run.started_s
        self._metrics.first_text(run.spec.assistant, run.first_text_s)


def kill(run: Run) -> None:
    """End a run's greenlet where it waits: for the model, whose call it closes on the way out."""
    if run.producing and run.greenlet is not None:
        run.producing = False
        run.greenlet.kill(Taken, block=False)


def _close(run: Run, events: Iterator[Event]) -> None:
    close = getattr(events, "close", None)
    if close is None:
        return
    try:
        close()
    except Exception:  # the top of a greenlet: the run has its outcome already
        logger.exception("assistant not closed", extra={"run_id": run.spec.run_id})
