"""Todos as a calendar that others subscribe to (ICS). Pure.

Each open todo with a date is an event on its day: Google, Apple and Outlook show events only. Those who have a place
for tasks can ask for tasks instead; both at once would be shown twice where both are known. A date stays a date, a
time is told in UTC, which no calendar misreads; what repeats is told with its zone, on whose clocks it repeats.

Source: RFC 5545; RFC 7986 (the calendar's name, how often to ask).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, vRecur
from icalendar import Todo as Task

from services.store.todos import Todo
from services.todos import recurrence
from services.todos.calendar_zones import vtimezone
from services.todos.recurrence import Recurrence
from services.when import When

Kind = Literal["events", "tasks"]

# Part of what a feed is recognised by: to be raised when the same todos are told in another way.
VERSION: Final = 1
# Behind the id of a todo: whoever imports the feed meets it again. The same whatever the site is called.
OURS: Final = "@rill"
_FIRST_YEAR: Final = 1971
_AT_ONCE: Final = 5
_END: Final = b"END:VCALENDAR\r\n"
_AGAIN: Final = timedelta(hours=1)
_PRIORITY: Final = {"high": 1, "low": 9}


@dataclass(frozen=True, slots=True)
class _Series:
    """What repeats as calendars are told it: its rule, and the date that the rule begins with."""

    rule: vRecur
    begins: date | datetime


def feed(todos: Sequence[Todo], *, zone: str, kind: Kind = "events") -> Iterator[bytes]:
    """A calendar of todos, in pieces, each the work of some milliseconds.

    Args:
        todos: With their subtasks, which have entries of their own where they have a date.
        zone: The person's.
        kind: What the entries are. Todos without a date are told as tasks only.
    """
    told = [one for todo in todos for one in (todo, *todo.subtasks) if one.status == "open"]
    if kind == "events":
        told = [one for one in told if one.day is not None]
    entries = [(one, _series(one)) for one in told]
    head = _calendar(zone)
    for name, year in sorted(_zones(series for _, series in entries if series is not None).items()):
        head.add_component(vtimezone(name, year))
    yield head.to_ical().removesuffix(_END)
    for first in range(0, len(entries), _AT_ONCE):
        yield b"".join(_entry(one, series, kind).to_ical() for one, series in entries[first : first + _AT_ONCE])
    yield _END


def _calendar(zone: str) -> Calendar:
    made = Calendar()
    made.add("prodid", "-//Rill//Todos//EN")
    made.add("version", "2.0")
    made.add("calscale", "GREGORIAN")
    made.add("method", "PUBLISH")
    made.add("name", "Todos")
    made.add("x-wr-calname", "Todos")
    made.add("x-wr-timezone", zone)
    made.add("refresh-interval", _AGAIN, parameters={"value": "DURATION"})
    made.add("x-published-ttl", "PT1H")
    return made


def _entry(todo: Todo, series: _Series | None, kind: Kind) -> Any:
    entry: Any = Event() if kind == "events" else Task()
    entry.add("uid", f"{todo.id}{OURS}")
    entry.add("dtstamp", todo.updated_at)
    entry.add("last-modified", todo.updated_at)
    entry.add("summary", todo.item)
    if words := _words(todo):
        entry.add("description", words)
    if todo.tags:
        entry.add("categories", list(todo.tags))
    if todo.importance in _PRIORITY:
        entry.add("priority", _PRIORITY[todo.importance])
    if todo.parent_id:
        entry.add("related-to", f"{todo.parent_id}{OURS}")
    if kind == "events":
        entry.add("transp", "TRANSPARENT")
        _time_event(entry, todo, series)
    else:
        entry.add("status", "NEEDS-ACTION")
        _time_task(entry, todo, series)
    if series is not None:
        entry.add("rrule", series.rule)
    return entry


def _time_event(entry: Any, todo: Todo, series: _Series | None) -> None:
    """When an event is: on its day; from its start to when it is due where both are times of one day."""
    start, due, day = todo.start, todo.due, todo.day
    assert day is not None, "events are made of todos with a date"
    if series is not None:
        entry.add("dtstart", series.begins)
    elif start and due and start.at and due.at and start.day == due.day and _told(start) < _told(due):
        entry.add("dtstart", _told(start))
        entry.add("dtend", _told(due))
    else:
        entry.add("dtstart", _told(day))


def _time_task(entry: Any, todo: Todo, series: _Series | None) -> None:
    """When a task is. The standard wants both dates of one kind and in order, and the first of them to repeat."""
    if series is not None:
        entry.add("dtstart", series.begins)
        return
    start, due = todo.start, todo.due
    if start and (due is None or ((start.at is None) == (due.at is None) and _told(start) < _told(due))):
        entry.add("dtstart", _told(start))
    if due:
        entry.add("due", _told(due))


def _told(day: When) -> Any:
    return day.instant() or day.day


def _words(todo: Todo) -> str:
    """What an entry says below its name: the notes, the project, the subtasks."""
    parts = [todo.notes] if todo.notes else []
    parts += [f"Project: {todo.project}"] if todo.project else []
    parts += (
        ["\n".join(f"{'☑' if part.is_done else '☐'} {part.item}" for part in todo.subtasks)] if todo.subtasks else []
    )
    return "\n\n".join(parts)


def _series(todo: Todo) -> _Series | None:
    """How an open todo repeats from its own date on. What is counted from its completion, nobody knows beforehand."""
    day = todo.day
    if todo.rule is None or todo.mode == "completion" or day is None:
        return None
    anchor = todo.anchor or day
    rule = vRecur.from_ical(recurrence.pinned(Recurrence(todo.rule), anchor.day))
    # A number of times is counted from the first.
    begins = anchor if "COUNT" in rule else day
    if "UNTIL" in rule:
        rule["UNTIL"] = [_until(rule["UNTIL"][0], begins)]
    return _Series(rule, _local(begins))


def _local(day: When) -> date | datetime:
    return day.day if day.at is None or day.zone is None else datetime.combine(day.day, day.at, ZoneInfo(day.zone))


def _until(end: date | datetime, begins: When) -> date | datetime:
    """The end of a rule as its beginning wants it: a day with a day, in UTC with a time; the last day belongs to it."""
    last = end.date() if isinstance(end, datetime) else end
    if begins.at is None or begins.zone is None:
        return last
    return datetime.combine(last, time(23, 59, 59), ZoneInfo(begins.zone)).astimezone(UTC)


def _zones(told: Iterable[_Series]) -> dict[str, int]:
    """The zones on whose clocks something repeats, and the first year of each."""
    found: dict[str, int] = {}
    for series in told:
        if isinstance(series.begins, datetime):
            name = str(getattr(series.begins.tzinfo, "key", "UTC"))
            found[name] = max(_FIRST_YEAR, min(series.begins.year, found.get(name, series.begins.year)))
    return {name: year for name, year in found.items() if name != "UTC"}
