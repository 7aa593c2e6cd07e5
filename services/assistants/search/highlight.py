"""Which stretch of a passage its reader is led to: what a claim rests on, and no more than can be taken in. Pure.

A passage is as long as a model reads it well; a page that is marked from top to bottom shows nobody where to look.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from services.assistants.search.words import stems
from services.knowledge.passages import Passage

MAX_CHARS: Final = 900
# Of the best sentence's share of the claim's words: what has less is about something else.
_LEAST_SHARE: Final = 0.5
_SENTENCE: Final = re.compile(r"\S(?:[^.!?。！？\n]|[.!?](?!\s))*[.!?。！？]*")
_MARK: Final = re.compile(r"\[(\d{1,3})\]")
_END: Final = re.compile(r"(?<=[.!?…。！？\]])\s+(?!\[\d{1,3}\])|\n+")

Span = tuple[int, int]


def of_hit(passage: Passage) -> Span:
    """What was found, without the neighbours that were put to it: a place in the page's text."""
    start, end = passage.hit or (passage.start, passage.end)
    return start, _end(passage, start, end)


def of_claims(passage: Passage, claims: Iterable[str]) -> Span:
    """The sentences of a passage that these claims rest on; what was found if none is like them.

    Args:
        claims: Sentences of an answer that cite it.
    """
    said = [frozenset(stems(_MARK.sub(" ", claim))) for claim in claims]
    spans = [found.span() for found in _SENTENCE.finditer(passage.text)]
    worth = [_worth(frozenset(stems(passage.text[start:end])), said) for start, end in spans]
    best = max(worth, default=0.0)
    if not best:
        return of_hit(passage)
    first = last = worth.index(best)
    # From the best on, whatever is told of too, the nearest first.
    for place in sorted(range(len(spans)), key=lambda place: abs(place - first)):
        low, high = min(first, place), max(last, place)
        if worth[place] >= _LEAST_SHARE * best and spans[high][1] - spans[low][0] <= MAX_CHARS:
            first, last = low, high
    start, end = passage.start + spans[first][0], passage.start + spans[last][1]
    return start, _end(passage, start, end)


def claims(answer: str) -> dict[int, list[str]]:
    """The sentences of an answer, by each number that they cite; a number at a line's end is for the whole line."""
    found: dict[int, list[str]] = {}
    for line in answer.splitlines():
        last = [int(number) for number in _MARK.findall(line)][-1:]
        for sentence in _END.split(line):
            for number in [int(number) for number in _MARK.findall(sentence)] or last:
                found.setdefault(number, []).append(sentence)
    return found


def _worth(own: frozenset[str], said: Sequence[frozenset[str]]) -> float:
    return max((len(own & claim) / len(claim) for claim in said if claim), default=0.0)


def _end(passage: Passage, start: int, end: int) -> int:
    """Between words, where it would be too long."""
    if end - start <= MAX_CHARS:
        return end
    text = passage.text[start - passage.start : start - passage.start + MAX_CHARS]
    return start + (len(text) if " " not in text[MAX_CHARS // 2 :] else text.rindex(" "))
