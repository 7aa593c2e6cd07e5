"""What repeats, and when it comes again: RFC 5545 rules, kept to those that a todo can mean. Pure.

Each next date is found from the anchor, which is the first one, and never from the last one: nothing drifts. Days
that a month does not have are its last: the 31st of April is the 30th, 29 February is the 28th in most years. RFC
5545 would leave them out; written as the last of `BYMONTHDAY=28,29,30` its rules say the same, so that what we
keep means the same in other people's calendars.

Source: RFC 5545, section 3.3.10; `dateutil.rrule` computes it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, Literal

from dateutil.rrule import rrulestr

from services import when
from services.when import InvalidDate, When

Mode = Literal["schedule", "completion"]

MAX_INTERVAL: Final = 999
MAX_RULE_CHARS: Final = 200
_MAX_COUNT: Final = 10_000
# In how many of its intervals a rule has to have a day: eight leap years, and one that is none (1900, 2100).
_INTERVALS_AHEAD: Final = 48
_DAYS_OF: Final = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 31, "YEARLY": 366}
_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_LEAP_YEAR: Final = date(2024, 1, 1)
_LAST: Final = date(when.LAST_YEAR, 12, 31)
_WHICH: Final = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", -1: "last"}
_DAY_NAMES: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTH_NAMES: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_UNITS: Final = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}

# What each part may be, by the frequency that may have it.
_PARTS: Final = {
    "INTERVAL": re.compile(r"[0-9]{1,3}"),
    "COUNT": re.compile(r"[0-9]{1,5}"),
    "UNTIL": re.compile(r"[0-9]{8}(?:T[0-9]{6}Z?)?"),
    "WKST": re.compile(r"MO|SU"),
    "BYDAY": re.compile(r"(?:[+-]?[1-5])?(?:MO|TU|WE|TH|FR|SA|SU)(?:,(?:[+-]?[1-5])?(?:MO|TU|WE|TH|FR|SA|SU)){0,13}"),
    "BYMONTHDAY": re.compile(r"-?[0-9]{1,2}(?:,-?[0-9]{1,2}){0,30}"),
    "BYMONTH": re.compile(r"[0-9]{1,2}(?:,[0-9]{1,2}){0,11}"),
    "BYSETPOS": re.compile(r"-?[0-9]{1,2}(?:,-?[0-9]{1,2}){0,9}"),
}
_LARGEST: Final = {"BYMONTHDAY": 31, "BYMONTH": 12, "BYSETPOS": 31}
_ALWAYS: Final = {"INTERVAL", "COUNT", "UNTIL", "WKST"}
_ALLOWED: Final = {
    "DAILY": _ALWAYS,
    "WEEKLY": _ALWAYS | {"BYDAY"},
    "MONTHLY": _ALWAYS | {"BYDAY", "BYMONTHDAY", "BYSETPOS"},
    "YEARLY": _ALWAYS | {"BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS"},
}


class InvalidRepetition(InvalidDate):
    """Words or a rule that are meant as a repetition, and are none that we keep."""

    told = "Invalid repetition"

    def __init__(self, phrase: str, why: str = "", *, field: str = "recurrence") -> None:
        super().__init__(phrase, why or 'Write it as "every monday" or "every 2 weeks".', field=field)


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A rule of RFC 5545 without its `RRULE:`, and what its interval is counted from."""

    rule: str
    mode: Mode = "schedule"


def checked(rule: str, mode: str = "schedule") -> Recurrence:
    """What a client or an import sent, in one spelling.

    Raises:
        InvalidRepetition: It is no rule, or one that repeats within a day or that no todo can mean.
    """
    text = rule.strip()[: MAX_RULE_CHARS + 1].upper().removeprefix("RRULE:")
    if len(text) > MAX_RULE_CHARS or mode not in ("schedule", "completion"):
        raise InvalidRepetition(rule)
    parts: dict[str, str] = {}
    for part in text.strip(";").split(";"):
        name, _, value = part.partition("=")
        if name in parts or not value:
            raise InvalidRepetition(rule, "This is no recurrence rule (RFC 5545).")
        parts[name] = value
    _check(parts, rule)
    if mode == "completion" and "COUNT" in parts:
        raise InvalidRepetition(rule, "What repeats after it is completed cannot end after a number of times.")
    if parts.get("INTERVAL") == "1":
        del parts["INTERVAL"]
    return Recurrence(joined(parts), "completion" if mode == "completion" else "schedule")


def _check(parts: Mapping[str, str], rule: str) -> None:
    frequency = parts.get("FREQ", "")
    if frequency in {"HOURLY", "MINUTELY", "SECONDLY"}:
        raise InvalidRepetition(rule, "Todos repeat by days, weeks, months or years, not within a day.")
    if frequency not in _ALLOWED:
        raise InvalidRepetition(rule, "This is no recurrence rule (RFC 5545).")
    for name, value in parts.items():
        if name == "FREQ":
            continue
        if name not in _ALLOWED[frequency] or not _PARTS[name].fullmatch(value):
            raise InvalidRepetition(rule, f"{name} is not understood here.")
        if name in _LARGEST and not all(0 < abs(int(each)) <= _LARGEST[name] for each in value.split(",")):
            raise InvalidRepetition(rule, "This is no recurrence rule (RFC 5545).")
    numbered = any(character.isdigit() for character in parts.get("BYDAY", ""))
    if (frequency == "WEEKLY" and numbered) or not 0 < int(parts.get("INTERVAL", "1")) <= MAX_INTERVAL:
        raise InvalidRepetition(rule, "This is no recurrence rule (RFC 5545).")
    if frequency == "YEARLY" and "BYMONTH" not in parts and len(parts.keys() - _ALWAYS) > 1:
        raise InvalidRepetition(rule, "A rule by years names its month (BYMONTH).")
    if "COUNT" in parts and ("UNTIL" in parts or not 0 < int(parts["COUNT"]) <= _MAX_COUNT):
        raise InvalidRepetition(rule, "COUNT and UNTIL do not go together.")
    if not _can_come(parts):
        raise InvalidRepetition(rule, "It never comes.")
    try:
        if _until(parts).year < when.FIRST_YEAR:
            raise InvalidRepetition(rule, "It never comes.")
        if not _comes(
            joined({name: _sorted(value) for name, value in parts.items() if name not in {"UNTIL", "COUNT"}})
        ):
            raise InvalidRepetition(rule, "It never comes.")
    except ValueError as exc:
        raise InvalidRepetition(rule, "This is no recurrence rule (RFC 5545).") from exc


@lru_cache(maxsize=512)
def _comes(rule: str) -> bool:
    return _after(Recurrence(rule), _LEAP_YEAR, _LEAP_YEAR) is not None


def _sorted(value: str) -> str:
    return ",".join(sorted(set(value.split(","))))


def _can_come(parts: Mapping[str, str]) -> bool:
    """Whether it is worth looking for a day: dateutil looks for what never comes until the year 9999."""
    if "BYDAY" in parts and "BYMONTHDAY" in parts:
        return False
    days = [int(day) for day in parts.get("BYMONTHDAY", "1").split(",")]
    longest = max(when.days_in(2024, int(month)) for month in parts.get("BYMONTH", "1").split(","))
    named = set(parts.get("BYDAY", "").split(","))
    if len({bool(day[:-2]) for day in named}) > 1 or ("BYSETPOS" in parts and any(day[:-2] for day in named)):
        # dateutil takes both for conditions, and most of them never come.
        return False
    # Three weekdays at most are there five times in a month.
    most = 4 * len(named) + min(len(named), 3) if "BYDAY" in parts else len(set(days))
    most *= parts.get("BYMONTH", "").count(",") + 1 if parts["FREQ"] == "YEARLY" else 1
    places = [abs(int(place)) for place in parts.get("BYSETPOS", "1").split(",")]
    return min(abs(day) for day in days) <= longest and min(places) <= most


def joined(parts: Mapping[str, str]) -> str:
    """The parts as a rule, in the order of the RFC's examples."""
    order = ("FREQ", "INTERVAL", "BYMONTH", "BYMONTHDAY", "BYDAY", "BYSETPOS", "WKST", "UNTIL", "COUNT")
    return ";".join(f"{name}={parts[name]}" for name in order if name in parts)


def split(rule: str) -> dict[str, str]:
    """The parts of a rule by name."""
    return dict(part.split("=", 1) for part in rule.split(";"))


def days_of_month(days: list[int]) -> dict[str, str]:
    """The parts that say these days of a month, each the month's last where it has no such day.

    Raises:
        ValueError: Two of them are after the 28th: in February they would be one.
    """
    days = sorted(set(days))
    late = [day for day in days if day > 28]
    if len(late) > 1:
        raise ValueError("two days after the 28th")
    if not late or late == [31]:
        named = [-1 if day == 31 else day for day in days]
        return {"BYMONTHDAY": ",".join(map(str, named))}
    early = days[:-1]
    written = sorted({*early, *range(28, late[0] + 1)})
    places = [*range(1, len(early) + 1), -1]
    return {"BYMONTHDAY": ",".join(map(str, written)), "BYSETPOS": ",".join(map(str, places))}


def pinned(recurrence: Recurrence, anchor: date) -> str:
    """The rule with the day that its anchor gives it written out, as other calendars need it."""
    parts = split(recurrence.rule)
    if parts["FREQ"] == "WEEKLY" and "BYDAY" not in parts:
        parts["BYDAY"] = _DAYS[anchor.weekday()]
    if parts["FREQ"] == "YEARLY" and "BYMONTH" not in parts:
        parts["BYMONTH"] = str(anchor.month)
    if parts["FREQ"] in ("MONTHLY", "YEARLY") and "BYDAY" not in parts and "BYMONTHDAY" not in parts:
        months = [int(month) for month in parts.get("BYMONTH", "2").split(",")]
        if len(months) == 1 and anchor.day > when.days_in(2025, months[0]):
            parts |= days_of_month([anchor.day])
        else:
            parts["BYMONTHDAY"] = str(anchor.day)
    return joined(parts)


def following(recurrence: Recurrence, *, anchor: When, day: When, today: date) -> When | None:
    """The next one after that of `day`, done on `today`; None where the repetition is over.

    Args:
        anchor: The first of the series: the time of its day is that of all, on the clocks of its zone.
        day: The one that is done.
        today: The date in the zone of the person; what was missed until then is left out.
    """
    if recurrence.mode == "completion":
        found = _after_completion(recurrence, today)
    else:
        found = _after(recurrence, anchor.day, max(day.day, today))
    return None if found is None else on(found, anchor)


def first(recurrence: Recurrence, *, start: When) -> When | None:
    """The first of a series that starts at or after that day, at its time: the intervals begin there."""
    parts = split(recurrence.rule)
    parts.pop("INTERVAL", None)
    found = _after(Recurrence(joined(parts)), start.day, start.day - timedelta(days=1))
    return None if found is None else on(found, start)


def on(day: date, like: When) -> When:
    """That day, at the time of the other."""
    if like.at is None or like.zone is None:
        return When(day)
    return when.settled(day, like.at, like.zone)[0]


def _after(recurrence: Recurrence, anchor: date, day: date) -> date | None:
    """The first day of the rule after `day`. A long way is not walked: the start is moved on by whole intervals."""
    parts = split(pinned(recurrence, anchor))
    day = max(day, anchor - timedelta(days=1))
    begin = anchor if "COUNT" in parts else _moved_on(parts, anchor, day)
    ahead = timedelta(days=_DAYS_OF[parts["FREQ"]] * int(parts.get("INTERVAL", "1")) * _INTERVALS_AHEAD)
    last = min(day + min(ahead, _LAST - day) if day < _LAST else _LAST, _until(parts))
    if "COUNT" not in parts:
        parts["UNTIL"] = f"{last:%Y%m%d}"
    for found in _ruled(parts, datetime.combine(begin, time())):
        if found.date() > day:
            return found.date() if found.date() <= last else None
    return None


def _moved_on(parts: Mapping[str, str], anchor: date, day: date) -> date:
    interval = int(parts.get("INTERVAL", "1"))
    passed = max(0, (day - anchor).days)
    if parts["FREQ"] == "DAILY":
        return anchor + timedelta(days=passed // interval * interval)
    if parts["FREQ"] == "WEEKLY":
        week = anchor - timedelta(days=(anchor.weekday() + (parts.get("WKST") == "SU")) % 7)
        moved = week + timedelta(weeks=(day - week).days // 7 // interval * interval)
        return max(anchor, moved)
    months = (day.year - anchor.year) * 12 + day.month - anchor.month if passed else 0
    step = interval * (12 if parts["FREQ"] == "YEARLY" else 1)
    skipped = max(0, months // step) * step
    month = anchor.year * 12 + anchor.month - 1 + skipped
    first_day = date(month // 12, month % 12 + 1, 1)
    return max(anchor, first_day.replace(month=1) if parts["FREQ"] == "YEARLY" else first_day)


def _after_completion(recurrence: Recurrence, today: date) -> date | None:
    parts = split(recurrence.rule)
    interval = int(parts.get("INTERVAL", "1"))
    if any(name.startswith("BY") for name in parts):
        found = _after(recurrence, today, today)
    elif parts["FREQ"] in ("DAILY", "WEEKLY"):
        found = today + timedelta(days=interval * (7 if parts["FREQ"] == "WEEKLY" else 1))
    else:
        found = months_later(today, interval * (12 if parts["FREQ"] == "YEARLY" else 1))
    return None if found is None or found > min(_until(parts), _LAST) else found


def months_later(day: date, months: int) -> date:
    """That day of a later month, or the last day that month has."""
    month = day.year * 12 + day.month - 1 + months
    year, month = month // 12, month % 12 + 1
    return date(year, month, min(day.day, when.days_in(year, month)))


def _until(parts: Mapping[str, str]) -> date:
    return datetime.strptime(parts["UNTIL"][:8], "%Y%m%d").date() if "UNTIL" in parts else _LAST


def _ruled(parts: Mapping[str, str], start: datetime) -> Iterator[datetime]:
    rule: Iterator[datetime] = iter(rrulestr(joined(parts), dtstart=start))
    return rule


def said(recurrence: Recurrence) -> str:
    """The rule in words that `recurrence.read` understands: `every month on the 1st`."""
    parts = split(recurrence.rule)
    interval, unit = int(parts.get("INTERVAL", "1")), _UNITS[parts["FREQ"]]
    text = f"every {unit}" if interval == 1 else f"every {interval} {unit}s"
    if parts["FREQ"] == "WEEKLY" and "BYDAY" in parts:
        text = _weekly(parts["BYDAY"].split(","), text)
    elif "BYDAY" in parts or "BYMONTHDAY" in parts:
        text += f" on {_days_said(parts)}"
    elif "BYMONTH" in parts:
        text += f" in {_listed([_MONTH_NAMES[int(month) - 1] for month in parts['BYMONTH'].split(',')])}"
    if "UNTIL" in parts:
        text += f" until {_until(parts).isoformat()}"
    if "COUNT" in parts:
        text += f", {parts['COUNT']} times"
    return text + (" after it is completed" if recurrence.mode == "completion" else "")


def _weekly(days: list[str], text: str) -> str:
    if days == list(_DAYS[:5]) and text == "every week":
        return "every weekday"
    names = _listed([_DAY_NAMES[_DAYS.index(day)] for day in days])
    return f"every {names}" if text == "every week" else f"{text} on {names}"


def _days_said(parts: Mapping[str, str]) -> str:
    months = [_MONTH_NAMES[int(month) - 1] for month in parts.get("BYMONTH", "").split(",") if month]
    if "BYDAY" in parts:
        days = _listed([_which_said(day, parts) for day in parts["BYDAY"].split(",")])
        if sorted(parts["BYDAY"].split(",")) == sorted(_DAYS[:5]) and "BYSETPOS" in parts:
            days = f"the {_WHICH.get(int(parts['BYSETPOS'].split(',')[0]), parts['BYSETPOS'])} workday"
        return days + (f" of {_listed(months)}" if months else "")
    days_named = [int(day) for day in parts["BYMONTHDAY"].split(",")]
    if "BYSETPOS" in parts:
        places = len(parts["BYSETPOS"].split(","))
        days_named = [*days_named[: places - 1], days_named[-1]]
    if months and len(days_named) == 1 and days_named[0] > 0:
        return _listed([f"{days_named[0]} {month}" for month in months])
    days = _listed(["the last day" if day == -1 else f"the {ordinal(day)}" for day in days_named])
    return days + (f" of {_listed(months)}" if months else "")


def _which_said(day: str, parts: Mapping[str, str]) -> str:
    number, name = day[:-2], _DAY_NAMES[_DAYS.index(day[-2:])]
    places = parts.get("BYSETPOS", "")
    which = int(number) if number else int(places) if places.lstrip("-").isdigit() else 0
    return f"the {_WHICH.get(which, f'{which}th')} {name}" if which else name


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `11th`; from the end of the month where it is negative."""
    if number < 0:
        return f"{ordinal(-number)} last day"
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
