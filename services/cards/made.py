"""What is made from an answer: flashcards and a quiz. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

MIN_CARDS: Final = 5
MAX_CARDS: Final = 12
MIN_QUESTIONS: Final = 2
MAX_QUESTIONS: Final = 8
MIN_OPTIONS: Final = 2
MAX_OPTIONS: Final = 5
MAX_FRONT_CHARS: Final = 400
MAX_BACK_CHARS: Final = 1000
MAX_OPTION_CHARS: Final = 300


@dataclass(frozen=True, slots=True)
class Sides:
    """A flashcard: what is asked and what is answered, as Markdown."""

    front: str
    back: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the quiz.

    Attributes:
        right: The one of `options` that is right.
        why: What explains it; may be empty.
    """

    question: str
    options: tuple[str, ...]
    right: str
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """As it is kept: the options in an order that tells nothing, and the index of the right one."""
        options = sorted(self.options, key=lambda option: sha256(f"{self.question}\n{option}".encode()).digest())
        return {
            "question": self.question,
            "options": options,
            "answer": options.index(self.right),
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Made:
    """Cards and questions; both within the bounds above."""

    cards: Sequence[Sides]
    quiz: Sequence[Question]


@dataclass(frozen=True, slots=True)
class Score:
    """How a try at a quiz went: the chosen option of each question, or None, and how many were right."""

    chosen: tuple[int | None, ...]
    right: int
    total: int


def score(quiz: Sequence[Mapping[str, Any]], chosen: Sequence[int | None]) -> Score:
    """Compare the chosen options with the right ones.

    Args:
        chosen: One for each question, in order.
    """
    right = sum(choice == question["answer"] for question, choice in zip(quiz, chosen, strict=True))
    return Score(tuple(chosen), right, len(quiz))
