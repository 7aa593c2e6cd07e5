"""What clients send to the study chat, checked: every bad field is named. Pure.

JSON bodies send values; forms send strings and repeat a field that has several values (`media`). Both end here.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any, Final

from services.errors import FieldError, InvalidInput

MAX_MESSAGE_CHARS: Final = 10_000
MAX_MEDIA: Final = 8
MAX_TOKENS: Final = 16_000
MAX_URL_CHARS: Final = 2_000
MAX_ID_CHARS: Final = 64
# An answer's limit in tokens, by the length that was chosen.
LENGTHS: Final[Mapping[str, int]] = {"short": 400, "medium": 1_200, "long": 3_000}
USUAL_LENGTH: Final = "medium"
# What a person says who presses one of the four buttons instead of typing.
WAYS: Final[Mapping[str, str]] = {
    "simpler": "Explain that more simply.",
    "deeper": "Go deeper into that.",
    "example": "Give me an example of that.",
    "another": "Explain that in another way.",
}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_LINE_END = re.compile(r"\r\n?")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_ID = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_ID_CHARS}}}")
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class MediaRef:
    """A file that a message names: kept already (`id`), or to be fetched (`url`). `field`: what the client calls it."""

    id: str
    url: str = ""
    field: str = dataclass_field(default="media_files", compare=False)


@dataclass(frozen=True, slots=True)
class StudyInput:
    """One message to the study chat.

    Attributes:
        max_tokens: As the client gave it; None leaves it to `length`.
        way: One of `WAYS`, or empty.
        fresh: Whether an answer from the cache is not wanted.
    """

    message: str
    interaction_id: str | None = None
    media: tuple[MediaRef, ...] = ()
    max_tokens: int | None = None
    length: str = USUAL_LENGTH
    way: str = ""
    fresh: bool = False

    @property
    def limit_tokens(self) -> int:
        """How long the answer may be."""
        return self.max_tokens or LENGTHS[self.length]


def parse_message(data: Mapping[str, Any]) -> StudyInput:
    """The body of `POST /api/stream/stream-conversation`, or the query of the simple form.

    Raises:
        InvalidInput: Naming every field that is missing or malformed.
    """
    wrong: list[FieldError] = []
    way = _choice(data, "way", WAYS, "", wrong)
    parsed = StudyInput(
        message=_message(data.get("message"), way, wrong),
        interaction_id=_interaction(data.get("interaction_id"), wrong),
        media=_media(data, wrong),
        max_tokens=_number(data.get("max_tokens"), wrong),
        length=_choice(data, "length", LENGTHS, USUAL_LENGTH, wrong),
        way=way,
        fresh=_flag(data.get("fresh"), wrong),
    )
    if wrong:
        raise InvalidInput(wrong)
    return parsed


def _message(value: Any, way: str, wrong: list[FieldError]) -> str:
    if value is None or value == "" or (isinstance(value, str) and not tidy(value).strip()):
        if way:
            return WAYS[way]
        wrong.append(FieldError("message", "is required"))
        return ""
    if not isinstance(value, str):
        wrong.append(FieldError("message", "must be a text"))
        return ""
    text = tidy(value).strip()
    if len(text) > MAX_MESSAGE_CHARS:
        wrong.append(FieldError("message", f"must have at most {MAX_MESSAGE_CHARS:,} characters"))
    return text


def _interaction(value: Any, wrong: list[FieldError]) -> str | None:
    """Clients of the specification send numbers too; what has the wrong form is unknown, not malformed."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        wrong.append(FieldError("interaction_id", "must be a text"))
        return None
    text = str(value).strip()
    return text if _ID.fullmatch(text) else "-"


def _media(data: Mapping[str, Any], wrong: list[FieldError]) -> tuple[MediaRef, ...]:
    name = "media_files" if data.get("media_files") not in (None, "") else "media"
    value = data.get(name)
    if isinstance(value, str) and value.strip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = 0
    if value is None or value == "":
        return ()
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, Sequence):
        wrong.append(FieldError(name, "must be a list"))
        return ()
    if len(listed) > MAX_MEDIA:
        wrong.append(FieldError(name, f"must have at most {MAX_MEDIA} files"))
        return ()
    found: dict[tuple[str, str], MediaRef] = {}
    for index, item in enumerate(listed):
        ref = _ref(item, f"{name}[{index}]")
        if ref is None:
            wrong.append(FieldError(f"{name}[{index}]", "must be an object with an id or a url"))
        else:
            found.setdefault((ref.id, ref.url), ref)
    return tuple(found.values())


def _ref(item: Any, field: str) -> MediaRef | None:
    """A file's id, `{id}`, `{url}` or `{id, url}`; an empty item of a form's list is left out by the caller."""
    entry = {"id": item} if isinstance(item, str | int) and not isinstance(item, bool) else item
    if not isinstance(entry, Mapping):
        return None
    media_id, url = entry.get("id") or "", entry.get("url") or ""
    media_id = str(media_id) if isinstance(media_id, int) and not isinstance(media_id, bool) else media_id
    if not isinstance(media_id, str) or not isinstance(url, str) or not (media_id or url):
        return None
    if len(url) > MAX_URL_CHARS or len(media_id) > MAX_ID_CHARS:
        return None
    return MediaRef(tidy(media_id).strip(), tidy(url).strip(), field)


def _number(value: Any, wrong: list[FieldError]) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_TOKENS:
        wrong.append(FieldError("max_tokens", f"must be a whole number from 1 to {MAX_TOKENS:,}"))
        return None
    return value


def _choice(
    data: Mapping[str, Any], name: str, choices: Mapping[str, Any], default: str, wrong: list[FieldError]
) -> str:
    value = data.get(name)
    if value is None or value == "":
        return default
    if not isinstance(value, str) or value not in choices:
        wrong.append(FieldError(name, f"must be one of {', '.join(choices)}"))
        return default
    return value


def _flag(value: Any, wrong: list[FieldError]) -> bool:
    if value is None or value == "" or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    wrong.append(FieldError("fresh", "must be true or false"))
    return False


def tidy(text: str) -> str:
    """Line ends as LF, no control characters, nothing that UTF-8 cannot carry."""
    return _SURROGATE.sub("\ufffd", _CONTROL.sub("", _LINE_END.sub("\n", text)))
