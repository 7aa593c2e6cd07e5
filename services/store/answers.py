"""Answers: stored as running before their run starts (asking.py), and settled once at its end.

The streams' events are not here: they live in Redis, and only for a while. All of this is offered by
conversations.py too, which is where callers look for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.orm import Session

from services import errors
from services.store import search
from services.store.base import utc_now
from services.store.threads import Conversation, Message

# Statements of the path from a question to its run are built once: building costs as much as running them.
_MESSAGES: Final = cast(Table, Message.__table__)
_CONVERSATIONS: Final = cast(Table, Conversation.__table__)
_SETTLED_COLUMNS: Final = (
    "content",
    "outcome",
    "finish_reason",
    "engine",
    "fallback",
    "usage",
    "extras",
    "error_code",
    "finished_at",
)
_SETTLE: Final = (
    update(_MESSAGES)
    .where(_MESSAGES.c.id == bindparam("its"), _MESSAGES.c.role == "assistant", _MESSAGES.c.outcome.is_(None))
    .values({name: bindparam(name) for name in _SETTLED_COLUMNS})
    .returning(_MESSAGES.c.conversation_id, _MESSAGES.c.turn)
)
_ANSWERED: Final = (
    update(_CONVERSATIONS)
    .where(_CONVERSATIONS.c.id == bindparam("its"))
    .values(updated_at=bindparam("at"), answered_at=bindparam("at"))
    .returning(_CONVERSATIONS.c.user_id, _CONVERSATIONS.c.assistant)
)
_HOLD: Final = select(_MESSAGES.c.outcome).where(_MESSAGES.c.id == bindparam("its")).with_for_update(read=True)
_ADD_EXTRAS: Final = update(_MESSAGES).where(_MESSAGES.c.id == bindparam("its")).values(extras=bindparam("extras"))


@dataclass(frozen=True, slots=True)
class Unsettled:
    """An answer that is stored as running, and whose it is."""

    message_id: str
    conversation_id: str
    user_id: int
    assistant: str
    stream_id: str | None
    run_id: str | None
    created_at: datetime


class Ended(NamedTuple):
    """An answer that has just been settled, and what its run was started with."""

    user_id: int
    assistant: str
    conversation_id: str
    turn: Mapping[str, Any]


def settle(
    s: Session,
    message_id: str,
    *,
    text: str,
    outcome: str,
    finish_reason: str,
    engine: str | None,
    fallback: bool,
    usage: Mapping[str, Any] | None,
    extras: Mapping[str, Any] | None,
    error_code: str | None,
    now: datetime | None = None,
) -> Ended | None:
    """Store how a running answer ended; whoever comes first decides, later calls change nothing.

    Returns:
        What this call settled; None if another did, or the answer has been deleted meanwhile.
    """
    now = now or utc_now()
    found = s.execute(
        _SETTLE,
        {
            "its": message_id,
            "content": text,
            "outcome": outcome,
            "finish_reason": finish_reason,
            "engine": engine,
            "fallback": fallback,
            "usage": None if usage is None else dict(usage),
            "extras": None if extras is None else dict(extras),
            "error_code": error_code,
            "finished_at": now,
        },
    ).one_or_none()
    if found is None:
        return None
    conversation_id, turn = found
    user_id, assistant = s.execute(_ANSWERED, {"its": conversation_id, "at": now}).one()
    search.add(s, user_id, conversation_id, {message_id: text})
    return Ended(user_id, assistant, conversation_id, turn or {})


def hold(s: Session, message_id: str) -> None:
    """Keep an answer from being settled before this transaction has ended: what it does here, its end will know of.

    On SQLite this transaction must be the one that writes (`database.write_next`). An unknown answer is held by nobody.

    Raises:
        Conflict: Code `ANSWER_ENDED`: it is settled already.
    """
    found = s.execute(_HOLD, {"its": message_id}).one_or_none()
    if found is not None and found[0] is not None:
        raise errors.Conflict("This answer has ended; nothing was done.", code="ANSWER_ENDED")


def put_extras(s: Session, message_id: str, extras: Mapping[str, Any]) -> None:
    """Replace what is kept of an answer besides its text."""
    s.execute(_ADD_EXTRAS, {"its": message_id, "extras": dict(extras)})


def unsettled(
    s: Session, older_than_s: float, limit: int, *, user_id: int | None = None, now: datetime | None = None
) -> list[Unsettled]:
    """Answers stored as running for longer than `older_than_s` seconds, the oldest first; `user_id`: one person's."""
    before = (now or utc_now()) - timedelta(seconds=older_than_s)
    wanted = (
        select(
            Message.id,
            Message.conversation_id,
            Conversation.user_id,
            Conversation.assistant,
            Message.stream_id,
            Message.run_id,
            Message.created_at,
        )
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(Message.outcome.is_(None), Message.role == "assistant", Message.created_at < before)
        .order_by(Message.created_at, Message.id)
        .limit(limit)
    )
    if user_id is not None:
        # Added to nothing: from the few answers that run, not from all that the person ever asked.
        wanted = wanted.where(Conversation.user_id + 0 == user_id)
    return [Unsettled(*row) for row in s.execute(wanted)]


def by_stream(s: Session, user_id: int, stream_id: str) -> list[Message]:
    """The person's answers that were streamed there, the newest last; empty if unknown or somebody else's."""
    return list(
        s.scalars(
            select(Message)
            .join(Conversation, Conversation.id == Message.conversation_id)
            .where(Message.stream_id == stream_id, Conversation.user_id == user_id)
            .order_by(Message.created_at, Message.conversation_id, Message.position)
        )
    )


def message_of_run(s: Session, run_id: str) -> Message | None:
    """The answer that this run writes or wrote; the caller checks whose it is."""
    return s.scalar(select(Message).where(Message.run_id == run_id))
