"""Taking what a run needs: the site's slot first, then the user's slots and the stream in one script."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from services import errors
from services.streaming.log import EventLog
from services.streaming.metrics import Metrics
from services.streaming.slots import SiteSlots
from services.streaming.state import NewRun, Started

_SLOT_RETRY_S: Final = 5


@dataclass(frozen=True, slots=True)
class Repeated:
    """A start whose idempotency key is known; `record` is what the first one was answered with."""

    record: str


@dataclass(frozen=True, slots=True)
class StreamClosed:
    """A follow-up on a stream that takes none any more."""


class Starter:
    """Takes slots, and says why not."""

    def __init__(self, log: EventLog, site: SiteSlots, metrics: Metrics) -> None:
        self._log = log
        self._site = site
        self._metrics = metrics

    def take(self, spec: NewRun) -> Started | Repeated | StreamClosed:
        """Take everything, or nothing.

        Raises:
            NoSlotFree, SiteFull: A limit; the user's own are told first.
            StreamBusy, IdempotencyMismatch: As their names say.
            Unavailable: Redis is away.
        """
        try:
            self._site.acquire(spec.run_id)
        except errors.SiteFull:
            known = self._known(spec)
            if known is not None:
                return known
            self._refuse_for_user(spec)
            self._metrics.refused("site")
            raise
        reply: Started | list[Any] | None = None
        try:
            reply = self._log.start(spec)
        finally:
            if not isinstance(reply, Started):
                # A slot that cannot be given back now falls free with its lease.
                with contextlib.suppress(errors.Unavailable):
                    self._site.release(spec.run_id)
        return reply if isinstance(reply, Started) else self._refused(reply)

    def keep_record(self, spec: NewRun) -> None:
        """The turn is stored: from now on a repeated request is answered as this one, also after its worker's death.

        Redis away: a request that is repeated later than a lease from now starts once more.
        """
        if spec.record:
            with contextlib.suppress(errors.Unavailable):
                self._log.keep_record(spec)

    def _known(self, spec: NewRun) -> Repeated | None:
        """The first answer to a start that is repeated; it needs no slot."""
        kept = self._log.recorded(spec.user_id, spec.idempotency_key) if spec.record else None
        if kept is None:
            return None
        fingerprint, record = kept
        if fingerprint != spec.fingerprint:
            raise errors.IdempotencyMismatch
        return Repeated(record)

    def _refused(self, reply: list[Any]) -> Repeated | StreamClosed:
        kind = reply[0]
        if kind == "again":
            return Repeated(reply[1])
        if kind in ("gone", "closed"):
            return StreamClosed()
        if kind == "mismatch":
            raise errors.IdempotencyMismatch
        if kind == "busy":
            raise errors.StreamBusy
        _, scope, limit, _, *running = reply
        raise self._no_slot(scope, int(limit), running)

    def _refuse_for_user(self, spec: NewRun) -> None:
        """The site is full; a user who is over a limit of their own is told that instead."""
        of_assistant, of_user = self._log.held(spec.user_id, spec.assistant)
        if len(of_assistant) >= spec.assistant_limit:
            raise self._no_slot("assistant", spec.assistant_limit, of_assistant)
        if len(of_user) >= spec.user_limit:
            raise self._no_slot("user", spec.user_limit, of_user)

    def _no_slot(self, scope: str, limit: int, running: Sequence[str]) -> errors.NoSlotFree:
        self._metrics.refused(scope)
        where = "in this assistant" if scope == "assistant" else "over all assistants"
        said = f"User has reached maximum concurrent streams ({limit})"
        return errors.NoSlotFree(
            f"{said} {where}. Stop one, or wait for its end.",
            retry_after_s=_SLOT_RETRY_S,
            detail=said,
            extra={"limit": limit, "current": len(running), "running": list(running)},
        )
