"""One line, one todo: `Pay rent every 1st !high #home`. Read by fixed rules, never by a model. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.todos.recurrence import Recurrence
from services.when import When

__all__ = ["Chip", "Importance", "Quick", "read", "read_lines"]

Importance = Literal["low", "medium", "high"]
Kind = Literal["start", "due", "repeat", "importance", "tag", "project"]


@dataclass(frozen=True, slots=True)
class Chip:
    """One thing that was read out of a line: what it is, the words it was, and what it is taken to mean."""

    kind: Kind
    words: str
    said: str


@dataclass(frozen=True, slots=True)
class Quick:
    """What a line means. `item` is never empty. `importance` is None where the line says none."""

    item: str
    start: When | None = None
    due: When | None = None
    importance: Importance | None = None
    tags: tuple[str, ...] = ()
    project: str | None = None
    recurrence: Recurrence | None = None
    chips: tuple[Chip, ...] = ()
    notes: tuple[str, ...] = ()
    children: tuple["Quick", ...] = ()


def read(line: str, *, now: datetime, zone: str) -> Quick:
    """What one line means to somebody in `zone` at `now`.

    Raises:
        InvalidDate: A date or a repetition in it is none (`on 31 Feb`); names the words. Nothing may be stored.
        InvalidInput: Nothing is left for the item.
    """
    del now, zone
    tags = tuple(dict.fromkeys(re.findall(r"(?<!\S)#([\w-]{1,50})", line)))
    item = " ".join(re.sub(r"(?<!\S)#[\w-]{1,50}", "", line).split())
    chips = tuple(Chip("tag", f"#{tag}", f"tag {tag}") for tag in tags)
    return Quick(item or line.strip(), tags=tags, chips=chips)


def read_lines(text: str, *, now: datetime, zone: str) -> list[Quick]:
    """A pasted list: a todo a line, with bullets, numbers or boxes; what is indented under one is its subtasks.

    Raises:
        InvalidInput: As `read`, or there are too many lines.
    """
    return [read(line, now=now, zone=zone) for line in text.splitlines() if line.strip()]
