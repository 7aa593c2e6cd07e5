"""What was withheld from a child: pieces of chapters, and what a client sent. For the adult's eyes only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ForeignKey, Index, UniqueConstraint, delete, func, insert, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.store import children
from services.store.base import Base, insert_into, new_id, utc_now
from services.store.chapters import ChapterRow
from services.store.children import ChildRow
from services.store.stories import StoryRow
from services.store.threads import Conversation

# The newest of each person's are kept, and so much of each.
MAX_KEPT: Final = 1_000
MAX_CHARS: Final = 4_000
_MAX_WORD: Final = 100
_UNSEEN: Final = text("seen_at IS NULL")
# In a review's `field`: it is not a client's input but a piece of a chapter.
PIECE: Final = "chapter"


class ReviewRow(Base):
    """One thing that was withheld.

    Attributes:
        chapter_id, number: The chapter's message, and which piece of it; None where it was a client's input.
        field: `chapter`, or the field of the request.
        rule: Which rule decided; empty if the model did.
        decided_by: rules or model.
    """

    __tablename__ = "story_reviews"
    __table_args__ = (
        UniqueConstraint("chapter_id", "number"),
        Index(None, "user_id", "id"),
        Index(None, "child_id", "id"),
        Index(None, "story_id"),
        Index("ix_story_reviews_unseen", "user_id", sqlite_where=_UNSEEN, postgresql_where=_UNSEEN),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    child_id: Mapped[int] = mapped_column(ForeignKey("children.id", ondelete="CASCADE"))
    story_id: Mapped[str | None] = mapped_column(ForeignKey("stories.id", ondelete="CASCADE"))
    chapter_id: Mapped[str | None]
    number: Mapped[int | None]
    field: Mapped[str]
    text: Mapped[str]
    category: Mapped[str]
    rule: Mapped[str]
    decided_by: Mapped[str]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class Review:
    """The same as everybody else sees it."""

    id: str
    child_id: int
    child_name: str
    story_id: str | None
    story_title: str | None
    chapter_id: str | None
    number: int | None
    field: str
    text: str
    category: str
    rule: str
    decided_by: str
    created_at: datetime
    seen_at: datetime | None

    @property
    def is_piece(self) -> bool:
        """Whether a storyteller said it; else a client sent it."""
        return self.field == PIECE


def withhold(
    s: Session,
    user_id: int,
    chapter_id: str,
    number: int,
    text: str,
    category: str,
    decided_by: str,
    *,
    rule: str = "",
    now: datetime | None = None,
) -> bool:
    """Keep a piece of a chapter that was refused, once; False if it is kept already, or the chapter is no more."""
    chapter = s.execute(
        select(StoryRow.child_id, StoryRow.id)
        .join(ChapterRow, ChapterRow.story_id == StoryRow.id)
        .where(ChapterRow.id == chapter_id, StoryRow.user_id == user_id)
    ).one_or_none()
    if chapter is None:
        return False
    child_id, story_id = chapter
    values = _values(user_id, child_id, PIECE, text, category, rule, decided_by, now)
    held = insert_into(s, ReviewRow).values(story_id=story_id, chapter_id=chapter_id, number=number, **values)
    once = held.on_conflict_do_nothing(index_elements=["chapter_id", "number"]).returning(ReviewRow.id)
    fresh = s.scalar(once) is not None
    _prune(s, user_id)
    return fresh


def refuse(
    s: Session,
    user_id: int,
    child_id: int,
    field: str,
    text: str,
    category: str,
    *,
    rule: str = "",
    now: datetime | None = None,
) -> None:
    """Keep words that a client sent for a child's story and that were refused.

    Raises:
        NotFound: The child is unknown, or somebody else's.
    """
    children.get(s, user_id, child_id)
    s.execute(insert(ReviewRow).values(**_values(user_id, child_id, field, text, category, rule, "rules", now)))
    _prune(s, user_id)


def listing(
    s: Session,
    user_id: int,
    *,
    child_id: int | None = None,
    story_id: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Review]:
    """What was withheld from the person's children, the newest first.

    Args:
        child_id, story_id: Only from this child, only of this story.
        before: The id of one: only those that come after it in this order (the next page).

    Raises:
        NotFound: The child is unknown, or somebody else's.
    """
    if child_id is not None:
        children.get(s, user_id, child_id)
    wanted = (
        select(ReviewRow, ChildRow.name, Conversation.title)
        .join(ChildRow, ChildRow.id == ReviewRow.child_id)
        .outerjoin(Conversation, Conversation.id == ReviewRow.story_id)
        .where(ReviewRow.user_id == user_id)
    )
    if child_id is not None:
        wanted = wanted.where(ReviewRow.child_id == child_id)
    if story_id is not None:
        wanted = wanted.where(ReviewRow.story_id == story_id)
    if before is not None:
        wanted = wanted.where(ReviewRow.id < before)
    rows = s.execute(wanted.order_by(ReviewRow.id.desc()).limit(limit)).all()
    return [_review(row, name, title) for row, name, title in rows]


def seen(s: Session, user_id: int, ids: Sequence[str] | None = None, *, now: datetime | None = None) -> int:
    """Note that the person has looked at some, or at all; how many were new."""
    new = update(ReviewRow).where(ReviewRow.user_id == user_id, ReviewRow.seen_at.is_(None))
    if ids is not None:
        new = new.where(ReviewRow.id.in_(list(ids)[:MAX_KEPT]))
    return len(s.scalars(new.values(seen_at=now or utc_now()).returning(ReviewRow.id)).all())


def unseen(s: Session, user_id: int) -> int:
    """How many the person has not looked at."""
    new = select(func.count()).select_from(ReviewRow).where(ReviewRow.user_id == user_id, ReviewRow.seen_at.is_(None))
    return s.scalar(new) or 0


def _prune(s: Session, user_id: int) -> None:
    """Whoever sends what is refused again and again does not fill the database."""
    own = select(ReviewRow.id).where(ReviewRow.user_id == user_id).order_by(ReviewRow.id.desc())
    oldest = s.scalar(own.offset(MAX_KEPT).limit(1))
    if oldest is not None:
        s.execute(delete(ReviewRow).where(ReviewRow.user_id == user_id, ReviewRow.id <= oldest))


def _values(
    user_id: int, child_id: int, field: str, text: str, category: str, rule: str, by: str, now: datetime | None
) -> dict[str, object]:
    return {
        "id": new_id(),
        "user_id": user_id,
        "child_id": child_id,
        "field": field[:_MAX_WORD],
        "text": text[:MAX_CHARS],
        "category": category[:_MAX_WORD],
        "rule": rule[:_MAX_WORD],
        "decided_by": by,
        "created_at": now or utc_now(),
    }


def _review(row: ReviewRow, child_name: str, story_title: str | None) -> Review:
    return Review(
        id=row.id,
        child_id=row.child_id,
        child_name=child_name,
        story_id=row.story_id,
        story_title=story_title,
        chapter_id=row.chapter_id,
        number=row.number,
        field=row.field,
        text=row.text,
        category=row.category,
        rule=row.rule,
        decided_by=row.decided_by,
        created_at=row.created_at,
        seen_at=row.seen_at,
    )
