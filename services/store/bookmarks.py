"""Answers that a person wants to find again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import delete as delete_from
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from services import errors
from services.store import paths
from services.store.base import clean, insert_into, utc_now
from services.store.threads import Bookmark, Conversation, Message

# What is read of an answer for a list.
_BEGINNING: Final = 600
_MAX_WORDS: Final = 8


@dataclass(frozen=True, slots=True)
class Kept:
    """A bookmarked answer in a list.

    Attributes:
        beginning: The first of its words.
        created_at: When it was bookmarked.
    """

    message_id: str
    conversation_id: str
    assistant: str
    title: str
    beginning: str
    created_at: datetime


def put(s: Session, user_id: int, message_id: str, *, now: datetime | None = None) -> None:
    """Keep an answer of the person's in mind; one that is kept already stays where it is in the list.

    Raises:
        NotFound: Unknown, somebody else's, or no answer.
    """
    _check(s, user_id, message_id)
    kept = insert_into(s, Bookmark).values(message_id=message_id, user_id=user_id, created_at=now or utc_now())
    s.execute(kept.on_conflict_do_nothing(index_elements=["message_id"]))


def remove(s: Session, user_id: int, message_id: str) -> None:
    """Forget that an answer was kept in mind, if it was.

    Raises:
        NotFound: Unknown, somebody else's, or no answer.
    """
    _check(s, user_id, message_id)
    s.execute(delete_from(Bookmark).where(Bookmark.message_id == message_id))


def of_messages(s: Session, message_ids: Sequence[str]) -> set[str]:
    """Those of these messages that are bookmarked; the caller checks whose they are."""
    found: set[str] = set()
    for some in paths.batches(message_ids):
        found |= set(s.scalars(select(Bookmark.message_id).where(Bookmark.message_id.in_(some))))
    return found


def of_conversations(s: Session, conversation_ids: Sequence[str]) -> set[str]:
    """The bookmarked answers of conversations; the caller checks whose they are."""
    theirs = select(Bookmark.message_id).join(Message, Message.id == Bookmark.message_id)
    return set(s.scalars(theirs.where(Message.conversation_id.in_(conversation_ids))))


def listing(
    s: Session,
    user_id: int,
    *,
    assistant: str | None = None,
    q: str = "",
    before: str | None = None,
    limit: int = 50,
) -> list[Kept]:
    """The person's bookmarked answers, the one bookmarked last first.

    Args:
        s: An open session.
        user_id: Whose.
        assistant: Only those of this assistant.
        q: Only those with each of these words in the answer or in its conversation's title.
        before: The id of a bookmarked answer: only those that come after it in this order (the next page).
        limit: How many at most.

    Raises:
        NotFound: `before` is not bookmarked by this person.
    """
    wanted = (
        select(
            Message.id,
            Conversation.id,
            Conversation.assistant,
            Conversation.title,
            func.substr(Message.content, 1, _BEGINNING),
            Bookmark.created_at,
        )
        .join(Message, Message.id == Bookmark.message_id)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(Bookmark.user_id == user_id)
        .order_by(Bookmark.created_at.desc(), Bookmark.message_id.desc())
        .limit(limit)
    )
    if assistant is not None:
        wanted = wanted.where(Conversation.assistant == assistant)
    for word in clean(q).split()[:_MAX_WORDS]:
        said = Message.content.icontains(word, autoescape=True)
        wanted = wanted.where(or_(said, Conversation.title.icontains(word, autoescape=True)))
    if before is not None:
        last = s.scalar(select(Bookmark).where(Bookmark.message_id == before, Bookmark.user_id == user_id))
        if last is None:
            raise errors.NotFound("There is no such bookmark.")
        older = (Bookmark.created_at == last.created_at) & (Bookmark.message_id < last.message_id)
        wanted = wanted.where(or_(Bookmark.created_at < last.created_at, older))
    return [Kept(*row) for row in s.execute(wanted)]


def _check(s: Session, user_id: int, message_id: str) -> None:
    message, _ = paths.message(s, user_id, message_id)
    if message.role != "assistant":
        raise errors.NotFound("There is no such answer.")
