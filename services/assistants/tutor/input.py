"""What clients send to the tutor, checked: every bad field is named. Pure.

Forms send strings, repeated fields and JSON in a field; JSON bodies send values. Both end here.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.errors import FieldError, InvalidInput

MAX_MESSAGE_CHARS: Final = 10_000
MAX_CONTEXT_CHARS: Final = 50_000
MAX_CODE_CHARS: Final = 50_000
MAX_NAME_CHARS: Final = 200
MAX_LABEL_CHARS: Final = 60
MAX_ITEMS: Final = 200
MAX_TESTS: Final = 100_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_LINE_END = re.compile(r"\r\n?")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_COUNTS: Final = ("visible_passed", "visible_total", "hidden_passed", "hidden_total")


@dataclass(frozen=True, slots=True)
class SubmissionInput:
    """The result of a run of somebody's code, as its client reports it."""

    problem_id: str
    session_id: str | None
    code: str
    language: str
    status: str
    visible_passed: int
    visible_total: int
    hidden_passed: int
    hidden_total: int
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TutorInput:
    """One message to the tutor. `messages` and `submissions` are None when no context was sent."""

    session_id: str
    problem_id: str
    message: str
    hint_level: int = 1
    stream_id: str | None = None
    messages: tuple[Mapping[str, Any], ...] | None = None
    submissions: tuple[Mapping[str, Any], ...] | None = None
    code: str | None = None
    language: str | None = None


def parse_message(data: Mapping[str, Any]) -> TutorInput:
    """The body of `POST /v1/tutor/messages`.

    Raises:
        InvalidInput: Naming every field that is missing or malformed.
    """
    fields = _Fields(data)
    context = fields.mapping("context")
    within = _Fields(context, prefix="context.", errors=fields.errors)
    code = fields.text("code", MAX_CODE_CHARS) if _given(data, "code") else within.text("code", MAX_CODE_CHARS)
    language = (fields if _given(data, "language") else within).text("language", MAX_LABEL_CHARS)
    parsed = TutorInput(
        session_id=fields.name("session_id", required=True) or "",
        problem_id=fields.name("problem_id", required=True) or "",
        message=(fields.text("message", MAX_MESSAGE_CHARS, required=True) or "").strip(),
        hint_level=fields.number("hint_level", 1, 3, default=1),
        stream_id=fields.name("stream_id"),
        messages=within.items("messages", _message),
        submissions=within.items("submissions", _submission),
        code=code,
        language=language,
    )
    fields.settle()
    return parsed


def parse_submission(data: Mapping[str, Any]) -> SubmissionInput:
    """The body of `POST /v1/tutor/submissions`.

    Raises:
        InvalidInput: Naming every field that is missing or malformed.
    """
    fields = _Fields(data)
    counts = {name: fields.number(name, 0, MAX_TESTS) for name in _COUNTS}
    _check_totals(fields, counts)
    parsed = SubmissionInput(
        problem_id=fields.name("problem_id", required=True) or "",
        session_id=fields.name("session_id"),
        code=fields.text("code", MAX_CODE_CHARS, required=True) or "",
        language=fields.text("language", MAX_LABEL_CHARS, required=True) or "",
        status=fields.text("status", MAX_LABEL_CHARS, required=True) or "",
        categories=fields.labels("categories"),
        **counts,
    )
    fields.settle()
    return parsed


class _Fields:
    """Reads fields one after the other and remembers what is wrong with them."""

    def __init__(self, data: Mapping[str, Any], *, prefix: str = "", errors: list[FieldError] | None = None) -> None:
        self.errors: list[FieldError] = [] if errors is None else errors
        self._data = data
        self._prefix = prefix

    def wrong(self, field: str, message: str) -> None:
        self.errors.append(FieldError(f"{self._prefix}{field}", message))

    def settle(self) -> None:
        if self.errors:
            raise InvalidInput(self.errors)

    def text(self, field: str, limit: int, *, required: bool = False) -> str | None:
        value = self._data.get(field)
        if value is None or (isinstance(value, str) and not value.strip()):
            if required:
                self.wrong(field, "is required")
            return None
        if not isinstance(value, str):
            self.wrong(field, "must be a text")
            return None
        text = _tidy(value)
        if len(text) > limit:
            self.wrong(field, f"must have at most {limit:,} characters")
        elif required and not text.strip():
            self.wrong(field, "is required")
        return text

    def name(self, field: str, *, required: bool = False) -> str | None:
        value = self._data.get(field)
        if isinstance(value, str) and (re.search(r"[\x00-\x1f\x7f]", value) or _SURROGATE.search(value)):
            self.wrong(field, "must not contain control characters")
            return None
        text = self.text(field, MAX_NAME_CHARS, required=required)
        return text.strip() if text else None

    def number(self, field: str, low: int, high: int, *, default: int | None = None) -> int:
        value = self._data.get(field)
        if value is None or value == "":
            if default is None:
                self.wrong(field, "is required")
            return default or 0
        if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.wrong(field, f"must be a whole number from {low} to {high:,}")
            return default or 0
        return value

    def mapping(self, field: str) -> Mapping[str, Any]:
        value = self._data.get(field)
        if isinstance(value, str) and value.strip():
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                value = ()
        if value is None or value == "":
            return {}
        if not isinstance(value, Mapping):
            self.wrong(field, "must be an object")
            return {}
        return value

    def items(self, field: str, parse: Any) -> tuple[Mapping[str, Any], ...] | None:
        value = self._data.get(field)
        if value is None:
            return None
        if not isinstance(value, (list, tuple)):
            self.wrong(field, "must be a list")
            return None
        if len(value) > MAX_ITEMS:
            self.wrong(field, f"must have at most {MAX_ITEMS} items")
            return None
        found = []
        for index, item in enumerate(value):
            place = f"{field}[{index}]"
            if isinstance(item, Mapping):
                found.append(parse(_Fields(item, prefix=f"{self._prefix}{place}.", errors=self.errors)))
            else:
                self.wrong(place, "must be an object")
        return tuple(found)

    def labels(self, field: str) -> tuple[str, ...]:
        """A list of short texts; forms repeat the field or separate by commas."""
        getlist = getattr(self._data, "getlist", None)
        value = getlist(field) if getlist is not None else self._data.get(field)
        if value is None:
            return ()
        listed = value.split(",") if isinstance(value, str) else value
        if not isinstance(listed, (list, tuple)) or not all(isinstance(item, str) for item in listed):
            self.wrong(field, "must be a list of texts")
            return ()
        if getlist is not None:
            listed = [part for item in listed for part in item.split(",")]
        labels = tuple(" ".join(_tidy(item).split()) for item in listed if item.strip())
        if len(labels) > MAX_ITEMS or any(len(label) > MAX_NAME_CHARS for label in labels):
            self.wrong(field, f"must have at most {MAX_ITEMS} items of {MAX_NAME_CHARS} characters")
            return ()
        return labels


def _message(fields: _Fields) -> Mapping[str, Any]:
    role = fields.text("role", MAX_LABEL_CHARS, required=True)
    if role is not None and role not in ("user", "assistant", "tutor"):
        fields.wrong("role", "must be user or assistant")
    content = fields.text("content", MAX_CONTEXT_CHARS, required=True)
    return {"role": "assistant" if role == "tutor" else role, "content": content or ""}


def _submission(fields: _Fields) -> Mapping[str, Any]:
    counts = {name: fields.number(name, 0, MAX_TESTS, default=0) for name in _COUNTS}
    _check_totals(fields, counts)
    return {
        "status": fields.text("status", MAX_LABEL_CHARS, required=True),
        **counts,
        "categories": list(fields.labels("categories")),
        "code": fields.text("code", MAX_CODE_CHARS),
        "language": fields.text("language", MAX_LABEL_CHARS),
    }


def _check_totals(fields: _Fields, counts: Mapping[str, int]) -> None:
    for kind in ("visible", "hidden"):
        if counts[f"{kind}_passed"] > counts[f"{kind}_total"]:
            fields.wrong(f"{kind}_passed", f"must not be more than {kind}_total")


def _given(data: Mapping[str, Any], field: str) -> bool:
    value = data.get(field)
    return value is not None and value != ""


def _tidy(text: str) -> str:
    """Line ends as LF, no control characters, nothing that UTF-8 cannot carry."""
    return _SURROGATE.sub("\ufffd", _CONTROL.sub("", _LINE_END.sub("\n", text)))
