"""What was withheld from a child: pieces of chapters, and what a client sent. For the adult's eyes only."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from services.store.base import Base

DecidedBy = Literal["rules", "model"]
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
