"""How far an answer can be trusted: whether anything relevant was found, and how well the answer stands on it. Pure.

Before an answer: a logistic regression over three things that can be seen of what was found. It was fitted to the
tuning half of the evaluation's questions, those with an answer weighing as much as those without (docs/search.md has
the method, and how well it does on the other half). After it: how much of the answer stands in what it cites.
"""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.knowledge.fusion import COSINE, Weighed
from services.knowledge.passages import Found, Passage
from services.knowledge.terms import COMMON, parts, stem

# Below it nothing relevant was found: no answer is made. Where as likely as not it would be wrong.
THRESHOLD: Final = 0.5
# So many of the best are looked at: what an answer is made from.
_BEST: Final = 8


@dataclass(frozen=True, slots=True)
class _Model:
    """What each thing that is seen counts, and what is there without any.

    Attributes:
        covered: Of the question's words, the share that the best passage has; rare words weigh more.
        similar: The cosine of the most similar of the best.
        missing: The share of the words that no passage has which either search found, squared: one odd word among
            others is no reason to tell nothing.
    """

    constant: float
    covered: float
    similar: float
    missing: float


_WITH_VECTORS: Final = _Model(constant=-6.68, covered=4.34, similar=9.35, missing=-14.03)
_BY_WORDS_ALONE: Final = _Model(constant=-3.82, covered=6.75, similar=0.0, missing=-8.72)
# What a word that no passage has weighs, against one that all have: four times as much.
_EVERYWHERE: Final = 0.3
# As if so many of so many more candidates had each word: of a few nothing is known about what is rare.
_SEEN, _SEEN_OF = 1, 4
# Of the score of a whole answer: what is left to an answer that its passages do not cover, and what these two add.
_LEAST: Final = 0.2
_BY_COVERAGE: Final = 0.5
_BY_AGREEMENT: Final = 0.3

_MARK: Final = re.compile(r"\[(\d{1,3})\]")
_SENTENCE: Final = re.compile(r"(?<=[.!?…。！？])(?:[\"'”’)\]]|\s*\[\d{1,3}\])*\s+|\n+")
# A sentence of fewer words of its own claims nothing.
_LEAST_WORDS: Final = 3


@dataclass(frozen=True, slots=True)
class Confidence:
    """How far an answer can be trusted.

    Attributes:
        score: 0 to 100.
        retrieval: 0 to 1: that the passages found are about the question.
        coverage: 0 to 1: how much of the answer's sentences stands in the passages that they cite.
        agreement: 0 to 1: how far both ways of searching, and more than one passage, support what is cited.
        words: The same in one sentence, for the person who asked.
    """

    score: int
    retrieval: float
    coverage: float
    agreement: float
    words: str


def relevance(weighed: Weighed, order: Sequence[int], looked_for: Sequence[str]) -> float:
    """How likely it is that the best candidates answer the question, 0 to 1.

    Args:
        order: The candidates' places in `weighed`, the best first.
        looked_for: The question's words, as `weighed` has them.
    """
    best = list(order[:_BEST])
    if not best or not weighed.has.shape[1]:
        return 0.0
    has = weighed.has[:, _judged(weighed.has.max(0) > 0, looked_for)]
    share = (has.sum(0) + _SEEN) / (len(has) + _SEEN_OF)
    weights = 1 / (share + _EVERYWHERE)
    weights /= weights.sum()
    covered = float((has[best] @ weights).max())
    missing = float(weights[has.max(0) == 0].sum())
    similar = float(weighed.features[best, COSINE].max())
    model = _WITH_VECTORS if np.any(weighed.features[:, COSINE]) else _BY_WORDS_ALONE
    sum_ = model.constant + model.covered * covered + model.similar * similar + model.missing * missing**2
    return 1 / (1 + math.exp(-sum_))


def _judged(is_found: Sequence[bool], looked_for: Sequence[str]) -> list[int]:
    """The places of the words that tell whether there is an answer.

    Not a word in a script of which no other was found: what does not write in it may answer the others still.
    """
    scripts = {_script(word) for word, there in zip(looked_for, is_found, strict=True) if there}
    return [
        place
        for place, (word, there) in enumerate(zip(looked_for, is_found, strict=True))
        if there or not scripts or _script(word) in scripts
    ]


def _script(word: str) -> str:
    """`LATIN`, `CJK`, `CYRILLIC` and so on; digits are of every script, hence of the most frequent one."""
    letter = next(filter(str.isalpha, word), "a")
    return unicodedata.name(letter, "").partition(" ")[0]


def before(found: Found) -> float:
    """How likely it is that what was found answers the question, 0 to 1; below `THRESHOLD` no answer is made."""
    return found.relevance if found.passages else 0.0


def after(found: Found, answer: str, cited: Mapping[int, Passage]) -> Confidence:
    """Judge a whole answer.

    Args:
        answer: As it is shown, with its markers `[1]`.
        cited: The passage of each number that stands in it.
    """
    retrieval = before(found)
    coverage = _coverage(answer, cited)
    agreement = _agreement(list(cited.values()))
    score = round(100 * retrieval * (_LEAST + _BY_COVERAGE * coverage + _BY_AGREEMENT * agreement))
    return Confidence(score, retrieval, coverage, agreement, _words(score, retrieval, coverage, agreement, len(cited)))


def _coverage(answer: str, cited: Mapping[int, Passage]) -> float:
    """Of the words of each sentence, how many stand in the passages that it cites; a sentence without any has none.

    A number at the end of a line is for the whole line: lists are written so.
    """
    stems = {number: _stems(f"{one.heading}\n{one.text}") for number, one in cited.items()}
    words = covered = 0
    for line in answer.splitlines():
        numbers = {int(number) for number in _MARK.findall(line)}
        for sentence in _SENTENCE.split(line):
            said = _stems(_MARK.sub(" ", sentence))
            if len(said) >= _LEAST_WORDS:
                own = {int(number) for number in _MARK.findall(sentence)} or numbers
                there = frozenset().union(*(stems[number] for number in own if number in stems))
                words += len(said)
                covered += len(said & there)
    return covered / words if words else 0.0


def _agreement(cited: Sequence[Passage]) -> float:
    """Half for being found both by words and by meaning, half for there being another passage that says something."""
    if not cited:
        return 0.0
    both = sum(one.words_rank is not None and one.vector_rank is not None for one in cited) / len(cited)
    several = 1.0 if len({(one.document_id, one.page, one.start) for one in cited}) > 1 else 0.5
    return (both + several) / 2


def _stems(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in parts(text) if word not in COMMON)


def _words(score: int, retrieval: float, coverage: float, agreement: float, count: int) -> str:
    if not count:
        return "The answer cites no passage, so nothing supports it."
    found = (
        "fit the question well"
        if retrieval >= 0.8
        else "fit the question"
        if retrieval >= THRESHOLD
        else "hardly fit it"
    )
    stands = "all" if coverage >= 0.95 else "most" if coverage >= 0.7 else "part" if coverage >= 0.4 else "little"
    passages = "one passage" if count == 1 else f"{count} passages"
    ways = "both ways of searching agree" if agreement >= 0.75 else "the two ways of searching agree in part"
    return (
        f"{score} of 100: what was found seems to {found}; {stands} of the answer stands in {passages} cited; {ways}."
    )
