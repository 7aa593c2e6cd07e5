"""Submissions: what a person's code did on a problem's tests, as their own judge told it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, cast

from sqlalchemy import Delete, ForeignKey, Index, Integer, Table, bindparam, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.store import caps
from services.store.base import Base, Json, new_id, utc_now

# The tutor reads the newest five of a problem.
KEPT_PER_PROBLEM: Final = 50
MAX_SUBMISSIONS: Final = 5_000


class Submission(Base):
    """One run of somebody's code.

    Attributes:
        client_name: The client's name for the conversation it belongs to, if it has one.
        categories: The kinds of tests that failed.
    """

    __tablename__ = "submissions"
    __table_args__ = (Index(None, "user_id", "problem_id", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    problem_id: Mapped[str]
    client_name: Mapped[str | None]
    code: Mapped[str]
    language: Mapped[str]
    status: Mapped[str]
    visible_passed: Mapped[int]
    visible_total: Mapped[int]
    hidden_passed: Mapped[int]
    hidden_total: Mapped[int]
    categories: Mapped[list[str]] = mapped_column(Json)
    created_at: Mapped[datetime]


# Built once: every question asks for the newest.
_LATEST: Final = (
    select(Submission)
    .where(Submission.user_id == bindparam("whose"), Submission.problem_id == bindparam("which"))
    .order_by(Submission.id.desc())
    .limit(bindparam("most", type_=Integer))
)


def _trim() -> Delete:
    table = cast(Table, Submission.__table__)
    own = table.c.user_id == bindparam("whose"), table.c.problem_id == bindparam("which")
    oldest_kept = select(table.c.id).where(*own).order_by(table.c.id.desc()).offset(KEPT_PER_PROBLEM - 1).limit(1)
    return delete(table).where(*own, table.c.id < oldest_kept.correlate(None).scalar_subquery())


_TRIM: Final = _trim()


def add(
    s: Session,
    user_id: int,
    problem_id: str,
    *,
    status: str,
    code: str = "",
    language: str = "",
    visible_passed: int = 0,
    visible_total: int = 0,
    hidden_passed: int = 0,
    hidden_total: int = 0,
    categories: Sequence[str] = (),
    client_name: str | None = None,
) -> str:
    """Keep a submission, and the newest `KEPT_PER_PROBLEM` of its problem with it; older ones go.

    Returns:
        Its id.

    Raises:
        Conflict: The person has `MAX_SUBMISSIONS` of them, over all problems (`TOO_MANY_SUBMISSIONS`).
    """
    way_out = "They go with a problem of your own: delete one that you no longer need."
    caps.check(s, Submission.user_id, user_id, limit=MAX_SUBMISSIONS, things="submissions", way_out=way_out)
    row = Submission(
        id=new_id(),
        user_id=user_id,
        problem_id=problem_id,
        client_name=client_name,
        code=code,
        language=language,
        status=status,
        visible_passed=visible_passed,
        visible_total=visible_total,
        hidden_passed=hidden_passed,
        hidden_total=hidden_total,
        categories=list(categories),
        created_at=utc_now(),
    )
    s.add(row)
    s.flush()
    s.execute(_TRIM, {"whose": user_id, "which": problem_id})
    return row.id


def latest(s: Session, user_id: int, problem_id: str, limit: int) -> list[Submission]:
    """The person's last submissions to a problem, the newest first."""
    return list(s.scalars(_LATEST, {"whose": user_id, "which": problem_id, "most": limit}))
