"""Browser sessions: one row for each sign-in, so that each can be shown and ended."""

import secrets
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ForeignKey, bindparam, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from services import errors
from services.store import users
from services.store.base import SECRET, Base, utc_now

# A session that nobody used for this long has ended.
IDLE_LIMIT: Final = timedelta(days=30)
# The time of last use is exact to this: a page's ten requests must not be ten writes.
TOUCH_EVERY: Final = timedelta(minutes=1)


class SessionRow(Base):
    """One sign-in.

    Attributes:
        epoch: The account's, when the session was opened; the session has ended once they differ.
        address: The network address last seen.
        child_id: The child whose screen it shows, and nothing else; None: it is the person's own. It ends with the
            child, so that it never becomes the person's again by itself.
    """

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(primary_key=True, info=SECRET)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    epoch: Mapped[int]
    user_agent: Mapped[str]
    address: Mapped[str]
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    child_id: Mapped[int | None] = mapped_column(ForeignKey("children.id", ondelete="CASCADE"), index=True)


# Built once: every request of a page runs it.
_SIGNED_IN: Final = (
    select(SessionRow, users.UserRow)
    .join(users.UserRow, users.UserRow.id == SessionRow.user_id)
    .where(SessionRow.id == bindparam("its"), SessionRow.epoch == users.UserRow.epoch)
)


def open(  # noqa: A001 (read as sessions.open)
    s: Session, user_id: int, *, user_agent: str, address: str, now: datetime | None = None
) -> SessionRow:
    """Begin a session; the account's lapsed ones are cleared away.

    Args:
        s: An open session of the database.
        user_id: Who signed in.
        user_agent: What the browser calls itself; cut at 300 characters.
        address: Where it came from.
        now: The time, for tests.

    Raises:
        NotFound: There is no such account.
    """
    now = now or utc_now()
    user = users.by_id(s, user_id)
    if user is None:
        raise errors.NotFound("There is no such account.")
    s.execute(delete(SessionRow).where(SessionRow.user_id == user_id, SessionRow.last_seen_at < now - IDLE_LIMIT))
    row = SessionRow(
        id=secrets.token_urlsafe(24),
        user_id=user_id,
        epoch=user.epoch,
        user_agent=user_agent[:300],
        address=address,
        created_at=now,
        last_seen_at=now,
    )
    s.add(row)
    s.flush()
    return row


def by_id(s: Session, session_id: str, *, now: datetime | None = None) -> SessionRow | None:
    """The session, unless it has lapsed. The caller compares its epoch to the account's, or asks `user_of`."""
    row = s.get(SessionRow, session_id)
    return None if row is None or _has_lapsed(row, now or utc_now()) else row


def user_of(s: Session, session_id: str, *, now: datetime | None = None) -> tuple[SessionRow, users.User] | None:
    """The session and whose it is, in one query; None if it has ended in any way."""
    found = s.execute(_SIGNED_IN, {"its": session_id}).one_or_none()
    if found is None or _has_lapsed(found[0], now or utc_now()):
        return None
    return found[0], users.of_row(found[1])


def touch(s: Session, session_id: str, *, address: str | None = None, now: datetime | None = None) -> None:
    """Note that the session is in use; writes at most once a minute."""
    now = now or utc_now()
    values: dict[str, object] = {"last_seen_at": now} if address is None else {"last_seen_at": now, "address": address}
    row = s.get(SessionRow, session_id)
    if row is not None and row.last_seen_at <= now - TOUCH_EVERY:
        s.execute(update(SessionRow).where(SessionRow.id == session_id).values(**values))


def for_user(s: Session, user_id: int, *, now: datetime | None = None) -> list[SessionRow]:
    """The account's sessions, the one used last first."""
    since = (now or utc_now()) - IDLE_LIMIT
    return list(
        s.scalars(
            select(SessionRow)
            .where(SessionRow.user_id == user_id, SessionRow.last_seen_at >= since)
            .order_by(SessionRow.last_seen_at.desc(), SessionRow.id)
        )
    )


def close(s: Session, user_id: int, session_id: str) -> None:
    """End one of the account's sessions.

    Raises:
        NotFound: Unknown, ended already, or somebody else's.
    """
    ended = delete(SessionRow).where(SessionRow.id == session_id, SessionRow.user_id == user_id)
    if s.scalar(ended.returning(SessionRow.id)) is None:
        raise errors.NotFound("There is no such session.")


def close_all(s: Session, user_id: int, *, keep: str | None = None) -> int:
    """End the account's sessions, all but `keep`; returns how many ended."""
    ended = delete(SessionRow).where(SessionRow.user_id == user_id)
    if keep is not None:
        ended = ended.where(SessionRow.id != keep)
    return len(s.scalars(ended.returning(SessionRow.id)).all())


def hand_over(s: Session, user_id: int, session_id: str, child_id: int) -> None:
    """Let one of the account's sessions show a child's screen; the caller checks whose child it is.

    Raises:
        NotFound: The session is unknown, ended already, or somebody else's.
    """
    _give(s, user_id, session_id, child_id)


def take_back(s: Session, user_id: int, session_id: str) -> None:
    """Let the session be the person's again.

    Raises:
        NotFound: As `hand_over`.
    """
    _give(s, user_id, session_id, None)


def _give(s: Session, user_id: int, session_id: str, child_id: int | None) -> None:
    given = update(SessionRow).where(SessionRow.id == session_id, SessionRow.user_id == user_id)
    if s.scalar(given.values(child_id=child_id).returning(SessionRow.id)) is None:
        raise errors.NotFound("There is no such session.")


def _has_lapsed(row: SessionRow, now: datetime) -> bool:
    return row.last_seen_at < now - IDLE_LIMIT
