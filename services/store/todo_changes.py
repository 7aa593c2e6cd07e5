"""What was done to todos: who did it, what it was before and after. The undo log, and the list's revision.

A change is written in the transaction that does it (todo_edits.py). The same call of the same answer has one at most,
so that it is done once, however often it is made. Undoing is a change too (todo_undo.py).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import BigInteger, ForeignKey, UniqueConstraint, select, update
from sqlalchemy import delete as delete_from
from sqlalchemy.orm import Mapped, Session, mapped_column

from services import errors
from services.store.base import Base, Json, clean, insert_into, new_id
from services.store.todos import Source

Kind = Literal["created", "updated", "completed", "reopened", "deleted", "moved", "undone"]
# A todo before and after: None where it was not there; all of it where it came or went, else what differs.
State = Mapping[str, Any] | None

KEPT: Final = 1_000
KEPT_BYTES: Final = 16_000_000
# What is too old is looked for once in so many changes, and after a long one.
_PRUNE_EVERY: Final = 25
_LONG_BYTES: Final = 100_000
_NAME_CHARS: Final = 200
# A statement with more values than this is cut into several.
_AT_ONCE: Final = 500


class TodoList(Base):
    """A person's list as a whole.

    Attributes:
        revision: Rises with every change.
    """

    __tablename__ = "todo_lists"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[int] = mapped_column(BigInteger)


class TodoChange(Base):
    """One operation on a list; the newest `KEPT` are kept.

    Attributes:
        revision: The list's, after it.
        todo_id, item: The todo that it is about, and what that was called.
        message_id, call_id: The answer that did it, and by which call; None: a person.
        states: todo id -> [before, after], of every todo that it touched.
        size: Of `states`, about, in bytes.
        undoes: The ids of the changes that it undid.
        undone_by: The change that undid it.
    """

    __tablename__ = "todo_changes"
    __table_args__ = (
        UniqueConstraint("user_id", "revision"),
        UniqueConstraint("user_id", "message_id", "call_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    revision: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str]
    todo_id: Mapped[str]
    item: Mapped[str]
    source: Mapped[str]
    message_id: Mapped[str | None]
    call_id: Mapped[str | None]
    states: Mapped[dict[str, Any]] = mapped_column(Json)
    size: Mapped[int]
    undoes: Mapped[list[str]] = mapped_column(Json)
    undone_by: Mapped[str | None]
    created_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class By:
    """Who does something: the person, or the agent for them in an answer, by one of its calls."""

    user_id: int
    source: Source = "user"
    message_id: str = ""
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A change as everybody else sees it; see `TodoChange`."""

    id: str
    revision: int
    kind: Kind
    todo_id: str
    item: str
    source: Source
    message_id: str | None
    call_id: str | None
    states: Mapping[str, tuple[State, State]]
    undoes: tuple[str, ...]
    undone_by: str | None
    created_at: datetime

    @property
    def made(self) -> tuple[str, ...]:
        """The todos that came into being with it."""
        return tuple(key for key, (before, _) in self.states.items() if before is None)


def record(
    s: Session,
    by: By,
    kind: Kind,
    todo_id: str,
    item: str,
    states: Mapping[str, tuple[State, State]],
    *,
    now: datetime,
    undoes: Sequence[str] = (),
) -> Change:
    """Write a change down, and give the list its next revision; in the transaction that makes it."""
    next_one = insert_into(s, TodoList).values(user_id=by.user_id, revision=1)
    revision = s.scalars(
        next_one.on_conflict_do_update(index_elements=["user_id"], set_={"revision": TodoList.revision + 1}).returning(
            TodoList.revision
        )
    ).one()
    kept = {key: list(pair) for key, pair in states.items()}
    row = TodoChange(
        id=new_id(),
        user_id=by.user_id,
        revision=revision,
        kind=kind,
        todo_id=todo_id,
        item=item,
        source=by.source,
        message_id=_name(by.message_id),
        call_id=_name(by.call_id) if by.message_id else None,
        states=kept,
        size=len(json.dumps(kept, ensure_ascii=False)),
        undoes=list(undoes),
        undone_by=None,
        created_at=now,
    )
    s.add(row)
    s.flush()
    if revision % _PRUNE_EVERY == 0 or row.size > _LONG_BYTES:
        _prune(s, by.user_id)
    return of_row(row)


def of_call(s: Session, by: By) -> Change | None:
    """What this very call has done already."""
    if not (by.message_id and by.call_id):
        return None
    own = select(TodoChange).where(
        TodoChange.user_id == by.user_id,
        TodoChange.message_id == _name(by.message_id),
        TodoChange.call_id == _name(by.call_id),
    )
    row = s.scalar(own)
    return None if row is None else of_row(row)


def of_answer(s: Session, user_id: int, message_id: str) -> list[Change]:
    """What an answer has done, the newest first."""
    own = select(TodoChange).where(TodoChange.user_id == user_id, TodoChange.message_id == _name(message_id))
    return [of_row(row) for row in s.scalars(own.order_by(TodoChange.revision.desc()))]


def get(s: Session, user_id: int, change_id: str) -> Change:
    """One of the person's changes.

    Raises:
        NotFound: Unknown, somebody else's, or too old to be kept.
    """
    row = s.scalar(select(TodoChange).where(TodoChange.id == change_id, TodoChange.user_id == user_id))
    if row is None:
        raise errors.NotFound("There is no such change, or it is too old to be undone.")
    return of_row(row)


def undoings(s: Session, user_id: int, change_ids: Sequence[str]) -> dict[str, str]:
    """Those of these changes that are the person's and still kept, each with the one that undid it, or nothing."""
    found: dict[str, str] = {}
    for start in range(0, len(change_ids), _AT_ONCE):
        some = change_ids[start : start + _AT_ONCE]
        rows = s.execute(
            select(TodoChange.id, TodoChange.undone_by).where(TodoChange.id.in_(some), TodoChange.user_id == user_id)
        )
        found |= {change_id: undone_by or "" for change_id, undone_by in rows}
    return found


def some(s: Session, user_id: int, change_ids: Sequence[str]) -> list[Change]:
    """Several of the person's changes, the newest first; those that are not kept any more are left out."""
    own = select(TodoChange).where(TodoChange.user_id == user_id, TodoChange.id.in_(change_ids))
    return [of_row(row) for row in s.scalars(own.order_by(TodoChange.revision.desc()))]


def newest(s: Session, user_id: int) -> Change | None:
    """The latest change that was not undone, and is not itself an undoing."""
    own = select(TodoChange).where(
        TodoChange.user_id == user_id, TodoChange.undone_by.is_(None), TodoChange.kind != "undone"
    )
    row = s.scalar(own.order_by(TodoChange.revision.desc()).limit(1))
    return None if row is None else of_row(row)


def completion(s: Session, user_id: int, todo_id: str) -> Change | None:
    """The latest change that completed a todo, if it is still kept."""
    own = select(TodoChange).where(TodoChange.user_id == user_id, TodoChange.todo_id == todo_id)
    row = s.scalar(own.where(TodoChange.kind == "completed").order_by(TodoChange.revision.desc()).limit(1))
    return None if row is None else of_row(row)


def recent(s: Session, user_id: int, limit: int = 50, *, after: int = 0) -> list[Change]:
    """The person's latest changes, the newest first; only those after a revision."""
    own = select(TodoChange).where(TodoChange.user_id == user_id, TodoChange.revision > after)
    return [of_row(row) for row in s.scalars(own.order_by(TodoChange.revision.desc()).limit(limit))]


def revision(s: Session, user_id: int) -> int:
    """The revision of the person's list; 0 before anything was done to it."""
    return s.scalar(select(TodoList.revision).where(TodoList.user_id == user_id)) or 0


def mark(s: Session, change_ids: Sequence[str], undone_by: str | None) -> None:
    """Note who undid some changes; None: nobody any more."""
    marked = update(TodoChange).where(TodoChange.id.in_(change_ids)).values(undone_by=undone_by)
    s.execute(marked.execution_options(synchronize_session=False))


def of_row(row: TodoChange) -> Change:
    """The change that a row keeps."""
    return Change(
        id=row.id,
        revision=row.revision,
        kind=row.kind,  # type: ignore[arg-type]  # written by `record` only
        todo_id=row.todo_id,
        item=row.item,
        source=row.source,  # type: ignore[arg-type]
        message_id=row.message_id,
        call_id=row.call_id,
        states={key: (pair[0], pair[1]) for key, pair in row.states.items()},
        undoes=tuple(row.undoes),
        undone_by=row.undone_by,
        created_at=row.created_at,
    )


def _name(given: str) -> str | None:
    """The name of an answer or a call: one that comes from outside may be longer than an index can hold."""
    given = clean(given)
    return (given if len(given) <= _NAME_CHARS else hashlib.sha256(given.encode()).hexdigest()) or None


def _prune(s: Session, user_id: int) -> None:
    own = select(TodoChange.revision, TodoChange.size).where(TodoChange.user_id == user_id)
    total = 0
    for number, (revision, size) in enumerate(s.execute(own.order_by(TodoChange.revision.desc())), start=1):
        total += size
        # The newest stays, however long it is: what was just done can be undone.
        if number > 1 and (number > KEPT or total > KEPT_BYTES):
            too_old = delete_from(TodoChange).where(TodoChange.user_id == user_id, TodoChange.revision <= revision)
            s.execute(too_old.execution_options(synchronize_session=False))
            return
