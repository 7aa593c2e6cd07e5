"""Paths through a conversation's tree: the one that is shown, its alternatives, and changing between them.

Whatever follows a message has a higher position than the message, so that positions order a path.
"""

from sqlalchemy import CTE, Select, func, literal, select, update
from sqlalchemy.orm import Session, aliased

from services import errors
from services.store.threads import Conversation, Message


def get(s: Session, user_id: int, conversation_id: str) -> Conversation:
    """One of the person's conversations.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    row = s.scalar(select(Conversation).where(Conversation.id == conversation_id, Conversation.user_id == user_id))
    if row is None:
        raise errors.NotFound("There is no such conversation.")
    return row


def path(s: Session, user_id: int, conversation_id: str) -> list[Message]:
    """The messages of the path that is shown, the oldest first.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    head_id = get(s, user_id, conversation_id).head_id
    return [] if head_id is None else path_to(s, head_id)


def path_to(s: Session, message_id: str, limit: int | None = None) -> list[Message]:
    """A message and those before it on its path, the oldest first; the last `limit` of them.

    The caller has checked whose it is.
    """
    return list(s.scalars(_upwards(message_id, limit)))[::-1]


def recent_messages(s: Session, conversation_id: str, limit: int) -> list[Message]:
    """The last messages of the path that is shown, the oldest of them first; the caller checks whose it is."""
    head_id = s.scalar(select(Conversation.head_id).where(Conversation.id == conversation_id))
    return [] if head_id is None else path_to(s, head_id, limit)


def alternatives(s: Session, conversation_id: str) -> dict[str, list[str]]:
    """The siblings of every message that has some, itself included, the oldest first; the caller checks whose it is.

    A question's are the other questions in its place, an answer's are the other tries.
    """
    rows = s.execute(
        select(Message.id, Message.parent_id)
        .where(Message.conversation_id == conversation_id)
        .order_by(Message.position)
    )
    families: dict[str | None, list[str]] = {}
    for message_id, parent_id in rows:
        families.setdefault(parent_id, []).append(message_id)
    return {message_id: family for family in families.values() if len(family) > 1 for message_id in family}


def choose(s: Session, user_id: int, conversation_id: str, message_id: str) -> Conversation:
    """Show the path through a message, down to the newest that follows it.

    Raises:
        NotFound: The conversation or the message is unknown, or somebody else's.
    """
    get(s, user_id, conversation_id)
    chosen = s.scalar(select(Message.id).where(Message.id == message_id, Message.conversation_id == conversation_id))
    if chosen is None:
        raise errors.NotFound("There is no such message.")
    moved = (
        update(Conversation)
        .where(Conversation.id == conversation_id)
        .values(head_id=s.scalar(_newest_below(message_id)))
        .returning(Conversation)
        .execution_options(populate_existing=True)
    )
    return s.scalars(moved).one()


def message(s: Session, user_id: int, message_id: str) -> tuple[Message, Conversation]:
    """One of the person's messages, and its conversation.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    found = s.execute(
        select(Message, Conversation)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(Message.id == message_id, Conversation.user_id == user_id)
    ).one_or_none()
    if found is None:
        raise errors.NotFound("There is no such message.")
    return found[0], found[1]


def question_of(s: Session, message_id: str) -> Message | None:
    """The question that an answer is to, also through those it continues; the caller checks whose it is."""
    above = _above(message_id, None)
    asked = select(Message).join(above, Message.id == above.c.id).where(Message.role == "user")
    return s.scalar(asked.order_by(above.c.step).limit(1))


def answers_to(s: Session, question_id: str) -> list[Message]:
    """The tries to answer a question, the oldest first; the caller checks whose it is."""
    tries = select(Message).where(Message.parent_id == question_id, Message.role == "assistant")
    return list(s.scalars(tries.order_by(Message.position)))


def _upwards(message_id: str, limit: int | None) -> Select[Message]:
    above = _above(message_id, limit)
    return select(Message).join(above, Message.id == above.c.id).order_by(above.c.step)


def _above(message_id: str, limit: int | None) -> CTE:
    """A message and those before it, `limit` of them at most, numbered from it upwards."""
    above = (
        select(Message.id, Message.parent_id, literal(1).label("step"))
        .where(Message.id == message_id)
        .cte("above", recursive=True)
    )
    parent = aliased(Message)
    onwards = select(parent.id, parent.parent_id, above.c.step + 1).join(above, parent.id == above.c.parent_id)
    return above.union_all(onwards if limit is None else onwards.where(above.c.step < limit))


def _newest_below(message_id: str) -> Select[str]:
    below = select(Message.id, Message.position).where(Message.id == message_id).cte("below", recursive=True)
    child = aliased(Message)
    below = below.union_all(select(child.id, child.position).join(below, child.parent_id == below.c.id))
    newest = select(func.max(below.c.position)).scalar_subquery()
    return select(below.c.id).where(below.c.position == newest)
