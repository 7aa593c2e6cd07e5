"""The cache of answers: which stored answer fits a question that is asked again, word for word.

It keeps no text of its own: a cached answer is a person's own message, and gone with it. Streaming and plain
API share it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from services.store.base import Base, clean, insert_into, utc_now
from services.store.threads import Conversation, Message


class CachedRow(Base):
    """A question's key and the answer that it got."""

    __tablename__ = "cached_answers"
    __table_args__ = (Index(None, "message_id"),)

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    message_id: Mapped[str] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    created_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """An answer that was given before. `extras` is what it showed besides its text."""

    text: str
    message_id: str
    extras: Mapping[str, Any]


def key_of(
    *,
    message: str,
    media: Sequence[str],
    history: Sequence[Mapping[str, Any]],
    model: str,
    max_tokens: int | None,
    length: str = "",
    way: str = "",
) -> str:
    """The key of a question: the same for the same question in the same context, for one person.

    Args:
        message: The person's words.
        media: The SHA-256 of each upload, in the order in which they are attached.
        history: What the model is shown before the question, as {role, content}.
        model: Who is asked.
        max_tokens: The answer's limit.
        length: The length that was chosen.
        way: How it is asked: simpler, deeper and so on.
    """
    turns = [[str(turn.get("role", "")), str(turn.get("content", ""))] for turn in history]
    asked = [message, list(media), turns, model, max_tokens, length, way]
    # JSON keeps apart what belongs apart, whatever the texts contain.
    return hashlib.sha256(clean(json.dumps(asked, ensure_ascii=False)).encode()).hexdigest()


def find(s: Session, user_id: int, key: str) -> CachedAnswer | None:
    """The answer kept under this key, if it is complete and the one asked gave it, not a fallback."""
    row = s.execute(
        select(Message.content, Message.id, Message.extras)
        .join(CachedRow, CachedRow.message_id == Message.id)
        .where(
            CachedRow.user_id == user_id,
            CachedRow.key == key,
            Message.outcome == "completed",
            Message.finish_reason == "stop",
            Message.fallback.is_(False),
            Message.content != "",
        )
    ).one_or_none()
    return None if row is None else CachedAnswer(row[0], row[1], row[2] or {})


def keep(s: Session, user_id: int, key: str, message_id: str, *, now: datetime | None = None) -> bool:
    """Keep an answer for the next time; a newer one takes its place.

    Returns:
        Whether it was kept: not if the message is gone, somebody else's, or only the rest of another answer.
    """
    mine = (
        select(Message.id)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(
            Message.id == message_id,
            Message.role == "assistant",
            Message.continues_id.is_(None),
            Conversation.user_id == user_id,
        )
    )
    if s.scalar(mine) is None:
        return False
    fresh = insert_into(s, CachedRow).values(
        user_id=user_id, key=key, message_id=message_id, created_at=now or utc_now()
    )
    new = fresh.excluded
    s.execute(
        fresh.on_conflict_do_update(
            index_elements=["user_id", "key"], set_={"message_id": new.message_id, "created_at": new.created_at}
        )
    )
    return True
