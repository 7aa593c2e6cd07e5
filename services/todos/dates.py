"""English dates and times: `next monday at 9`, `in 5 days`, `17 Feb`, and what machines write. Pure.

What it does not understand it refuses; it never guesses a date out of part of a phrase.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services import when
from services.when import InvalidDate, When

__all__ = ["InvalidDate", "Reading", "read"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a phrase means, and what a person should be told about how it was read."""

    when: When
    notes: tuple[str, ...] = ()


def read(phrase: str, *, now: datetime, zone: str) -> Reading:
    """The date, or the date and time, that a whole phrase means to somebody in `zone` at `now`.

    Args:
        phrase: English, or one of the machine formats of `services.when`.
        now: The moment at which it was said; it knows its zone.
        zone: IANA name of the zone of who said it.

    Raises:
        InvalidDate: Names the phrase, and says what is wrong with it.
    """
    today = when.today(now, zone)
    relative = {"today": 0, "tomorrow": 1}
    if phrase.strip().lower() in relative:
        return Reading(When(today + timedelta(days=relative[phrase.strip().lower()])))
    found, note = when.machine(phrase, zone)
    return Reading(found, (note,) if note else ())
