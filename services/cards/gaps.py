"""Sentences of an answer with a word left out. Pure, and the same every time."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Final, Literal

from services.cards.statements import FORMULA, Statement, bare

# Escaped: it is Markdown.
GAP: Final = "\\_\\_\\_\\_\\_"
_MOST_IN_A_SENTENCE: Final = 5

_BOLD: Final = re.compile(r"(?:\*\*|__)([^*_]{2,60})(?:\*\*|__)")
_UNIT: Final = "%|°C|°F|°|K|km|cm|mm|m|kg|g|mg|s|ms|h|V|A|W|J|Hz|N|Pa|mol|L|ml"
_NUMBER: Final = re.compile(rf"(?<![\w$.,])[−-]?\d(?:[\d.,]*\d)?(?:\s?(?:{_UNIT}))?(?![\w$])")
# Capitalised in mid-sentence.
_NAME: Final = re.compile(r"(?<=[\w,;)] )[^\W\d_a-zà-ÿ][\w’'-]{2,30}(?: [^\W\d_a-zà-ÿ][\w’'-]{2,30}){0,2}")
_WORD: Final = re.compile(r"[^\W\d_][\w’'-]{5,30}")
# Long words that say nothing of a subject.
_COMMON: Final = frozenset(
    re.findall(
        r"\w+",
        """because before between through without another during however therefore although something usually different
        several number called example always sometimes become becomes either neither whether within against around
        should would could there these those which while where their about after again almost along already among
        means makes needs takes using follows following important possible together itself themselves""",
    )
)

Ilk = Literal["term", "formula", "number", "name", "word"]


@dataclass(frozen=True, slots=True)
class Gap:
    """A sentence with a word left out.

    Attributes:
        sentence: The whole of it.
        front: With the gap.
        key: What was left out.
        ilk: What kind of word it is: wrong options are of the same kind.
    """

    sentence: str
    front: str
    key: str
    ilk: Ilk


def gaps(stated: Sequence[Statement]) -> list[Gap]:
    """Words worth leaving out: the best of every sentence first, then the next best of each."""
    texts = [set(_WORD.findall(bare(statement.text))) for statement in stated]
    counted = Counter(word.casefold() for words in texts for word in words)
    found = [list(_in_sentence(statement, counted)) for statement in stated if statement.kind != "row"]
    return [gap for gap in chain.from_iterable(zip_longest(*found)) if gap is not None]


def _in_sentence(statement: Statement, counted: Counter[str]) -> Iterator[Gap]:
    prefix = f"**{statement.term}**: " if statement.term else ""
    sentence = bare(statement.text)
    formulas = [found.span() for found in FORMULA.finditer(sentence)]
    seen: set[str] = set()
    for key, ilk in _keys(statement, sentence, counted):
        at = None if key.casefold() in seen else _place(sentence, key, formulas, is_formula=ilk == "formula")
        if at is None:
            continue
        seen.add(key.casefold())
        yield Gap(prefix + sentence, f"{prefix}{sentence[:at]}{GAP}{sentence[at + len(key) :]}", key, ilk)
        if len(seen) == _MOST_IN_A_SENTENCE:
            return


def _keys(statement: Statement, sentence: str, counted: Counter[str]) -> Iterator[tuple[str, Ilk]]:
    for found in _BOLD.findall(statement.text):
        yield bare(found), "term"
    for found in FORMULA.findall(sentence):
        if len(found) < len(sentence) / 2:
            yield found, "formula"
    for found in _NUMBER.findall(sentence):
        yield found, "number"
    for found in _NAME.findall(sentence):
        yield found, "name"
    words = [word for word in dict.fromkeys(_WORD.findall(sentence)) if word.casefold() not in _COMMON]
    # Rare words first: they are what this sentence says and others do not; then the longer ones.
    for found in sorted(words, key=lambda word: (counted[word.casefold()], -len(word))):
        yield found, "word"


def _place(sentence: str, key: str, formulas: Sequence[tuple[int, int]], *, is_formula: bool) -> int | None:
    """Where the key stands as a word of its own, outside formulas unless it is one."""
    for found in re.finditer(rf"(?<!\w){re.escape(key)}(?!\w)", sentence):
        if is_formula or not any(start <= found.start() < end for start, end in formulas):
            return found.start()
    return None
