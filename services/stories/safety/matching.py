"""Finds the rules that a text breaks. Pure, in time that is proportional to the text."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from services.stories.safety.grammar import Book, Rule
from services.stories.safety.seen import Seen

# What is too much in one place is counted over as many words as this.
WINDOW: Final = 120


class Hit(NamedTuple):
    """A rule, and the places of the words that break it."""

    rule: Rule
    places: tuple[int, ...]
    end: int


def hits(seen: Seen, rules: Book, *, since: int) -> Iterator[Hit]:
    """All rules that a text breaks by words of which the last is at `since` or after it.

    Words of a harmless phrase break no rule of its category.
    """
    present: set[int] = set()
    for place in seen.places:
        for kinds, _ in place:
            present |= kinds
    active: dict[int, list[Rule]] = {}
    for element in present:
        # Most rules need a word that is nowhere in the text.
        for number in rules.by_first.get(element, ()):
            if present.issuperset(rules.rules[number].elements):
                active.setdefault(element, []).append(rules.rules[number])
    found: list[Hit] = []
    harmless: dict[str, set[int]] = {}
    for start, place in enumerate(seen.places):
        for kinds, _ in place:
            for element in kinds:
                for rule in active.get(element, ()):
                    for end, places in _ends(seen, rule, start):
                        if rule.is_harmless:
                            harmless.setdefault(rule.category, set()).update(places)
                        elif end > since or rule.weight:
                            found.append(Hit(rule, places, end))
    for hit in found:
        if harmless.get(hit.rule.category, _NO_PLACES).isdisjoint(hit.places):
            yield hit


_NO_PLACES: Final[set[int]] = set()


def _ends(seen: Seen, rule: Rule, start: int) -> list[tuple[int, tuple[int, ...]]]:
    """Where a pattern that begins at a place may end, and by which words."""
    reached: dict[int, tuple[int, ...]] = {start: ()}
    for step in rule.steps:
        further: dict[int, tuple[int, ...]] = {}
        for place, path in reached.items():
            for there in range(place, min(place + step.gap + 1, len(seen.places))):
                if path and step.gap and not step.is_across and seen.sentences[there] != seen.sentences[path[-1]]:
                    break
                if step.is_first and there and seen.sentences[there] == seen.sentences[there - 1]:
                    continue
                for kinds, end in seen.places[there]:
                    if step.element in kinds:
                        further.setdefault(end, (*path, *range(there, end)))
        if not further:
            return []
        reached = further
    return list(reached.items())
