"""Whether a child may see a text. Pure.

The rules are for English. They are a help, not a guarantee (docs/stories.md): they pass what they miss.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal

from services.stories.safety import avoided, language, matching, shapes
from services.stories.safety.folding import fold, invisible
from services.stories.safety.grammar import OLDEST, book
from services.stories.safety.matching import Hit
from services.stories.safety.seen import Seen, see
from services.stories.safety.verdict import Verdict

Kind = Literal["", "name", "title", "choice", "idea", "interest", "avoid"]

# Of what was approved before, as much is looked at again as any rule spans, and more (characters).
_TAIL: Final = 1200
# More of what is frightening in one place than this is too much, by age.
_MAX_WEIGHT: Final = ((6, 3), (9, 6), (OLDEST, 10))
_MAX_INVISIBLE: Final = 8


def judge(text: str, *, age: int, avoid: Sequence[str] = (), before: str = "", names: Sequence[str] = ()) -> Verdict:
    """Whether a storyteller may say it to a child of this age.

    Args:
        text: What comes next; whole words, best a whole sentence or paragraph.
        avoid: What is to be left out of this child's stories.
        before: All that was approved before it. What only both together say is refused too.
        names: The child's name, and others that may be written in another script.
    """
    return _judged(text, age=age, avoid=avoid, before=before, names=names, kind="", is_input=False)


def judge_input(text: str, *, age: int, avoid: Sequence[str] = (), kind: Kind = "") -> Verdict:
    """Whether what a client sends may be given to a storyteller for a child of this age.

    Args:
        text: All of it.
        avoid: What is to be left out of this child's stories.
        kind: What it is. A name may be in another script; an entry of the list of what is to be avoided may name
            what stories do not.
    """
    return _judged(text, age=age, avoid=avoid, before="", names=(), kind=kind, is_input=True)


def _judged(
    text: str, *, age: int, avoid: Sequence[str], before: str, names: Sequence[str], kind: Kind, is_input: bool
) -> Verdict:
    if not text.strip():
        return Verdict(allowed=True, score=1.0)
    if invisible(text) > _MAX_INVISIBLE:
        return _refused("injection", "injection: invisible characters")
    if shapes.is_encoded(before[-64:] + text):
        return _refused("injection", "injection: encoded")
    tail = fold(before[-_TAIL:])
    folded = fold(before[-_TAIL:] + text)
    since_character = _length_of_same(tail, folded)
    for rule in shapes.found(folded, since=since_character, is_input=is_input):
        return _refused(rule.partition(": ")[0], rule)
    seen = see(folded)
    since = _same(see(tail), seen) if tail else 0
    if rule := language.complaint(seen.words[since:], text, names=names, is_name=kind == "name"):
        return _refused("language", rule)
    if kind == "avoid":
        return Verdict(allowed=True, score=1.0)
    if avoided.found(seen, avoid, since=since):
        return _refused("avoid", "avoid: the child's own list")
    return _weighed(seen, age=age, since=since, is_input=is_input)


def _weighed(seen: Seen, *, age: int, since: int, is_input: bool) -> Verdict:
    scope = "in" if is_input else "out"
    worst: Hit | None = None
    weights: list[Hit] = []
    for hit in matching.hits(seen, book(), since=since):
        if hit.rule.scope not in ("", scope) or age >= hit.rule.age:
            continue
        if hit.rule.weight:
            weights.append(hit)
        elif worst is None or hit.rule.age > worst.rule.age:
            worst = hit
    if worst is not None:
        return _refused(worst.rule.category, worst.rule.name, score=0.0 if worst.rule.age >= OLDEST else 0.2)
    limit = next(limit for oldest, limit in _MAX_WEIGHT if age < oldest or oldest == OLDEST)
    heaviest = _heaviest(weights, seen.words, since=since)
    if heaviest > limit:
        return _refused("frightening", "frightening: too much in one place", score=0.3)
    return Verdict(allowed=True, score=round(1.0 - 0.4 * heaviest / (limit + 1), 2))


def _heaviest(hits: Sequence[Hit], words: Sequence[str], *, since: int) -> int:
    """The most that hits weigh within a window that ends in what is new; a word that comes again weighs once."""
    ordered = sorted({hit.places: hit for hit in hits}.values(), key=lambda hit: hit.end)
    counts: Counter[str] = Counter()
    weights: dict[str, int] = {}
    heaviest = weight = first = 0
    for hit in ordered:
        word = words[hit.places[0]]
        weights.setdefault(word, hit.rule.weight)
        counts[word] += 1
        weight += weights[word] * (counts[word] == 1)
        while hit.end - ordered[first].end > matching.WINDOW:
            gone = words[ordered[first].places[0]]
            counts[gone] -= 1
            weight -= weights[gone] * (counts[gone] == 0)
            first += 1
        if hit.end > since:
            heaviest = max(heaviest, weight)
    return heaviest


def _same(before: Seen, whole: Seen) -> int:
    """How many words at the beginning are those that were there before."""
    pairs = enumerate(zip(before.words, whole.words, strict=False))
    return next((place for place, (was, now) in pairs if was != now), min(len(before.words), len(whole.words)))


def _length_of_same(before: str, whole: str) -> int:
    """How many characters at the beginning are those that were there before."""
    if whole.startswith(before):
        return len(before)
    pairs = enumerate(zip(before, whole, strict=False))
    return next((place for place, (was, now) in pairs if was != now), len(whole))


def _refused(category: str, rule: str, *, score: float = 0.0) -> Verdict:
    return Verdict(allowed=False, score=score, category=category, rule=rule)
