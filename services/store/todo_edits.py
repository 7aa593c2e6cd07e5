"""One operation on a person's list: everything that it does is done through an `Edit`, which writes it down.

An edit is opened before the first query of its transaction: those of one person take turns, so that what is read
here is what will be changed. It is closed with one change (todo_changes.py), which holds the todos before and after.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypedDict, cast
from uuid import uuid4

from sqlalchemy import delete as delete_from
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from services import errors
from services.store import answers, todo_changes, todos
from services.store.base import clean, same_word
from services.store.database import write_next
from services.store.todo_changes import By, Change, Kind, State
from services.store.todo_places import Places
from services.store.todos import MAX_OPEN, MAX_ROWS, MAX_SUBTASKS, OPEN, TodoRow, TodoTag

# All that a todo is, as a change keeps it; `words` and the like are made of these.
FIELDS: Final = (
    "parent_id",
    "item",
    "notes",
    "start",
    "due",
    "zone",
    "importance",
    "tags",
    "project",
    "status",
    "rule",
    "mode",
    "anchor",
    "series_id",
    "following_id",
    "position",
    "source",
    "created_at",
    "updated_at",
    "completed_at",
)
_INSTANTS: Final = frozenset({"created_at", "updated_at", "completed_at"})
# What says nothing about the todo itself: changing only these does not make it another one.
SILENT: Final = frozenset({"position", "updated_at", "following_id"})


class Values(TypedDict, total=False):
    """Fields of a todo and their new values, as a row has them; `tags` too."""

    parent_id: str | None
    item: str
    notes: str
    start: str | None
    due: str | None
    zone: str | None
    importance: str
    tags: Sequence[str]
    project: str | None
    status: str
    rule: str | None
    mode: str | None
    anchor: str | None
    series_id: str | None
    following_id: str | None
    position: int
    source: str
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None


class Edit:
    """What is being done to one person's list."""

    def __init__(self, s: Session, by: By, *, now: datetime) -> None:
        """Wait for this person's turn; to be called before the first query of a transaction.

        Raises:
            Conflict: It is an answer's, and that has ended meanwhile (code `ANSWER_ENDED`): whoever was told how it
                ended was told all that it did.
        """
        write_next(s, turn=f"todos of {by.user_id}")
        if by.source == "ai" and by.message_id:
            answers.hold(s, by.message_id)
        self.session = s
        self.by = by
        self.now = now
        # What each todo was when this edit first touched it, and the age of its place then; None: it was not there.
        self._before: dict[str, tuple[dict[str, Any], int] | None] = {}
        self._rows: dict[str, TodoRow] = {}
        self._tags: dict[str, tuple[str, ...]] = {}
        self._new_tags: list[dict[str, Any]] = []
        self.places = Places(s, by.user_id, self._remembered)

    def row(self, todo_id: str) -> TodoRow:
        """One of the person's todos, as it is now.

        Raises:
            NotFound: Unknown, or somebody else's.
        """
        return self._known([todos.row(self.session, self.by.user_id, todo_id)])[0]

    def find(self, todo_id: str) -> TodoRow | None:
        """The same, or None."""
        return self.some([todo_id]).get(todo_id)

    def some(self, todo_ids: Sequence[str]) -> dict[str, TodoRow]:
        """Several of the person's todos by their ids; those that are not there are left out."""
        rows = self._known(todos.rows(self.session, self.by.user_id, todo_ids))
        return {row.id: row for row in rows}

    def children(self, *todo_ids: str) -> list[TodoRow]:
        """The subtasks of a todo, or of several, in their order."""
        return self._known(todos.children(self.session, todo_ids))

    def tags(self, row: TodoRow) -> tuple[str, ...]:
        """A todo's tags, as they are now."""
        if row.id not in self._tags:
            self._tags[row.id] = todos.tags_of(self.session, [row.id]).get(row.id, ())
        return self._tags[row.id]

    def add(self, values: Values, todo_id: str | None = None) -> TodoRow:
        """Make a todo, after the one that it belongs to; `item` and `position` must be among the values."""
        todo_id = todo_id or str(uuid4())
        self._before.setdefault(todo_id, None)
        given = {key: _cleaned(value) for key, value in values.items() if key != "tags"}
        row = TodoRow(**{**_EMPTY, "created_at": self.now, "updated_at": self.now, **given})
        row.id, row.user_id = todo_id, self.by.user_id
        self._rows[todo_id] = row
        self._tags[todo_id] = ()
        self._put_tags(row, values.get("tags", ()))
        self._derive(row)
        self.session.add(row)
        return row

    def change(self, row: TodoRow, values: Values, *, silently: bool = False) -> bool:
        """Give a todo other values; whether that changed anything. `silently`: it counts as no change of it."""
        now = self.snapshot(row)
        fresh = {key: _cleaned(value) for key, value in values.items() if key != "tags"}
        differing = {key: value for key, value in fresh.items() if _plain(value) != now[key]}
        has_other_tags = "tags" in values and list(_distinct(values["tags"]).values()) != now["tags"]
        if not differing and not has_other_tags:
            return False
        self._before.setdefault(row.id, (now, self.places.age))
        for key, value in differing.items():
            setattr(row, key, value)
        if not silently and "updated_at" not in values:
            row.updated_at = self.now
        if has_other_tags:
            self._put_tags(row, values["tags"])
        self._derive(row)
        return True

    def remove(self, rows: Iterable[TodoRow]) -> None:
        """Take todos away; subtasks have to be among them."""
        self.flush()
        gone = list(rows)
        for row in gone:
            self._before.setdefault(row.id, (self.snapshot(row), self.places.age))
        for is_subtask in (True, False):
            for row in gone:
                if (row.parent_id is not None) == is_subtask:
                    self.session.delete(row)
            self.session.flush()
        for row in gone:
            del self._rows[row.id]
            self._tags.pop(row.id, None)

    def snapshot(self, row: TodoRow) -> dict[str, Any]:
        """All that a todo is now, as JSON values."""
        kept = {key: _plain(getattr(row, key)) for key in FIELDS if key != "tags"}
        return {**kept, "tags": list(self.tags(row))}

    @property
    def states(self) -> dict[str, tuple[State, State]]:
        """What has been done so far."""
        found: dict[str, tuple[State, State]] = {}
        for todo_id, kept in self._before.items():
            row = self._rows.get(todo_id)
            after = None if row is None else self.snapshot(row)
            before = None if kept is None else self.places.moved(*kept)
            if before is None or after is None:
                if before is not None or after is not None:
                    found[todo_id] = (before, after)
                continue
            keys = [key for key in FIELDS if before[key] != after[key]]
            if set(keys) - {"updated_at"}:
                found[todo_id] = ({key: before[key] for key in keys}, {key: after[key] for key in keys})
        return found

    def close(self, kind: Kind, todo_id: str, item: str, *, undoes: Sequence[str] = ()) -> Change | None:
        """Write down what was done; None if nothing was.

        Raises:
            Conflict: The list is full; the transaction must not commit.
        """
        states = self.states
        if not states:
            return None
        self.flush()
        self._check_caps(states)
        return todo_changes.record(self.session, self.by, kind, todo_id, item, states, now=self.now, undoes=undoes)

    def _remembered(self) -> list[int]:
        return [self.places.moved(*kept)["position"] for kept in self._before.values() if kept is not None]

    def _known(self, rows: list[TodoRow]) -> list[TodoRow]:
        missing = [row.id for row in rows if row.id not in self._tags]
        found = todos.tags_of(self.session, missing)
        for row in rows:
            self._rows[row.id] = row
            self._tags.setdefault(row.id, found.get(row.id, ()))
        return rows

    def flush(self) -> None:
        """Write what has been done so far."""
        self.session.flush()
        if self._new_tags:
            self.session.execute(insert(TodoTag), self._new_tags)
            self._new_tags = []

    def _derive(self, row: TodoRow) -> None:
        day = todos.when(row.due or row.start, row.zone)
        row.moment, row.is_timed = todos.moment(day), day is not None and day.at is not None
        row.project_key = None if row.project is None else same_word(row.project)
        row.words = same_word("\n".join((row.item, row.notes, row.project or "", *self.tags(row))))

    def _put_tags(self, row: TodoRow, tags: Sequence[str]) -> None:
        if self._tags.get(row.id):
            self.flush()
            self.session.execute(delete_from(TodoTag).where(TodoTag.todo_id == row.id))
        own = _distinct(tags)
        same = {"todo_id": row.id, "user_id": row.user_id}
        self._new_tags += [{**same, "tag_key": key, "tag": own[key], "number": n} for n, key in enumerate(own)]
        self._tags[row.id] = tuple(own.values())

    def _check_caps(self, states: Mapping[str, tuple[State, State]]) -> None:
        more = [key for key, (before, after) in states.items() if _opens(before, after)]
        if not more:
            return
        own = select(func.count()).select_from(TodoRow).where(TodoRow.user_id == self.by.user_id)
        for held, limit, things in (
            (self.session.scalar(own.where(TodoRow.status == OPEN)) or 0, MAX_OPEN, "open todos"),
            (self.session.scalar(own) or 0, MAX_ROWS, "todos"),
        ):
            if held > limit:
                raise _full(limit, f"You have {limit} {things}, which is as many as one may have.")
        parents = {self._rows[key].parent_id for key in more if key in self._rows} - {None}
        below = select(TodoRow.parent_id, func.count()).where(TodoRow.parent_id.in_(parents))
        if any(held > MAX_SUBTASKS for _, held in self.session.execute(below.group_by(TodoRow.parent_id))):
            raise _full(MAX_SUBTASKS, f"A todo can have {MAX_SUBTASKS} subtasks.")


def values_of(kept: Mapping[str, Any]) -> Values:
    """What a change kept of a todo, as values to give it."""
    found = {key: todos.as_utc(value) if key in _INSTANTS else value for key, value in kept.items()}
    return cast(Values, found)  # written by `snapshot` only


_EMPTY: Final[Mapping[str, Any]] = {
    "parent_id": None,
    "notes": "",
    "start": None,
    "due": None,
    "zone": None,
    "importance": "medium",
    "project": None,
    "status": OPEN,
    "rule": None,
    "mode": None,
    "anchor": None,
    "series_id": None,
    "following_id": None,
    "source": "user",
    "completed_at": None,
}


def _cleaned(value: Any) -> Any:
    # As the database will keep it: what a change remembers is compared with that.
    return clean(value) if isinstance(value, str) else value


def _distinct(tags: Sequence[str]) -> dict[str, str]:
    """Tags by what they are compared by; of those that are the same, the first."""
    found: dict[str, str] = {}
    for tag in tags:
        found.setdefault(same_word(tag), clean(tag))
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return list(value) if isinstance(value, tuple) else value


def _opens(before: State, after: State) -> bool:
    """Whether there is a row more, or an open one more, or one more below another."""
    if after is None:
        return False
    if before is None:
        return True
    return (after.get("status") == OPEN and before.get("status") != OPEN) or "parent_id" in after


def _full(limit: int, words: str) -> errors.Conflict:
    return errors.Conflict(
        f"{words} Complete or delete some first.",
        code="TOO_MANY_TODOS",
        extra={"limit": limit, "current": limit},
    )
