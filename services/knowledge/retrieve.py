"""Finding the passages that answer a question, in what its asker may read.

By words and by meaning at once (`store/matching.py`), weighed together (`fusion.py`), and put together with their
neighbours into passages that can be read and cited. `confidence.py` tells whether any of it is an answer.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import gevent
import numpy as np

from services import errors
from services.knowledge import confidence, fusion
from services.knowledge.assembly import REACH, Piece, Span, spans
from services.knowledge.chunking import SEPARATOR
from services.knowledge.conditions import admits
from services.knowledge.fusion import Candidate, Weighed
from services.knowledge.passages import Found, Passage
from services.knowledge.query import Query, parse
from services.knowledge.terms import terms
from services.llm.vectors import WIDTH, Matrix, Vector, cosines
from services.store import bases, chunks, documents, matching
from services.store.database import Database, Session
from services.store.matching import Filters, Match

__all__ = ["Found", "Passage", "Retriever"]

logger = logging.getLogger(__name__)

LIMIT: Final = 8
# Of each search; what is farther down is hardly ever an answer (docs/search.md).
CANDIDATES: Final = 50
# Signs alone are compared first: so many are then compared by their whole vectors.
_COMPARED: Final = 80
# So many chunks, the best first, are looked at for passages.
_LOOKED_AT: Final = 20
_NO_MEANING: Final = (
    "Passages were looked for by their words alone: the model that compares meanings cannot be reached."
)
_KEPT_WORDS: Final = 30_000


class Embedder(Protocol):
    """Makes vectors; `services.llm.embed` has it."""

    model: str

    def query(self, text: str) -> Vector:
        """A question's vector.

        Raises:
            ModelUnreachable: The provider did not answer.
        """
        ...

    def words(self, texts: Sequence[str]) -> Matrix:
        """The built-in model's vectors of single words."""
        ...


Weigh = Callable[[str, Sequence[str], Sequence[Candidate], fusion.WordVectors], Weighed]


@dataclass(frozen=True, slots=True)
class _Raw:
    """What the two searches found, as it came."""

    by_words: Sequence[tuple[int, float]]
    by_vector: Sequence[tuple[int, int]]
    rows: Sequence[chunks.Passage]


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found, and how well."""

    row: chunks.Passage
    candidate: Candidate
    score: float


class Retriever:
    """Hybrid search over the bases of one site; one for a process, shared by its greenlets."""

    def __init__(self, database: Database, embedder: Embedder, *, weigh: Weigh = fusion.weighed) -> None:
        """Prepare; nothing is loaded yet.

        Args:
            weigh: Another way to weigh candidates; for comparing ways.
        """
        self._database = database
        self._embedder = embedder
        self._weigh = weigh
        self._words = _WordVectors(embedder)

    def search(
        self, user_id: int, text: str, base_ids: Sequence[str] | None, *, limit: int = LIMIT, context: str = ""
    ) -> Found:
        """Find the best passages for a question.

        Args:
            base_ids: Where to look; None or none: everything that the user may read.
            context: The earlier question that a follow-up goes on from.

        Raises:
            NotFound: One of the bases is unknown, or the user may not read it.
            Unavailable: The database is away.
        """
        query = parse(text)
        asked = f"{parse(context).text} {query.text}".strip() if context else query.text
        looked_for = terms(asked)
        notes = list(query.notes)
        vector = self._vector(asked, notes) if looked_for else None
        raw = self._raw(user_id, list(base_ids or ()), query, looked_for, vector)
        rows, candidates = _candidates(raw, vector)
        weighed = self._weigh(asked, looked_for, candidates, self._words)
        order = [n for n in np.argsort(-weighed.scores, kind="stable").tolist() if weighed.scores[n] > -np.inf]
        hits = [Hit(rows[n], candidates[n], float(weighed.scores[n])) for n in order[:_LOOKED_AT]]
        passages = self._database.run(passages_of, user_id, hits, limit) if hits else []
        relevance = confidence.relevance(weighed, order, looked_for)
        return Found(passages, notes, query, relevance, dict(zip(looked_for, weighed.rarity.tolist(), strict=True)))

    def _vector(self, text: str, notes: list[str]) -> Vector | None:
        try:
            return self._embedder.query(text)
        except errors.ModelUnreachable as problem:
            logger.warning("question not embedded", extra={"code": problem.code})
            notes.append(_NO_MEANING)
            return None

    def _raw(
        self, user_id: int, base_ids: list[str], query: Query, looked_for: Sequence[str], vector: Vector | None
    ) -> _Raw:
        """Search both ways at once: each waits for the database most of its time."""
        where = _Where(user_id, base_ids, Filters(files=query.files, after=query.after, before=query.before))
        nearest = gevent.spawn(self._by_vector, where, vector) if vector is not None else None
        try:
            match = Match(looked_for, [*query.must, *query.phrases], query.must_not)
            by_words = self._database.run(_by_words, where, match)
            by_vector = nearest.get() if nearest is not None else []
        finally:
            if nearest is not None:
                nearest.kill(block=False)
        if isinstance(by_vector, errors.AppError):
            raise by_vector
        ids = dict.fromkeys([number for number, _ in by_words] + [number for number, _ in by_vector])
        rows = self._database.run(chunks.load, user_id, list(ids))
        return _Raw(by_words, by_vector, [row for row in rows if admits(query, f"{_title(row)}\n{row.text}")])

    def _by_vector(self, where: "_Where", vector: Vector) -> list[tuple[int, int]] | errors.AppError:
        # Its own greenlet: what it raised would be written to the log as if nobody had heard of it.
        try:
            return self._database.run(_by_vector, where, self._embedder.model, vector.bits)
        except errors.AppError as problem:
            return problem


@dataclass(frozen=True, slots=True)
class _Where:
    """What is searched."""

    user_id: int
    base_ids: Sequence[str]
    filters: Filters


def _by_words(s: Session, where: _Where, match: Match) -> list[tuple[int, float]]:
    if where.base_ids and bases.unreadable(s, where.user_id, where.base_ids):
        raise errors.NotFound("There is no such base.")
    return matching.by_words(s, where.user_id, where.base_ids or None, match, where.filters, CANDIDATES)


def _by_vector(s: Session, where: _Where, model: str, bits: bytes) -> list[tuple[int, int]]:
    return matching.by_vector(s, where.user_id, where.base_ids or None, model, bits, where.filters, _COMPARED)


class _WordVectors:
    """The built-in model's vectors of words, those of the last searches at hand."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._rows: dict[str, int] = {}
        self._table = np.zeros((_KEPT_WORDS, WIDTH), np.float32)

    def __call__(self, words: Sequence[str]) -> Matrix:
        """One row of length 1 for each word. Nothing in here waits, so no other greenlet comes between."""
        if len(self._rows) + len(words) > _KEPT_WORDS:
            self._rows.clear()
        missing = [word for word in words if word not in self._rows][:_KEPT_WORDS]
        if missing:
            made = self._embedder.words(missing)
            made /= np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-9)
            first = len(self._rows)
            self._table[first : first + len(missing)] = made
            self._rows.update(zip(missing, range(first, first + len(missing)), strict=True))
        return self._table[[self._rows[word] for word in words]]


def _candidates(raw: _Raw, vector: Vector | None) -> tuple[list[chunks.Passage], list[Candidate]]:
    """The best that either search found, with what was found out about each; the nearest by their whole vectors now."""
    similar = _similarities(raw.rows, vector)
    near = sorted((number for number, _ in raw.by_vector if number in similar), key=lambda number: -similar[number])
    vector_ranks = {number: rank for rank, number in enumerate(near[:CANDIDATES], start=1)}
    words_ranks = {number: rank for rank, (number, _) in enumerate(raw.by_words, start=1)}
    rows = [row for row in raw.rows if row.id in words_ranks or row.id in vector_ranks]
    return rows, [
        Candidate(
            row.id,
            row.document_id,
            row.position,
            _title(row),
            row.text,
            row.heading,
            f"{row.document_name} {row.heading.partition(SEPARATOR)[0]}",
            words_ranks.get(row.id),
            vector_ranks.get(row.id),
            similar.get(row.id, 0.0),
        )
        for row in rows
    ]


def _similarities(rows: Sequence[chunks.Passage], vector: Vector | None) -> dict[int, float]:
    compared = [(row.id, row.vector) for row in rows if row.vector]
    if vector is None:
        return {}
    found = cosines(vector.int8, [own for _, own in compared])
    return {number: cosine for (number, _), cosine in zip(compared, found, strict=True)}


def _title(row: chunks.Passage) -> str:
    return f"{row.document_name} {row.heading}"


def passages_of(s: Session, user_id: int, hits: Sequence[Hit], limit: int) -> list[Passage]:
    """The best hits with their neighbours, as they stand in their documents."""
    pieces = [_piece(hit.row) for hit in hits]
    places = {
        (one.document_id, one.position + step)
        for one in pieces
        for step in range(-REACH, REACH + 1)
        if one.position + step >= 0
    }
    around = [_piece(row) for row in chunks.at(s, user_id, sorted(places))]
    # Documents go, and rights with them, also between two transactions.
    there = set(around)
    hits = [hit for hit, piece in zip(hits, pieces, strict=True) if piece in there]
    made = spans([_piece(hit.row) for hit in hits], [hit.score for hit in hits], around, limit)
    wanted = [(span.first.document_id, span.first.page) for span in made if span.first != span.last]
    texts = documents.texts(s, user_id, wanted) if wanted else {}
    return [_passage(hits[span.hit], span, _text(hits[span.hit], span, texts)) for span in made]


def _text(hit: Hit, span: Span, texts: Mapping[tuple[str, int], str]) -> str:
    if span.first == span.last:
        return hit.row.text
    return texts[span.first.document_id, span.first.page][span.start : span.end]


def _passage(hit: Hit, span: Span, text: str) -> Passage:
    row, candidate = hit.row, hit.candidate
    return Passage(
        chunk_id=row.id,
        document_id=row.document_id,
        document_name=row.document_name,
        base_id=row.base_id,
        page=row.page,
        # Of where it begins: what follows under another has that in its text.
        heading=span.first.heading,
        start=span.start,
        end=span.end,
        text=text,
        score=hit.score,
        words_rank=candidate.words_rank,
        vector_rank=candidate.vector_rank,
        similarity=candidate.similarity,
        hit=(row.start, row.end),
    )


def _piece(row: chunks.Passage) -> Piece:
    return Piece(row.document_id, row.position, row.heading, row.page, row.start, row.end)
