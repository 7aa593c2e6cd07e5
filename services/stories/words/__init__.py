"""What words mean, for a child of five to ten: one short sentence each, of easy words. Pure.

`words.txt` has a word to a line: `word: meaning`, or `colour/color: meaning` where it is spelled in two ways, or
`creep (crept): meaning` with the forms that no rule finds. A word is found in its other forms too: lanterns, hurried,
gliding, explorer, bravest, softly, frosty.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

__all__ = ["Meaning", "meaning", "words"]

MAX_CHARS: Final = 40
_LINE: Final = re.compile(r"([a-z/-]+)(?: \(([a-z, ]+)\))?: (\S.*)")
_AROUND: Final = re.compile(r"^[^a-z]+|[^a-z]+$")
_OWNER: Final = re.compile(r"'s?$")
_VOWELS: Final = frozenset("aeiou")
# These change nothing at the end of the word that gets them, but a `y` or an `le`.
_AFTER_ALL: Final = frozenset({"ly", "y", "ness"})
_SHORT: Final = re.compile(r"[^aeiou]+[aeiouy][^aeiouwxy]")
# A shorter word has no ending that is taken off it.
_SHORTEST: Final = 3
# What looks like a form of one of our words, and is another word.
_OTHERS: Final = """
army bored bower broker colonist corny cower crabby easter fairly finely flower holly inning kindly lasted many mother
mothers party planer poker portly quarters ranger recorder recorders stranger tiller treaty wary winged
"""
_NOT_FORMS: Final = frozenset(_OTHERS.split())


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a word means. `word` is the one that the list has: `glide` for `gliding`."""

    word: str
    text: str


def meaning(word: str) -> Meaning | None:
    """What a word means, whatever its form and case; None: the list does not have it."""
    if len(word) > MAX_CHARS:
        return None
    plain = _OWNER.sub("", _AROUND.sub("", word.casefold().replace("’", "'")))
    known = _known()
    if plain in known:
        return known[plain]
    if plain in _NOT_FORMS:
        return None
    return next((known[base] for base in _bases(plain) if base in known), None)


def words() -> list[str]:
    """All words of the list, as it spells them first."""
    return sorted({found.word for found in _known().values()})


@cache
def _known() -> Mapping[str, Meaning]:
    known: dict[str, Meaning] = {}
    for line in (Path(__file__).parent / "words.txt").read_text(encoding="utf-8").splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            raise ValueError(f"not a word and its meaning: {line}")
        spellings = found[1].split("/")
        for form in (*spellings, *(found[2] or "").replace(",", " ").split()):
            known.setdefault(form, Meaning(spellings[0], found[3]))
    return known


def _bases(word: str) -> Iterator[str]:
    """What a word may be a form of, the likeliest first."""
    for ending in ("s", "ed", "ing", "er", "est", "y", "ly", "ness"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= _SHORTEST:
            yield from _singular(stem) if ending == "s" else _without(stem, ending)
    if word.endswith("ers") and word[:-1] not in _NOT_FORMS and len(word) > _SHORTEST + 3:
        yield from _without(word[:-3], "er")


def _singular(stem: str) -> Iterator[str]:
    """The words that may have got an `s`: pirates, boxes, berries, wolves."""
    if stem.endswith("s"):
        return
    yield stem
    if stem.endswith("ie"):
        yield f"{stem[:-2]}y"
    if stem.endswith("ve"):
        yield f"{stem[:-2]}f"
        yield f"{stem[:-2]}fe"
    if stem.endswith(("se", "xe", "ze", "che", "she", "oe")):
        yield stem[:-1]


def _without(stem: str, ending: str) -> Iterator[str]:
    """The words that may have got another ending: crossed, hoped, hopped, hurried, gently, bubbly."""
    # After one short vowel the last letter is doubled, so that `hoped` is of `hope` and not of `hop`.
    if ending in _AFTER_ALL or not _SHORT.fullmatch(stem):
        yield stem
    if stem.endswith("i"):
        yield f"{stem[:-1]}y"
    yield f"{stem}e"
    if len(stem) > _SHORTEST and stem[-1] == stem[-2] and stem[-1] not in _VOWELS:
        yield stem[:-1]
    if ending == "ly":
        yield f"{stem}le"
