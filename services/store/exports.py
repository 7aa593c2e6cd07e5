"""Whole conversations, to be taken away: every message of every path, and what their person noted about them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from services.store import bookmarks, feedback
from services.store.paths import get
from services.store.threads import Conversation, Feedback, Message


@dataclass(frozen=True, slots=True)
class Whole:
    """A conversation with all that is in it.

    Attributes:
        messages: In the order in which they were written.
        bookmarked: The ids of those that are.
    """

    conversation: Conversation
    messages: Sequence[Message]
    feedback: Mapping[str, Feedback]
    bookmarked: Collection[str] = ()

    @property
    def path(self) -> list[Message]:
        """The messages of the path that is shown, the oldest first."""
        by_id = {row.id: row for row in self.messages}
        found: list[Message] = []
        at = self.conversation.head_id
        # Taken out as they are found: however the rows hang together, the way ends.
        while at is not None and (row := by_id.pop(at, None)) is not None:
            found.append(row)
            at = row.parent_id
        return found[::-1]


def one(s: Session, user_id: int, conversation_id: str) -> Whole:
    """One of the person's conversations.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    return _wholes(s, [get(s, user_id, conversation_id)])[0]


def batch(s: Session, user_id: int, *, after: str, limit: int) -> list[Whole]:
    """The person's conversations in the order of their ids, those after one of them; empty at the end."""
    found = select(Conversation).where(Conversation.user_id == user_id, Conversation.id > after)
    return _wholes(s, s.scalars(found.order_by(Conversation.id).limit(limit)).all())


def _wholes(s: Session, rows: Sequence[Conversation]) -> list[Whole]:
    ids = [row.id for row in rows]
    messages: dict[str, list[Message]] = {conversation_id: [] for conversation_id in ids}
    theirs = select(Message).where(Message.conversation_id.in_(ids))
    for row in s.scalars(theirs.order_by(Message.conversation_id, Message.position)):
        messages[row.conversation_id].append(row)
    opinions, bookmarked = feedback.of_conversations(s, ids), bookmarks.of_conversations(s, ids)
    return [Whole(row, messages[row.id], opinions, bookmarked) for row in rows]
