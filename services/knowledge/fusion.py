"""Putting what was found by words and by meaning in one order, by looking at each passage once more. No I/O.

Either search orders by one number. Here some hundred of the best of both are weighed by what can be seen of them: the
cosine, also of the best of their document; BM25 of them together with their neighbours under the same heading; what of
the question stands in their document's title; how near any of their words comes to each of the question's ("rights" to
"privileges"); words side by side; how early in the document they are. Rare words count more: rare among the candidates,
so that nothing but what the asker may read tells. The weights were learned from the tuning half of the evaluation's
questions (docs/search.md), once.

Sources: Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach" (2007); Robertson and Zaragoza,
"The Probabilistic Relevance Framework: BM25 and Beyond" (2009).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.knowledge.terms import SMALL, parts, stem

Matrix = NDArray[np.float32]
# Rows of length 1, or zeros, for words.
WordVectors = Callable[[Sequence[str]], Matrix]

# So that a word that comes equally near everywhere does not count by chance.
_SPREAD: Final = 0.03
_RARE: Final = 0.05
# BM25's: how soon more of a word says nothing more, and how much a long text has of everything.
_K1: Final = 1.2
_B: Final = 0.5
_RARE_STEM: Final = 0.02
# Documents begin with what they are about; later than this, one place is as good as another.
_EARLY: Final = 5
FEATURES: Final = ("cosine", "document", "near", "all", "pairs", "late", "title", "section")
COSINE: Final = FEATURES.index("cosine")
WEIGHTS: Final = np.array([7.5, 5.0, 1.5, 7.6, 1.45, -0.67, 4.8, 7.0], np.float32)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk that either search found.

    Attributes:
        title: What it is found by besides its text: the document's name, and the headings over it.
        heading: These headings.
        subject: What the document is about, by its name and its first heading.
        words_rank, vector_rank: From 1; None where it was not found so.
        similarity: The cosine with the question; 0 without a vector.
    """

    chunk_id: int
    document_id: str
    position: int
    title: str
    text: str
    heading: str = ""
    subject: str = ""
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
    # What stands there is as near as can be, also where it is several words to the vectors: `pg_dump`.
    near = np.maximum(_near(looked_for, bags, vectors), has)
    spread = (near - near.mean(0)) / (near.std(0) + _SPREAD)
    pairs = _pairs(text)
    wanted = list(dict.fromkeys(" ".join(map(stem, parts(word))) for word in looked_for))
    counts = np.array([bag.counted(wanted) for bag in bags], np.float32)
    rarity = _rarity(counts > 0)
    columns = (
        [one.similarity for one in candidates],
        _best_of_document(candidates),
        spread.mean(1),
        near.mean(1),
        [sum(pair in bag.run for pair in pairs) / max(1, len(pairs)) for bag in bags],
        [math.log1p(min(one.position, _EARLY)) for one in candidates],
        _in_subject(candidates, wanted) @ rarity,
        _of_section(candidates, bags, counts) @ rarity,
    )
    features = np.array(columns, np.float32).T
    return Weighed(features @ WEIGHTS, features, has, near)


class _Bag:
    """The words of a candidate.

    Attributes:
        words: Each once.
        run: The stems of all, in order, a blank before and after each.
        stems: Of all, in order; `known` has each once.
    """

    __slots__ = ("known", "run", "stems", "words")

    def __init__(self, one: Candidate) -> None:
        said = parts(f"{one.title}\n{one.text}")
        self.stems = list(map(stem, said))
        self.words = list(dict.fromkeys(said))
        self.known = frozenset(self.stems)
        self.run = f" {' '.join(self.stems)} "

    def counted(self, wanted: Sequence[str]) -> list[int]:
        """How often each of these stems is there; several with blanks between stand together, as in `pg dump`."""
        return [
            self.run.count(f" {each} ") if " " in each else self.stems.count(each) if each in self.known else 0
            for each in wanted
        ]


def _has(looked_for: Sequence[str], bags: Sequence[_Bag]) -> Matrix:
    wanted = [[stem(part) for part in parts(word)] for word in looked_for]
    rows = [
        [word[0] in bag.known if len(word) == 1 else f" {' '.join(word)} " in bag.run for word in wanted]
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


def _rarity(has: NDArray[np.bool_]) -> Matrix:
    """What each stem weighs: more, the fewer of the candidates have it; together 1."""
    rare = np.log(1 + 1 / (has.mean(0) + _RARE_STEM))
    weights: Matrix = (rare / max(float(rare.sum()), 1e-9)).astype(np.float32)
    return weights


def _best_of_document(candidates: Sequence[Candidate]) -> list[float]:
    best: dict[str, float] = {}
    for one in candidates:
        best[one.document_id] = max(best.get(one.document_id, -1.0), one.similarity)
    return [best[one.document_id] for one in candidates]


def _in_subject(candidates: Sequence[Candidate], wanted: Sequence[str]) -> Matrix:
    """Which of the stems stand in the title of each candidate's document."""
    known = {one.subject: f" {' '.join(map(stem, parts(one.subject)))} " for one in candidates}
    rows = [[f" {each} " in known[one.subject] for each in wanted] for one in candidates]
    return np.array(rows, np.float32).reshape(len(candidates), len(wanted))


def _of_section(candidates: Sequence[Candidate], bags: Sequence[_Bag], counts: Matrix) -> Matrix:
    """BM25 of each stem, 0 to 1, in each candidate and those of its neighbours that are candidates of its section."""
    place = {(one.document_id, one.position): number for number, one in enumerate(candidates)}
    lengths = [len(bag.stems) for bag in bags]
    told, long = counts.copy(), np.array(lengths, np.float32)
    for number, one in enumerate(candidates):
        beside = [place.get((one.document_id, one.position + step)) for step in (-1, 1)]
        same = [other for other in beside if other is not None and candidates[other].heading == one.heading]
        for other in same:
            told[number] += counts[other]
        long[number] = (lengths[number] + sum(lengths[other] for other in same)) / (1 + len(same))
    enough = _K1 * (1 - _B + _B * long / max(sum(lengths) / len(lengths), 1.0))
    return (told / (told + enough[:, None])).astype(np.float32, copy=False)
