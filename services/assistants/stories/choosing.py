"""Which of a chapter's choices is meant. Pure."""

import random
import re
from collections.abc import Sequence
from typing import Final

SURPRISES: Final = frozenset({"surprise me", "surprise", "surprise us", "anything", "you choose", "you decide"})
_APART = re.compile(r"[^\w]+")


def chosen(said: str, choices: Sequence[str], seed: int) -> tuple[str, str]:
    """The choice that is meant, and words that are none.

    Args:
        said: The words of a choice, its number, or that it is to be a surprise; else an idea of one's own.
        choices: Those that the chapter before ended with.
        seed: Draws a surprise; the same one draws the same.

    Returns:
        The choice's own words or "", and the idea or "".
    """
    plain = _plain(said)
    if not plain:
        return "", ""
    if plain in SURPRISES:
        return (random.Random(seed).choice(list(choices)) if choices else ""), ""  # noqa: S311 - a story's luck
    for choice in choices:
        if _plain(choice) == plain:
            return choice, ""
    if plain.isascii() and plain.isdigit() and 1 <= int(plain[:3]) <= len(choices):
        return choices[int(plain[:3]) - 1], ""
    return "", said


def _plain(text: str) -> str:
    return _APART.sub(" ", text.casefold()).strip()
