"""Days named by their place in a month, week or year: `last friday of march`, `end of next month`. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from services import when
from services.todos.rules import months_later
from services.todos.words import DAY_NAMES, MONTH_NAMES, MONTHS, ORDINALS, WEEKDAYS, Word, at, ordinal, phrase
from services.when import InvalidDate

_WORKDAYS: Final = {"weekday", "workday"}


@dataclass(frozen=True, slots=True)
class Placed:
    """Such a day, up to the word `end`."""

    end: int
    day: date
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Scope:
    """What a day is placed in: a unit, so many of them ahead; or a month by its name, and its year if it was said."""

    end: int
    unit: str
    ahead: int = 0
    month: int = 0
    year: int = 0
    fixed: bool = False  # said so that it does not move on when it is over: "this month", "March 2027"


def match(words: Sequence[Word], index: int, today: date) -> Placed | None:
    """`end of ...`, `start of ...`, `last day of ...`, `first monday of ...`, `17th of next month`."""
    text, following = at(words, index), at(words, index + 1)
    if text in {"end", "start", "beginning"} and following in {"of", "the", "next"}:
        scope = _scope(words, index + 2 if following == "of" else index + 1, "")
        return None if scope is None else _edge(scope, today, last=text == "end")
    place = ORDINALS.get(text) or ordinal(text)
    if place is None:
        return None
    if following == "of" and ordinal(text):
        scope = _scope(words, index + 2, "month")
        if scope is None or scope.month:
            return None
        return _numbered(words, index, scope, today, place)
    kind = following if following in WEEKDAYS or following in _WORKDAYS or following == "day" else ""
    if not kind and following == "working" and at(words, index + 2) == "day":
        kind, index = "workday", index + 1
    if not kind or at(words, index + 2) not in {"of", "in"} or not -1 <= place <= 5:
        return None
    scope = _scope(words, index + 3, "" if kind == "day" else "month")
    return None if scope is None else _placed(words, index, kind, place, scope, today)


def start_of(unit: str, today: date, ahead: int) -> date:
    """The first day of today's day, week, month, quarter or year, or of one so many ahead."""
    if unit == "day":
        return today + timedelta(days=ahead)
    if unit in {"week", "workweek"}:
        return today - timedelta(days=today.weekday()) + timedelta(weeks=ahead)
    month = {"month": today.month, "quarter": (today.month - 1) // 3 * 3 + 1, "year": 1}[unit]
    return months_later(today.replace(month=month, day=1), ahead * {"month": 1, "quarter": 3, "year": 12}[unit])


def end_of(unit: str, today: date, ahead: int) -> date:
    """The last day of the same: Sunday, or Friday of a week of work."""
    if unit == "workweek":
        friday = start_of("week", today, ahead) + timedelta(days=4)
        return friday if friday >= today or ahead else friday + timedelta(days=7)
    return start_of(unit, today, ahead + 1) - timedelta(days=1)


def _scope(words: Sequence[Word], index: int, only: str) -> _Scope | None:
    """`the month`, `this month`, `next month`, `March`, `March 2027`; `month` alone behind `end of`."""
    text, following = at(words, index), at(words, index + 1)
    if text in MONTHS:
        year = int(following) if following.isdecimal() and len(following) == 4 and not words[index].stops else 0
        return _Scope(index + (2 if year else 1), "month", month=MONTHS[text], year=year, fixed=bool(year))
    named = text in {"the", "this", "next"}
    unit, end = (following, index + 2) if named else (text, index + 1)
    if unit in {"work", "working"} and at(words, end) == "week":
        unit, end = "workweek", end + 1
    if unit not in {"day", "week", "workweek", "month", "quarter", "year"} or (only and unit != only):
        return None
    return _Scope(end, unit, ahead=1 if text == "next" else 0, fixed=text in {"this", "next"})


def _edge(scope: _Scope, today: date, *, last: bool) -> Placed:
    """The last day of it, or the first; where that is over, of the one after."""
    if scope.month:
        first = _month(scope, today)
        found = _last_day(first) if last else first
        if found < today and not scope.year:
            first = first.replace(year=first.year + 1)
            found = _last_day(first) if last else first
        return Placed(scope.end, found)
    if last:
        return Placed(scope.end, end_of(scope.unit, today, scope.ahead))
    found = start_of(scope.unit, today, scope.ahead)
    if found < today and not scope.fixed:
        found = start_of(scope.unit, today, 1)
    return Placed(scope.end, found)


def _month(scope: _Scope, today: date) -> date:
    if scope.month:
        when_said = scope.year or today.year
        return when.a_day(when_said, scope.month, 1, phrase=str(when_said))
    return start_of(scope.unit, today, scope.ahead)


def _last_day(first: date) -> date:
    return first.replace(day=when.days_in(first.year, first.month))


def _placed(words: Sequence[Word], index: int, kind: str, place: int, scope: _Scope, today: date) -> Placed | None:
    """That day of the month; where it is over, of the next month, or of the next year's month of that name."""
    if kind == "day":
        if place == -1:
            return _edge(scope, today, last=True)
        return _edge(scope, today, last=False) if place == 1 else None
    first = _month(scope, today)
    step = 12 if scope.month else 1
    found = _nth(first, kind, place)
    if (found is None or found < today) and not scope.fixed:
        for ahead in range(1, 13):
            found = _nth(months_later(first, step * ahead), kind, place)
            if found is not None:
                break
    if found is None:
        name = DAY_NAMES[WEEKDAYS[kind]] if kind in WEEKDAYS else kind
        why = f"{MONTH_NAMES[first.month - 1]} {first.year} has no such {name}."
        raise InvalidDate(phrase(words, index, scope.end), why)
    moved = (found.year, found.month) != (first.year, first.month)
    note = f"This one is over or there is none: {when.said_day(found)}." if moved and not scope.month else ""
    return Placed(scope.end, found, note)


def _nth(first: date, kind: str, place: int) -> date | None:
    """The first, ... or last day of that name in the month that begins there."""
    days = [first.replace(day=number) for number in range(1, when.days_in(first.year, first.month) + 1)]
    if kind in _WORKDAYS:
        named = [day for day in days if day.weekday() < 5]
    else:
        named = [day for day in days if day.weekday() == WEEKDAYS[kind]]
    position = place if place < 0 else place - 1
    return named[position] if -len(named) <= position < len(named) else None


def _numbered(words: Sequence[Word], index: int, scope: _Scope, today: date, day: int) -> Placed:
    first = _month(scope, today)
    if not scope.fixed and day <= when.days_in(first.year, first.month) and first.replace(day=day) < today:
        first = months_later(first, 1)
    found = when.a_day(first.year, first.month, day, phrase=phrase(words, index, scope.end))
    return Placed(scope.end, found)
