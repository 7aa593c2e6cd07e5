"""A story as a text to read or to keep: its title, then chapter by chapter with the choices that were made. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from blueprints.dialects.chapters import Telling, stored_chapter, telling_of
from services.store.conversations import Message
from services.store.exports import Whole

_ENDINGS: Final[Mapping[str | None, str]] = {
    "stopped": "Stopped here.",
    "failed": "Broken off.",
    "interrupted": "Interrupted.",
    None: "Still being told.",
}


def as_markdown(whole: Whole) -> str:
    """The path that is read."""
    path = [row for row in whole.path if row.role == "assistant"]
    first = _telling(path[0]) if path else None
    child = f" for {first.child_name}" if first and first.child_name else ""
    parts = [
        f"# {_line(whole.conversation.title)}",
        f"A story{child}, {whole.conversation.created_at:%Y-%m-%d %H:%M} UTC",
    ]
    continued = False
    for row, after in zip(path, [*path[1:], None], strict=True):
        if continued:
            # The text of one chapter, in several parts: it may have been cut within a word.
            parts[-1] += row.content
        else:
            mark = " ★" if row.id in whole.bookmarked else ""
            parts += [*_head(row, after, mark), row.content]
        continued = after is not None and after.continues_id == row.id
        if not continued:
            parts.append(_ending(row))
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(row: Message, after: Message | None, mark: str) -> list[str]:
    """A chapter's number and name, and what led to it."""
    telling, title = _telling(row), stored_chapter(row.extras or {}).title
    if not title and after is not None and after.continues_id == row.id:
        title = stored_chapter(after.extras or {}).title
    number = telling.number if telling else 0
    name = ": ".join(part for part in (f"Chapter {number}" if number else "Chapter", _line(title)) if part)
    said = (telling.idea or telling.choice) if telling and telling.number > 1 else ""
    return [f"## {name}{mark}", f"*We chose: {_line(said)}*" if said else ""]


def _ending(row: Message) -> str:
    if row.outcome in _ENDINGS:
        return f"*{_ENDINGS[row.outcome]}*"
    if row.finish_reason == "length":
        return "*Cut off: too long.*"
    is_last = stored_chapter(row.extras or {}).is_last
    # The last chapter says so itself, mostly.
    return "*The end*" if is_last and not row.content.rstrip(" .!*\n").lower().endswith("the end") else ""


def _telling(row: Message) -> Telling | None:
    facts: Mapping[str, Any] = (row.turn or {}).get("facts") or {}
    return telling_of(facts)


def _line(text: str) -> str:
    return " ".join(text.split())
