"""Names, pronouns and what a client wrote, put into authored sentences. Pure."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from services.stories.grammar.parts import Companion

__all__ = ["Voice", "as_wish", "possessive", "pronouns_of"]

_SLOT: Final = re.compile(r"\{([^{}]+)\}")
_PRONOUNS: Final[Mapping[str, Mapping[str, str]]] = {
    "she": {"they": "she", "them": "her", "their": "her", "theirs": "hers", "themself": "herself"},
    "he": {"they": "he", "them": "him", "their": "his", "theirs": "his", "themself": "himself"},
    "they": {"they": "they", "them": "them", "their": "their", "theirs": "theirs", "themself": "themselves"},
}
_VERBS: Final = {"was": "were", "wasn't": "weren't", "is": "are", "has": "have"}
_WISH_CHARS: Final = 160
_STOPS: Final = re.compile(r"[.!?;:…]+")
_SPACES: Final = re.compile(r"\s+")


def possessive(name: str) -> str:
    """Whose: a name with 's, also after an s, as it is spoken: James's."""
    return f"{name}'s"


def pronouns_of(word: str) -> Mapping[str, str]:
    """The five forms of a pronoun by its first; what is no known one is they."""
    return _PRONOUNS.get(word, _PRONOUNS["they"])


def as_wish(text: str) -> str:
    """What somebody wrote as one spoken sentence without its mark: no quotes, braces, markup or line breaks.

    It may still say anything: it only ever stands between quotation marks, as what the child said.
    """
    kept = "".join(char if _sayable(char) else " " for char in unicodedata.normalize("NFC", text))
    flat = _SPACES.sub(" ", _STOPS.sub(", ", kept)).replace(" ,", ",").strip(" ,'-")
    flat = re.sub(r",(?:\s*,)+", ",", flat)
    if len(flat) > _WISH_CHARS:
        flat = flat[:_WISH_CHARS].rsplit(" ", 1)[0].rstrip(" ,'-")
    return flat[:1].upper() + flat[1:]


def _sayable(char: str) -> bool:
    return unicodedata.category(char)[0] in "LMN" or char in " ,.!?;:'’-"


class Voice:
    """Fills the slots of one story's sentences."""

    def __init__(self, name: str, pronouns: str, pal: str, companion: Companion, place: str, goal: str) -> None:
        own, theirs = pronouns_of(pronouns), pronouns_of(companion.pronoun)
        plural = own["they"] == "they"
        self._values = {
            "name": name,
            "name's": possessive(name),
            "pal": pal,
            "pal's": possessive(pal),
            "noun": companion.noun,
            "kind": companion.kind,
            "place": place,
            "goal": goal,
            **own,
            **{f"pal:{word}": theirs[word] for word in ("they", "them", "their")},
            **{verb: many if plural else verb for verb, many in _VERBS.items()},
        }

    @classmethod
    def alone(cls, name: str, pronouns: str) -> "Voice":
        """For sentences about nobody but the child."""
        return cls(name, pronouns, "", Companion("", (), "", "", "they", {}), "", "")

    def say(self, text: str, **more: str) -> str:
        """The text with its slots filled; a slot with a capital begins with one.

        Raises:
            KeyError: There is no such slot.
        """

        def fill(slot: re.Match[str]) -> str:
            word = slot[1]
            if word in more:
                return more[word]
            if word in self._values:
                return self._values[word]
            prefix, colon, last = word.rpartition(":")
            value = self._values[prefix + colon + last[:1].lower() + last[1:]]
            return value[:1].upper() + value[1:]

        return _SLOT.sub(fill, text)
