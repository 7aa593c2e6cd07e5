"""Chapters: an answer of a story each, with what is known of it besides its text.

A chapter is stored as running in the transaction that stores its turn, and completed in the one that settles its
answer. Trying it again, or going on where it stopped, makes a row of its own in the same place of the story's tree.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from services.store.base import Base, Json

COMPLETED = "completed"


class ChapterRow(Base):
    """One chapter.

    Attributes:
        id: Its message's.
        place_id: The message of the choice that it follows; tries of one chapter share it.
        parent_id: The chapter before it; None for a first one. No reference, as all of a story goes at once.
        choice, idea: The choice that was made before it, and the child's own idea.
        counted: Whether it was counted for the child's day.
        outcome: As its message's; None while it runs.
        text: All of it, with what it went on from.
        memory: What the next chapter has to know of hero, world and facts.
        withheld: How many pieces of it were refused.
        safety_score: The check's, from 0 to 1; None if it was never checked to its end.
        first_chunk_ms, duration_ms: How long the first words took, and all of it; None where nobody knows.
    """

    __tablename__ = "chapters"
    __table_args__ = (
        Index(None, "story_id", "number", "id"),
        Index(None, "stream_id"),
        Index(None, "place_id"),
        Index(None, "user_id"),
    )

    id: Mapped[str] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    story_id: Mapped[str] = mapped_column(ForeignKey("stories.id", ondelete="CASCADE"))
    place_id: Mapped[str]
    parent_id: Mapped[str | None]
    number: Mapped[int]
    theme: Mapped[str]
    choice: Mapped[str]
    idea: Mapped[str]
    bedtime: Mapped[bool]
    counted: Mapped[bool]
    stream_id: Mapped[str]
    outcome: Mapped[str | None]
    error_code: Mapped[str | None]
    engine: Mapped[str | None]
    fallback: Mapped[bool]
    title: Mapped[str]
    choices: Mapped[list[str]] = mapped_column(Json)
    choice_question: Mapped[str]
    is_last: Mapped[bool]
    recap: Mapped[str]
    educational_elements: Mapped[list[str]] = mapped_column(Json)
    reading_minutes: Mapped[int | None]
    vocabulary_level: Mapped[str | None]
    grade: Mapped[float | None]
    words: Mapped[int | None]
    safety_score: Mapped[float | None]
    checked_by: Mapped[list[str]] = mapped_column(Json)
    withheld: Mapped[int]
    first_chunk_ms: Mapped[int | None]
    duration_ms: Mapped[int | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    # The long ones last: what is listed does not read them.
    memory: Mapped[dict[str, Any]] = mapped_column(Json)
    text: Mapped[str]


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter as everybody else sees it; see `ChapterRow`.

    Attributes:
        text, memory: Empty where a chapter is one of many in a tree: those of the path that is shown have them.
    """

    id: str
    story_id: str
    child_id: int
    place_id: str
    parent_id: str | None
    number: int
    theme: str
    choice: str
    idea: str
    bedtime: bool
    counted: bool
    stream_id: str
    outcome: str | None
    error_code: str | None
    engine: str | None
    fallback: bool
    title: str
    choices: tuple[str, ...]
    choice_question: str
    is_last: bool
    recap: str
    educational_elements: tuple[str, ...]
    reading_minutes: int | None
    vocabulary_level: str | None
    grade: float | None
    words: int | None
    safety_score: float | None
    checked_by: tuple[str, ...]
    withheld: int
    first_chunk_ms: int | None
    duration_ms: int | None
    created_at: datetime
    finished_at: datetime | None
    text: str = ""
    memory: dict[str, Any] | None = None

    @property
    def is_running(self) -> bool:
        return self.outcome is None

    @property
    def is_complete(self) -> bool:
        """Whether another chapter can follow it."""
        return self.outcome == COMPLETED
