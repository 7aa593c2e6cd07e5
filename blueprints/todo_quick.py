"""One line, or a pasted list: how it is understood, and the todos that it makes.

What was understood wrongly is put right by one tap: the words that a chip was made of are taken as plain words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.errors import FieldError, InvalidInput
from services.store.todos import Draft
from services.todos import fields, quick
from services.todos.quick import Chip, Quick
from services.when import InvalidDate

MAX_CHARS: Final = 10_000
_MAX_PLAIN: Final = 20
# Stands for words that are to be taken as they are; no keyboard has it.
# A list that is longer is told by its number.
_MAX_LINES: Final = 12
_MASK: Final = "\ue000"


@dataclass(frozen=True, slots=True)
class Read:
    """A line as it is understood. `plain`: the words in it that are taken as they are."""

    todos: Sequence[Quick]
    plain: Sequence[str]

    @property
    def chips(self) -> Sequence[Chip]:
        """What was read out of it, if it is one todo."""
        return self.todos[0].chips if len(self.todos) == 1 else ()

    @property
    def steps(self) -> int:
        return sum(len(todo.children) for todo in self.todos)

    @property
    def lines(self) -> list[Mapping[str, object]]:
        """Those of a list, todos and steps, out of which something was read; none for a todo alone."""
        if len(self.todos) == 1 and not self.steps:
            return []
        return [
            {"item": one.item, "is_step": is_step, "said": [chip.said for chip in one.chips]}
            for todo in self.todos
            for one, is_step in ((todo, False), *((child, True) for child in todo.children))
            if one.chips and (is_step or len(self.todos) > 1)
        ]

    @property
    def notes(self) -> list[str]:
        return list(
            dict.fromkeys(note for todo in self.todos for each in (todo, *todo.children) for note in each.notes)
        )


class Misread(InvalidInput):
    """Words of a line that are meant as a date, and are none. `phrase` can be taken as it is."""

    def __init__(self, message: str, phrase: str) -> None:
        super().__init__([FieldError("line", message)], message)
        self.phrase = phrase


def understood(line: str, plain: Sequence[str], *, now: datetime, zone: str) -> Read:
    """How a line, or several, are understood.

    Args:
        plain: Words in it that are to be taken as they are.

    Raises:
        InvalidInput: At the field `line`: there is nothing in it, or a date that is none (`Misread`).
    """
    line = fields.many_lines(line)
    if not line:
        raise InvalidInput([FieldError("line", "is missing")])
    if len(line) > MAX_CHARS:
        raise InvalidInput([FieldError("line", f"must have at most {MAX_CHARS} characters")])
    kept = [words for words in dict.fromkeys(plain[:_MAX_PLAIN]) if words.strip() and words in line]
    masked = line.replace(_MASK, "")
    for number, words in enumerate(kept):
        masked = masked.replace(words, _mask(number), 1)
    try:
        found = quick.read_lines(masked, now=now, zone=zone)
    except InvalidDate as wrong:
        raise Misread(_unmasked(wrong.message, kept), _unmasked(wrong.phrase, kept)) from wrong
    except InvalidInput as wrong:
        told = [FieldError("line", _unmasked(each.message, kept)) for each in wrong.errors]
        raise InvalidInput(told or [FieldError("line", wrong.message)]) from wrong
    return Read([_plain(todo, kept) for todo in found], kept)


def drafts(read: Read) -> list[Draft]:
    """The todos to be made."""
    return [draft(todo) for todo in read.todos]


def draft(todo: Quick) -> Draft:
    """One of them, with its subtasks; those have none of their own, and do not repeat."""
    return Draft(
        item=todo.item,
        start=todo.start,
        due=todo.due,
        importance=todo.importance or "medium",
        tags=todo.tags,
        project=todo.project,
        rule=todo.recurrence.rule if todo.recurrence else None,
        mode=todo.recurrence.mode if todo.recurrence else "schedule",
        status="done" if todo.done else "open",
        subtasks=tuple(draft(child) for child in todo.children),
    )


def shown(read: Read, zone: str) -> Mapping[str, object]:
    """What todos/_echo.html takes."""
    return {
        "items": [todo.item for todo in read.todos],
        "steps": read.steps,
        "chips": read.chips,
        "lines": read.lines[:_MAX_LINES],
        "plain": read.plain,
        "notes": read.notes,
        "zone": zone,
    }


def mistake(wrong: InvalidInput, line: str) -> Mapping[str, object]:
    """What todos/_echo.html takes of a line that was not understood."""
    phrase = wrong.phrase if isinstance(wrong, Misread) else ""
    return {"wrong": wrong.errors[0].message, "phrase": phrase if phrase in line else ""}


def _plain(todo: Quick, kept: Sequence[str]) -> Quick:
    if not kept:
        return todo
    values = {name: getattr(todo, name) for name in Quick.__dataclass_fields__}
    values |= {"item": _unmasked(todo.item, kept), "children": tuple(_plain(child, kept) for child in todo.children)}
    return Quick(**values)


def _unmasked(text: str, kept: Sequence[str]) -> str:
    for number, words in enumerate(kept):
        text = text.replace(_mask(number), words)
    return text


def _mask(number: int) -> str:
    return f"{_MASK}{chr(ord(_MASK) + 1 + number)}"
