"""The words that a child asked the meaning of, for its adult to look at."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ForeignKey, Index, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.store import children
from services.store.base import Base, insert_into, utc_now

MAX_KEPT: Final = 500


class StoryWordRow(Base):
    """One word of one child's.

    Attributes:
        word: In lower case, as a dictionary has it.
        times: How often it was asked.
    """

    __tablename__ = "story_words"
    __table_args__ = (Index(None, "child_id", "last_at"), Index(None, "user_id"))

    child_id: Mapped[int] = mapped_column(ForeignKey("children.id", ondelete="CASCADE"), primary_key=True)
    word: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    times: Mapped[int]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class KeptWord:
    """The same as everybody else sees it."""

    word: str
    times: int
    first_at: datetime
    last_at: datetime


def note(s: Session, user_id: int, child_id: int, word: str, *, now: datetime | None = None) -> KeptWord:
    """Note that a child asked what a word means.

    Raises:
        NotFound: The child is unknown, or somebody else's.
    """
    children.get(s, user_id, child_id)
    now, row = now or utc_now(), StoryWordRow
    first = insert_into(s, row).values(
        child_id=child_id, word=word, user_id=user_id, times=1, first_at=now, last_at=now
    )
    again = first.on_conflict_do_update(
        index_elements=["child_id", "word"], set_={"times": row.times + 1, "last_at": now}
    )
    times, first_at = s.execute(again.returning(row.times, row.first_at)).one()
    if times == 1:
        _prune(s, child_id)
    return KeptWord(word, times, first_at, now)


def listing(s: Session, user_id: int, child_id: int, limit: int = 200) -> list[KeptWord]:
    """The words that a child asked for, the one asked for last first.

    Raises:
        NotFound: The child is unknown, or somebody else's.
    """
    children.get(s, user_id, child_id)
    own = select(StoryWordRow).where(StoryWordRow.child_id == child_id)
    rows = s.scalars(own.order_by(StoryWordRow.last_at.desc(), StoryWordRow.word).limit(limit))
    return [KeptWord(row.word, row.times, row.first_at, row.last_at) for row in rows]


def _prune(s: Session, child_id: int) -> None:
    """The words that were asked for longest ago make room."""
    own = select(StoryWordRow.last_at).where(StoryWordRow.child_id == child_id).order_by(StoryWordRow.last_at.desc())
    oldest = s.scalar(own.offset(MAX_KEPT).limit(1))
    if oldest is not None:
        s.execute(delete(StoryWordRow).where(StoryWordRow.child_id == child_id, StoryWordRow.last_at <= oldest))
