"""Chapters: an answer of a story each, with what is known of it besides its text.

A chapter is stored as running in the transaction that stores its turn, and completed in the one that settles its
answer. Trying it again, or going on where it stopped, makes a row of its own in the same place of the story's tree.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ForeignKey, Index, Select, select
from sqlalchemy.orm import Mapped, Session, defer, mapped_column

from services import errors
from services.store.base import Base, Json
from services.store.paths import batches
from services.store.stories import StoryRow

COMPLETED: Final = "completed"
UNKNOWN: Final = "Chapter not found"


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


_LONG: Final = frozenset({"text", "memory"})
_TUPLES: Final = frozenset({"choices", "educational_elements", "checked_by"})
_PLAIN: Final = tuple(one.name for one in fields(Chapter) if one.name not in {*_LONG, *_TUPLES, "child_id"})


def get(s: Session, user_id: int, chapter_id: str) -> Chapter:
    """One of the person's chapters, whole.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    own = _wanted().where(ChapterRow.id == chapter_id, ChapterRow.user_id == user_id)
    found = s.execute(own).one_or_none()
    if found is None:
        raise errors.NotFound(UNKNOWN)
    return _whole(*found)


def of_stream(s: Session, user_id: int, stream_id: str) -> Chapter | None:
    """The person's chapter that is or was told on a stream, without its text; None if there is none."""
    own = _brief().where(ChapterRow.stream_id == stream_id, ChapterRow.user_id == user_id)
    found = s.execute(own.order_by(ChapterRow.id.desc()).limit(1)).one_or_none()
    return None if found is None else _listed(*found)


def of_story(s: Session, story_id: str, *, number: int | None = None) -> list[Chapter]:
    """A story's chapters on all its paths, or those with a number, without their texts, in the order begun.

    The caller checks whose it is.
    """
    wanted = _brief().where(ChapterRow.story_id == story_id)
    if number is not None:
        wanted = wanted.where(ChapterRow.number == number)
    return [_listed(*row) for row in s.execute(wanted.order_by(ChapterRow.created_at, ChapterRow.id))]


def wholes(s: Session, ids: Sequence[str]) -> list[Chapter]:
    """These chapters with their texts, in this order; the caller checks whose they are."""
    found: dict[str, Chapter] = {}
    for some in batches(ids):
        found |= {row[0].id: _whole(*row) for row in s.execute(_wanted().where(ChapterRow.id.in_(some)))}
    return [found[chapter_id] for chapter_id in ids if chapter_id in found]


def of_child(s: Session, user_id: int, child_id: int) -> dict[str, bool]:
    """The streams of a child's chapters, and whether one is being told there."""
    streams = (
        select(ChapterRow.stream_id, ChapterRow.outcome)
        .join(StoryRow, StoryRow.id == ChapterRow.story_id)
        .where(StoryRow.child_id == child_id, StoryRow.user_id == user_id)
    )
    return {stream_id: outcome is None for stream_id, outcome in s.execute(streams.order_by(ChapterRow.id))}


def first_memories(s: Session, user_id: int, child_id: int, limit: int) -> list[dict[str, Any]]:
    """What the first chapters of a child's latest stories left to remember, the newest first."""
    latest = (
        select(StoryRow.id)
        .where(StoryRow.child_id == child_id, StoryRow.user_id == user_id)
        .order_by(StoryRow.updated_at.desc(), StoryRow.id.desc())
        .limit(limit)
        .subquery("latest")
    )
    memories = select(ChapterRow.memory).join(latest, latest.c.id == ChapterRow.story_id)
    told = memories.where(ChapterRow.number == 1, ChapterRow.outcome == COMPLETED)
    return list(s.scalars(told.order_by(ChapterRow.id.desc()).limit(limit)))


def _wanted() -> Select[ChapterRow, int]:
    return select(ChapterRow, StoryRow.child_id).join(StoryRow, StoryRow.id == ChapterRow.story_id)


def _brief() -> Select[ChapterRow, int]:
    unread: Iterable[Any] = (ChapterRow.text, ChapterRow.memory)
    return _wanted().options(*(defer(column, raiseload=True) for column in unread))


def _listed(row: ChapterRow, child_id: int) -> Chapter:
    return Chapter(**_values(row, _PLAIN), child_id=child_id)


def _whole(row: ChapterRow, child_id: int) -> Chapter:
    return Chapter(**_values(row, (*_PLAIN, *_LONG)), child_id=child_id)


def _values(row: ChapterRow, names: Iterable[str]) -> dict[str, Any]:
    lists = {name: tuple(getattr(row, name)) for name in _TUPLES}
    return {name: getattr(row, name) for name in names} | lists
