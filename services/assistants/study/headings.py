"""What a text's parts stand under: lines that are headings, told from lines of prose. Pure.

A PDF's text has neither marks nor empty lines, only lines; a heading is a short one where a sentence could not have
been broken off. A wrong guess costs little: it is shown with what follows, and not quoted alone.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

_BLANK = re.compile(r"\n\s*\n")
_MARKED = re.compile(r"\s*#{1,6}\s+\S")
_NUMBERED = re.compile(r"(?:[^\W\d]{3,10} )?\d{1,3}(?:\.\d{1,3}){0,3}[.):]?(?: \S|$)")
# A sentence that ends, or what introduces the next line.
_ENDS: Final = (".", "!", "?", "…", ":", "”", "’", '"', "'", ")", "]")
_NO_HEADING: Final = (".", "!", "?", "…", ",", ";", "-")
_MAX_CHARS: Final = 80
_MAX_WORDS: Final = 9
# A line of prose that was broken is nearly as wide as the others.
_SHARE_OF_WIDTH: Final = 0.7
# More of them one after the other are a list or a table of contents.
_MAX_RUN: Final = 3


def parts(text: str) -> list[tuple[str, str]]:
    """The paragraphs of a text, each with the heading that it stands under (several are parted by empty lines)."""
    found: list[tuple[str, str]] = []
    under = ""
    runs = [(is_heading, [line for _, line in run]) for is_heading, run in groupby(_told(text), key=lambda it: it[0])]
    for place, (is_heading, lines) in enumerate(runs):
        if not is_heading:
            found += [(under, line) for line in lines]
        elif len(lines) > _MAX_RUN or place == len(runs) - 1:
            found += [("", line) for line in lines]
            under = ""
        else:
            under = "\n\n".join(lines)
    return found


def _told(text: str) -> Iterator[tuple[bool, str]]:
    """Headings and paragraphs in order; whether it is a heading."""
    paragraphs = [lines for block in _BLANK.split(text) if (lines := _lines(block))]
    for place, lines in enumerate(paragraphs):
        after = paragraphs[place + 1][0] if place + 1 < len(paragraphs) else ""
        yield from _of_paragraph(lines, after)


def _of_paragraph(lines: list[str], after: str) -> Iterator[tuple[bool, str]]:
    width = max(map(len, lines)) if len(lines) > 1 else 0
    body: list[str] = []
    for line, following in zip(lines, [*lines[1:], after], strict=True):
        could = len(line) <= _MAX_CHARS and (not body or body[-1].endswith(_ENDS))
        if could and following and _is_heading(line.strip(), following.lstrip(), width):
            if body:
                yield False, "\n".join(body)
                body = []
            yield True, line.strip()
        else:
            body.append(line)
    if body:
        yield False, "\n".join(body)


def _is_heading(line: str, following: str, width: int) -> bool:
    if _MARKED.match(line):
        return True
    if line.endswith(_NO_HEADING) or len(line.split()) > _MAX_WORDS or not (line[0].isupper() or line[0].isdigit()):
        return False
    if following[0].islower():
        return False
    return not width or len(line) < _SHARE_OF_WIDTH * width or bool(_NUMBERED.match(line))


def _lines(block: str) -> list[str]:
    return list(_stripped(block.split("\n")))


def _stripped(lines: Iterable[str]) -> Iterator[str]:
    return (line.rstrip() for line in lines if line.strip())
