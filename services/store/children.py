"""Children: the profiles that an adult keeps, who stories are told to. How much of a day is used is child_days.py.

Deleting a child deletes its stories, what was withheld from it, its words, and ends the sessions that show its screen.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, cast

from sqlalchemy import ForeignKey, Index, select
from sqlalchemy import delete as delete_from
from sqlalchemy.orm import Mapped, Session, mapped_column

from services import errors
from services.store import caps
from services.store.base import Base, Json, utc_now
from services.store.threads import Conversation

Level = Literal["beginner", "intermediate", "advanced"]
Pronouns = Literal["she", "he", "they"]

LEVELS: Final = ("beginner", "intermediate", "advanced")
PRONOUNS: Final = ("she", "he", "they")
YOUNGEST: Final = 3
OLDEST: Final = 12
# A school class; an end to what one page must show.
MAX_CHILDREN: Final = 40
UNKNOWN: Final = "Child not found"
# What the column counts to; the databases have words of their own for more.
MAX_ID: Final = 2**31 - 1


class ChildRow(Base):
    """One child of one adult.

    Attributes:
        interests, avoid: What its stories should have in them, and what they must not.
        daily_limit: How many chapters it may begin in a day; None: as many as it likes.
        bedtime: The time of day, as `19:30`, from which chapters bring a story to its end; None: never by themselves.
    """

    __tablename__ = "children"
    # Ids are not given twice: what a client remembers of a deleted child must not fit the next one.
    __table_args__ = (Index(None, "user_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str]
    age: Mapped[int]
    level: Mapped[str]
    pronouns: Mapped[str]
    interests: Mapped[list[str]] = mapped_column(Json)
    avoid: Mapped[list[str]] = mapped_column(Json)
    daily_limit: Mapped[int | None]
    bedtime: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class ChildDraft:
    """A child's profile as an adult wants it, checked; see `ChildRow`."""

    name: str
    age: int
    level: Level = "intermediate"
    pronouns: Pronouns = "they"
    interests: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    daily_limit: int | None = None
    bedtime: str | None = None


@dataclass(frozen=True, slots=True)
class Child:
    """A child as everybody else sees it."""

    id: int
    user_id: int
    name: str
    age: int
    level: Level
    pronouns: Pronouns
    interests: tuple[str, ...]
    avoid: tuple[str, ...]
    daily_limit: int | None
    bedtime: str | None
    created_at: datetime
    updated_at: datetime

    def draft(self) -> ChildDraft:
        """What can be changed of it, as it is."""
        return ChildDraft(
            self.name,
            self.age,
            self.level,
            self.pronouns,
            self.interests,
            self.avoid,
            self.daily_limit,
            self.bedtime,
        )


def listing(s: Session, user_id: int) -> list[Child]:
    """The person's children, in the order in which they were added."""
    own = select(ChildRow).where(ChildRow.user_id == user_id)
    return [_child(row) for row in s.scalars(own.order_by(ChildRow.id))]


def get(s: Session, user_id: int, child_id: int) -> Child:
    """One of the person's children.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    return _child(_row(s, user_id, child_id))


def by_id(s: Session, child_id: int) -> Child:
    """A child, whosever it is; the caller knows.

    Raises:
        NotFound: There is no such child (any more).
    """
    found = s.get(ChildRow, child_id)
    if found is None:
        raise errors.NotFound(UNKNOWN)
    return _child(found)


def held(s: Session, user_id: int, child_id: int) -> Child:
    """The same; until this transaction ends nobody else changes or deletes it, nor begins a chapter of it.

    On SQLite this transaction must be the one that writes.

    Raises:
        NotFound: As `get`.
    """
    return _child(_row(s, user_id, child_id, hold=True))


def add(s: Session, user_id: int, draft: ChildDraft, *, now: datetime | None = None) -> Child:
    """Add a child.

    Raises:
        Conflict: Code `TOO_MANY_CHILDREN`.
    """
    caps.check(
        s,
        ChildRow.user_id,
        user_id,
        limit=MAX_CHILDREN,
        things="children",
        way_out="Delete a profile that is not needed any more.",
    )
    now = now or utc_now()
    row = ChildRow(user_id=user_id, created_at=now, updated_at=now, **_values(draft))
    s.add(row)
    s.flush()
    return _child(row)


def change(s: Session, user_id: int, child_id: int, draft: ChildDraft, *, now: datetime | None = None) -> Child:
    """Give a child another profile.

    Raises:
        NotFound: As `get`.
    """
    row = _row(s, user_id, child_id, hold=True)
    for name, value in _values(draft).items():
        setattr(row, name, value)
    row.updated_at = now or utc_now()
    s.flush()
    return _child(row)


def delete(s: Session, user_id: int, child_id: int) -> None:
    """Delete a child with everything that is kept about it; sessions that show its screen end.

    Raises:
        NotFound: As `get`.
    """
    from services.store.stories import StoryRow  # imported here: stories are of children

    get(s, user_id, child_id)
    theirs = select(StoryRow.id).where(StoryRow.child_id == child_id, StoryRow.user_id == user_id)
    gone = delete_from(Conversation).where(Conversation.id.in_(theirs))
    # Conversations first, then the child: the order in which a chapter takes them that begins at this moment. What
    # began before the child was taken is seen by the second statement.
    s.execute(gone)
    its = delete_from(ChildRow).where(ChildRow.id == child_id, ChildRow.user_id == user_id)
    s.execute(select(ChildRow.id).where(ChildRow.id == child_id, ChildRow.user_id == user_id).with_for_update())
    s.execute(gone)
    if s.scalar(its.returning(ChildRow.id)) is None:
        raise errors.NotFound(UNKNOWN)


def _row(s: Session, user_id: int, child_id: int, *, hold: bool = False) -> ChildRow:
    if not 0 < child_id <= MAX_ID:
        raise errors.NotFound(UNKNOWN)
    wanted = select(ChildRow).where(ChildRow.id == child_id, ChildRow.user_id == user_id)
    if hold:
        # Weaker than what deleting takes: rows that refer to the child may be added meanwhile.
        wanted = wanted.with_for_update(key_share=True)
    found = s.scalar(wanted.execution_options(populate_existing=True))
    if found is None:
        raise errors.NotFound(UNKNOWN)
    return found


def _values(draft: ChildDraft) -> dict[str, object]:
    return {
        "name": draft.name,
        "age": draft.age,
        "level": draft.level,
        "pronouns": draft.pronouns,
        "interests": list(draft.interests),
        "avoid": list(draft.avoid),
        "daily_limit": draft.daily_limit,
        "bedtime": draft.bedtime,
    }


def _child(row: ChildRow) -> Child:
    return Child(
        id=row.id,
        user_id=row.user_id,
        name=row.name,
        age=row.age,
        level=cast(Level, row.level),
        pronouns=cast(Pronouns, row.pronouns),
        interests=tuple(row.interests),
        avoid=tuple(row.avoid),
        daily_limit=row.daily_limit,
        bedtime=row.bedtime,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
