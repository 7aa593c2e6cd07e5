"""How long and how hard a story is, by the child's age and level. Pure.

Three bands (3-5, 6-8, 9-12) have their own prose; inside a band the length grows with the age. The level moves the
child by a year: a beginner of nine reads as a child of eight.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["LENGTHS", "LEVELS", "MAX_AGE", "MIN_AGE", "Band", "Tier", "band", "level_of", "reads_as", "tier"]

MIN_AGE: Final = 3
MAX_AGE: Final = 12
LEVELS: Final = ("beginner", "intermediate", "advanced")
LENGTHS: Final = ("short", "medium", "long")

Tier = Literal["3", "6", "9"]
"""Which prose: written for children from this age on."""

_ALIASES: Final = {"easy": "beginner", "medium": "intermediate", "hard": "advanced", "": "intermediate"}
_STEP: Final = {"beginner": -1, "intermediate": 0, "advanced": 1}

# Words of a chapter by the age that the child reads as.
_WORDS: Final[Mapping[int, tuple[int, int]]] = {
    3: (140, 190),
    4: (150, 205),
    5: (160, 220),
    6: (280, 380),
    7: (280, 400),
    8: (290, 420),
    9: (440, 620),
    10: (450, 640),
    11: (460, 670),
    12: (480, 700),
}
_SENTENCE: Final = {3: 8, 4: 9, 5: 10, 6: 11, 7: 12, 8: 13, 9: 15, 10: 16, 11: 17, 12: 18}
# Read aloud by an adult to the small; by themselves later.
_PER_MINUTE: Final = {3: 100, 4: 105, 5: 110, 6: 80, 7: 95, 8: 110, 9: 125, 10: 140, 11: 155, 12: 170}
_CHAPTERS: Final[Mapping[Tier, Mapping[str, int]]] = {
    "3": {"short": 2, "medium": 3, "long": 5},
    "6": {"short": 3, "medium": 5, "long": 7},
    "9": {"short": 3, "medium": 5, "long": 8},
}
_CHOICES: Final[Mapping[Tier, int]] = {"3": 0, "6": 2, "9": 3}


@dataclass(frozen=True, slots=True)
class Band:
    """What a chapter is like for a child.

    Attributes:
        words: The fewest and the most words of a chapter, about.
        sentence_words: The words of a usual sentence, at most.
        choices: How many ways a chapter ends with; 0 means only "what happens next".
        chapters: Chapters of a short, medium and long story.
        words_per_minute: How fast it is read, aloud to the small and by themselves later.
    """

    words: tuple[int, int]
    sentence_words: int
    choices: int
    chapters: Mapping[str, int]
    words_per_minute: int


def level_of(level: str) -> str:
    """A level by its name or one of its other names; what is neither is the usual one."""
    named = _ALIASES.get(level.strip().lower(), level.strip().lower())
    return named if named in LEVELS else "intermediate"


def reads_as(age: int, level: str = "intermediate") -> int:
    """The age whose prose suits the child: a year less for a beginner, a year more for the advanced."""
    return min(MAX_AGE, max(MIN_AGE, age + _STEP[level_of(level)]))


def tier(age: int, level: str = "intermediate") -> Tier:
    """Which of the three proses suits the child."""
    return _tier(reads_as(age, level))


def band(age: int, level: str = "intermediate") -> Band:
    """What a chapter is like for a child of this age and level. Ages outside 3-12 are taken as the nearest."""
    read = reads_as(age, level)
    years = min(MAX_AGE, max(MIN_AGE, age))
    return Band(_WORDS[read], _SENTENCE[read], _CHOICES[_tier(years)], _CHAPTERS[_tier(years)], _PER_MINUTE[read])


def _tier(years: int) -> Tier:
    if years >= 9:
        return "9"
    return "6" if years >= 6 else "3"
