"""From a run's end to the stored answer: at once, a little later, or swept up long after a kill."""

import logging
from collections.abc import Mapping
from typing import Any, Final

import gevent

from services import errors
from services.assistants.base import Hooks, Turn
from services.store import conversations
from services.store.conversations import Message, Unsettled
from services.store.database import Database, Session
from services.streaming.answers import Settled
from services.streaming.events import RunId, StreamId, UserId
from services.streaming.runs import Runs

logger = logging.getLogger(__name__)

_SWEEP_S: Final = 20.0
_SWEEP_OLDER_THAN_S: Final = 15.0
_SWEEP_LIMIT: Final = 200
# After so many failures in a row it is Redis or the database that is away, not an answer that is odd.
_SWEEP_PATIENCE: Final = 3
_SETTLE_BACKOFF_S: Final = (0.2, 1.0, 5.0)


class Endings:
    """Settles answers, each once, whoever finds that it has ended.

    Args:
        hooks: What assistants do when an answer of theirs is settled, by name.
    """

    def __init__(self, database: Database, runs: Runs, hooks: Mapping[str, Hooks]) -> None:
        self._database = database
        self._runs = runs
        self._hooks = hooks

    def settle(self, settled: Settled) -> None:
        """Store how an answer ended. What fails now is tried again, and swept up in the end."""
        try:
            self._store_end(settled)
        except errors.Unavailable:
            gevent.spawn(self._settle_later, settled)

    def _settle_later(self, settled: Settled) -> None:
        for wait_s in _SETTLE_BACKOFF_S:
            gevent.sleep(wait_s)
            try:
                return self._store_end(settled)
            except errors.Unavailable:
                logger.warning("answer not stored yet", extra={"run_id": settled.run_id})
        return None

    def _store_end(self, settled: Settled) -> None:
        self._database.run(self._settle, settled)

    def _settle(self, session: Session, settled: Settled) -> None:
        extras: Mapping[str, Any] = {**settled.extras, "last": settled.last}
        ended = conversations.settle(
            session,
            settled.message_id,
            text=settled.text,
            outcome=settled.outcome,
            finish_reason=settled.finish_reason,
            engine=settled.engine or None,
            fallback=settled.fallback,
            usage=settled.usage,
            extras=extras,
            error_code=settled.error_code,
        )
        ends = self._hooks.get(ended.assistant, Hooks()).ends if ended else None
        if ended is None or ends is None:
            return
        turn = turn_of(ended.user_id, ended.assistant, ended.conversation_id, settled.message_id, ended.turn)
        more = ends(session, settled, turn)
        if more:
            conversations.put_extras(session, settled.message_id, {**extras, **more})

    def recover(self, message: Message, user_id: int) -> bool:
        """Settle an answer that is stored as running if its run has ended; whether it is settled now."""
        if message.outcome is not None or message.stream_id is None or message.run_id is None:
            return True
        return self._recover(user_id, message.stream_id, message.run_id, message.id)

    def _recover(self, user_id: int, stream_id: str, run_id: str, message_id: str) -> bool:
        settled = self._runs.recover(UserId(user_id), StreamId(stream_id), RunId(run_id), message_id)
        if settled is None:
            return False
        self._store_end(settled)
        return True

    def sweep(self) -> int:
        """Settle answers whose runs ended without being stored; how many."""
        rows = self._database.run(conversations.unsettled, _SWEEP_OLDER_THAN_S, _SWEEP_LIMIT)
        settled = missed = 0
        for row in rows:
            try:
                settled += self._swept(row)
                missed = 0
            except Exception:  # as at the top of a greenlet: one answer must not keep all later ones from being settled
                logger.exception("answer not settled", extra={"run_id": row.run_id})
                missed += 1
                if missed == _SWEEP_PATIENCE:
                    break
        return settled

    def settle_of(self, user_id: int) -> None:
        """Settle what has ended of a person's, however short a time ago.

        Raises:
            Unavailable: Redis or the database is away; what is not settled now is swept later.
        """
        for row in self._database.run(conversations.unsettled, 0.0, _SWEEP_LIMIT, user_id=user_id):
            self._swept(row)

    def _swept(self, row: Unsettled) -> bool:
        if not row.stream_id or not row.run_id:
            return False
        return self._recover(row.user_id, row.stream_id, row.run_id, row.message_id)

    def sweep_for_ever(self) -> None:
        """The slow sweeper of runs that nobody watches; for a greenlet of its own."""
        while True:
            gevent.sleep(_SWEEP_S)
            try:
                self.sweep()
            except errors.AppError:
                logger.warning("sweep must wait")
            except Exception:  # the top of a greenlet: the next sweep may go better
                logger.exception("sweep failed")


def turn_of(user_id: int, assistant: str, conversation_id: str, message_id: str, stored: Mapping[str, Any]) -> Turn:
    """A stored turn as its assistant knows it."""
    return Turn(
        assistant=assistant,
        user_id=user_id,
        conversation_id=conversation_id,
        message_id=message_id,
        question=stored.get("question", ""),
        facts=stored.get("facts", {}),
        partial=stored.get("partial") or "",
    )
