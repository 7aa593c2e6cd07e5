"""A document's text as blocks to read, with a passage marked in its place. Pure.

Documents are kept as text with Markdown's headings (services.knowledge); a passage is told by where it begins and ends.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

# A page that is longer is shown around its passage.
WHOLE_CHARS: Final = 40_000
_HEADING: Final = re.compile(r"(#{1,6})[ \t]+(?=\S)")
_BREAK: Final = re.compile(r"\n[ \t]*\n\s*|\n(?=#{1,6}[ \t]+\S)")
# A heading's line is a block of its own, whatever stands right below it.
_HEADING_LINE: Final = re.compile(r"(#{1,6}[ \t]+\S[^\n]*)(?:\n\s*|\Z)")

Piece = tuple[str, bool]


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph or a heading.

    Attributes:
        level: Of a heading, 1 to 6; 0: a paragraph.
        pieces: Its text in pieces, each with whether it is marked.
        is_first: Whether the mark begins here.
    """

    level: int
    pieces: Sequence[Piece]
    is_first: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """What is shown of a page. `is_cut_before`, `is_cut_after`: there is more of the page."""

    blocks: Sequence[Block]
    is_cut_before: bool
    is_cut_after: bool

    @property
    def is_marked(self) -> bool:
        """Whether the passage is in sight."""
        return any(block.is_first for block in self.blocks)


def marked(text: str, start: int, end: int, *, around: int = WHOLE_CHARS) -> Text:
    """A page's text with what stands from `start` to `end` marked; places outside of it mark nothing.

    Args:
        around: About how many characters are shown, the passage in their middle.
    """
    start, end = max(0, min(start, len(text))), max(0, min(end, len(text)))
    end = start + len(text[start:end].rstrip())
    first, last = _window(text, start, end, around)
    blocks, has_begun = [], False
    for begin, finish in _spans(text, first, last):
        pieces = _pieces(text, begin, finish, start, end)
        begins = not has_begun and any(is_marked for _, is_marked in pieces)
        has_begun = has_begun or begins
        heading = _HEADING.match(text, begin, finish)
        if heading:
            pieces = _without_signs(pieces, heading.end() - begin)
        if pieces:
            blocks.append(Block(len(heading[1]) if heading else 0, pieces, begins))
    return Text(blocks, bool(text[:first].strip()), bool(text[last:].strip()))


def _window(text: str, start: int, end: int, around: int) -> tuple[int, int]:
    """What is shown of a text: whole paragraphs where they are not too long."""
    if len(text) <= around:
        return 0, len(text)
    reach = max((around - (end - start)) // 2, around // 8)
    first, last = max(0, start - reach), min(len(text), end + reach)
    if first:
        first = _after_break(text, first, start)
    if last < len(text):
        last = _before_break(text, end, last)
    return first, last


def _after_break(text: str, low: int, high: int) -> int:
    for sign in ("\n\n", "\n", " "):
        if (found := text.find(sign, low, high)) >= 0:
            return found + len(sign)
    return low


def _before_break(text: str, low: int, high: int) -> int:
    for sign in ("\n\n", "\n", " "):
        if (found := text.rfind(sign, low, high)) >= 0:
            return found
    return high


def _spans(text: str, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Where the blocks of a text begin and end."""
    at = first
    while at < last:
        if line := _HEADING_LINE.match(text, at, last):
            yield at, line.end(1)
            at = line.end()
            continue
        found = _BREAK.search(text, at, last)
        if found is None:
            yield at, last
            return
        if found.start() > at:
            yield at, found.start()
        at = found.end()


def _pieces(text: str, begin: int, finish: int, start: int, end: int) -> list[Piece]:
    low, high = min(max(start, begin), finish), min(max(end, begin), finish)
    if low >= high:
        return [(text[begin:finish], False)] if text[begin:finish].strip() else []
    parts = [(text[begin:low], False), (text[low:high], True), (text[high:finish], False)]
    return [part for part in parts if part[0]]


def _without_signs(pieces: list[Piece], count: int) -> list[Piece]:
    """A heading's words, without what says that it is one."""
    left = []
    for words, is_marked in pieces:
        cut = min(count, len(words))
        count -= cut
        if words[cut:]:
            left.append((words[cut:], is_marked))
    return left
