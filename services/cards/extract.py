"""Cards and a quiz from an answer's own words: what the built-in engine makes. Pure, and the same every time.

It makes nothing up: a card asks for a term that the answer explains, or for a word that is left out of one of its
sentences; a quiz offers words that the answer uses itself.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final, TypeVar

from services.cards.gaps import Gap, gaps
from services.cards.made import (
    MAX_BACK_CHARS,
    MAX_CARDS,
    MAX_FRONT_CHARS,
    MAX_QUESTIONS,
    MIN_CARDS,
    MIN_QUESTIONS,
    Made,
    Question,
    Sides,
)
from services.cards.statements import Statement, bare, statements

_ARTICLES: Final = frozenset({"the", "a", "an"})
_SMALL: Final = re.compile(r"\b[a-z][\w’'-]+")
T = TypeVar("T")

_OPTIONS: Final = 4
# How many words of a kind are looked through for wrong options.
_MAX_OTHERS: Final = 60
# "X is a …" says what a term is. English only: other languages' sentences become gaps.
_DEFINED: Final = re.compile(
    r"^((?:the |an? )?[^\s,;:()][^,;:()]{1,60}?) (is|are|was|were) "
    r"((?:an?|the|one|any|every|when|how|where|what)\b.{12,})$",
    re.IGNORECASE,
)
_MEANT: Final = re.compile(r"^([^\s,;:()][^,;:()]{1,60}?) (means|refers to|describes|consists of) (.{12,})$")
_BASE: Final = {"means": "mean", "refers to": "refer to", "describes": "describe", "consists of": "consist of"}
# What points to something that the sentence does not name, or begins in the middle of a thought.
_POINTING: Final = re.compile(
    r"^(?:it|this|that|there|they|these|those|he|she|we|you|i|one|what|which|here|such|its|their|his|her|each|both|all"
    r"|another|because|if|when|while|so|but|and|or|for|in|on|at|as|by|to|with|also|then|thus|hence|however)\b",
    re.IGNORECASE,
)


def extract(text: str) -> Made | None:
    """Five to twelve cards and a quiz; None if the text does not state enough for them."""
    stated = statements(text)
    found = [gap for gap in gaps(stated) if len(gap.front) <= MAX_FRONT_CHARS]
    cards, quiz = _cards(stated, found), _quiz(found)
    if len(cards) < MIN_CARDS or len(quiz) < MIN_QUESTIONS:
        return None
    return Made(cards, quiz)


def _cards(stated: Sequence[Statement], found: Sequence[Gap]) -> list[Sides]:
    """Spread over the answer: what it explains first, then a gap for every other sentence.

    Only if these are too few, more gaps in the same sentences.
    """
    small = {word for statement in stated for word in _SMALL.findall(statement.text)}
    asked = [(statement, card) for statement in stated if (card := _asked(statement, small))]
    explained = {statement.text for statement, _ in asked} | {bare(statement.text) for statement, _ in asked}
    others: dict[str, Gap] = {}
    for gap in found:
        if not any(gap.sentence.endswith(text) for text in explained):
            others.setdefault(gap.sentence, gap)
    cards = {card.front.casefold(): card for card in _spread([card for _, card in asked], MAX_CARDS)}
    for gap in _spread(list(others.values()), MAX_CARDS - len(cards)):
        cards.setdefault(gap.front.casefold(), _with_gap(gap))
    for gap in found:
        if len(cards) >= MIN_CARDS:
            break
        cards.setdefault(gap.front.casefold(), _with_gap(gap))
    return list(cards.values())


def _asked(statement: Statement, small: Collection[str]) -> Sides | None:
    """A card that asks for what the answer explains.

    Args:
        small: Words that the answer also begins with a small letter: they are no names.
    """
    back = statement.text[:MAX_BACK_CHARS]
    if statement.kind == "row":
        return Sides(f"What do you know about **{statement.term}**?", _listed(back.splitlines()))
    if statement.kind == "term":
        return Sides(f"What do you know about **{statement.term}**?", back)
    text = bare(statement.text)
    for found, ask in (
        (_DEFINED.match(text), "What {verb} {term}?"),
        (_MEANT.match(text), "What does {term} {verb}?"),
    ):
        if found and len(found[1].split()) <= 6 and not _POINTING.match(found[1]):
            return Sides(ask.format(verb=_BASE.get(found[2], found[2]), term=_in_mid_sentence(found[1], small)), back)
    return None


def _listed(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _in_mid_sentence(term: str, small: Collection[str]) -> str:
    """'The cell' as it stands within a question; names keep their capital."""
    first, space, rest = term.partition(" ")
    return first.lower() + space + rest if first.lower() in _ARTICLES or first.lower() in small else term


def _with_gap(gap: Gap) -> Sides:
    return Sides(gap.front, gap.key if gap.ilk == "formula" else f"**{gap.key}**")


def _quiz(found: Sequence[Gap]) -> list[Question]:
    """Sentences with a gap, and words of the same kind from elsewhere in the answer to choose from."""
    questions: dict[str, Question] = {}
    asked: set[str] = set()
    for gap in found:
        if gap.sentence in questions or gap.key.casefold() in asked:
            continue
        wrong = list(_wrong_options(gap, found))[: _OPTIONS - 1]
        if wrong:
            questions[gap.sentence] = Question(gap.front, (gap.key, *wrong), gap.key, gap.sentence)
            asked.add(gap.key.casefold())
    return _spread(list(questions.values()), MAX_QUESTIONS)


def _wrong_options(gap: Gap, found: Sequence[Gap]) -> Iterator[str]:
    """Other words of its kind, those that come next in the answer first; none that would fit as well."""
    at = found.index(gap)
    others = [other.key for other in [*found[at + 1 :], *found[:at]][: _MAX_OTHERS * 5] if other.ilk == gap.ilk]
    given: list[str] = []
    for key in others[:_MAX_OTHERS]:
        if not any(_overlap(key, known) for known in (gap.key, gap.front, *given)):
            given.append(key)
            yield key


def _overlap(one: str, other: str) -> bool:
    return one.casefold() in other.casefold() or other.casefold() in one.casefold()


def _spread(items: Sequence[T], count: int) -> list[T]:
    """So many of the items, evenly from the first to the last."""
    if len(items) <= count:
        return list(items)
    return [items[number * len(items) // count] for number in range(max(count, 0))]
