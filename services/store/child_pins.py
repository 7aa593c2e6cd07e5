"""The PIN that leaves a child's screen: one for each account. Hashes are made and compared elsewhere (passwords.py).

A try is counted before it is compared, so that guesses at the same moment count as well, and in the database, so that
they survive a restart.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ForeignKey, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.store.base import SECRET, Base, Json, insert_into
from services.store.database import write_next

MAX_WRONG: Final = 5
WITHIN: Final = timedelta(minutes=15)
# However slowly they are made: a PIN has few digits.
MAX_WRONG_IN_ALL: Final = 20


class ChildPin(Base):
    """One account's PIN.

    Attributes:
        tries: When it was tried since it was last right, in seconds since 1970, the newest last.
        locked_at: Since when only the account's password leaves the screen; None: not.
    """

    __tablename__ = "child_pins"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    pin_hash: Mapped[str] = mapped_column(info=SECRET)
    tries: Mapped[list[float]] = mapped_column(Json)
    locked_at: Mapped[datetime | None]
    set_at: Mapped[datetime]


def put(s: Session, user_id: int, pin_hash: str, *, now: datetime) -> None:
    """Give the account this PIN; what was tried before counts no more."""
    values: dict[str, object] = {"pin_hash": pin_hash, "tries": [], "locked_at": None, "set_at": now}
    fresh = insert_into(s, ChildPin).values(user_id=user_id, **values)
    s.execute(fresh.on_conflict_do_update(index_elements=["user_id"], set_=values))


def has(s: Session, user_id: int) -> bool:
    """Whether the account has one."""
    return s.scalar(select(ChildPin.user_id).where(ChildPin.user_id == user_id)) is not None


def is_locked(s: Session, user_id: int) -> bool:
    """Whether only the password is left."""
    return s.scalar(select(ChildPin.locked_at).where(ChildPin.user_id == user_id)) is not None


def count_try(s: Session, user_id: int, *, now: datetime) -> str | None:
    """Count a try that is about to be compared.

    Returns:
        The hash to compare it with; None if there is no PIN, or it was tried wrongly too often.
    """
    write_next(s)
    row = s.scalar(select(ChildPin).where(ChildPin.user_id == user_id).with_for_update())
    if row is None or row.locked_at is not None:
        return None
    since = (now - WITHIN).timestamp()
    if len(row.tries) >= MAX_WRONG_IN_ALL or sum(at > since for at in row.tries) >= MAX_WRONG:
        row.locked_at = now
        s.flush()
        return None
    row.tries = [*row.tries, now.timestamp()]
    s.flush()
    return row.pin_hash


def forget_tries(s: Session, user_id: int) -> None:
    """Begin anew: the PIN was right, or the password was."""
    s.execute(update(ChildPin).where(ChildPin.user_id == user_id).values(tries=[], locked_at=None))
