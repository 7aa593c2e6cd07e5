"""The fields of a request's body, JSON or a form, read with every mistake noted.

Source: API.md, "Start" (flat fields in both encodings) and "Errors" (every wrong field is named).
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson
from flask import Request

from services.errors import FieldError, InvalidInput, UnsupportedType

_FORMS: Final = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
# C0 controls except tab and newline: no field of ours has a use for them, and databases refuse NUL.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_LINE_END: Final = re.compile(r"\r\n?")


class Fields:
    """The fields that a client sent. Read all that are needed, then `check()` once."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values
        self._errors: list[FieldError] = []

    def text(self, name: str, *, max_chars: int, required: bool = True) -> str:
        """A text without surrounding space, its lines parted by LF; empty if it is absent or wrong, which is noted."""
        value = self.values.get(name)
        if value is None or value == "":
            if required:
                self.wrong(name, "is missing")
            return ""
        if not isinstance(value, str):
            self.wrong(name, "must be a text")
            return ""
        text = _CONTROLS.sub("", _LINE_END.sub("\n", value)).strip()
        if not text and required:
            self.wrong(name, "is missing")
        elif len(text) > max_chars:
            self.wrong(name, f"must have at most {max_chars} characters")
        return text

    def secret(self, name: str, *, min_chars: int = 1, max_chars: int) -> str:
        """A password: taken exactly as it was typed."""
        value = self.values.get(name)
        if value is None or value == "":
            self.wrong(name, "is missing")
        elif not isinstance(value, str):
            self.wrong(name, "must be a text")
        elif not min_chars <= len(value) <= max_chars:
            self.wrong(name, f"must have {min_chars} to {max_chars} characters")
        return value if isinstance(value, str) else ""

    def wrong(self, name: str, message: str) -> None:
        """Note a mistake."""
        self._errors.append(FieldError(name, message))

    def check(self, message: str | None = None) -> None:
        """Raise for everything that was noted.

        Args:
            message: What is said of all of it, unless it is the usual sentence.

        Raises:
            InvalidInput: At least one field is wrong; it names them all.
        """
        if self._errors:
            raise InvalidInput(self._errors, message)


def fields(request: Request) -> Fields:
    """Read the body.

    Raises:
        InvalidInput: JSON that is malformed or no object; names the field `body`.
        UnsupportedType: Neither JSON nor a form.
    """
    kind = request.mimetype
    if kind in _FORMS:
        return Fields(request.form.to_dict())
    if kind == "application/json" or kind.endswith("+json"):
        return Fields(_json_object(request.get_data()))
    if not request.get_data():
        return Fields({})
    raise UnsupportedType("Send JSON or a form.")


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidInput([FieldError("body", "is not valid JSON")]) from None
    if not isinstance(value, dict):
        raise InvalidInput([FieldError("body", "must be a JSON object")])
    return value
