"""The texts that the rules are measured with. Pure but for reading its files."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from services.stories.safety import REASONS, Kind

_FOLDER: Final = Path(__file__).parent
# The half that was written with the rules, and the half by somebody who had not read them.
HALVES: Final = ("written", "unseen")
STORIES: Final = frozenset(("paragraph", "chapter"))
_INPUTS: Final = frozenset(get_args(Kind)) - {""}
# What people call the categories of the rules.
_NAMED: Final = {
    **{each.replace("_", "-"): each for each in REASONS},
    **{"violen": "violence", "gore": "violence", "torture": "violence", "weapon": "weapons", "gun": "weapons"},
    **{"cruel": "death", "dead": "death", "dying": "death", "self harm": "self_harm", "suicid": "self_harm"},
    **{"eating disorder": "self_harm", "nudity": "sexual", "grooming": "sexual", "kiss": "romance", "drug": "drugs"},
    **{
        "alcohol": "drugs",
        "smok": "drugs",
        "gambl": "gambling",
        "slur": "hate",
        "racis": "hate",
        "body shaming": "bullying",
    },
    **{"body-shaming": "bullying", "fright": "frightening", "scar": "frightening", "horror": "frightening"},
    **{"imitat": "danger", "stranger": "danger", "secre": "danger", "address": "personal", "phone": "personal"},
    **{"link": "links", "brand": "brands", "advert": "brands", "swear": "profanity", "profan": "profanity"},
    **{
        "politic": "persuasion",
        "religio": "persuasion",
        "steer": "injection",
        "inject": "injection",
        "prompt": "injection",
    },
    **{"fear": "frightening", "bully": "bullying", "markup": "injection", "script": "language", "avoid": "avoid"},
}
_FIELDS: Final = frozenset(("id", "kind", "text", "age", "avoid", "label", "why"))


@dataclass(frozen=True, slots=True)
class Entry:
    """One text.

    Attributes:
        kind: What it is: `paragraph` and `chapter` are what a storyteller says, the others what a client sends.
        why: Why it is unsafe, or looks so.
    """

    id: str
    kind: str
    text: str
    age: int
    avoid: Sequence[str]
    is_unsafe: bool
    why: str

    @property
    def category(self) -> str:
        """What it is about, for the figures: the category that is named first in why it is unsafe."""
        why = self.why.casefold()
        found = [(why.find(word), category) for word, category in _NAMED.items() if word in why]
        return min(found)[1] if found else "other"

    @property
    def is_story(self) -> bool:
        return self.kind in STORIES


def load(half: str) -> list[Entry] | None:
    """All of one half; None if nobody has written it yet.

    Raises:
        ValueError: A line is none; the message names it.
    """
    path = _FOLDER / f"{half}.jsonl"
    if not path.exists():
        return None
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_entry(line, f"{path.name}:{number}") for number, line in enumerate(lines, 1) if line.strip()]


def _entry(line: str, place: str) -> Entry:
    value = json.loads(line)
    if missing := _FIELDS - value.keys():
        raise ValueError(f"{place}: without {', '.join(sorted(missing))}")
    if value["label"] not in ("unsafe", "harmless") or value["kind"] not in STORIES | _INPUTS:
        raise ValueError(f"{place}: unknown label or kind")
    is_unsafe = value["label"] == "unsafe"
    return Entry(
        str(value["id"]), value["kind"], value["text"], int(value["age"]), value["avoid"], is_unsafe, value["why"]
    )
