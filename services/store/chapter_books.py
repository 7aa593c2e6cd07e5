"""The books of chapters: begun with their turn, completed with their answer, also long after a kill.

Both run in the transaction of whoever stores or settles an answer. Beginning may refuse; completing must not, whatever
an answer told: what does not fit is left out.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services import errors
from services.store import child_days, children, conversations, users
from services.store.base import utc_now
from services.store.chapters import COMPLETED, ChapterRow
from services.store.stories import UNKNOWN, StoryRow
from services.store.story_reviews import ReviewRow
from services.store.threads import Conversation, Message

LENGTHS: Final = ("short", "medium", "long")
_MAX_LINE: Final = 500
_MAX_RECAP: Final = 4_000
_MAX_LIST: Final = 20
_MAX_MINUTES: Final = 999
_MAX_MS: Final = 86_400_000
_LEVELS: Final = frozenset({"beginner", "intermediate", "advanced"})
# What is checked by whom, in this order.
_CHECKERS: Final = ("rules", "model")


@dataclass(frozen=True, slots=True)
class Told:
    """How an answer ended, as far as a chapter is concerned.

    Attributes:
        text: All of it, with what it went on from.
        extras: What it told besides: events' data by their name.
    """

    message_id: str
    text: str
    outcome: str
    error_code: str | None
    engine: str
    fallback: bool
    usage: Mapping[str, Any]
    extras: Mapping[str, Sequence[Mapping[str, Any]]]


def begin(
    s: Session, user_id: int, story_id: str, message_id: str, facts: Mapping[str, Any], *, now: datetime | None = None
) -> None:
    """Store a chapter as running, its story with the first one, and count it for the child's day.

    What is tried again, or goes on where it stopped, stands in the same place, and is not counted again.

    Args:
        story_id: The conversation, which holds the message already.
        facts: Of its turn: child_id, theme, title, choice, idea, bedtime, is_last, length.

    Raises:
        NotFound: The child is no more, or the story is of another one.
        DayLimit: The child has had its chapters of this day.
    """
    now = now or utc_now()
    child = children.held(s, user_id, int(facts["child_id"]))
    message = s.get_one(Message, message_id)
    _story(s, user_id, story_id, child.id, facts, now)
    place_id, parent_id = _place(s, message)
    earlier = s.execute(
        select(ChapterRow.number, ChapterRow.parent_id)
        .where(ChapterRow.place_id == place_id, ChapterRow.story_id == story_id)
        .limit(1)
    ).one_or_none()
    if earlier is not None:
        number, parent_id = earlier
    else:
        before = s.scalar(select(ChapterRow.number).where(ChapterRow.id == parent_id)) if parent_id else None
        number, parent_id = (1, None) if before is None else (before + 1, parent_id)
        user = users.by_id(s, user_id)
        child_days.take(s, child, now, user.zone if user else "UTC")
    s.add(
        ChapterRow(
            id=message_id,
            user_id=user_id,
            story_id=story_id,
            place_id=place_id,
            parent_id=parent_id,
            number=number,
            theme=_line(facts.get("theme")),
            choice=_line(facts.get("choice")),
            idea=_line(facts.get("idea")),
            bedtime=bool(facts.get("bedtime")),
            counted=earlier is None,
            stream_id=message.stream_id or "",
            is_last=bool(facts.get("is_last")),
            created_at=now,
            **_UNTOLD,
        )
    )
    s.flush()


# What nobody knows of a chapter before it is told.
_UNTOLD: Final[Mapping[str, Any]] = {
    "fallback": False,
    "title": "",
    "choices": [],
    "choice_question": "",
    "recap": "",
    "educational_elements": [],
    "checked_by": [],
    "withheld": 0,
    "memory": {},
    "text": "",
}


def ended(s: Session, told: Told, *, now: datetime | None = None) -> None:
    """Complete a chapter with all that its answer told; one that was deleted meanwhile stays so."""
    now = now or utc_now()
    row = s.get(ChapterRow, told.message_id)
    if row is None:
        return
    row.text = told.text
    row.outcome = told.outcome
    row.error_code = told.error_code
    row.engine = told.engine or None
    row.fallback = told.fallback
    row.finished_at = now
    withheld = select(func.count()).select_from(ReviewRow).where(ReviewRow.chapter_id == row.id)
    row.withheld = s.scalar(withheld) or 0
    _put_checks(row, told)
    _put_figures(row, told, now)
    _put_message(row, told)
    _put_story(s, row, now)
    s.flush()


def _story(s: Session, user_id: int, story_id: str, child_id: int, facts: Mapping[str, Any], now: datetime) -> None:
    """The chapter's story, made with its first one."""
    row = s.get(StoryRow, story_id)
    if row is not None and (row.child_id != child_id or row.user_id != user_id):
        raise errors.NotFound(UNKNOWN)
    if row is not None:
        row.updated_at = now
        return
    title = s.scalar(select(Conversation.title).where(Conversation.id == story_id))
    length = str(facts.get("length") or "")
    s.add(
        StoryRow(
            id=story_id,
            user_id=user_id,
            child_id=child_id,
            theme=_line(facts.get("theme")),
            length=length if length in LENGTHS else "medium",
            own_title=None if facts.get("title") else title,
            told=0,
            recap="",
            ended_at=None,
            created_at=now,
            updated_at=now,
        )
    )
    s.flush()


def _place(s: Session, message: Message) -> tuple[str, str | None]:
    """Where an answer stands: the question that it is to, also through those it continues, and what was before that."""
    if message.continues_id is not None:
        found = s.execute(
            select(ChapterRow.place_id, ChapterRow.parent_id).where(ChapterRow.id == message.continues_id)
        ).one_or_none()
        if found is not None:
            return found[0], found[1]
    asked = conversations.question_of(s, message.id)
    return (message.id, None) if asked is None else (asked.id, asked.parent_id)


def _put_checks(row: ChapterRow, told: Told) -> None:
    checks = [one for one in told.extras.get("check") or () if isinstance(one, Mapping)]
    by = {name for one in checks for name in one.get("checked_by") or () if isinstance(name, str)}
    row.checked_by = [name for name in _CHECKERS if name in by]
    approved = [one.get("score") for one in checks if one.get("status") == "approved"]
    score = _number(approved[-1]) if approved else None
    row.safety_score = None if score is None else min(max(score, 0.0), 1.0)


def _put_figures(row: ChapterRow, told: Told, now: datetime) -> None:
    """How long it took: by what the answer measured itself, else by the clocks here."""
    figures = _last(told.extras, "figures")
    first_s = _number(told.usage.get("first_token_s"))
    row.first_chunk_ms = _whole(figures.get("first_piece_ms"), _MAX_MS)
    if row.first_chunk_ms is None and first_s:
        row.first_chunk_ms = _whole(first_s * 1000, _MAX_MS)
    row.duration_ms = _whole(figures.get("duration_ms"), _MAX_MS)
    # A killed worker's answer is settled whenever somebody looks: nobody knows how long it took.
    if row.duration_ms is None and told.outcome != "interrupted":
        row.duration_ms = _whole((now - row.created_at).total_seconds() * 1000, _MAX_MS)


def _put_message(row: ChapterRow, told: Told) -> None:
    """What the answer said of itself; only one that came to its end has said it all."""
    said = _last(told.extras, "chapter")
    row.title = _line(said.get("title"))
    row.reading_minutes = _whole(said.get("estimated_reading_time"), _MAX_MINUTES)
    level = said.get("vocabulary_level")
    row.vocabulary_level = level if isinstance(level, str) and level in _LEVELS else None
    row.grade = _number(said.get("grade"))
    row.words = _whole(said.get("words"), 1_000_000) or len(told.text.split())
    row.educational_elements = _lines(said.get("educational_elements"))
    if told.outcome != COMPLETED:
        return
    row.choices = _lines(said.get("choices"))
    row.choice_question = _line(said.get("choice_question"))
    row.recap = str(said.get("recap") or "")[:_MAX_RECAP]
    row.is_last = bool(said.get("is_last", row.is_last))
    memory = said.get("memory", _last(told.extras, "memory").get("memory"))
    row.memory = dict(memory) if isinstance(memory, Mapping) else {}


def _put_story(s: Session, row: ChapterRow, now: datetime) -> None:
    story = s.get(StoryRow, row.story_id)
    if story is None:
        return
    story.updated_at = now
    if row.outcome != COMPLETED:
        return
    story.told = max(story.told, row.number)
    story.recap = row.recap or story.recap
    if row.is_last:
        story.ended_at = story.ended_at or now
    _put_title(s, story, row)


def _put_title(s: Session, story: StoryRow, row: ChapterRow) -> None:
    """Call a story as its first chapter is called, told again too, unless a person has given it a name."""
    if story.own_title is None or not row.title or row.number != 1:
        return
    title = s.scalar(select(Conversation.title).where(Conversation.id == story.id))
    if title != story.own_title:
        story.own_title = None
        return
    conversations.rename(s, story.user_id, story.id, row.title)
    story.own_title = row.title


def _last(extras: Mapping[str, Sequence[Mapping[str, Any]]], kind: str) -> Mapping[str, Any]:
    """The last message of a kind; empty if there is none."""
    found = [one for one in extras.get("message") or () if isinstance(one, Mapping) and one.get("kind") == kind]
    return found[-1] if found else {}


def _line(value: Any) -> str:
    return value[:_MAX_LINE] if isinstance(value, str) else ""


def _lines(values: Any) -> list[str]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        return []
    return [_line(value) for value in values if isinstance(value, str) and value][:_MAX_LIST]


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _whole(value: Any, most: int) -> int | None:
    number = _number(value)
    return None if number is None else round(min(max(number, 0), most))
