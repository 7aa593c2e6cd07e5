"""Cutting a document's text into chunks: what is embedded, found and cited. Pure.

A chunk is a run of whole sentences (lines, in code, lists and tables) of one page under one heading, about as long as
a paragraph or two. `page[start:end]` is its text, character for character. The same text is always cut alike, so that
a half-finished ingestion can go on where it was.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from services.knowledge.structure import Part, parts

TARGET_TOKENS: Final = 220
MAX_TOKENS: Final = 300
OVERLAP_TOKENS: Final = 30
# What is left at a section's end and is shorter goes with the chunk before it.
MIN_TOKENS: Final = 40
# Between the headings over a chunk.
SEPARATOR: Final = " > "
# A paragraph that ends when a chunk is so full already is a better end than the middle of the next.
_FULL_ENOUGH: Final = 0.6
# Longer without a sentence's end it is no sentence: rows, verses, code that nobody marked. Its lines are taken instead.
_LONG_SENTENCE_TOKENS: Final = 80
_MAX_HEADING_CHARS: Final = 200
_MAX_PATH_CHARS: Final = 600

# What tokenizers make of texts, about: one token for a short word of Latin letters, one for each six letters more, one
# for two digits or two letters of Greek or Cyrillic, one for each sign and each letter of scripts without blanks.
_TOKEN: Final = re.compile(
    r"(?P<latin>[A-Za-z]+)|(?P<digits>\d+)|(?P<letters>[^\W\d_A-Za-z\u0e00-\u0fff\u1100-\u11ff\u2e80-\ud7ff\uf900-\ufaff]+)"
    r"|\S"
)
# A sentence ends with its sign, and with the quotes and brackets that close there; what follows begins another.
_SENTENCE_END: Final = re.compile(r"[.!?…]+[\"'”’»)\]]{0,3}(?=\s)|[。！？]+[」』”）]{0,2}")
_CONTINUES: Final = re.compile(r"\s*[a-zß-öø-ÿ,;:]")
# No ends: "e.g. this", "Dr. Who", "Fig. 3", an initial; nor the number that a sentence begins with, "1. First".
_ABBREVIATION: Final = re.compile(
    r"(?:^|[\s(\[\"'])(?:e\.g|i\.e|z\.B|d\.h|cf|vs|ca|approx|Dr|Mr|Mrs|Ms|Prof|St|No|Nr|Fig|Sec|Vol|pp?|[^\W\d_])\.$"
)
_ABBREVIATION_CHARS: Final = 12


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document.

    Attributes:
        position: Its place in the document, from 0.
        heading: The headings over it, `A > B`; empty without any.
        page: The number of its page.
        start, end: Where it stands in the page's text.
    """

    position: int
    heading: str
    page: int
    start: int
    end: int
    text: str


class _Unit(NamedTuple):
    """What is never cut: a sentence, or a line."""

    start: int
    end: int
    tokens: int


def embedded(heading: str, text: str) -> str:
    """What of a chunk is embedded: a paragraph often does not say what it is about, and its headings do."""
    return f"{heading}\n{text}" if heading else text


def tokens(text: str) -> int:
    """About how many tokens a model makes of a text, in whichever script it is written."""
    return sum(_tokens_of(found) for found in _TOKEN.finditer(text))


def chunks(
    pages: Iterable[tuple[int, str]],
    *,
    has_marks: bool = True,
    target: int = TARGET_TOKENS,
    most: int = MAX_TOKENS,
    overlap: int = OVERLAP_TOKENS,
) -> Iterator[Chunk]:
    """Cut a document.

    Args:
        pages: Numbers and texts of its pages, in order.
        has_marks: Whether `#` begins a heading and three backticks code, as in Markdown and in all that was read into
            its form; not in plain text and tables.
        target, most: A chunk ends when it has grown to `target` tokens; it has `most` at most.
        overlap: How many tokens at most of a chunk's end the next begins with, if a paragraph is cut between them.
    """
    path: list[tuple[int, str]] = []
    position = 0
    for number, text in pages:
        for part in parts(text, has_marks=has_marks):
            if part.title is not None:
                while path and path[-1][0] >= part.level:
                    path.pop()
                path.append((part.level, part.title[:_MAX_HEADING_CHARS]))
            heading = SEPARATOR.join(_once(title for _, title in path))[:_MAX_PATH_CHARS]
            for start, end in _packed(_paragraphs(text, part, most), target, most, overlap):
                yield Chunk(position, heading, number, start, end, text[start:end])
                position += 1


def _once(titles: Iterable[str]) -> Iterator[str]:
    """A web page's title is often its first heading, too."""
    last = ""
    for title in titles:
        if title != last:
            yield title
        last = title


def _packed(paragraphs: Sequence[Sequence[_Unit]], target: int, most: int, overlap: int) -> list[tuple[int, int]]:
    """The sentences of a part in chunks."""
    packed: list[list[_Unit]] = []
    now: list[_Unit] = []
    size = 0
    for paragraph in paragraphs:
        coming = sum(unit.tokens for unit in paragraph)
        if now and size >= _FULL_ENOUGH * target and size + coming > target:
            packed.append(now)
            now, size = [], 0
        for unit in paragraph:
            if now and (size >= target or size + unit.tokens > most):
                packed.append(now)
                now = _tail(now, overlap, most - unit.tokens) if unit is not paragraph[0] else []
                size = sum(kept.tokens for kept in now)
            now.append(unit)
            size += unit.tokens
    if now:
        packed.append(now)
    return [(group[0].start, group[-1].end) for group in _without_crumbs(packed, most)]


def _tail(units: Sequence[_Unit], overlap: int, room: int) -> list[_Unit]:
    kept: list[_Unit] = []
    left = min(overlap, room)
    for unit in reversed(units[1:]):
        left -= unit.tokens
        if left < 0:
            break
        kept.insert(0, unit)
    return kept


def _without_crumbs(packed: list[list[_Unit]], most: int) -> list[list[_Unit]]:
    """The last chunk goes with the one before it if it is but a few words."""
    if len(packed) < 2:
        return packed
    before, last = packed[-2:]
    fresh = [unit for unit in last if unit.start >= before[-1].end]
    if sum(unit.tokens for unit in fresh) >= MIN_TOKENS:
        return packed
    together = before + fresh
    return [*packed[:-2], together] if sum(unit.tokens for unit in together) <= most else packed


def _paragraphs(text: str, part: Part, most: int) -> list[list[_Unit]]:
    found = []
    for block in part.blocks:
        spans = _lines(text, block.start, block.end) if block.is_lines else _sentences(text, block.start, block.end)
        units = [unit for start, end in spans for unit in _units(text, start, end, most)]
        if units:
            found.append(units)
    return found


def _units(text: str, start: int, end: int, most: int) -> Iterator[_Unit]:
    """A sentence or line as one unit, or as several if it is longer than any should be."""
    size = tokens(text[start:end])
    if size <= _LONG_SENTENCE_TOKENS:
        yield _Unit(start, end, size)
        return
    lines = list(_lines(text, start, end))
    if len(lines) > 1:
        for line_start, line_end in lines:
            yield from _units(text, line_start, line_end, most)
    elif size <= most:
        yield _Unit(start, end, size)
    else:
        yield from _pieces(text, start, end, most)


def _pieces(text: str, start: int, end: int, most: int) -> Iterator[_Unit]:
    """A line that is longer than a chunk, cut between words, or anywhere in what is no word."""
    limit = most // 2
    size, begin, last = 0, start, start
    for found in _TOKEN.finditer(text, start, end):
        # A word of a thousand letters is one match and many tokens.
        for piece_start, piece_end, count in _split(found, limit):
            if size and size + count > limit:
                yield _Unit(begin, last, size)
                begin, size = piece_start, 0
            size += count
            last = piece_end
    if size:
        yield _Unit(begin, last, size)


def _split(found: "re.Match[str]", limit: int) -> Iterator[tuple[int, int, int]]:
    count = _tokens_of(found)
    if count <= limit:
        yield found.start(), found.end(), count
        return
    # Two characters are a token at most.
    for start in range(found.start(), found.end(), limit):
        end = min(start + limit, found.end())
        yield start, end, (end - start + 1) // 2


def _tokens_of(found: "re.Match[str]") -> int:
    length = found.end() - found.start()
    if found.lastgroup == "latin":
        return 1 + (length - 1) // 6
    return 1 if found.lastgroup is None else (length + 1) // 2


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    begin = _past_blanks(text, start, end)
    for found in _SENTENCE_END.finditer(text, start, end):
        stop = found.end()
        if stop >= end or _CONTINUES.match(text, stop, end):
            continue
        if (
            _ABBREVIATION.search(text[max(begin, stop - _ABBREVIATION_CHARS) : stop])
            or text[begin : stop - 1].isdigit()
        ):
            continue
        yield begin, stop
        begin = _past_blanks(text, stop, end)
    if begin < end:
        yield begin, end


def _past_blanks(text: str, start: int, end: int) -> int:
    while start < end and text[start].isspace():
        start += 1
    return start


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    begin = start
    while begin < end:
        stop = text.find("\n", begin, end)
        stop = end if stop < 0 else stop
        if text[begin:stop].strip():
            yield begin, stop
        begin = stop + 1
