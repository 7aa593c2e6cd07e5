"""Personal API tokens: made by a person for a program, shown once, kept as a hash, ended one by one."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ForeignKey, bindparam, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from services import errors
from services.store import caps, users
from services.store.base import SECRET, Base, utc_now

PREFIX: Final = "rill_"
MAX_TOKENS: Final = 50
TOUCH_EVERY: Final = timedelta(minutes=1)


class TokenRow(Base):
    __tablename__ = "tokens"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 (SQLAlchemy reads it once)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True, info=SECRET)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]


# Built once: every request of a program runs it.
_PRESENTED: Final = (
    select(TokenRow, users.UserRow)
    .join(users.UserRow, users.UserRow.id == TokenRow.user_id)
    .where(TokenRow.digest == bindparam("its"))
)


def create(s: Session, user_id: int, name: str, *, now: datetime | None = None) -> tuple[TokenRow, str]:
    """Make a token.

    Returns:
        Its row, and its text, which is not kept and cannot be shown again.

    Raises:
        Conflict: The person has `MAX_TOKENS` of them (`TOO_MANY_TOKENS`).
    """
    way_out = "End one that you no longer use."
    caps.check(s, TokenRow.user_id, user_id, limit=MAX_TOKENS, things="tokens", way_out=way_out)
    plain = PREFIX + secrets.token_urlsafe(32)
    row = TokenRow(user_id=user_id, name=name, digest=_digest(plain), created_at=now or utc_now(), last_used_at=None)
    s.add(row)
    s.flush()
    return row, plain


def for_user(s: Session, user_id: int) -> list[TokenRow]:
    """The account's tokens, the newest first."""
    return list(s.scalars(select(TokenRow).where(TokenRow.user_id == user_id).order_by(TokenRow.id.desc())))


def revoke(s: Session, user_id: int, token_id: int) -> None:
    """End one of the account's tokens.

    Raises:
        NotFound: Unknown, ended already, or somebody else's.
    """
    # Beyond 31 bits no token has ever been; PostgreSQL would call the number itself an error.
    if 0 < token_id < 2**31:
        ended = delete(TokenRow).where(TokenRow.id == token_id, TokenRow.user_id == user_id)
        if s.scalar(ended.returning(TokenRow.id)) is not None:
            return
    raise errors.NotFound("There is no such token.")


def user_of(s: Session, plain: str, *, now: datetime | None = None) -> users.User | None:
    """Whose token this is; None if it never was one or has been revoked. Notes its use once a minute."""
    if not plain.startswith(PREFIX):
        return None
    found = s.execute(_PRESENTED, {"its": _digest(plain)}).one_or_none()
    if found is None:
        return None
    token, owner = found
    now = now or utc_now()
    if token.last_used_at is None or token.last_used_at <= now - TOUCH_EVERY:
        s.execute(update(TokenRow).where(TokenRow.id == token.id).values(last_used_at=now))
    return users.of_row(owner)


def _digest(plain: str) -> str:
    # Not a password's slow hash: 256 random bits cannot be guessed, and this runs on every request.
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()
