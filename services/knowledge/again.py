"""Reading a document again that is ready: what was made of it stays, and is found, until all of the new is there.

What the child tells is kept in a file meanwhile, with its vectors: whatever may fail has then succeeded. Then the one
is put in the other's place, for most documents in one transaction.
"""

import base64
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import orjson

from services.knowledge.workshop import Cut
from services.store import chunks, claims
from services.store.chunks import Embedded, NewChunk
from services.store.claims import Claim
from services.store.database import Session
from services.store.documents import Page

Told = Page | Cut | list[NewChunk]

# What is put in place at once: about a second, for which other writers wait.
MAX_AT_ONCE: Final = 1_000


class Kept:
    """What a child told of a document, in a file; `close` it."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)
        self.cut = Cut(0, None)

    def add(self, told: Told) -> None:
        """One more."""
        if isinstance(told, Cut):
            self.cut = told
        else:
            self._file.write(orjson.dumps(_written(told)) + b"\n")

    def read(self) -> Iterator[Page | list[NewChunk]]:
        """Pages and chunks, in their order."""
        self._file.seek(0)
        for line in self._file:
            yield _read(orjson.loads(line))

    def close(self) -> None:
        """Forget it."""
        self._file.close()


def replaced(s: Session, claim: Claim, cut: Cut, told: Iterable[Page | list[NewChunk]], model: str) -> None:
    """Put the new in the place of what was made before, in this transaction.

    Raises:
        Conflict: Code `CLAIM_LOST`.
    """
    claims.restart(s, claim)
    for one in told:
        put(s, claim, one, model)
    claims.progress(s, claim, total=cut.total, pages=cut.pages)


def put(s: Session, claim: Claim, one: Page | list[NewChunk], model: str) -> None:
    """Store a page, or some chunks."""
    if isinstance(one, Page):
        claims.put_pages(s, claim, [one])
    else:
        chunks.put(s, claim, one, model=model)


def _written(told: Page | list[NewChunk]) -> list[Any]:
    if isinstance(told, Page):
        return [told.number, told.text]
    return [
        [
            [one.position, one.heading, one.page, one.start, one.end, one.text],
            [base64.b64encode(part).decode() for part in (one.vector.bits, one.vector.int8)] if one.vector else None,
        ]
        for one in told
    ]


def _read(written: Any) -> Page | list[NewChunk]:
    if len(written) == 2 and isinstance(written[0], int):
        return Page(written[0], written[1])
    return [_chunk(place, vector) for place, vector in written]


def _chunk(place: Sequence[Any], vector: Sequence[str] | None) -> NewChunk:
    position, heading, page, start, end, text = place
    made = Embedded(base64.b64decode(vector[0]), base64.b64decode(vector[1])) if vector else None
    return NewChunk(position, heading, page, start, end, text, made)
