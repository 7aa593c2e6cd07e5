"""The beginning of a turn: the question and its answer, as running, in their places of a conversation's tree.

Offered by conversations.py too, which is where callers look for it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.sql.dml import ReturningUpdate

from services import errors
from services.store import search
from services.store.base import insert_into, new_id, utc_now
from services.store.threads import Conversation, Message

# The parent of a question that is an alternative to the first one of its conversation.
ROOT: Final = ""
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
_MOVE_HEAD: Final = (
    update(_CONVERSATIONS).where(_CONVERSATIONS.c.id == bindparam("its")).values(head_id=bindparam("head"))
)


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
    new_conversation_id: str | None = None,
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
        new_conversation_id: The id of a new conversation, made by the caller with `new_id`, if it must be known before.
        now: The time, for tests.

    Raises:
        NotFound: The conversation, the parent, or the message to go on from, is unknown or somebody else's.
        StreamBusy: The client's name for what was to be new has been taken at this moment.
    """
    now = now or utc_now()
    added = 1 if question is None else 2
    fresh_id = new_conversation_id or new_id()
    conversation = _grown(s, user_id, assistant, client_name, conversation_id, fresh_id, title, added=added, now=now)
    if new_conversation_id not in (None, conversation.id):
        raise errors.StreamBusy
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
    set_committed_value(conversation, "head_id", message_id)
    search.add(s, user_id, conversation.id, said)
    return conversation


def _grown(
    s: Session,
    user_id: int,
    assistant: str,
    client_name: str | None,
    conversation_id: str | None,
    fresh_id: str,
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
        known = _grown_by_name(s, user_id, assistant, client_name, fresh_id, title, added, now)
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
    s: Session,
    user_id: int,
    assistant: str,
    client_name: str | None,
    fresh_id: str,
    title: str,
    added: int,
    now: datetime,
) -> Conversation | None:
    """The conversation with the client's name, or a new one; one made at this moment by another counts too."""
    by_name = {**_whose(user_id, assistant), "its": client_name, "by": added, "at": now}
    if client_name is not None:
        known = s.scalar(_GROW_BY_NAME, by_name)
        if known is not None:
            return known
    made = insert_into(s, Conversation).values(
        id=fresh_id,
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
