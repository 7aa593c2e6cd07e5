"""The marks of a line: `#tag`, `+project`, `!high`; and `\\#` for what is none. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from services.todos.words import Word

Importance = Literal["low", "medium", "high"]

IMPORTANCE: Final[dict[str, Importance]] = {
    "low": "low",
    "medium": "medium",
    "med": "medium",
    "high": "high",
    "1": "high",
    "2": "medium",
    "3": "low",
}

# A name has a letter in front: "#123" is an issue and "+49" begins a telephone number.
_NAME = re.compile(r"[^\W\d_][\w/-]{0,49}")
_ENDS: Final = ",.;:!?)]}"
_MARKS: Final = "#+!"


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark: what it is, what it says, and its place among the words."""

    kind: Literal["tag", "project", "importance"]
    name: str
    index: int


def marks(words: Sequence[Word]) -> list[Mark]:
    """The marks among the words, in their order."""
    found = []
    for index, word in enumerate(words):
        mark = None if word.quoted or word.raw[0] not in _MARKS else _mark(word.raw, index)
        if mark is not None:
            found.append(mark)
    return found


def _mark(raw: str, index: int) -> Mark | None:
    name = raw[1:].rstrip(_ENDS)
    if raw[0] == "!":
        return Mark("importance", name.lower(), index) if name.lower() in IMPORTANCE else None
    if _NAME.fullmatch(name) is None:
        return None
    return Mark("tag" if raw[0] == "#" else "project", name, index)
