"""The parts of a page's text: what stands under which heading, in which paragraphs. Pure.

Source: CommonMark 0.31, as far as headings and fences go; a mark counts at the start of a line only, where readers
(`services.reading.marks`) put theirs.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_HEADING: Final = re.compile(r"(#{1,6})[ \t]+(\S.*)")
_CLOSING: Final = re.compile(r"(?:^|[ \t])#+[ \t]*$")
_UNDERLINE: Final = re.compile(r"(=+|-+)[ \t]*$")
_FENCE: Final = re.compile(r"(`{3,}|~{3,})")
_MARKUP: Final = re.compile(r"[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}")
# Items of lists, rows of tables: each line is for itself.
_LISTED: Final = re.compile(r"[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]+\S")
_MAX_UNDERLINED_CHARS: Final = 100


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a list, a table or code; neither begins nor ends with an empty line.

    Attributes:
        is_lines: Whether its lines, instead of its sentences, are what it consists of.
    """

    start: int
    end: int
    is_lines: bool


@dataclass(slots=True)
class Part:
    """A heading and what stands directly under it.

    Attributes:
        title: The heading; None for what stands before the first one of the page.
    """

    title: str | None = None
    level: int = 0
    blocks: list[Block] = field(default_factory=list)


def parts(text: str, *, has_marks: bool) -> Iterator[Part]:
    """The parts of a page, in order. A heading that nothing stands under, not even another, has itself as its block.

    Args:
        has_marks: Whether `#` and fences count. Underlined headings always do.
    """
    now, place = Part(), (0, 0)
    for found in _found(text, has_marks=has_marks):
        if isinstance(found, Block):
            now.blocks.append(found)
            continue
        if not now.blocks and now.title is not None and found.level <= now.level:
            now.blocks.append(Block(*place, is_lines=False))
        if now.blocks or now.title is not None:
            yield now
        now, place = Part(found.title, found.level), (found.start, found.end)
    if now.title is not None and not now.blocks:
        now.blocks.append(Block(*place, is_lines=False))
    if now.blocks:
        yield now


@dataclass(frozen=True, slots=True)
class _Heading:
    title: str
    level: int
    start: int
    end: int


def _found(text: str, *, has_marks: bool) -> Iterator[Block | _Heading]:
    scan = _Scan()
    for start, end in _lines(text):
        line = text[start:end]
        if scan.fence:
            scan.extend(start, end, is_lines=True)
            if line.startswith(scan.fence) and not line.strip("`~ \t"):
                yield from scan.close()
        elif not line.strip():
            yield from scan.close()
        elif has_marks and (fence := _FENCE.match(line)):
            yield from scan.close()
            scan.fence = fence[1]
            scan.extend(start, end, is_lines=True)
        elif has_marks and (heading := _HEADING.match(line)):
            yield from scan.close()
            title = _CLOSING.sub("", heading[2]).strip()
            if title:
                yield _Heading(
                    _bare(title), len(heading[1]), start + heading.start(2), start + heading.start(2) + len(title)
                )
        elif (under := scan.underlined(text, line)) is not None:
            yield _Heading(_bare(under), 1 if line[0] == "=" else 2, *scan.drop())
        else:
            scan.extend(start, end, is_lines=bool(_LISTED.match(line)) or " | " in line)
    yield from scan.close()


class _Scan:
    """The block that is being read."""

    def __init__(self) -> None:
        self.fence = ""
        self._start = self._end = self._count = 0
        self._is_lines = False

    def extend(self, start: int, end: int, *, is_lines: bool) -> None:
        if not self._count:
            self._start, self._is_lines = start, False
        self._end = end
        self._count += 1
        self._is_lines = self._is_lines or is_lines

    def close(self) -> Iterator[Block]:
        self.fence = ""
        if self._count:
            self._count = 0
            yield Block(self._start, self._end, self._is_lines)

    def underlined(self, text: str, line: str) -> str | None:
        """The one line before this, if this is a line under it."""
        if self._count != 1 or self._end - self._start > _MAX_UNDERLINED_CHARS:
            return None
        title = text[self._start : self._end].strip()
        # A line of a table, or one that parts two others, is shorter or under something else.
        if self._is_lines or not _UNDERLINE.match(line) or 2 * len(line.strip()) < max(len(title), 6):
            return None
        return title

    def drop(self) -> tuple[int, int]:
        self._count = 0
        return self._start, self._end


def _lines(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield start, end
        start = end + 1


def _bare(title: str) -> str:
    return " ".join(_MARKUP.sub("", title).split()) or title
