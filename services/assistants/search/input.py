"""What clients send to the search, checked: every bad field is named. Pure.

JSON bodies send values; forms send strings and repeat a field that has several values (`kb_ids`, `kb_ids[]`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.errors import FieldError, InvalidInput

MAX_QUERY_CHARS: Final = 4_000
MAX_BASES: Final = 50
_MAX_ID_CHARS: Final = 64
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_LINE_END: Final = re.compile(r"\r\n?")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ID: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{_MAX_ID_CHARS}}}")
# What is no id of ours, as one that is nobody's: unknown, not malformed.
_NOBODYS: Final = "-"


@dataclass(frozen=True, slots=True)
class SearchInput:
    """One question to the search.

    Attributes:
        base_ids: Where to look; none: everything that the person may read.
        conversation_id: The conversation that it goes on with; None begins another.
    """

    query: str
    base_ids: tuple[str, ...] = ()
    conversation_id: str | None = None


def parse_search(data: Mapping[str, Any]) -> SearchInput:
    """The body of `POST /search`.

    Raises:
        InvalidInput: Naming every field that is missing or malformed.
    """
    wrong: list[FieldError] = []
    parsed = SearchInput(
        query=_query(data.get("query"), wrong),
        base_ids=_bases(data, wrong),
        conversation_id=_conversation(data.get("conversation_id"), wrong),
    )
    if wrong:
        raise InvalidInput(wrong)
    return parsed


def check_query(query: str) -> str:
    """A question in other words, as a new one would be checked.

    Raises:
        InvalidInput: Empty or too long.
    """
    return parse_search({"query": query}).query


def _query(value: Any, wrong: list[FieldError]) -> str:
    if value is not None and not isinstance(value, str):
        wrong.append(FieldError("query", "must be a text"))
        return ""
    text = _SURROGATE.sub("\ufffd", _CONTROL.sub("", _LINE_END.sub("\n", value or ""))).strip()
    if not text:
        wrong.append(FieldError("query", "is required"))
    elif len(text) > MAX_QUERY_CHARS:
        wrong.append(FieldError("query", f"must have at most {MAX_QUERY_CHARS:,} characters"))
    return text


def _bases(data: Mapping[str, Any], wrong: list[FieldError]) -> tuple[str, ...]:
    name = "kb_ids" if data.get("kb_ids") not in (None, "") else "kb_ids[]"
    value = data.get(name)
    if value is None or value == "":
        return ()
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, Sequence):
        wrong.append(FieldError("kb_ids", "must be a list"))
        return ()
    if len(listed) > MAX_BASES:
        wrong.append(FieldError("kb_ids", f"must have at most {MAX_BASES} entries"))
        return ()
    found: dict[str, None] = {}
    for index, item in enumerate(listed):
        if not isinstance(item, str):
            wrong.append(FieldError(f"kb_ids[{index}]", "must be a text"))
        elif item.strip():
            found[item.strip() if _ID.fullmatch(item.strip()) else _NOBODYS] = None
    return tuple(found)


def _conversation(value: Any, wrong: list[FieldError]) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        wrong.append(FieldError("conversation_id", "must be a text"))
        return None
    return value.strip() if _ID.fullmatch(value.strip()) else _NOBODYS
