"""Todos: their rows, and how they are read. What changes them is todo_edits.py, lists are todo_filters.py.

Dates are kept as they are written (`services/when.py`): a day stays a day, a time is wall time in its zone. Beside
them stands `moment`, a number that days and times are compared by.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Final, Literal

from sqlalchemy import BigInteger, ForeignKey, Index, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from services import errors
from services.store.base import SECRET, Base
from services.when import When, parse

Importance = Literal["low", "medium", "high"]
Status = Literal["open", "done"]
Source = Literal["user", "ai"]
Mode = Literal["schedule", "completion"]

OPEN: Final[Status] = "open"
DONE: Final[Status] = "done"
IMPORTANCES: Final = ("low", "medium", "high")
# Enough for anybody, and an end to what one account can store and one page must show.
MAX_OPEN: Final = 5_000
MAX_ROWS: Final = 20_000
MAX_SUBTASKS: Final = 200
MAX_TAGS: Final = 100
MAX_ITEM: Final = 500
MAX_NOTES: Final = 10_000
MAX_TAG: Final = 50
MAX_PROJECT: Final = 100
# A statement with more values than this is cut into several.
_AT_ONCE: Final = 1_000
_EPOCH: Final = date(1970, 1, 1)


class TodoRow(Base):
    """One todo, or one subtask; a subtask has none of its own.

    Attributes:
        start, due: As `When.text`; `zone` is that of their times, None where both are days.
        moment: Its day (`due`, else `start`) as seconds since 1970: the instant of a time, midnight UTC of a day.
        is_timed: Which of the two `moment` is.
        project_key, words: What projects are compared by, and texts are searched in.
        rule, mode, anchor: How it repeats, and the first date of its series; None if it does not.
        series_id: What the todos of one series share; kept when one is done.
        following_id: The one that was made when this one was completed.
        position: Its place in the order by hand, among all of the person's.
    """

    __tablename__ = "todos"
    __table_args__ = (
        Index(None, "user_id", "position"),
        Index(None, "user_id", "status", "moment"),
        Index(None, "user_id", "status", "completed_at"),
        Index(None, "user_id", "project_key"),
        Index(None, "user_id", "series_id"),
        Index(None, "parent_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("todos.id", ondelete="CASCADE"))
    item: Mapped[str]
    notes: Mapped[str]
    start: Mapped[str | None]
    due: Mapped[str | None]
    zone: Mapped[str | None]
    moment: Mapped[int | None] = mapped_column(BigInteger)
    is_timed: Mapped[bool]
    importance: Mapped[str]
    project: Mapped[str | None]
    project_key: Mapped[str | None] = mapped_column(info=SECRET)
    status: Mapped[str]
    rule: Mapped[str | None]
    mode: Mapped[str | None]
    anchor: Mapped[str | None]
    series_id: Mapped[str | None]
    following_id: Mapped[str | None]
    position: Mapped[int] = mapped_column(BigInteger)
    source: Mapped[str]
    words: Mapped[str] = mapped_column(info=SECRET)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]


class TodoTag(Base):
    """One tag of one todo.

    Attributes:
        tag_key: What tags are compared by: `Home` is `home`.
        number: Its place among the todo's tags.
    """

    __tablename__ = "todo_tags"
    __table_args__ = (Index(None, "user_id", "tag_key", "todo_id"),)

    todo_id: Mapped[str] = mapped_column(ForeignKey("todos.id", ondelete="CASCADE"), primary_key=True)
    tag_key: Mapped[str] = mapped_column(primary_key=True, info=SECRET)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    tag: Mapped[str]
    number: Mapped[int]


@dataclass(frozen=True, slots=True)
class Draft:
    """A todo that is to be made.

    Attributes:
        rule: How it repeats, a rule of RFC 5545; then it needs a date. None: not.
        anchor: The first date of the series; None: the todo's own.
        parent_id: The todo whose subtask it becomes.
        subtasks: Subtasks to be made with it; they have none of their own, and do not repeat.
        status, completed_at: For what comes from elsewhere; one that is done makes no following one.
        id: The same: the one that it is known by from now on. None: a new one.
    """

    item: str
    notes: str = ""
    start: When | None = None
    due: When | None = None
    importance: Importance = "medium"
    tags: tuple[str, ...] = ()
    project: str | None = None
    parent_id: str | None = None
    rule: str | None = None
    mode: Mode = "schedule"
    anchor: When | None = None
    subtasks: "tuple[Draft, ...]" = ()
    status: Status = "open"
    completed_at: datetime | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Todo:
    """A todo as everybody else sees it, with its subtasks in their order. `rule`, `mode`, `anchor`: as in `Draft`."""

    id: str
    item: str
    notes: str
    start: When | None
    due: When | None
    importance: Importance
    tags: tuple[str, ...]
    project: str | None
    parent_id: str | None
    subtasks: "tuple[Todo, ...]"
    status: Status
    rule: str | None
    mode: Mode | None
    anchor: When | None
    series_id: str | None
    following_id: str | None
    position: int
    source: Source
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None

    @property
    def day(self) -> When | None:
        """The date by which it is listed: when it is due, else when it starts."""
        return self.due or self.start

    @property
    def zone(self) -> str | None:
        """The zone of its times; None where it has none."""
        return (self.due and self.due.zone) or (self.start and self.start.zone) or None

    @property
    def is_done(self) -> bool:
        return self.status == DONE


def get(s: Session, user_id: int, todo_id: str) -> Todo:
    """One of the person's todos, with its subtasks.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    return whole(s, [row(s, user_id, todo_id)])[0]


def some(s: Session, user_id: int, todo_ids: Sequence[str]) -> dict[str, Todo]:
    """Several of the person's todos by their ids; those that are not there are left out."""
    return {todo.id: todo for todo in whole(s, rows(s, user_id, todo_ids))}


def rows(s: Session, user_id: int, todo_ids: Sequence[str]) -> list[TodoRow]:
    """The same as their rows."""
    found: list[TodoRow] = []
    for ids in _parts(todo_ids):
        found += s.scalars(select(TodoRow).where(TodoRow.id.in_(ids), TodoRow.user_id == user_id))
    return found


def known(s: Session, user_id: int, todo_ids: Sequence[str]) -> set[str]:
    """Which of some ids are those of todos of the person's."""
    found: set[str] = set()
    for ids in _parts(todo_ids):
        found.update(s.scalars(select(TodoRow.id).where(TodoRow.user_id == user_id, TodoRow.id.in_(ids))))
    return found


def row(s: Session, user_id: int, todo_id: str) -> TodoRow:
    """The same as its row.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    found = s.scalar(select(TodoRow).where(TodoRow.id == todo_id, TodoRow.user_id == user_id))
    if found is None:
        raise errors.NotFound("Todo not found")
    return found


def open_of_series(s: Session, user_id: int, series_id: str) -> list[TodoRow]:
    """The todos of a series that are open."""
    own = select(TodoRow).where(TodoRow.user_id == user_id, TodoRow.series_id == series_id, TodoRow.status == OPEN)
    return list(s.scalars(own.order_by(TodoRow.position)))


def in_order(s: Session, user_id: int) -> list[str]:
    """The ids of the open todos in their order by hand, without subtasks."""
    own = select(TodoRow.id).where(TodoRow.user_id == user_id, TodoRow.status == OPEN, TodoRow.parent_id.is_(None))
    return list(s.scalars(own.order_by(TodoRow.position, TodoRow.id)))


def children(s: Session, parent_ids: Sequence[str]) -> list[TodoRow]:
    """The subtasks of some todos, in their order."""
    found: list[TodoRow] = []
    for ids in _parts(parent_ids):
        wanted = select(TodoRow).where(TodoRow.parent_id.in_(ids))
        found += s.scalars(wanted.order_by(TodoRow.position, TodoRow.id))
    return found


def tags_of(s: Session, todo_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The tags of some todos, in their order; those without any are left out."""
    found: dict[str, tuple[str, ...]] = {}
    for ids in _parts(todo_ids):
        wanted = select(TodoTag.todo_id, TodoTag.tag).where(TodoTag.todo_id.in_(ids))
        rows = s.execute(wanted.order_by(TodoTag.todo_id, TodoTag.number))
        found.update((key, tuple(tag for _, tag in group)) for key, group in groupby(rows, lambda each: each[0]))
    return found


def whole(s: Session, rows: Sequence[TodoRow]) -> list[Todo]:
    """Rows as todos, in the same order, with tags and subtasks."""
    below = children(s, [each.id for each in rows if each.parent_id is None])
    tags = tags_of(s, [each.id for each in (*rows, *below)])
    subtasks: dict[str | None, list[Todo]] = {}
    for each in below:
        subtasks.setdefault(each.parent_id, []).append(_todo(each, tags.get(each.id, ())))
    return [replace(_todo(each, tags.get(each.id, ())), subtasks=tuple(subtasks.get(each.id, ()))) for each in rows]


def tags(s: Session, user_id: int) -> list[tuple[str, int]]:
    """The tags of the person's open todos, and how many have each; the most frequent first."""
    wanted = (
        select(TodoTag.tag_key, TodoTag.tag, func.count())
        .join(TodoRow, TodoRow.id == TodoTag.todo_id)
        .where(TodoTag.user_id == user_id, TodoRow.status == OPEN)
        .group_by(TodoTag.tag_key, TodoTag.tag)
    )
    return _counted(s.execute(wanted))


def projects(s: Session, user_id: int) -> list[tuple[str, int]]:
    """The projects of the person's open todos, and how many are in each; the largest first."""
    wanted = (
        select(TodoRow.project_key, TodoRow.project, func.count())
        .where(TodoRow.user_id == user_id, TodoRow.project_key.is_not(None), TodoRow.status == OPEN)
        .group_by(TodoRow.project_key, TodoRow.project)
    )
    return _counted(s.execute(wanted))


def moment(day: When | None) -> int | None:
    """What a date is compared by; see `TodoRow`.

    Raises:
        InvalidInput: No clock counts that far.
    """
    if day is None:
        return None
    try:
        at = day.instant()
    except OverflowError:
        raise errors.InvalidInput([errors.FieldError("due_time", "is out of range")]) from None
    return day_moment(day.day) if at is None else round(at.timestamp())


def day_moment(day: date) -> int:
    """Midnight UTC of a day, in seconds since 1970."""
    return (day - _EPOCH).days * 86_400


def when(text: str | None, zone: str | None) -> When | None:
    """A kept date."""
    return None if text is None else parse(text, zone or "UTC")


def as_utc(text: str | None) -> datetime | None:
    """A moment that was kept as text."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _todo(row: TodoRow, tags: tuple[str, ...]) -> Todo:
    return Todo(
        id=row.id,
        item=row.item,
        notes=row.notes,
        start=when(row.start, row.zone),
        due=when(row.due, row.zone),
        importance=row.importance,  # type: ignore[arg-type]  # written by todo_edits only
        tags=tags,
        project=row.project,
        parent_id=row.parent_id,
        subtasks=(),
        status=row.status,  # type: ignore[arg-type]
        rule=row.rule,
        mode=row.mode,  # type: ignore[arg-type]
        anchor=when(row.anchor, row.zone),
        series_id=row.series_id,
        following_id=row.following_id,
        position=row.position,
        source=row.source,  # type: ignore[arg-type]
        created_at=row.created_at,
        updated_at=row.updated_at,
        completed_at=row.completed_at,
    )


def _counted(rows: Iterable[tuple[str | None, str | None, int]]) -> list[tuple[str, int]]:
    """Names and how often they occur, whatever their case; spelled as they are most often."""
    spelled: dict[str | None, list[tuple[int, str]]] = {}
    for key, name, times in rows:
        spelled.setdefault(key, []).append((times, name or ""))
    found = [
        (min(names, key=lambda each: (-each[0], each[1]))[1], sum(n for n, _ in names)) for names in spelled.values()
    ]
    return sorted(found, key=lambda each: (-each[1], each[0].casefold()))


def _parts(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE)]
