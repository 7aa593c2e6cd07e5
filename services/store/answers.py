"""Answers: stored as running before their run starts, with the whole turn, and settled once at its end.

The streams' events are not here: they live in Redis, and only for a while. All of this is offered by
conversations.py too, which is where callers look for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from services import errors
from services.store.base import insert_into, new_id, utc_now
from services.store.database import write_next
from services.store.threads import Conversation, Message


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
    now: datetime | None = None,
) -> Conversation:
    """Store a turn before its run starts: the question, and the answer as running.

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
        now: The time, for tests.

    Raises:
        NotFound: The conversation, or the message to go on from, is unknown or somebody else's.
    """
    write_next(s)
    now = now or utc_now()
    if conversation_id is not None:
        conversation = _locked(s, user_id, assistant, conversation_id)
    else:
        conversation = _made(s, user_id, assistant, client_name, title, now)
    conversation.updated_at = now
    if continues_id is not None and not _is_answer_in(s, continues_id, conversation.id):
        raise errors.NotFound("There is no such answer to go on from.")
    position = _next_position(s, conversation.id)
    if question is not None:
        s.add(_message(new_id(), conversation, position, "user", now, content=question))
        position += 1
    answer = _message(message_id, conversation, position, "assistant", now)
    answer.stream_id, answer.run_id, answer.continues_id, answer.turn = stream_id, run_id, continues_id, dict(turn)
    s.add(answer)
    s.flush()
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
) -> bool:
    """Store how a running answer ended; whoever comes first decides, later calls change nothing.

    Returns:
        Whether this call settled it; False too if the answer has been deleted meanwhile.
    """
    now = now or utc_now()
    settled = (
        update(Message)
        .where(Message.id == message_id, Message.role == "assistant", Message.outcome.is_(None))
        .values(
            content=text,
            outcome=outcome,
            finish_reason=finish_reason,
            engine=engine,
            fallback=fallback,
            usage=None if usage is None else dict(usage),
            extras=None if extras is None else dict(extras),
            error_code=error_code,
            finished_at=now,
        )
        .returning(Message.conversation_id)
    )
    conversation_id = s.scalar(settled)
    if conversation_id is None:
        return False
    s.execute(update(Conversation).where(Conversation.id == conversation_id).values(updated_at=now))
    return True


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
    return [Unsettled(*row._tuple()) for row in found]


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


def _locked(s: Session, user_id: int, assistant: str, conversation_id: str) -> Conversation:
    # Locked until the end of the transaction: two questions at once must not get one position.
    own = select(Conversation).where(
        Conversation.id == conversation_id, Conversation.user_id == user_id, Conversation.assistant == assistant
    )
    row = s.scalar(own.with_for_update())
    if row is None:
        raise errors.NotFound("There is no such conversation.")
    return row


def _made(s: Session, user_id: int, assistant: str, client_name: str | None, title: str, now: datetime) -> Conversation:
    """A new conversation, or the one that has the client's name already, even if made at this moment."""
    fresh = insert_into(s, Conversation).values(
        id=new_id(),
        user_id=user_id,
        assistant=assistant,
        client_name=client_name,
        title=title,
        created_at=now,
        updated_at=now,
    )
    made = s.scalar(
        fresh.on_conflict_do_nothing(index_elements=["user_id", "assistant", "client_name"]).returning(
            Conversation.__table__.c.id
        )
    )
    if made is None:
        made = s.scalars(
            select(Conversation.id).where(
                Conversation.user_id == user_id,
                Conversation.assistant == assistant,
                Conversation.client_name == client_name,
            )
        ).one()
    return _locked(s, user_id, assistant, made)


def _is_answer_in(s: Session, message_id: str, conversation_id: str) -> bool:
    found = select(Message.id).where(
        Message.id == message_id, Message.conversation_id == conversation_id, Message.role == "assistant"
    )
    return s.scalar(found) is not None


def _next_position(s: Session, conversation_id: str) -> int:
    last = s.scalar(select(func.max(Message.position)).where(Message.conversation_id == conversation_id))
    return 0 if last is None else last + 1


def _message(
    message_id: str,
    conversation: Conversation,
    position: int,
    role: Literal["user", "assistant"],
    now: datetime,
    *,
    content: str = "",
) -> Message:
    return Message(
        id=message_id,
        conversation_id=conversation.id,
        position=position,
        role=role,
        content=content,
        fallback=False,
        created_at=now,
    )
