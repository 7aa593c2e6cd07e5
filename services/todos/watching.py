"""Watching a person's list: all tabs of theirs in this process share one look, which is one indexed read."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from services import watching
from services.watching import Watches

# Days begin and times pass without a change: who watches is told anew so often.
AGAIN_S: Final = 60.0


@dataclass(slots=True)
class News(watching.News):
    """The list is not what it was, or is shown otherwise by now.

    Attributes:
        revision: The list's.
    """

    revision: int


Viewer = watching.Viewer[News]


def watches(
    revision: Callable[[int], int], *, is_leaving: Callable[[], bool], tick_s: float = watching.TICK_S
) -> Watches[News]:
    """All lists that are watched in this process; the key of one is its person's id.

    Args:
        revision: The revision of a person's list.
        is_leaving: Whether this worker sends its viewers away.
    """
    return Watches(
        lambda key: _List(lambda: revision(int(key))), what="your todos", is_leaving=is_leaving, tick_s=tick_s
    )


class _List:
    """One person's list; implements `watching.Subject`. It is never at rest."""

    def __init__(self, revision: Callable[[], int]) -> None:
        self._revision = revision
        # None before the first look: nobody knows what came between a viewer's own and that.
        self._seen: int | None = None
        self._told_s = time.monotonic()

    def readers(self, user_ids: Collection[int]) -> Collection[int]:
        return user_ids

    def look(self) -> tuple[News | None, bool]:
        found, now_s = self._revision(), time.monotonic()
        if found == self._seen and now_s - self._told_s < AGAIN_S:
            return None, False
        self._seen, self._told_s = found, now_s
        return News(found), False
