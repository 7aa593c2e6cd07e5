"""A conversation as its page shows it: questions with their answers along the path that is chosen.

One shape for all assistants; templates/components/_turn.html shows it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from flask import request

from blueprints import todo_undoing
from blueprints.addresses import live
from blueprints.conversations import load
from blueprints.dialects.answers import Answer, stored_answer
from blueprints.dialects.chapters import Telling, stored_chapter, telling_of
from blueprints.dialects.evidence import stored_evidence
from blueprints.dialects.steps import stored_steps
from blueprints.extensions import services
from blueprints.stored import begun_answers_of
from services import errors
from services.store import conversations
from services.store.conversations import Conversation, Message
from services.store.database import Session
from services.store.feedback import Feedback
from services.store.windows import Place, Side

_PAGES: Final = {
    "study": "/study/{id}",
    "search": "/search/{id}",
    "todos": "/todos?session={id}",
    "stories": "/stories/{id}",
}
_GONE: Final = "The answer did not come to its end."
Families = Mapping[str, Sequence[str]]
# A turn begins at most so many messages before its end: a question, and its answer continued again and again.
_NEAR: Final = 12
# So many turns are shown at once: the newest, unless the request names a message to begin from or to end before.
SHOWN: Final = 40


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
        page_url: Where the conversation is read; empty where the page is another's, as a problem's.
        id: Of its first message.
        earlier: How many turns stand before the first that is shown; 0 in all others.
        later: How many stand after the last that is shown; 0 in all others.
        is_aside: Whether it is shown on a path that is not the conversation's own.
        is_meant: Whether it is the one that the request named.
        base_ids: Where a search looked; none: everywhere.
        parts: Of an answer that was continued, what its earlier parts did, each as an answer of its own.
        telling: What a chapter of a story was asked for with; None for all else.
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
    id: str = ""
    earlier: int = 0
    later: int = 0
    is_aside: bool = False
    is_meant: bool = False
    base_ids: Sequence[str] = ()
    parts: Sequence[Answer] = ()
    telling: Telling | None = None

    @property
    def is_past(self) -> bool:
        """Whether what is asked next would not stand below it: it is not the end of what is shown by itself."""
        return bool(self.later or self.is_aside)


def of_conversation(user_id: int, conversation_id: str) -> tuple[Conversation, list[TurnView]]:
    """A conversation and some turns of its path, the oldest first. Whoever is shown it has seen it.

    The last ones, or those that the request names by a message: `?before=`, `?after=` or `?at=`.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    place = _place()
    part = load(user_id, conversation_id, place, SHOWN)
    services().database.run(conversations.seen, user_id, conversation_id)
    turns = _turns(
        part.conversation, part.messages, part.families, part.opinions, part.bookmarked, last=len(part.messages)
    )
    if not turns:
        return part.conversation, []
    turns = _as_known(user_id, turns)
    turns = [replace(turn, is_aside=part.window.is_aside) for turn in turns]
    turns[0] = replace(turns[0], earlier=part.window.earlier)
    turns[-1] = replace(turns[-1], later=part.window.later)
    if place.side != "at":
        return part.conversation, turns
    order = {row.id: number for number, row in enumerate(part.messages)}
    meant = max(number for number, turn in enumerate(turns) if order[turn.id] <= order[place.message_id])
    turns[meant] = replace(turns[meant], is_meant=True)
    return part.conversation, turns


def _place() -> Place:
    asked: Sequence[Side] = ("at", "before", "after")
    return next((Place(side, request.args[side]) for side in asked if request.args.get(side)), Place())


def of_stream(user_id: int, stream_id: str) -> TurnView:
    """The turn whose answer a stream tells, also one that another request is starting at this moment.

    Raises:
        NotFound: Unknown, somebody else's, or refused in the end.
        Unavailable: It is still being stored.
    """
    begun_answers_of(user_id, stream_id)
    conversation, messages, families = services().database.run(_latest, user_id, stream_id)
    shown = _turns(conversation, messages, families, {}) if conversation else []
    if not shown:
        raise errors.NotFound("Stream not found")
    return _as_known(user_id, shown[-1:])[0]


def _as_known(user_id: int, turns: Sequence[TurnView]) -> list[TurnView]:
    """Turns whose steps are told as the todo list knows them now."""
    told = [answer for turn in turns for answer in (*turn.parts, turn.answer) if answer is not None]
    if not any(answer.steps.all for answer in told):
        return list(turns)
    known = iter(todo_undoing.known(user_id, told))
    return [
        replace(turn, parts=[next(known) for _ in turn.parts], answer=next(known) if turn.answer else None)
        for turn in turns
    ]


def _latest(session: Session, user_id: int, stream_id: str) -> tuple[Conversation | None, list[Message], Families]:
    rows = conversations.by_stream(session, user_id, stream_id)
    if not rows:
        return None, [], {}
    conversation = conversations.get(session, user_id, rows[-1].conversation_id)
    messages = conversations.path_to(session, rows[-1].id, _NEAR)
    return conversation, messages, conversations.beside(session, messages)


def _turns(
    conversation: Conversation,
    messages: Sequence[Message],
    families: Families,
    opinions: Mapping[str, Feedback],
    bookmarked: Collection[str] = (),
    *,
    last: int = 1,
) -> list[TurnView]:
    """The last questions with their answers. A continued answer is shown as one, by its last part."""
    question: Message | None = None
    found: list[tuple[Message | None, Message, Sequence[Message]]] = []
    parts: list[Message] = []
    for row, after in zip(messages, [*messages[1:], None], strict=True):
        if row.role == "user":
            question, parts = row, []
            continue
        if after is not None and after.continues_id == row.id:
            parts.append(row)
            continue
        found.append((question, row, parts))
        question, parts = None, []
    return [
        _turn(conversation, *parts, families, opinions.get(parts[1].id), is_bookmarked=parts[1].id in bookmarked)
        for parts in found[-last:]
    ]


def _turn(
    conversation: Conversation,
    question: Message | None,
    row: Message,
    parts: Sequence[Message],
    families: Families,
    opinion: Feedback | None,
    *,
    is_bookmarked: bool,
) -> TurnView:
    """One turn; `parts` are the earlier ones of an answer that was continued."""
    first = parts[0].id if parts else row.id
    earlier = [answer_of(conversation, part) for part in parts]
    facts = (row.turn or {}).get("facts") or {}
    files = [item for item in facts.get("media") or () if item.get("is_new", True)]
    return TurnView(
        conversation_id=conversation.id,
        assistant=conversation.assistant,
        question=question.content if question else None,
        id=question.id if question else first,
        question_id=question.id if question else "",
        answer_id=row.id,
        answer=None if row.outcome is None else answer_of(conversation, row, opinion, is_bookmarked=is_bookmarked),
        live=live(row.stream_id or "") if row.outcome is None else None,
        files=files,
        question_versions=_versions(families, question.id) if question else None,
        answer_versions=_versions(families, first) or _versions(families, row.id),
        hint_level=facts.get("hint_level"),
        page_url=page_url(conversation),
        base_ids=facts.get("base_ids") or (),
        parts=[answer for answer in earlier if answer.steps.shown],
        telling=telling_of(facts) if conversation.assistant == "stories" else None,
    )


def _versions(families: Families, message_id: str) -> Versions | None:
    family = families.get(message_id)
    if not family:
        return None
    at = family.index(message_id)
    previous, following = family[at - 1] if at else "", family[at + 1] if at + 1 < len(family) else ""
    return Versions(at + 1, len(family), previous, following)


def page_url(conversation: Conversation) -> str:
    """Where a person reads this conversation."""
    return _PAGES[conversation.assistant].format(id=conversation.id) if conversation.assistant in _PAGES else ""


def answer_of(
    conversation: Conversation, row: Message, opinion: Feedback | None = None, *, is_bookmarked: bool = False
) -> Answer:
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
        points=extras.get("points_cost", (row.usage or {}).get("points_cost")),
        summary=_summary(extras),
        conversation_id=conversation.id,
        evidence=stored_evidence(extras),
        steps=stored_steps(extras, today=row.created_at.date()),
        chapter=stored_chapter(extras),
        feedback={"value": opinion.value, "reason": opinion.reason} if opinion else {},
        bookmarked=is_bookmarked,
        took_s=(row.finished_at - row.created_at).total_seconds() if row.finished_at else None,
    )


def _summary(extras: Mapping[str, Any]) -> str:
    told = [event["content"] for event in extras.get("message", []) if event.get("kind") == "summary"]
    return str(told[-1]) if told else ""
