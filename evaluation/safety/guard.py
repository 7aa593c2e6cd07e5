"""Sends a text where the site would send it, and says what became of it.

What a client sends goes through `judge_input`. What a storyteller says comes in deltas, is cleaned as the log cleans it
and cut into pieces; each is looked at by the assistant's own checks, with what was approved before it.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from evaluation.safety.entries import Entry
from services.assistants.base import Turn
from services.assistants.stories.checking import Checks
from services.stories.safety import Pieces, Verdict, judge, judge_input
from services.streaming.coalesce import Normaliser

# As STREAMING_CHUNK_SIZE is, unless somebody sets it.
_CHUNK_WORDS: Final = 200
MODES: Final = ("paragraph", "token")


def _sized(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def _random(text: str) -> list[str]:
    draw = random.Random(len(text))  # noqa: S311 - repeatable, not secret
    cuts = sorted(draw.sample(range(len(text) + 1), min(len(text), 2 + len(text) // 7)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


# How a text may come: nothing may depend on it.
WAYS: Final[Mapping[str, Callable[[str], list[str]]]] = {
    "whole": lambda text: [text],
    "letters": lambda text: list(text),
    "words": lambda text: re.findall(r"\s*\S+|\s+", text),
    "threes": lambda text: _sized(text, 3),
    "lines": lambda text: text.splitlines(keepends=True),
    "random": _random,
}


def refusals(entry: Entry) -> Iterator[tuple[str, Verdict | None]]:
    """For each way that an entry may come: its name, and what refused it, or None if all of it was let through."""
    if not entry.is_story:
        verdict = judge_input(entry.text, age=entry.age, avoid=entry.avoid, kind=entry.kind)  # type: ignore[arg-type]
        yield "sent", None if verdict.allowed else verdict
        return
    for mode in MODES:
        for way, cut in WAYS.items():
            yield f"{mode}, {way}", _refusal(entry, mode, cut(entry.text))


def _refusal(entry: Entry, mode: str, deltas: list[str]) -> Verdict | None:
    facts = {"child": {"name": "Robin", "age": entry.age, "avoid": list(entry.avoid)}}
    checks = Checks(Turn("stories", 0, "", "", "", facts), judge)
    normaliser, pieces, approved = Normaliser(), Pieces(mode, _CHUNK_WORDS), ""  # type: ignore[arg-type]
    for text in (*map(normaliser.add, deltas), None):
        found = [*pieces.feed(normaliser.end()), *pieces.finish()] if text is None else pieces.feed(text)
        for piece in found:
            verdict = checks.of(piece, approved).verdict
            if not verdict.allowed:
                return verdict
            approved += piece
    return None
