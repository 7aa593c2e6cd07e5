"""Responses that follow a stream: how each ended is counted, and what its client has read to the end is seen."""

import logging
import time
from collections.abc import Iterator

from blueprints.extensions import services
from services.errors import AppError
from services.store import conversations
from services.streaming.viewer import Viewer
from services.streaming.views import StreamFacts

logger = logging.getLogger(__name__)


class Viewing:
    """The body of a response on a stream. That its client left before the end is logged; the answer goes on."""

    def __init__(self, viewer: Viewer, facts: StreamFacts) -> None:
        self._viewer = viewer
        self._facts = facts
        self._began_s = time.monotonic()
        self._is_counted = False
        # A body is iterated when its request is over.
        self._services = services()

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._viewer
        finally:
            self._count()

    def close(self) -> None:
        """The server is done with the response, whether or not it was iterated."""
        self._viewer.close()
        self._count()

    @property
    def is_whole(self) -> bool:
        """Whether the client has been given all there is."""
        channel = self._viewer.channel
        return channel.done and self._viewer.position == channel.end

    def _count(self) -> None:
        if self._is_counted:
            return
        self._is_counted = True
        now_s = time.monotonic()
        is_away = self._services.hub.draining or now_s > self._viewer.until_s
        how = "whole" if self.is_whole else "away" if is_away else "left"
        self._services.metrics.viewed(self._facts.assistant, how, now_s - self._began_s)
        if how == "left":
            told = {"stream_id": self._facts.stream_id, "assistant": self._facts.assistant}
            logger.info("viewer left", extra={**told, "duration_s": round(now_s - self._began_s, 3)})


class Reading(Viewing):
    """The body of the response that asked. A page with script says itself what was seen; these readers cannot."""

    def __iter__(self) -> Iterator[bytes]:
        yield from super().__iter__()
        if self.is_whole:
            self._seen()

    def _seen(self) -> None:
        user_id, database = self._facts.user_id, self._services.database
        try:
            # Reading to the end may be faster than storing it, which would make it news again.
            rows = database.run(conversations.by_stream, user_id, self._facts.stream_id)
            for row in rows:
                self._services.turns.recover(row, user_id)
            for conversation_id in {row.conversation_id for row in rows}:
                database.run(conversations.seen, user_id, conversation_id)
        except AppError:
            logger.warning("answer not noted as seen", extra={"stream_id": self._facts.stream_id})
