"""Todos as files: written as JSON and as a table (CSV), and read from both. Pure.

What is read becomes rows, each a todo with its subtasks, and mistakes, each with its place in the file; one bad row
spoils no other. Calendars and plain lists are read by `lists.py`.

Source: RFC 4180; OWASP, "CSV Injection".
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from services.errors import FieldError, InvalidInput
from services.store.todos import MAX_SUBTASKS, Draft, Todo
from services.todos import fields

COLUMNS: Final = (
    "id", "parent_id", "item", "notes", "start_time", "due_time", "zone", "importance", "tags", "project", "status",
    "recurrence", "recurrence_mode", "recurrence_since", "source", "created_at", "updated_at", "completed_at",
)  # fmt: skip
# What other programs call them.
_ALIASES: Final[Mapping[str, str]] = {
    "uuid": "id", "parent": "parent_id", "title": "item", "task": "item", "todo": "item", "name": "item",
    "content": "item", "summary": "item", "subject": "item", "note": "notes", "description": "notes", "body": "notes",
    "start": "start_time", "start date": "start_time", "date": "start_time", "due": "due_time", "due date": "due_time",
    "deadline": "due_time", "due_date": "due_time", "start_date": "start_time", "timezone": "zone", "time zone": "zone",
    "priority": "importance", "labels": "tags", "label": "tags", "tag": "tags", "categories": "tags", "list": "project",
    "state": "status", "completed": "completed_at", "rule": "recurrence", "rrule": "recurrence",
}  # fmt: skip
# What a spreadsheet takes for a formula; a text that begins so gets an apostrophe before it, which is taken off again.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "|", "%", "＝", "＋", "－", "＠")
_DELIMITERS: Final = ",;\t"
_DONE: Final = frozenset({"done", "completed", "complete", "closed", "true", "yes", "x", "1"})
_OPEN: Final = frozenset({"", "open", "todo", "needs-action", "in-process", "active", "false", "no", "0"})
_MAX_ID: Final = 255
_MAX_HEADER: Final = 2_000


@dataclass(frozen=True, slots=True)
class Row:
    """A todo that was read, with its subtasks.

    Attributes:
        place: Where it stands: the line of a text or table, the number in a list or calendar; from 1.
        draft: `id` is the one that it had where it comes from, as that wrote it, or None.
    """

    place: int
    draft: Draft


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a row; nothing of that row is taken."""

    place: int
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file, read."""

    rows: tuple[Row, ...]
    mistakes: tuple[Mistake, ...]


class Reader:
    """Collects the rows of a file, and what is wrong with them."""

    def __init__(self, *, now: datetime, zone: str) -> None:
        self.now = now
        self.zone = zone
        self._rows: list[Row] = []
        self._mistakes: list[Mistake] = []

    def take(self, place: int, values: Mapping[str, Any]) -> None:
        """A row as `fields.as_json` names it, with its subtasks."""
        try:
            self.add(place, restored(values, now=self.now, zone=self.zone))
        except InvalidInput as wrong:
            self.refuse(place, *wrong.errors)

    def add(self, place: int, draft: Draft) -> None:
        if len(draft.subtasks) > MAX_SUBTASKS:
            self.refuse(place, FieldError("subtasks", f"must be at most {MAX_SUBTASKS}"))
            return
        self._rows.append(Row(place, draft))

    def refuse(self, place: int, *wrong: FieldError) -> None:
        self._mistakes += [Mistake(place, each.field, each.message) for each in wrong]

    def parsed(self) -> Parsed:
        """All of it, in the order of the file."""
        return Parsed(tuple(self._rows), tuple(sorted(self._mistakes, key=lambda each: each.place)))


def restored(values: Mapping[str, Any], *, now: datetime, zone: str) -> Draft:
    """A todo that was told elsewhere, with what only that knows: its id, and whether it is done.

    Raises:
        InvalidInput: Names every field that is wrong.
    """
    subtasks = values.get("subtasks")
    parts = subtasks if isinstance(subtasks, list) else []
    made, wrong = None, list[FieldError]()
    try:
        made = fields.draft({**values, "parent_id": None}, now=now, zone=zone)
    except InvalidInput as refused:
        wrong += refused.errors
    own = _standing(values, "", wrong)
    below = [_standing(part, f"subtasks[{n}].", wrong) for n, part in enumerate(parts) if isinstance(part, Mapping)]
    if wrong or made is None:
        raise InvalidInput(wrong)
    if len(below) == len(made.subtasks):
        made = replace(made, subtasks=tuple(replace(a, **b) for a, b in zip(made.subtasks, below, strict=True)))
    return replace(made, **own)


def as_lines(todos: Iterable[Todo]) -> Iterator[bytes]:
    """JSON, a line for each todo; the whole is one object, `{"todos": [...]}`."""
    before = b'{"format": "rill-todos", "version": 1, "todos": [\n'
    for todo in todos:
        yield before + orjson.dumps(fields.as_json(todo))
        before = b",\n"
    yield b"\n]}\n" if before == b",\n" else before + b"]}\n"


def as_table(todos: Iterable[Todo]) -> Iterator[bytes]:
    """A table, a row for each todo and each subtask, with the mark by which spreadsheets know UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    yield b"\xef\xbb\xbf"
    for todo in todos:
        for one in (todo, *todo.subtasks):
            writer.writerow(_cells(fields.as_json(one)))
        yield text.getvalue().encode("utf-8")
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode("utf-8")


def read_json(text: str, reader: Reader) -> None:
    """A list of todos, or an object that has one.

    Raises:
        InvalidInput: It is neither.
    """
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise InvalidInput([FieldError("file", "is not valid JSON")]) from None
    if isinstance(found, Mapping):
        found = [found] if "item" in found and "todos" not in found else found.get("todos")
    if not isinstance(found, list):
        raise InvalidInput([FieldError("todos", "must be a list of todos")])
    rows: list[tuple[int, dict[str, Any]]] = []
    for place, each in enumerate(found, start=1):
        if isinstance(each, Mapping):
            rows.append((place, dict(each)))
        else:
            reader.refuse(place, FieldError("todos", "must be an object"))
    _take(rows, reader)


def read_table(text: str, reader: Reader) -> None:
    """A table with a header.

    Raises:
        InvalidInput: It has no header, no column for the item, or is no table.
    """
    _take(_table(text), reader)


def _take(rows: Iterable[tuple[int, dict[str, Any]]], reader: Reader) -> None:
    """Take rows, in any order; those with a `parent_id` are subtasks of the row with that `id`."""
    tops: dict[Any, dict[str, Any]] = {}
    above: list[tuple[int, dict[str, Any]]] = []
    below: list[tuple[int, dict[str, Any]]] = []
    for place, values in rows:
        if values.get("parent_id"):
            below.append((place, values))
            continue
        above.append((place, values))
        if values.get("subtasks") is None:
            values["subtasks"] = []
        if isinstance(values.get("id"), str) and isinstance(values["subtasks"], list):
            tops.setdefault(values["id"], values)
    for place, values in below:
        parent_id = values["parent_id"]
        top = tops.get(parent_id) if isinstance(parent_id, str) else None
        if top is None:
            reader.refuse(place, FieldError("parent_id", "names no row of this file that has no parent itself"))
        elif _is_sound(place, values, reader):
            top["subtasks"].append(values)
    for place, values in above:
        reader.take(place, values)


def is_table(text: str) -> bool:
    """Whether a text begins as a table of todos: its first line names the item's column, and another."""
    header = text.lstrip("\ufeff\r\n").split("\n", 1)[0][:_MAX_HEADER]
    names = {_column(name.strip('"\r')) for name in header.split(_delimiter(header))}
    return "item" in names and len(names.intersection(COLUMNS)) > 1


def _is_sound(place: int, values: Mapping[str, Any], reader: Reader) -> bool:
    """Whether a subtask's row can be read: one that cannot must not spoil its todo."""
    try:
        restored(values, now=reader.now, zone=reader.zone)
    except InvalidInput as wrong:
        reader.refuse(place, *wrong.errors)
        return False
    return True


def _table(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    header = text.lstrip("\r\n").split("\n", 1)[0]
    rows = csv.reader(io.StringIO(text.lstrip("\r\n"), newline=""), delimiter=_delimiter(header))
    try:
        names = [_column(name) for name in next(rows, [])]
        if "item" not in names:
            raise InvalidInput([FieldError("file", "needs a first line that names its columns, one of them `item`")])
        for cells in rows:
            if any(cell.strip() for cell in cells):
                yield rows.line_num, _values(dict(zip(names, map(_text, cells), strict=False)))
    except csv.Error:
        raise InvalidInput([FieldError("file", f"is no table: line {rows.line_num} cannot be read")]) from None


def _delimiter(header: str) -> str:
    return max(_DELIMITERS, key=header.count)


def _column(name: str) -> str:
    word = " ".join(name.strip("\ufeff \t").casefold().split())
    return _ALIASES.get(word, word.replace(" ", "_"))


def _values(cells: dict[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {name: cell for name, cell in cells.items() if name and cell.strip()}
    rule, mode, since = (values.pop(f"recurrence{part}", None) for part in ("", "_mode", "_since"))
    if rule and "=" in rule:
        values["recurrence"] = {"rule": rule, "mode": mode, "since": since}
    elif rule:
        values["recurrence"] = rule
    return values


def _cells(told: Mapping[str, Any]) -> list[str]:
    repeats = told["recurrence"] or {}
    flat = {
        **told,
        "tags": ", ".join(told["tags"]),
        "recurrence": repeats.get("rule"),
        "recurrence_mode": repeats.get("mode"),
        "recurrence_since": repeats.get("since"),
    }
    return [_cell(str(flat[name] or "")) for name in COLUMNS]


def _cell(text: str) -> str:
    return f"'{text}" if text.lstrip(" \n'").startswith(_FORMULA) else text


def _text(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].lstrip(" \n'").startswith(_FORMULA) else cell


def _standing(values: Mapping[str, Any], inside: str, wrong: list[FieldError]) -> dict[str, Any]:
    """Its id, and whether it is done and since when; a moment of completion says that it is."""
    key, status, at = values.get("id"), values.get("status"), values.get("completed_at")
    completed_at = None
    if key is not None and (not isinstance(key, str) or len(key) > _MAX_ID):
        wrong.append(FieldError(f"{inside}id", f"must be a text of at most {_MAX_ID} characters"))
        key = None
    if at not in (None, ""):
        completed_at = _moment(at)
        if completed_at is None and str(at).strip().casefold() in _DONE | _OPEN:
            # Some programs have a column of yes and no there.
            status = at if status is None else status
        elif completed_at is None:
            wrong.append(FieldError(f"{inside}completed_at", "must be a moment such as 2026-01-15T13:00:00Z"))
    word = status.strip().casefold() if isinstance(status, str) else status
    if word is None:
        word = "done" if completed_at is not None else "open"
    if not isinstance(word, str) or word not in _DONE | _OPEN:
        wrong.append(FieldError(f"{inside}status", "must be open or done"))
        word = "open"
    is_done = word in _DONE
    return {
        "id": (key or "").strip() or None,
        "status": "done" if is_done else "open",
        "completed_at": completed_at if is_done else None,
    }


def _moment(sent: Any) -> datetime | None:
    if not isinstance(sent, str) or len(sent) > 40:
        return None
    try:
        found = datetime.fromisoformat(sent.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
