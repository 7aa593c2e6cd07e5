"""Questions to go on with, made from the headings of what was found. Pure: no model, so they come at once."""

import re
from collections.abc import Collection, Sequence
from typing import Final

from services.assistants.search.telling import clip
from services.assistants.search.words import stems
from services.knowledge.passages import Passage

_MAX: Final = 3
_TOPIC_CHARS: Final = 70
_NUMBERING = re.compile(
    r"^(?:(?:chapter|section|part|appendix)\s+)?[\dA-Z]{0,3}(?:\.\d+)*\.?\s+(?=\S)|^\d+(?:\.\d+)*\.?\s*", re.I
)
_MARKUP = re.compile(r"[`*#\[\]<>|_~]+(?!\w)|(?<!\w)[`*#\[\]<>|_~]+")


def questions(question: str, passages: Sequence[Passage], cited: Collection[int]) -> list[str]:
    """At most three, about what was found and not cited.

    Args:
        cited: Places of passages among `passages`, from 1.
    """
    asked = set(stems(question))
    told = {_place(passages[place - 1]) for place in cited if place <= len(passages)}
    found: dict[str, str] = {}
    for passage in passages:
        if _place(passage) in told:
            continue
        topic = _topic(passage.heading)
        about = set(stems(topic))
        # What was asked is no way on, and a heading of one word ("Notes") asks nothing.
        if len(about) < 2 or about <= asked or len(about & asked) == len(asked) > 0:
            continue
        found.setdefault(topic.casefold(), f"What does {_name(passage)} say about “{topic}”?")
        if len(found) == _MAX:
            break
    return list(found.values())


def _place(passage: Passage) -> tuple[str, str]:
    return passage.document_id, passage.heading


def _topic(heading: str) -> str:
    last = heading.rpartition(" > ")[2] or heading
    plain = _MARKUP.sub("", " ".join(last.split()))
    return clip(_NUMBERING.sub("", plain).strip(" .:?–-"), _TOPIC_CHARS)


def _name(passage: Passage) -> str:
    return clip(" ".join(passage.document_name.split()), _TOPIC_CHARS)
