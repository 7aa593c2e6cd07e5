"""The calendar feed of a person's todos: who a secret address belongs to. Only its hash is kept."""

from datetime import datetime

from sqlalchemy import ForeignKey, select
from sqlalchemy import delete as delete_from
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.store.base import SECRET, Base, insert_into


class TodoFeed(Base):
    """The one feed that a person may have."""

    __tablename__ = "todo_feeds"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    secret_hash: Mapped[str] = mapped_column(unique=True, info=SECRET)
    created_at: Mapped[datetime]


def put(s: Session, user_id: int, secret_hash: str, *, now: datetime) -> None:
    """Give the person's feed this secret; the one before it opens nothing any more."""
    fresh = insert_into(s, TodoFeed).values(user_id=user_id, secret_hash=secret_hash, created_at=now)
    changed = {"secret_hash": secret_hash, "created_at": now}
    s.execute(fresh.on_conflict_do_update(index_elements=["user_id"], set_=changed))


def revoke(s: Session, user_id: int) -> bool:
    """End the person's feed; whether there was one."""
    gone = delete_from(TodoFeed).where(TodoFeed.user_id == user_id).returning(TodoFeed.user_id)
    return s.scalar(gone) is not None


def since(s: Session, user_id: int) -> datetime | None:
    """When the person's feed got its secret; None if there is no feed."""
    return s.scalar(select(TodoFeed.created_at).where(TodoFeed.user_id == user_id))


def owner(s: Session, secret_hash: str) -> int | None:
    """Whose feed a secret opens."""
    return s.scalar(select(TodoFeed.user_id).where(TodoFeed.secret_hash == secret_hash))
