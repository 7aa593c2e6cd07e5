"""What the todo page shows: which todos, in which words their dates stand, and where its links lead."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import urlencode

from services import when
from services.store import todo_changes, todo_filters, todos
from services.store.database import Session
from services.store.todo_filters import VIEWS as KNOWN
from services.store.todo_filters import Filter
from services.store.todos import Todo
from services.todos import recurrence
from services.when import When

# A page holds so many todos; more on demand.
ON_A_PAGE: Final = 100
# Beyond that a page takes long to make and to read: filters and the search find the rest.
MOST_ON_A_PAGE: Final = 500
VIEWS: Final = (
    ("open", "All"),
    ("today", "Today"),
    ("week", "Next 7 days"),
    ("overdue", "Overdue"),
    ("someday", "Someday"),
    ("done", "Done"),
)
# More tags or projects than this are found by the search.
_WORDS_SHOWN: Final = 12
_MAX_CHARS: Final = 200
_COUNT: Final = re.compile(r"[0-9]{1,5}")
_NEAR: Final = {-1: "Yesterday", 0: "Today", 1: "Tomorrow"}


@dataclass(frozen=True, slots=True)
class Day:
    """A date for people. `text` is short, `long` has the weekday, the year and the zone; `state`: overdue, today, or
    nothing."""

    text: str
    long: str
    state: str


@dataclass(frozen=True, slots=True)
class Row:
    """One todo of the list."""

    todo: Todo
    day: Day | None
    starts: Day | None
    repeats: str
    done_at: str
    steps: Sequence[Todo]

    @property
    def steps_done(self) -> int:
        return sum(step.is_done for step in self.todo.subtasks)

    @property
    def has_facts(self) -> bool:
        todo = self.todo
        told = (self.day, self.starts, self.repeats, self.done_at, todo.project, todo.tags, todo.subtasks, todo.notes)
        return any(told) or todo.importance != "medium" or todo.source == "ai"


@dataclass(frozen=True, slots=True)
class Way:
    """A link to another choice of todos."""

    name: str
    url: str
    count: int
    is_current: bool
    is_warning: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """Which todos are shown, as the address says it. Whatever is not understood there means nothing."""

    show: str = "open"
    tag: str = ""
    project: str = ""
    q: str = ""
    shown: int = ON_A_PAGE

    @classmethod
    def of(cls, args: Mapping[str, str]) -> "Choice":
        show = args.get("show", "")
        count = args.get("shown", "")
        return cls(
            show=show if show in KNOWN else "open",
            **{name: args.get(name, "").strip()[:_MAX_CHARS] for name in ("tag", "project", "q")},
            shown=min(max(int(count), ON_A_PAGE), MOST_ON_A_PAGE) if _COUNT.fullmatch(count) else ON_A_PAGE,
        )

    @property
    def suffix(self) -> str:
        """What an address ends with to show the same."""
        return self.url_of("").removeprefix("/todos")

    def url_of(self, path: str = "", **changed: Any) -> str:
        """The address that shows the same but for what is changed."""
        values = {name: getattr(self, name) for name in ("show", "tag", "project", "q", "shown")} | changed
        usual = Choice()
        said = {name: value for name, value in values.items() if value != getattr(usual, name)}
        return f"/todos{path}" + (f"?{urlencode(said)}" if said else "")

    def filter(self) -> Filter:
        """What is asked of the list."""
        return Filter(
            view=self.show,  # type: ignore[arg-type]  # one of KNOWN
            tag=self.tag or None,
            project=self.project or None,
            text=self.q or None,
            limit=self.shown,
        )


@dataclass(frozen=True, slots=True)
class Found:
    """What the database says of a choice, at one moment."""

    todos: Sequence[Todo]
    total: int
    counts: Mapping[str, int]
    tags: Sequence[tuple[str, int]]
    projects: Sequence[tuple[str, int]]
    revision: int


def read(s: Session, user_id: int, choice: Choice, *, now: datetime, zone: str) -> Found:
    """What there is of a choice. The revision is read first: a list may be newer than its number, never older."""
    revision = todo_changes.revision(s, user_id)
    wanted = choice.filter()
    return Found(
        todos=todo_filters.listing(s, user_id, wanted, now=now, zone=zone),
        total=todo_filters.count(s, user_id, wanted, now=now, zone=zone),
        counts=todo_filters.counts(s, user_id, now=now, zone=zone),
        tags=todos.tags(s, user_id),
        projects=todos.projects(s, user_id),
        revision=revision,
    )


@dataclass(frozen=True, slots=True)
class Board:
    """All that the list side of the page shows."""

    choice: Choice
    found: Found
    now: datetime
    zone: str
    rows: Sequence[Row] = field(init=False)

    def __post_init__(self) -> None:
        rows = [row(todo, now=self.now, zone=self.zone) for todo in self.found.todos]
        object.__setattr__(self, "rows", rows)

    def day_of(self, step: Todo) -> Day | None:
        """When a subtask is due, else starts."""
        return _day(step.day, now=self.now, zone=self.zone, is_due=step.due is not None, is_open=not step.is_done)

    @property
    def show(self) -> str:
        return self.choice.show

    @property
    def q(self) -> str:
        return self.choice.q

    @property
    def suffix(self) -> str:
        return self.choice.suffix

    @property
    def revision(self) -> int:
        return self.found.revision

    @property
    def counts(self) -> Mapping[str, int]:
        return self.found.counts

    @property
    def total(self) -> int:
        return self.found.total

    @property
    def is_by_hand(self) -> bool:
        """Whether the order is the person's own; else days decide."""
        return self.show in {"open", "all", "someday"}

    @property
    def has_done(self) -> bool:
        return bool(self.counts.get("done"))

    @property
    def title(self) -> str:
        return dict(VIEWS).get(self.show, "All") + (f", {self.filter_words}" if self.is_filtered else "")

    @property
    def is_filtered(self) -> bool:
        return bool(self.choice.tag or self.choice.project or self.choice.q)

    @property
    def filter_words(self) -> str:
        choice = self.choice
        words = [f"the tag #{choice.tag}"] if choice.tag else []
        words += [f"the project {choice.project}"] if choice.project else []
        words += [f"the words “{choice.q}”"] if choice.q else []
        return " and ".join(words)

    @property
    def views(self) -> list[Way]:
        # The tag and the project stay when the view changes.
        return [
            Way(
                name,
                self.choice.url_of(show=view, shown=ON_A_PAGE),
                self.counts.get(view, 0) if view != "done" else 0,
                view == self.show,
                is_warning=view == "overdue" and bool(self.counts.get(view)),
            )
            for view, name in VIEWS
        ]

    @property
    def tags(self) -> list[Way]:
        return self._words("tag", self.found.tags)

    @property
    def projects(self) -> list[Way]:
        return self._words("project", self.found.projects)

    @property
    def without_q_url(self) -> str:
        return self.choice.url_of(q="")

    @property
    def all_url(self) -> str:
        return Choice().url_of()

    @property
    def more_url(self) -> str:
        if self.total <= len(self.rows) or self.choice.shown >= MOST_ON_A_PAGE:
            return ""
        return self.choice.url_of(shown=min(self.choice.shown + ON_A_PAGE, MOST_ON_A_PAGE))

    @property
    def left(self) -> int:
        """How many there are that no page shows."""
        return max(self.total - len(self.rows), 0)

    @property
    def stream_url(self) -> str:
        sign = "&" if self.suffix else "?"
        return self.choice.url_of("/stream") + sign + "view=html"

    def _words(self, kind: str, counted: Sequence[tuple[str, int]]) -> list[Way]:
        chosen = getattr(self.choice, kind)
        known = {name.casefold() for name, _ in counted}
        shown = list(counted[:_WORDS_SHOWN])
        if chosen and chosen.casefold() not in {name.casefold() for name, _ in shown}:
            shown += [pair for pair in counted if pair[0].casefold() == chosen.casefold()]
            shown += [] if chosen.casefold() in known else [(chosen, 0)]
        return [
            # What is chosen is let go by choosing it again.
            Way(name, self.choice.url_of(shown=ON_A_PAGE, **{kind: "" if is_it else name}), count, is_it)
            for name, count in shown
            for is_it in [bool(chosen) and name.casefold() == chosen.casefold()]
        ]


def row(todo: Todo, *, now: datetime, zone: str) -> Row:
    """A todo as the list shows it."""
    has_both = todo.due is not None and todo.start is not None
    return Row(
        todo,
        day=_day(todo.day, now=now, zone=zone, is_due=todo.due is not None, is_open=not todo.is_done),
        starts=_day(todo.start, now=now, zone=zone, is_due=False, is_open=False) if has_both else None,
        repeats=repeats(todo),
        done_at=when.said_day(when.today(todo.completed_at, zone)) if todo.completed_at else "",
        # What is left to do stands first.
        steps=sorted(todo.subtasks, key=lambda step: step.is_done),
    )


def repeats(todo: Todo) -> str:
    """How a todo repeats, in words; empty if it does not."""
    return recurrence.said(recurrence.Recurrence(todo.rule, todo.mode or "schedule")) if todo.rule else ""


def _day(day: When | None, *, now: datetime, zone: str, is_due: bool, is_open: bool) -> Day | None:
    if day is None:
        return None
    instant = day.instant()
    local = when.of_instant(instant, zone) if instant is not None else day
    today = when.today(now, zone)
    away = (local.day - today).days
    words = _NEAR.get(away) or _short(local.day, today)
    if is_due:
        words = f"Due {words.lower() if away in _NEAR else words}"
    if local.at is not None:
        words += f", {local.at:%H:%M}"
    is_over = instant < now if instant is not None else away < 0
    state = "overdue" if is_over else "today" if away == 0 else ""
    return Day(words, day.said(zone=""), state if is_open else "")


def _short(day: date, today: date) -> str:
    said = when.said_day(day)
    return said if day.year != today.year else said.rsplit(" ", 1)[0]
