"""When a card comes again: FSRS, by the package `fsrs`, without chance. Pure.

Source: the FSRS-6 algorithm of open-spaced-repetition, with its default weights, 90 % retention, first steps of one
and ten minutes. No fuzz: what a button promises is what it does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import fsrs

from services.store.cards import Card, Schedule

RATINGS: Final[Mapping[int, str]] = {1: "again", 2: "hard", 3: "good", 4: "easy"}
# Ten years: what is remembered for so long need not be asked again sooner or later.
_MAX_DAYS: Final = 3650
_SCHEDULER: Final = fsrs.Scheduler(desired_retention=0.9, maximum_interval=_MAX_DAYS, enable_fuzzing=False)


@dataclass(frozen=True, slots=True)
class Day:
    """A person's day: what is due on it is due from its first moment on."""

    start: datetime
    end: datetime


def day_of(now: datetime, zone: str) -> Day:
    """The day, in the person's time zone, that `now` lies in; UTC if the zone is not known here."""
    try:
        here = now.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        here = now.astimezone(UTC)
    start = here.replace(hour=0, minute=0, second=0, microsecond=0)
    # By the calendar: a day on which the clocks change is not 24 hours long.
    end = (start.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=start.tzinfo)
    return Day(start.astimezone(UTC), end.astimezone(UTC))


def reviewed(card: Card, rating: int, now: datetime) -> Schedule:
    """Where the card stands after a review.

    Args:
        rating: One of `RATINGS`.
        now: When it was reviewed; a clock that has gone backwards counts as standing still.
    """
    last = card.last_review
    at = now if last is None else max(now, last)
    after, _ = _SCHEDULER.review_card(_as_fsrs(card), fsrs.Rating(rating), at.astimezone(UTC))
    return Schedule(
        state=int(after.state),
        step=after.step,
        stability=after.stability,
        difficulty=after.difficulty,
        due=after.due,
        last_review=after.last_review,
    )


def has_lapsed(card: Card, rating: int) -> bool:
    """Whether this rating says that something learnt was forgotten."""
    return rating == fsrs.Rating.Again and card.state == fsrs.State.Review


def intervals(card: Card, now: datetime) -> dict[int, str]:
    """When the card would come again after each rating, in words."""
    return {rating: in_words(reviewed(card, rating, now).due - now) for rating in RATINGS}


def in_words(span: timedelta) -> str:
    """A time to wait, as one says it: `10 min`, `3 h`, `4 days`, `2.5 months`."""
    minutes = span.total_seconds() / 60
    if minutes < 59.5:
        return f"{max(1, round(minutes))} min"
    if minutes < 24 * 60 - 30:
        return f"{round(minutes / 60)} h"
    days = minutes / 1440
    if days < 30.5:
        return f"{round(days)} day{'' if round(days) == 1 else 's'}"
    months, years = days / 30.44, days / 365.25
    return f"{months:.1f} months" if months < 12 else f"{years:.1f} years"


def _as_fsrs(card: Card) -> fsrs.Card:
    return fsrs.Card(
        card_id=0,  # one would be made otherwise, and waited for
        state=fsrs.State(card.state),
        step=card.step,
        stability=card.stability,
        difficulty=card.difficulty,
        due=card.due,
        last_review=card.last_review,
    )
