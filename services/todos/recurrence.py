"""Repetition as a person writes it, `every month on the 1st` or `3 days after completion`, read into a rule. Pure."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from services import when
from services.todos import clocks, repeating
from services.todos.clocks import PARTS
from services.todos.days import later
from services.todos.repeated import Found
from services.todos.rules import (
    InvalidRepetition,
    Mode,
    Recurrence,
    checked,
    first,
    following,
    joined,
    pinned,
    said,
)
from services.todos.words import cut
from services.todos.written import Said
from services.when import When

__all__ = [
    "InvalidRepetition",
    "Mode",
    "Recurrence",
    "Repeat",
    "checked",
    "first",
    "following",
    "made",
    "pinned",
    "read",
    "said",
]

MAX_TEXT_CHARS: Final = 200
_RULE_LIKE = re.compile(r"(?:RRULE:)?[A-Z]{3,10}=.{0,200}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Repeat:
    """What a phrase repeats, its first date, and what a person should be told about how it was read.

    The first date has the time that was said, also where clocks leave it out on that very day: all others have it.
    """

    recurrence: Recurrence
    first: When
    notes: tuple[str, ...] = ()


def read(text: str, *, now: datetime, zone: str, start: When | None = None) -> Repeat:
    """The repetition that a whole phrase means, or a rule of RFC 5545, said in `zone` at `now`.

    Args:
        text: `every other friday at 9`, `every! 3 days`, or `FREQ=WEEKLY;BYDAY=FR`.
        now: The moment at which it was said; it knows its zone.
        zone: IANA name of the zone of who said it.
        start: The todo's own date, where it has one: the series begins at or after it, at its time.

    Raises:
        InvalidRepetition: Names the phrase; also where it repeats within a day, or is not clear ("twice a week").
        InvalidDate: A date in it is none.
    """
    phrase = " ".join(text.split())
    if not phrase or len(phrase) > MAX_TEXT_CHARS:
        raise InvalidRepetition(text)
    speaker = Said.of(now, zone)
    if _RULE_LIKE.fullmatch(phrase):
        rule = checked(phrase)
        # A program that sends a rule and a date means both.
        return Repeat(rule, start) if start else _begun(rule, When(speaker.today), speaker, phrase, is_given=False)
    words = cut(phrase)
    found = repeating.match(words, 0, speaker)
    if found is None or found.end != len(words):
        raise InvalidRepetition(text)
    return made(found, speaker, phrase=phrase, start=start)


def made(found: Found, speaker: Said, *, phrase: str, start: When | None = None) -> Repeat:
    """What words that say a repetition mean; `start` is the date that was said beside them."""
    parts = dict(found.parts)
    begin = found.begin.day if found.begin is not None else start.day if start is not None else speaker.today
    if found.until is not None:
        parts["UNTIL"] = f"{found.until.day:%Y%m%d}"
    elif found.lasting is not None:
        parts["UNTIL"] = f"{_last(begin, found.lasting, phrase):%Y%m%d}"
    try:
        rule = checked(joined(parts), found.mode)
    except InvalidRepetition as exc:
        raise InvalidRepetition(phrase, exc.why) from exc
    at, zone, notes = _time(found, speaker, start)
    given = found.begin is not None or start is not None
    repeat = _begun(rule, When(begin, at, zone), speaker, phrase, is_given=given)
    told = (*notes, found.begin.note if found.begin else "", found.until.note if found.until else "", *repeat.notes)
    return replace(repeat, notes=tuple(dict.fromkeys(note for note in told if note)))


def _last(begin: date, lasting: tuple[int, str], phrase: str) -> date:
    """The last day of so many days, weeks, months or years."""
    try:
        return later(begin, *lasting) - timedelta(days=1)
    except (ValueError, OverflowError) as exc:
        raise InvalidRepetition(phrase, "That is too far ahead.") from exc


def _time(found: Found, said: Said, start: When | None) -> tuple[time | None, str | None, list[str]]:
    """The time of each of them, in its zone."""
    clock = found.clock
    if clock is not None:
        clock = clocks.in_part(clock, found.part) if found.part else clock
        return clock.at or time(), clock.zone or said.zone, [clock.note]
    if found.part:
        return PARTS[found.part], said.zone, []
    return (start.at, start.zone, []) if start is not None else (None, None, [])


def _begun(rule: Recurrence, begin: When, speaker: Said, phrase: str, *, is_given: bool) -> Repeat:
    """The series from its first day; from the next one, where the time of the first is over."""
    found = first(rule, start=begin)
    if found is not None and not is_given and _is_over(_unsettled(found.day, begin), speaker):
        tomorrow = begin.day + timedelta(days=1)
        if rule.rule.startswith("FREQ=DAILY") or "BY" in rule.rule:
            found = first(rule, start=When(tomorrow, begin.at, begin.zone))
        else:
            found = following(Recurrence(rule.rule), anchor=begin, day=begin, today=begin.day)
    if found is None:
        raise InvalidRepetition(phrase, "It never comes.")
    moved = is_given and found.day != begin.day
    note = f"The first that fits “{said(rule)}” is {when.said_day(found.day)}." if moved else ""
    return Repeat(rule, _unsettled(found.day, begin), (note,) if note else ())


def _unsettled(day: date, like: When) -> When:
    return When(day, like.at, like.zone)


def _is_over(exact: When, said: Said) -> bool:
    moment = exact.instant()
    return moment is not None and moment <= said.now.astimezone(UTC)
