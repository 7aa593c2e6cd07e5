"""How the site is doing, for its operators: what runs, how answers went, who uses how much, what is stored.

Never what anybody wrote: no question, answer, title or name of a file is read. Of every time only the newest
answers are looked at, by an index; the databases sum up by themselves, off the event loop.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import CTE, ColumnElement, Float, and_, case, cast, extract, func, literal_column, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from services.store.ledger import PointsAccount
from services.store.media import MediaRow
from services.store.points import month_of
from services.store.threads import Conversation, Message
from services.store.users import UserRow

# Beyond this the page would make readers of the site wait.
MAX_ANSWERS: Final = 10_000
MAX_RUNNING: Final = 100
MAX_PEOPLE: Final = 50
MAX_FILES: Final = 200_000
# As it stands, and not as a parameter: otherwise the partial index is not known to fit.
_RUNNING: Final = text("messages.outcome IS NULL AND messages.role = 'assistant'")


@dataclass(frozen=True, slots=True)
class Running:
    """An answer that is stored as running, on whatever machine, and whose it is."""

    assistant: str
    user_id: int
    email: str
    stream_id: str | None
    run_id: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Spread:
    """Times in seconds, by the nearest rank; `count` is how many answers had one."""

    count: int
    median_s: float
    p95_s: float


@dataclass(frozen=True, slots=True)
class Ending:
    """How often answers of one assistant ended one way.

    Attributes:
        code: Why one failed; None where there is nothing to say.
        fallbacks: In how many of them the built-in engine stood in for the model.
    """

    assistant: str
    outcome: str
    code: str | None
    count: int
    fallbacks: int


@dataclass(frozen=True, slots=True)
class Period:
    """The answers that ended since a time.

    Attributes:
        first_text, durations: By assistant; from the question to the first text, and to the end.
        is_cut: Whether there were more than `MAX_ANSWERS`: then only the newest count.
    """

    endings: list[Ending]
    first_text: dict[str, Spread]
    durations: dict[str, Spread]
    is_cut: bool

    @property
    def count(self) -> int:
        return sum(ending.count for ending in self.endings)

    @property
    def assistants(self) -> dict[str, int]:
        """How many answers each assistant gave."""
        found: dict[str, int] = {}
        for ending in self.endings:
            found[ending.assistant] = found.get(ending.assistant, 0) + ending.count
        return found


@dataclass(frozen=True, slots=True)
class Use:
    """What one person used this month: answers that ended, their tokens, and points."""

    email: str
    answers: int
    tokens: int
    points: int


@dataclass(frozen=True, slots=True)
class Stored:
    """What is kept.

    Attributes:
        database: `sqlite` or `postgresql`.
        database_bytes: All tables and indexes, uploads included.
        is_cut: Whether there are more than `MAX_FILES` uploads, so that the figures are of the largest.
    """

    database: str
    database_bytes: int
    files: int
    files_bytes: int
    is_cut: bool


def running(s: Session) -> list[Running]:
    """Answers that run, the oldest first; at most `MAX_RUNNING`."""
    found = s.execute(
        select(
            Conversation.assistant,
            Conversation.user_id,
            UserRow.email,
            Message.stream_id,
            Message.run_id,
            Message.created_at,
        )
        .join(Conversation, Conversation.id == Message.conversation_id)
        .join(UserRow, UserRow.id == Conversation.user_id)
        .where(_RUNNING)
        .order_by(Message.created_at)
        .limit(MAX_RUNNING)
    )
    return [Running(*row) for row in found]


def period(s: Session, since: datetime) -> Period:
    """How answers went that ended at `since` or later."""
    one = _ended(s, since)
    groups = (one.c.assistant, one.c.outcome, one.c.error_code)
    fallbacks = func.sum(case((one.c.fallback, 1), else_=0))
    found = s.execute(select(*groups, func.count(), fallbacks).group_by(*groups).order_by(*groups[:2]))
    endings = [Ending(assistant, outcome, code, n, int(fell)) for assistant, outcome, code, n, fell in found]
    whole = sum(ending.count for ending in endings)
    return Period(endings, *_spreads(s, since), is_cut=whole >= MAX_ANSWERS)


def use(s: Session, now: datetime) -> list[Use]:
    """Who used most this month (UTC), by answers; at most `MAX_PEOPLE`."""
    at = now.astimezone(UTC)
    one = _ended(s, datetime(at.year, at.month, 1, tzinfo=UTC))
    answers = func.count().label("answers")
    above = (
        select(one.c.user_id, answers, func.sum(func.coalesce(one.c.tokens, 0)).label("tokens"))
        .group_by(one.c.user_id)
        .order_by(answers.desc(), one.c.user_id)
        .limit(MAX_PEOPLE)
        .cte("above")
    )
    its = and_(PointsAccount.user_id == above.c.user_id, PointsAccount.month == month_of(now))
    found = s.execute(
        select(UserRow.email, above.c.answers, above.c.tokens, func.coalesce(PointsAccount.spent, 0))
        .select_from(above)
        .join(UserRow, UserRow.id == above.c.user_id)
        .outerjoin(PointsAccount, its)
        .order_by(above.c.answers.desc(), UserRow.id)
    )
    return [Use(email, n, int(tokens), points) for email, n, tokens, points in found]


def stored(s: Session) -> Stored:
    """What the database and the uploads take up."""
    if is_sqlite(s):
        size = (s.scalar(text("PRAGMA page_count")) or 0) * (s.scalar(text("PRAGMA page_size")) or 0)
    else:
        size = s.scalar(select(func.pg_database_size(func.current_database())))
    largest = select(MediaRow.stored_bytes).order_by(MediaRow.stored_bytes.desc()).limit(MAX_FILES).cte("above")
    files, files_bytes = s.execute(
        select(func.count(), func.coalesce(func.sum(largest.c.stored_bytes), 0)).select_from(largest)
    ).one()
    name = "sqlite" if is_sqlite(s) else "postgresql"
    return Stored(name, int(size or 0), files, int(files_bytes), is_cut=files >= MAX_FILES)


def is_sqlite(s: Session) -> bool:
    return s.get_bind().dialect.name == "sqlite"


def _ended(s: Session, since: datetime) -> CTE:
    """The newest answers that ended since then: what is told of each."""
    return (
        select(
            Conversation.assistant,
            Conversation.user_id,
            Message.outcome,
            Message.error_code,
            Message.fallback,
            _in_usage(s, "first_token_s").label("first_text_s"),
            _in_usage(s, "total_tokens").label("tokens"),
            _took_s(s).label("duration_s"),
        )
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(Message.finished_at >= since)
        .order_by(Message.finished_at.desc())
        .limit(MAX_ANSWERS)
        .cte("one")
    )


def _spreads(s: Session, since: datetime) -> tuple[dict[str, Spread], dict[str, Spread]]:
    """Medians and 95th percentiles by assistant: of the time to the first text, and of the whole."""
    one = _ended(s, since)
    values = {name: one.c[name] for name in ("first_text_s", "duration_s")}
    together = select(
        one.c.assistant,
        *(value.label(name) for name, value in values.items()),
        # Those without a value come last, and are not among those that are counted.
        *(
            func.row_number().over(partition_by=one.c.assistant, order_by=(value.is_(None), value)).label(f"{name}_at")
            for name, value in values.items()
        ),
        *(func.count(value).over(partition_by=one.c.assistant).label(f"{name}_of") for name, value in values.items()),
    ).cte("together")
    its = together.c

    def at(name: str, percent: int) -> ColumnElement[Any]:
        return func.min(case((its[f"{name}_at"] * 100 >= its[f"{name}_of"] * percent, its[name])))

    told = [part for name in values for part in (func.count(its[name]), at(name, 50), at(name, 95))]
    rows = s.execute(select(its.assistant, *told).group_by(its.assistant)).all()
    first, whole = ({row[0]: Spread(*row[at : at + 3]) for row in rows if row[at]} for at in (1, 4))
    return first, whole


def _in_usage(s: Session, name: str) -> ColumnElement[Any]:
    if is_sqlite(s):
        return func.json_extract(Message.usage, literal_column(f"'$.{name}'"), type_=Float)
    return cast(func.json_extract_path_text(cast(Message.usage, postgresql.JSON), literal_column(f"'{name}'")), Float)


def _took_s(s: Session) -> ColumnElement[Any]:
    if is_sqlite(s):
        days = func.julianday(Message.finished_at, type_=Float) - func.julianday(Message.created_at, type_=Float)
        return days * 86_400.0
    return cast(extract("epoch", Message.finished_at - Message.created_at), Float)
