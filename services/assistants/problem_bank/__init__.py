"""The problems the tutor teaches: the bundled bank, and what users bring.

A problem's tests call `solve(**input)`: `input` is a JSON object of named arguments (problem.py says how answers are
compared). Files are described in formats.py. Nothing here runs a solution; the bank's own tests do.
"""

import functools
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from services.assistants.problem_bank.fields import build, slug_of
from services.assistants.problem_bank.formats import MAX_BYTES, Format, dump, parse
from services.assistants.problem_bank.problem import (
    DIFFICULTIES,
    SECRET_FIELDS,
    TAGS,
    Case,
    Difficulty,
    Example,
    Problem,
    agrees,
    shown,
    shown_input,
)
from services.errors import FieldError, InvalidInput

__all__ = [
    "DIFFICULTIES",
    "MAX_BYTES",
    "SECRET_FIELDS",
    "TAGS",
    "Case",
    "Difficulty",
    "Example",
    "Format",
    "Problem",
    "agrees",
    "bundled",
    "dump",
    "for_prompt",
    "own",
    "parse",
    "shown",
    "shown_input",
    "slug_of",
    "summary",
    "to_json",
]

_FOLDER = Path(__file__).parent / "problems"


@functools.cache
def bundled() -> Mapping[str, Problem]:
    """The bank by id, easy ones first, then by title; read from disk once in a process.

    Raises:
        InvalidInput: A file of the bank is malformed.
        ValueError: A file is not named after its problem's id.
    """
    problems = []
    for path in _FOLDER.glob("*.md"):
        problem = parse(path.read_text(encoding="utf-8"), format="markdown", own=False)
        if problem.id != path.stem:
            raise ValueError(f"{path.name} holds the problem {problem.id}")
        problems.append(problem)
    problems.sort(key=lambda problem: (DIFFICULTIES.index(problem.difficulty), problem.title))
    return MappingProxyType({problem.id: problem for problem in problems})


def own(data: Mapping[str, Any]) -> Problem:
    """A problem that a user brings; also reads back what `to_json(problem, reveal=True)` gave.

    Args:
        data: `title` and `statement`, and any other field of Problem; without `id` it is made from the title. Unknown
            fields are ignored.

    Raises:
        InvalidInput: Names every field that is missing or malformed; the field `problem` if the whole is too
            large for a file.
    """
    problem = build(data, own=True)
    if len(dump(problem, format="json").encode()) > MAX_BYTES:
        raise InvalidInput([FieldError("problem", f"is larger than {MAX_BYTES // 1000} KB")])
    return problem


def to_json(problem: Problem, *, reveal: bool) -> dict[str, Any]:
    """A problem for API output; solution and hidden tests of bundled ones only if `reveal`."""
    data = asdict(problem) if reveal or problem.own else for_prompt(problem)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in data.items()}


def for_prompt(problem: Problem) -> dict[str, Any]:
    """A problem without its SECRET_FIELDS, whoever brought it."""
    data = {name: value for name, value in asdict(problem).items() if name not in SECRET_FIELDS}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in data.items()}


def summary(problem: Problem) -> dict[str, Any]:
    """A problem's row in a list."""
    return {
        "id": problem.id,
        "title": problem.title,
        "difficulty": problem.difficulty,
        "tags": list(problem.tags),
        "own": problem.own,
    }
