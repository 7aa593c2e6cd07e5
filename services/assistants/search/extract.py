"""The answer without a model: sentences of the passages that say most about the question, with their numbers. Pure.

It makes nothing up: what it says stands in the documents, word for word. The same passages give the same answer.
"""

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from services.assistants.search.telling import clip
from services.assistants.search.words import stems
from services.knowledge.passages import Passage
from services.markdown import LINK

_MAX_SENTENCES: Final = 5
# Of passages after these no sentence is taken: they are further away.
_MAX_PASSAGES: Final = 5
# A longer sentence, or what has no end, is quoted around the question's words.
_SENTENCE_CHARS: Final = 400
# Of passages beyond this only the beginning is read, so that looking takes a few milliseconds at most.
_PASSAGE_CHARS: Final = 4_000
_STRETCH_CHARS: Final = 320
_LEAD_CHARS: Final = 60
_MAX_PLACES: Final = 200
_LEAST_CHARS: Final = 16
# Sentences with less than this much of the best one's worth say too little.
_LEAST_SHARE: Final = 0.55
_ALIKE: Final = 0.7
# What a word in the heading counts for, against one in the sentence; and how much later passages count less.
_HEADING_WEIGHT: Final = 0.4
_RANK_WEIGHT: Final = 0.12
# Not after a list's number within a line: "in order: 1. Open it."
_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])(?<!\s\d\.)[\"'”’)\]]*\s+(?=[\"'“‘(\[]?[^\sa-z])|(?<=[。！？])")
_PARAGRAPH_END = re.compile(r"\n[ \t]*\n|\n(?=[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t])|\n(?=[ \t]*\|)")
_WORD = re.compile(r"[^\W_]+(?:_[^\W_]+)*")
_HEADING = re.compile(r"[ \t]{0,3}#{1,6}[ \t]")
_FENCE = re.compile(r"^[ \t]*(?:```|~~~).*?(?:^[ \t]*(?:```|~~~)[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_LIST_SIGN = re.compile(r"^[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]+")
# A document's own Markdown, of which the words are quoted: what is strong, code, and the line between a table's parts.
_STRONG = re.compile(r"\*\*(?=\S)([^*\n]{1,300})\*\*|`([^`\n]{1,300})`")
_RULE = re.compile(r"^[ \t]*\|?[ \t]*:?-{2,}:?(?:[ \t]*\|[ \t]*:?-{2,}:?)*[ \t]*\|?[ \t]*$")
_CELL_END: Final = " · "
# A row of a sheet, as it is read: `Name: Lens; Price: 12`.
_NAMED_ROW = re.compile(r"[ \t]*[^;:\s][^;:]{0,79}: [^;]*(?:; [^;:]{1,80}: [^;]*)+$")
# It leans on the sentence before.
_LEANING = re.compile(
    r"(?:it|its|they|this|that|these|those|he|she|such|however|therefore|then|otherwise)\b", re.IGNORECASE
)
# It sends its reader on, or announces what follows it.
_FILLER = re.compile(
    r"(?:\W*(?:see|refer to|consult)\b|.{0,40}\b(?:for|more|further) (?:more |further )?(?:details|information)\b"
    r"|(?:the following|this) (?:table|list|chapter|section|page|document|example|sections|figure)s?\b"
    r"|(?:table|figure|chapter|section|appendix) [\dA-Z][\w.]*\b).{0,120}$|.{0,160}:$",
    re.IGNORECASE,
)
# What Markdown would read as its own. An underscore within a word is only one.
_MARKUP = re.compile(r"[\\`*\[\]<>$~|]|(?<!\w)_|_(?!\w)|^(?:#|[-+](?=\s))|(?<=^\d)[.)]")


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence with its place: which passage, from 1, and which of its sentences."""

    text: str
    number: int
    at: int
    stems: frozenset[str]
    score: float = 0.0


def authored(question: str, passages: Sequence[Passage], *, context: str = "") -> str:
    """The answer, with marks `[n]` for the n-th passage; empty without passages.

    Args:
        context: The earlier question that a short one goes on from; its words count half.
    """
    if not passages:
        return ""
    sentences = _scored(question, passages[:_MAX_PASSAGES], context)
    chosen = _chosen(sentences) or _beginning(sentences)
    if not chosen:
        return f"{quoted(passages[0].text) or passages[0].document_name} [1]"
    lines = _lines(chosen, sentences)
    return lines[0] if len(lines) == 1 else "\n".join(f"- {line}" for line in lines)


def quoted(sentence: str, limit: int = _SENTENCE_CHARS) -> str:
    """A document's words within Markdown: as they are, and without a meaning of their own."""
    return _MARKUP.sub(lambda found: f"\\{found[0]}", clip(" ".join(sentence.split()), limit))


def _scored(question: str, passages: Sequence[Passage], context: str) -> list[_Sentence]:
    wanted = dict.fromkeys(stems(context), 0.5) | dict.fromkeys(stems(question), 1.0)
    read = [
        _Sentence(text, number, at, frozenset(stems(text)))
        for number, passage in enumerate(passages, 1)
        for at, text in enumerate(sentences_of(passage.text))
    ]
    seen_in = Counter(word for sentence in read for word in sentence.stems)
    rarity = {word: share * math.log(1 + len(read) / (1 + seen_in[word])) for word, share in wanted.items()}
    headings = [frozenset(stems(passage.heading)) for passage in passages]
    return [_with_score(sentence, rarity, headings[sentence.number - 1]) for sentence in read]


def _with_score(sentence: _Sentence, rarity: dict[str, float], heading: frozenset[str]) -> _Sentence:
    own = sum(worth for word, worth in rarity.items() if word in sentence.stems)
    if not own:
        return sentence
    above = sum(worth for word, worth in rarity.items() if word in heading and word not in sentence.stems)
    # Long sentences have more of everything; the first of a passage introduces it.
    length = 1 + 0.15 * max(len(sentence.stems) - 12, 0) / 12
    score = (own + _HEADING_WEIGHT * above) / length * (1.1 if not sentence.at else 1.0)
    worth = score / (1 + _RANK_WEIGHT * (sentence.number - 1))
    return _Sentence(_around(sentence.text, rarity), sentence.number, sentence.at, sentence.stems, worth)


def _around(text: str, rarity: dict[str, float]) -> str:
    """A sentence, or of a long one the stretch with most of what is asked for."""
    if len(text) <= _SENTENCE_CHARS:
        return text
    places = [(found.start(), sum(rarity.get(word, 0.0) for word in stems(found[0]))) for found in _WORD.finditer(text)]
    asked = [(start, worth) for start, worth in places if worth][:_MAX_PLACES]
    begin = max(
        (start for start, _ in asked),
        key=lambda first: sum(worth for start, worth in asked if 0 <= start - first < _STRETCH_CHARS),
        default=0,
    )
    if begin <= _SENTENCE_CHARS - _STRETCH_CHARS:
        return text
    lead = text.find(" ", begin - _LEAD_CHARS, begin) + 1
    return f"…{text[lead or begin :]}"


def _chosen(sentences: Sequence[_Sentence]) -> list[_Sentence]:
    """The best, none of them twice in other words; the best passage's first, in the order of their passage."""
    chosen: list[_Sentence] = []
    asked = [one for one in sentences if one.score]
    telling = [one for one in asked if not _FILLER.match(one.text)] or asked
    ranked = sorted(telling, key=lambda one: (-one.score, one.number, one.at))
    for sentence in ranked:
        if sentence.score < _LEAST_SHARE * ranked[0].score or len(chosen) == _MAX_SENTENCES:
            break
        if all(_likeness(sentence, other) < _ALIKE for other in chosen):
            chosen.append(sentence)
    passages = list(dict.fromkeys(sentence.number for sentence in chosen))
    return sorted(chosen, key=lambda one: (passages.index(one.number), one.at))


def _beginning(sentences: Sequence[_Sentence]) -> list[_Sentence]:
    """Found by meaning, in other words than the question's: how the nearest passage begins."""
    return [sentence for sentence in sentences if sentence.number == 1][:2]


def _lines(chosen: Sequence[_Sentence], sentences: Sequence[_Sentence]) -> list[str]:
    """Sentences that follow each other stand together; one that leans on the one before it has it too."""
    by_place = {(sentence.number, sentence.at): sentence for sentence in sentences}
    lines: list[str] = []
    last = (0, 0)
    for sentence in chosen:
        place = (sentence.number, sentence.at)
        before = by_place.get((sentence.number, sentence.at - 1))
        text = _with_mark(sentence)
        if last == (sentence.number, sentence.at - 1) and not _NAMED_ROW.match(sentence.text):
            lines[-1] += f" {text}"
        elif before is not None and _LEANING.match(sentence.text):
            lines.append(f"{_with_mark(before)} {text}")
        else:
            lines.append(text)
        last = place
    return lines


def _with_mark(sentence: _Sentence) -> str:
    """With its number before the full stop, as the sentence's own."""
    text = quoted(sentence.text)
    end = text[-1] if text[-1] in ".!?" and text[-2:-1] != "." else ""
    return f"{text.removesuffix(end)} [{sentence.number}]{end}"


def sentences_of(text: str) -> list[str]:
    """The sentences of a passage, without its headings and blocks of code; a line break within one is a space."""
    read = "\n".join(_with_rows(_FENCE.sub("\n\n", text[:_PASSAGE_CHARS]).split("\n")))
    found: list[str] = []
    for paragraph in _PARAGRAPH_END.split(read):
        lines = [_plain(line) for line in paragraph.split("\n") if not _HEADING.match(line) and not _RULE.match(line)]
        whole = _LIST_SIGN.sub("", " ".join(" ".join(lines).split()), count=1)
        found += [sentence.strip() for sentence in _SENTENCE_END.split(whole) if sentence]
    return [sentence for sentence in found if len(sentence) >= _LEAST_CHARS]


def _with_rows(lines: Sequence[str]) -> Iterator[str]:
    """The lines, where each row of a table stands apart and names its columns, if they are known."""
    columns: list[str] = []
    for line, after in itertools.zip_longest(lines, lines[1:], fillvalue=""):
        is_rule = _RULE.match(line) is not None
        cells = [] if is_rule else _cells(line)
        is_named = _NAMED_ROW.match(line) is not None
        if cells and (_RULE.match(after) or _NAMED_ROW.match(after)):
            # What columns are called says nothing by itself.
            columns = cells
            yield ""
        elif cells:
            is_told = len(cells) == len(columns)
            told = (
                "; ".join(f"{name}: {cell}" for name, cell in zip(columns, cells, strict=True) if cell)
                if is_told
                else ""
            )
            yield from ("", told or _CELL_END.join(filter(None, cells)), "")
        elif is_named:
            yield from ("", line, "")
        else:
            columns = columns if is_rule else []
            yield line


def _cells(line: str) -> list[str]:
    """The cells of a row, as Markdown and as documents are read; none if it is none."""
    row = line.strip()
    if len(row) > 2 and row.startswith("|") and row.endswith("|"):
        return [cell.strip() for cell in row[1:-1].split("|")]
    return [cell.strip() for cell in row.split(" | ")] if " | " in row else []


def _plain(line: str) -> str:
    """A line's words, where it is Markdown: links by what they are called."""
    return _STRONG.sub(lambda found: found[1] or found[2], LINK.sub(r"\1", line))


def _likeness(one: _Sentence, other: _Sentence) -> float:
    both = len(one.stems | other.stems)
    return len(one.stems & other.stems) / both if both else 1.0
