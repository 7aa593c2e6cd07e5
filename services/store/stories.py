"""Stories: a conversation of the assistant `stories` each, and what is known of it besides; its parts are chapters.py.

A story goes with its conversation, however that is deleted. Its title is the conversation's.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from services.store.base import Base

ASSISTANT = "stories"


class StoryRow(Base):
    """One story.

    Attributes:
        id: Its conversation's.
        length: How long it is to be: short, medium or long.
        own_title: The title that its conversation was given before anything was told; None once it has a better one,
            or was named by a person.
        told: The highest number of its chapters that are complete, on whatever path.
        recap: What has happened so far, by the chapter that was completed last.
        ended_at: When a last chapter was completed, on whatever path; None: not yet.
    """

    __tablename__ = "stories"
    __table_args__ = (
        Index(None, "user_id", "updated_at", "id"),
        Index(None, "child_id", "updated_at", "id"),
        Index(None, "child_id", "theme", "id"),
    )

    id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    child_id: Mapped[int] = mapped_column(ForeignKey("children.id", ondelete="CASCADE"))
    theme: Mapped[str]
    length: Mapped[str]
    own_title: Mapped[str | None]
    told: Mapped[int]
    recap: Mapped[str]
    ended_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Story:
    """A story without its chapters; see `StoryRow`."""

    id: str
    child_id: int
    title: str
    theme: str
    length: str
    told: int
    recap: str
    ended_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def has_ended(self) -> bool:
        return self.ended_at is not None


@dataclass(frozen=True, slots=True)
class StorySummary:
    """A story as a shelf shows it.

    Attributes:
        running: The stream of the chapter that is being told now, if the path that is shown ends with one.
        unread: Whether something came since its adult last looked.
    """

    story: Story
    child_name: str
    running: str | None
    unread: bool
