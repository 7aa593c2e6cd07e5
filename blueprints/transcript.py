"""A conversation as its page shows it: questions with their answers along the path that is chosen.

One shape for all assistants; templates/components/_turn.html shows it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from blueprints.addresses import live
from blueprints.conversations import load
from blueprints.dialects.answers import Answer, stored_answer
from blueprints.extensions import services
from services.store import conversations
from services.store.conversations import Conversation, Message
from services.store.database import Session

_GONE: Final = "The answer did not come to its end."
# A turn begins at most so many messages before its end: a question, and its answer continued again and again.
_NEAR: Final = 12


@dataclass(frozen=True, slots=True)
class Versions:
    """Which of several questions or answers is shown; `previous` and `next` are ids to choose, empty at the ends."""

    number: int
    count: int
    previous: str
    next: str


@dataclass(frozen=True, slots=True)
class TurnView:
    """A question and its answer.

    Attributes:
        question: None if an answer stands alone.
        files: What was attached: {id, name, kind}.
        answer: An answer that has ended; None while it runs.
        live: As `addresses.live`; None if it has ended.
        asks_again: What is posted to ask the same afresh: names and values.
    """

    conversation_id: str
    assistant: str
    question: str | None
    question_id: str = ""
    answer_id: str = ""
    answer: Answer | None = None
    live: Mapping[str, str] | None = None
    files: Sequence[Mapping[str, Any]] = ()
    question_versions: Versions | None = None
    answer_versions: Versions | None = None
    hint_level: int | None = None
    page_url: str = ""


def of_conversation(user_id: int, conversation_id: str) -> tuple[Conversation, list[TurnView]]:
    """A conversation and its turns along the chosen path, the oldest first.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    conversation, messages = load(user_id, conversation_id)
    return conversation, turns(conversation, messages)


def of_stream(user_id: int, stream_id: str) -> TurnView | None:
    """The turn whose answer a stream tells, if it is the last of its path; None if there is none."""
    conversation, messages = services().database.run(_latest, user_id, stream_id)
    shown = turns(conversation, messages) if conversation else []
    return shown[-1] if shown else None


def _latest(session: Session, user_id: int, stream_id: str) -> tuple[Conversation | None, list[Message]]:
    rows = conversations.by_stream(session, user_id, stream_id)
    if not rows:
        return None, []
    conversation = conversations.get(session, user_id, rows[-1].conversation_id)
    return conversation, conversations.recent_messages(session, conversation.id, _NEAR)


def turns(conversation: Conversation, messages: Sequence[Message]) -> list[TurnView]:
    """Questions with their answers. A continued answer is shown as one, by its last part."""
    continued = {row.continues_id for row in messages if row.continues_id}
    question: Message | None = None
    result = []
    for row in messages:
        if row.role == "user":
            question = row
        elif row.id not in continued:
            result.append(_turn(conversation, question, row))
            question = None
    return result


def _turn(conversation: Conversation, question: Message | None, row: Message) -> TurnView:
    facts = (row.turn or {}).get("facts") or {}
    return TurnView(
        conversation_id=conversation.id,
        assistant=conversation.assistant,
        question=question.content if question else None,
        question_id=question.id if question else "",
        answer_id=row.id,
        answer=None if row.outcome is None else answer_of(conversation, row),
        live=live(row.stream_id or "") if row.outcome is None else None,
        files=[item for item in facts.get("media") or () if isinstance(item, Mapping)],
        hint_level=facts.get("hint_level"),
        page_url=page_url(conversation),
    )


def page_url(conversation: Conversation) -> str:
    """Where a person reads this conversation."""
    return f"/{conversation.assistant}/{conversation.id}" if conversation.assistant == "study" else ""


def answer_of(conversation: Conversation, row: Message) -> Answer:
    """A stored answer that has ended, as a page shows it."""
    turn, extras = row.turn or {}, row.extras or {}
    facts = turn.get("facts") or {}
    return stored_answer(
        row.stream_id or row.id,
        (turn.get("partial") or "") + row.content,
        outcome=row.outcome or "",
        engine=row.engine or "",
        fallback=row.fallback,
        hint_level=facts.get("hint_level"),
        tests=[test for event in extras.get("tests", []) for test in event["tests"]],
        sources=extras.get("citation", []),
        error={"code": row.error_code, "message": _GONE, "retryable": True} if row.error_code else None,
        finish_reason=row.finish_reason,
        message_id=row.id,
        assistant=conversation.assistant,
        cached=bool(facts.get("cached")),
        usage=row.usage or {},
        points=extras.get("points_cost"),
        took_s=(row.finished_at - row.created_at).total_seconds() if row.finished_at else None,
    )
