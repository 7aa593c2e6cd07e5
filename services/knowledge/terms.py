"""The words that say what a question or a passage is about, without their endings. Pure.

What the full-text index makes of words is `store/words.py`'s and the database's own; this is for weighing a few hundred
passages that were found. English endings and common words; other languages lose little by them.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Final

from services.store.words import plain

MAX_TERMS: Final = 24
_WORD: Final = re.compile(r"[^\W_]+(?:_[^\W_]+)*", re.UNICODE)
_PART: Final = re.compile(r"[^\W_]+", re.UNICODE)
# The same where all letters are ASCII's, which is looked for in half the time.
_ASCII_PART: Final = re.compile(r"[a-z0-9]+")
_ENDINGS: Final = ("ations", "ation", "ingly", "ings", "ing", "edly", "ies", "ied", "ed", "es", "ly", "s", "y", "e")
_MIN_STEM: Final = 4
# Words that make no pair with their neighbours.
_SMALL: Final = """
a an and are at be by can could do does for from how i if in is it its me my of on or s so t that the there this to what
when which who why with
"""
SMALL: Final = frozenset(_SMALL.split())
COMMON: Final = frozenset((Path(__file__).parent / "common_words.txt").read_text(encoding="utf-8").split())


def words(text: str) -> list[str]:
    """All words, casefolded, in order; `pg_dump` is one."""
    return _WORD.findall(text.casefold())


def parts(text: str) -> list[str]:
    """All words, casefolded, in order; `pg_dump` is two."""
    return _ASCII_PART.findall(text.lower()) if text.isascii() else _PART.findall(text.casefold())


def terms(text: str, most: int = MAX_TERMS) -> list[str]:
    """The words that matter, each once; if none does, all of them. `½` and the like are signs rather than words."""
    found = list(dict.fromkeys(words(text)))
    telling = [
        word
        for word in found
        if word not in COMMON
        and (len(word) > 1 or not word.isascii())
        and any(sign.isalpha() or sign.isdecimal() for sign in word)
    ]
    return (telling or found)[:most]


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """A word without its ending and accents: what its forms share. `ue` and `ü` are one, as in Grünkorn, Gruenkorn."""
    word = plain(word)
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= (3 if ending == "s" else _MIN_STEM):
            return word.removesuffix(ending)
    return word
