"""Paths through a conversation's tree: the one that is shown, its alternatives, and changing between them.

Whatever follows a message has a higher position than the message, so that positions order a path. A whole path is
walked here and not in the database: a thousand steps of a recursive query take longer than reading who hangs on whom.
For that alone there is an index with all it needs; the words are read of the messages that are shown.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import CTE, ColumnElement, bindparam, func, literal, or_, select, update
from sqlalchemy.orm import Session, aliased, defer

from services import errors
from services.store.threads import Conversation, Message

# So many parameters at once: more are a long statement.
_MANY: Final = 200


@dataclass(frozen=True, slots=True)
class Tree:
    """What hangs on what in a conversation, without a word of it.

    Attributes:
        parents: Of every message, in the order of positions.
        questions: Those that are a person's.
    """

    parents: Mapping[str, str | None]
    questions: Collection[str]

    def path(self, leaf_id: str | None) -> list[str]:
        """A message and those before it, the oldest first; however rows hang together, the way ends."""
        found: dict[str, None] = {}
        at = leaf_id
        while at is not None and at in self.parents and at not in found:
            found[at] = None
            at = self.parents[at]
        return list(found)[::-1]

    def newest_below(self, message_id: str) -> str:
        """The newest of all that follow a message; itself if nothing does.

        Raises:
            NotFound: It is not in this conversation.
        """
        if message_id not in self.parents:
            raise errors.NotFound("There is no such message.")
        newest, below = message_id, {message_id}
        for child, parent_id in self.parents.items():
            if parent_id in below:
                below.add(child)
                newest = child
        return newest

    def families(self) -> dict[str, list[str]]:
        """The siblings of every message that has some, itself included, the oldest first."""
        return _families(self.parents.items())


class Said(NamedTuple):
    """A message as far as what is asked next depends on it; `turn` is read of the last ones only."""

    id: str
    parent_id: str | None
    role: str
    content: str
    outcome: str | None
    extras: Mapping[str, Any] | None
    turn: Mapping[str, Any] | None = None


def _above() -> CTE:
    """A message, `last`, and those before it, `most` in all, by how many steps they are away."""
    above = (
        select(Message.id, Message.parent_id, literal(1).label("step"))
        .where(Message.id == bindparam("last"))
        .cte("above", recursive=True)
    )
    parent = aliased(Message)
    onwards = select(parent.id, parent.parent_id, above.c.step + 1).join(above, parent.id == above.c.parent_id)
    return above.union_all(onwards.where(above.c.step < bindparam("most")))


# Built once: every question asks for what was said before it, and building takes longer than the database does.
_ABOVE: Final = _above()
_PATH_TO: Final = select(Message).join(_ABOVE, Message.id == _ABOVE.c.id).order_by(_ABOVE.c.step)
_SAID: Final = (
    select(Message.id, Message.parent_id, Message.role, Message.content, Message.outcome, Message.extras)
    .join(_ABOVE, Message.id == _ABOVE.c.id)
    .order_by(_ABOVE.c.step)
)


def get(s: Session, user_id: int, conversation_id: str) -> Conversation:
    """One of the person's conversations.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    row = s.scalar(select(Conversation).where(Conversation.id == conversation_id, Conversation.user_id == user_id))
    if row is None:
        raise errors.NotFound("There is no such conversation.")
    return row


def tree(s: Session, conversation_id: str) -> Tree:
    """How a conversation's messages hang together; the caller checks whose it is."""
    of_it = select(Message.id, Message.parent_id, Message.role).where(Message.conversation_id == conversation_id)
    rows = s.execute(of_it.order_by(Message.position)).all()
    return Tree({row[0]: row[1] for row in rows}, {row[0] for row in rows if row[2] == "user"})


def rows(s: Session, ids: Sequence[str], *, turns: bool = True) -> list[Message]:
    """These messages, in this order, but for those that are no more; the caller checks whose they are.

    Args:
        s: An open session.
        ids: Which.
        turns: Whether `turn` is read, which is long: it says what each answer was given.
    """
    wanted = select(Message) if turns else select(Message).options(defer(Message.turn, raiseload=True))
    found: dict[str, Message] = {}
    for some in batches(ids):
        found |= {row.id: row for row in s.scalars(wanted.where(Message.id.in_(some)))}
    return [found[message_id] for message_id in ids if message_id in found]


def path(s: Session, user_id: int, conversation_id: str) -> list[Message]:
    """The messages of the path that is shown, the oldest first.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    head_id = get(s, user_id, conversation_id).head_id
    return [] if head_id is None else rows(s, tree(s, conversation_id).path(head_id))


def path_to(s: Session, message_id: str, limit: int) -> list[Message]:
    """A message and those before it on its path, `limit` in all, the oldest first; the caller checks whose it is."""
    return list(s.scalars(_PATH_TO, {"last": message_id, "most": limit}))[::-1]


def recent_messages(s: Session, conversation_id: str, limit: int) -> list[Message]:
    """The last messages of the path that is shown, the oldest of them first; the caller checks whose it is."""
    head_id = s.scalar(select(Conversation.head_id).where(Conversation.id == conversation_id))
    return [] if head_id is None else path_to(s, head_id, limit)


def said(s: Session, message_id: str, limit: int, *, turns: int = 0) -> list[Said]:
    """A message and those before it, `limit` in all, the oldest first; the caller checks whose it is.

    Args:
        s: An open session.
        message_id: The last one.
        limit: How many at most.
        turns: Of how many of them, from the last, `turn` is read.
    """
    found = s.execute(_SAID, {"last": message_id, "most": limit}).all()
    last = [row[0] for row in found[:turns]]
    known: dict[str, Any] = {}
    if last:
        known = {row[0]: row[1] for row in s.execute(select(Message.id, Message.turn).where(Message.id.in_(last)))}
    return [
        Said(row.id, row.parent_id, row.role, row.content, row.outcome, row.extras, known.get(row.id))
        for row in reversed(found)
    ]


def alternatives(s: Session, conversation_id: str) -> dict[str, list[str]]:
    """The siblings of every message that has some, itself included, the oldest first; the caller checks whose it is.

    A question's are the other questions in its place, an answer's are the other tries.
    """
    return tree(s, conversation_id).families()


def beside(s: Session, messages: Sequence[Message]) -> dict[str, list[str]]:
    """The same of a few messages of one conversation."""
    if not messages:
        return {}
    above = {row.parent_id for row in messages if row.parent_id is not None}
    place: ColumnElement[bool] = Message.parent_id.in_(above)
    if any(row.parent_id is None for row in messages):
        # Not IS NULL: an index leads from there to the first messages of everybody.
        place = or_(place, func.coalesce(Message.parent_id, "") == "")
    siblings = select(Message.id, Message.parent_id).where(
        Message.conversation_id == messages[0].conversation_id, place
    )
    return _families(s.execute(siblings.order_by(Message.position)).all())


def choose(s: Session, user_id: int, conversation_id: str, message_id: str) -> Conversation:
    """Show the path through a message, down to the newest that follows it.

    Raises:
        NotFound: The conversation or the message is unknown, or somebody else's.
    """
    get(s, user_id, conversation_id)
    newest = tree(s, conversation_id).newest_below(message_id)
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


def versions_of(s: Session, question: Message) -> list[str]:
    """The ids of a question and of all others in its place: the same one in other words, the oldest first."""
    above = func.coalesce(Message.parent_id, "") == (question.parent_id or "")
    own = select(Message.id).where(Message.conversation_id == question.conversation_id, Message.role == "user", above)
    return list(s.scalars(own.order_by(Message.position)))


def answers_to(s: Session, question_id: str) -> list[Message]:
    """The tries to answer a question, the oldest first; the caller checks whose it is."""
    tries = select(Message).where(Message.parent_id == question_id, Message.role == "assistant")
    return list(s.scalars(tries.order_by(Message.position)))


def _families(pairs: Iterable[Any]) -> dict[str, list[str]]:
    """Messages and their parents as families of those that have siblings."""
    families: dict[str | None, list[str]] = {}
    for message_id, parent_id in pairs:
        families.setdefault(parent_id, []).append(message_id)
    return {message_id: family for family in families.values() if len(family) > 1 for message_id in family}


def batches(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    """Ids in parts that a statement takes."""
    return (ids[start : start + _MANY] for start in range(0, len(ids), _MANY))
