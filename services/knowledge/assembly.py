"""Chunks put together into passages: a hit with its neighbours, as long as they fit. Pure.

A chunk is cut for being found; a person and a model read better what stands around it too, and two hits beside each
other are one passage, which leaves a place for another.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

MAX_CHARS: Final = 2_000
# How far from a hit its neighbours are asked for.
REACH: Final = 2
# What a passage's score loses for each one of its document that is chosen already: others are worth a look, too.
SAME_DOCUMENT: Final = 0.8


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk's place: in its document, and in the text of a page."""

    document_id: str
    position: int
    heading: str
    page: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one page.

    Attributes:
        hit: The place of the chunk that it is made around, in the order that was given.
        first, last: The first and the last chunk in it.
    """

    hit: int
    first: Piece
    last: Piece

    @property
    def start(self) -> int:
        return self.first.start

    @property
    def end(self) -> int:
        return max(self.first.end, self.last.end)


def spans(hits: Sequence[Piece], scores: Sequence[float], around: Iterable[Piece], limit: int) -> list[Span]:
    """The passages of the best hits, the best first; no chunk is in two of them.

    Args:
        hits: Each once.
        scores: Theirs; larger is better.
        around: Their neighbours, as many as are known.
    """
    known = {(one.document_id, one.position): one for one in (*around, *hits)}
    worth = {(hit.document_id, hit.position): score for hit, score in zip(hits, scores, strict=True)}
    taken: set[tuple[str, int]] = set()
    of_document: dict[str, int] = {}
    made: list[Span] = []
    while len(made) < limit:
        left = [place for place, hit in enumerate(hits) if (hit.document_id, hit.position) not in taken]
        if not left:
            break
        best = max(left, key=lambda place: scores[place] - SAME_DOCUMENT * of_document.get(hits[place].document_id, 0))
        span = _grown(best, hits[best], known, taken, worth)
        document_id = span.first.document_id
        taken |= {(document_id, number) for number in range(span.first.position, span.last.position + 1)}
        of_document[document_id] = of_document.get(document_id, 0) + 1
        made.append(span)
    return made


def _grown(
    place: int,
    hit: Piece,
    known: Mapping[tuple[str, int], Piece],
    taken: set[tuple[str, int]],
    worth: Mapping[tuple[str, int], float],
) -> Span:
    """The hit with what follows and precedes it, up to `MAX_CHARS`: the same heading's first, of these the better."""
    first = last = hit
    while True:
        beside = [known.get((hit.document_id, last.position + 1)), known.get((hit.document_id, first.position - 1))]
        fitting = [
            one
            for one in beside
            if one is not None
            and one.page == hit.page
            and (one.document_id, one.position) not in taken
            and max(one.end, last.end) - min(one.start, first.start) <= MAX_CHARS
        ]
        if not fitting:
            return Span(place, first, last)
        same = [one for one in fitting if one.heading == hit.heading]
        best = max(same or fitting, key=lambda one: worth.get((one.document_id, one.position), -math.inf))
        first, last = (best, last) if best.position < first.position else (first, best)
