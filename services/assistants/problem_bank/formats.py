"""Problems as files: Markdown with front matter, and JSON. Pure.

A Markdown file:

    ---
    id: two-lamps
    title: Two lamps
    difficulty: easy
    tags: [arrays, hash-maps]
    ---

    The statement, up to the first of the headings below.

    # Examples            a fenced JSON list of {input, output, explanation?}
    # Tests               a fenced JSON list of {input, expected, why?}
    # Hidden tests        the same
    # Edge cases          a list, one line each
    # Hint 1              Markdown; so are the other two
    # Hint 2
    # Hint 3
    # Common mistakes     a list, one line each
    # Solution            fenced Python

A line of a text that looks like one of these headings is written with a backslash before it.
"""

import json
import re
from dataclasses import asdict
from typing import Any, Literal

import yaml

from services.assistants.problem_bank.fields import FIELDS, build
from services.assistants.problem_bank.front_matter import split
from services.assistants.problem_bank.problem import Problem, shown
from services.errors import FieldError, InvalidInput

Format = Literal["markdown", "json"]
MAX_BYTES = 100_000

_SECTIONS = {
    "Examples": "examples",
    "Tests": "tests",
    "Hidden tests": "hidden_tests",
    "Edge cases": "edge_cases",
    "Hint 1": "hints",
    "Hint 2": "hints",
    "Hint 3": "hints",
    "Common mistakes": "mistakes",
    "Solution": "solution",
}
_FLAGS = ("any_order", "own")
_HEADING = re.compile(rf"^# ({'|'.join(_SECTIONS)})[ \t]*$", re.MULTILINE)
_NEEDS_ESCAPE = re.compile(rf"^(\\*# (?:{'|'.join(_SECTIONS)})[ \t]*)$", re.MULTILINE)
_ESCAPED = re.compile(rf"^\\(\\*# (?:{'|'.join(_SECTIONS)})[ \t]*)$", re.MULTILINE)
_FENCED = re.compile(r"(?P<fence>`{3,})[a-z]*\n(?P<inside>.*?)\n?(?P=fence)", re.DOTALL)
_BULLET = re.compile(r"^- ", re.MULTILINE)


def parse(text: str, *, format: Format, own: bool | None = None) -> Problem:  # noqa: A002 (reads as the caller says it)
    """Read a problem from a file's text.

    Args:
        own: Whether a user brings it; None leaves it to the file's own word.

    Raises:
        InvalidInput: Names every field that is missing or malformed; the whole file is the field `file`.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise InvalidInput([FieldError("file", f"is larger than {MAX_BYTES // 1000} KB")])
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    data, errors = _from_json(plain) if format == "json" else _from_markdown(plain)
    errors += [FieldError(str(name)[:60], "is not a known field") for name in data if name not in FIELDS]
    return build(data, own=data.get("own") is True if own is None else own, known=errors)


def dump(problem: Problem, *, format: Format) -> str:  # noqa: A002 (as above)
    """Write a problem as a file's text; `parse` reads the same problem from it."""
    if format == "json":
        return json.dumps(asdict(problem), ensure_ascii=False, indent=2) + "\n"
    return _to_markdown(problem)


def _from_json(text: str) -> tuple[dict[str, Any], list[FieldError]]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise InvalidInput([FieldError("file", "is not valid JSON")]) from exc
    if not isinstance(data, dict):
        raise InvalidInput([FieldError("file", "must be a JSON object")])
    return data, []


def _from_markdown(text: str) -> tuple[dict[str, Any], list[FieldError]]:
    front, body = split(text)
    data: dict[str, Any] = {name: _truth(value) if name in _FLAGS else value for name, value in front.items()}
    errors = [FieldError(name, "belongs below the front matter") for name in data if name in _SECTIONS.values()]
    statement, *parts = _HEADING.split(body)
    sections: dict[str, str] = {}
    for heading, part in zip(parts[::2], parts[1::2], strict=True):
        if heading in sections:
            errors.append(FieldError(_SECTIONS[heading], f'has the heading "# {heading}" twice'))
        sections[heading] = _unescape(part).strip("\n")
    data["statement"] = _unescape(statement)
    for heading, section in sections.items():
        name = _SECTIONS[heading]
        try:
            data[name] = [*data.get(name, []), section] if name == "hints" else _read(name, section)
        except (ValueError, RecursionError):
            errors.append(FieldError(name, "is not valid JSON"))
    return data, errors


def _read(name: str, section: str) -> Any:
    match name:
        case "solution":
            return _inside(section)
        case "edge_cases" | "mistakes":
            before, *lines = _BULLET.split(section)
            return section if before.strip() else lines
    return json.loads(_inside(section))


def _inside(section: str) -> str:
    fenced = _FENCED.fullmatch(section.strip())
    return fenced["inside"] if fenced else section


def _to_markdown(problem: Problem) -> str:
    front: dict[str, Any] = {"id": problem.id, "title": problem.title, "difficulty": problem.difficulty}
    if problem.tags:
        front["tags"] = list(problem.tags)
    front |= {name: True for name in _FLAGS if getattr(problem, name)}
    head = yaml.safe_dump(front, allow_unicode=True, sort_keys=False, default_flow_style=None, width=1000)
    parts = [f"---\n{head}---", _escape(problem.statement)]
    hints = iter(problem.hints)
    for heading, name in _SECTIONS.items():
        body = next(hints, "") if name == "hints" else _write(name, getattr(problem, name))
        if body:
            parts.append(f"# {heading}\n\n{_escape(body)}")
    return "\n\n".join(parts) + "\n"


def _write(name: str, value: Any) -> str:
    if not value:
        return ""
    match name:
        case "solution":
            return _fenced("python", value)
        case "edge_cases" | "mistakes":
            return "\n".join(f"- {line}" for line in value)
    return _fenced("json", "[\n" + ",\n".join(f"  {shown(case)}" for case in value) + "\n]")


def _fenced(language: str, inside: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", inside)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{inside}\n{fence}"


def _escape(text: str) -> str:
    return _NEEDS_ESCAPE.sub(r"\\\1", text)


def _unescape(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)


def _truth(value: Any) -> Any:
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
