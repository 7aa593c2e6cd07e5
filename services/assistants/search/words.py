"""The words of a text that say what it is about, without their endings. Pure.

Enough for telling which of a few sentences speaks of the question; finding passages is the retriever's.
"""

import re
from pathlib import Path
from typing import Final

_WORD = re.compile(r"[^\W_]+(?:_[^\W_]+)*")
_ENDINGS: Final = ("ations", "ation", "ingly", "ings", "ing", "edly", "ies", "ied", "ed", "es", "ly", "s", "y", "e")
_SMALL: Final = frozenset((Path(__file__).parent / "small_words.txt").read_text(encoding="utf-8").split())


def own_words(text: str) -> list[str]:
    """The words that are its own, casefolded, in order."""
    found = (word for word in _WORD.findall(text.casefold()) if word not in _SMALL)
    return [word for word in found if len(word) > 1 or word.isdigit() or not word.isascii()]


def stems(text: str) -> list[str]:
    """The same, each as `stem` gives it."""
    return [stem(word) for word in own_words(text)]


def stem(word: str) -> str:
    """A word without its ending: the beginning that its forms share."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= (3 if ending == "s" else 4):
            return word.removesuffix(ending)
    return word
