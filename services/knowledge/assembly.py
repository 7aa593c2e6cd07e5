"""Chunks put together into passages: a hit with its neighbours, as long as they fit. Pure.

A chunk is cut for being found; a person and a model read better what stands around it too, and two hits beside each
other are one passage, which leaves a place for another.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

MAX_CHARS: Final = 2_000
# How far from a hit its neighbours are asked for.
REACH: Final = 2
# A document that has so many passages already gives way to others.
MAX_OF_DOCUMENT: Final = 4


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


def spans(hits: Sequence[Piece], around: Iterable[Piece], limit: int) -> list[Span]:
    """The passages of the first hits, the best first; no chunk is in two of them.

    Args:
        hits: The best first.
        around: Their neighbours, as many as are known.
    """
    known = {(one.document_id, one.position): one for one in (*around, *hits)}
    taken: set[tuple[str, int]] = set()
    of_document: dict[str, int] = {}
    made: list[Span] = []
    for place, hit in enumerate(hits):
        if len(made) == limit:
            break
        if (hit.document_id, hit.position) in taken or of_document.get(hit.document_id, 0) >= MAX_OF_DOCUMENT:
            continue
        span = _grown(place, hit, known, taken)
        taken |= {(hit.document_id, number) for number in range(span.first.position, span.last.position + 1)}
        of_document[hit.document_id] = of_document.get(hit.document_id, 0) + 1
        made.append(span)
    return made


def _grown(place: int, hit: Piece, known: Mapping[tuple[str, int], Piece], taken: set[tuple[str, int]]) -> Span:
    """The hit with what follows and precedes it, the same heading's first, up to `MAX_CHARS`."""
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
        nearest = next((one for one in fitting if one.heading == hit.heading), fitting[0])
        first, last = (nearest, last) if nearest.position < first.position else (first, nearest)
