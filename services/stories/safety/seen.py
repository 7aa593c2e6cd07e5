"""A text as the words that a reader would see in it, whatever their disguise. Pure.

Each place of a text has what may begin there: the word that is written, and what it may be read as: digits for letters
(`k1ll`), letters repeated (`kiiill`), hidden (`f*ck`), parted (`k.i.l.l`, `k i l l`, `ki ll`) or in reverse.
"""

import codecs
import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import Final, NamedTuple

from services.stories.safety import ordinary
from services.stories.safety.folding import fold
from services.stories.safety.grammar import book

_CHUNK: Final = re.compile(r"\S+")
_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_SENTENCE_END: Final = re.compile(r"[.!?\u2026:;][\"')\]*_]*\Z")
_OUTSIDE: Final = "\"'()[]{}.,;:!?\u2026-~_*#<>/\\"
_FOR_LETTERS: Final = str.maketrans("013456789@$!|+€£(", "oieasgtbgasiltelc")
_DIGITS: Final = str.maketrans("0134578", "oieastb")
_FOR_L: Final = str.maketrans("1!|", "lll")
_MASKS: Final = frozenset("*#_-.%^~=?•·×")
_RUN: Final = re.compile(r"(.)\1{2,}")
# Doubled at most by mistake.
_ODD_PAIR: Final = re.compile(r"([ahijkquvwxy])\1")
_MAX_PARTED: Final = 14
_ENDINGS: Final = frozenset(("", "s", "e", "ed", "er", "ers", "es", "ing", "or", "ous", "y"))


class Part(NamedTuple):
    """What stands between two spaces: its words, and what it is read as as a whole."""

    words: tuple[str, ...]
    kinds: tuple[frozenset[int], ...]
    whole: frozenset[int]
    ends: bool


class Seen(NamedTuple):
    """A text's words.

    Attributes:
        words: As they are written, folded.
        sentences: For each word, in which sentence it is.
        places: For each word, what may begin there: elements of rules, and the place after it.
    """

    words: list[str]
    sentences: list[int]
    places: list[list[tuple[frozenset[int], int]]]


_NONE: Final[frozenset[int]] = frozenset()


def see(folded: str) -> Seen:
    """The words of a folded text."""
    words: list[str] = []
    sentences: list[int] = []
    places: list[list[tuple[frozenset[int], int]]] = []
    sentence = 0
    for chunk in _CHUNK.findall(folded):
        part = _part(chunk) if len(chunk) < 64 else _part.__wrapped__(chunk)
        first = len(words)
        for word, kinds in zip(part.words, part.kinds, strict=True):
            words.append(word)
            sentences.append(sentence)
            places.append([(kinds, len(words))] if kinds else [])
        if part.whole and part.words:
            places[first].append((part.whole, len(words)))
        if part.ends:
            sentence += 1
    _join(words, places)
    _add_phrases(words, places)
    return Seen(words, sentences, places)


@lru_cache(maxsize=16384)
def _part(chunk: str) -> Part:
    ends = bool(_SENTENCE_END.search(chunk))
    core = chunk.strip(_OUTSIDE)
    if core.isalpha() and len(core) >= len(chunk) - 4:
        return Part((core,), (_kinds(core),), _NONE, ends)
    words = tuple(_bare(each) for each in _WORD.findall(chunk))
    if not words:
        return Part((), (), _NONE, ends)
    return Part(words, tuple(_kinds(each) for each in words), _whole(chunk, core, words), ends)


def _bare(word: str) -> str:
    """A word without its apostrophes: `fox's` is the fox, `don't` is one word."""
    if "'" not in word:
        return word
    for ending in ("'s", "'ll", "'d", "'ve"):
        word = word.removesuffix(ending)
    return word.replace("'", "")


def _whole(chunk: str, core: str, words: tuple[str, ...]) -> frozenset[int]:
    """What a chunk with more than letters in it may be read as."""
    found = _NONE
    for read in {
        chunk.translate(_FOR_LETTERS),
        core.translate(_FOR_LETTERS),
        core.translate(_FOR_L).translate(_FOR_LETTERS),
    }:
        letters = "".join(filter(str.isalpha, read))
        if read != chunk and read != core and not core.isdigit() and len(letters) > 2:
            found |= _kinds(letters)
    if len(words) > 1:
        found |= book().hard_kinds("".join(words))
        found |= _kinds("".join(words)) if max(map(len, words)) == 1 else _NONE
    if not _MASKS.isdisjoint(core):
        for word in _masked(core.translate(_DIGITS)):
            found |= book().hard_kinds(word)
    return found


def _masked(core: str) -> list[str]:
    """The hard words that a chunk with some letters hidden may be."""
    known = [each not in _MASKS for each in core]
    if not known[0] or sum(known) * 2 + 1 < len(core) or len(core) < 4:
        return []
    candidates = [
        word for length in range(4, len(core) + 1) for word in book().hard_by_shape.get((core[0], length), ())
    ]
    return [
        word
        for word in candidates
        if (len(word) == len(core) or word in book().hard_stems)
        and all(there == letter or not is_known for there, letter, is_known in zip(word, core, known, strict=False))
    ]


@lru_cache(maxsize=16384)
def _kinds(word: str) -> frozenset[int]:
    """The elements of rules that a word is, as it is written or as it may be read."""
    rules = book()
    found = rules.kinds(word)
    if not word.isalpha() or len(word) < 3:
        return found
    if _RUN.search(word) or len(_ODD_PAIR.findall(word)) > 0:
        found |= rules.kinds(_RUN.sub(r"\1", word)) | rules.kinds(_RUN.sub(r"\1\1", word))
        found |= rules.kinds(_ODD_PAIR.sub(r"\1", _RUN.sub(r"\1", word)))
        found |= rules.hard_kinds("".join(letter for letter, _ in groupby(word)))
    if len(word) > 3:
        for read in (word[::-1], codecs.encode(word, "rot13") if word.isascii() and len(word) > 4 else ""):
            if read not in ordinary.HIDDEN_IN_OTHERS:
                found |= rules.hard_kinds(read)
    return found


def _join(words: Sequence[str], places: list[list[tuple[frozenset[int], int]]]) -> None:
    """Adds the words that are parted by spaces or line ends: one letter each, or in halves."""
    rules = book()
    for place in range(len(words) - 1):
        first, second = words[place], words[place + 1]
        if len(first) == 1 and len(second) == 1:
            _join_letters(words, places, place)
        elif len(first) + len(second) > 3 and not ordinary.are(first, second):
            both = first + second
            if found := _joined(both) | (rules.exact.get(both, _NONE) if len(both) > 4 else _NONE):
                places[place].append((found, place + 2))
            if place + 2 < len(words) and (found := _joined(first + second + words[place + 2])):
                places[place].append((found, place + 3))


def _joined(word: str) -> frozenset[int]:
    """The same of a word that was parted: what follows a stem is an ending, not another word (`moles they`)."""
    rules = book()
    found = rules.hard.get(word, _NONE)
    for length in range(max(4, len(word) - 4), len(word) + 1):
        if word[length:] in _ENDINGS:
            found |= rules.hard_stems.get(word[:length], _NONE)
    return found


def _add_phrases(words: Sequence[str], places: list[list[tuple[frozenset[int], int]]]) -> None:
    """Adds what is more words than one and stands for one in a rule: `each other`."""
    phrases = book().phrases
    for place, word in enumerate(words):
        for others, kinds in phrases.get(word, ()):
            end = place + 1 + len(others)
            if tuple(words[place + 1 : end]) == others:
                places[place].append((kinds, end))


def _join_letters(words: Sequence[str], places: list[list[tuple[frozenset[int], int]]], place: int) -> None:
    rules = book()
    joined = words[place]
    for end in range(place + 1, min(place + _MAX_PARTED, len(words))):
        if len(words[end]) != 1:
            break
        joined += words[end]
        if len(joined) < 3:
            continue
        read = joined.translate(_FOR_LETTERS)
        # What it begins with was looked up when it was shorter.
        if found := rules.exact.get(read, _NONE) | rules.prefixes.get(read, _NONE):
            places[place].append((found, end + 1))


def seen(text: str) -> Seen:
    """The words of a text as it came."""
    return see(fold(text))
