"""How many answers a person may ask for in a calendar month (UTC), and who holds one of them.

A unit is taken in the transaction that stores a running answer, and settled in the one that settles it. Whoever
deletes its reservation has settled it, so that it is settled once, however many try. Nothing here refers to
messages by a foreign key: deleting a conversation gives nothing back.
"""

import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, delete, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from services import errors
from services.store.base import Base, insert_into, utc_now
from services.store.points import month_of, next_month
from services.store.threads import Message

# Swept only when it is older: what has just been committed is being worked on.
_SWEEP_OLDER_THAN: Final = timedelta(seconds=15)
_GIVEN_BACK: Final = frozenset({"failed", "interrupted"})


class QuotaMonth(Base):
    """One person's month.

    Attributes:
        month: As `2026-11`, in UTC.
        used: Answers that were asked for, those that run included, those that were given back not.
    """

    __tablename__ = "quota_months"
    __table_args__ = (CheckConstraint("used >= 0", name="ck_quota_months_used"),)

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    month: Mapped[str] = mapped_column(primary_key=True)
    used: Mapped[int]


class QuotaReservation(Base):
    """A unit that is held by an answer which runs; gone once that is settled."""

    __tablename__ = "quota_reservations"
    __table_args__ = (Index(None, "user_id"), Index(None, "created_at"))

    message_id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    month: Mapped[str]
    created_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Usage:
    """Where somebody stands this month.

    Attributes:
        used: Those that run included.
        left: Never below 0, also when the limit was lowered.
        reset_date: The first day of the next month, in UTC.
    """

    used: int
    limit: int
    left: int
    reset_date: date


def usage(s: Session, user_id: int, limit: int, now: datetime | None = None) -> Usage:
    """Where the person stands; writes nothing.

    Args:
        s: An open session.
        user_id: Whose.
        limit: What a month allows (`TODOS_MONTHLY_QUOTA`).
        now: The time, for tests.
    """
    now = now or utc_now()
    used = s.scalar(select(QuotaMonth.used).where(QuotaMonth.user_id == user_id, QuotaMonth.month == month_of(now)))
    return _usage(used or 0, limit, now)


def check(s: Session, user_id: int, limit: int, now: datetime | None = None) -> Usage:
    """Refuse early what `reserve` would refuse now; holds nothing.

    Raises:
        QuotaExhausted: Nothing is left.
    """
    found = usage(s, user_id, limit, now)
    if found.left == 0:
        raise exhausted(found, now)
    return found


def reserve(s: Session, user_id: int, message_id: str, limit: int, now: datetime | None = None) -> Usage:
    """Take a unit for an answer, in the transaction that stores it.

    Returns:
        Where the person stands after it.

    Raises:
        QuotaExhausted: Nothing is left; the caller's transaction must not commit.
        Conflict: That answer has one already.
    """
    now = now or utc_now()
    month = month_of(now)
    used = _one_more(s, user_id, month, limit)
    if used is None:
        raise exhausted(usage(s, user_id, limit, now), now)
    held = insert_into(s, QuotaReservation).values(message_id=message_id, user_id=user_id, month=month, created_at=now)
    once = held.on_conflict_do_nothing(index_elements=["message_id"]).returning(QuotaReservation.message_id)
    if s.scalar(once) is None:
        raise errors.Conflict("This answer has been counted already.")
    return _usage(used, limit, now)


def settle(s: Session, message_id: str) -> bool:
    """Spend what an answer holds; False if it holds nothing (any more)."""
    return _closed(s, message_id) is not None


def release(s: Session, message_id: str) -> bool:
    """Give back what an answer holds, to the month in which it was taken; False if it holds nothing (any more)."""
    closed = _closed(s, message_id)
    if closed is None:
        return False
    user_id, month = closed
    of = QuotaMonth
    given = update(of).where(of.user_id == user_id, of.month == month, of.used > 0).values(used=of.used - 1)
    s.execute(given.execution_options(synchronize_session=False))
    return True


def end(s: Session, message_id: str, outcome: str) -> bool:
    """Settle or release as the answer's outcome says: completed and stopped ones are spent."""
    return release(s, message_id) if outcome in _GIVEN_BACK else settle(s, message_id)


def sweep(s: Session, limit: int = 200, *, now: datetime | None = None) -> int:
    """Close what nobody will close any more; how many.

    That is what belongs to an answer which was deleted while it ran (it is spent: it was read), or whose outcome
    was stored by somebody who did not know of quotas. Answers whose worker died are settled by the sweep of Turns.
    """
    now = now or utc_now()
    held = QuotaReservation
    found = s.execute(
        select(held.message_id, Message.outcome)
        .outerjoin(Message, Message.id == held.message_id)
        .where(held.created_at < now - _SWEEP_OLDER_THAN, or_(Message.id.is_(None), Message.outcome.is_not(None)))
        .order_by(held.created_at, held.message_id)
        .limit(limit)
    ).all()
    return sum(end(s, message_id, outcome or "stopped") for message_id, outcome in found)


def exhausted(found: Usage, now: datetime | None = None) -> errors.QuotaExhausted:
    """The refusal of somebody who has nothing left."""
    resets_at = next_month(now or utc_now())
    day = f"{found.reset_date:%B} {found.reset_date.day}, {found.reset_date.year}"
    return errors.QuotaExhausted(
        f"You have used {found.used} of your {found.limit} requests for this month. New ones come on {day}.",
        retry_after_s=math.ceil((resets_at - (now or utc_now())).total_seconds()),
        extra={
            "current_usage": found.used,
            "monthly_limit": found.limit,
            "remaining_quota": found.left,
            "reset_date": found.reset_date.isoformat(),
            "limit": found.limit,
            "current": found.used,
        },
    )


def _one_more(s: Session, user_id: int, month: str, limit: int) -> int | None:
    """Count one, unless that is one too many. One statement, so that many at once take turns in the database."""
    if limit < 1:
        return None
    first = insert_into(s, QuotaMonth).values(user_id=user_id, month=month, used=1)
    counted = first.on_conflict_do_update(
        index_elements=["user_id", "month"], set_={"used": QuotaMonth.used + 1}, where=QuotaMonth.used < limit
    )
    return s.scalar(counted.returning(QuotaMonth.used))


def _closed(s: Session, message_id: str) -> tuple[int, str] | None:
    held = QuotaReservation
    gone = delete(held).where(held.message_id == message_id).returning(held.user_id, held.month)
    row = s.execute(gone).one_or_none()
    return None if row is None else (row[0], row[1])


def _usage(used: int, limit: int, now: datetime) -> Usage:
    return Usage(used, limit, max(0, limit - used), next_month(now).date())
