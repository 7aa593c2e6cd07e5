"""Days in English, told from today: `next monday`, `in 5 days`, `a week from friday`, `eow`. Pure."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, timedelta
from typing import Final

from services import when
from services.todos import ofmonths
from services.todos.rules import months_later
from services.todos.words import (
    DAY_NAMES,
    MONTHS,
    ORDINALS,
    UNITS,
    WEEKDAYS,
    Word,
    amount,
    at,
    compact,
    number,
    ordinal,
    phrase,
    texts,
)
from services.todos.written import Day, Hold, Said, month, month_alone, numbered
from services.when import InvalidDate, When

_CODES: Final = {
    "eod": "end day",
    "eow": "end week",
    "eoww": "end workweek",
    "eom": "end month",
    "eoq": "end quarter",
    "eoy": "end year",
    "sow": "start week",
    "som": "start month",
    "soq": "start quarter",
    "soy": "start year",
}


_SHORT = re.compile(r"(?:([0-9]{1,2})h([0-9]{1,2})m?|([0-9]{1,3})m)")
_HALVES = re.compile(r"([0-9]{1,2})\.5")


def match(words: Sequence[Word], index: int, said: Said) -> Day | None:
    """The day that begins at that word, if one does; the longest.

    Raises:
        InvalidDate: It is clearly meant as a day, and there is none: `31 feb`, `2026-02-30`.
    """
    text = at(words, index)
    if not text:
        return None
    if text[0].isdigit():
        return numbered(words, index, said) or _counted(words, index, said)
    reader = _READERS.get(text)
    if reader is not None:
        found = reader(words, index, said)
        if found is not None:
            return found
    if text in WEEKDAYS:
        return _weekday(words, index, said)
    if text in MONTHS:
        return month(words, index, said)
    return _counted(words, index, said) if number(text) else None


def coming(said: Said, weekday: int) -> date:
    """The next day of that name after today."""
    return said.today + timedelta(days=(weekday - said.today.weekday() - 1) % 7 + 1)


def monday(day: date) -> date:
    """The first day of that day's week."""
    return day - timedelta(days=day.weekday())


def _named_day(words: Sequence[Word], index: int, said: Said) -> Day | None:
    text = at(words, index)
    days = {"today": 0, "yesterday": -1}.get(text, 1)
    if text == "tonight":
        return Day(index + 1, said.today, part="night")
    hold = Hold.WHOLE if days < 0 else Hold.SURE
    return Day(index + 1, said.today + timedelta(days=days), hold)


def _the(words: Sequence[Word], index: int, said: Said) -> Day | None:
    """`the day after tomorrow`, `the 17th`, `the last day of the month`, `the weekend`."""
    following = at(words, index + 1)
    if following in {"day", "end", "start", "beginning", "weekend"} or following in ORDINALS or ordinal(following):
        return match(words, index + 1, said)
    return None


def _day_after(words: Sequence[Word], index: int, said: Said) -> Day | None:
    if texts(words, index, 3) == ("day", "after", "tomorrow"):
        return Day(index + 3, said.today + timedelta(days=2))
    return None


def _this(words: Sequence[Word], index: int, said: Said) -> Day | None:
    following = at(words, index + 1)
    if following in {"morning", "afternoon", "evening"}:
        return Day(index + 2, said.today, part=following)
    if following == "weekend":
        return Day(index + 2, _saturday(said))
    if following not in WEEKDAYS:
        return None
    day = monday(said.today) + timedelta(days=WEEKDAYS[following])
    if day < said.today:
        day += timedelta(days=7)
        return Day(index + 2, day, note=f"This week's {DAY_NAMES[day.weekday()]} is over: {when.said_day(day)}.")
    return Day(index + 2, day)


def _next(words: Sequence[Word], index: int, said: Said) -> Day | None:
    """What is next is of the next week, month or year, which begin on Monday and on the 1st."""
    following, begin = at(words, index + 1), monday(said.today)
    if following in WEEKDAYS:
        day = begin + timedelta(days=7 + WEEKDAYS[following])
        nearer = (day - said.today).days > 7
        note = f"“next {DAY_NAMES[day.weekday()]}” is that of next week: {when.said_day(day)}." if nearer else ""
        return Day(index + 2, day, note=note)
    if following == "weekend":
        return Day(index + 2, begin + timedelta(days=12))
    if following == "week" and at(words, index + 2) in WEEKDAYS and not words[index + 1].stops:
        return Day(index + 3, begin + timedelta(days=7 + WEEKDAYS[at(words, index + 2)]))
    if following in {"week", "month", "quarter", "year"}:
        day = ofmonths.start_of(following, said.today, 1)
        return Day(index + 2, day, note=f"“next {following}” is read as its first day, {when.said_day(day)}.")
    return None


def _last(words: Sequence[Word], index: int, said: Said) -> Day | None:
    """`last day of the month`; and `last monday`, which is over, so that only who asks for a day means it."""
    found = _of_month(words, index, said)
    if found is None and at(words, index + 1) in WEEKDAYS:
        back = (said.today.weekday() - WEEKDAYS[at(words, index + 1)] - 1) % 7 + 1
        return Day(index + 2, said.today - timedelta(days=back), Hold.WHOLE)
    return found


def _of_month(words: Sequence[Word], index: int, said: Said) -> Day | None:
    if texts(words, index, 3) == ("end", "of", "day") and (whole := _day_behind(words, index + 2, said)):
        return whole
    found = ofmonths.match(words, index, said.today)
    return None if found is None else Day(found.end, found.day, note=found.note)


def _weekend(_words: Sequence[Word], index: int, said: Said) -> Day | None:
    return Day(index + 1, _saturday(said), Hold.LED)


def _saturday(said: Said) -> date:
    """Of this week; on a weekend, today."""
    return max(monday(said.today) + timedelta(days=5), said.today)


def _code(words: Sequence[Word], index: int, said: Said) -> Day | None:
    edge, unit = _CODES[at(words, index)].split()
    whole = _day_behind(words, index, said) if unit == "day" else None
    if whole is not None:
        return whole
    if edge == "end":
        return Day(index + 1, ofmonths.end_of(unit, said.today, 0), Hold.END)
    return Day(index + 1, ofmonths.start_of(unit, said.today, 1), Hold.END)


def _day_behind(words: Sequence[Word], index: int, said: Said) -> Day | None:
    """The day whose end is meant, behind `eod` or `end of day`: a day without a time lasts until its end."""
    if words[index].stops or at(words, index + 1) not in {"today", "tomorrow", "on", *WEEKDAYS}:
        return None
    found = match(words, index + 2 if at(words, index + 1) == "on" else index + 1, said)
    return found if found is not None and found.moment is None and found.hold > Hold.LED else None


def _in(words: Sequence[Word], index: int, said: Said) -> Day | None:
    """`in 5 days`, `in 2 hours`, `in 2 hours and 30 minutes`, `in March`."""
    following = at(words, index + 1)
    if following in MONTHS and not words[index + 1].quoted:
        named = month_alone(words, index + 1, said, hold=Hold.SURE)
        return None if named is None else named
    total = _amounts(words, index + 1)
    if total is None:
        return None
    amounts, end = total
    if at(words, end) == "time" and words[end - 1].text.endswith(("'s", "'")):
        end += 1
    # "Check in 24 hours before": what is so long before something else is not told from now.
    return None if at(words, end) in {"before", "after", "prior"} else _later(words, (index, end), amounts, said)


def _amounts(words: Sequence[Word], index: int) -> tuple[list[tuple[int, str]], int] | None:
    """`2 hours`, `2 hours and 30 minutes`, `2h 30min`."""
    short = _SHORT.fullmatch(at(words, index)) if at(words, index - 1) in {"in", "within"} else None
    if short is not None:
        return [(int(short[1] or 0), "hour"), (int(short[2] or short[3] or 0), "minute")], index + 1
    halves = _HALVES.fullmatch(at(words, index))
    if halves is not None and UNITS.get(at(words, index + 1)) == "hour":
        return [(int(halves[1]), "hour"), (30, "minute")], index + 2
    first = amount(words, index)
    if first is None:
        return None
    count, unit, end = first
    if words[end - 1].ends or unit not in {"hour", "week", "month", "year"}:
        return [(count, unit)], end
    joined = end + 1 if at(words, end) == "and" else end
    second = amount(words, joined)
    if unit == "hour" and at(words, joined) == "a" and at(words, joined + 1) == "half":
        return [(count, "hour"), (30, "minute")], joined + 2
    smaller = {"hour": "minute", "week": "day", "month": "day", "year": "month"}
    if second is None or second[1] != smaller[unit]:
        return [(count, unit)], end
    return [(count, unit), second[:2]], second[2]


def _later(words: Sequence[Word], place: tuple[int, int], amounts: list[tuple[int, str]], said: Said) -> Day:
    """So much later: hours and minutes from now, days from today. Hours are real ones, whatever clocks do."""
    index, end = place
    begin = said.today
    try:
        if amounts[0][1] in {"hour", "minute"}:
            minutes = sum(count * (60 if unit == "hour" else 1) for count, unit in amounts)
            moment = when.of_instant(said.now.astimezone(UTC) + timedelta(minutes=minutes), said.zone)
            exact = When(moment.day, moment.at.replace(second=0) if moment.at else None, moment.zone)
            # The second 02:30 of a night cannot be told from the first.
            note = when.settled(exact.day, exact.at, said.zone)[1] if exact.at else ""
            return Day(end, exact.day, moment=exact, note=note)
        for count, unit in amounts:
            begin = later(begin, count, unit)
    except (ValueError, OverflowError) as exc:
        raise InvalidDate(phrase(words, index, end), "That is too far ahead.") from exc
    if begin.year > when.LAST_YEAR:
        raise InvalidDate(phrase(words, index, end), "That is too far ahead.")
    return Day(end, begin)


def later(day: date, count: int, unit: str) -> date:
    """So many days, weeks, months, quarters or years after that day; the last of a month that is too short."""
    if unit in {"day", "week"}:
        return day + timedelta(days=count * (7 if unit == "week" else 1))
    return months_later(day, count * {"month": 1, "quarter": 3, "year": 12}[unit])


def _counted(words: Sequence[Word], index: int, said: Said) -> Day | None:
    """`3 days from now`, `a week from monday`, `two days ago`; `3wks`, where it is all there is."""
    total = _amounts(words, index)
    if total is None:
        return None
    amounts, end = total
    if at(words, end) == "ago" and len(amounts) == 1 and UNITS.get(amounts[0][1]) in {"day", "week"}:
        days = amounts[0][0] * (7 if amounts[0][1] == "week" else 1)
        return Day(end + 1, max(said.today - timedelta(days=days), date(when.FIRST_YEAR, 1, 1)), Hold.WHOLE)
    if at(words, end) == "from" and not words[end - 1].ends:
        if at(words, end + 1) in {"now", "today"}:
            return _later(words, (index, end + 2), amounts, said)
        # "a week from a day from ...": one is enough.
        other = None if number(at(words, end + 1)) or compact(at(words, end + 1)) else match(words, end + 1, said)
        if other is None or other.moment or any(unit in {"hour", "minute"} for _, unit in amounts):
            return None
        return _later(words, (index, other.end), amounts, Said(said.now, said.zone, other.day, said.month_first))
    if compact(at(words, index)):
        whole = _later(words, (index, end), amounts, said)
        return Day(end, whole.day, Hold.WHOLE, moment=whole.moment)
    return None


def _weekday(words: Sequence[Word], index: int, said: Said) -> Day | None:
    """`monday`, `monday next week`, `monday, 16 March`, `tuesday the 17th`."""
    text = at(words, index)
    weekday, hold = WEEKDAYS[text], Hold.EDGE if len(text) > 5 else Hold.END
    if hold == Hold.END and text in {"sat", "sun", "wed"} and not words[index].capital:
        hold = Hold.LED
    if not words[index].stops:
        if texts(words, index + 1, 2) in {("next", "week"), ("this", "week")}:
            ahead = 7 if at(words, index + 1) == "next" else 0
            return Day(index + 3, monday(said.today) + timedelta(days=ahead + weekday))
        dated = _dated(words, index, said, weekday)
        if dated is not None:
            return dated
    day = coming(said, weekday)
    again = (day - said.today).days == 7
    note = f"Today is {DAY_NAMES[weekday]}: “{text}” is read as the next one, {when.said_day(day)}." if again else ""
    return Day(index + 1, day, hold, note=note)


def _dated(words: Sequence[Word], index: int, said: Said, weekday: int) -> Day | None:
    """The date behind a weekday, which has to be one of that name."""
    begin = index + 2 if at(words, index + 1) == "the" else index + 1
    text = at(words, begin)
    named = ordinal(text)
    if not text or not (text in MONTHS or text[0].isdigit()):
        return None
    found = month(words, begin, said) if text in MONTHS else numbered(words, begin, said)
    if found is None or found.moment is not None or found.hold == Hold.WHOLE:
        return None
    if named and found.end == begin + 1 and found.day.weekday() != weekday:
        later_one = _month_with(said.today, named, weekday)
        return Day(found.end, later_one)
    if found.day.weekday() != weekday:
        why = f"{when.said_day(found.day)} is no {DAY_NAMES[weekday]}."
        raise InvalidDate(phrase(words, index, found.end), why)
    return Day(found.end, found.day, note=found.note)


def _month_with(today: date, day: int, weekday: int) -> date:
    """The next day of that number that is of that name: within eleven years there is one."""
    for ahead in range(12 * 11):
        first = months_later(today.replace(day=1), ahead)
        if day <= when.days_in(first.year, first.month):
            found = first.replace(day=day)
            if found >= today and found.weekday() == weekday:
                return found
    return today


Reader = Callable[[Sequence[Word], int, Said], Day | None]
_READERS: Final[dict[str, Reader]] = {
    **dict.fromkeys(("today", "tomorrow", "tmr", "tmrw", "tonight", "yesterday"), _named_day),
    **dict.fromkeys(_CODES, _code),
    **dict.fromkeys(("first", "second", "third", "fourth", "fifth", "end", "start", "beginning"), _of_month),
    **dict.fromkeys(("this", "coming"), _this),
    "the": _the,
    "day": _day_after,
    "next": _next,
    "last": _last,
    "weekend": _weekend,
    **dict.fromkeys(("in", "within"), _in),
}
