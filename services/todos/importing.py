"""Todos from a file: what it holds is found out, read, and made, without what is there already.

Reading is long work and happens in a native thread; making happens in parts, each of which is one change, so that
nobody else waits long. Where a request ends half-way the same file can be sent again: what was made is known by its
id.
"""

import codecs
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal
from uuid import UUID, uuid4, uuid5

import gevent

from services.errors import Conflict, FieldError, InvalidInput, NotFound
from services.store import todos as stored
from services.store.base import clean
from services.store.database import Database
from services.store.todo_undo import Refused
from services.store.todos import MAX_OPEN, MAX_ROWS, OPEN
from services.todos import lists, transfer
from services.todos.actions import By, Draft, Todos, Undone
from services.todos.transfer import Mistake, Parsed, Reader, Row

Kind = Literal["json", "csv", "ics", "text"]

KINDS: Final[tuple[Kind, ...]] = ("json", "csv", "ics", "text")
MAX_BYTES: Final = 16 * 1024 * 1024
PREFIX: Final = "import-"
# So many todos are made by one change: a quarter of a second.
_AT_ONCE: Final = 200
# One at a time: a second would only share the processor with the first.
_ROOM: Final = threading.BoundedSemaphore(1)
_IDS: Final = UUID("5f0c1c52-7d5f-4f3f-9f0e-9e6d6d1a8a51")
_NAMES: Final[dict[str, Kind]] = {"json": "json", "csv": "csv", "tsv": "csv", "ics": "ics", "ical": "ics"}


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file.

    Attributes:
        added: How many todos were made, subtasks included.
        skipped: Rows that were there already, or are twice in the file.
        mistakes: What is wrong with rows that were not taken.
        message_id: By which all of it is undone; empty if nothing was made.
        change_ids: The changes that made it, the first first.
    """

    added: int
    skipped: tuple[Row, ...]
    mistakes: tuple[Mistake, ...]
    message_id: str
    change_ids: tuple[str, ...]


def read(content: bytes, kind: Kind | None, name: str, *, now: datetime, zone: str) -> Parsed:
    """What a file holds, read off the event loop.

    Args:
        content: Of any encoding that spreadsheets write.
        kind: What it is; None: found out by its name and its beginning.
        name: The file's; may be empty.
        now: From which dates in words are counted.
        zone: Of times that name none.

    Raises:
        InvalidInput: It is not of that kind at all, or holds too many.
    """
    with _ROOM:
        made: Parsed | BaseException = gevent.get_hub().threadpool.apply(_ended, (content, kind, name, now, zone))
    if isinstance(made, BaseException):
        raise made
    return made


def take(todos: Todos, database: Database, user_id: int, parsed: Parsed) -> Imported:
    """Make the todos of a file; each gets an id that hangs on the person and on the one it had."""
    fresh, skipped = _fresh(database, user_id, parsed.rows)
    making = _Making(todos, user_id)
    for rows in _parts(fresh):
        making.add(rows)
    mistakes = sorted((*parsed.mistakes, *making.mistakes), key=lambda each: each.place)
    message_id = making.message_id if making.change_ids else ""
    return Imported(making.added, tuple(skipped), tuple(mistakes), message_id, tuple(making.change_ids))


def undo(todos: Todos, user_id: int, message_id: str) -> Undone:
    """Take an import back, change by change, the newest first; one that has been undone already is left out.

    Raises:
        NotFound: There is no such import, or nothing of it is left to undo.
        Conflict: Nothing of it can be undone.
    """
    wanted = [change for change in todos.changes_of(user_id, message_id) if change.undone_by is None]
    if not wanted:
        raise NotFound("That import has made nothing, or it has been undone.")
    undone: list[Undone] = []
    refused: list[Refused] = []
    for change in wanted:
        try:
            undone.append(todos.undo(By(user_id), change.id))
        except Conflict as why:
            refused.append(Refused(change, why))
    if not undone:
        raise refused[0].why
    return Undone(
        changes=tuple(change for each in undone for change in each.changes),
        refused=tuple(refused),
        change_id=undone[-1].change_id,
        todos=(),
        gone=tuple(key for each in undone for key in each.gone),
        revision=undone[-1].revision,
    )


class _Making:
    """Makes the rows of one import, in as few changes as there can be."""

    def __init__(self, todos: Todos, user_id: int) -> None:
        self.message_id = f"{PREFIX}{uuid4()}"
        self.added = 0
        self.mistakes: list[Mistake] = []
        self.change_ids: list[str] = []
        self._todos = todos
        self._user_id = user_id
        # Each limit that was met, by the fewest todos that found no room below it.
        self._full: dict[int, tuple[int, str]] = {}

    def add(self, rows: Sequence[Row]) -> None:
        """Make some; where they are refused together, each by itself."""
        fitting = [row for row in rows if not self._has_no_room(row)]
        if not fitting:
            return
        try:
            by = By(self._user_id, message_id=self.message_id, call_id=str(len(self.change_ids)))
            done = self._todos.add(by, [row.draft for row in fitting])
        except (Conflict, InvalidInput) as why:
            if len(fitting) > 1:
                for row in fitting:
                    self.add([row])
                return
            self._refuse(fitting[0], why)
            return
        self.added += sum(_size(row) for row in fitting)
        self.change_ids.append(done.change_id)

    def _refuse(self, row: Row, why: Conflict | InvalidInput) -> None:
        wrong = why.errors if isinstance(why, InvalidInput) else [FieldError("file", why.message)]
        self.mistakes += [Mistake(row.place, each.field, each.message) for each in wrong]
        limit = why.extra.get("limit")
        if limit in (MAX_OPEN, MAX_ROWS):
            self._full[limit] = (_counted(row, limit), why.message)

    def _has_no_room(self, row: Row) -> bool:
        """Whether one that counts no more has met a full list: thousands are not tried one by one, in vain."""
        for limit, (fewest, message) in self._full.items():
            if _counted(row, limit) >= fewest:
                self.mistakes.append(Mistake(row.place, "file", message))
                return True
        return False


def _ended(content: bytes, kind: Kind | None, name: str, now: datetime, zone: str) -> Parsed | BaseException:
    # In the thread. Errors are handed over as values: gevent prints those that are raised there, and what they tell
    # of somebody's file is for nobody else.
    try:
        return _read(content, kind, name, now, zone)
    except BaseException as wrong:
        return wrong


def _read(content: bytes, kind: Kind | None, name: str, now: datetime, zone: str) -> Parsed:
    text = decoded(content)
    kind = kind or kind_of(text, name)
    reader = Reader(now=now, zone=zone)
    readers = {
        "json": transfer.read_json,
        "csv": transfer.read_table,
        "ics": lists.read_calendar,
        "text": lists.read_text,
    }
    readers[kind](text, reader)
    parsed = reader.parsed()
    if sum(map(_size, parsed.rows)) + len(parsed.mistakes) > MAX_ROWS:
        raise InvalidInput([FieldError("file", f"has more than {MAX_ROWS} todos; send it in parts")])
    if not parsed.rows and not parsed.mistakes:
        raise InvalidInput([FieldError("file", "has no todos in it")])
    return parsed


def decoded(content: bytes) -> str:
    """A file's text: UTF-8, or UTF-16 if it says so, or what old spreadsheets write."""
    if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def kind_of(text: str, name: str) -> Kind:
    """What a file is, by how it begins, else by its name's end."""
    head = text[:2_000].lstrip()
    if head[:15].upper() == "BEGIN:VCALENDAR":
        return "ics"
    if head[:1] in ("{", "["):
        # A list of boxes begins like one of JSON.
        return "text" if head[:1] == "[" and head[1:2] in (" ", "x", "X", "]") and head[2:4] != "" else "json"
    named = _NAMES.get(name.rpartition(".")[2].casefold())
    return named or ("csv" if transfer.is_table(head) else "text")


def _fresh(database: Database, user_id: int, rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rows that are new to the person, with the ids they are to have; and those that are not."""
    told = [part.id for row in rows for part in (row.draft, *row.draft.subtasks) if part.id]
    wanted = [key for each in told for key in (each.strip().casefold(), _own(user_id, each))]
    taken = database.run(stored.known, user_id, list(dict.fromkeys(wanted)))
    fresh, skipped = [], []
    for row in rows:
        draft = _renamed(user_id, row.draft, taken)
        if draft is None:
            skipped.append(row)
            continue
        below = [_renamed(user_id, part, taken) for part in row.draft.subtasks]
        fresh.append(Row(row.place, replace(draft, subtasks=tuple(part for part in below if part is not None))))
    return fresh, skipped


def _renamed(user_id: int, draft: Draft, taken: set[str]) -> Draft | None:
    """A draft with the id that it is to have, which is taken from then on; None if it is there already."""
    if draft.id is None:
        return draft
    own = _own(user_id, draft.id)
    if own in taken or draft.id.strip().casefold() in taken:
        return None
    taken.add(own)
    return replace(draft, id=own)


def _own(user_id: int, told: str) -> str:
    """The id of what was called so elsewhere: the same each time for one person, and another for everybody."""
    return str(uuid5(_IDS, f"{user_id}\n{clean(told)}"))


def _parts(rows: Iterable[Row]) -> Iterator[list[Row]]:
    part: list[Row] = []
    for row in rows:
        if part and sum(map(_size, part)) + _size(row) > _AT_ONCE:
            yield part
            part = []
        part.append(row)
    if part:
        yield part


def _size(row: Row) -> int:
    return 1 + len(row.draft.subtasks)


def _counted(row: Row, limit: int) -> int:
    """As how many todos a row counts towards a limit."""
    return _size(row) if limit == MAX_ROWS else sum(one.status == OPEN for one in (row.draft, *row.draft.subtasks))
