"""The points' ledger as rows: its entries, and the two books that are kept beside them. The rules are in points.py.

Entries are only ever added. The accounts (each month's sums) and the open reservations make asking cheap; they
are written in the entries' transactions. `audit` compares all three.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.store.base import Base, insert_into, new_id

GRANT: Final = "grant"
RESERVE: Final = "reserve"
SETTLE: Final = "settle"
RELEASE: Final = "release"
KINDS: Final = (GRANT, RESERVE, SETTLE, RELEASE)


class PointsAccount(Base):
    """One person's month: the sums of its entries.

    Attributes:
        month: As `2026-11`, in UTC.
    """

    __tablename__ = "points_accounts"
    __table_args__ = (CheckConstraint("reserved >= 0 AND spent >= 0 AND granted >= 0", name="ck_points_accounts_sums"),)

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    month: Mapped[str] = mapped_column(primary_key=True)
    granted: Mapped[int]
    reserved: Mapped[int]
    spent: Mapped[int]


class PointsCap(Base):
    """The most that a person wants to spend in a month."""

    __tablename__ = "points_caps"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    cap: Mapped[int]


class PointsReservation(Base):
    """Points that are held for an answer which runs; gone once it is settled or released.

    Attributes:
        message_id: The answer's; or another unique name of what is paid for, then with `expires_at`.
        expires_at: When it counts as abandoned. None: when its message is settled or deleted.
    """

    __tablename__ = "points_reservations"
    __table_args__ = (Index(None, "user_id"), Index(None, "created_at"))

    message_id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    month: Mapped[str]
    amount: Mapped[int]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class PointsEntry(Base):
    """One line of the ledger: by how much it changes each sum of its month. Never changed, never taken away.

    Attributes:
        kind: grant, reserve, settle or release.
        message_id: What it is about; None for a grant.
    """

    __tablename__ = "points_entries"
    __table_args__ = (
        UniqueConstraint("message_id", "kind"),
        Index(None, "user_id", "id"),
        Index(None, "user_id", "month"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    month: Mapped[str]
    kind: Mapped[str]
    message_id: Mapped[str | None]
    granted: Mapped[int]
    reserved: Mapped[int]
    spent: Mapped[int]
    created_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Difference:
    """Two books that do not agree; there is none unless somebody wrote past this module."""

    user_id: int
    month: str
    what: str
    account: int
    ledger: int


def book(
    s: Session,
    user_id: int,
    month: str,
    kind: str,
    message_id: str | None,
    now: datetime,
    *,
    granted: int = 0,
    reserved: int = 0,
    spent: int = 0,
) -> bool:
    """Add an entry, and its amounts to the account: the one place where either is written.

    Returns:
        False if the answer has an entry of this kind already: then nothing has changed.
    """
    changes = {"granted": granted, "reserved": reserved, "spent": spent}
    line = {"id": new_id(), "user_id": user_id, "month": month, "kind": kind, "message_id": message_id}
    entry = insert_into(s, PointsEntry).values(**line, **changes, created_at=now)
    once = entry.on_conflict_do_nothing(index_elements=["message_id", "kind"]).returning(PointsEntry.id)
    if s.scalar(once) is None:
        return False
    account = PointsAccount
    s.execute(
        update(account)
        .where(account.user_id == user_id, account.month == month)
        .values({name: getattr(account, name) + by for name, by in changes.items()})
        .execution_options(synchronize_session=False)
    )
    return True


def audit(s: Session, user_id: int | None = None) -> list[Difference]:
    """Compare the books: accounts with the entries' sums, and what they hold with the open reservations."""
    differences = []
    open_now = _open_sums(s, user_id)
    entered = _entered_sums(s, user_id)
    accounts = select(PointsAccount)
    if user_id is not None:
        accounts = accounts.where(PointsAccount.user_id == user_id)
    booked = {(row.user_id, row.month): (row.granted, row.reserved, row.spent) for row in s.scalars(accounts)}
    for key in sorted(booked.keys() | entered.keys() | open_now.keys()):
        account, sums = booked.get(key, (0, 0, 0)), entered.get(key, (0, 0, 0))
        pairs = [*zip(("granted", "reserved", "spent"), account, sums, strict=True)]
        pairs.append(("open", account[1], open_now.get(key, 0)))
        differences += [Difference(*key, what, mine, theirs) for what, mine, theirs in pairs if mine != theirs]
    return differences


def _open_sums(s: Session, user_id: int | None) -> dict[tuple[int, str], int]:
    held = PointsReservation
    sums = select(held.user_id, held.month, func.sum(held.amount)).group_by(held.user_id, held.month)
    if user_id is not None:
        sums = sums.where(held.user_id == user_id)
    return {(who, month): int(amount) for who, month, amount in s.execute(sums)}


def _entered_sums(s: Session, user_id: int | None) -> dict[tuple[int, str], tuple[int, int, int]]:
    of = PointsEntry
    sums = select(of.user_id, of.month, func.sum(of.granted), func.sum(of.reserved), func.sum(of.spent))
    if user_id is not None:
        sums = sums.where(of.user_id == user_id)
    found = s.execute(sums.group_by(of.user_id, of.month))
    return {(who, month): (int(granted), int(reserved), int(spent)) for who, month, granted, reserved, spent in found}
