"""Short words that stand beside each other without meaning the word that they make together. Pure.

`pen is` and `as sign`: two ordinary words are two words. Where one of them is none (`mur der`), they are read as one.
"""

from importlib import resources
from typing import Final

_SHORT: Final = frozenset(resources.files(__package__).joinpath("ordinary.txt").read_text(encoding="utf-8").split())

# Words that are refused, and are ordinary ones when they are read from behind: snug, live, lived, lag, looter.
HIDDEN_IN_OTHERS: Final = frozenset(("guns", "evil", "devil", "tits", "anal", "slut", "stab"))


# What begins many a word in front of others that are too many to list: "who reads", "mother's mother".
_BEGINNINGS: Final = frozenset(("who", "s", "i", "a"))


def are(first: str, second: str) -> bool:
    """Whether both are ordinary words of their own."""
    return (first in _SHORT and second in _SHORT) or (first in _BEGINNINGS and len(second) > 2)


def named(text: str) -> frozenset[str]:
    """The words of a text, to look them up."""
    return frozenset(text.split())
