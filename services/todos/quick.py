"""One line, one todo: `Pay rent every 1st !high #home`. Read by fixed rules, never by a model. Pure.

What is read is taken out of the words, and told as a chip. A word that only looks like a date stays: where in a line
which words may be one is decided by `Hold`. Two dates that could both be meant are none, and that is said.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, Literal

from services.errors import FieldError, InvalidInput
from services.todos import dates, recurrence
from services.todos.dates import Found
from services.todos.looking import JOINED, Seen, look
from services.todos.marks import IMPORTANCE, Importance, Mark, marks
from services.todos.pasted import Outlined, outline
from services.todos.recurrence import Recurrence, Repeat
from services.todos.repeated import Found as Repeated
from services.todos.words import Word, at, cut, phrase
from services.todos.written import Said
from services.when import InvalidDate, When

__all__ = ["MAX_LINES", "MAX_LINE_CHARS", "Chip", "Importance", "Kind", "Quick", "read", "read_lines"]

MAX_LINE_CHARS: Final = 1000
MAX_LINES: Final = 100

Kind = Literal["start", "due", "repeat", "importance", "tag", "project"]


@dataclass(frozen=True, slots=True)
class Chip:
    """One thing that was read out of a line: what it is, the words it was, and what it is taken to mean."""

    kind: Kind
    words: str
    said: str


@dataclass(frozen=True, slots=True)
class Quick:
    """What a line means. `item` is never empty. `importance` is None where the line says none.

    Attributes:
        done: Its box was ticked, in a pasted list.
        children: Its subtasks, in a pasted list.
    """

    item: str
    start: When | None = None
    due: When | None = None
    importance: Importance | None = None
    tags: tuple[str, ...] = ()
    project: str | None = None
    recurrence: Recurrence | None = None
    chips: tuple[Chip, ...] = ()
    notes: tuple[str, ...] = ()
    done: bool = False
    children: tuple["Quick", ...] = ()


@dataclass(slots=True)
class _Line:
    """A line while it is read."""

    text: str
    words: list[Word]
    said: Said
    used: list[tuple[int, int]] = field(default_factory=list)
    chips: list[Chip] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    start: When | None = None
    due: When | None = None
    recurrence: Recurrence | None = None

    def words_of(self, found: Found | Repeated) -> str:
        """As they stand in the line, so that they can be found there again."""
        first, last = self.words[found.start], self.words[found.end - 1]
        return self.text[first.start : last.end - len(last.ends)].lstrip("([{")


def read(line: str, *, now: datetime, zone: str) -> Quick:
    """What one line means to somebody in `zone` at `now`.

    Raises:
        InvalidDate: A date or a repetition in it is none (`on 31 Feb`); names the words. Nothing may be stored.
        InvalidInput: Nothing is left for the item, or the line is too long.
    """
    if len(line) > MAX_LINE_CHARS:
        raise _wrong(f"A line has at most {MAX_LINE_CHARS:,} characters.")
    every = cut(line)
    marked = marks(every)
    places = {mark.index for mark in marked}
    at_work = _Line(line, [word for index, word in enumerate(every) if index not in places], Said.of(now, zone))
    try:
        _choose(at_work, look(at_work.words, at_work.said))
    except InvalidDate as wrong:
        raise type(wrong)(wrong.phrase, f"{wrong.why} Put it in quotes to keep it as words.") from wrong
    return _made(at_work, every, marked)


def read_lines(text: str, *, now: datetime, zone: str) -> list[Quick]:
    """A pasted list: a todo a line, with bullets, numbers or boxes; what is indented under one is its subtasks.

    Raises:
        InvalidInput: As `read`, or there are more than `MAX_LINES` lines.
    """
    lines = outline(text)
    if sum(1 + len(line.children) for line in lines) > MAX_LINES:
        raise _wrong(f"A list has at most {MAX_LINES} lines.")
    return [_outlined(line, now=now, zone=zone) for line in lines]


def _outlined(line: Outlined, *, now: datetime, zone: str) -> Quick:
    children = tuple(_outlined(child, now=now, zone=zone) for child in line.children)
    return replace(read(line.text, now=now, zone=zone), done=line.done, children=children)


def _wrong(message: str) -> InvalidInput:
    return InvalidInput([FieldError("item", message)], message)


def _choose(line: _Line, seen: Seen) -> None:
    """Which of them are meant: one date to start, one that it is due, one repetition."""
    line.notes.extend(seen.notes)
    start = _best(line, seen.starts, seen.last)
    due = _best(line, seen.dues, seen.last)
    if seen.repeat is not None:
        _repeated(line, seen.repeat, start, due)
        return
    if start is not None:
        _started(line, start)
    if due is not None:
        line.due = _dated(line, due, "due", like=line.start)


def _best(line: _Line, found: list[Found], last: int) -> Found | None:
    """The one at the end of the line, else the first; with a time that stands alone. None where two are joined."""
    for one, other in pairwise(found):
        joined = other.start == one.end + 1 and at(line.words, one.end) in JOINED
        if joined and one.day is not None and other.day is not None:
            told = phrase(line.words, one.start, other.end)
            line.notes.append(f"“{told}” is more than one date, so it stays in the words.")
            return _best(line, [each for each in found if each is not one and each is not other], last)
    dated = [one for one in found if one.day is not None]
    timed = [one for one in found if one.day is None]
    if not dated:
        return timed[0] if timed else None
    best = dated[-1] if dated[-1].end >= last else dated[0]
    if best.clock is None and timed and (best.day is None or best.day.moment is None):
        line.used.append((timed[0].start, timed[0].end))
        return dates.together(best, timed[0])
    return best


def _started(line: _Line, found: Found) -> None:
    """A date to start; of a range, the one that it is due as well."""
    until = found.clock.until if found.clock is not None else None
    line.start = _dated(line, found, "start")
    if found.last is not None:
        line.due = When(found.last.day)
    elif until is not None and line.start.at is not None and line.start.zone is not None:
        ahead = 1 if until <= line.start.at else 0
        line.due = When(line.start.day + timedelta(days=ahead), until, line.start.zone)
    if line.due is not None:
        line.chips.append(Chip("due", line.words_of(found), line.due.said(zone="")))


def _dated(line: _Line, found: Found, kind: Literal["start", "due"], like: When | None = None) -> When:
    """What such words mean, told as a chip; a time alone is of the day that the line names otherwise."""
    words = line.words_of(found)
    if found.day is None and like is not None and found.clock is not None and found.clock.at is not None:
        meant = When(like.day, found.clock.at, found.clock.zone or line.said.zone)
    else:
        reading = dates.resolved(found, line.said, phrase=words)
        meant = reading.when
        line.notes.extend(reading.notes)
    line.used.append((found.start, found.end))
    line.chips.append(Chip(kind, words, meant.said(zone="")))
    return meant


def _repeated(line: _Line, found: Repeated, start: Found | None, due: Found | None) -> None:
    """A repetition, with the date and the time that stand elsewhere in the line."""
    words = line.words_of(found)
    begin: When | None = None
    if start is not None and start.day is None and found.clock is None:
        found = replace(found, clock=start.clock, part=found.part or start.part)
        line.used.append((start.start, start.end))
    elif start is not None and start.day is not None:
        begin = _dated(line, start, "start")
    due_by = _dated(line, due, "due") if due is not None and due.day is not None else None
    repeat = recurrence.made(found, line.said, phrase=words, start=due_by or begin)
    if begin is not None and due_by is not None:
        repeat = replace(repeat, first=due_by, notes=())  # both stay as they were said
    line.used.append((found.start, found.end))
    line.notes.extend(repeat.notes)
    line.recurrence = repeat.recurrence
    if due_by is not None:
        line.start, line.due = begin, repeat.first
    elif due is not None:
        line.start, line.due = begin and repeat.first, _dated(line, due, "due", like=repeat.first)
    else:
        line.start = repeat.first
    line.chips.insert(0, Chip("repeat", words, _repeat_said(repeat)))


def _repeat_said(repeat: Repeat) -> str:
    return f"{recurrence.said(repeat.recurrence)}, first on {repeat.first.said(zone='')}"


def _made(line: _Line, every: list[Word], marked: list[Mark]) -> Quick:
    used = {word.start for begin, end in line.used for word in line.words[begin:end]}
    tags: list[str] = []
    named: dict[str, str] = {}
    for mark in marked:
        word = every[mark.index]
        if mark.kind != "tag" and mark.kind in named:
            line.notes.append(f"A todo has one {mark.kind}, so “{word.raw}” stays in the words.")
            continue
        used.add(word.start)
        if mark.kind != "tag":
            named[mark.kind] = mark.name
        elif mark.name.casefold() not in [tag.casefold() for tag in tags]:
            tags.append(mark.name)
        said = IMPORTANCE[mark.name] if mark.kind == "importance" else mark.name
        line.chips.append(Chip(mark.kind, word.raw, f"{mark.kind} {said}"))
    item = _item(every, lambda word: word.start in used)
    if not item:
        raise _wrong("Only a date or marks: say what is to be done.")
    return Quick(
        item=item,
        start=line.start,
        due=line.due,
        importance=IMPORTANCE[named["importance"]] if "importance" in named else None,
        tags=tuple(tags),
        project=named.get("project"),
        recurrence=line.recurrence,
        chips=tuple(line.chips),
        notes=tuple(dict.fromkeys(line.notes)),
    )


def _item(every: list[Word], is_used: Callable[[Word], bool]) -> str:
    """The words that are left, as they were written; a bracket that is left open is left out with what was in it."""
    left: list[str] = []
    open_brackets = 0
    for word in every:
        raw = word.raw
        if not is_used(word):
            left.append(raw[1:] if word.quoted and raw[0] == "\\" else raw)
            continue
        open_brackets += raw.count("(")
        if raw.count(")") > open_brackets and left:
            left[-1] += ")"
        open_brackets = max(0, open_brackets - raw.count(")"))
    text = " ".join(left)
    if len(left) < len(every):
        text = text.rstrip(",;:–- ").lstrip(",;:–- ")
        text = text.removesuffix(")") if text.endswith(")") and text.count(")") > text.count("(") else text
    return text
