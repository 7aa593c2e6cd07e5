"""Paths through a conversation's tree: the one that is shown, its alternatives, and changing between them.

Whatever follows a message has a higher position than the message, so that positions order a path. A whole path is
walked here and not in the database: a thousand steps of a recursive query take longer than reading who hangs on whom.
"""

from sqlalchemy import literal, select, update
from sqlalchemy.orm import Session, aliased

from services import errors
from services.store.threads import Conversation, Message

# More parameters than this are a long statement; then all of the conversation is read, and the path picked out.
_MANY = 200


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
    return [] if head_id is None else _path(s, conversation_id, head_id)


def path_to(s: Session, message_id: str, limit: int | None = None) -> list[Message]:
    """A message and those before it on its path, `limit` in all, the oldest first; the caller checks whose it is."""
    if limit is not None:
        return _near(s, message_id, limit)
    conversation_id = s.scalar(select(Message.conversation_id).where(Message.id == message_id))
    return [] if conversation_id is None else _path(s, conversation_id, message_id)


def recent_messages(s: Session, conversation_id: str, limit: int) -> list[Message]:
    """The last messages of the path that is shown, the oldest of them first; the caller checks whose it is."""
    head_id = s.scalar(select(Conversation.head_id).where(Conversation.id == conversation_id))
    return [] if head_id is None else _near(s, head_id, limit)


def alternatives(s: Session, conversation_id: str) -> dict[str, list[str]]:
    """The siblings of every message that has some, itself included, the oldest first; the caller checks whose it is.

    A question's are the other questions in its place, an answer's are the other tries.
    """
    families: dict[str | None, list[str]] = {}
    for message_id, parent_id in _parents(s, conversation_id).items():
        families.setdefault(parent_id, []).append(message_id)
    return {message_id: family for family in families.values() if len(family) > 1 for message_id in family}


def choose(s: Session, user_id: int, conversation_id: str, message_id: str) -> Conversation:
    """Show the path through a message, down to the newest that follows it.

    Raises:
        NotFound: The conversation or the message is unknown, or somebody else's.
    """
    get(s, user_id, conversation_id)
    parents = _parents(s, conversation_id)
    if message_id not in parents:
        raise errors.NotFound("There is no such message.")
    newest, below = message_id, {message_id}
    for child, parent_id in parents.items():
        if parent_id in below:
            below.add(child)
            newest = child
    moved = (
        update(Conversation)
        .where(Conversation.id == conversation_id)
        .values(head_id=newest)
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
    above = (
        select(Message.id, Message.parent_id, Message.role).where(Message.id == message_id).cte("above", recursive=True)
    )
    parent = aliased(Message)
    onwards = select(parent.id, parent.parent_id, parent.role).join(above, parent.id == above.c.parent_id)
    above = above.union_all(onwards.where(above.c.role == "assistant"))
    asked = select(Message).join(above, Message.id == above.c.id).where(above.c.role == "user")
    return s.scalar(asked)


def answers_to(s: Session, question_id: str) -> list[Message]:
    """The tries to answer a question, the oldest first; the caller checks whose it is."""
    tries = select(Message).where(Message.parent_id == question_id, Message.role == "assistant")
    return list(s.scalars(tries.order_by(Message.position)))


def _near(s: Session, message_id: str, limit: int) -> list[Message]:
    above = (
        select(Message.id, Message.parent_id, literal(1).label("step"))
        .where(Message.id == message_id)
        .cte("above", recursive=True)
    )
    parent = aliased(Message)
    onwards = select(parent.id, parent.parent_id, above.c.step + 1).join(above, parent.id == above.c.parent_id)
    above = above.union_all(onwards.where(above.c.step < limit))
    rows = s.scalars(select(Message).join(above, Message.id == above.c.id).order_by(above.c.step))
    return list(rows)[::-1]


def _parents(s: Session, conversation_id: str) -> dict[str, str | None]:
    """What hangs on what in a conversation, in the order of positions."""
    of_it = select(Message.id, Message.parent_id).where(Message.conversation_id == conversation_id)
    return {row.id: row.parent_id for row in s.execute(of_it.order_by(Message.position))}


def _path(s: Session, conversation_id: str, leaf_id: str) -> list[Message]:
    parents = _parents(s, conversation_id)
    wanted: set[str] = set()
    at: str | None = leaf_id
    while at in parents and at not in wanted:
        wanted.add(at)
        at = parents[at]
    rows = select(Message).where(Message.conversation_id == conversation_id).order_by(Message.position)
    if len(wanted) < len(parents) and len(wanted) <= _MANY:
        rows = rows.where(Message.id.in_(wanted))
    return [row for row in s.scalars(rows) if row.id in wanted]
