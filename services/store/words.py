"""The words of a text, as they are looked for: one rule for both databases, for the index and for the query. Pure.

A word is a run of letters and digits, folded (case, width, accents). Scripts that put no space between
words (Chinese, Japanese, Thai and the like) are cut into pairs of neighbouring characters, as search engines do.
Each word in the index begins with its owner, so that a search reads nothing but the owner's part of it.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Final

# What is indexed of one message. PostgreSQL keeps at most 1 MiB of words for a row, and does not say when it is more.
MAX_INDEXED_CHARS: Final = 50_000
_MAX_INDEXED_BYTES: Final = 400_000
# Nobody types more of a word; longer runs (encoded files, keys) would only fill the index.
_MAX_WORD_CHARS: Final = 40
# Around what matches in a snippet; neither can come from a person or a model.
OPEN: Final = "\x02"
CLOSE: Final = "\x03"
_SNIPPET_CHARS: Final = 160
_BEFORE_CHARS: Final = 50
_MAX_QUERY_CHARS: Final = 200
_MAX_QUERY_WORDS: Final = 8
# Letters and digits; in the scripts of India and South East Asia also the signs that Python counts as none.
_WORD: Final = re.compile("(?:[^\\W_]|[\u0900-\u0963\u0966-\u109f\u1780-\u17d3])+")
# `ae`, `oe` and `ue` where they may be umlauts: not after another vowel as in `queue`, nor at the end as in `shoes`.
_WRITTEN_OUT: Final = re.compile(r"(?<![aeiouq])([aou])e(?=[b-df-hj-np-tv-z])(?!s$)")
_MIN_WRITTEN_OUT: Final = 5
_UMLAUTS: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
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


def plain(word: str) -> str:
    """A word folded further, so that an umlaut in either spelling is one: `Grünkorn` and `Gruenkorn` are `grunkorn`."""
    word = folded(word)
    return _WRITTEN_OUT.sub(r"\1", word) if len(word) >= _MIN_WRITTEN_OUT else word


def spellings(word: str) -> list[str]:
    """Other ways to write a word that has umlauts, or may have: `gruenkorn` for `grünkorn`, and the other way round."""
    out = folded(word.casefold().translate(_UMLAUTS))
    return [other for other in dict.fromkeys((plain(word), out)) if other != folded(word)]


def words(text: str) -> Iterator[str]:
    """The words of a text, in its order, with repetitions."""
    for run in _WORD.findall(folded(text)):
        if run.isascii() or not _NO_SPACES.search(run):
            yield run[:_MAX_WORD_CHARS]
        else:
            yield from _pieces(run)


def indexed(user_id: int, text: str) -> list[str]:
    """The words that a text of this person's is found by, each once."""
    kept: list[str] = []
    room = _MAX_INDEXED_BYTES
    for word in dict.fromkeys(f"{user_id}:{word}" for word in words(text[:MAX_INDEXED_CHARS])):
        room -= len(word.encode()) + 1
        if room < 0:
            break
        kept.append(word)
    return kept


def wanted(q: str) -> list[str]:
    """The words that a query asks for, each once; empty if it has none."""
    return list(dict.fromkeys(words(q[:_MAX_QUERY_CHARS])))[:_MAX_QUERY_WORDS]


def is_prefix(word: str) -> bool:
    """Whether a word of a query also finds those that begin with it: one letter would find nearly all."""
    return len(word) > 1 or _NO_SPACES.match(word) is not None


def is_character(word: str) -> bool:
    """Whether a word is one character of a script without spaces: what the index has begins with it."""
    return len(word) == 1 and _NO_SPACES.match(word) is not None


def phrases(typed: str, *, apart: bool) -> list[str]:
    """What an index that keeps the order of words is asked for: words, or several words in order with blanks between.

    Args:
        typed: A word, or several that stand together.
        apart: Let each pair of characters of a script without spaces count by itself, as such texts are questions
            rather than words.
    """
    found = list(words(typed))
    if len(found) > 1 and is_character(found[-1]):
        # The index has it so at the end of a run only.
        found.pop()
    if apart and any(map(_NO_SPACES.search, found)):
        return [word for word in found if len(word) > 1] or found
    return [" ".join(found)] if found else []


def snippet(text: str, looked_for: Sequence[str]) -> str:
    """The piece of a text around the first word that matches, every match in it between `OPEN` and `CLOSE`."""
    text = " ".join(text.replace(OPEN, "").replace(CLOSE, "").split())
    matches = _matches(text, looked_for)
    first = next(matches, None)
    if first is None:
        return text if len(text) <= _SNIPPET_CHARS else text[:_SNIPPET_CHARS].rstrip() + "…"
    start = max(0, first[0] - _BEFORE_CHARS)
    if start:
        # Not from the middle of a word.
        start = min(text.find(" ", start) + 1 or start, first[0])
    end = max(start + _SNIPPET_CHARS, first[1])
    pieces, place = ["…" if start else ""], start
    for opens, closes in (first, *takewhile(lambda match: match[1] <= end, matches)):
        pieces += [text[place:opens], OPEN, text[opens:closes], CLOSE]
        place = closes
    return "".join([*pieces, text[place:end].rstrip(), "…" if end < len(text) else ""])


def _matches(text: str, looked_for: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where the words are that a query finds, first to last."""
    begins = tuple(word for word in looked_for if is_prefix(word))
    for match in _WORD.finditer(text):
        word = folded(match[0])
        if word in looked_for or (begins and word.startswith(begins)):
            yield match.span()
        elif not word.isascii() and _NO_SPACES.search(word):
            # Cut as it stands: in these scripts folding keeps the places.
            yield from _inside(match.start(), word, begins)


def _inside(start: int, run: str, begins: Sequence[str]) -> Iterator[tuple[int, int]]:
    place = 0
    while place < len(run):
        long = max((len(word) for word in begins if run.startswith(word, place)), default=0)
        if long:
            yield start + place, start + place + long
        place += long or 1


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
