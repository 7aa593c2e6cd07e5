"""Conversations as files: one or all, as Markdown to read or as JSON with every path."""

import io
import re
import unicodedata
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

import orjson
from flask import Blueprint, Response, request

from blueprints import identity, story_text
from blueprints.conversations import message_of, summary
from blueprints.dialects.plain import plain
from blueprints.dialects.steps import stored_steps
from blueprints.dialects.untold import untold
from blueprints.extensions import services
from services import errors
from services.errors import FieldError
from services.store import exports
from services.store.conversations import Message
from services.store.database import Database
from services.store.exports import Whole

blueprint = Blueprint("exports", __name__)

# So many conversations are in memory at once.
_BATCH: Final = 20
_FORMATS: Final = ("markdown", "json")
_NAME_CHARS: Final = 60
_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9]+")


@blueprint.get("/api/conversations/<conversation_id>/export")
def one(conversation_id: str) -> Response:
    """One conversation: Markdown of the path that is shown, or JSON of all of it."""
    user_id, wanted = identity.require().user.id, _format("markdown")
    whole = services().database.run(exports.one, user_id, conversation_id)
    name = file_name(whole)
    if wanted == "json":
        return _file(orjson.dumps(as_json(whole), option=orjson.OPT_INDENT_2), "application/json", f"{name}.json")
    return _file(as_markdown(whole).encode(), "text/markdown; charset=utf-8", f"{name}.md")


@blueprint.get("/api/conversations/export")
def everything() -> Response:
    """All my conversations: one JSON file, or a zip of Markdown files; written while it is read."""
    user_id, wanted = identity.require().user.id, _format("json")
    database = services().database
    if wanted == "json":
        return _file(_json_file(database, user_id), "application/json", "rill-conversations.json")
    return _file(_zip_file(database, user_id), "application/zip", "rill-conversations.zip")


def as_json(whole: Whole) -> dict[str, Any]:
    """A conversation with the messages of all its paths; `parent_id` and `head_id` say how they hang together."""
    families: dict[str | None, list[str]] = {}
    for row in whole.messages:
        families.setdefault(row.parent_id, []).append(row.id)
    told = []
    for row in whole.messages:
        family = families[row.parent_id]
        beside, is_bookmarked = family if len(family) > 1 else [], row.id in whole.bookmarked
        told.append(message_of(row, beside, whole.feedback.get(row.id), is_bookmarked=is_bookmarked))
    return {**summary(whole.conversation), "messages": told}


def as_markdown(whole: Whole) -> str:
    """The path that is shown, as a text to read."""
    conversation = whole.conversation
    if conversation.assistant == "stories":
        return story_text.as_markdown(whole)
    parts = [
        f"# {_line(conversation.title)}",
        f"{conversation.assistant}, {conversation.created_at:%Y-%m-%d %H:%M} UTC",
    ]
    today, continued, at = conversation.created_at.date(), False, 0
    for row, after in zip(path := whole.path, [*path[1:], None], strict=True):
        if row.role == "user":
            parts += [part for part in ("## You", row.content, _files(after)) if part]
            continue
        if continued:
            # The text of one answer, in several parts: it may have been cut within a word.
            parts[at] += row.content
            parts += _steps(row, today)
        else:
            mark = " ★" if row.id in whole.bookmarked else ""
            parts += [f"## {_who(row)}{mark}", *_steps(row, today), _besides_steps(row, today)]
            at = len(parts) - 1
        continued = after is not None and after.continues_id == row.id
        if not continued:
            parts += [part for part in (_ending(row), _sources(row)) if part]
    return "\n\n".join(part for part in parts if part) + "\n"


def file_name(whole: Whole) -> str:
    """A name for the file of a conversation, plain enough for every system, and its own."""
    plain = unicodedata.normalize("NFKD", whole.conversation.title).encode("ascii", "ignore").decode().lower()
    words = _NOT_IN_NAMES.sub("-", plain).strip("-")[:_NAME_CHARS].strip("-")
    return f"{words or whole.conversation.assistant}-{whole.conversation.id[-8:].lower()}"


def _who(row: Message) -> str:
    return f"Answer ({_line(row.engine)})" if row.engine else "Answer"


def _ending(row: Message) -> str:
    endings = {
        "stopped": "Stopped.",
        "failed": "Broken off.",
        "interrupted": "Interrupted.",
        None: "Still being written.",
    }
    if row.outcome == "completed" and row.finish_reason == "length":
        return "*Cut off: too long.*"
    return f"*{endings[row.outcome]}*" if row.outcome in endings else ""


def _steps(row: Message, today: date) -> list[str]:
    """What the answer did, a line a step; nothing where it did nothing."""
    done = stored_steps(row.extras or {}, today=today).shown
    return ["\n".join(f"- {step.sentence.markdown}" for step in done)] if done else []


def _besides_steps(row: Message, today: date) -> str:
    """What it said besides."""
    told = stored_steps(row.extras or {}, today=today).told
    return untold(row.content, told).strip("\n") if told else row.content


def _sources(row: Message) -> str:
    cited: Sequence[Any] = (row.extras or {}).get("citation") or ()
    lines = [_source(source) for source in cited]
    told = [event.get("confidence") for event in (row.extras or {}).get("message") or ()]
    score = next((f"Confidence: {one['score']} of 100" for one in reversed(told) if one), "")
    return "\n\n".join(part for part in ("\n".join(["Sources:", "", *lines]) if lines else "", score) if part)


def _source(source: Mapping[str, Any]) -> str:
    """A source in a line: where it stands, and what the answer leans on."""
    name = _line(str(source.get("document_name", "")))
    # Only a PDF's pages are a reader's; other documents have one, or parts that nobody knows of.
    has_pages = bool(source.get("page")) and ("document_id" not in source or name.lower().endswith(".pdf"))
    where = [name, f"page {source['page']}" if has_pages else "", _line(str(source.get("heading") or ""))]
    line = f"- [{source.get('number', '')}] {', '.join(part for part in where if part)}"
    excerpt = plain(str(source.get("excerpt") or "")) if "document_id" in source else ""
    return f"{line}: “{excerpt}”" if excerpt else line


def _files(answer: Message | None) -> str:
    """What was attached to the question of an answer."""
    facts = ((answer.turn if answer else None) or {}).get("facts") or {}
    names = [_line(str(file.get("name", ""))) for file in facts.get("media") or () if file.get("is_new", True)]
    return f"Files: {', '.join(names)}" if names else ""


def _line(text: str) -> str:
    return " ".join(text.split())


def _format(default: str) -> str:
    wanted = request.args.get("format") or default
    if wanted not in _FORMATS:
        raise errors.InvalidInput([FieldError("format", "must be markdown or json")])
    return wanted


def _file(content: bytes | Iterator[bytes], kind: str, name: str) -> Response:
    response = Response(content, content_type=kind)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _wholes(database: Database, user_id: int) -> Iterator[Whole]:
    after = ""
    while found := database.run(exports.batch, user_id, after=after, limit=_BATCH):
        yield from found
        after = found[-1].conversation.id


def _json_file(database: Database, user_id: int) -> Iterator[bytes]:
    before = b'{"conversations": [\n'
    for whole in _wholes(database, user_id):
        yield before + orjson.dumps(as_json(whole))
        before = b",\n"
    yield b"\n]}\n" if before == b",\n" else before + b"]}\n"


def _zip_file(database: Database, user_id: int) -> Iterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for whole in _wholes(database, user_id):
            entry = zipfile.ZipInfo(
                f"{whole.conversation.assistant}/{file_name(whole)}.md",
                date_time=whole.conversation.updated_at.timetuple()[:6],
            )
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, as_markdown(whole))
            yield sink.taken()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """What has been written and not been taken yet; it cannot be gone back in, and zipfile then does not."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._written += data
        return len(data)

    def taken(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken
