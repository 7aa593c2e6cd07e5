"""Ending a run from outside: a stop from any worker, and a run whose worker died.

Whoever does it seals the log first, so that the writer's next entry is refused, and then writes the
same end as the owner would have written, from what the log holds.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import gevent

from services import errors
from services.streaming.answers import Answer, Interrupted, Settled, folded, of_run
from services.streaming.events import CLOSE, END, INTERRUPTED, STOPPED, Event, RunId, StreamId, UserId
from services.streaming.log import EventLog
from services.streaming.slots import SiteSlots
from services.streaming.state import NewRun, Sealed

logger = logging.getLogger(__name__)

_CONFIRM_S: Final = 2.0
_CONFIRM_POLL_S: Final = 0.02
# A start that was lost is taken back as soon as Redis answers; after a lease there is little left of it.
_TAKE_BACK_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class Stopped:
    """How a stop went: the outcome, and whether the owner has closed the call to the model."""

    outcome: str
    confirmed: bool


class Closer:
    """Ends runs of any worker.

    Args:
        on_sealed: Told at once which stream was taken from its writer.
        on_settled: Takes an answer that this worker has ended.
    """

    def __init__(
        self,
        log: EventLog,
        site: SiteSlots,
        *,
        on_sealed: Callable[[UserId, StreamId], None],
        on_settled: Callable[[Settled], None],
    ) -> None:
        self._log = log
        self._site = site
        self._on_sealed = on_sealed
        self._on_settled = on_settled
        self._busy: set[tuple[UserId, StreamId]] = set()

    def stop(
        self, user_id: UserId, stream_id: StreamId, *, outcome: str = STOPPED, run_id: RunId | None = None
    ) -> Stopped | None:
        """Stop a run wherever it is, keep what came, and wait up to 2 s for its owner to confirm.

        Args:
            run_id: Only if this is still the stream's run.

        Returns:
            How it went; None if there is no such stream of this user's.
        """
        sealed = self._log.seal(user_id, stream_id, outcome=outcome, run_id=run_id)
        if not isinstance(sealed, Sealed):
            if sealed is None:
                return None
            # Another stop came first; its run may be on its way out still.
            return Stopped(sealed, confirmed=sealed != STOPPED or self._confirmed(user_id, stream_id))
        self._on_sealed(user_id, stream_id)
        self._close(user_id, stream_id, sealed)
        return Stopped(sealed.seal, self._confirmed(user_id, stream_id))

    def close_orphan(self, user_id: UserId, stream_id: StreamId) -> None:
        """End a run whose lease has lapsed; nothing happens if it has not."""
        sealed = self._log.seal_orphan(user_id, stream_id)
        if isinstance(sealed, Sealed):
            logger.warning("orphan closed", extra={"stream_id": stream_id})
            self._close(user_id, stream_id, sealed)

    def orphan_found(self, user_id: UserId, stream_id: StreamId) -> None:
        """As `close_orphan`, from a poll that comes again: once at a time, and Redis may be away."""
        key = (user_id, stream_id)
        if key in self._busy:
            return
        self._busy.add(key)
        try:
            self.close_orphan(user_id, stream_id)
        except errors.Unavailable:
            logger.debug("orphan must wait", extra={"stream_id": stream_id})
        finally:
            self._busy.discard(key)

    def recover(self, user_id: UserId, stream_id: StreamId, run_id: RunId, message_id: str) -> Settled | None:
        """What became of a run whose answer was never stored; None while it lives.

        A run of which the log knows nothing any more was interrupted, with no text left.
        """
        self.close_orphan(user_id, stream_id)
        state = self._log.state(user_id, stream_id)
        if state is not None and state.run_id == run_id and state.status in ("running", "sealed"):
            return None
        entries = of_run(self._log.read(user_id, stream_id), run_id)
        answer = folded(entries)
        last = entries[-1] if entries else None
        if last is None or last.event.name != END:
            closing = answer.closing(INTERRUPTED, Interrupted())
            return answer.settled(user_id, stream_id, run_id, message_id, closing[-1], last=0)
        return answer.settled(user_id, stream_id, run_id, message_id, last.event, last=last.seq)

    def take_back(self, spec: NewRun) -> None:
        """Undo a start that Redis may have heard although nobody has heard its answer: nothing of it remains.

        On a stream that existed before, the lease does it: whoever watches sees the run end as interrupted.
        """
        for wait_s in _TAKE_BACK_S if not spec.follow else ():
            gevent.sleep(wait_s)
            try:
                self._log.abandon(spec)
                self._site.release(spec.run_id)
                break
            except errors.Unavailable:
                logger.debug("lost start must wait", extra={"run_id": spec.run_id})

    def give_back(self, run_id: RunId) -> None:
        """Free the site's slot of a run that has ended; its lease does so if Redis is away."""
        try:
            self._site.release(run_id)
        except errors.Unavailable:
            logger.debug("site slot is left to its lease", extra={"run_id": run_id})

    def _confirmed(self, user_id: UserId, stream_id: StreamId) -> bool:
        patience = time.monotonic() + _CONFIRM_S
        while time.monotonic() < patience:
            state = self._log.state(user_id, stream_id)
            if state is None or state.confirmed:
                return True
            gevent.sleep(_CONFIRM_POLL_S)
        return False

    def _close(self, user_id: UserId, stream_id: StreamId, sealed: Sealed) -> None:
        """Write the end of a sealed run. Two who do it at once come to the same; Redis takes one."""
        state = self._log.state(user_id, stream_id)
        if state is None:
            return
        entries = self._log.read(user_id, stream_id, first=sealed.first)
        answer: Answer = folded(entry for entry in entries if entry.seq <= sealed.seq)
        outcome = sealed.seal
        closing = answer.closing(outcome, Interrupted() if outcome == INTERRUPTED else None)
        said, _ = self._log.finish(
            user_id,
            stream_id,
            state.run_id,
            assistant=state.assistant,
            fence=sealed.fence,
            seq=sealed.seq,
            outcome=outcome,
            closing=closing,
            close=Event(CLOSE, {"reason": "stopped" if outcome == STOPPED else "idle"}),
            close_now=outcome == STOPPED,
        )
        if said == "finished":
            self.give_back(state.run_id)
            last = sealed.seq + len(closing)
            self._on_settled(answer.settled(user_id, stream_id, state.run_id, state.message_id, closing[-1], last=last))
