"""What an answer states: its Markdown, cut into sentences, terms and table rows. Pure.

No parser of Markdown: it reads line by line in linear time, whatever it is given, and only needs what can stand on a
card. Code blocks, questions, links' addresses, citation marks and lists of sources are left out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from services.markdown import LINK

# An answer longer than this is read up to here: a dozen cards are found long before.
MAX_CHARS: Final = 40_000
_MAX_LINE_CHARS: Final = 2_000
# So many statements are more than twelve cards need; the work on each is bounded by this.
_MAX_STATEMENTS: Final = 200
_MIN_SENTENCE_CHARS: Final = 20
_MAX_SENTENCE_CHARS: Final = 350

_FENCE: Final = re.compile(r"^ {0,3}(```|~~~)")
_HEADING: Final = re.compile(r"^ {0,3}#{1,6}\s+(.{1,200})$")
_MARKER: Final = re.compile(r"^\s{0,12}(?:[-*+•]|\d{1,3}[.)])\s+")
_QUOTE: Final = re.compile(r"^\s{0,3}(?:>\s?){1,5}")
_RULE: Final = re.compile(r"^\s*(?:[-*_=]\s*){3,}$")
_ROW: Final = re.compile(r"^\s*\|.*\|\s*$")
_CITATION: Final = re.compile(r"\s?(?:\[\d{1,3}(?:[,\s–-]+\d{1,3}){0,5}\]|【[^】]{0,40}】)")
_TAG: Final = re.compile(r"</?[A-Za-z][^<>]{0,300}>|<!--.{0,300}?-->")
_NAMED: Final = re.compile(
    r"^(?:\*\*|__)?([^*_:–—]{2,60}?)(?::(?:\*\*|__)|(?:\*\*|__)\s*(?:[:–—]|-\s)|:\s)\s*(\S.{8,})$"
)
_END: Final = re.compile(r"(?<=[.!?…])[\"'”’)]{0,2}\s+(?=[\"'“‘(*_`$\d]{0,3}[^\W\d_a-zà-ÿ])|(?<=[。！？])")
# Sentences about the answer rather than its subject.
_ASIDE: Final = re.compile(
    r"^(?:sources?|see also|from your|note that you|let me|i|i['’]\w+|hope this|here (?:is|are)|in (?:summary|short)"
    r"|sure|certainly|of course|would you|do you|if you|you can|no model|the notes cover|or attach|none of the words"
    r"|there is nothing)\b",
    re.IGNORECASE,
)
_WHOLE: Final = re.compile(r"[.!…。！][\"'”’)*_]{0,4}$")
_SOURCES: Final = re.compile(r"^(?:sources?|references?|further reading|quellen|literatur)\b", re.IGNORECASE)

# A formula or a piece of code within a line, as one group.
FORMULA: Final = re.compile(r"(\$\$?[^$\n]{1,120}\$\$?|\\\([^\n]{1,120}?\\\)|`[^`\n]{1,80}`)")
_EMPHASIS: Final = re.compile(r"\*{1,3}|(?<!\w)_{1,3}|_{1,3}(?!\w)")

Kind = Literal["sentence", "term", "row"]


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that the answer states.

    Attributes:
        kind: A sentence; a term with what is said of it; or a row of a table, its first cell the term.
        text: The sentence, or what is said of the term; emphasis is kept as Markdown.
        term: What it is about; empty for a sentence.
    """

    kind: Kind
    text: str
    term: str = ""


def statements(text: str) -> list[Statement]:
    """What the text states, in its order, nothing twice."""
    found: dict[str, Statement] = {}
    for statement in _read(text[:MAX_CHARS]):
        found.setdefault(f"{statement.term}\n{statement.text}".casefold(), statement)
        if len(found) == _MAX_STATEMENTS:
            break
    return list(found.values())


def bare(text: str) -> str:
    """The text without marks of emphasis; formulas and code keep their asterisks and underscores."""
    pieces = FORMULA.split(text)
    pieces[::2] = [_EMPHASIS.sub("", piece) for piece in pieces[::2]]
    return "".join(pieces).strip()


def _read(text: str) -> Iterator[Statement]:
    paragraph: list[str] = []
    header: list[str] = []
    is_code = is_item = False
    for raw in [*text.splitlines(), ""]:
        line = _QUOTE.sub("", raw[:_MAX_LINE_CHARS])
        if _FENCE.match(line):
            is_code = not is_code
            line = ""
        elif is_code:
            continue
        heading, begins_item, is_row = _HEADING.match(line), bool(_MARKER.match(line)), bool(_ROW.match(line))
        if not line.strip() or heading or begins_item or is_row or _RULE.match(line):
            yield from _in_paragraph(cleaned(" ".join(paragraph)), is_item=is_item)
            paragraph, is_item = [], begins_item
        if heading and _SOURCES.match(bare(heading[1])):
            return
        if is_row:
            cells = [cleaned(cell) for cell in line.strip().strip("|").split("|")]
            yield from _in_row(cells, header)
            header = header or cells
            continue
        header = []
        if line.strip() and not heading and not _RULE.match(line):
            paragraph.append(_MARKER.sub("", line).strip())


def _in_paragraph(text: str, *, is_item: bool) -> Iterator[Statement]:
    if _SOURCES.match(bare(text)) and ":" in text[:30]:
        return
    named = _NAMED.match(text)
    if named and len(named[1].split()) <= 6 and len(named[2]) <= _MAX_SENTENCE_CHARS and not _ASIDE.match(named[1]):
        yield Statement("term", named[2].strip(), bare(named[1]))
        return
    for sentence in map(str.strip, _END.split(text)):
        # What is no whole sentence is the name of a part, or a formula; points of a list may do without a full stop.
        if _is_worth_asking(sentence) and (is_item or _WHOLE.search(sentence)):
            yield Statement("sentence", sentence)


def _in_row(cells: list[str], header: list[str]) -> Iterator[Statement]:
    if not header or len(cells) < 2 or all(set(cell) <= set("-: ") for cell in cells) or not cells[0]:
        return
    names = [bare(name) for name in header]
    said = [
        f"{name}: {cell}" if name else cell
        for name, cell in zip(names[1:], cells[1:], strict=False)
        if cell.strip("- ")
    ]
    if said:
        yield Statement("row", "\n".join(said)[:_MAX_SENTENCE_CHARS], bare(cells[0])[:100])


def _is_worth_asking(sentence: str) -> bool:
    if not _MIN_SENTENCE_CHARS <= len(sentence) <= _MAX_SENTENCE_CHARS or _ASIDE.match(bare(sentence)):
        return False
    return sentence[-1] not in "?:？：" and (len(sentence.split()) >= 4 or not sentence.isascii())


def cleaned(text: str) -> str:
    """Without addresses, marks of citations, tags and superfluous space."""
    plain = _TAG.sub("", _CITATION.sub("", LINK.sub(r"\1", text)))
    return " ".join(plain.split())
