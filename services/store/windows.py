"""Which turns of a long conversation are shown: the newest, or those around one of its messages. Pure.

A turn is a question with all that answers it, or an answer that stands without one at the beginning.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from services.store.paths import Tree

# From which side of a message: the turns before its own, those after, or its own with some around it.
Side = Literal["before", "after", "at"]
# How many turns stand above the one that was asked for.
_ABOVE: Final = 4


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a conversation to look; the usual place is its end."""

    side: Side = "before"
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """Some turns of a path.

    Attributes:
        ids: Their messages, the oldest first.
        earlier, later: How many turns of the path stand before and after them.
        is_aside: Whether the path is another than the one that the conversation shows.
    """

    ids: Sequence[str] = field(default_factory=list)
    earlier: int = 0
    later: int = 0
    is_aside: bool = False


def window(tree: Tree, head_id: str | None, place: Place, size: int) -> Window:
    """The turns of a conversation at a place of it.

    Args:
        tree: Its messages.
        head_id: The end of the path that it shows; a message that is not on that path is shown on its own.
        place: Where.
        size: How many turns.

    Raises:
        NotFound: The place is in no such conversation.
    """
    path, is_aside = tree.path(head_id), False
    if place.message_id and place.message_id not in path:
        path, is_aside = tree.path(tree.newest_below(place.message_id)), True
    starts = [number for number, message_id in enumerate(path) if not number or message_id in tree.questions]
    first, last = _range(path, starts, place, size)
    if first >= last:
        return Window([], first, len(starts) - last, is_aside)
    end = starts[last] if last < len(starts) else len(path)
    return Window(path[starts[first] : end], first, len(starts) - last, is_aside)


def _range(path: Sequence[str], starts: Sequence[int], place: Place, size: int) -> tuple[int, int]:
    """The number of the first turn, and of the first that follows the last."""
    if not place.message_id:
        return max(0, len(starts) - size), len(starts)
    turn = bisect_right(starts, path.index(place.message_id)) - 1
    if place.side == "before":
        return max(0, turn - size), turn
    first = turn + 1 if place.side == "after" else max(0, turn - min(_ABOVE, size - 1))
    return min(first, len(starts)), min(first + size, len(starts))
