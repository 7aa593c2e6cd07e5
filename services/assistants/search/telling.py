"""What a search's events tell of passages and of the answer that cites them (docs/assistants.md, "Search"). Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

from services.assistants.search import highlight
from services.knowledge.passages import Passage
from services.streaming.events import CITATION, MESSAGE, Event

# `kind` of the messages that a search tells besides its text.
PASSAGES: Final = "passages"
CITED: Final = "cited"
TRUST: Final = "trust"
_EXCERPT_CHARS: Final = 600


def passages(entries: Sequence[Mapping[str, Any]], *, found: bool, notes: Sequence[str], query: str) -> Event:
    """What was found, before anything is answered."""
    return Event(
        MESSAGE,
        {"kind": PASSAGES, "passages": list(entries), "found": found, "notes": list(notes), "query": query},
    )


def cited(number: int, place: int) -> Event:
    """From the next text on, `number` stands for the passage at this place."""
    return Event(MESSAGE, {"kind": CITED, "number": number, "passage": place})


def citation(number: int, entry: Mapping[str, Any]) -> Event:
    """A number of the answer, and the passage that it leads to."""
    return Event(CITATION, {"number": number, **entry})


def trust(confidence: Mapping[str, Any], *, also_found: Iterable[Mapping[str, Any]], related: Sequence[str]) -> Event:
    """How far the answer can be trusted, what else was found, and where to go on."""
    return Event(
        MESSAGE,
        {"kind": TRUST, "confidence": dict(confidence), "also_found": list(also_found), "related": list(related)},
    )


def entry(place: int, passage: Passage, base_name: str = "") -> dict[str, Any]:
    """A passage as its reader is told of it.

    Args:
        place: Among those found, from 1.
    """
    return {
        "passage": place,
        "document_id": passage.document_id,
        "document_name": passage.document_name,
        "base_id": passage.base_id,
        "base_name": base_name,
        "page": passage.page,
        "heading": passage.heading,
        "start": passage.start,
        "end": passage.end,
        **_shown(passage, highlight.of_hit(passage)),
    }


def supported(entry: Mapping[str, Any], passage: Passage, claims: Iterable[str]) -> dict[str, Any]:
    """An entry that leads to what these sentences of the answer rest on."""
    return {**entry, **_shown(passage, highlight.of_claims(passage, claims))}


def _shown(passage: Passage, span: tuple[int, int]) -> dict[str, str]:
    start, end = span
    return {
        "excerpt": clip(passage.text[start - passage.start : end - passage.start], _EXCERPT_CHARS),
        "url": document_url(passage.document_id, page=passage.page, start=start, end=end),
    }


def document_url(document_id: str, **where: int) -> str:
    """Where a passage is read in its document, highlighted."""
    return f"/search/documents/{quote(document_id, safe='')}?{urlencode(where)}#passage"


def key_of(entry: Mapping[str, Any]) -> tuple[str, int, int]:
    """What tells a passage from all others, from one search to the next."""
    return str(entry.get("document_id") or ""), int(entry.get("page") or 0), int(entry.get("start") or 0)


def citations_of(extras: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The citations of an answer that did not come to telling them, from what it told on its way.

    Args:
        extras: Its events other than text, by name.
    """
    told = [data for data in extras.get(MESSAGE) or () if isinstance(data, Mapping)]
    entries = [entry for data in told if data.get("kind") == PASSAGES for entry in data.get("passages") or ()]
    by_place = {int(entry["passage"]): entry for entry in entries}
    marks = {int(data["number"]): int(data["passage"]) for data in told if data.get("kind") == CITED}
    return [
        dict(citation(number, by_place[place]).data) for number, place in sorted(marks.items()) if place in by_place
    ]


def clip(text: str, limit: int) -> str:
    """The beginning of a text, cut between words and marked."""
    if len(text) <= limit:
        return text
    head = text[: max(limit - 1, 1)]
    return (head[: head.rfind(" ")] if " " in head[limit // 2 :] else head).rstrip() + "…"
