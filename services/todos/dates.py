"""English dates and times: `next monday at 9`, `in 5 days`, `17 Feb`, and what machines write. Pure.

What it does not understand it refuses; it never guesses a date out of part of a phrase. A line is looked through by
`match`, which is what `read` uses too: a phrase means the same in a line, in a form and to the agent.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from services import when
from services.todos import clocks, days
from services.todos.clocks import PARTS, Clock
from services.todos.words import Word, at, cut, names, texts
from services.todos.written import Day, Hold, Said
from services.when import InvalidDate, When

__all__ = ["Found", "Hold", "InvalidDate", "Reading", "Said", "match", "read", "resolved", "together"]

MAX_PHRASE_CHARS: Final = 200

_FORMS: Final = 'Use YYYY-MM-DD or YYYY-MM-DD HH:MM:SS, or words such as "tomorrow", "next monday at 9" or "17 Feb".'
_DOTTED = re.compile(r"[0-9]{1,2}\.[0-9]{1,2}")
_MACHINE_LIKE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ].{0,40})?", re.IGNORECASE)
_START_LEADS: Final = names("on for from starting")
_DUE_LEADS: Final = names("by due until till til 'til before deadline")
_TO: Final = names("to until till through - –")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a phrase means, and what a person should be told about how it was read."""

    when: When
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """Words that are a day, a time or both, from word `start` to word `end`.

    Attributes:
        due: They say until when, not when.
        before: The day itself is too late: `before friday`.
        led: A preposition led them.
        last: The last day of a range, `from 1 July to 3 July`.
    """

    start: int
    end: int
    day: Day | None = None
    clock: Clock | None = None
    part: str = ""
    due: bool = False
    before: bool = False
    led: bool = False
    last: Day | None = None

    @property
    def hold(self) -> Hold:
        """Where in a line these words may be a date."""
        if self.last is not None:
            return Hold.SURE
        if self.day is not None and (self.clock is not None or (self.part and self.day.hold >= Hold.END)):
            return Hold.SURE
        if self.day is not None:
            return self.day.hold
        if self.clock is not None and self.clock.doubtful:
            return Hold.WHOLE if self.clock.weak else Hold.LED
        return Hold.END if self.clock is None or self.clock.weak else Hold.SURE


def read(phrase: str, *, now: datetime, zone: str) -> Reading:
    """The date, or the date and time, that a whole phrase means to somebody in `zone` at `now`.

    Args:
        phrase: English, or one of the machine formats of `services.when`.
        now: The moment at which it was said; it knows its zone.
        zone: IANA name of the zone of who said it.

    Raises:
        InvalidDate: Names the phrase, and says what is wrong with it.
    """
    text = " ".join(phrase.split())
    if len(text) > MAX_PHRASE_CHARS:
        raise InvalidDate(text, _FORMS)
    said = Said.of(now, zone)
    words = cut(text)
    found = match(words, 0, said)
    if found is not None and found.end == len(words) and found.last is None and _one_time(found):
        return resolved(found, said, phrase=text)
    if _MACHINE_LIKE.fullmatch(text):
        exact, note = when.machine(text, zone)
        return Reading(exact, (note,) if note else ())
    raise InvalidDate(text, _FORMS)


def _one_time(found: Found) -> bool:
    return found.clock is None or found.clock.until is None


def match(words: Sequence[Word], index: int, said: Said) -> Found | None:
    """The day, the time or both that begin at that word, with the preposition that leads them.

    Raises:
        InvalidDate: It is clearly meant as one, and there is none: `on 31 feb`, `at 25:00`.
    """
    begin, due, before = _lead(words, index)
    found = _core(words, begin, said)
    if found is None:
        return None
    led = begin > index
    found = _ranged(words, found, said)
    due = due or at(words, begin) == "within"
    return replace(found, start=index, led=led, due=due or found.due, before=before)


def _lead(words: Sequence[Word], index: int) -> tuple[int, bool, bool]:
    """Where a date may begin behind a preposition, and whether it is a due one, and one that is too late itself."""
    text = at(words, index)
    if text not in _START_LEADS and text not in _DUE_LEADS and text not in {"no", "at", "over"}:
        return index, False, False
    if text in {"at", "over"}:
        weekend = at(words, index + 2 if at(words, index + 1) == "the" else index + 1) == "weekend"
        return (index + 1 if weekend or at(words, index + 1) == "the" else index), False, False
    if texts(words, index, 3) == ("no", "later", "than"):
        return index + 3, True, False
    if words[index].ends and (text not in {"due", "deadline"} or words[index].ends != ":"):
        return index, False, False
    if text in _DUE_LEADS:
        more = at(words, index + 1) in {"on", "by", "at", "in", "until"} and at(words, index) == "due"
        step = 2 if more and at(words, index + 1) not in {"at", "in"} else 1
        return index + step, True, text == "before"
    if text == "starting":
        return (index + 2 if at(words, index + 1) in {"on", "from"} else index + 1), False, False
    return (index if text == "no" else index + 1), False, False


def _core(words: Sequence[Word], index: int, said: Said) -> Found | None:
    day = days.match(words, index, said)
    if day is not None:
        found = Found(index, day.end, day=day, part=day.part)
        return found if day.moment is not None else _with_time(words, found)
    clock = clocks.match(words, index)
    if clock is not None:
        return _with_day(words, Found(index, clock.end, clock=clock), said)
    part = _part(words, index)
    if part is not None and at(words, index) in {"in", "at"}:
        return _with_day(words, Found(index, part[1], part=part[0]), said)
    return None


def _open(words: Sequence[Word], end: int) -> bool:
    """Whether a phrase may go on behind the word before `end`."""
    if end >= len(words) or words[end].quoted:
        return False
    # The second dot of `3.12. 19:30` ends no sentence.
    return not words[end - 1].stops or (words[end - 1].ends == "." and bool(_DOTTED.fullmatch(words[end - 1].text)))


def _part(words: Sequence[Word], index: int) -> tuple[str, int] | None:
    """`morning`, `in the morning`, `at night`: which part of a day, and where it ends."""
    said = texts(words, index, 3)
    if said[:2] == ("in", "the") and said[2:] and said[2] in PARTS:
        return said[2], index + 3
    if said[:2] == ("at", "night"):
        return "night", index + 2
    return (said[0], index + 1) if said and said[0] in PARTS else None


def _with_time(words: Sequence[Word], found: Found) -> Found:
    """What stands behind a day: a part of it, a time."""
    if not _open(words, found.end):
        return found
    part = _part(words, found.end) if not found.part else None
    if part is not None:
        found = replace(found, part=part[0], end=part[1])
        if not _open(words, found.end):
            return found
    begin = found.end + 1 if at(words, found.end) in {"from", "by"} else found.end
    clock = clocks.match(words, begin)
    if clock is None or (begin > found.end and clock.weak and clock.bare):
        return found
    by = at(words, begin - 1) == "by" and begin > found.end
    found = replace(found, clock=clock, end=clock.end, due=by)
    part = _part(words, found.end) if not found.part and _open(words, found.end) else None
    return found if part is None else replace(found, part=part[0], end=part[1])


def _with_day(words: Sequence[Word], found: Found, said: Said) -> Found:
    """What stands behind a time: `on friday`, `tomorrow morning`."""
    if not _open(words, found.end):
        return found
    begin = found.end + 1 if at(words, found.end) == "on" else found.end
    day = days.match(words, begin, said)
    if day is None or day.moment is not None or day.hold == Hold.WHOLE:
        return found
    found = replace(found, day=day, end=day.end, part=found.part or day.part)
    part = _part(words, found.end) if not found.part and _open(words, found.end) else None
    return found if part is None else replace(found, part=part[0], end=part[1])


def _ranged(words: Sequence[Word], found: Found, said: Said) -> Found:
    """`from 1 July to 14 July`."""
    if found.day is None or found.clock is not None or not _open(words, found.end) or at(words, found.end) not in _TO:
        return found
    last = days.match(words, found.end + 1, said)
    if last is None or last.moment is not None or last.day < found.day.day:
        return found
    return replace(found, last=last, end=last.end)


def together(day: Found, clock: Found) -> Found:
    """A day and a time of one line that stand apart in it."""
    return replace(day, clock=clock.clock, part=day.part or clock.part)


def resolved(found: Found, said: Said, *, phrase: str) -> Reading:
    """What such words mean, with what has to be told of it."""
    notes = [found.day.note] if found.day is not None else []
    if found.day is not None and found.day.moment is not None:
        exact = found.day.moment
        return Reading(exact, _told([*notes, _past(exact, said)]))
    clock = found.clock
    if clock is not None and found.part:
        clock = clocks.in_part(clock, found.part)
    day = found.day.day if found.day is not None else None
    if clock is None and not found.part:
        day = (day or said.today) - timedelta(days=1 if found.before else 0)
        if found.before:
            notes.append("“before” is read as the day before.")
        return Reading(When(_bounded(day, phrase)), _told([*notes, _past(When(day), said)]))
    exact, more = _timed(day, clock, found.part, said, phrase=phrase)
    return Reading(exact, _told([*notes, *more]))


def _timed(day: date | None, clock: Clock | None, part: str, said: Said, *, phrase: str) -> tuple[When, list[str]]:
    notes = [clock.note] if clock is not None else []
    zone = (clock.zone if clock is not None else None) or said.zone
    at_time = clock.at if clock is not None else PARTS[part]
    begin = day or when.today(said.now, zone)
    exact, note = _settled(begin, at_time, zone, phrase)
    if day is None and _is_over(exact, said.now):
        exact, note = _settled(begin + timedelta(days=1), at_time, zone, phrase)
        notes.append(f"{_clock_said(at_time)} is over today, so this is tomorrow's.")
    elif clock is None and day == said.today and _is_over(exact, said.now):
        return When(begin), [f"{_clock_said(at_time)} is over, so today without a time."]
    notes.append(note)
    if zone != said.zone and zone == "UTC":
        told = exact.said(zone="")
        exact = when.of_instant(datetime.combine(exact.day, exact.at or time(), tzinfo=UTC), said.zone)
        notes.append(f"{told} is {exact.said(zone='')}.")
    return exact, [*notes, _past(exact, said)]


def _settled(day: date, at_time: time | None, zone: str, phrase: str) -> tuple[When, str]:
    """That time of that day; midnight is the one that the day ends with."""
    if at_time is not None:
        return when.settled(_bounded(day, phrase), at_time, zone)
    exact, note = when.settled(_bounded(day + timedelta(days=1), phrase), time(), zone)
    return exact, note or f"Midnight is the one at the end of {when.said_day(day)}."


def _bounded(day: date, phrase: str) -> date:
    if not when.FIRST_YEAR <= day.year <= when.LAST_YEAR:
        raise InvalidDate(phrase, f"The year has to be from {when.FIRST_YEAR} to {when.LAST_YEAR}.")
    return day


def _is_over(exact: When, now: datetime) -> bool:
    moment = exact.instant()
    return moment is not None and moment <= now.astimezone(UTC)


def _past(exact: When, said: Said) -> str:
    if exact.at is None:
        return f"{when.said_day(exact.day)} is over." if exact.day < said.today else ""
    return f"{exact.said(zone=said.zone)} is over." if _is_over(exact, said.now) else ""


def _clock_said(at_time: time | None) -> str:
    return "midnight" if at_time is None else f"{at_time:%H:%M}"


def _told(notes: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for note in notes if note))
