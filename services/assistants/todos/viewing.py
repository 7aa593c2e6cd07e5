"""Which todos a phrase such as "overdue", "today", "#home" or "in project House" means. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from services.todos import dates
from services.when import InvalidDate, today

_I: Final = re.IGNORECASE
_VIEWS: Final = (
    ("overdue", re.compile(r"\b(?:overdue|over due|late|past due|missed)\b", _I)),
    ("done", re.compile(r"\b(?:done|completed?|finished|closed)\b", _I)),
    ("someday", re.compile(r"\b(?:someday|some day|without (?:a )?date|no date|undated|unscheduled)\b", _I)),
    ("week", re.compile(r"\b(?:this week|week|next 7 days|coming days)\b", _I)),
    ("today", re.compile(r"\b(?:today|tonight|now)\b", _I)),
)
_DAY_CHARS: Final = 60
_TAG: Final = re.compile(r"#([\w-]+)|\btag(?:ged)?(?: with| as)? #?([\w-]+)", _I)
_PROJECT: Final = re.compile(
    r"\b(?:in|of|from|for)(?: the| my)? project[: ]+[\"'“]?([\w -]+?)[\"'”]?$|\bproject[: ]+([\w -]+?)$|"
    r"\b(?:in|from|of)(?: the)? ([\w-]+) project\b",
    _I,
)
_IMPORTANCE: Final = re.compile(r"\b(?:(high|low|medium)[ -](?:importance|priority|prio)|(important|urgent))\b", _I)
_ALL: Final = re.compile(r"^(?:all|everything|every|each|any)\b", _I)
_NOISE: Final = re.compile(
    r"\b(?:all|everything|every|each|any|of|my|the|todos?|tasks?|items?|list|open|that|which|is|are|on|in|for|with|due|"
    r"ones?|things?|do|i|have|to|me|show|what|planned|scheduled|at|by|from|up|coming|next|left|how|many|there|must|should|"
    r"be|done|need|get|and|please|does|need|going|happening)\b|[?.!,]",
    _I,
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The arguments of list_todos for what is wanted."""

    arguments: Mapping[str, Any]


def wanted(words: str, *, now: datetime, zone: str, whole: bool = False) -> Wanted | None:
    """What a phrase means as a filter.

    Args:
        whole: It must be about all of them ("everything overdue", "all done todos"); None if it is not.
    """
    text = words.strip()
    if whole and not (
        _ALL.match(text)
        or re.fullmatch(r"(?:the |my )?(?:overdue|done|completed|open) ?(?:todos|tasks|items|ones)?", text, _I)
    ):
        return None
    found: dict[str, Any] = {}
    if tag := _TAG.search(text):
        found["tag"] = tag[1] or tag[2]
        text = text.replace(tag[0], " ")
    if project := _PROJECT.search(text.strip(" ?.!")):
        found["project"] = next(one for one in project.groups() if one).strip()
        text = text.replace(project[0], " ")
    if importance := _IMPORTANCE.search(text):
        found["importance"] = (importance[1] or "high").casefold()
        text = text.replace(importance[0], " ")
    view = next((name for name, pattern in _VIEWS if pattern.search(text)), None)
    if (view is None or "week" in text.casefold()) and (days := _days(text, now, zone)):
        return Wanted({"view": "open", "since": days[0].isoformat(), "until": days[1].isoformat(), **found})
    left = _NOISE.sub(" ", text)
    if whole and view is None and not found and left.split():
        # "every todo about cheese" is no view.
        return None
    return Wanted({"view": view or "open", **found})


def lists_of(words: str) -> str:
    """What "my shopping list" is a list of; empty where it is all of it, or a filter that is known."""
    found = re.fullmatch(r"\s*(?:the |my |our )?([\w-]+) (?:list|todos|tasks)[\s?.!]*", words, _I)
    known = {"todo", "to-do", "task", "whole", "full", "entire", "complete", "current", "open", "all", "next"}
    if found is None or found[1].casefold() in known or _IMPORTANCE.search(words):
        return ""
    left = _NOISE.sub(" ", found[1]).strip()
    return "" if any(pattern.search(left) for _, pattern in _VIEWS) or not left else left


def _days(text: str, now: datetime, zone: str) -> tuple[date, date] | None:
    """The first and the last of the days that are named in the phrase."""
    this = today(now, zone)
    if re.search(r"\btomorrow\b", text, _I):
        return this + timedelta(days=1), this + timedelta(days=1)
    if re.search(r"\bweekend\b", text, _I):
        saturday = this + timedelta(days=(5 - this.weekday()) % 7)
        return (this, this) if this.weekday() == 6 else (saturday, saturday + timedelta(days=1))
    if re.search(r"\bnext week\b", text, _I):
        monday = this + timedelta(days=7 - this.weekday())
        return monday, monday + timedelta(days=6)
    if re.search(r"\bweek\b", text, _I):
        return None
    left = " ".join(re.sub(r"\b(?:on|for|at|due)\b", " ", _NAMELESS.sub(" ", text)).split()).strip(" ?.!,")
    if not left or len(left) > _DAY_CHARS:
        return None
    try:
        day = dates.read(left, now=now, zone=zone).when.day
    except InvalidDate:
        return None
    return day, day


_NAMELESS: Final = re.compile(
    r"\b(?:all|anything|something|free|busy|am|everything|every|my|the|todos?|tasks?|items?|list|open|do|i|have|to|what|what's|is|are|planned|scheduled|there|show|me|must|should|need)\b|'s",
    _I,
)
