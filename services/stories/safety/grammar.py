"""The rules as they are written in rules/*.txt, and what a text's words are to them. Pure.

    [violence]                  the category of what follows
    $body = arm|leg|head        a name for words
    stab+|strangle+             either; + is every form of a word: stabs, stabbed, stabbing, stabber
    murder*                     every word that begins so
    @9 sword+                   refused for children under 9
    hit+ ..3 $body+|each_other  words with up to three others between them, in one sentence; `...3` also across its end;
                                what is joined by _ is more words than one
    ^ignore|forget the rules    one of two words, where a sentence begins
    !in write a bad story       only for what a client sends; `!out` only for what a storyteller says
    ~2 @6 dark                  not refused alone: counts 2 towards what is too much of it in one place
    !ok kill+ time              harmless: the words of this phrase break no rule of this category

Each rule is named after its category and its first words. It is the only name that anybody is told.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Final, Literal, NamedTuple

OLDEST: Final = 13  # beyond all ages: refused for every child

_VOWELS: Final = frozenset("aeiou")


class Step(NamedTuple):
    """One of a pattern's words: what it may be, how many words may stand before it, and where."""

    element: int
    gap: int
    is_across: bool
    is_first: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern, and what it means that it is found."""

    name: str
    category: str
    steps: tuple[Step, ...]
    age: int = OLDEST
    weight: int = 0
    scope: Literal["", "in", "out"] = ""
    is_harmless: bool = False
    elements: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Book:
    """All rules, and where to begin to look for them."""

    rules: tuple[Rule, ...]
    by_first: dict[int, tuple[int, ...]]
    exact: dict[str, frozenset[int]]
    prefixes: dict[str, frozenset[int]]
    hard: dict[str, frozenset[int]]
    hard_stems: dict[str, frozenset[int]]
    hard_by_shape: dict[tuple[str, int], tuple[str, ...]]
    phrases: dict[str, tuple[tuple[tuple[str, ...], frozenset[int]], ...]]
    shortest: int
    longest: int

    def kinds(self, word: str) -> frozenset[int]:
        """The elements of patterns that a word is one of."""
        found = self.exact.get(word, _NONE)
        for length in range(self.shortest, min(len(word), self.longest) + 1):
            if more := self.prefixes.get(word[:length]):
                found |= more
        return found

    def hard_kinds(self, word: str) -> frozenset[int]:
        """The same, of the words that are refused alone at any age."""
        found = self.hard.get(word, _NONE)
        for length in range(4, len(word) + 1):
            if more := self.hard_stems.get(word[:length]):
                found |= more
        return found


_NONE: Final[frozenset[int]] = frozenset()


def forms(word: str) -> set[str]:
    """A word's regular forms, and a few that do not exist and so do no harm."""
    found = {word, f"{word}s", f"{word}es", f"{word}ed", f"{word}ing", f"{word}er", f"{word}ers", f"{word}ings"}
    if word.endswith("e"):
        stem = word[:-1]
        found |= {f"{word}d", f"{word}r", f"{word}rs", f"{stem}ing", f"{stem}ings", f"{stem}y"}
    elif word.endswith("y") and word[-2:-1] not in _VOWELS:
        stem = word[:-1]
        found |= {f"{stem}ies", f"{stem}ied", f"{stem}ier", f"{stem}iers", f"{stem}iest"}
    elif len(word) > 2 and word[-1] not in "aeiouwxy" and word[-2] in _VOWELS:
        stem = word + word[-1]
        found |= {f"{stem}ed", f"{stem}ing", f"{stem}er", f"{stem}ers", f"{stem}ings"}
    if word.endswith("fe"):
        found.add(f"{word[:-2]}ves")
    return found


@lru_cache(maxsize=1)
def book() -> Book:
    """The rules of this package, read once."""
    lines = [
        line
        for file in sorted(resources.files(__package__).joinpath("rules").iterdir(), key=lambda each: each.name)
        if file.name.endswith(".txt")
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    return read("\n".join(lines))


def read(text: str) -> Book:
    """Rules from their text.

    Raises:
        ValueError: A line is none, or has no category.
    """
    reader = _Reader()
    for line in text.splitlines():
        if stripped := line.partition("#")[0].strip():
            reader.line(stripped)
    return reader.book()


class _Reader:
    def __init__(self) -> None:
        self._category = ""
        self._names: dict[str, str] = {}
        self._elements: dict[str, int] = {}
        self._rules: list[Rule] = []
        self._hard: set[str] = set()

    def line(self, line: str) -> None:
        if line.startswith("[") and line.endswith("]"):
            self._category, self._names = line[1:-1], {}
            return
        if line.startswith("$") and " = " in line:
            name, _, words = line.partition(" = ")
            self._names[name[1:].strip()] = self._resolved(words.strip())
            return
        if not self._category:
            raise ValueError(f"a rule without a category: {line}")
        parts = line.split()
        flags = list(_flags(parts))
        self._rule(flags, parts[len(flags) :])

    def _rule(self, flags: list[str], words: list[str]) -> None:
        steps, gap, is_across = [], 0, False
        for word in words:
            if word.startswith(".."):
                is_across, gap = word.startswith("..."), int(word.strip("."))
                continue
            steps.append(Step(self._element(word.removeprefix("^")), gap, is_across, word.startswith("^")))
            gap, is_across = 0, False
        if not steps:
            raise ValueError(f"a rule without words: {' '.join(words)}")
        label = " ".join(word.partition("|")[0].strip("^+*$") for word in words if not word.startswith(".."))
        age = next((int(flag[1:]) for flag in flags if flag.startswith("@")), OLDEST)
        weight = next((int(flag[1:]) for flag in flags if flag.startswith("~")), 0)
        scope: Literal["", "in", "out"] = "in" if "!in" in flags else "out" if "!out" in flags else ""
        is_ok = "!ok" in flags
        name = f"{self._category}: {label}"
        needed = frozenset(step.element for step in steps)
        self._rules.append(Rule(name, self._category, tuple(steps), age, weight, scope, is_ok, needed))
        if len(steps) == 1 and not is_ok and not weight and age == OLDEST:
            self._hard.update(self._words(words[0].removeprefix("^")))

    def _resolved(self, words: str) -> str:
        found = []
        for word in words.split("|"):
            if not word.startswith("$"):
                found.append(word)
                continue
            name, mark = (word[1:-1], word[-1]) if word[-1] in "+*" else (word[1:], "")
            if name not in self._names:
                raise ValueError(f"nothing is called {word}")
            found += [each if each[-1] in "+*" else each + mark for each in self._names[name].split("|")]
        return "|".join(found)

    def _words(self, element: str) -> Iterator[str]:
        for word in self._resolved(element).split("|"):
            if word.endswith("+"):
                yield from forms(word[:-1])
            else:
                yield word

    def _element(self, text: str) -> int:
        return self._elements.setdefault(self._resolved(text), len(self._elements))

    def book(self) -> Book:
        exact: dict[str, set[int]] = {}
        prefixes: dict[str, set[int]] = {}
        phrases: dict[str, list[tuple[tuple[str, ...], frozenset[int]]]] = {}
        for text, number in self._elements.items():
            for word in self._words(text):
                if "_" in word:
                    first, *others = word.split("_")
                    phrases.setdefault(first, []).append((tuple(others), frozenset({number})))
                    continue
                place = prefixes if word.endswith("*") else exact
                place.setdefault(word.rstrip("*"), set()).add(number)
        firsts: dict[int, list[int]] = {}
        for place_of, rule in enumerate(self._rules):
            firsts.setdefault(rule.steps[0].element, []).append(place_of)
        hard = {word: frozenset(exact[word]) for word in self._hard if len(word) > 2 and word.isalnum()}
        stems = {
            word[:-1]: frozenset(prefixes[word[:-1]]) for word in self._hard if len(word) > 4 and word.endswith("*")
        }
        shapes: dict[tuple[str, int], list[str]] = {}
        for word in sorted({**hard, **stems}):
            shapes.setdefault((word[0], len(word)), []).append(word)
        lengths = [len(each) for each in prefixes] or [1]
        return Book(
            tuple(self._rules),
            {element: tuple(places) for element, places in firsts.items()},
            {word: frozenset(found) for word, found in exact.items()},
            {word: frozenset(found) for word, found in prefixes.items()},
            hard,
            stems,
            {shape: tuple(words) for shape, words in shapes.items()},
            {first: tuple(found) for first, found in phrases.items()},
            min(lengths),
            max(lengths),
        )


def _flags(words: list[str]) -> Iterator[str]:
    for word in words:
        if word[0] not in "@!~":
            return
        yield word
