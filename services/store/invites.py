"""Invites: codes that let one person register while registration is by invitation."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.store.base import Base, utc_now

VALID_FOR: Final = timedelta(days=7)


class Invite(Base):
    __tablename__ = "invites"

    digest: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


def create(s: Session, *, now: datetime | None = None) -> str:
    """Make an invite; expired ones are cleared away. Returns its code, which is not kept."""
    now = now or utc_now()
    s.execute(delete(Invite).where(Invite.created_at <= now - VALID_FOR))
    code = secrets.token_urlsafe(16)
    s.add(Invite(digest=_digest(code), created_at=now, used_at=None))
    s.flush()
    return code


def use(s: Session, code: str, *, now: datetime | None = None) -> bool:
    """Use an invite up; call it in the transaction that makes the account.

    Returns:
        Whether it was valid: known, younger than 7 days, not used by anybody else, even at this moment.
    """
    now = now or utc_now()
    used = (
        update(Invite)
        .where(Invite.digest == _digest(code), Invite.used_at.is_(None), Invite.created_at > now - VALID_FOR)
        .values(used_at=now)
    )
    return s.scalar(used.returning(Invite.digest)) is not None


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()
