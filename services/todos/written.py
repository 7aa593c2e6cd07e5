"""Days as they are written, of any calendar: `Feb 17`, `17th`, `17.2.2027`, `5/6`, `2026-W12`. Pure.

Each says how sure it is in the middle of other words (`Hold`), because a line is mostly no date: "march in the
parade" is none, and "in march" is one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum
from typing import Final
from zoneinfo import ZoneInfo

from services import when
from services.todos import ofmonths
from services.todos.rules import months_later
from services.todos.words import MONTHS, Word, at, day_number, names, ordinal, phrase
from services.when import InvalidDate, When


class Hold(IntEnum):
    """Where in a line those words may be a date."""

    WHOLE = 0  # only where they are all there is
    LED = 1  # after a preposition: on, by, until ...
    END = 2  # or at the end of the line
    EDGE = 3  # or at its beginning
    SURE = 4  # anywhere


@dataclass(frozen=True, slots=True)
class Said:
    """Who says it when: what every day is counted from."""

    now: datetime
    zone: str
    today: date
    month_first: bool

    @classmethod
    def of(cls, now: datetime, zone: str) -> "Said":
        return cls(now, zone, when.today(now, zone), _month_first(zone))

    @property
    def clock(self) -> datetime:
        """What the clocks of the zone show, without the zone."""
        return self.now.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)


@dataclass(frozen=True, slots=True)
class Day:
    """A day, up to the word `end`. `part` is the part of it that was named; `moment` stands for all where it is."""

    end: int
    day: date
    hold: Hold = Hold.SURE
    part: str = ""
    moment: When | None = None
    note: str = ""


# Where people write the month first: the United States and what keeps their clocks.
_MONTH_FIRST: Final = names(
    "America/New_York America/Detroit America/Chicago America/Menominee America/Denver America/Boise America/Phoenix "
    "America/Los_Angeles America/Anchorage America/Juneau America/Sitka America/Metlakatla America/Yakutat "
    "America/Nome America/Adak Pacific/Honolulu America/Louisville America/Indianapolis America/Puerto_Rico "
    "Pacific/Guam EST5EDT CST6CDT MST7MDT PST8PDT"
)
_MONTH_FIRST_FOLDERS: Final = ("US/", "America/Indiana/", "America/Kentucky/", "America/North_Dakota/")

_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:t[0-9:.,z+-]{4,30})?")
_ISO_OFFSET = re.compile(r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:z|\+[0-9:]{4,5})|[0-9:]{8}-[0-9:]{4,5}")
_ISO_WEEK = re.compile(r"([0-9]{4})-?w([0-9]{2})(?:-?([1-7]))?")
_YEAR_FIRST = re.compile(r"([0-9]{4})[/.]([0-9]{1,2})[/.]([0-9]{1,2})")
_SLASHED = re.compile(r"([0-9]{1,2})([/.-])([0-9]{1,2})(?:\2([0-9]{4}|[0-9]{2}))?")
_TIME = re.compile(r"[0-9]{1,2}:[0-9]{2}(?:-[0-9]{1,2}:[0-9]{2})?")
_YEAR = re.compile(r"(?:19|20|21)[0-9]{2}")
_FRACTIONS: Final = {"1/2", "1/3", "2/3", "1/4", "3/4", "1/8", "3/8", "5/8", "7/8", "24/7", "9/11"}
# What is counted or numbered, so that the number before it is no day: "on the 5th floor", "march 31 km".
_NOUNS: Final = names(
    "floor avenue ave street st road grade place chapter page edition attempt time anniversary birthday day days row "
    "level position item hand class season episode part draft version century gear generation party quarter prize "
    "km kilometers kilometres miles m meters metres people guests persons pages times kg g pounds lbs euros dollars "
    "percent % laps points copies pieces boxes bottles eggs minutes min hours cups amendment symphony wave"
)


def _month_first(zone: str) -> bool:
    return zone in _MONTH_FIRST or zone.startswith(_MONTH_FIRST_FOLDERS)


def numbered(words: Sequence[Word], index: int, said: Said) -> Day | None:
    text = at(words, index)
    if _ISO_DAY.fullmatch(text):
        return _iso(words, index, said)
    named = ordinal(text)
    if named is not None:
        return _ordinal(words, index, named, said)
    if text.isdecimal():
        day, following = day_number(text), at(words, index + 1)
        if day and following in MONTHS and words[index].ends in {"", "."}:
            return _day_of_month(words, (index, index + 2), (MONTHS[following], day), said)
        return None
    week = _ISO_WEEK.fullmatch(text)
    if week is not None:
        return _iso_week(words, index, (int(week[1]), int(week[2]), int(week[3] or 1)))
    first = _YEAR_FIRST.fullmatch(text)
    if first is not None:
        day_of = when.a_day(int(first[1]), int(first[2]), int(first[3]), phrase=phrase(words, index, index + 1))
        return Day(index + 1, day_of)
    parts = _SLASHED.fullmatch(text)
    return _slashed(words, index, said) if parts is not None else None


def month(words: Sequence[Word], index: int, said: Said) -> Day | None:
    """`Feb 17`, `February 17th, 2027`, `March 2027`; a month alone is one only where it is all there is."""
    following = at(words, index + 1)
    day = ordinal(following) or day_number(following)
    if day is None or words[index].ends not in {"", "."}:
        return month_alone(words, index, said, hold=Hold.WHOLE)
    return _day_of_month(words, (index, index + 2), (MONTHS[at(words, index)], day), said)


def month_alone(words: Sequence[Word], index: int, said: Said, *, hold: Hold) -> Day | None:
    number, following = MONTHS[at(words, index)], at(words, index + 1)
    if _YEAR.fullmatch(following) and words[index].ends in {"", ".", ","}:
        day, end, hold = date(int(following), number, 1), index + 2, Hold.SURE
    else:
        day, end = date(said.today.year + (number < said.today.month), number, 1), index + 1
        if number == said.today.month:
            day = said.today
    return Day(end, day, hold, note=f"A month is read as its first day: {when.said_day(day)}.")


def _day_of_month(words: Sequence[Word], place: tuple[int, int], named: tuple[int, int], said: Said) -> Day | None:
    """A month and a day of it, whose year may stand behind them; else it is the next such day."""
    (index, end), (number, day) = place, named
    year = at(words, end)
    if year in _NOUNS and not words[end - 1].ends:
        return None
    if _YEAR.fullmatch(year) and words[end - 1].ends in {"", ","}:
        return Day(end + 1, when.a_day(int(year), number, day, phrase=phrase(words, index, end + 1)))
    if day > when.days_in(2024, number):
        when.a_day(said.today.year, number, day, phrase=phrase(words, index, end))
    found = said.today.year
    while ((number, day) < (said.today.month, said.today.day) and found == said.today.year) or (
        day > when.days_in(found, number)
    ):
        found += 1
    note = f"The next 29 February is {when.said_day(date(found, number, day))}." if (number, day) == (2, 29) else ""
    return Day(end, date(found, number, day), note=note)


def _iso(words: Sequence[Word], index: int, said: Said) -> Day:
    """A machine's date, with the time that may stand in the next word; its spelling is checked in `when`."""
    text, behind = at(words, index), at(words, index + 1)
    if "t" not in text and _ISO_OFFSET.fullmatch(behind):
        found, note = when.machine(f"{text} {behind}", said.zone)
        return Day(index + 2, found.day, moment=found, note=note)
    if "t" in text:
        found, note = when.machine(text, said.zone)
        return Day(index + 1, found.day, moment=found if found.at else None, note=note)
    return Day(index + 1, when.parse(text, said.zone).day)


def _iso_week(words: Sequence[Word], index: int, named: tuple[int, int, int]) -> Day:
    try:
        day = date.fromisocalendar(*named)
    except ValueError as exc:
        raise InvalidDate(phrase(words, index, index + 1), f"{named[0]} has no week {named[1]}.") from exc
    return Day(index + 1, when.a_day(day.year, day.month, day.day, phrase=phrase(words, index, index + 1)))


def _ordinal(words: Sequence[Word], index: int, day: int, said: Said) -> Day | None:
    """`17th`, `17th of February`, `17th of next month`, `1st monday of march`."""
    placed = ofmonths.match(words, index, said.today)
    if placed is not None:
        return Day(placed.end, placed.day, note=placed.note)
    following = at(words, index + 1)
    if following in MONTHS and not words[index].stops:
        return _day_of_month(words, (index, index + 2), (MONTHS[following], day), said)
    if following == "of" and at(words, index + 2) in MONTHS:
        return _day_of_month(words, (index, index + 3), (MONTHS[at(words, index + 2)], day), said)
    if following in _NOUNS and not words[index].ends:
        return None
    first = said.today.replace(day=1)
    while day > when.days_in(first.year, first.month) or first.replace(day=day) < said.today:
        first = months_later(first, 1)
    return Day(index + 1, first.replace(day=day), Hold.END)


def _is_day_for_certain(words: Sequence[Word], index: int, day: int) -> bool:
    """Whether `24.12.` is no number at the end of a sentence: there is no such version, or a time is behind it."""
    return day > 12 or bool(_TIME.fullmatch(at(words, index + 1)))


def _slashed(words: Sequence[Word], index: int, said: Said) -> Day | None:
    """`5/6`, `5/6/2026`, `17.2.2027`, `17.2.`: with dots the day is first, with strokes it is as the zone writes."""
    text, written = at(words, index), phrase(words, index, index + 1)
    parts = _SLASHED.fullmatch(text)
    if parts is None:
        return None
    one, other, mark = int(parts[1]), int(parts[3]), parts[2]
    if parts[4] is None and (mark == "-" or (mark == "." and not words[index].ends.startswith("."))):
        return None
    month_first = said.month_first and mark != "."
    if mark != "." and (one > 12 or other > 12):
        month_first = other > 12
    month, day = (one, other) if month_first else (other, one)
    note = ""
    if mark != "." and one != other and one <= 12 and other <= 12:
        note = f"“{written}” is read as {day} {when.MONTHS[month - 1] if 1 <= month <= 12 else month}"
        note += f", with the {'month' if month_first else 'day'} first."
    if parts[4] is not None and len(parts[4]) == 2:
        exists = 1 <= month <= 12 and 1 <= day <= when.days_in(2000 + int(parts[4]), month)
        # 10.0.12 is a version.
        return Day(index + 1, date(2000 + int(parts[4]), month, day), note=note) if exists and mark == "/" else None
    if parts[4] is not None:
        year = int(parts[4])
        return Day(index + 1, when.a_day(year, month, day, phrase=written), note=note)
    if not 1 <= month <= 12 or not 1 <= day <= when.days_in(2024, month):
        return None
    dated = _day_of_month(words[: index + 1], (index, index + 1), (month, day), said)
    hold = Hold.LED if text in _FRACTIONS or (mark == "." and not _is_day_for_certain(words, index, day)) else Hold.END
    return None if dated is None else Day(index + 1, dated.day, hold, note=note or dated.note)
