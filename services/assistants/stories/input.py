"""What clients send to start a chapter, checked: every bad field is named. Pure.

Query, JSON and forms send the same flat fields. Whether the words are fit for a child is asked later, by the rules and
with the child's age (`resolving.Desk.facts`).
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from services.errors import FieldError, InvalidInput
from services.stories import themes

Mode = Literal["paragraph", "token"]
MODES: Final = ("paragraph", "token")
LENGTHS: Final = ("short", "medium", "long")
USUAL_LENGTH: Final = "medium"
MAX_CHAPTER: Final = 99
MAX_TITLE_CHARS: Final = 120
MAX_CHOICE_CHARS: Final = 200
MAX_IDEA_CHARS: Final = 500
MAX_SESSION_CHARS: Final = 128
MAX_ID_CHARS: Final = 64
# What both databases can count to in this column; beyond it there is nobody.
_MAX_CHILD_ID: Final = 2**31 - 1
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ID = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_ID_CHARS}}}")
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})


class SafetyRejected(InvalidInput):
    """Words for a story that are not for a child; nothing was started."""

    code = "SAFETY_REJECTED"
    default_message = "Let us think of something else for the story."


@dataclass(frozen=True, slots=True)
class StoryInput:
    """One chapter as it is asked for.

    Attributes:
        theme: The id of a theme that there is.
        idea: What the child or the adult would like to happen, in their own words.
        story_session: A story's id, or the client's own name for it.
        from_chapter: The chapter after which it is to go on in another way.
        bedtime: Whether this chapter is to end the story, calmly.
        chapters: How long the story is to be.
    """

    child_id: int
    theme: str
    chapter_number: int = 1
    title: str = ""
    choice: str = ""
    idea: str = ""
    story_session: str | None = None
    from_chapter: str | None = None
    bedtime: bool = False
    mode: Mode = "paragraph"
    chapters: str = USUAL_LENGTH


def parse_request(values: Mapping[str, Any]) -> StoryInput:
    """The query, the JSON or the form of a start.

    Raises:
        InvalidInput: Naming every field that is missing or malformed; for a theme that there is not it carries the
            list of those that there are.
    """
    wrong: list[FieldError] = []
    mode = _choice(values, "mode", MODES, "paragraph", wrong)
    parsed = StoryInput(
        child_id=_child(values.get("child_id"), wrong),
        theme=_theme(values.get("theme"), wrong),
        chapter_number=_chapter(values.get("chapter_number"), wrong),
        title=_line(values, "title", MAX_TITLE_CHARS, wrong),
        choice=_line(values, "choice", MAX_CHOICE_CHARS, wrong),
        idea=_line(values, "custom_user_input", MAX_IDEA_CHARS, wrong),
        story_session=_line(values, "story_session", MAX_SESSION_CHARS, wrong) or None,
        from_chapter=_id(values.get("from_chapter"), wrong),
        bedtime=_flag(values.get("bedtime"), wrong),
        mode="token" if mode == "token" else "paragraph",
        chapters=_choice(values, "chapters", LENGTHS, USUAL_LENGTH, wrong),
    )
    if wrong:
        refused = InvalidInput(wrong)
        if any(one.field == "theme" for one in wrong):
            refused.extra["themes"] = themes.listed()
        raise refused
    return parsed


def one_line(text: str) -> str:
    """A text without control and invisible characters, its white space as single blanks."""
    return " ".join(_CONTROL.sub("", unicodedata.normalize("NFC", _SURROGATE.sub("\ufffd", text))).split())


def _child(value: Any, wrong: list[FieldError]) -> int:
    if value is None or value == "":
        wrong.append(FieldError("child_id", "is required"))
        return 0
    number = _whole(value)
    if number is None or number < 1:
        wrong.append(FieldError("child_id", "must be a child's number"))
        return 0
    # Unknown, as any other number that no child has.
    return number if number <= _MAX_CHILD_ID else 0


def _theme(value: Any, wrong: list[FieldError]) -> str:
    found = themes.find(value) if isinstance(value, str) and len(value) <= MAX_CHOICE_CHARS else None
    if found is not None:
        return found.id
    said = "is required" if value is None or value == "" else "is not a theme that there is"
    wrong.append(FieldError("theme", f"{said}; choose one of {', '.join(themes.listed())}"))
    return ""


def _chapter(value: Any, wrong: list[FieldError]) -> int:
    if value is None or value == "":
        return 1
    number = _whole(value)
    if number is None or not 1 <= number <= MAX_CHAPTER:
        wrong.append(FieldError("chapter_number", f"must be a whole number from 1 to {MAX_CHAPTER}"))
        return 1
    return number


def _whole(value: Any) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,18}\s*", value, re.ASCII):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _line(values: Mapping[str, Any], name: str, limit: int, wrong: list[FieldError]) -> str:
    value = values.get(name)
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        # The number of a choice, or a client's name for a story.
        value = str(value)
    if not isinstance(value, str):
        wrong.append(FieldError(name, "must be a text"))
        return ""
    # Measured before it is made shorter: nobody tidies up a megabyte.
    text = one_line(value[: limit * 4])
    if len(text) > limit or len(value) > limit * 4:
        wrong.append(FieldError(name, f"must have at most {limit} characters"))
        return ""
    return text


def _id(value: Any, wrong: list[FieldError]) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        wrong.append(FieldError("from_chapter", "must be a chapter's id"))
        return None
    text = value.strip()
    # What has the wrong form is unknown, not malformed.
    return text if _ID.fullmatch(text) else "-"


def _choice(values: Mapping[str, Any], name: str, known: Sequence[str], usual: str, wrong: list[FieldError]) -> str:
    value = values.get(name)
    if value is None or value == "":
        return usual
    text = value.strip().lower() if isinstance(value, str) else ""
    if text not in known:
        wrong.append(FieldError(name, f"must be one of {', '.join(known)}"))
        return usual
    return text


def _flag(value: Any, wrong: list[FieldError]) -> bool:
    if value is None or value == "" or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in _TRUE | _FALSE:
        return value.strip().lower() in _TRUE
    wrong.append(FieldError("bedtime", "must be true or false"))
    return False
