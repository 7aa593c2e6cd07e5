"""Finding what fits a question: texts as passages, and the best of them by the question's words. Pure.

BM25 over stems cut from words, counted by one regular expression over each text, so that 200 pages take
some tens of milliseconds. English and whatever else is written with spaces. common_words.txt holds words that
say nothing about what a question is about.

Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", section 3.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from services.assistants.study.headings import parts

# A passage is about this long: a few sentences, enough to stand alone and to cite.
PASSAGE_CHARS: Final = 900
_K1: Final = 1.4
_B: Final = 0.6
# What a heading's word counts for, against one in the text.
_HEADING_WEIGHT: Final = 3
_MAX_TERMS: Final = 24
_PAUSE_EVERY: Final = 20
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?", re.UNICODE)
_POSSESSIVE = re.compile(r"['’]s?(?![^\W_])")
# Not after a list's number within a line: "in order: 1. Open it."
_SENTENCE_END = re.compile(r"(?<=[.!?…])(?<!\s\d\.)[\"'”’)]*\s+(?=[^\s])")
_ENDINGS: Final = ("ations", "ation", "ingly", "ings", "ing", "edly", "ies", "ied", "ed", "es", "ly", "s", "y", "e")
_COMMON: Final = frozenset((Path(__file__).parent / "common_words.txt").read_text(encoding="utf-8").split())


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a text that can be shown and cited.

    Attributes:
        heading: What it stands under; its words count more.
        source: Whatever the caller wants to find again; not looked at.
    """

    text: str
    heading: str = ""
    source: Any = field(default=None, compare=False)


def terms(question: str) -> list[str]:
    """The stems of the words that matter in a question, without repetition."""
    found: dict[str, None] = {}
    for word in _WORD.findall(_POSSESSIVE.sub("", question.casefold())):
        if word not in _COMMON and (len(word) > 2 or word.isdigit() or not word.isascii()):
            found[stem(word)] = None
    return list(found)[:_MAX_TERMS]


def stem(word: str) -> str:
    """A word without its ending: the beginning that its forms share, at least three letters of it."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= (3 if ending == "s" else 4):
            return word.removesuffix(ending)
    return word


def ranked(
    passages: Sequence[Passage], question: str, *, pause: Callable[[], object] = lambda: None
) -> list[tuple[float, Passage]]:
    """The passages that have any of the question's words, the best first, with their scores.

    Args:
        pause: Called every few milliseconds of work, so that the caller can let others have a turn.
    """
    wanted = terms(question)
    if not wanted or not passages:
        return []
    # Longest first: of two stems that begin alike, the longer must not be taken for the shorter.
    pattern = re.compile(r"(?<![^\W_])(" + "|".join(map(re.escape, sorted(wanted, key=len, reverse=True))) + ")")
    counts = []
    for place, passage in enumerate(passages):
        counts.append(_counts(pattern, passage))
        if place % _PAUSE_EVERY == _PAUSE_EVERY - 1:
            pause()
    seen_in = {term: sum(term in found for found in counts) for term in wanted}
    average = sum(len(passage.text) for passage in passages) / len(passages) or 1
    scored = []
    for passage, found in zip(passages, counts, strict=True):
        if not found:
            continue
        norm = _K1 * (1 - _B + _B * len(passage.text) / average)
        score = sum(
            math.log(1 + (len(passages) - seen_in[term] + 0.5) / (seen_in[term] + 0.5))
            * (count * (_K1 + 1) / (count + norm))
            for term, count in found.items()
        )
        # A passage with all the words beats one that repeats a single word.
        scored.append((score * (0.5 + 0.5 * len(found) / len(wanted)), passage))
    return sorted(scored, key=lambda pair: -pair[0])


def _counts(pattern: "re.Pattern[str]", passage: Passage) -> dict[str, float]:
    found: dict[str, float] = {}
    for text, weight in ((passage.text, 1), (passage.heading, _HEADING_WEIGHT)):
        for term in pattern.findall(text.casefold()):
            found[term] = found.get(term, 0) + weight
    return found


def split(text: str, *, size: int = PASSAGE_CHARS) -> list[str]:
    """A text as passages of at most `size` characters, cut between paragraphs or sentences where it can be."""
    pieces: list[str] = []
    start = 0
    while len(text) - start > size:
        # One more, to see whether a word ends just there.
        end = _cut_at(text[start : start + size + 1], size)
        pieces.append(text[start : start + end].strip())
        start += end
    pieces.append(text[start:].strip())
    return [piece for piece in pieces if piece]


def sentences(text: str) -> list[str]:
    """The sentences of a text, without its headings; a line break within one is a space."""
    return [sentence for _, sentence in under_headings(text)]


def under_headings(text: str) -> list[tuple[str, str]]:
    """The sentences of a text, each with the heading that it stands under."""
    return [
        (heading, sentence)
        for heading, paragraph in parts(text)
        for sentence in _SENTENCE_END.split(" ".join(paragraph.split()))
        if sentence
    ]


def clip(text: str, limit: int) -> str:
    """The beginning of a text, cut between words and marked."""
    if len(text) <= limit:
        return text
    head = text[: max(limit - 1, 1)]
    return (head[: head.rfind(" ")] if " " in head[limit // 2 :] else head).rstrip() + "…"


def _cut_at(window: str, size: int) -> int:
    """Where to cut: after a paragraph, not just after its heading; else after a sentence, a word, or anywhere."""
    ends = [(found.end(), found[0]) for found in _SENTENCE_END.finditer(window)]
    paragraphs = [end for end, gap in ends if end >= size // 3 and gap.count("\n") > 1]
    places = paragraphs or [end for end, _ in ends]
    return min(places[-1], size) if places else window.rfind(" ", 1) + 1 or size
