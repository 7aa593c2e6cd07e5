"""What people think of answers: up or down, and why."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete as delete_from
from sqlalchemy import select
from sqlalchemy.orm import Session

from services import errors
from services.store import paths
from services.store.base import insert_into, utc_now
from services.store.threads import Feedback, Message

__all__ = ["Feedback", "of_conversations", "of_messages", "put", "remove"]


def put(
    s: Session, user_id: int, message_id: str, *, value: str, reason: str = "", now: datetime | None = None
) -> Feedback:
    """Note what the person thinks of an answer of theirs, in place of what they thought before.

    Raises:
        NotFound: Unknown, somebody else's, or no answer.
    """
    _check(s, user_id, message_id)
    values = {"value": value, "reason": reason, "created_at": now or utc_now()}
    noted = insert_into(s, Feedback).values(message_id=message_id, **values)
    put_or_changed = noted.on_conflict_do_update(index_elements=["message_id"], set_=values).returning(Feedback)
    return s.scalars(put_or_changed, execution_options={"populate_existing": True}).one()


def remove(s: Session, user_id: int, message_id: str) -> None:
    """Forget what the person thinks of an answer of theirs, if anything.

    Raises:
        NotFound: Unknown, somebody else's, or no answer.
    """
    _check(s, user_id, message_id)
    s.execute(delete_from(Feedback).where(Feedback.message_id == message_id))


def of_messages(s: Session, message_ids: Sequence[str]) -> dict[str, Feedback]:
    """What is thought of these answers; the caller checks whose they are."""
    found: dict[str, Feedback] = {}
    for some in paths.batches(message_ids):
        rows = s.scalars(select(Feedback).where(Feedback.message_id.in_(some)))
        found |= {row.message_id: row for row in rows}
    return found


def of_conversations(s: Session, conversation_ids: Sequence[str]) -> dict[str, Feedback]:
    """What is thought of the answers of conversations, by message; the caller checks whose they are."""
    theirs = select(Feedback).join(Message, Message.id == Feedback.message_id)
    return {row.message_id: row for row in s.scalars(theirs.where(Message.conversation_id.in_(conversation_ids)))}


def _check(s: Session, user_id: int, message_id: str) -> None:
    message, _ = paths.message(s, user_id, message_id)
    if message.role != "assistant":
        raise errors.NotFound("There is no such answer.")
