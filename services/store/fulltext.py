"""The full-text index of chunks, as each database has it: FTS5, and a tsvector. `matching.py` decides what to ask."""

import math
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, Final, Protocol

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    Integer,
    Select,
    TableClause,
    bindparam,
    cast,
    column,
    func,
    literal,
    literal_column,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, BIT, REAL, TSVECTOR
from sqlalchemy.orm import Session

from services.store.chunks import WIDTH, Bits, ChunkVector
from services.store.looking import Match, Scope
from services.store.words import is_character

# How many entries of the index are weighed. Words that are in more of them tell next to nothing about any.
MAX_ENTRIES: Final = 8_000
# A word in a heading or in the document's name counts as several in the text.
TITLE_WEIGHT: Final = 2.0
# PostgreSQL weighs no more words than these, the rarest: each costs as much as the search for it.
_MAX_WEIGHED: Final = 12
# How many chunks there are taken to be where a word's rarity is told; the order hardly depends on it.
_ASSUMED_CHUNKS: Final = 100_000
# Of the classes D to A; texts are D, titles are A.
_WEIGHTS: Final = literal([1 / TITLE_WEIGHT] * 3 + [1.0], ARRAY(REAL))


class Index(Protocol):
    """The full-text index of one kind of database."""

    def counts(self, s: Session, looked_for: Sequence[str]) -> Sequence[int]:
        """In how many chunks each word is, counted to just above `MAX_ENTRIES`."""
        ...

    def rank(
        self, s: Session, match: Match, counts: Mapping[str, int], scope: Scope, limit: int
    ) -> list[tuple[int, float]]:
        """The best of those that match. `must` and `must_not` are kept to, `any` if there is no `must`."""
        ...

    def distance(self, bits: bytes) -> ColumnElement[int]:
        """How far a row of `ChunkVector` is from this vector."""
        ...


class OnSqlite:
    """FTS5, by its own BM25, which weighs each word by how rare it is."""

    _entries = table("chunk_words", column("rowid", Integer))
    # With the sign, the planner cannot turn the join around and ask the index for each chunk one by one.
    _rowid = literal_column("+chunk_words.rowid", Integer)
    _score = literal_column(f"-bm25(chunk_words, {TITLE_WEIGHT}, 1.0)", Float)

    def counts(self, s: Session, looked_for: Sequence[str]) -> Sequence[int]:
        matches = [text(f"chunk_words MATCH :word{n}") for n in range(len(looked_for))]
        values = {f"word{n}": _quoted(word) for n, word in enumerate(looked_for)}
        return list(s.execute(_counting(self._entries, matches), values).one())

    def rank(
        self,
        s: Session,
        match: Match,
        counts: Mapping[str, int],  # noqa: ARG002 (FTS5 counts by itself)
        scope: Scope,
        limit: int,
    ) -> list[tuple[int, float]]:
        one = (
            select(self._entries.c.rowid.label("its"), self._score.label("score"))
            .join_from(self._entries, ChunkVector, ChunkVector.chunk_id == self._rowid)
            .where(text("chunk_words MATCH :match"), *scope.of_each())
            .limit(MAX_ENTRIES)
            .subquery("one")
        )
        best = select(one).order_by(one.c.score.desc(), one.c.its).limit(limit)
        return [(number, score) for number, score in s.execute(best, {"match": self._expression(match)})]

    def distance(self, bits: bytes) -> ColumnElement[int]:
        wanted = func.vec_bit(bindparam("wanted", bits, type_=Bits))
        return func.vec_distance_hamming(func.vec_bit(ChunkVector.bits), wanted, type_=Integer)

    def _expression(self, match: Match) -> str:
        found = " AND ".join(_either(match.spelled(word)) for word in match.must)
        if match.any:
            # Those that it must have stand here too: the others count for it, and none of them is needed.
            each = " OR ".join(_quoted(word) for word in dict.fromkeys([*match.must, *match.any]))
            found = f"{found} AND ({each})" if found else f"({each})"
        if match.must_not:
            found = f"({found}) NOT ({' OR '.join(_quoted(word) for word in match.must_not)})"
        return found


class OnPostgresql:
    """A tsvector. PostgreSQL's own ranks do not weigh words by how rare they are: that is done here."""

    _entries = table("chunk_words", column("chunk_id", BigInteger), column("words", TSVECTOR))

    def counts(self, s: Session, looked_for: Sequence[str]) -> Sequence[int]:
        matches = [self._entries.c.words.op("@@")(_tsquery(word)) for word in looked_for]
        return list(s.execute(_counting(self._entries, matches)).one())

    def rank(
        self, s: Session, match: Match, counts: Mapping[str, int], scope: Scope, limit: int
    ) -> list[tuple[int, float]]:
        entries = self._entries
        looked_for = sorted(dict.fromkeys([*match.must, *match.any]), key=lambda word: counts[word])[:_MAX_WEIGHED]
        # With an offset the planner finds what matches first, and does not look for the words in chunk after chunk.
        matching = select(entries).where(entries.c.words.op("@@")(self._expression(match))).offset(0).subquery("found")
        score = sum(
            (
                math.log(1 + _ASSUMED_CHUNKS / (counts[word] + 0.5))
                * cast(func.ts_rank(_WEIGHTS, matching.c.words, _tsquery(word), 1), Float)
                for word in looked_for
            ),
            start=literal(0.0),
        )
        one = (
            select(matching.c.chunk_id.label("its"), score.label("score"))
            .join_from(matching, ChunkVector, ChunkVector.chunk_id == matching.c.chunk_id)
            .where(*scope.of_all())
            .limit(MAX_ENTRIES)
            .subquery("one")
        )
        best = select(one).order_by(one.c.score.desc(), one.c.its).limit(limit)
        return [(number, score) for number, score in s.execute(best)]

    def distance(self, bits: bytes) -> ColumnElement[int]:
        wanted = cast(bindparam("wanted", bits, type_=Bits), BIT(WIDTH))
        return func.bit_count(ChunkVector.bits.op("#")(wanted), type_=Integer)

    def _expression(self, match: Match) -> ColumnElement[Any]:
        needed = [_any_of(match.spelled(word)) for word in match.must] or [_any_of(match.any)]
        needed += [func.tsquery_not(_tsquery(word)) for word in match.must_not]
        return reduce(lambda one, other: one.op("&&")(other), needed)


ON: Final[Mapping[str, Index]] = {"sqlite": OnSqlite(), "postgresql": OnPostgresql()}


def _counting(entries: TableClause, matches: Sequence[Any]) -> Select[Any]:
    """Each condition's number of entries, counted to just above `MAX_ENTRIES`."""
    found = [
        select(literal_column("1").label("found"))
        .select_from(entries)
        .where(condition)
        .limit(MAX_ENTRIES + 1)
        .subquery("one")
        for condition in matches
    ]
    return select(*(select(func.count()).select_from(entry).scalar_subquery() for entry in found))


def _tsquery(phrase: str) -> ColumnElement[Any]:
    if is_character(phrase):
        return func.to_tsquery("simple", f"'{phrase}':*")
    return func.phraseto_tsquery("chunk_english", phrase)


def _any_of(phrases: Sequence[str]) -> ColumnElement[Any]:
    return reduce(lambda one, other: one.op("||")(other), map(_tsquery, phrases))


def _either(phrases: Sequence[str]) -> str:
    return f"({' OR '.join(map(_quoted, phrases))})" if len(phrases) > 1 else _quoted(phrases[0])


def _quoted(phrase: str) -> str:
    # Letters, digits and signs of scripts only: nothing in it could end the quotation.
    return f'"{phrase}" *' if is_character(phrase) else f'"{phrase}"'
