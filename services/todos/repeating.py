"""Repetition in English, word by word: `every other friday at 9`, `the 1st of every month`. Pure.

What repeats within a day, and what does not say when ("twice a week"), is refused and not guessed.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from services.todos import clocks, days
from services.todos.clocks import PARTS
from services.todos.repeated import PLACES, WORKDAYS, Found, in_month, in_year, weekday, weekdays
from services.todos.rules import MAX_INTERVAL, InvalidRepetition, Mode
from services.todos.words import (
    ORDINALS,
    UNITS,
    Word,
    amount,
    at,
    compact,
    names,
    number,
    ordinal,
    phrase,
    texts,
)
from services.todos.written import Hold, Said

_EVERY: Final = names("every each ev")
_MONTH_PARTS: Final = names("BYDAY BYMONTHDAY BYSETPOS")
_FREQUENCIES: Final = {
    "day": ("DAILY", 1),
    "week": ("WEEKLY", 1),
    "fortnight": ("WEEKLY", 2),
    "month": ("MONTHLY", 1),
    "quarter": ("MONTHLY", 3),
    "year": ("YEARLY", 1),
}
_ADVERBS: Final = {
    "daily": "day",
    "weekly": "week",
    "fortnightly": "fortnight",
    "monthly": "month",
    "quarterly": "quarter",
    "yearly": "year",
    "annually": "year",
}
_UNCLEAR: Final = {
    "biweekly": 'Write "every 2 weeks", or the days of the week.',
    "bimonthly": 'Write "every 2 months", or the days of the month.',
    "semiweekly": "Name the days of the week.",
    "hourly": "Todos repeat by days, weeks, months or years, not within a day.",
}
_WITHIN_A_DAY: Final = "Todos repeat by days, weeks, months or years, not within a day."
_MANY = re.compile(r"([0-9]{1,2})x")
_TIMES: Final = {"once": 1, "twice": 2, "thrice": 3}
_DONE: Final = {
    *(("after", "completion"), ("from", "completion"), ("after", "completing"), ("when", "completed")),
    *(("after", "done"), ("when", "done"), ("after", "finishing"), ("from", "done")),
}


def match(words: Sequence[Word], index: int, said: Said) -> Found | None:
    """The repetition that begins at that word, with its time, its beginning and its end, if one does.

    Raises:
        InvalidRepetition: It is clearly meant as one, and is none that can be kept: `every 2 hours`.
        InvalidDate: A date in it is none.
    """
    text = at(words, index)
    if not text:
        return None
    found = _begun(words, index, text)
    return None if found is None else _tail(words, replace(found, start=index), said)


def _begun(words: Sequence[Word], index: int, text: str) -> Found | None:
    bare = text.removesuffix("!")
    if bare in _EVERY:
        mode: Mode = "completion" if bare != text or words[index].ends == "!" else "schedule"
        if words[index].ends not in {"", "!"}:
            return None
        found = _every(words, index + 1, index)
        return None if found is None else replace(found, mode=mode)
    if text in _ADVERBS:
        found = _unit(words, index, _ADVERBS[text], 1, index + 1)
        return replace(found, hold=Hold.SURE if found.end > index + 1 else Hold.END)
    if text in _UNCLEAR:
        # Among other words ("the biweekly report") it is one of them.
        if index + 1 == len(words):
            raise InvalidRepetition(phrase(words, index, index + 1), _UNCLEAR[text])
        return None
    if text in _TIMES or at(words, index + 1) in {"times", "time"} or _MANY.fullmatch(text):
        return _often(words, index)
    if text in {"on", "the"} or text in ORDINALS or ordinal(text):
        return _of_every(words, index) or _plural(words, index)
    if text.endswith("days"):
        return _plural(words, index)
    return _after_completion(words, index) if number(text) or compact(text) else None


def _often(words: Sequence[Word], index: int) -> Found | None:
    """`once a week`; `twice a week` does not say on which days."""
    text = at(words, index)
    many = _MANY.fullmatch(text)
    times = _TIMES.get(text) or number(many[1] if many else text)
    begin = index + 1 if text in _TIMES or many else index + 2
    unit = UNITS.get(at(words, begin + 1))
    if at(words, begin) not in {"a", "per", "each", "every"} or unit is None:
        if text in _TIMES and text != "once" and at(words, begin) in _ADVERBS:
            why = _WITHIN_A_DAY if at(words, begin) == "daily" else "Say on which days."
            raise InvalidRepetition(phrase(words, index, begin + 1), why)
        return None
    if times == 1 and unit in _FREQUENCIES:
        return _unit(words, index, unit, 1, begin + 2)
    why = _WITHIN_A_DAY if unit in {"day", "hour", "minute"} else "Say on which days."
    raise InvalidRepetition(phrase(words, index, begin + 2), why)


def _every(words: Sequence[Word], begin: int, index: int) -> Found | None:
    """What stands behind `every`."""
    text = at(words, begin)
    if text == "single":
        begin, text = begin + 1, at(words, begin + 1)
    if not text:
        return None
    for reader in (_interval, _named, in_month, in_year):
        found = reader(words, begin, index)
        if found is not None:
            return found
    return None


def _interval(words: Sequence[Word], begin: int, index: int) -> Found | None:
    """`day`, `3 days`, `2wks`, `other week`, `third month`, `other friday`."""
    text, following = at(words, begin), at(words, begin + 1)
    short = compact(text)
    if short is not None:
        return _unit(words, index, short[1], short[0], begin + 1)
    unit = _unit_of(text)
    if unit is not None and len(text) > 2:
        return _unit(words, index, unit, 1, begin + 1)
    unit, other = _unit_of(following), text in {"other", "second", "2nd"}
    count = 2 if other else PLACES.get(text) or ordinal(text) or number(text)
    if unit is not None and count is not None and text not in {"a", "an", "last"} and len(following) > 2:
        return _unit(words, index, unit, count, begin + 2)
    if other and (weekday(following) is not None):
        listed = weekdays(words, begin + 1)
        if text != "other" and at(words, begin + 2) not in {"of", "in"}:
            why = 'Write "every other friday", or "every 2nd friday of the month".'
            raise InvalidRepetition(phrase(words, index, begin + 2), why)
        if text == "other" and listed is not None:
            return Found(index, listed[1], {"FREQ": "WEEKLY", "INTERVAL": "2", "BYDAY": listed[0]})
    if text == "other" and following in {"weekday", "workday", "weekend"}:
        raise InvalidRepetition(phrase(words, index, begin + 2), "Name the days of the week.")
    return None


def _unit_of(text: str) -> str | None:
    return "fortnight" if text in {"fortnight", "fortnights"} else UNITS.get(text)


def _unit(words: Sequence[Word], index: int, unit: str, count: int, end: int) -> Found:
    """So many of a unit, and the days of it that are named behind: `every 2 weeks on monday`."""
    if unit in {"hour", "minute"}:
        raise InvalidRepetition(phrase(words, index, end), _WITHIN_A_DAY)
    frequency, times = _FREQUENCIES[unit]
    if not 1 <= count * times <= MAX_INTERVAL:
        raise InvalidRepetition(phrase(words, index, end), f"The interval has to be from 1 to {MAX_INTERVAL}.")
    parts = {"FREQ": frequency} | ({"INTERVAL": str(count * times)} if count * times > 1 else {})
    found = Found(index, end, parts)
    if end >= len(words) or words[end - 1].stops:
        return found
    begin = end + 1 if at(words, end) in {"on", "in"} else end
    if frequency == "WEEKLY" and begin > end:
        listed = weekdays(words, begin)
        return found if listed is None else replace(found, parts=parts | {"BYDAY": listed[0]}, end=listed[1])
    more = None
    if frequency == "MONTHLY" and begin > end:
        more = in_month(words, begin, index)
    if frequency == "YEARLY" and begin > end:
        more = in_year(words, begin, index) or in_month(words, begin, index)
    if more is None or "FREQ" not in more.parts or (frequency == "MONTHLY" and more.parts["FREQ"] != "MONTHLY"):
        return found
    if frequency == "YEARLY" and more.parts["FREQ"] != "YEARLY":
        return found
    return replace(more, parts=more.parts | parts, hold=Hold.SURE)


def _named(words: Sequence[Word], begin: int, index: int) -> Found | None:
    """`monday`, `mon, wed and fri`, `weekday`, `weekend`, `morning`."""
    text = at(words, begin)
    if text in {"weekday", "workday", "weekdays", "workdays"}:
        return Found(index, begin + 1, {"FREQ": "WEEKLY", "BYDAY": WORKDAYS})
    if text == "working" and at(words, begin + 1) == "day":
        return Found(index, begin + 2, {"FREQ": "WEEKLY", "BYDAY": WORKDAYS})
    if text == "weekend":
        return Found(index, begin + 1, {"FREQ": "WEEKLY", "BYDAY": "SA"})
    if text in PARTS:
        return Found(index, begin + 1, {"FREQ": "DAILY"}, part=text)
    listed = weekdays(words, begin)
    return None if listed is None else Found(index, listed[1], {"FREQ": "WEEKLY", "BYDAY": listed[0]})


def _of_every(words: Sequence[Word], index: int) -> Found | None:
    """`on the 1st of every month`, `the last friday of each month`."""
    begin = index + 1 if at(words, index) == "on" else index
    found = in_month(words, begin, index) or _first_of(words, begin, index)
    if found is None or texts(words, found.end - 2, 2) not in {("every", "month"), ("each", "month")}:
        return None
    return found


def _first_of(words: Sequence[Word], begin: int, index: int) -> Found | None:
    """`the first of every month`, where its day has no word of its own."""
    begin = begin + 1 if at(words, begin) == "the" else begin
    day, of = ORDINALS.get(at(words, begin)), at(words, begin + 1)
    if day is None or of != "of" or words[begin].ends:
        return None
    return Found(index, begin + 4, {"FREQ": "MONTHLY", "BYMONTHDAY": str(day)})


def _plural(words: Sequence[Word], index: int) -> Found | None:
    """`mondays`, `on tuesdays and thursdays`, `on weekdays`."""
    begin = index + 1 if at(words, index) == "on" else index
    text = at(words, begin)
    hold = Hold.SURE if begin > index else Hold.END
    if text in {"weekdays", "workdays"}:
        return Found(index, begin + 1, {"FREQ": "WEEKLY", "BYDAY": WORKDAYS}, hold=hold)
    if not text.endswith("days") or weekday(text) is None:
        return None
    listed = weekdays(words, begin)
    if listed is None:
        return None
    return Found(index, listed[1], {"FREQ": "WEEKLY", "BYDAY": listed[0]}, hold=hold)


def _after_completion(words: Sequence[Word], index: int) -> Found | None:
    """`3 days after completion`, without an `every`."""
    text = at(words, index)
    short = compact(text)
    count, end = (short[0], index + 1) if short else (number(text), index + 2)
    unit = short[1] if short else _unit_of(at(words, index + 1))
    if count is None or unit is None or texts(words, end, 2) not in _DONE:
        return None
    return _unit(words, index, unit, count, end)


def _tail(words: Sequence[Word], found: Found, said: Said) -> Found:
    """What stands behind a repetition, in any order: its time, its beginning, its end, what it is counted from."""
    for _ in range(4):
        end = found.end
        if end >= len(words) or words[end - 1].stops or words[end].quoted:
            break
        longer = _completed(words, found) or _timed(words, found) or _bounded(words, found, said)
        if longer is None:
            break
        # A part of the day is not enough: "the daily morning call".
        found = replace(longer, hold=Hold.SURE if longer.part == found.part else longer.hold)
    if at(words, found.end) in {"except", "excluding"} and not words[found.end - 1].stops:
        why = "Name the days of the week that are meant."
        raise InvalidRepetition(phrase(words, found.start, min(found.end + 2, len(words))), why)
    return found


def _completed(words: Sequence[Word], found: Found) -> Found | None:
    said = texts(words, found.end, 4)
    if said[:2] in _DONE:
        more = 1 if said[:2] == ("after", "completing") and said[2:3] == ("it",) else 0
        return replace(found, mode="completion", end=found.end + 2 + more)
    if said == ("after", "it", "is", "completed") or said == ("after", "it", "is", "done"):
        return replace(found, mode="completion", end=found.end + 4)
    if found.end + 1 < len(words) and said[1:2] == ("times",) and number(said[0]):
        return replace(found, parts=found.parts | {"COUNT": str(number(said[0]))}, end=found.end + 2)
    return None


def _timed(words: Sequence[Word], found: Found) -> Found | None:
    if found.clock is None:
        clock = clocks.match(words, found.end)
        if clock is not None:
            return replace(found, clock=clock, end=clock.end)
    if not found.part:
        text = at(words, found.end)
        if text in PARTS:
            return replace(found, part=text, end=found.end + 1)
        if texts(words, found.end, 2) == ("in", "the") and at(words, found.end + 2) in PARTS:
            return replace(found, part=at(words, found.end + 2), end=found.end + 3)
        if texts(words, found.end, 2) == ("at", "night"):
            return replace(found, part="night", end=found.end + 2)
    return None


def _bounded(words: Sequence[Word], found: Found, said: Said) -> Found | None:
    text = at(words, found.end)
    if text in {"starting", "from", "beginning", "start"} and found.begin is None:
        begin = found.end + (2 if at(words, found.end + 1) in {"on", "from"} else 1)
        day = days.match(words, begin, said)
        return None if day is None or day.moment else replace(found, begin=day, end=day.end)
    if text == "for" and found.lasting is None:
        span = amount(words, found.end + 1)
        if span is not None and span[1] not in {"hour", "minute"}:
            return replace(found, lasting=(span[0], span[1]), end=span[2])
    if text in {"until", "till", "ending"} and found.until is None:
        day = days.match(words, found.end + (2 if at(words, found.end + 1) == "on" else 1), said)
        return None if day is None or day.moment else replace(found, until=day, end=day.end)
    return None
