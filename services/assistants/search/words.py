"""The words of a text that tell which of a few sentences speaks of the question. Pure.

Fewer words are left out than in finding passages (`services.knowledge.terms`): among the sentences of a passage that
was found, "kept" and "long" do tell one from another.
"""

from pathlib import Path
from typing import Final

from services.knowledge.terms import stem, words

_SMALL: Final = frozenset((Path(__file__).parent / "small_words.txt").read_text(encoding="utf-8").split())


def own_words(text: str) -> list[str]:
    """The words that are its own, casefolded, in order."""
    return [
        word for word in words(text) if word not in _SMALL and (len(word) > 1 or word.isdigit() or not word.isascii())
    ]


def stems(text: str) -> list[str]:
    """The same without their endings."""
    return [stem(word) for word in own_words(text)]
