"""What a search shows besides its answer: the passages found, how far to trust the answer, and where to go on. Pure.

Source: docs/assistants.md, "Search".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from blueprints.dialects.plain import plain
from services.streaming.events import CITATION, MESSAGE

_LISTS: Final = ("passages", "also_found", "related", "notes")
_PARTS: Final = ("retrieval", "coverage", "agreement")
_HIGH, _FAIR = 70, 40


@dataclass(frozen=True, slots=True)
class Evidence:
    """What stands behind an answer.

    Attributes:
        passages: What was found before anything was answered, each as `source` makes it.
        is_relevant: Whether any of them is about the question; if not, they are only the nearest.
        also_found: Those that the answer does not cite.
        related: Questions to go on with.
        notes: What the search left out, or could not do, in words.
        confidence: {score 0 to 100, level, words, parts [(name, percent)]}; empty while nobody knows.
        numbers: Which number the answer gives to which passage, by its place among them, from 1.
    """

    passages: Sequence[Mapping[str, Any]] = ()
    is_relevant: bool = True
    also_found: Sequence[Mapping[str, Any]] = ()
    related: Sequence[str] = ()
    notes: Sequence[str] = ()
    confidence: Mapping[str, Any] = field(default_factory=dict)
    numbers: Mapping[int, int] = field(default_factory=dict)

    @property
    def documents(self) -> int:
        """How many documents the passages are from."""
        return len({passage.get("document_id") for passage in self.passages})

    def told(self, data: Mapping[str, Any]) -> "Evidence":
        """This, with what an event's data tells."""
        known: dict[str, Any] = {name: _items(name, data[name]) for name in _LISTS if isinstance(data.get(name), list)}
        if isinstance(data.get("found"), bool):
            known["is_relevant"] = data["found"]
        if (told := data.get("confidence")) and isinstance(told, Mapping):
            known["confidence"] = _confidence(told)
        if isinstance(data.get("passage"), int) and isinstance(data.get("number"), int):
            known["numbers"] = {**self.numbers, data["passage"]: data["number"]}
        return replace(self, **known) if known else self


def stored_evidence(extras: Mapping[str, Any]) -> Evidence:
    """What an answer that is stored had told of; `extras`: its events other than text, by name."""
    found = Evidence()
    for name in (MESSAGE, CITATION):
        for data in extras.get(name) or ():
            found = found.told(data)
    return found


def source(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """A passage, or a citation of one, as pages show it: its excerpt in plain words."""
    excerpt = data.get("excerpt")
    return {**data, "excerpt": plain(excerpt)} if isinstance(excerpt, str) else dict(data)


def _items(name: str, told: Sequence[Any]) -> list[Any]:
    if name in ("related", "notes"):
        return [str(item) for item in told if item]
    return [source(item) for item in told if isinstance(item, Mapping)]


def _confidence(told: Mapping[str, Any]) -> dict[str, Any]:
    score = min(max(round(float(told.get("score") or 0)), 0), 100)
    level = "high" if score >= _HIGH else "fair" if score >= _FAIR else "low"
    parts = [(name, round(100 * min(max(float(told[name]), 0), 1))) for name in _PARTS if told.get(name) is not None]
    return {"score": score, "level": level, "words": str(told.get("words") or ""), "parts": parts}
