"""How long a text takes to read and how hard it is: counted, not guessed. Pure.

The grade is Flesch and Kincaid's (1975): 0.39 words a sentence + 11.8 syllables a word - 15.59. Syllables are counted
by Pyphen's dictionary of American English, which ships inside its package, or by the vowels where that knows no break.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Final, Literal

import pyphen

from services.stories.ages import band

__all__ = ["Measures", "measure", "syllables", "words"]

Vocabulary = Literal["beginner", "intermediate", "advanced"]

_WORD: Final = re.compile(r"[^\W\d_]+(?:['’\u2010-][^\W\d_]+)*")
_SENTENCE_END: Final = re.compile(r"[.!?…]+[\"'”’)]*(?=\s|$)|\n{2,}")
_VOWELS: Final = re.compile(r"[aeiouyàâäãåáæèéêëìíîïòóôöõøœùúûüýÿ]+")
# Kincaid's grades: below the second it is read aloud to the small, from the fourth on by children of nine or ten.
_BEGINNER_BELOW: Final = 1.8
_ADVANCED_FROM: Final = 3.6


@dataclass(frozen=True, slots=True)
class Measures:
    """What was counted in a text.

    Attributes:
        words: How many words.
        minutes: Whole minutes to read it at the child's pace, at least 1.
        grade: The school grade whose children read it, one decimal, 0 to 18.
        vocabulary_level: The same in three words.
    """

    words: int
    minutes: int
    grade: float
    vocabulary_level: Vocabulary


def words(text: str) -> list[str]:
    """The words of a text: letters with the apostrophes and hyphens inside them."""
    return _WORD.findall(text)


@lru_cache(maxsize=1)
def _hyphens() -> pyphen.Pyphen:
    return pyphen.Pyphen(lang="en_US", left=1, right=1)


@lru_cache(maxsize=8192)
def syllables(word: str) -> int:
    """How many syllables a word has, about; at least one."""
    plain = word.lower()
    groups = len(_VOWELS.findall(plain))
    if plain.endswith(("e", "es", "ed")) and not plain.endswith(
        ("le", "les", "ted", "ded", "ses", "ces", "ches", "shes")
    ):
        groups -= 1
    broken = len(_hyphens().positions(plain)) + 1
    return max(1, groups if broken == 1 else min(max(groups, 1), broken + 1))


def measure(text: str, age: int, level: str = "intermediate") -> Measures:
    """Count a text for a child of this age and level. An empty text is one minute of grade 0."""
    found = words(text)
    if not found:
        return Measures(0, 1, 0.0, "beginner")
    sentences = sum(1 for piece in _SENTENCE_END.split(text) if _WORD.search(piece))
    grade = 0.39 * len(found) / max(1, sentences) + 11.8 * sum(map(syllables, found)) / len(found) - 15.59
    bounded = round(min(18.0, max(0.0, grade)), 1)
    minutes = max(1, ceil(len(found) / band(age, level).words_per_minute))
    return Measures(len(found), minutes, bounded, _level(bounded))


def _level(grade: float) -> Vocabulary:
    if grade < _BEGINNER_BELOW:
        return "beginner"
    return "advanced" if grade >= _ADVANCED_FROM else "intermediate"
