"""Finding chunks: by words (BM25 on SQLite, its like on PostgreSQL) and by the nearest vectors.

Each query holds the condition of what its asker may read. None weighs more than some thousand entries of the full-text
index, however frequent the words are; vectors are compared one by one, by their signs alone, which is as fast as an
index up to some hundred thousand of them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.store.base import clean
from services.store.chunks import ChunkVector
from services.store.fulltext import MAX_ENTRIES, ON
from services.store.looking import Filters, Match, Scope
from services.store.words import phrases, spellings

__all__ = ["Filters", "Match", "by_vector", "by_words"]

MAX_WORDS: Final = 48
# Nobody types more for a word or a phrase.
MAX_CHARS: Final = 200


def by_words(
    s: Session, user_id: int, base_ids: Sequence[str] | None, match: Match, filters: Filters, limit: int
) -> list[tuple[int, float]]:
    """The chunks that fit the words best, with how well; more is better, comparable within one search only.

    Words that are in very many chunks are looked for only where there is no rarer one.

    Args:
        base_ids: Look into these, as far as the person may read them; None: into all that they may.
    """
    index = ON[s.get_bind().dialect.name]
    match = _folded(match)
    looked_for = list(dict.fromkeys([*match.must, *match.any]))
    if not looked_for:
        return []
    scope = Scope(user_id, base_ids, filters)
    counts = dict(zip(looked_for, index.counts(s, looked_for), strict=True))
    rare = _rare({word: counts[word] for word in match.any})
    if rare or match.must:
        return index.rank(s, replace(match, any=rare), counts, scope, limit)
    common = [word for word in match.any if counts[word]]
    # All of them in one place first: that says something, even of common words.
    found = index.rank(s, replace(match, must=common), counts, scope, limit) if len(common) > 1 else []
    if common and len(found) < limit:
        known = {chunk_id for chunk_id, _ in found}
        lowest = min((score for _, score in found), default=math.inf)
        more = index.rank(s, replace(match, any=common), counts, scope, limit)
        found += [(chunk_id, min(score, lowest)) for chunk_id, score in more if chunk_id not in known]
    return found[:limit]


def by_vector(
    s: Session, user_id: int, base_ids: Sequence[str] | None, model: str, bits: bytes, filters: Filters, limit: int
) -> list[tuple[int, int]]:
    """The chunks whose vectors are nearest, with the distance: in how many of 256 signs they differ.

    Args:
        base_ids: Look into these, as far as the person may read them; None: into all that they may.
        model: Which one made `bits`; vectors of others cannot be compared.
    """
    distance = ON[s.get_bind().dialect.name].distance(bits).label("distance")
    scope = Scope(user_id, base_ids, filters)
    nearest = (
        select(ChunkVector.chunk_id, distance)
        .where(ChunkVector.model == model, ChunkVector.bits.is_not(None), *scope.of_all())
        .order_by(distance, ChunkVector.chunk_id)
        .limit(limit)
    )
    return [(number, int(far)) for number, far in s.execute(nearest)]


def _folded(match: Match) -> Match:
    """The words as the index has them; what it has as several words (`pg_dump`) is a phrase of these."""
    every, must, must_not = (
        list(dict.fromkeys(phrase for entry in entries for phrase in _phrases(entry, apart=apart)))
        for entries, apart in (
            ([*match.any, *(other for word in match.any for other in spellings(word[:MAX_CHARS]))], True),
            (match.must, False),
            (match.must_not, False),
        )
    )
    alike = {
        phrase: [other for spelling in spellings(entry[:MAX_CHARS]) for other in _phrases(spelling, apart=False)]
        for entry in match.must
        for phrase in _phrases(entry, apart=False)
    }
    return Match(every[:MAX_WORDS], must[:MAX_WORDS], must_not[:MAX_WORDS], alike)


def _phrases(entry: str, *, apart: bool) -> list[str]:
    return phrases(clean(entry[:MAX_CHARS]), apart=apart)


def _rare(counts: Mapping[str, int]) -> list[str]:
    """The rarest words, as many as are in no more than `MAX_ENTRIES` chunks altogether."""
    room = MAX_ENTRIES
    kept = []
    for word, entries in sorted(counts.items(), key=lambda item: item[1]):
        room -= entries
        if room < 0:
            break
        if entries:
            kept.append(word)
    return kept
