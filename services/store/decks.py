"""Decks: the flashcards and the quiz that were made from one answer, and how the quiz went.

A deck is stored before its cards are made, so that an answer's cards are made once however many ask, and
so that nothing is lost sight of when the process that makes them dies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ForeignKey, Index, Select, func, select, update
from sqlalchemy import delete as delete_from
from sqlalchemy.orm import Mapped, Session, mapped_column

from services import errors
from services.store.base import Base, Json, new_id
from services.store.cards import Card, is_due
from services.store.database import write_next
from services.store.threads import Conversation, Message

MAX_DECKS: Final = 500
# Decks of one person that may be in the making at once.
MAX_MAKING: Final = 2
ATTEMPTS_KEPT: Final = 20
# A deck that has been in the making for longer has lost whoever made it: making takes less (services/cards).
MAKING_AT_MOST: Final = timedelta(minutes=2)


class Deck(Base):
    """What was made from one answer.

    Attributes:
        message_id: The answer; None once it has been deleted. An answer has one deck at most.
        engine: Who made it: a model's name, or `built-in`.
        fallback: Whether the built-in engine stood in for a model.
        quiz: [{question, options, answer, why}]; `answer` is the index of the right option.
        points: What it cost.
        made_at: None while it is being made; such a deck is shown to nobody.
    """

    __tablename__ = "decks"
    __table_args__ = (Index(None, "user_id", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    message_id: Mapped[str | None] = mapped_column(ForeignKey("messages.id", ondelete="SET NULL"), unique=True)
    title: Mapped[str]
    engine: Mapped[str | None]
    fallback: Mapped[bool]
    quiz: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    points: Mapped[int]
    created_at: Mapped[datetime]
    made_at: Mapped[datetime | None]


class Attempt(Base):
    """One try at a deck's quiz; the latest `ATTEMPTS_KEPT` of each deck are kept.

    Attributes:
        chosen: The index of the option chosen for each question; None where none was.
    """

    __tablename__ = "quiz_attempts"
    __table_args__ = (Index(None, "deck_id", "id"), Index(None, "user_id"))

    id: Mapped[str] = mapped_column(primary_key=True)
    deck_id: Mapped[str] = mapped_column(ForeignKey("decks.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    chosen: Mapped[list[int | None]] = mapped_column(Json)
    right: Mapped[int]
    total: Mapped[int]
    created_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Source:
    """The answer that cards are made from.

    Attributes:
        text: All of it, with what it went on from.
        is_running: Whether it is still being written.
    """

    message_id: str
    conversation_id: str
    assistant: str
    question: str
    text: str
    is_running: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """A deck in a list, with how many cards it has and how many of them are due."""

    deck: Deck
    cards: int
    due: int


def source(s: Session, user_id: int, message_id: str) -> Source:
    """One of the person's answers.

    Raises:
        NotFound: Unknown, somebody else's, or no answer.
    """
    found = s.execute(
        select(Message, Conversation.assistant)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(Message.id == message_id, Message.role == "assistant", Conversation.user_id == user_id)
    ).one_or_none()
    if found is None:
        raise errors.NotFound("There is no such answer.")
    row, assistant = found
    turn = row.turn or {}
    return Source(
        message_id=row.id,
        conversation_id=row.conversation_id,
        assistant=assistant,
        question=str(turn.get("question") or ""),
        text=str(turn.get("partial") or "") + row.content,
        is_running=row.outcome is None,
    )


def of_message(s: Session, user_id: int, message_id: str) -> Deck | None:
    """The deck made from an answer, also one in the making."""
    return s.scalar(select(Deck).where(Deck.message_id == message_id, Deck.user_id == user_id))


def take_turn(s: Session, user_id: int) -> None:
    """Before the first query of a transaction that calls `begin`: one at a time for each person.

    What is counted there must not change before the deck is stored.
    """
    write_next(s, turn=f"decks of {user_id}")


def begin(s: Session, user_id: int, message_id: str, *, deck_id: str, title: str, now: datetime) -> None:
    """Note that cards are being made from an answer that has no deck; whose it is has been checked.

    Raises:
        Conflict: They are being made at this moment (`CARDS_BUSY`), or the person has too many decks.
        LimitReached: Too many of the person's decks are in the making.
    """
    abandoned = delete_from(Deck).where(
        Deck.user_id == user_id, Deck.made_at.is_(None), Deck.created_at < now - MAKING_AT_MOST
    )
    s.execute(abandoned)
    if of_message(s, user_id, message_id) is not None:
        raise errors.Conflict("Cards are being made from this answer already.", code="CARDS_BUSY", retry_after_s=5)
    own = select(func.count()).select_from(Deck).where(Deck.user_id == user_id)
    if (s.scalar(own) or 0) >= MAX_DECKS:
        raise errors.Conflict(
            f"You have {MAX_DECKS} decks, which is as many as one may have. Delete one first.",
            code="TOO_MANY_DECKS",
            extra={"limit": MAX_DECKS, "current": MAX_DECKS},
        )
    making = s.scalar(own.where(Deck.made_at.is_(None))) or 0
    if making >= MAX_MAKING:
        raise errors.LimitReached(
            f"Cards are being made from {making} of your answers. Wait for one of them.",
            retry_after_s=5,
            extra={"limit": MAX_MAKING, "current": making},
        )
    s.add(
        Deck(
            id=deck_id,
            user_id=user_id,
            message_id=message_id,
            title=title,
            engine=None,
            fallback=False,
            quiz=[],
            points=0,
            created_at=now,
            made_at=None,
        )
    )
    s.flush()


def finish(
    s: Session,
    deck_id: str,
    *,
    cards: Sequence[tuple[str, str]],
    quiz: Sequence[dict[str, Any]],
    engine: str,
    fallback: bool,
    points: int,
    now: datetime,
) -> Deck | None:
    """Store what was made; None if the deck has been given up meanwhile, and nothing was stored."""
    made = (
        update(Deck)
        .where(Deck.id == deck_id, Deck.made_at.is_(None))
        .values(quiz=list(quiz), engine=engine, fallback=fallback, points=points, made_at=now)
        .returning(Deck)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    deck = s.scalar(made)
    if deck is None:
        return None
    s.add_all(
        Card(
            id=new_id(),
            deck_id=deck_id,
            user_id=deck.user_id,
            position=position,
            front=front,
            back=back,
            state=1,
            step=0,
            stability=None,
            difficulty=None,
            due=now,
            last_review=None,
            reps=0,
            lapses=0,
            created_at=now,
        )
        for position, (front, back) in enumerate(cards)
    )
    s.flush()
    return deck


def give_up(s: Session, deck_id: str) -> bool:
    """Forget a deck in the making; whether it was one."""
    gone = delete_from(Deck).where(Deck.id == deck_id, Deck.made_at.is_(None)).returning(Deck.id)
    return s.scalar(gone) is not None


def listing(
    s: Session, user_id: int, *, now: datetime, day_end: datetime, before: str | None = None, limit: int = 50
) -> list[Listed]:
    """The person's decks, the newest first.

    Args:
        before: A deck's id: only those that come after it in this order (the next page).
    """
    wanted = select(Deck).where(Deck.user_id == user_id, Deck.made_at.is_not(None))
    if before is not None:
        wanted = wanted.where(Deck.id < before)
    found = list(s.scalars(wanted.order_by(Deck.id.desc()).limit(limit)))
    ids = [deck.id for deck in found]
    of_them = select(Card.deck_id, func.count()).where(Card.user_id == user_id, Card.deck_id.in_(ids))
    counted = _by_deck(s, of_them)
    due = _by_deck(s, of_them.where(is_due(now, day_end)))
    return [Listed(deck, counted.get(deck.id, 0), due.get(deck.id, 0)) for deck in found]


def get(s: Session, user_id: int, deck_id: str) -> Deck:
    """One of the person's decks.

    Raises:
        NotFound: Unknown, somebody else's, or still in the making.
    """
    row = s.scalar(select(Deck).where(Deck.id == deck_id, Deck.user_id == user_id, Deck.made_at.is_not(None)))
    if row is None:
        raise errors.NotFound("There is no such deck.")
    return row


def everything(s: Session, user_id: int) -> list[Deck]:
    """All of the person's decks, the oldest first; there are `MAX_DECKS` at most."""
    own = select(Deck).where(Deck.user_id == user_id, Deck.made_at.is_not(None))
    return list(s.scalars(own.order_by(Deck.id)))


def rename(s: Session, user_id: int, deck_id: str, title: str) -> Deck:
    """Give a deck another title.

    Raises:
        NotFound: Unknown, somebody else's, or still in the making.
    """
    row = get(s, user_id, deck_id)
    row.title = title
    s.flush()
    return row


def delete(s: Session, user_id: int, deck_id: str) -> None:
    """Delete a deck with its cards, their reviews and its quiz.

    Raises:
        NotFound: Unknown, somebody else's, or still in the making.
    """
    own = delete_from(Deck).where(Deck.id == deck_id, Deck.user_id == user_id, Deck.made_at.is_not(None))
    if s.scalar(own.returning(Deck.id)) is None:
        raise errors.NotFound("There is no such deck.")


def add_attempt(
    s: Session, user_id: int, deck_id: str, *, chosen: Sequence[int | None], right: int, total: int, now: datetime
) -> Attempt:
    """Keep a try at the quiz of a deck that the caller has checked to be the person's."""
    row = Attempt(
        id=new_id(), deck_id=deck_id, user_id=user_id, chosen=list(chosen), right=right, total=total, created_at=now
    )
    s.add(row)
    s.flush()
    older = select(Attempt.id).where(Attempt.deck_id == deck_id).order_by(Attempt.id.desc())
    newest_gone = s.scalar(older.offset(ATTEMPTS_KEPT).limit(1))
    if newest_gone is not None:
        s.execute(delete_from(Attempt).where(Attempt.deck_id == deck_id, Attempt.id <= newest_gone))
    return row


def attempts(s: Session, user_id: int, deck_id: str) -> list[Attempt]:
    """The tries at a deck's quiz, the latest first."""
    own = select(Attempt).where(Attempt.deck_id == deck_id, Attempt.user_id == user_id)
    return list(s.scalars(own.order_by(Attempt.id.desc())))


def _by_deck(s: Session, counts: Select[str, int]) -> dict[str, int]:
    return {row[0]: row[1] for row in s.execute(counts.group_by(Card.deck_id))}
