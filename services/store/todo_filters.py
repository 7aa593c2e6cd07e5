"""Lists of todos: which ones, in which order; all of it asked of the database, in the person's zone.

The day of a todo is its `due`, else its `start`. A subtask is listed by itself only where its todo is not.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from services.store.base import same_word
from services.store.todos import DONE, MAX_OPEN, OPEN, Todo, TodoRow, TodoTag, day_moment, whole
from services.when import FIRST_YEAR, LAST_YEAR

View = Literal["all", "open", "done", "today", "week", "overdue", "someday"]
Order = Literal["hand", "day", "done", "newest"]

VIEWS: Final = ("all", "open", "done", "today", "week", "overdue", "someday")
WEEK_DAYS: Final = 7
_SEARCHED_WORDS: Final = 10
_SEARCHED_CHARS: Final = 500
# No todo is before or after these, and every zone's clocks can count from one to the other.
_FIRST_DAY: Final = date(FIRST_YEAR - 1, 1, 1)
_LAST_DAY: Final = date(LAST_YEAR + 1, 12, 31)
_USUAL_ORDER: Final[dict[View, Order]] = {"today": "day", "week": "day", "overdue": "day", "done": "done"}
# What a row of either name can be asked: the todo's own, or that of the todo which it belongs to.
_Row = type[TodoRow]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which todos are wanted; every condition has to hold.

    Attributes:
        view: `today`: open, and its day is today or past. `week`: open, and its day is one of the seven from today
            on. `overdue`: open, and its day is over, or its time. `someday`: open, without a date.
        tag, project: Whatever their case.
        text: Every word of it is in the item, the notes, the project or a tag.
        since, until: Its day is one of these, both included.
        order: None: by hand; by day for views of days; the latest completed first for `done`.
        zone: In which days are meant; None: the person's.
    """

    view: View = "open"
    tag: str | None = None
    project: str | None = None
    text: str | None = None
    importance: str | None = None
    source: str | None = None
    series_id: str | None = None
    since: date | None = None
    until: date | None = None
    order: Order | None = None
    limit: int = MAX_OPEN
    offset: int = 0
    zone: str | None = None


def listing(s: Session, user_id: int, wanted: Filter, *, now: datetime, zone: str) -> list[Todo]:
    """The person's todos that fit, with their subtasks (which need not fit).

    Args:
        s: An open session.
        user_id: Whose.
        wanted: Which.
        now: The time.
        zone: The person's zone, for a filter that names none.
    """
    zone = wanted.zone or zone
    found = (
        select(TodoRow)
        .where(_listed(user_id, wanted, now, zone))
        .order_by(*_order(wanted, now, zone))
        .offset(wanted.offset)
        .limit(wanted.limit)
    )
    return whole(s, s.scalars(found).all())


def count(s: Session, user_id: int, wanted: Filter, *, now: datetime, zone: str) -> int:
    """How many `listing` would give without limit."""
    fitting = select(func.count()).select_from(TodoRow).where(_listed(user_id, wanted, now, wanted.zone or zone))
    return s.scalar(fitting) or 0


def counts(s: Session, user_id: int, *, now: datetime, zone: str) -> dict[str, int]:
    """How many there are in each view."""
    return {view: count(s, user_id, Filter(view=view), now=now, zone=zone) for view in VIEWS}


def _listed(user_id: int, wanted: Filter, now: datetime, zone: str) -> ColumnElement[bool]:
    parent = aliased(TodoRow)
    above = exists().where(parent.id == TodoRow.parent_id, *_conditions(parent, user_id, wanted, now, zone))
    return and_(
        *_conditions(TodoRow, user_id, wanted, now, zone), or_(TodoRow.parent_id.is_(None), ~above.correlate(TodoRow))
    )


def _conditions(of: _Row, user_id: int, wanted: Filter, now: datetime, zone: str) -> list[ColumnElement[bool]]:
    found = [of.user_id == user_id, *_view(of, wanted.view, now, zone)]
    if wanted.tag is not None:
        key = same_word(wanted.tag)
        tagged = select(TodoTag.todo_id).where(TodoTag.user_id == user_id, TodoTag.tag_key == key)
        found.append(of.id.in_(tagged))
    if wanted.project is not None:
        found.append(of.project_key == same_word(wanted.project))
    if wanted.text:
        words = same_word(wanted.text[:_SEARCHED_CHARS]).split()[:_SEARCHED_WORDS]
        found += [of.words.contains(word, autoescape=True) for word in words]
    for name in ("importance", "source", "series_id"):
        value = getattr(wanted, name)
        if value is not None:
            found.append(getattr(of, name) == value)
    if wanted.since is not None:
        found.append(_from_day(of, wanted.since, zone))
    if wanted.until is not None:
        found.append(_to_day(of, wanted.until, zone))
    return found


def _view(of: _Row, view: View, now: datetime, zone: str) -> list[ColumnElement[bool]]:
    if view == "all":
        return []
    if view == "done":
        return [of.status == DONE]
    today = now.astimezone(ZoneInfo(zone)).date()
    more: list[ColumnElement[bool]] = []
    if view == "today":
        more = [_to_day(of, today, zone)]
    elif view == "week":
        more = [_from_day(of, today, zone), _to_day(of, today + timedelta(days=WEEK_DAYS - 1), zone)]
    elif view == "overdue":
        more = [_before(of, day_moment(today), now.timestamp())]
    elif view == "someday":
        # A step without a date of its own has its todo's.
        more = [of.moment.is_(None), of.parent_id.is_(None)]
    return [of.status == OPEN, *more]


def _to_day(of: _Row, day: date, zone: str) -> ColumnElement[bool]:
    following = min(day, _LAST_DAY) + timedelta(days=1)
    return _before(of, day_moment(following), _begin(following, zone))


def _from_day(of: _Row, day: date, zone: str) -> ColumnElement[bool]:
    day = max(day, _FIRST_DAY)
    days, times = day_moment(day), _begin(day, zone)
    return and_(of.moment >= min(days, times), of.moment >= case((of.is_timed, times), else_=days))


def _before(of: _Row, days: int, times: float) -> ColumnElement[bool]:
    """Its day is before one moment, or its time before another; the first half is what an index answers."""
    times = int(-(-times // 1))
    return and_(of.moment < max(days, times), of.moment < case((of.is_timed, times), else_=days))


def _begin(day: date, zone: str) -> int:
    """When a day begins there, in seconds since 1970."""
    return round(datetime.combine(day, time(), tzinfo=ZoneInfo(zone)).timestamp())


def _order(wanted: Filter, now: datetime, zone: str) -> list[ColumnElement[Any]]:
    order = wanted.order or _USUAL_ORDER.get(wanted.view, "hand")
    by_hand: list[ColumnElement[Any]] = [TodoRow.position.expression, TodoRow.id.expression]
    if order == "done":
        return [TodoRow.completed_at.desc().nulls_last(), *by_hand]
    if order == "newest":
        return [TodoRow.created_at.desc(), *by_hand]
    if order == "hand":
        return by_hand
    # A day comes before its times. What the zone's clocks are ahead is taken as it is now: an hour more or less,
    # twice a year, moves a day past times of the night only.
    ahead = round((now.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()).total_seconds())
    at = case((TodoRow.is_timed, TodoRow.moment), else_=TodoRow.moment - ahead)
    return [at.asc().nulls_last(), TodoRow.is_timed.expression, *by_hand]
