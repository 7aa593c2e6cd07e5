"""Problems that people bring themselves; the bundled ones are no rows. Ids are unique per person."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ForeignKey, func, select
from sqlalchemy import delete as delete_from
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from services import errors
from services.store import caps
from services.store.base import Base, Json, utc_now
from services.store.progress import Progress
from services.store.submissions import Submission

MAX_PROBLEMS: Final = 2_000
# Of all of them; their list reads most of it.
MAX_TOTAL_CHARS: Final = 20_000_000


class Problem(Base):
    """One person's own problem.

    Attributes:
        id: A slug; unique among its owner's.
        extra: All that a problem has besides, as the problem bank wrote it.
    """

    __tablename__ = "problems"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    statement: Mapped[str]
    extra: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[datetime]


def add(s: Session, user_id: int, problem_id: str, *, title: str, statement: str, extra: dict[str, Any]) -> Problem:
    """Keep a problem.

    Raises:
        Conflict: The person has a problem with this id, or as many or as large ones as one may
            have (`TOO_MANY_PROBLEMS`).
    """
    way_out = "Delete one that you no longer need."
    caps.check(s, Problem.user_id, user_id, limit=MAX_PROBLEMS, things="problems", way_out=way_out)
    sizes = select(func.sum(func.length(Problem.statement) + func.length(Problem.extra)))
    if (s.scalar(sizes.where(Problem.user_id == user_id)) or 0) >= MAX_TOTAL_CHARS:
        limit = f"{MAX_TOTAL_CHARS // 1_000_000} MB"
        raise errors.Conflict(
            f"Your problems have {limit} in all, the most there may be. {way_out}", code="TOO_MANY_PROBLEMS"
        )
    row = Problem(user_id=user_id, id=problem_id, title=title, statement=statement, extra=extra, created_at=utc_now())
    s.add(row)
    try:
        s.flush()
    except IntegrityError as exc:
        raise errors.Conflict(f"You have a problem with the id {problem_id!r} already.") from exc
    return row


def get(s: Session, user_id: int, problem_id: str) -> Problem:
    """One of the person's own problems.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    row = s.get(Problem, (user_id, problem_id))
    if row is None:
        raise errors.NotFound("There is no such problem.")
    return row


class Listed(NamedTuple):
    """What a list shows of a problem."""

    id: str
    title: str
    difficulty: str
    tags: Sequence[str]


def for_user(s: Session, user_id: int) -> list[Listed]:
    """The person's own problems, the newest first."""
    own = select(Problem.id, Problem.title, Problem.extra).where(Problem.user_id == user_id)
    rows = s.execute(own.order_by(Problem.created_at.desc(), Problem.id))
    return [Listed(row.id, row.title, row.extra.get("difficulty", ""), row.extra.get("tags", ())) for row in rows]


def delete(s: Session, user_id: int, problem_id: str) -> None:
    """Delete a problem, with its submissions and progress: another may get its id.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    gone = delete_from(Problem).where(Problem.user_id == user_id, Problem.id == problem_id)
    if s.scalar(gone.returning(Problem.id)) is None:
        raise errors.NotFound("There is no such problem.")
    for table in (Submission, Progress):
        s.execute(delete_from(table).where(table.user_id == user_id, table.problem_id == problem_id))
