"""Chance that is the same on every machine: by digests of a seed and words, never by `random` or `hash`. Pure."""

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import TypeVar

__all__ = ["Draws"]

T = TypeVar("T")


class Draws:
    """What one seed draws. The same label and things give the same order for ever."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def order(self, label: str, things: Iterable[T], name: Callable[[T], str]) -> list[T]:
        """The things in a drawn order, which does not hang on the order they came in."""
        return sorted(things, key=lambda thing: self._rank(label, name(thing)))

    def freshest(self, label: str, things: Iterable[T], name: Callable[[T], str], used: Iterable[str]) -> T:
        """One of the things that stand least often in `used`. There must be at least one thing."""
        worn = list(used)
        return min(things, key=lambda thing: (worn.count(name(thing)), self._rank(label, name(thing))))

    def _rank(self, label: str, name: str) -> bytes:
        return sha256(f"{self._seed}:{label}:{name}".encode()).digest()
