"""Responses that count their answer as seen, once whoever asked has been given all of it."""

import logging
from collections.abc import Iterator

from blueprints.extensions import services
from services.errors import AppError
from services.store import conversations
from services.streaming.viewer import Viewer
from services.streaming.views import StreamFacts

logger = logging.getLogger(__name__)


class Reading:
    """The body of the response that asked. A page with script says itself what was seen; these readers cannot."""

    def __init__(self, viewer: Viewer, facts: StreamFacts) -> None:
        self._viewer = viewer
        self._facts = facts
        # A body is iterated when its request is over.
        self._services = services()

    def __iter__(self) -> Iterator[bytes]:
        yield from self._viewer
        channel = self._viewer.channel
        if channel.done and self._viewer.position == channel.end:
            self._seen()

    def close(self) -> None:
        """The server is done with the response, whether or not it was iterated."""
        self._viewer.close()

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
