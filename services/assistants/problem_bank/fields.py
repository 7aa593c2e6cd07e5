"""From a mapping to a Problem, naming every field that is wrong. Pure.

Files of the bank must be complete; problems of a user's own need a title and a statement only.
"""

import hashlib
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, cast

from services.assistants.problem_bank.problem import DIFFICULTIES, TAGS, Case, Difficulty, Example, Problem
from services.errors import FieldError, InvalidInput

FIELDS = tuple(one.name for one in fields(Problem))

_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")

MAX_ID_CHARS = 60
_MAX_TITLE_CHARS = 200
_MAX_STATEMENT_CHARS = 40_000
_MAX_HINT_CHARS = 4_000
_MAX_LINE_CHARS = 500
_MAX_SOLUTION_CHARS = 20_000
_MAX_TAGS = 10
_MAX_TAG_CHARS = 30
_MAX_ITEMS = 100
_MAX_DEPTH = 64
_HINTS = 3
# What every JSON library on the way (orjson, browsers aside) reads back as the same number.
_MAX_INT = 2**63 - 1


def build(data: Mapping[str, Any], *, own: bool, known: Sequence[FieldError] = ()) -> Problem:
    """Make a problem of its fields.

    Args:
        data: The fields by name; the values are JSON.
        own: Whether a user brings it: then all but title and statement may be absent.
        known: What is already known to be wrong; these fields are not judged again.

    Raises:
        InvalidInput: Names every field that is missing or malformed.
    """
    read = _Reader(data, own=own, errors=list(known))
    title = read.line("title", _MAX_TITLE_CHARS)
    problem = Problem(
        id=read.slug("id", title),
        title=title,
        statement=read.text("statement", _MAX_STATEMENT_CHARS).strip(),
        difficulty=read.difficulty("difficulty"),
        tags=read.tags("tags"),
        examples=cast(tuple[Example, ...], read.cases("examples", "output", "explanation")),
        tests=cast(tuple[Case, ...], read.cases("tests", "expected", "why")),
        hidden_tests=cast(tuple[Case, ...], read.cases("hidden_tests", "expected", "why")),
        edge_cases=read.lines("edge_cases"),
        hints=read.hints("hints"),
        mistakes=read.lines("mistakes"),
        solution=read.text("solution", _MAX_SOLUTION_CHARS, optional=own).strip("\n").rstrip(),
        any_order=read.flag("any_order"),
        own=own,
    )
    if read.errors:
        raise InvalidInput(read.errors)
    return problem


def slug_of(title: str) -> str:
    """An id made from a title; one without Latin letters or digits gets a short hash."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower().replace("'", "")
    slug = re.sub(r"[^a-z0-9]+", "-", plain)[:MAX_ID_CHARS].strip("-")
    return slug or "problem-" + hashlib.sha256(title.encode()).hexdigest()[:8]


@dataclass(slots=True)
class _Reader:
    """Reads fields one by one and collects what is wrong; what it gives for a wrong field is never used."""

    data: Mapping[str, Any]
    own: bool
    errors: list[FieldError] = field(default_factory=list)

    def bad(self, name: str, message: str) -> None:
        if all(known.field != name for known in self.errors):
            self.errors.append(FieldError(name, message))

    def text(self, name: str, max_chars: int, *, optional: bool = False) -> str:
        value = self.data.get(name)
        if value is None and optional:
            return ""
        if not isinstance(value, str):
            self.bad(name, "is required" if value is None else "must be text")
            return ""
        text = _clean(value)
        if not optional and not text.strip():
            self.bad(name, "is required")
        elif len(text) > max_chars:
            self.bad(name, f"is longer than {max_chars} characters")
        return text

    def line(self, name: str, max_chars: int) -> str:
        return " ".join(self.text(name, max_chars).split())

    def slug(self, name: str, title: str) -> str:
        if self.own and self.data.get(name) in (None, ""):
            return slug_of(title)
        text = self.text(name, MAX_ID_CHARS)
        if text and not _SLUG.fullmatch(text):
            self.bad(name, "must be lower-case letters and digits, joined by single hyphens")
        return text

    def difficulty(self, name: str) -> Difficulty:
        value = self.data.get(name)
        if value in (None, "") and self.own:
            return "medium"
        if not isinstance(value, str) or value not in DIFFICULTIES:
            self.bad(name, f"must be one of {', '.join(DIFFICULTIES)}")
        return cast(Difficulty, value)

    def tags(self, name: str) -> tuple[str, ...]:
        tags = self.lines(name, max_items=_MAX_TAGS)
        for tag in tags:
            if not self.own and tag not in TAGS:
                self.bad(name, f"does not know {tag[:_MAX_TAG_CHARS]!r}")
            elif len(tag) > _MAX_TAG_CHARS or not _SLUG.fullmatch(tag):
                self.bad(name, "must be lower-case words of letters, digits and hyphens")
        return tuple(dict.fromkeys(tags))

    def flag(self, name: str) -> bool:
        value = self.data.get(name, False)
        if not isinstance(value, bool):
            self.bad(name, "must be true or false")
        return value is True

    def items(self, name: str, max_items: int) -> list[Any]:
        value = self.data.get(name)
        if value is None and self.own:
            return []
        if not isinstance(value, list | tuple):
            self.bad(name, "is required" if value is None else "must be a list")
            return []
        if not value and not self.own:
            self.bad(name, "must not be empty")
        if len(value) > max_items:
            self.bad(name, f"has more than {max_items} entries")
            return []
        return list(value)

    def lines(self, name: str, *, max_items: int = _MAX_ITEMS) -> tuple[str, ...]:
        lines = []
        for place, value in enumerate(self.items(name, max_items)):
            line = " ".join(_clean(value).split()) if isinstance(value, str) else ""
            if not line or len(line) > _MAX_LINE_CHARS:
                self.bad(f"{name}[{place}]", f"must be text of 1 to {_MAX_LINE_CHARS} characters")
            lines.append(line)
        return tuple(lines)

    def hints(self, name: str) -> tuple[str, ...]:
        hints = self.items(name, _MAX_ITEMS)
        texts = tuple(_clean(hint).strip() for hint in hints if isinstance(hint, str))
        if (hints or not self.own) and (len(hints) != _HINTS or len(texts) != _HINTS or not all(texts)):
            self.bad(name, "must be exactly three texts, from a nudge to explicit direction")
        if any(len(text) > _MAX_HINT_CHARS for text in texts):
            self.bad(name, f"must be of at most {_MAX_HINT_CHARS} characters each")
        return texts

    def cases(self, name: str, answer: str, note: str) -> tuple[Any, ...]:
        cases = []
        for place, value in enumerate(self.items(name, _MAX_ITEMS)):
            where = f"{name}[{place}]"
            if not isinstance(value, Mapping):
                self.bad(where, f"must be an object with input and {answer}")
                continue
            for key in value.keys() - {"input", answer, note}:
                self.bad(f"{where}.{str(key)[:_MAX_TAG_CHARS]}", "is not a known field")
            cases.append(self._case(where, value, answer, note))
        return tuple(cases)

    def _case(self, where: str, value: Mapping[str, Any], answer: str, note: str) -> dict[str, Any]:
        case = {key: value.get(key) for key in ("input", answer)}
        if not self._is_input(case["input"]):
            self.bad(f"{where}.input", "must be an object of named arguments")
        if answer not in value:
            self.bad(f"{where}.{answer}", "is required")
        for key, part in case.items():
            if complaint := _complaint(part):
                self.bad(f"{where}.{key}", complaint)
        remark = value.get(note)
        if remark is not None and not isinstance(remark, str):
            self.bad(f"{where}.{note}", "must be text")
        elif remark and (text := _clean(remark).strip()):
            case[note] = text
        return case

    def _is_input(self, value: Any) -> bool:
        if isinstance(value, Mapping):
            return all(isinstance(name, str) and _NAME.fullmatch(name) for name in value)
        return self.own and isinstance(value, str) and bool(value.strip())


def _clean(text: str) -> str:
    """Line ends become LF, control characters go, lone surrogates become U+FFFD."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub("", lines))


def _complaint(value: Any) -> str:
    """What keeps a value from being JSON that every reader understands alike; empty if nothing does."""
    level: list[Any] = [value]
    for _ in range(_MAX_DEPTH):
        if not level:
            return ""
        deeper: list[Any] = []
        for part in level:
            if isinstance(part, Mapping):
                deeper += (*part.keys(), *part.values())
            elif isinstance(part, list | tuple):
                deeper += part
            elif complaint := _scalar_complaint(part):
                return complaint
        level = deeper
    return "is nested too deeply"


def _scalar_complaint(value: Any) -> str:
    match value:
        case str():
            return "holds text that is not valid Unicode" if _SURROGATES.search(value) else ""
        case int():
            return "" if -_MAX_INT <= value <= _MAX_INT else "holds a whole number of more than 64 bits"
        case float():
            return "" if math.isfinite(value) else "holds a number that JSON does not have"
        case None:
            return ""
    return "is not JSON"
