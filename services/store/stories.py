"""Stories: a conversation of the assistant `stories` each, and what is known of it besides; its parts are chapters.py.

A story goes with its conversation, however that is deleted. Its title is the conversation's.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ForeignKey, Index, Select, and_, func, select, tuple_
from sqlalchemy.orm import Mapped, Session, mapped_column

from services import errors
from services.store.base import Base
from services.store.children import ChildRow
from services.store.threads import Conversation, Message

ASSISTANT: Final = "stories"
UNKNOWN: Final = "Story not found"


class StoryRow(Base):
    """One story.

    Attributes:
        id: Its conversation's.
        length: How long it is to be: short, medium or long.
        own_title: The title that the site gave its conversation, which is its first chapter's once that is told; None
            once a person has named it.
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
    """A story without its chapters; see `StoryRow`. `is_named`: by a person, so that it keeps its name."""

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
    is_named: bool = False

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


def get(s: Session, user_id: int, story_id: str) -> Story:
    """One of the person's stories.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    found = s.execute(_own(user_id).where(StoryRow.id == story_id)).one_or_none()
    if found is None:
        raise errors.NotFound(UNKNOWN)
    return _story(*found)


def by_name(s: Session, user_id: int, name: str) -> Story | None:
    """The person's story whose conversation a client calls so; None: there is none."""
    conversation = (
        Conversation.user_id == user_id,
        Conversation.assistant == ASSISTANT,
        Conversation.client_name == name,
    )
    found = s.execute(_own(user_id).where(*conversation)).one_or_none()
    return None if found is None else _story(*found)


def is_somebodys(s: Session, story_id: str) -> bool:
    """Whether there is such a story at all."""
    return s.scalar(select(StoryRow.id).where(StoryRow.id == story_id)) is not None


def shelf(
    s: Session, user_id: int, *, child_id: int | None = None, before: str | None = None, limit: int = 50
) -> list[StorySummary]:
    """The person's stories, or those of one child, the one that was told last first.

    Args:
        before: The id of a story: only those that come after it in this order (the next page).

    Raises:
        NotFound: `before` is unknown, or somebody else's.
    """
    running = and_(Message.id == Conversation.head_id, Message.role == "assistant", Message.outcome.is_(None))
    wanted = (
        select(StoryRow, Conversation, ChildRow.name, Message.stream_id)
        .join(Conversation, Conversation.id == StoryRow.id)
        .join(ChildRow, ChildRow.id == StoryRow.child_id)
        .outerjoin(Message, running)
        .where(StoryRow.user_id == user_id if child_id is None else StoryRow.child_id == child_id)
    )
    if child_id is not None:
        # Added to nothing: by the child's index, not by all that the person has.
        wanted = wanted.where(StoryRow.user_id + 0 == user_id)
    if before is not None:
        last = get(s, user_id, before)
        wanted = wanted.where(tuple_(StoryRow.updated_at, StoryRow.id) < tuple_(last.updated_at, last.id))
    rows = s.execute(wanted.order_by(StoryRow.updated_at.desc(), StoryRow.id.desc()).limit(limit)).all()
    return [StorySummary(_story(row, told.title), name, stream_id, told.unread) for row, told, name, stream_id in rows]


def count(s: Session, user_id: int) -> dict[int, int]:
    """How many stories each of the person's children has; those without any are left out."""
    counted = select(StoryRow.child_id, func.count()).where(StoryRow.user_id == user_id).group_by(StoryRow.child_id)
    return {row[0]: row[1] for row in s.execute(counted)}


def _own(user_id: int) -> Select[StoryRow, str]:
    return (
        select(StoryRow, Conversation.title)
        .join(Conversation, Conversation.id == StoryRow.id)
        .where(StoryRow.user_id == user_id)
    )


def _story(row: StoryRow, title: str) -> Story:
    return Story(
        id=row.id,
        child_id=row.child_id,
        title=title,
        theme=row.theme,
        length=row.length,
        told=row.told,
        recap=row.recap,
        ended_at=row.ended_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        is_named=title != row.own_title,
    )
