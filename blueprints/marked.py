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
# A line that is so long was broken by the width of a page, not by its author, unless the next one begins something.
_FULL_LINE_CHARS: Final = 55
_BEGINS: Final = re.compile(r"\s|[-*+•>|#]|\d{1,3}[.)]\s|```|~~~")
_LISTED: Final = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s")
_CODE: Final = re.compile(r"^[ \t]*(```|~~~)[^\n]*\n(.*?)^[ \t]*\1[`~]*[ \t]*$", re.MULTILINE | re.DOTALL)
_RULE: Final = re.compile(r"[\s|:-]*")

Piece = tuple[str, bool]


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, a heading, code, or a table.

    Attributes:
        level: Of a heading, 1 to 6; 0: none.
        pieces: Its text in pieces, each with whether it is marked; of a table nothing.
        rows: The cells of a table, each in pieces; of all others nothing.
        is_code: Whether its spaces and line ends are its author's.
    """

    level: int
    pieces: Sequence[Piece] = ()
    rows: Sequence[Sequence[Sequence[Piece]]] = ()
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """What is shown of a page. `is_cut_before`, `is_cut_after`: there is more of the page."""

    blocks: Sequence[Block]
    is_cut_before: bool
    is_cut_after: bool


def marked(text: str, start: int, end: int, *, around: int = WHOLE_CHARS) -> Text:
    """A page's text with what stands from `start` to `end` marked; places outside of it mark nothing.

    Args:
        around: About how many characters are shown, the passage in their middle.
    """
    start, end = max(0, min(start, len(text))), max(0, min(end, len(text)))
    end = start + len(text[start:end].rstrip())
    first, last = _window(text, start, end, around)
    part, mark = text[first:last], (start - first, end - first)
    codes = [(found.span(), found.span(2)) for found in _CODE.finditer(part)]
    part = _flowing(part, [outer for outer, _ in codes])
    blocks = []
    at = 0
    for outer, inner in [*codes, ((len(part), len(part)), (0, 0))]:
        blocks += [_block(part, span, mark) for span in _spans(part, at, outer[0])]
        blocks.append(Block(0, _pieces(part, _bare(part, inner), mark), is_code=True))
        at = outer[1]
    shown = [block for block in blocks if block.pieces or block.rows]
    return Text(shown, bool(text[:first].strip()), bool(text[last:].strip()))


Span = tuple[int, int]


def _block(text: str, span: Span, mark: Span) -> Block:
    begin, finish = span
    heading = _HEADING.match(text, begin, finish)
    if heading:
        return Block(len(heading[1]), _pieces(text, (heading.end(), finish), mark))
    rows = _rows(text, span)
    if rows:
        return Block(0, rows=[[_pieces(text, cell, mark) for cell in row] for row in rows])
    return Block(0, _pieces(text, span, mark))


def _bare(text: str, code: Span) -> Span:
    """Code without the line end after it."""
    return code[0], max(code[0], code[1] - text.endswith("\n", *code))


def _rows(text: str, span: Span) -> list[list[Span]]:
    """The cells of a table, where a block is one: several lines, each of cells between bars."""
    lines = list(_lines(text, span))
    if len(lines) < 2 or not all("|" in text[begin:finish] for begin, finish in lines):
        return []
    rows = []
    for begin, finish in lines:
        if not _RULE.fullmatch(text, begin, finish):
            rows.append([_trimmed(text, cell) for cell in _cells(text, _trimmed(text, (begin, finish)))])
    return rows


def _cells(text: str, line: Span) -> Iterator[Span]:
    """What stands between the bars of a line; those at its ends only enclose it."""
    at, finish = line[0] + text.startswith("|", *line), line[1] - text.endswith("|", *line)
    while at <= finish:
        bar = text.find("|", at, finish)
        end = finish if bar < 0 else bar
        yield at, end
        at = end + 1


def _lines(text: str, span: Span) -> Iterator[Span]:
    at, finish = span
    while at < finish:
        end = text.find("\n", at, finish)
        end = finish if end < 0 else end
        if text[at:end].strip():
            yield at, end
        at = end + 1


def _trimmed(text: str, span: Span) -> Span:
    begin, finish = span
    words = text[begin:finish]
    begin += len(words) - len(words.lstrip())
    return begin, max(begin, begin + len(words.strip()))


def _flowing(text: str, codes: Sequence[Span]) -> str:
    """A text of the same length whose paragraphs run on where only the width of a page had broken them."""
    parts: list[str] = []
    at = 0
    for begin, finish in [*codes, (len(text), len(text))]:
        lines = text[at:begin].split("\n")
        is_listed = False
        for line, following in zip(lines, [*lines[1:], ""], strict=True):
            is_listed = bool(line.strip()) and (is_listed or bool(_LISTED.match(line)))
            parts += [line, " " if _runs_on(line, following, is_listed=is_listed) else "\n"]
        parts[-1] = text[begin:finish]
        at = finish
    return "".join(parts)


def _runs_on(line: str, following: str, *, is_listed: bool) -> bool:
    """Whether a line goes on in the next; within an item of a list that one stands further in."""
    if len(line) < _FULL_LINE_CHARS or "|" in line or not following.strip() or _HEADING.match(line):
        return False
    following = following.lstrip() if is_listed else following
    return not _BEGINS.match(following)


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


def _pieces(text: str, span: Span, mark: Span) -> list[Piece]:
    """What stands in a span, parted where the mark begins and ends; nothing if that is only blank."""
    begin, finish = span
    low, high = min(max(mark[0], begin), finish), min(max(mark[1], begin), finish)
    if not text[begin:finish].strip():
        return []
    if low >= high:
        return [(text[begin:finish], False)]
    parts = [(text[begin:low], False), (text[low:high], True), (text[high:finish], False)]
    return [part for part in parts if part[0]]
