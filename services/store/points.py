"""Points: what a person may spend in a calendar month (UTC), and what becomes of it. The rows are ledger.py's.

What an answer costs is not decided here (services/points.py). A reservation is opened in the transaction that
stores a running answer, and closed in the one that settles it. Whoever deletes its row has closed it, so that it
is closed once, however many try. Nothing here refers to messages by a foreign key: deleting a conversation gives
no points back.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import and_, delete, or_, select
from sqlalchemy.orm import Session

from services import errors
from services.store.base import insert_into, utc_now
from services.store.ledger import (
    GRANT,
    KINDS,
    RELEASE,
    RESERVE,
    SETTLE,
    PointsAccount,
    PointsCap,
    PointsEntry,
    PointsReservation,
    book,
)
from services.store.threads import Conversation, Message

# A reservation is swept only when it is older: what has just been committed is being worked on.
_SWEEP_OLDER_THAN: Final = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Balance:
    """Where somebody stands this month.

    Attributes:
        granted: What the month gave.
        reserved: Held for answers that run.
        left: What may still be spent: of the grant, or of the own cap if that is lower; never below 0.
        resets_at: When the next month begins.
        cap: The own cap, if there is one.
        used_this_month: Spent and reserved: what counts against grant and cap.
    """

    granted: int
    spent: int
    reserved: int
    left: int
    resets_at: datetime
    cap: int | None
    used_this_month: int

    @property
    def limit(self) -> int:
        """The grant, or the own cap if that is lower."""
        return self.granted if self.cap is None else min(self.granted, self.cap)


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as it is shown, with the conversation it belongs to; that is None once it has been deleted."""

    id: str
    month: str
    kind: str
    message_id: str | None
    granted: int
    reserved: int
    spent: int
    created_at: datetime
    conversation_id: str | None
    assistant: str | None
    title: str | None


@dataclass(frozen=True, slots=True)
class Orphan:
    """A reservation that nobody will close any more, and what it costs in the end."""

    message_id: str
    cost: int


def month_of(moment: datetime) -> str:
    """The calendar month, in UTC, as `2026-11`."""
    return moment.astimezone(UTC).strftime("%Y-%m")


def next_month(moment: datetime) -> datetime:
    """The first moment of the month after, in UTC."""
    at = moment.astimezone(UTC)
    return datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC)


def balance(s: Session, user_id: int, now: datetime | None = None, *, grant: int) -> Balance:
    """Where the person stands; writes nothing.

    Args:
        s: An open session.
        user_id: Whose.
        now: The time, for tests.
        grant: What a month gives (`STUDY_POINTS`); a change counts from the next reading on.
    """
    now = now or utc_now()
    sums = select(PointsAccount.spent, PointsAccount.reserved).where(
        PointsAccount.user_id == user_id, PointsAccount.month == month_of(now)
    )
    spent, reserved = s.execute(sums).one_or_none() or (0, 0)
    cap = s.scalar(select(PointsCap.cap).where(PointsCap.user_id == user_id))
    return _balance(grant, spent, reserved, cap, now)


def check(s: Session, user_id: int, amount: int, *, grant: int, now: datetime | None = None) -> Balance:
    """Refuse early what `reserve` would refuse now; holds nothing.

    Raises:
        PointsExhausted: Fewer than `amount` points are left.
    """
    found = balance(s, user_id, now, grant=grant)
    _refuse_beyond(found, amount)
    return found


def reserve(
    s: Session,
    user_id: int,
    message_id: str,
    amount: int,
    *,
    grant: int,
    expires_at: datetime | None = None,
    now: datetime | None = None,
) -> Balance:
    """Hold points for an answer, in the transaction that stores it. Nothing is always free.

    Args:
        s: An open session.
        user_id: Who pays.
        message_id: The answer's; or another unique name of what is paid for, then with `expires_at`.
        amount: How many; 0 or more.
        grant: What a month gives.
        expires_at: For what is no message: when it counts as abandoned.
        now: The time, for tests.

    Returns:
        The balance after.

    Raises:
        PointsExhausted: Fewer than `amount` points are left; the caller's transaction must not commit.
    """
    now = now or utc_now()
    account = _held_account(s, user_id, now, grant)
    cap = s.scalar(select(PointsCap.cap).where(PointsCap.user_id == user_id))
    _refuse_beyond(_balance(grant, account.spent, account.reserved, cap, now), amount)
    if not book(s, user_id, account.month, RESERVE, message_id, now, reserved=amount):
        raise errors.Conflict("Points have been reserved for this already.")
    held = {"message_id": message_id, "user_id": user_id, "month": account.month, "amount": amount}
    s.execute(insert_into(s, PointsReservation).values(**held, created_at=now, expires_at=expires_at))
    return _balance(grant, account.spent, account.reserved + amount, cap, now)


def settle(s: Session, message_id: str, amount: int, *, now: datetime | None = None) -> int | None:
    """Turn a reservation into what the answer cost, in the month in which it was made.

    The cost may exceed what was reserved, and even the grant: an answer in flight is never cut for points.

    Returns:
        What was spent; None if nothing is reserved (any more) under that name: then nothing has changed.
    """
    return _close(s, message_id, SETTLE, amount, now or utc_now())


def charge(
    s: Session, user_id: int, message_id: str, amount: int, *, grant: int, now: datetime | None = None
) -> int | None:
    """Spend points without a reservation: for an answer that began before there could be one.

    Returns:
        What was spent; None if that answer has been paid for already.
    """
    now = now or utc_now()
    month = _held_account(s, user_id, now, grant).month
    return amount if book(s, user_id, month, SETTLE, message_id, now, spent=amount) else None


def release(s: Session, message_id: str, *, now: datetime | None = None) -> bool:
    """Give a reservation back; whether there was one."""
    return _close(s, message_id, RELEASE, 0, now or utc_now()) is not None


def history(
    s: Session, user_id: int, before: str | None = None, limit: int = 50, *, kinds: Collection[str] = KINDS
) -> list[Line]:
    """The person's entries, the newest first.

    Args:
        s: An open session.
        user_id: Whose.
        before: The id of an entry: only older ones (the next page).
        limit: How many at most.
        kinds: Only these.
    """
    wanted = (
        select(
            PointsEntry.id,
            PointsEntry.month,
            PointsEntry.kind,
            PointsEntry.message_id,
            PointsEntry.granted,
            PointsEntry.reserved,
            PointsEntry.spent,
            PointsEntry.created_at,
            Conversation.id,
            Conversation.assistant,
            Conversation.title,
        )
        .outerjoin(Message, Message.id == PointsEntry.message_id)
        .outerjoin(Conversation, Conversation.id == Message.conversation_id)
        .where(PointsEntry.user_id == user_id, PointsEntry.kind.in_(kinds))
        .order_by(PointsEntry.id.desc())
        .limit(limit)
    )
    if before is not None:
        wanted = wanted.where(PointsEntry.id < before)
    return [Line(*row) for row in s.execute(wanted)]


def set_cap(s: Session, user_id: int, cap: int | None) -> None:
    """Set the most that the person wants to spend in a month; None: as much as is granted."""
    if cap is None:
        s.execute(delete(PointsCap).where(PointsCap.user_id == user_id))
        return
    fresh = insert_into(s, PointsCap).values(user_id=user_id, cap=cap)
    s.execute(fresh.on_conflict_do_update(index_elements=["user_id"], set_={"cap": cap}))


def orphans(s: Session, limit: int = 200, *, now: datetime | None = None) -> list[Orphan]:
    """Reservations that nobody will close any more, the oldest first.

    An answer that was deleted while it ran costs what was held for it: it was read, and nobody knows how much of it.
    One that was settled past the points costs that if text came, else nothing. What expired costs nothing.
    """
    now = now or utc_now()
    held = PointsReservation
    is_lost = and_(held.expires_at.is_(None), or_(Message.id.is_(None), Message.outcome.is_not(None)))
    found = s.execute(
        select(held.message_id, held.amount, held.expires_at, Message.content)
        .outerjoin(Message, Message.id == held.message_id)
        .where(held.created_at < now - _SWEEP_OLDER_THAN, or_(is_lost, held.expires_at < now))
        .order_by(held.created_at, held.message_id)
        .limit(limit)
    )
    return [
        Orphan(message_id, 0 if expires_at is not None or content == "" else amount)
        for message_id, amount, expires_at, content in found
    ]


def _held_account(s: Session, user_id: int, now: datetime, grant: int) -> PointsAccount:
    """The month's account, made on first use, and nobody else's until the end of the transaction."""
    month = month_of(now)
    fresh = insert_into(s, PointsAccount).values(user_id=user_id, month=month, granted=0, reserved=0, spent=0)
    # On SQLite this first write takes the turn, on PostgreSQL the next statement takes the row.
    s.execute(fresh.on_conflict_do_nothing(index_elements=["user_id", "month"]))
    account = s.scalars(
        select(PointsAccount)
        .where(PointsAccount.user_id == user_id, PointsAccount.month == month)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    if account.granted != grant:
        book(s, user_id, month, GRANT, None, now, granted=grant - account.granted)
    return account


def _close(s: Session, message_id: str, kind: str, cost: int, now: datetime) -> int | None:
    held = PointsReservation
    closed = delete(held).where(held.message_id == message_id).returning(held.user_id, held.month, held.amount)
    row = s.execute(closed).one_or_none()
    if row is None:
        return None
    user_id, month, amount = row
    if not book(s, user_id, month, kind, message_id, now, reserved=-amount, spent=cost):
        raise errors.Conflict("This has been paid for already.")
    return cost


def _balance(grant: int, spent: int, reserved: int, cap: int | None, now: datetime) -> Balance:
    limit = grant if cap is None else min(grant, cap)
    used = spent + reserved
    return Balance(grant, spent, reserved, max(0, limit - used), next_month(now), cap, used)


def _refuse_beyond(found: Balance, amount: int) -> None:
    if amount > found.left:
        raise errors.PointsExhausted(
            _refusal(found, amount),
            extra={
                "limit": found.limit,
                "current": found.used_this_month,
                "needed": amount,
                "left": found.left,
                "resets_at": found.resets_at.isoformat(),
            },
        )


def _refusal(found: Balance, amount: int) -> str:
    day = f"{found.resets_at:%B} {found.resets_at.day}, {found.resets_at.year}"
    needs = f"This needs about {amount} {'point' if amount == 1 else 'points'}, and {found.left} of your"
    if found.cap is not None and found.cap < found.granted:
        return (
            f"{needs} own cap of {found.cap} a month are left. Raise the cap on the points page, or wait until {day}."
        )
    if found.reserved and amount <= found.left + found.reserved:
        held = f"{found.reserved} are held for answers that still run"
        return f"{needs} {found.granted} are left while {held}. Try again when they have ended."
    return f"{needs} {found.granted} for this month are left. New ones come on {day}."
