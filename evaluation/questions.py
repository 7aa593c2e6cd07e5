"""The questions that search is measured with, and which passages answer them. Pure but for reading its file."""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FILE: Final = Path(__file__).parent / "questions.jsonl"
_NOT_SAID: Final = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        context: The question before it, which it goes on from; empty if it stands alone.
        gold: Documents with a phrase each; a passage of that document with that phrase answers it. Empty: nothing does.
        round: When it was written, 1 or 2 (README.md).
        is_unseen: Kept aside: nothing is chosen by how well it is answered.
    """

    text: str
    kind: str
    context: str = ""
    gold: Sequence[tuple[str, str]] = ()
    round: int = 1

    @property
    def is_unseen(self) -> bool:
        return hashlib.sha256(self.text.encode()).digest()[0] % 2 == 1

    @property
    def has_answer(self) -> bool:
        return bool(self.gold)


def load() -> list[Question]:
    """All questions."""
    found = []
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        gold = tuple((document, phrase) for document, phrase in [*entry["gold"], *entry.get("pooled", [])])
        found.append(Question(entry["question"], entry["kind"], entry.get("context", ""), gold, entry["round"]))
    return found


def bare(text: str) -> str:
    """Letters and digits alone: neither markup nor where a line ends tells two texts apart."""
    return _NOT_SAID.sub("", text.casefold())


def is_gold(question: Question, document: str, text: str) -> bool:
    """Whether a passage of a document answers the question."""
    told = bare(text)
    return any(name == document and bare(phrase) in told for name, phrase in question.gold)


def first_gold(question: Question, passages: Iterable[tuple[str, str]]) -> int | None:
    """The place, from 0, of the first passage (document, text) that answers it; None if none does."""
    for place, (document, text) in enumerate(passages):
        if is_gold(question, document, text):
            return place
    return None
