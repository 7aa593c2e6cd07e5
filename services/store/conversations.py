"""Conversations: the threads of one person with one assistant, listed, read, renamed and deleted.

What else there is of them (asking.py, answers.py, paths.py) is offered here too, so that callers need one name only.
"""

from typing import Final

from sqlalchemy import bindparam, func, select
from sqlalchemy import delete as delete_from
from sqlalchemy.orm import Session

from services import errors
from services.store import search
from services.store.answers import (
    Ended,
    Unsettled,
    by_stream,
    message_of_run,
    put_extras,
    settle,
    unsettled,
)
from services.store.asking import ROOT, begin
from services.store.base import new_id
from services.store.paths import (
    alternatives,
    answers_to,
    beside,
    choose,
    get,
    message,
    path,
    path_to,
    question_of,
    recent_messages,
    rows,
    tree,
    versions_of,
)
from services.store.threads import Conversation, Message

__all__ = [
    "ROOT",
    "Conversation",
    "Ended",
    "Message",
    "Unsettled",
    "alternatives",
    "answers_to",
    "begin",
    "beside",
    "by_client_name",
    "by_stream",
    "choose",
    "delete",
    "get",
    "listing",
    "message",
    "message_of_run",
    "messages",
    "new_id",
    "path",
    "path_to",
    "put_extras",
    "question_of",
    "recent_messages",
    "rename",
    "rows",
    "seen",
    "settle",
    "streams_in",
    "streams_of",
    "tree",
    "unread_count",
    "unsettled",
    "versions_of",
]


# Built once: every question asks for it.
_BY_CLIENT_NAME: Final = select(Conversation).where(
    Conversation.user_id == bindparam("whose"),
    Conversation.assistant == bindparam("who"),
    Conversation.client_name == bindparam("its"),
)


def by_client_name(s: Session, user_id: int, assistant: str, name: str) -> Conversation | None:
    """The person's conversation with this assistant that the client calls `name`."""
    return s.scalar(_BY_CLIENT_NAME, {"whose": user_id, "who": assistant, "its": name})


def messages(s: Session, user_id: int, conversation_id: str) -> list[Message]:
    """All messages of one of the person's conversations, on whatever path, the oldest first.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    get(s, user_id, conversation_id)
    of_it = select(Message).where(Message.conversation_id == conversation_id)
    return list(s.scalars(of_it.order_by(Message.position)))


def listing(
    s: Session,
    user_id: int,
    *,
    assistant: str | None = None,
    q: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Conversation]:
    """The person's conversations, the one used last first; with `q`, as `search.find` orders them.

    Args:
        s: An open session.
        user_id: Whose.
        assistant: Only those with this assistant.
        q: Only those with these words in the title or the messages.
        before: The id of a conversation: only those that come after it in this order (the next page).
        limit: How many at most.

    Raises:
        NotFound: `before` is unknown, or somebody else's.
    """
    if q:
        found = search.find(s, user_id, q, assistant=assistant, before=before, limit=limit)
        return [one.conversation for one in found]
    wanted = select(Conversation).where(Conversation.user_id == user_id)
    if assistant is not None:
        wanted = wanted.where(Conversation.assistant == assistant)
    if before is not None:
        get(s, user_id, before)
        wanted = wanted.where(search.after(before))
    return list(s.scalars(wanted.order_by(Conversation.updated_at.desc(), Conversation.id.desc()).limit(limit)))


def rename(s: Session, user_id: int, conversation_id: str, title: str) -> Conversation:
    """Give one of the person's conversations another title.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    conversation = get(s, user_id, conversation_id)
    conversation.title = title
    s.flush()
    search.retitle(s, user_id, conversation_id, title)
    return conversation


def seen(s: Session, user_id: int, conversation_id: str) -> Conversation:
    """Note that the person has looked at one of their conversations.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    conversation = get(s, user_id, conversation_id)
    if conversation.unread:
        # Not the present time: an answer that comes at this moment has not been seen.
        conversation.seen_at = conversation.answered_at
        s.flush()
    return conversation


def unread_count(s: Session, user_id: int, assistant: str | None = None) -> int:
    """In how many of the person's conversations an answer came since they last looked."""
    unread = select(func.count()).where(
        Conversation.user_id == user_id, Conversation.answered_at > Conversation.seen_at
    )
    return s.scalar(unread if assistant is None else unread.where(Conversation.assistant == assistant)) or 0


def delete(s: Session, user_id: int, conversation_id: str) -> None:
    """Delete one of the person's conversations with its messages.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    gone = delete_from(Conversation).where(Conversation.id == conversation_id, Conversation.user_id == user_id)
    if s.scalar(gone.returning(Conversation.id)) is None:
        raise errors.NotFound("There is no such conversation.")


def streams_of(s: Session, user_id: int) -> list[str]:
    """Every stream on which the person was answered, in no order."""
    streams = select(Message.stream_id).join(Conversation, Conversation.id == Message.conversation_id)
    return [
        stream_id
        for stream_id in s.scalars(streams.where(Conversation.user_id == user_id).distinct())
        if stream_id is not None
    ]


def streams_in(s: Session, user_id: int, conversation_id: str) -> dict[str, bool]:
    """The streams of one of the person's conversations, and whether an answer runs there.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    get(s, user_id, conversation_id)
    streams = select(Message.stream_id, Message.outcome).where(Message.conversation_id == conversation_id)
    return {row[0]: row[1] is None for row in s.execute(streams.order_by(Message.position)) if row[0] is not None}
