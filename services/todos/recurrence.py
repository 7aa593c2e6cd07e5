"""Repetition in English, as `every month on the 1st` or `3 days after completion`, read into a rule. Pure."""

from dataclasses import dataclass
from datetime import datetime

from services import when
from services.todos.rules import (
    InvalidRepetition,
    Mode,
    Recurrence,
    checked,
    first,
    following,
    pinned,
    said,
)
from services.when import When

__all__ = [
    "InvalidRepetition",
    "Mode",
    "Recurrence",
    "Repeat",
    "checked",
    "first",
    "following",
    "pinned",
    "read",
    "said",
]


@dataclass(frozen=True, slots=True)
class Repeat:
    """What a phrase repeats, its first date, and what a person should be told about how it was read."""

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
    """
    simple = {"every day": "FREQ=DAILY", "every week": "FREQ=WEEKLY", "every month": "FREQ=MONTHLY"}
    words = " ".join(text.lower().split())
    recurrence = checked(simple.get(words, text))
    begin = start or When(when.today(now, zone))
    found = first(recurrence, start=begin)
    if found is None:
        raise InvalidRepetition(text, "It never comes.")
    return Repeat(recurrence, found)
