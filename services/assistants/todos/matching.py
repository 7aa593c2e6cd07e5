"""Which todo somebody means by what they call it. Pure.

The closest kind of likeness decides: the same words, then how it begins, then all the words in it, then one that is
spelled nearly so. Within a kind nothing is guessed: whoever asks is given all of them.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

_NEARLY: Final = 0.82
_QUOTES: Final = "\"'“”„‘’«»`"
_WORD: Final = re.compile(r"\w+")
_BEFORE: Final = re.compile(r"^(?:the|my|a|an|this|that|our)\s+", re.IGNORECASE)
_KIND_BEFORE: Final = re.compile(r"^(?:todos?|tasks?|items?)\s+(?:(?:called|named|about|for|to)\s+)?", re.IGNORECASE)
_KIND_AFTER: Final = re.compile(r"\s+(?:todos?|tasks?|items?|one)$", re.IGNORECASE)
_FROM_LIST: Final = re.compile(r"\s+(?:from|off|on|in)\s+(?:my|the)\s+(?:todo\s*)?lists?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Item:
    """A todo as far as it can be meant by its name, and moved.

    Attributes:
        about: What tells it from another one of that name.
        when: Its day, as `When.text`: when it is due, else when it starts; empty if it has none.
    """

    id: str
    item: str
    is_done: bool = False
    about: str = ""
    tags: tuple[str, ...] = ()
    has_due: bool = False
    when: str = ""
    parent_id: str | None = None


def named(text: str) -> str:
    """What somebody calls a todo, without what belongs to the sentence: articles, quotes, "todo", "from my list"."""
    name = text.strip(" \t\n.,;:!?")
    name = _FROM_LIST.sub("", name)
    if len(name) > 1 and name[0] in _QUOTES and name[-1] in _QUOTES:
        return name[1:-1].strip()
    name = _BEFORE.sub("", name, count=1)
    name = _KIND_BEFORE.sub("", name, count=1)
    shorter = _KIND_AFTER.sub("", name, count=1)
    return (shorter or name).strip(_QUOTES).strip()


def find(name: str, items: Iterable[Item]) -> list[Item]:
    """The todos that may be meant, in their order; none if nothing is like it."""
    words = _words(name)
    if not words:
        return []
    known = [(item, _words(item.item)) for item in items]
    for is_like in _KINDS:
        found = [item for item, own in known if is_like(words, own)]
        if found:
            return found
    return []


def stems(name: str) -> list[str]:
    """The words of a name, as they begin at least in what is like it."""
    return [_stem(word) for word in _words(name)]


def _same(words: Sequence[str], own: Sequence[str]) -> bool:
    return own == words


def _begins(words: Sequence[str], own: Sequence[str]) -> bool:
    return len(words) > 1 and own[: len(words)] == words


def _contains(words: Sequence[str], own: Sequence[str]) -> bool:
    return all(any(one == word or _stem(one) == _stem(word) for one in own) for word in words)


def _starts(words: Sequence[str], own: Sequence[str]) -> bool:
    return all(len(word) > 2 and any(one.startswith(word) for one in own) for word in words)


def _is_near(words: Sequence[str], own: Sequence[str]) -> bool:
    mine, theirs = " ".join(words), " ".join(own)
    if len(mine) < 4 or abs(len(mine) - len(theirs)) > len(mine) // 2:
        return False
    return difflib.SequenceMatcher(None, mine, theirs[:200]).ratio() >= _NEARLY


_KINDS: Final[Sequence[Callable[[Sequence[str], Sequence[str]], bool]]] = (_same, _begins, _contains, _starts, _is_near)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") else word
