"""A story that a model has put into JSON. Pure."""

import json
import re
from typing import Any, Final

# Where models put the story, the likeliest first.
_KEYS: Final = ("story", "story_content", "text", "content", "chapter", "chapter_text", "body", "paragraphs")
_MAX_DEPTH: Final = 6
_MAX_PARTS: Final = 200
_MAX_FENCE_CHARS: Final = 40
_FENCE: Final = re.compile(r"`{3,}\w*\s*")


def begins_wrapped(text: str) -> bool | None:
    """Whether an answer that begins like this is data and no prose; None as long as nobody knows."""
    start = text.lstrip()
    if start.startswith("`") and "\n" not in start and len(start) <= _MAX_FENCE_CHARS:
        return None
    start = _FENCE.sub("", start)
    if not start or re.fullmatch(r"\[\s*", start):
        return None
    return start[0] == "{" or re.match(r"\[\s*[\[{\"]", start) is not None


def unwrapped(text: str) -> str:
    """The story in a JSON answer; empty if there is none."""
    start, end = re.search(r"[\[{]", text), max(text.rfind("}"), text.rfind("]"))
    if start is None or end < start.start():
        return ""
    try:
        found = json.loads(text[start.start() : end + 1], strict=False)
    except (ValueError, RecursionError):
        return ""
    return _story_in(found, 0)


def _story_in(value: Any, depth: int) -> str:
    if isinstance(value, str):
        return value
    if depth > _MAX_DEPTH:
        return ""
    if isinstance(value, list):
        return "\n\n".join(text for one in value[:_MAX_PARTS] if (text := _story_in(one, depth + 1)))
    if isinstance(value, dict):
        named = next((value[key] for key in _KEYS if value.get(key)), None)
        return _story_in(named, depth + 1) if named is not None else ""
    return ""
