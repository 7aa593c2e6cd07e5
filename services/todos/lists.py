"""Lists from elsewhere: what calendars export (ICS), and plain text with a todo a line. Pure.

A calendar is cut into its entries before it is read, and of each only what a todo has is looked at: one that is
malformed, deep or long spoils no other. Zones that a calendar defines for itself are not taken: a time in one that
nobody else knows is a time on the person's own clocks.

Source: RFC 5545, sections 3.1 (folded lines), 3.6.2 (VTODO), 3.6.1 (VEVENT) and 3.8.4.5 (RELATED-TO).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from icalendar import Todo as Entry

from services.errors import FieldError, InvalidInput
from services.store.todos import Draft
from services.todos import fields, quick
from services.todos.calendar import OURS
from services.todos.pasted import Outlined, outline
from services.todos.quick import Quick
from services.todos.transfer import Reader, restored
from services.when import InvalidDate

_FOLD: Final = re.compile(r"\r?\n[ \t]")
_BEGIN: Final = re.compile(r"BEGIN:(VTODO|VEVENT)\s*\Z", re.IGNORECASE)
_NAME: Final = re.compile(r"([A-Z-]+)[;:]", re.IGNORECASE)
_MAX_LINE: Final = 50_000
# What the library raises, or what it made lacks, where a property says that its value is of another kind.
_UNREADABLE: Final = (ValueError, TypeError, AttributeError, KeyError, IndexError, OverflowError)
# As lists are read.
_TAB: Final = 4
_FIELDS: Final[Mapping[str, str]] = {
    "SUMMARY": "item", "DESCRIPTION": "notes", "DTSTART": "start_time", "DUE": "due_time", "RRULE": "recurrence",
    "CATEGORIES": "tags", "PRIORITY": "importance", "STATUS": "status", "COMPLETED": "completed_at",
    "RELATED-TO": "parent_id", "UID": "id",
}  # fmt: skip
_DATES: Final = ("DTSTART", "DUE")


@dataclass(slots=True)
class _Found:
    """An entry of a calendar."""

    place: int
    draft: Draft
    above: str


def read_calendar(text: str, reader: Reader) -> None:
    """The VTODO and VEVENT entries of a calendar; those that are related to another of it are its subtasks."""
    found: dict[str, _Found] = {}
    for place, lines in enumerate(_entries(text), start=1):
        try:
            entry, above = _entry(lines, reader)
        except InvalidInput as wrong:
            reader.refuse(place, *wrong.errors)
            continue
        # Later entries of one id are single days of a series, moved.
        found.setdefault(entry.id or f"\n{place}", _Found(place, entry, above))
    below: dict[str, list[Draft]] = {}
    for key, each in found.items():
        top = _top(key, found)
        if top != key:
            below.setdefault(top, []).append(replace(each.draft, rule=None, mode="schedule", anchor=None))
    for key, each in found.items():
        if _top(key, found) == key:
            reader.add(each.place, replace(each.draft, subtasks=tuple(below.get(key, ()))))


def read_text(text: str, reader: Reader) -> None:
    """A todo a line, in the words of the quick line, as a pasted list is read: bullets and boxes are none of its words.

    A line below another that cannot be read spoils both: half of a todo is not what was meant.
    """
    places = _Places(text)
    for top in outline(text):
        block = [(places.of(each), each) for each in (top, *top.children)]
        made: list[Draft] = []
        for place, each in block:
            try:
                made.append(_line(each, reader))
            except InvalidInput as wrong:
                reader.refuse(place, *(FieldError("line", told.message) for told in wrong.errors))
        if len(made) == len(block):
            below = tuple(replace(part, rule=None, mode="schedule", anchor=None) for part in made[1:])
            reader.add(block[0][0], replace(made[0], subtasks=below))


class _Places:
    """In which line of a text what was read of it stands; asked in the order of the lines."""

    def __init__(self, text: str) -> None:
        self._lines = iter(enumerate(text.splitlines(), start=1))

    def of(self, each: Outlined) -> int:
        words = each.text.rstrip(":").strip()
        return next((place for place, line in self._lines if words in line.expandtabs(_TAB)), 0)


def _line(each: Outlined, reader: Reader) -> Draft:
    words = fields.one_line(each.text)
    if not words:
        raise InvalidInput([FieldError("line", "has no words")])
    read: Quick = quick.read(words, now=reader.now, zone=reader.zone)
    values = {"item": read.item, "importance": read.importance, "tags": read.tags, "project": read.project}
    made = fields.draft(values, now=reader.now, zone=reader.zone)
    made = replace(made, start=read.start, due=read.due, status="done" if each.done else "open")
    if read.recurrence is not None:
        made = replace(made, rule=read.recurrence.rule, mode=read.recurrence.mode)
    return made


def _entries(text: str) -> Iterator[list[str]]:
    """The lines of each entry that a todo can be made of, without those of what is nested in it (alarms)."""
    lines: list[str] | None = None
    nested = 0
    for line in _FOLD.sub("", text).splitlines():
        if lines is None:
            lines = [] if _BEGIN.match(line) else None
        elif line[:6].upper() == "BEGIN:":
            nested += 1
        elif line[:4].upper() == "END:":
            if not nested:
                yield lines
                lines = None
            nested = max(0, nested - 1)
        elif not nested and (name := _NAME.match(line)) and name[1].upper() in _FIELDS:
            lines.append(line[:_MAX_LINE])


def _entry(lines: list[str], reader: Reader) -> tuple[Draft, str]:
    """An entry as a draft, and the id of that which it belongs to."""
    try:
        read = _parsed(lines)
        values = _values(read, reader)
    except _UNREADABLE:
        wrong = [_mistake(line) for line in lines if not _is_readable(line)]
        raise InvalidInput(wrong or [FieldError("file", "has an entry that cannot be read")]) from None
    return restored(values, now=reader.now, zone=reader.zone), (_first(read, "RELATED-TO") or "").removesuffix(OURS)


def _values(read: Any, reader: Reader) -> dict[str, Any]:
    """What an entry says, as `restored` takes it."""
    values: dict[str, Any] = {
        "id": (_first(read, "UID") or "").removesuffix(OURS) or None,
        "item": _first(read, "SUMMARY"),
        "notes": _first(read, "DESCRIPTION"),
        "tags": _tags(read),
        "importance": _importance(read),
        **_dates(read, reader.zone),
    }
    if (_first(read, "STATUS") or "").upper() == "CANCELLED":
        raise InvalidInput([FieldError("status", "is cancelled there")])
    if (_first(read, "STATUS") or "").upper() == "COMPLETED" or "COMPLETED" in read:
        values["status"] = "done"
        values["completed_at"] = _completed(read)
    if "RRULE" in read:
        values["recurrence"] = {"rule": _rule(read, str(values["zone"])), "mode": "schedule"}
    return values


def _parsed(lines: list[str]) -> Any:
    return Entry.from_ical("\r\n".join(["BEGIN:VTODO", *lines, "END:VTODO", ""]))


def _is_readable(line: str) -> bool:
    try:
        _parsed([line])
    except _UNREADABLE:
        return False
    return True


def _mistake(line: str) -> FieldError:
    name = _NAME.match(line)
    field = _FIELDS[name[1].upper()] if name else "file"
    sent = line.partition(":")[2].strip()
    if field in ("start_time", "due_time"):
        return InvalidDate(sent, "Calendars write 20260115 or 20260115T140000.", field=field).errors[0]
    return FieldError(field, f"cannot be read: '{fields.one_line(sent)[:80]}'")


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, list) else value


def _first(read: Any, name: str) -> str | None:
    value = _one(read.get(name))
    return None if value is None else str(value)


def _tags(read: Any) -> list[str]:
    sent = read.get("CATEGORIES")
    groups = sent if isinstance(sent, list) else [sent] if sent is not None else []
    named = [fields.one_line(str(tag)).replace(",", " ") for group in groups for tag in group.cats]
    return [tag for tag in named if tag.strip("# ")]


def _importance(read: Any) -> str:
    """1 to 4 is high, 6 to 9 low; 5, 0 and nothing are medium."""
    number = int(_one(read.get("PRIORITY", 0)))
    return "high" if 1 <= number <= 4 else "low" if 6 <= number <= 9 else "medium"


def _dates(read: Any, zone: str) -> dict[str, str]:
    """Its dates, both on the clocks of one zone: its own where it names one, else the person's."""
    found = {name: _one(read[name]).dt for name in _DATES if name in read}
    named = [str(getattr(at.tzinfo, "key", "")) for at in found.values() if isinstance(at, datetime)]
    own = next((key for key in reversed(named) if key and key != "UTC" and key in fields.zones()), zone)
    return {_FIELDS[name]: _told(at, zone, own) for name, at in found.items()} | {"zone": own}


def _told(at: date | datetime, zone: str, own: str) -> str:
    if not isinstance(at, datetime):
        return at.isoformat() if isinstance(at, date) else str(at)
    try:
        placed = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))
        return placed.astimezone(ZoneInfo(own)).strftime("%Y-%m-%d %H:%M:%S")
    except OverflowError:
        return at.strftime("%Y-%m-%d %H:%M:%S")


def _rule(read: Any, zone: str) -> str:
    """How it repeats; the moment until when is told as its day."""
    rule = _one(read["RRULE"])
    for last in rule.get("UNTIL", ())[:1]:
        if isinstance(last, datetime):
            rule["UNTIL"] = [(last.astimezone(ZoneInfo(zone)) if last.tzinfo else last).date()]
    return str(rule.to_ical().decode())


def _completed(read: Any) -> str | None:
    at = _one(read["COMPLETED"]).dt if "COMPLETED" in read else None
    return at.isoformat() if isinstance(at, datetime) else None


def _top(key: str, found: Mapping[str, _Found]) -> str:
    """The entry that another belongs to in the end: a todo has subtasks, those have none. In a circle, itself."""
    seen, top = {key}, key
    while (above := found[top].above) in found:
        if above in seen:
            return key
        seen.add(above)
        top = above
    return top
