"""Watching a base's documents on their way in. A watch ends when all of them are at rest."""

from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from services import watching
from services.store.base import utc_now
from services.store.pulses import Pulse
from services.watching import Ended as Ended
from services.watching import Watches

Look = Callable[[str, datetime], Pulse]
MayRead = Callable[[str, Collection[int]], Collection[int]]

# How far machines' clocks may differ: changes are looked for from so long before the latest that was seen.
SLACK: Final = timedelta(seconds=10)


@dataclass(slots=True)
class News(watching.News):
    """What one look found.

    Attributes:
        is_whole: Documents came or went, or a viewer has missed some: the list is to be read again.
    """

    pulse: Pulse
    is_whole: bool

    def whole(self) -> "News":
        """The list for who has missed some."""
        return News(self.pulse, is_whole=True)


Viewer = watching.Viewer[News]


def watches(
    look: Look, may_read: MayRead, *, is_leaving: Callable[[], bool], tick_s: float = watching.TICK_S
) -> Watches[News]:
    """All bases that are watched in this process.

    Args:
        look: What changed in a base since a time.
        may_read: Which of some people may read a base.
        is_leaving: Whether this worker sends its viewers away.
    """
    return Watches(
        lambda base_id: _Base(partial(look, base_id), partial(may_read, base_id)),
        what="your documents",
        is_leaving=is_leaving,
        tick_s=tick_s,
    )


class _Base:
    """One base; implements `watching.Subject`."""

    def __init__(
        self, look: Callable[[datetime], Pulse], may_read: Callable[[Collection[int]], Collection[int]]
    ) -> None:
        self._look = look
        self._may_read = may_read
        self._since = utc_now() - SLACK
        # How many there are, and the newest; none before the first look.
        self._documents: tuple[int, str | None] | None = None
        # Of each document that changed lately, what was told of it.
        self._told: dict[str, Hashable] = {}

    def readers(self, user_ids: Collection[int]) -> Collection[int]:
        return self._may_read(user_ids)

    def look(self) -> tuple[News | None, bool]:
        pulse = self._look(self._since)
        told = {document.id: _told(document) for document in pulse.changed}
        changed = [document for document in pulse.changed if self._told.get(document.id) != told[document.id]]
        documents = (pulse.total, pulse.newest_id)
        # At the first look nobody knows what came between a viewer's own and this one.
        # The end is the whole list too: whatever a clock had hidden is right then.
        is_whole = self._documents != documents or not pulse.moving
        # What lies before `since` is not found again, and need not be remembered.
        self._told, self._documents = told, documents
        latest = max((document.updated_at for document in changed), default=None)
        if latest is not None:
            self._since = max(self._since, latest - SLACK)
        return News(pulse.of(changed), is_whole) if is_whole or changed else None, not pulse.moving


def _told(document: object) -> Hashable:
    return tuple(getattr(document, name) for name in ("state", "done", "total", "error", "updated_at"))
