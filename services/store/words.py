"""The words of a text, as they are looked for: one rule for both databases, for the index and for the query. Pure.

A word is a run of letters and digits, folded (case, width, accents). Scripts that put no space between
words (Chinese, Japanese, Thai and the like) are cut into pairs of neighbouring characters, as search engines do.
Each word in the index begins with its owner, so that a search reads nothing but the owner's part of it.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

# What is indexed of one message, in characters: PostgreSQL keeps at most 1 MiB of words for a row.
MAX_INDEXED_CHARS: Final = 100_000
# Nobody types more of a word; longer runs (encoded files, keys) would only fill the index.
_MAX_WORD_CHARS: Final = 40
_MAX_QUERY_CHARS: Final = 200
_MAX_QUERY_WORDS: Final = 8
# Letters and digits; in the scripts of India and South East Asia also the signs that Python counts as none.
_WORD: Final = re.compile("(?:[^\\W_]|[\u0900-\u0963\u0966-\u109f\u1780-\u17d3])+")
# Thai, Lao, Myanmar, Khmer; Japanese, Chinese. Korean puts spaces between its words.
_NO_SPACES: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]+"
)


def folded(text: str) -> str:
    """The form in which texts that differ in case, width or accents only are the same."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text).casefold()
    return unicodedata.normalize("NFC", "".join(mark for mark in apart if not unicodedata.combining(mark)))


def words(text: str) -> Iterator[str]:
    """The words of a text, in its order, with repetitions."""
    for run in _WORD.findall(folded(text)):
        if run.isascii() or not _NO_SPACES.search(run):
            yield run[:_MAX_WORD_CHARS]
        else:
            yield from _pieces(run)


def indexed(user_id: int, text: str) -> list[str]:
    """The words that a text of this person's is found by, each once."""
    return list(dict.fromkeys(f"{user_id}:{word}" for word in words(text[:MAX_INDEXED_CHARS])))


def wanted(q: str) -> list[str]:
    """The words that a query asks for, each once; empty if it has none."""
    return list(dict.fromkeys(words(q[:_MAX_QUERY_CHARS])))[:_MAX_QUERY_WORDS]


def _pieces(run: str) -> Iterator[str]:
    """A run that holds characters of a script without spaces: those as pairs, the rest as words."""
    place = 0
    for match in _NO_SPACES.finditer(run):
        if match.start() > place:
            yield run[place : match.start()][:_MAX_WORD_CHARS]
        characters = match[0]
        yield from (characters[n : n + 2] for n in range(len(characters)))
        place = match.end()
    if place < len(run):
        yield run[place:][:_MAX_WORD_CHARS]
