"""A day, or a day and a time of a zone's clocks: what a todo's dates are. Pure: no clock, no database.

A day without a time stays a day: it is no midnight of any zone. A time is the one that the clocks of its zone
show, because that is what people mean by it when the offset changes; its instant is computed when it is needed.
Where clocks are put forward, a time that they leave out is moved on by what they leave out; where they are put
back, a time that they show twice is the first of the two (PEP 495, `fold=0`).
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final
from zoneinfo import ZoneInfo

from services.errors import FieldError, InvalidInput

FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2199
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_FORMATS: Final = "Use YYYY-MM-DD or YYYY-MM-DD HH:MM:SS."
_SHOWN_CHARS: Final = 80
_MACHINE = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,][0-9]{1,9})?)?\s?(Z|[+-][0-9]{2}:?[0-9]{2})?)?",
    re.IGNORECASE,
)


class InvalidDate(InvalidInput):
    """Words that are meant as a date, or a time, or a repetition, and are none. `phrase` is what was written.

    The message starts with `Invalid date format` (or `Invalid repetition`) and names the phrase.
    """

    code = "INVALID_INPUT"
    told = "Invalid date format"

    def __init__(self, phrase: str, why: str = _FORMATS, *, field: str = "date") -> None:
        self.phrase = phrase
        self.why = why
        shown = " ".join(phrase[: _SHOWN_CHARS * 2].split())
        shown = shown if len(shown) <= _SHOWN_CHARS else shown[: _SHOWN_CHARS - 1] + "…"
        message = f"{self.told}: '{shown}'. {why}"
        super().__init__([FieldError(field, message)], message)


@dataclass(frozen=True, slots=True)
class When:
    """A day, or a time on it. `zone` is the IANA name of the zone whose clocks show `at`, and there if `at` is."""

    day: date
    at: time | None = None
    zone: str | None = None

    def __post_init__(self) -> None:
        if (self.at is None) != (self.zone is None):
            raise ValueError("a time has a zone, and a day has none")

    @property
    def text(self) -> str:
        """As it is stored and sent: `2026-01-15`, or `2026-01-15 14:00:00`."""
        if self.at is None:
            return self.day.isoformat()
        return f"{self.day.isoformat()} {self.at.isoformat('seconds')}"

    def instant(self) -> datetime | None:
        """The moment in UTC, or None for a day, which is no moment."""
        if self.at is None or self.zone is None:
            return None
        return datetime.combine(self.day, self.at, tzinfo=ZoneInfo(self.zone)).astimezone(UTC)

    def said(self, *, zone: str) -> str:
        """For people: `Thu 15 Jan 2026, 14:00`, and its zone behind it where that is not `zone` (`""`: always)."""
        moment = self.instant()
        if moment is None or self.zone is None:
            return said_day(self.day)
        shown = moment.astimezone(ZoneInfo(self.zone))  # moved on where clocks leave the time out
        clock = f"{shown:%H:%M}" if not shown.second else f"{shown:%H:%M:%S}"
        return f"{said_day(shown.date())}, {clock}" + ("" if self.zone == zone else f" ({self.zone})")


def said_day(day: date) -> str:
    """`Thu 15 Jan 2026`, in English whatever the machine's locale."""
    return f"{WEEKDAYS[day.weekday()]} {day.day} {MONTHS[day.month - 1]} {day.year}"


def today(now: datetime, zone: str) -> date:
    """The date that the calendars of `zone` show at `now`, which knows its zone."""
    return now.astimezone(ZoneInfo(zone)).date()


def settled(day: date, at: time, zone: str) -> tuple[When, str]:
    """That time of that day, and what has to be said about it where the clocks change (or nothing)."""
    at = at.replace(fold=0, tzinfo=None)
    place = ZoneInfo(zone)
    aware = datetime.combine(day, at, tzinfo=place)
    real = aware.astimezone(UTC).astimezone(place)
    moved = When(real.date(), real.time().replace(fold=0), zone)
    if real.replace(tzinfo=None) != aware.replace(tzinfo=None):
        return moved, f"Clocks go forward: there is no {at:%H:%M} on {said_day(day)}, so {moved.at:%H:%M}."
    if aware.utcoffset() != aware.replace(fold=1).utcoffset():
        return moved, f"Clocks go back: {at:%H:%M} comes twice on {said_day(day)}; this is the first."
    return moved, ""


def of_instant(instant: datetime, zone: str) -> When:
    """What the clocks of `zone` show at that moment."""
    local = instant.astimezone(ZoneInfo(zone))
    return When(local.date(), local.time().replace(microsecond=0, fold=0), zone)


def parse(text: str, zone: str) -> When:
    """What a machine wrote: `2026-01-15`, `2026-01-15 14:00:00`, `2026-01-15T14:00Z`; with an offset, told in `zone`.

    Raises:
        InvalidDate: It is not of these forms, or there is no such day or time.
    """
    return machine(text, zone)[0]


def machine(text: str, zone: str) -> tuple[When, str]:
    """As `parse`, and what has to be said about it where the clocks change."""
    found = _MACHINE.fullmatch(text.strip()[:_SHOWN_CHARS])
    if found is None:
        raise InvalidDate(text)
    day = a_day(int(found[1]), int(found[2]), int(found[3]), phrase=text)
    if found[4] is None:
        return When(day), ""
    hour, minute, second = int(found[4]), int(found[5]), int(found[6] or 0)
    if hour > 23 or minute > 59 or second > 59:
        raise InvalidDate(text, f"There is no time {hour:02}:{minute:02}:{second:02}.")
    at = time(hour, minute, second)
    if found[7] is None:
        return settled(day, at, zone)
    return of_instant(datetime.combine(day, at, tzinfo=_offset(found[7], text)), zone), ""


def a_day(year: int, month: int, day: int, *, phrase: str) -> date:
    """That day, or `InvalidDate` naming the phrase and what is wrong with it."""
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise InvalidDate(phrase, f"The year has to be from {FIRST_YEAR} to {LAST_YEAR}.")
    if not 1 <= month <= 12:
        raise InvalidDate(phrase, f"There is no month {month}. {_FORMATS}")
    if not 1 <= day <= days_in(year, month):
        has = f"{MONTHS[month - 1]} {year} has {days_in(year, month)} days"
        raise InvalidDate(phrase, f"There is no such day: {has}.")
    return date(year, month, day)


def days_in(year: int, month: int) -> int:
    """How many days that month has."""
    following = date(year + month // 12, month % 12 + 1, 1)
    return (following - timedelta(days=1)).day


def _offset(written: str, phrase: str) -> timezone:
    if written in {"Z", "z"}:
        return UTC
    digits = written[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 14 or minutes > 59:
        raise InvalidDate(phrase, f"There is no offset {written}.")
    ahead = timedelta(hours=hours, minutes=minutes)
    return timezone(-ahead if written[0] == "-" else ahead)
