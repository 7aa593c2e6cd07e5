"""How many chapters a child has begun on a day, by the calendar of its adult's time zone.

A chapter is counted in the transaction that stores it. Nothing here refers to stories: deleting one gives nothing back.
"""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from services import errors
from services.store.base import Base, insert_into
from services.store.children import Child


class ChildDay(Base):
    """One child's day.

    Attributes:
        day: As `2026-11-21`.
        told: Chapters that were begun; what was tried again or continued is one.
    """

    __tablename__ = "child_days"

    child_id: Mapped[int] = mapped_column(ForeignKey("children.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    told: Mapped[int]


class DayLimit(errors.LimitReached):
    """A child's chapters of the day are told. `extra` carries `limit`, `current` and `resets_at`."""

    code = "DAY_LIMIT"
    retryable = False
    default_message = "That is all for today. Tomorrow there will be new chapters."


@dataclass(frozen=True, slots=True)
class Day:
    """Where a child stands today.

    Attributes:
        told: Chapters that it has begun.
        limit: As many as it may; None: as many as it likes.
        left: None without a limit; never below 0, also when the limit was lowered.
        resets_at: The next midnight of the zone.
    """

    told: int
    limit: int | None
    left: int | None
    resets_at: datetime


def standing(s: Session, child: Child, now: datetime, zone: str) -> Day:
    """Where a child stands at this moment; writes nothing."""
    day = today(now, zone)
    told = s.scalar(select(ChildDay.told).where(ChildDay.child_id == child.id, ChildDay.day == day.isoformat())) or 0
    return _day(child, told, day, zone)


def check(s: Session, child: Child, now: datetime, zone: str) -> Day:
    """Refuse early what `take` would refuse now; writes nothing.

    Raises:
        DayLimit: Nothing is left of the day.
    """
    found = standing(s, child, now, zone)
    if found.left == 0:
        raise refusal(child, found, now)
    return found


def take(s: Session, child: Child, now: datetime, zone: str) -> Day:
    """Count a chapter, in the transaction that stores it and that holds the child (`children.held`).

    Raises:
        DayLimit: Nothing is left of the day; the caller's transaction must not commit.
    """
    found = check(s, child, now, zone)
    day = today(now, zone)
    first = insert_into(s, ChildDay).values(child_id=child.id, day=day.isoformat(), told=1)
    more = first.on_conflict_do_update(index_elements=["child_id", "day"], set_={"told": ChildDay.told + 1})
    s.execute(more)
    return _day(child, found.told + 1, day, zone)


def refusal(child: Child, day: Day, now: datetime) -> DayLimit:
    """What a child is told, and its adult, when the day is used up."""
    return DayLimit(
        f"{child.name} has had {_counted(day.told)} today, and the limit is {day.limit}. Tomorrow there will be more.",
        retry_after_s=max(1, math.ceil((day.resets_at - now).total_seconds())),
        extra={"limit": day.limit, "current": day.told, "resets_at": day.resets_at.isoformat()},
    )


def today(now: datetime, zone: str) -> date:
    """The date that the calendars of `zone` show at `now`."""
    return now.astimezone(ZoneInfo(zone)).date()


def midnight_after(day: date, zone: str) -> datetime:
    """The moment at which a day ends in `zone`, in UTC; where clocks leave midnight out, when they are put forward."""
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _day(child: Child, told: int, day: date, zone: str) -> Day:
    left = None if child.daily_limit is None else max(0, child.daily_limit - told)
    return Day(told, child.daily_limit, left, midnight_after(day, zone))


def _counted(told: int) -> str:
    return "1 chapter" if told == 1 else f"{told} chapters"
