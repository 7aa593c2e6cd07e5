"""Todos as JSON: what is sent about them becomes a `Draft` or changes, and a `Todo` becomes what is told. Pure.

The API, the agent's tools and imported files are all read here, so that the same words mean the same everywhere.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final
from zoneinfo import available_timezones

from services.errors import FieldError, InvalidInput
from services.store import todos
from services.store.todos import Draft, Mode, Todo
from services.todos import dates
from services.todos import recurrence as repetition
from services.todos.recurrence import Recurrence
from services.when import InvalidDate, When, parse

# A date in words is a few of them; what is longer is a mistake, and reading it would take time.
MAX_PHRASE: Final = 200
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u0085\u2028\u2029\ufeff]")
# Marks that turn text around: an item must not show another word than it holds. Lone surrogates are no text.
_TURNING: Final = re.compile("[\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_NOT_INSIDE: Final = frozenset({"parent_id", "recurrence", "subtasks"})
_LINE_END: Final = re.compile(r"\r\n?")
# What shows nothing at all; a text of nothing else is an empty one.
_UNSEEN: Final = re.compile(
    "[\\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2060-\u2064\u3164\uffa0]"
)


@dataclass(frozen=True, slots=True)
class Drafted:
    """A todo that is to be made, and what has to be said about how it was understood."""

    draft: Draft
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """Changes to a todo, by the names of `Draft`, and what has to be said about how they were understood."""

    values: dict[str, Any]
    remarks: tuple[str, ...]


def draft(values: Mapping[str, Any], *, now: datetime, zone: str) -> Draft:
    """What somebody wants to have made.

    Args:
        values: As `as_json` names them; `item` is needed, dates may be in words, unknown names mean nothing.
        now: The moment that "tomorrow" is counted from.
        zone: The zone of times, unless `values` name another as `zone`.

    Raises:
        InvalidInput: Names every field that is wrong.
    """
    return drafted(values, now=now, zone=zone).draft


def drafted(values: Mapping[str, Any], *, now: datetime, zone: str) -> Drafted:
    """As `draft`, with what has to be said: that clocks change, or which date was meant."""
    reader = _Reader(values, now, zone)
    made = reader.draft()
    reader.check()
    return Drafted(made, tuple(reader.remarks))


def changes(values: Mapping[str, Any], *, now: datetime, zone: str) -> dict[str, Any]:
    """What somebody wants to have changed: what was sent. Null takes a date, a project or a repetition away.

    Raises:
        InvalidInput: Names every field that is wrong.
    """
    return changed(values, now=now, zone=zone).values


def changed(values: Mapping[str, Any], *, now: datetime, zone: str) -> Changed:
    """As `changes`, with what has to be said."""
    reader = _Reader(values, now, zone)
    found = reader.changes()
    reader.check()
    return Changed(found, tuple(reader.remarks))


def as_json(todo: Todo) -> dict[str, Any]:
    """A todo as everybody is told of it: the API, the tools, the export."""
    told = _alone(todo)
    told["subtasks"] = [_alone(part) for part in todo.subtasks]
    return told


def draft_json(made: Draft) -> dict[str, Any]:
    """A todo that is still to be made, as far as it is known."""
    zones_of = [day.zone for day in (made.due, made.start) if day is not None and day.zone]
    told = _said(made, zones_of[0] if zones_of else None)
    told["subtasks"] = [draft_json(part) for part in made.subtasks]
    return told


def _alone(todo: Todo) -> dict[str, Any]:
    return {
        "id": todo.id,
        **_said(todo, todo.zone),
        "parent_id": todo.parent_id,
        "status": todo.status,
        "position": todo.position,
        "source": todo.source,
        "series_id": todo.series_id,
        "created_at": moment(todo.created_at),
        "updated_at": moment(todo.updated_at),
        "completed_at": moment(todo.completed_at) if todo.completed_at else None,
    }


def _said(told: Todo | Draft, zone: str | None) -> dict[str, Any]:
    return {
        "item": told.item,
        "notes": told.notes,
        "start_time": told.start.text if told.start else None,
        "due_time": told.due.text if told.due else None,
        "zone": zone,
        "importance": told.importance,
        "tags": list(told.tags),
        "project": told.project,
        "recurrence": _recurrence_json(told.rule, told.mode, told.anchor),
    }


def moment(at: datetime) -> str:
    """A moment as it is told, to the microsecond: `2026-01-15T13:00:00.123456Z`."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def one_line(text: str) -> str:
    """A text on one line, without what cannot be seen or turns text around; empty if nothing of it can be seen."""
    kept = " ".join(_TURNING.sub("", _CONTROLS.sub(" ", text)).split())
    return kept if _UNSEEN.sub("", kept) else ""


def many_lines(text: str) -> str:
    """The same for a text of several lines, parted by LF."""
    kept = _TURNING.sub("", _CONTROLS.sub("", _LINE_END.sub("\n", text))).strip()
    return kept if _UNSEEN.sub("", kept) else ""


@cache
def zones() -> frozenset[str]:
    """The names of all time zones; read once, because they are files."""
    return frozenset(available_timezones())


def _recurrence_json(rule: str | None, mode: Mode | None, anchor: When | None) -> dict[str, str | None] | None:
    if rule is None:
        return None
    kept, first = Recurrence(rule, mode or "schedule"), anchor.day.isoformat() if anchor else None
    return {"rule": kept.rule, "mode": kept.mode, "text": repetition.said(kept), "since": first}


class _Reader:
    """Reads what was sent, and notes every mistake under its field's name."""

    def __init__(self, values: Mapping[str, Any], now: datetime, zone: str, *, inside: str = "") -> None:
        self._values = values
        self._now = now
        self._inside = inside
        self._zone = zone
        self._mistakes: list[FieldError] = []
        self._date_mistake = ""
        self.remarks: list[str] = []
        self._zone = self._own_zone() or zone

    def draft(self) -> Draft:
        """All of it, with what was not sent as it is for a new todo."""
        start, due = self._when("start_time"), self._when("due_time")
        repeats, first = self._recurrence(start or due)
        if repeats is not None and first is None:
            self._wrong("recurrence", "needs a date to begin with")
        return Draft(
            item=self._line("item", todos.MAX_ITEM, required=True) or "",
            notes=self._notes(),
            # A repetition in words may say the time, and begins at the first date that fits it.
            start=start if due is not None else first,
            due=first if start is None and due is not None else due,
            importance=self._importance("medium"),
            tags=self._tags(),
            project=self._line("project", todos.MAX_PROJECT),
            parent_id=self._parent_id(),
            rule=repeats.rule if repeats else None,
            mode=repeats.mode if repeats else "schedule",
            anchor=self._since(start or due) if repeats else None,
            subtasks=self._subtasks(),
        )

    def changes(self) -> dict[str, Any]:
        """Those that were sent, by the names of `Draft`."""
        sent, found = self._values, dict[str, Any]()
        if "item" in sent:
            found["item"] = self._line("item", todos.MAX_ITEM, required=True)
        if "notes" in sent:
            found["notes"] = self._notes()
        if "start_time" in sent:
            found["start"] = self._when("start_time")
        if "due_time" in sent:
            found["due"] = self._when("due_time")
        if "importance" in sent:
            found["importance"] = self._importance(None)
        if "tags" in sent:
            found["tags"] = self._tags()
        if "project" in sent:
            found["project"] = self._line("project", todos.MAX_PROJECT)
        if "parent_id" in sent:
            found["parent_id"] = self._parent_id()
        if "recurrence" in sent:
            repeats, _ = self._recurrence(found.get("start") or found.get("due"))
            found["rule"], found["mode"] = (repeats.rule, repeats.mode) if repeats else (None, None)
        return found

    def check(self) -> None:
        """Raise for everything that was noted; a date's mistake is what the message says."""
        if self._mistakes:
            raise InvalidInput(self._mistakes, self._date_mistake or None)

    def _wrong(self, name: str, message: str) -> None:
        self._mistakes.append(FieldError(self._inside + name, message))

    def _text(self, name: str) -> str | None:
        """A text as it was sent; None where there is none, or no text, which is noted."""
        value = self._values.get(name)
        if value is None or isinstance(value, str):
            return value
        self._wrong(name, "must be a text")
        return None

    def _line(self, name: str, max_chars: int, *, required: bool = False) -> str | None:
        noted = len(self._mistakes)
        kept = one_line(self._text(name) or "")
        if len(kept) > max_chars:
            self._wrong(name, f"must have at most {max_chars} characters")
        elif required and not kept and len(self._mistakes) == noted:
            self._wrong(name, "is missing")
        return kept or None

    def _notes(self) -> str:
        kept = many_lines(self._text("notes") or "")
        if len(kept) > todos.MAX_NOTES:
            self._wrong("notes", f"must have at most {todos.MAX_NOTES} characters")
        return kept

    def _importance(self, default: Any) -> Any:
        value = self._values.get("importance")
        if value in (None, "") and default:
            return default
        word = value.strip().casefold() if isinstance(value, str) else value
        if word in todos.IMPORTANCES:
            return word
        self._wrong("importance", f"must be one of {', '.join(todos.IMPORTANCES)}")
        return default

    def _tags(self) -> tuple[str, ...]:
        value = self._values.get("tags")
        if isinstance(value, str):
            # What a form can send: home, garden
            value = [part for part in re.split(r"[,\n]", value) if part.strip()]
        if value is None:
            return ()
        if not isinstance(value, Sequence) or not all(isinstance(tag, str) for tag in value):
            self._wrong("tags", "must be a list of texts")
            return ()
        kept: dict[str, str] = {}
        for sent in value:
            tag = one_line(sent).lstrip("#").strip()
            if not tag or len(tag) > todos.MAX_TAG or "," in tag:
                self._wrong("tags", f"must each have 1 to {todos.MAX_TAG} characters, and no comma")
                return ()
            kept.setdefault(tag.casefold(), tag)
        if len(kept) > todos.MAX_TAGS:
            self._wrong("tags", f"must be at most {todos.MAX_TAGS}")
        return tuple(kept.values())

    def _parent_id(self) -> str | None:
        sent = self._text("parent_id")
        return None if sent is None else sent.strip().casefold()[:64] or None

    def _own_zone(self) -> str | None:
        sent = self._text("zone")
        if not sent:
            return None
        if sent not in zones():
            self._wrong("zone", "must be a time zone such as Europe/Zurich")
            return None
        return sent

    def _when(self, name: str) -> When | None:
        sent = self._values.get(name)
        if sent is None or (isinstance(sent, str) and not sent.strip()):
            return None
        try:
            if not isinstance(sent, str):
                raise InvalidDate(type(sent).__name__, 'Write it as a text, such as "2026-01-15 14:00:00".')
            if len(sent) > MAX_PHRASE:
                raise InvalidDate(sent, f"A date has at most {MAX_PHRASE} characters.")
            read = dates.read(sent, now=self._now, zone=self._zone)
        except InvalidDate as wrong:
            self._date_mistake = self._date_mistake or wrong.message
            self._wrong(name, wrong.message)
            return None
        self.remarks.extend(read.notes)
        return read.when

    def _recurrence(self, date: When | None) -> tuple[Recurrence | None, When | None]:
        """How it repeats, and the first date of that, for a todo which has none itself."""
        sent = self._values.get("recurrence")
        try:
            if isinstance(sent, Mapping):
                return self._rule(sent), date
            words = self._text("recurrence")
            if words is None or not words.strip():
                return None, date
            read = repetition.read(words[: MAX_PHRASE * 2], now=self._now, zone=self._zone, start=date)
        except InvalidDate as wrong:
            self._date_mistake = self._date_mistake or wrong.message
            self._wrong("recurrence", wrong.message)
            return None, date
        self.remarks.extend(read.notes)
        return read.recurrence, read.first

    def _rule(self, sent: Mapping[str, Any]) -> Recurrence | None:
        rule, mode = sent.get("rule"), sent.get("mode") or "schedule"
        if isinstance(rule, str) and isinstance(mode, str) and rule.strip():
            return repetition.checked(rule, mode)
        self._wrong("recurrence", "must be a text, or an object with `rule` and `mode`")
        return None

    def _since(self, date: When | None) -> When | None:
        """The first day of a series that began elsewhere; it never begins after the todo's own date."""
        sent = self._values.get("recurrence")
        since = sent.get("since") if isinstance(sent, Mapping) else None
        if since is None or date is None:
            return None
        try:
            found = When(parse(str(since)[:MAX_PHRASE], self._zone).day, date.at, date.zone)
        except InvalidDate as wrong:
            self._wrong("recurrence", wrong.message)
            return None
        return min(found, date, key=lambda each: each.day)

    def _subtasks(self) -> tuple[Draft, ...]:
        sent = self._values.get("subtasks")
        if sent is None:
            return ()
        if isinstance(sent, str) or not isinstance(sent, Sequence):
            self._wrong("subtasks", "must be a list")
            return ()
        if len(sent) > todos.MAX_SUBTASKS:
            self._wrong("subtasks", f"must be at most {todos.MAX_SUBTASKS}")
            return ()
        return tuple(self._subtask(number, each) for number, each in enumerate(sent))

    def _subtask(self, number: int, sent: Any) -> Draft:
        """A subtask, from an object or a text; it has none of its own, and does not repeat."""
        values = {"item": sent} if isinstance(sent, str) else sent
        where = f"{self._inside}subtasks[{number}]"
        if not isinstance(values, Mapping):
            self._wrong(f"subtasks[{number}]", "must be a text or an object")
            return Draft("")
        kept = {name: value for name, value in values.items() if name not in _NOT_INSIDE}
        reader = _Reader(kept, self._now, self._zone, inside=f"{where}.")
        made = reader.draft()
        self._mistakes += reader._mistakes
        self._date_mistake = self._date_mistake or reader._date_mistake
        self.remarks += reader.remarks
        return made
