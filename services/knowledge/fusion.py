"""Putting what was found by words and by meaning in one order, by looking at each passage once more. No I/O.

Either search orders by one number. Here some hundred of the best of both are weighed by several: their places in both
(reciprocal ranks), BM25 itself, the cosine, how many of the question's words they have, in pairs too, how well their
neighbours and their document fit, and how near any of their words comes to each of the question's ("rights" to
"privileges"). The weights were learned from the tuning half of the evaluation's questions (docs/search.md), once.

Sources: Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
Methods" (2009); Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach" (2007).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.knowledge.terms import SMALL, parts, stem

Matrix = NDArray[np.float32]
# Rows of length 1, or zeros, for words.
WordVectors = Callable[[Sequence[str]], Matrix]

# A difference of a few places matters among the first, and not at all among the hundredth.
_RANK_OFFSET: Final = 10
_UNRANKED: Final = 300
# So that a word that comes equally near everywhere does not count by chance.
_SPREAD: Final = 0.03
_RARE: Final = 0.05
FEATURES: Final = (
    "by_words",
    "by_vector",
    "bm25",
    "cosine",
    "words",
    "document",
    "beside",
    "near",
    "nearest",
    "all",
    "pairs",
)
COSINE: Final = FEATURES.index("cosine")
WEIGHTS: Final = np.array([11.0, 9.0, 0.8, 3.5, 1.5, 2.4, 0.7, 1.0, 0.1, 1.8, 1.2], np.float32)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk that either search found.

    Attributes:
        bm25: 0 where it was not found by words.
        words_rank, vector_rank: From 1; None where it was not found so.
        similarity: The cosine with the question; 0 without a vector.
    """

    chunk_id: int
    document_id: str
    position: int
    title: str
    text: str
    bm25: float = 0.0
    words_rank: int | None = None
    vector_rank: int | None = None
    similarity: float = 0.0


@dataclass(frozen=True, slots=True)
class Weighed:
    """Candidates, weighed.

    Attributes:
        scores: One for each; larger is better.
        has: Which of the question's words each has: a row of 0 and 1 for each.
        near: How near each comes to each of the question's words, -1 to 1.
    """

    scores: Matrix
    features: Matrix
    has: Matrix
    near: Matrix

    @property
    def rarity(self) -> Matrix:
        """What each of the question's words weighs: more, the fewer of the candidates have it; together 1."""
        share = self.has.mean(0) if len(self.has) else np.zeros(self.has.shape[1], np.float32)
        rare = np.log(1 + 1 / (share + _RARE))
        return (rare / max(float(rare.sum()), 1e-9)).astype(np.float32)


def weighed(text: str, looked_for: Sequence[str], candidates: Sequence[Candidate], vectors: WordVectors) -> Weighed:
    """Weigh candidates for a question.

    Args:
        text: The question.
        looked_for: Its words that matter, as `terms` gives them.
    """
    if not (looked_for and candidates):
        nothing = np.zeros((len(candidates), len(looked_for)), np.float32)
        features = np.zeros((len(candidates), len(FEATURES)), np.float32)
        return Weighed(np.zeros(len(candidates), np.float32), features, nothing, nothing)
    bags = [_Bag(one) for one in candidates]
    has = _has(looked_for, bags)
    near = _near(looked_for, bags, vectors)
    spread = (near - near.mean(0)) / (near.std(0) + _SPREAD)
    pairs = _pairs(text)
    top = max((one.bm25 for one in candidates), default=0.0) or 1.0
    columns = (
        [_reciprocal(one.words_rank) for one in candidates],
        [_reciprocal(one.vector_rank) for one in candidates],
        [one.bm25 / top for one in candidates],
        [one.similarity for one in candidates],
        has.mean(1),
        _best_of_document(candidates),
        _beside(candidates, top),
        spread.mean(1),
        spread.min(1),
        near.mean(1),
        [sum(pair in bag.run for pair in pairs) / max(1, len(pairs)) for bag in bags],
    )
    features = np.array(columns, np.float32).T
    return Weighed(features @ WEIGHTS, features, has, near)


class _Bag:
    """The words of a candidate.

    Attributes:
        words: Each once.
        run: The stems of all, in order, a blank before and after each.
        stems: Each once.
    """

    __slots__ = ("run", "stems", "words")

    def __init__(self, one: Candidate) -> None:
        said = parts(f"{one.title}\n{one.text}")
        stems = list(map(stem, said))
        self.words = list(dict.fromkeys(said))
        self.stems = frozenset(stems)
        self.run = f" {' '.join(stems)} "


def _has(looked_for: Sequence[str], bags: Sequence[_Bag]) -> Matrix:
    wanted = [[stem(part) for part in parts(word)] for word in looked_for]
    rows = [
        [word[0] in bag.stems if len(word) == 1 else f" {' '.join(word)} " in bag.run for word in wanted]
        for bag in bags
    ]
    return np.array(rows, np.float32).reshape(len(bags), len(wanted))


def _near(looked_for: Sequence[str], bags: Sequence[_Bag], vectors: WordVectors) -> Matrix:
    """For each candidate and each of the question's words: the cosine of the nearest of the candidate's words."""
    known: dict[str, int] = {}
    places = [[known.setdefault(word, len(known)) for word in bag.words] or [0] for bag in bags]
    if not known:
        return np.zeros((len(bags), len(looked_for)), np.float32)
    cosines = vectors(list(known)) @ vectors(looked_for).T
    starts = np.cumsum([0, *(len(one) for one in places[:-1])])
    nearest: Matrix = np.maximum.reduceat(cosines[np.concatenate(places)], starts, axis=0)
    return nearest


def _pairs(text: str) -> set[str]:
    """Neighbouring words of the question as `_Bag.run` has them, but for those with a little one among them."""
    return {
        f" {stem(one)} {stem(other)} "
        for one, other in pairwise(parts(text))
        if one not in SMALL and other not in SMALL
    }


def _reciprocal(rank: int | None) -> float:
    return 1 / (_RANK_OFFSET + (_UNRANKED if rank is None else rank - 1))


def _best_of_document(candidates: Sequence[Candidate]) -> list[float]:
    best: dict[str, float] = {}
    for one in candidates:
        best[one.document_id] = max(best.get(one.document_id, -1.0), one.similarity)
    return [best[one.document_id] for one in candidates]


def _beside(candidates: Sequence[Candidate], top: float) -> list[float]:
    """How well the better of a chunk's neighbours fits by words."""
    fits: Mapping[tuple[str, int], float] = {(one.document_id, one.position): one.bm25 / top for one in candidates}
    return [max(fits.get((one.document_id, one.position + step), 0.0) for step in (-1, 1)) for one in candidates]
