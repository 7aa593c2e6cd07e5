"""Progress: how far a person has come with each problem, bundled or their own."""

import functools
from datetime import datetime
from typing import cast

from sqlalchemy import ForeignKey, Insert, Table, case, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.store.base import Base, insert_for, utc_now


class Progress(Base):
    """One person and one problem.

    Attributes:
        highest_hint: The highest rung of the hint ladder shown so far; 0 to 3.
        solved: Whether a submission has passed; stays so.
    """

    __tablename__ = "progress"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    problem_id: Mapped[str] = mapped_column(primary_key=True)
    highest_hint: Mapped[int]
    solved: Mapped[bool]
    updated_at: Mapped[datetime]


def note_hint(s: Session, user_id: int, problem_id: str, level: int) -> None:
    """Note that a rung was shown; a lower one than before changes nothing but the time."""
    _note(s, user_id, problem_id, highest_hint=level, solved=False)


def mark_solved(s: Session, user_id: int, problem_id: str) -> None:
    """Note that the person solved the problem."""
    _note(s, user_id, problem_id, highest_hint=0, solved=True)


def for_user(s: Session, user_id: int) -> dict[str, Progress]:
    """The person's progress by problem id; problems not begun are absent."""
    return {row.problem_id: row for row in s.scalars(select(Progress).where(Progress.user_id == user_id))}


def of_problem(s: Session, user_id: int, problem_id: str) -> Progress | None:
    """How far the person is with one problem; None: not begun."""
    return s.get(Progress, (user_id, problem_id))


def _note(s: Session, user_id: int, problem_id: str, *, highest_hint: int, solved: bool) -> None:
    values = {"highest_hint": highest_hint, "solved": solved, "updated_at": utc_now()}
    s.execute(_noting(s.get_bind().dialect.name), {"user_id": user_id, "problem_id": problem_id, **values})


@functools.cache
def _noting(dialect: str) -> Insert:
    # One statement, so that two tabs cannot take a rung from each other; built once, for every question notes a rung.
    table = cast(Table, Progress.__table__)
    fresh = insert_for(dialect, table)
    new, old = fresh.excluded, table.c
    return fresh.on_conflict_do_update(
        index_elements=["user_id", "problem_id"],
        set_={
            "highest_hint": case((new.highest_hint > old.highest_hint, new.highest_hint), else_=old.highest_hint),
            "solved": old.solved | new.solved,
            "updated_at": new.updated_at,
        },
    )
