"""What clients send to the todo agent, checked. Pure.

The texts of a refusal are the specification's own, and clients compare them: D4, D20, D27 and D28. The body is
`{messages: [{role, content}], session_id}`, or, from forms, flat: `message` and `session_id`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.errors import FieldError, Forbidden, InvalidInput

MAX_MESSAGES: Final = 50
MAX_CHARS: Final = 10_000
MAX_SESSION_CHARS: Final = 128

NO_MESSAGES: Final = "No messages provided"
TOO_MANY: Final = "Too many messages in conversation"
BAD_CONTENT: Final = "Invalid message content"
TOO_LONG: Final = "Message content too long"
BAD_SESSION: Final = "Invalid session ID format"
FOREIGN_SESSION: Final = "Access denied: Invalid session"

_SESSION: Final = re.compile(r"[a-zA-Z0-9_-]+")
_OWNED: Final = re.compile(r"user_([0-9]+)_")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_LINE_END: Final = re.compile(r"\r\n?")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class TodosInput:
    """One question to the agent.

    Attributes:
        question: What the person wants, the last that they said; at most `MAX_CHARS`.
        earlier: What was said before, as the client has it: {role: user|assistant, content}, the oldest first.
        session_id: As the client sent it, and is answered; None if it sent none.
    """

    question: str
    earlier: tuple[Mapping[str, str], ...] = ()
    session_id: str | None = None


def parse_todos(data: Mapping[str, Any]) -> TodosInput:
    """The body of `POST /api/todos/agent-create/stream`.

    Raises:
        InvalidInput: With the specification's text as its message.
    """
    said = _said(data)
    session_id = _session_id(data.get("session_id"))
    last = max((place for place, one in enumerate(said) if one["role"] == "user"), default=None)
    if last is None:
        raise _wrong("messages", NO_MESSAGES)
    question = str(said[last]["content"])
    if not question:
        raise _wrong(f"messages[{last}].content", BAD_CONTENT)
    earlier = tuple(one for one in said[:last] if one["content"] and one["role"] in ("user", "assistant"))
    return TodosInput(question, earlier, session_id)


def check_question(question: str) -> str:
    """A question in other words, as a new one would be checked.

    Raises:
        InvalidInput: Empty or too long.
    """
    return parse_todos({"message": question}).question


def client_name(user_id: int, session_id: str) -> str:
    """The name under which a person's session is stored (R6): `user_{id}_{alias}`.

    Raises:
        Forbidden: The name begins with somebody else's prefix.
    """
    owner = _OWNED.match(session_id)
    if owner is None:
        return f"user_{user_id}_{session_id}"
    if owner[1] != str(user_id):
        raise Forbidden(FOREIGN_SESSION)
    return session_id


def _said(data: Mapping[str, Any]) -> list[dict[str, str]]:
    if "messages" not in data and data.get("message") not in (None, ""):
        sent: Any = [{"role": "user", "content": data["message"]}]
    else:
        sent = data.get("messages")
    if isinstance(sent, str | bytes | Mapping) or (sent and not isinstance(sent, Sequence)):
        raise _wrong("messages", BAD_CONTENT)
    if not sent:
        raise _wrong("messages", NO_MESSAGES)
    if len(sent) > MAX_MESSAGES:
        raise _wrong("messages", TOO_MANY)
    return [_message(place, one) for place, one in enumerate(sent)]


def _message(place: int, one: Any) -> dict[str, str]:
    field = f"messages[{place}]"
    content = one.get("content") if isinstance(one, Mapping) else None
    role = one.get("role", "user") if isinstance(one, Mapping) else None
    if not isinstance(content, str):
        raise _wrong(f"{field}.content", BAD_CONTENT)
    if not isinstance(role, str):
        raise _wrong(f"{field}.role", BAD_CONTENT)
    if len(content) > MAX_CHARS:
        raise _wrong(f"{field}.content", TOO_LONG)
    return {"role": role, "content": _clean(content)}


def _session_id(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > MAX_SESSION_CHARS or not _SESSION.fullmatch(value):
        raise _wrong("session_id", BAD_SESSION)
    return value


def _clean(text: str) -> str:
    return _SURROGATE.sub("\ufffd", _CONTROL.sub("", _LINE_END.sub("\n", text))).strip()


def _wrong(field: str, message: str) -> InvalidInput:
    return InvalidInput([FieldError(field, message)], message)
