"""What a search shows besides its answer: the passages found, how far to trust the answer, and where to go on. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote, urlencode

from blueprints.dialects.plain import plain

# What an event may tell of these, and what it is called here.
_LISTS: Final = ("passages", "also_found", "related", "notes")
_PARTS: Final = ("retrieval", "coverage", "agreement")
_HIGH, _FAIR = 70, 40
# A passage is told apart from others of its document by where it begins.
Place = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What stands behind an answer.

    Attributes:
        passages: What was found before anything was answered, each as `source` makes it.
        also_found: Those of them that the answer does not cite.
        related: Questions to go on with.
        notes: What the search left out, or could not do, in words.
        confidence: {score 0 to 100, level, words, parts [(name, percent, meaning)]}; empty while nobody knows.
    """

    passages: Sequence[Mapping[str, Any]] = ()
    also_found: Sequence[Mapping[str, Any]] = ()
    related: Sequence[str] = ()
    notes: Sequence[str] = ()
    confidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def documents(self) -> int:
        """How many documents the passages are from."""
        return len({passage.get("document_id") for passage in self.passages})

    def told(self, data: Mapping[str, Any]) -> "Evidence":
        """This, with what an event's data tells."""
        known: dict[str, Any] = {name: _items(name, data[name]) for name in _LISTS if isinstance(data.get(name), list)}
        if (told := data.get("confidence")) and isinstance(told, Mapping):
            known["confidence"] = _confidence(told)
        return replace(self, **known) if known else self


def source(data: Mapping[str, Any]) -> dict[str, Any]:
    """A passage, or a citation of one, as pages show it: its excerpt in plain words, and where it opens."""
    excerpt = data.get("excerpt")
    shown = {**data, "excerpt": plain(excerpt)} if isinstance(excerpt, str) else dict(data)
    if data.get("document_id"):
        shown["url"] = document_url(**{name: data.get(name) for name in ("document_id", "page", "start", "end")})
    return shown


def document_url(document_id: Any, page: Any = None, start: Any = None, end: Any = None) -> str:
    """Where a passage is read in its document."""
    asked = {name: value for name, value in (("page", page), ("start", start), ("end", end)) if value is not None}
    path = f"/search/documents/{quote(str(document_id), safe='')}"
    return f"{path}?{urlencode(asked)}#passage" if asked else path


def place(passage: Mapping[str, Any]) -> Place:
    """What a citation and the passage that it cites have in common."""
    return str(passage.get("document_id") or ""), int(passage.get("page") or 0), int(passage.get("start") or 0)


def _items(name: str, told: Sequence[Any]) -> list[Any]:
    if name in ("related", "notes"):
        return [str(item) for item in told if item]
    return [source(item) for item in told if isinstance(item, Mapping)]


def _confidence(told: Mapping[str, Any]) -> dict[str, Any]:
    score = min(max(round(float(told.get("score") or 0)), 0), 100)
    level = "high" if score >= _HIGH else "fair" if score >= _FAIR else "low"
    parts = [(name, round(100 * min(max(float(told[name]), 0), 1))) for name in _PARTS if told.get(name) is not None]
    return {"score": score, "level": level, "words": str(told.get("words") or ""), "parts": parts}
