"""Words that a story is to do without: whether a text has one of them. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Final

from services.stories.grammar.parts import Companion, Part, Quest

__all__ = ["Avoid", "avoid"]

_WORD: Final = re.compile(r"[^\W_]+", re.UNICODE)
_SMALL: Final = frozenset(
    re.findall(r"\w+", "the a an of and or to in on any all no not with my his her their is are be")
)
# What may follow a word's stem: dark, darkness; snake, snakes; scare, scared, scary.
_ENDINGS: Final = "(?:s|es|ies|'s|ed|d|ing|y|ness|er|ers|en|ly|ish|ful)?"


class Avoid:
    """The words that one child's stories avoid."""

    def __init__(self, asked: Iterable[str]) -> None:
        found = [pattern for text in asked if (pattern := _pattern(text))]
        self._pattern = re.compile("|".join(found), re.IGNORECASE) if found else None

    def hits(self, *texts: str) -> bool:
        """Whether one of the texts has one of the words."""
        return self._pattern is not None and any(self._pattern.search(text) for text in texts)

    def spares(self, thing: Part | Companion | Quest, tier: str) -> bool:
        """Whether a piece of a theme can be told in this tier without any of the words."""
        if self._pattern is None:
            return True
        return not self.hits(*_texts(thing, tier))


def _pattern(text: str) -> str:
    words = [word for word in _WORD.findall(text.casefold()) if word not in _SMALL]
    return r"\b" + r"\W+(?:\w+\W+)?".join(map(_forms, words)) + r"\b" if words else ""


def _forms(word: str) -> str:
    """A word and what it is bent to, each way: spiders, spider; berries, berry; scary, scared."""
    stem = word
    for ending, rest in (("ies", "y"), ("ness", ""), ("sses", "ss"), ("shes", "sh"), ("ches", "ch"), ("xes", "x"),
                         ("ing", ""), ("ed", ""), ("s", "")):  # fmt: skip
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            stem = word.removesuffix(ending) + rest
            break
    roots = {stem, word}
    if len(stem) > 3 and stem[-1] in "ye":
        roots.add(stem[:-1])
    if len(stem) > 3 and stem[-1] == stem[-2]:
        roots.add(stem[:-1])
    doubled = stem + stem[-1] if stem[-1] not in "aeiouy" else stem
    return f"(?:{'|'.join(sorted(map(re.escape, roots | {doubled})))}){_ENDINGS}"


def _texts(thing: Part | Companion | Quest, tier: str) -> Iterable[str]:
    for field in fields(thing):
        value = getattr(thing, field.name)
        if isinstance(value, Mapping):
            yield value.get(tier, "")
        elif isinstance(value, str) and field.name not in ("id", "stage", "pronoun"):
            yield value


@lru_cache(maxsize=256)
def avoid(asked: tuple[str, ...]) -> Avoid:
    """The same, kept: one child's words are asked for again with every chapter."""
    return Avoid(asked)
