"""Numbers in square brackets, as an answer grows: which sources it cites, each told once. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from services.assistants.study.passages import clip
from services.streaming.events import CITATION, Event

_MARK = re.compile(r"\[(\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*)\]")
_NUMBER = re.compile(r"\d{1,3}")
# The longest mark that may be cut between two deltas.
_TAIL_CHARS: Final = 40
_EXCERPT_CHARS: Final = 400


class Citations:
    """Reads an answer's text and tells of each source when it is first cited.

    Args:
        sources: Each with `number` and what its citation tells; numbers that are none of theirs are only text.
    """

    def __init__(self, sources: Sequence[Mapping[str, Any]]) -> None:
        self._sources = {int(source["number"]): source for source in sources}
        self._told: set[int] = set()
        self._tail = ""

    def read(self, text: str) -> Iterator[Event]:
        """Take more of the text; gives the citations that it completes."""
        self._tail += text
        for match in _MARK.finditer(self._tail):
            for number in map(int, _NUMBER.findall(match[1])):
                if number in self._sources and number not in self._told:
                    self._told.add(number)
                    yield Event(CITATION, dict(self._sources[number]))
        self._tail = self._tail[-_TAIL_CHARS:]


def of_excerpt(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What a citation of an upload's passage tells: where it stands, and where it can be read."""
    return {
        "number": entry["number"],
        "document_name": entry["name"],
        "media_id": entry["media_id"],
        "page": entry.get("page"),
        "url": f"/api/media/{entry['media_id']}/pages/{entry.get('part') or 1}",
        "excerpt": clip(str(entry["text"]), _EXCERPT_CHARS),
    }


def of_note(number: int, title: str, note_id: str, section: str, text: str) -> dict[str, Any]:
    """What a citation of a bundled note tells."""
    return {
        "number": number,
        "document_name": f"Notes: {title}",
        "note_id": note_id,
        "section": section,
        "excerpt": clip(text, _EXCERPT_CHARS),
    }
