"""The days that repeat in a week, a month or a year: `mon, wed and fri`, `the last friday`, `Feb 29`. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from services.todos.clocks import Clock
from services.todos.rules import InvalidRepetition, Mode, days_of_month
from services.todos.words import MONTHS, ORDINALS, WEEKDAYS, Word, at, day_number, ordinal, phrase, texts
from services.todos.written import Day, Hold

Parts = dict[str, str]

WORKDAYS: Final = "MO,TU,WE,TH,FR"
PLACES: Final = ORDINALS | {"2nd": 2}
_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_SPLIT = re.compile(r"[,/&]")
_MAX_LISTED: Final = 7


@dataclass(frozen=True, slots=True)
class Found:
    """Words that say a repetition, from word `start` to word `end`.

    Attributes:
        parts: The rule.
        begin, until: The days that were named for its beginning and its end.
        lasting: Or how long it goes on: so many weeks.
        hold: Where in a line these words may be one.
    """

    start: int
    end: int
    parts: Parts = field(default_factory=dict)
    mode: Mode = "schedule"
    clock: Clock | None = None
    part: str = ""
    begin: Day | None = None
    until: Day | None = None
    lasting: tuple[int, str] | None = None
    hold: Hold = Hold.SURE


def weekday(text: str) -> int | None:
    found = WEEKDAYS.get(text)
    return WEEKDAYS.get(text[:-1]) if found is None and text.endswith("s") and len(text) > 6 else found


def weekdays(words: Sequence[Word], begin: int) -> tuple[str, int] | None:
    """`mon, wed and fri`, `mon/wed/fri`: their codes from Monday on, and where they end."""
    days_named: set[int] = set()
    index = begin
    while index < len(words) and len(days_named) < _MAX_LISTED:
        text = at(words, index)
        step = 1
        if days_named and text in {"and", "&", "+"}:
            text, step = at(words, index + 1), 2
        listed = [weekday(each) for each in _SPLIT.split(text)] if len(text) < 60 else [None]
        if not text or None in listed:
            break
        days_named.update(day for day in listed if day is not None)
        index += step
        if words[index - 1].stops:
            break
        if (
            words[index - 1].ends != ","
            and at(words, index) not in {"and", "&", "+"}
            and at(words, index) not in WEEKDAYS
        ):
            break
    if not days_named:
        return None
    return ",".join(_DAYS[day] for day in sorted(days_named)), index


def in_month(words: Sequence[Word], begin: int, index: int) -> Found | None:
    """`1st`, `1st and 15th`, `31st of the month`, `last day`, `first monday of january`, `last workday`."""
    begin = begin + 1 if at(words, begin) == "the" else begin
    text, following = at(words, begin), at(words, begin + 1)
    place = PLACES.get(text)
    found = None
    if place is not None and (weekday(following) is not None or following in {"weekday", "workday"}):
        found = _placed_weekday(words, begin, index, place)
    elif place is not None and following == "working" and at(words, begin + 2) == "day":
        found = Found(index, begin + 3, {"FREQ": "MONTHLY", "BYDAY": WORKDAYS, "BYSETPOS": str(place)})
    elif text in {"last", "first"} and following == "day":
        found = Found(index, begin + 2, {"FREQ": "MONTHLY", "BYMONTHDAY": "-1" if text == "last" else "1"})
    else:
        found = _month_days(words, begin, index)
    return None if found is None else _of(words, found)


def _placed_weekday(words: Sequence[Word], begin: int, index: int, place: int) -> Found:
    following = at(words, begin + 1)
    named = weekday(following)
    if named is None:
        return Found(index, begin + 2, {"FREQ": "MONTHLY", "BYDAY": WORKDAYS, "BYSETPOS": str(place)})
    return Found(index, begin + 2, {"FREQ": "MONTHLY", "BYDAY": f"{place}{_DAYS[named]}"})


def _month_days(words: Sequence[Word], begin: int, index: int) -> Found | None:
    """`1st`, `1st and 15th`, `1st, 10th and 20th`."""
    named: list[int] = []
    end = begin
    while len(named) < _MAX_LISTED:
        step = 1 if named and at(words, end) in {"and", "&"} else 0
        step += 1 if at(words, end + step) == "the" and named else 0
        day = ordinal(at(words, end + step))
        if day is None:
            break
        named.append(day)
        end += step + 1
        if words[end - 1].stops or (words[end - 1].ends != "," and at(words, end) not in {"and", "&"}):
            break
    if not named or (len(named) == 1 and at(words, end) in {"of"} and at(words, end + 1) in MONTHS):
        return None
    try:
        parts = days_of_month(named)
    except ValueError as exc:
        why = "Short months have only one last day: name one day after the 28th."
        raise InvalidRepetition(phrase(words, index, end), why) from exc
    # "Send every 3rd invoice" is no date; at an edge of the line, or with a time, it is one.
    return Found(index, end, {"FREQ": "MONTHLY", **parts}, hold=Hold.SURE if len(named) > 1 else Hold.EDGE)


def _of(words: Sequence[Word], found: Found) -> Found:
    """`of the month`, `of every month`, `of january`, behind days of a month."""
    end = found.end
    if at(words, end) not in {"of", "in"} or words[end - 1].ends:
        return found
    said = texts(words, end + 1, 2)
    if said in {("the", "month"), ("every", "month"), ("each", "month"), ("a", "month")}:
        return replace(found, end=end + 3, hold=Hold.SURE)
    if said[:1] == ("month",):
        return replace(found, end=end + 2, hold=Hold.SURE)
    if said and said[0] in MONTHS:
        return replace(
            found, end=end + 2, hold=Hold.SURE, parts=found.parts | {"FREQ": "YEARLY", "BYMONTH": str(MONTHS[said[0]])}
        )
    return found


def in_year(words: Sequence[Word], begin: int, index: int) -> Found | None:
    """`Feb 29`, `29 february`, `the 29th of february`, `january`."""
    begin = begin + 1 if at(words, begin) == "the" else begin
    text, following = at(words, begin), at(words, begin + 1)
    if text in MONTHS:
        day = ordinal(following) or day_number(following)
        if day is None:
            return _yearly(words, index, MONTHS[text], 1, begin + 1) if len(text) > 3 or text == "may" else None
        return _yearly(words, index, MONTHS[text], day, begin + 2)
    day = ordinal(text) or day_number(text)
    month, end = (following, begin + 2) if following != "of" else (at(words, begin + 2), begin + 3)
    if day is None or month not in MONTHS:
        return None
    return _yearly(words, index, MONTHS[month], day, end)


def _yearly(words: Sequence[Word], index: int, month: int, day: int, end: int) -> Found:
    longest = 31 if month in {1, 3, 5, 7, 8, 10, 12} else 29 if month == 2 else 30
    if day > longest:
        raise InvalidRepetition(phrase(words, index, end), "There is no such day in any year.")
    on_day = days_of_month([day]) if day == 29 and month == 2 else {"BYMONTHDAY": str(day)}
    return Found(index, end, {"FREQ": "YEARLY", "BYMONTH": str(month), **on_day})
