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
from services.todos.quick import Quick
from services.todos.transfer import Reader, restored
from services.when import InvalidDate

_FOLD: Final = re.compile(r"\r?\n[ \t]")
_BEGIN: Final = re.compile(r"BEGIN:(VTODO|VEVENT)\s*\Z", re.IGNORECASE)
_NAME: Final = re.compile(r"([A-Z-]+)[;:]", re.IGNORECASE)
_MAX_LINE: Final = 50_000
_FIELDS: Final[Mapping[str, str]] = {
    "SUMMARY": "item", "DESCRIPTION": "notes", "DTSTART": "start_time", "DUE": "due_time", "RRULE": "recurrence",
    "CATEGORIES": "tags", "PRIORITY": "importance", "STATUS": "status", "COMPLETED": "completed_at",
    "RELATED-TO": "parent_id", "UID": "id",
}  # fmt: skip
_DATES: Final = ("DTSTART", "DUE")
# A bullet, a number, or nothing; then perhaps a box, ticked or not.
_MARK: Final = re.compile(r"[ \t]*(?:(?:[-*+•‣◦·–]|[0-9]{1,4}[.)])[ \t]+)?(?:\[([ xX✓✔]?)\][ \t]+|([☐☑✅✔✓])[ \t]*)?")
_TICKED: Final = frozenset("xX✓✔☑✅")
_TAB: Final = 4


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
    """A todo a line, in the words of the quick line; bullets, numbers and boxes are none of its words.

    What is indented below a line is its subtasks. An indented line that cannot be read spoils its todo: half of one
    is not what was meant.
    """
    block: list[tuple[int, str]] = []
    depth = 0
    for place, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        indent = _indent(line)
        if block and indent > depth:
            block.append((place, line))
            continue
        _take(block, reader)
        block, depth = [(place, line)], indent
    _take(block, reader)


def _take(block: list[tuple[int, str]], reader: Reader) -> None:
    made, is_sound = list[Draft](), True
    for place, line in block:
        try:
            made.append(_line(line, reader))
        except InvalidInput as wrong:
            is_sound = False
            reader.refuse(place, *(FieldError("line", each.message) for each in wrong.errors))
    if made and is_sound:
        below = tuple(replace(part, rule=None, mode="schedule", anchor=None) for part in made[1:])
        reader.add(block[0][0], replace(made[0], subtasks=below))


def _line(line: str, reader: Reader) -> Draft:
    mark = _MARK.match(line)
    assert mark is not None, "it may be empty"
    words = fields.one_line(line[mark.end() :])
    if not words:
        raise InvalidInput([FieldError("line", "has no words")])
    read: Quick = quick.read(words, now=reader.now, zone=reader.zone)
    values = {"item": read.item, "importance": read.importance, "tags": read.tags, "project": read.project}
    made = fields.draft(values, now=reader.now, zone=reader.zone)
    made = replace(made, start=read.start, due=read.due)
    if read.recurrence is not None:
        made = replace(made, rule=read.recurrence.rule, mode=read.recurrence.mode)
    return replace(made, status="done") if (mark[1] or mark[2]) in _TICKED else made


def _indent(line: str) -> int:
    head = line[: len(line) - len(line.lstrip(" \t"))]
    return len(head.expandtabs(_TAB))


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
    except ValueError:
        wrong = [_mistake(line) for line in lines if not _is_readable(line)]
        raise InvalidInput(wrong or [FieldError("file", "has an entry that cannot be read")]) from None
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
    return restored(values, now=reader.now, zone=reader.zone), (_first(read, "RELATED-TO") or "").removesuffix(OURS)


def _parsed(lines: list[str]) -> Any:
    return Entry.from_ical("\r\n".join(["BEGIN:VTODO", *lines, "END:VTODO", ""]))


def _is_readable(line: str) -> bool:
    try:
        _parsed([line])
    except ValueError:
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
