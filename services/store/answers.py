"""Answers: stored as running before their run starts, with the whole turn, and settled once at its end.

The streams' events are not here: they live in Redis, and only for a while. All of this is offered by
conversations.py too, which is where callers look for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.sql.dml import ReturningUpdate

from services import errors
from services.store import search
from services.store.base import insert_into, new_id, utc_now
from services.store.threads import Conversation, Message

# Statements of the path from a question to its run are built once: building costs as much as running them.
_MESSAGES: Final = cast(Table, Message.__table__)
_CONVERSATIONS: Final = cast(Table, Conversation.__table__)
# The columns of a message that not every message fills, as a statement for several rows needs them.
_EMPTY: Final[Mapping[str, Any]] = {
    **{column.name: None for column in _MESSAGES.columns if column.nullable},
    "content": "",
    "fallback": False,
}
_ADD_MESSAGES: Final = insert(_MESSAGES)
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
_ADD_EXTRAS: Final = update(_MESSAGES).where(_MESSAGES.c.id == bindparam("its")).values(extras=bindparam("extras"))
_MOVE_HEAD: Final = (
    update(_CONVERSATIONS).where(_CONVERSATIONS.c.id == bindparam("its")).values(head_id=bindparam("head"))
)
# The parent of a question that is an alternative to the first one of its conversation.
ROOT: Final = ""


def _grow(column: InstrumentedAttribute[Any]) -> ReturningUpdate[Conversation]:
    return (
        update(Conversation)
        .where(
            Conversation.user_id == bindparam("whose"),
            Conversation.assistant == bindparam("who"),
            column == bindparam("its"),
        )
        .values(length=Conversation.length + bindparam("by"), updated_at=bindparam("at"), seen_at=bindparam("at"))
        .returning(Conversation)
        .execution_options(synchronize_session=False, populate_existing=True)
    )


_GROW_BY_ID: Final = _grow(Conversation.id)
_GROW_BY_NAME: Final = _grow(Conversation.client_name)


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


def begin(
    s: Session,
    *,
    user_id: int,
    assistant: str,
    client_name: str | None,
    conversation_id: str | None,
    title: str,
    question: str | None,
    turn: Mapping[str, Any],
    stream_id: str,
    run_id: str,
    message_id: str,
    continues_id: str | None = None,
    parent_id: str | None = None,
    now: datetime | None = None,
) -> Conversation:
    """Store a turn before its run starts: the question, and the answer as running, which becomes the head.

    Args:
        s: An open session.
        user_id: Who asks.
        assistant: Who is asked.
        client_name: The conversation by the client's name for it; made on first use.
        conversation_id: The conversation by its id, which then decides; neither: a new one is made.
        title: The title that a new conversation gets.
        question: The person's message; None when an answer is continued.
        turn: What the run needs to answer, JSON.
        stream_id: Where the answer will be streamed.
        run_id: Who will write it; stored once only.
        message_id: The answer's id, made by the caller with `new_id`.
        continues_id: The answer of the same conversation whose text this one goes on from.
        parent_id: The message of the same conversation that comes before the question, or before the answer if
            there is none; None: the answer that is continued, else the head; `ROOT`: nothing.
        now: The time, for tests.

    Raises:
        NotFound: The conversation, the parent, or the message to go on from, is unknown or somebody else's.
    """
    now = now or utc_now()
    added = 1 if question is None else 2
    conversation = _grown(s, user_id, assistant, client_name, conversation_id, title, added=added, now=now)
    if continues_id is not None and not _is_in(s, continues_id, conversation.id, role="assistant"):
        raise errors.NotFound("There is no such answer to go on from.")
    parent_id = _parent(s, conversation, parent_id, continues_id)
    shared = {**_EMPTY, "conversation_id": conversation.id, "created_at": now}
    rows = []
    said: dict[str | None, str] = {None: conversation.title} if conversation.length == added else {}
    if question is not None:
        asked_id = new_id()
        asked = {"id": asked_id, "position": conversation.length - 2, "role": "user", "content": question}
        rows.append({**shared, **asked, "parent_id": parent_id})
        parent_id = asked_id
        said[asked_id] = question
    answer = {
        "id": message_id,
        "position": conversation.length - 1,
        "role": "assistant",
        "stream_id": stream_id,
        "run_id": run_id,
        "continues_id": continues_id,
        "parent_id": parent_id,
        "turn": dict(turn),
    }
    s.execute(_ADD_MESSAGES, [*rows, {**shared, **answer}])
    s.execute(_MOVE_HEAD, {"its": conversation.id, "head": message_id})
    search.add(s, user_id, conversation.id, said)
    return conversation


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


def put_extras(s: Session, message_id: str, extras: Mapping[str, Any]) -> None:
    """Replace what is kept of an answer besides its text."""
    s.execute(_ADD_EXTRAS, {"its": message_id, "extras": dict(extras)})


def unsettled(s: Session, older_than_s: float, limit: int, *, now: datetime | None = None) -> list[Unsettled]:
    """Answers stored as running for longer than `older_than_s` seconds, the oldest first."""
    before = (now or utc_now()) - timedelta(seconds=older_than_s)
    found = s.execute(
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
    return [
        Unsettled(message_id, conversation_id, user_id, assistant, stream_id, run_id, created_at)
        for message_id, conversation_id, user_id, assistant, stream_id, run_id, created_at in found
    ]


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


def _grown(
    s: Session,
    user_id: int,
    assistant: str,
    client_name: str | None,
    conversation_id: str | None,
    title: str,
    *,
    added: int,
    now: datetime,
) -> Conversation:
    # The first statement takes the conversation's row until the end of the transaction, so that two questions
    # at once cannot get one position.
    if conversation_id is not None:
        known = s.scalar(_GROW_BY_ID, {**_whose(user_id, assistant), "its": conversation_id, "by": added, "at": now})
    else:
        known = _grown_by_name(s, user_id, assistant, client_name, title, added, now)
    if known is None:
        raise errors.NotFound("There is no such conversation.")
    return known


def _parent(s: Session, conversation: Conversation, parent_id: str | None, continues_id: str | None) -> str | None:
    if parent_id is None:
        return continues_id or conversation.head_id
    if parent_id == ROOT:
        return None
    if not _is_in(s, parent_id, conversation.id):
        raise errors.NotFound("There is no such message.")
    return parent_id


def _grown_by_name(
    s: Session, user_id: int, assistant: str, client_name: str | None, title: str, added: int, now: datetime
) -> Conversation | None:
    """The conversation with the client's name, or a new one; one made at this moment by another counts too."""
    by_name = {**_whose(user_id, assistant), "its": client_name, "by": added, "at": now}
    if client_name is not None:
        known = s.scalar(_GROW_BY_NAME, by_name)
        if known is not None:
            return known
    made = insert_into(s, Conversation).values(
        id=new_id(),
        user_id=user_id,
        assistant=assistant,
        client_name=client_name,
        title=title,
        length=added,
        created_at=now,
        updated_at=now,
        seen_at=now,
    )
    names = ["user_id", "assistant", "client_name"]
    fresh = s.scalar(made.on_conflict_do_nothing(index_elements=names).returning(Conversation))
    return fresh if fresh is not None else s.scalar(_GROW_BY_NAME, by_name)


def _whose(user_id: int, assistant: str) -> dict[str, Any]:
    return {"whose": user_id, "who": assistant}


def _is_in(s: Session, message_id: str, conversation_id: str, *, role: str | None = None) -> bool:
    found = select(Message.id).where(Message.id == message_id, Message.conversation_id == conversation_id)
    return s.scalar(found if role is None else found.where(Message.role == role)) is not None
