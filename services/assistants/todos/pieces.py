"""Pieces of what somebody wrote: the heading of a pasted list, names in a row, a date after its preposition. Pure."""

import re
from typing import Final

from services.assistants.todos import phrases

_I: Final = re.IGNORECASE
_HEADING: Final = re.compile(
    r"^(?:(?:please |can you |could you )*(?:add|create|new|make|put)(?: the| these| those| this| following| all| "
    r"some| a few| new| todos| tasks| items| list| things| to| my| on| it)*|todos?|tasks?|list|to do|"
    r"shopping list)\s*:?\s*$",
    _I,
)


def is_heading(line: str) -> bool:
    """Whether a line only says that a list follows."""
    return bool(_HEADING.match(line.strip())) or (line.strip().endswith(":") and phrases.read(line).kind == "create")


_MARKED: Final = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)]|\[[ xX]?\])\s+|^\s{2,}\S|^\t")


def is_pasted(text: str) -> bool:
    """Whether a message is a list of todos: it has a heading or marks, or every line of it is a new todo."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        return False
    if is_heading(lines[0]) or sum(bool(_MARKED.match(line)) for line in lines[1:]) * 2 >= len(lines) - 1:
        return True
    return all(phrases.read(line).kind == "create" for line in lines)


def without_heading(text: str) -> str:
    """A pasted list without what introduces it; the indents of its lines stay."""
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and _HEADING.match(lines[0].strip()):
        return "\n".join(lines[1:])
    if lines and (found := re.match(r"(?:please )?(?:add|create):?\s+(?=\S)", lines[0], _I)):
        lines[0] = lines[0][found.end() :]
    return "\n".join(lines)


_SEPARATOR: Final = re.compile(r"\s*(?:,|;|\band\b|&)\s*(?:and\s+)?", _I)


def is_list(words: str) -> bool:
    """Whether words may be several names."""
    return bool(_SEPARATOR.search(words.strip()))


def listed(words: str) -> list[str]:
    """The parts of "a, b and c"."""
    return [part.strip(" .") for part in _SEPARATOR.split(words) if part.strip(" .")]


_DUE: Final = re.compile(
    r"^(?:to be )?(?:due(?: on| by| at)?|by(?!\s+(?:\d{1,3}|an?|one|two|three|four|five|six)\s+(?:day|week|month)s?\b)|"
    r"until|till)\s+",
    _I,
)
_AT: Final = re.compile(r"^(?:to|for|on|onto|back to|back|until)\s+(?=\S)", _I)


def dated(words: str) -> tuple[bool, str]:
    """Whether words say by when something is due, and the date in them."""
    if found := _DUE.match(words):
        return not words.casefold().startswith(("until", "till")), words[found.end() :]
    return False, _AT.sub("", words)
