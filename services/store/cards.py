"""Flashcards: what is asked, what is answered, and when each is due. Their decks are decks.py's.

A card's schedule (state, step, stability, difficulty) is FSRS's, computed by services/cards; here it is only kept.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, ForeignKey, Index, UniqueConstraint, func, or_, select, update
from sqlalchemy import delete as delete_from
from sqlalchemy.orm import Mapped, Session, mapped_column

from services import errors
from services.store.base import Base, new_id

# FSRS' state of a card that has left its first steps: it is due on a day, not at a minute.
ON_A_DAY: Final = 2
# What is kept of a card's past.
REVIEWS_KEPT: Final = 50


class Card(Base):
    """One flashcard.

    Attributes:
        position: From 0; its place in the deck.
        state: FSRS': 1 learning (new cards too), 2 review, 3 relearning.
        step: Which of the first steps it is on; None in review.
        stability: Days until it is remembered with a probability of 0.9; None before the first review.
        difficulty: 1 to 10; None before the first review.
        reps: How often it was reviewed; what a reviewer has seen of it, so that no review counts twice.
        lapses: How often it was forgotten after it had been learnt.
    """

    __tablename__ = "cards"
    __table_args__ = (
        UniqueConstraint("deck_id", "position"),
        Index(None, "user_id", "due", "id"),
        Index(None, "user_id", "deck_id", "state", "due"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    deck_id: Mapped[str] = mapped_column(ForeignKey("decks.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    position: Mapped[int]
    front: Mapped[str]
    back: Mapped[str]
    state: Mapped[int]
    step: Mapped[int | None]
    stability: Mapped[float | None]
    difficulty: Mapped[float | None]
    due: Mapped[datetime]
    last_review: Mapped[datetime | None]
    reps: Mapped[int]
    lapses: Mapped[int]
    created_at: Mapped[datetime]


class Review(Base):
    """One review of one card; the latest `REVIEWS_KEPT` of each card are kept."""

    __tablename__ = "reviews"
    __table_args__ = (Index(None, "card_id", "id"), Index(None, "user_id", "reviewed_at"))

    id: Mapped[str] = mapped_column(primary_key=True)
    card_id: Mapped[str] = mapped_column(ForeignKey("cards.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    rating: Mapped[int]
    reviewed_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Where a card stands with FSRS, and when it is due."""

    state: int
    step: int | None
    stability: float | None
    difficulty: float | None
    due: datetime
    last_review: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a person's reviews stand.

    Attributes:
        due: Cards to review now.
        total: All cards.
        next_due: When the next card that is not due yet will be; None if there is none.
        reviewed: Reviews since the day began.
    """

    due: int
    total: int
    next_due: datetime | None
    reviewed: int


def get(s: Session, user_id: int, card_id: str) -> Card:
    """One of the person's cards.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    row = s.scalar(select(Card).where(Card.id == card_id, Card.user_id == user_id))
    if row is None:
        raise errors.NotFound("There is no such card.")
    return row


def listing(
    s: Session, user_id: int, *, deck_id: str | None = None, after: str | None = None, limit: int = 100
) -> list[Card]:
    """The person's cards, the oldest first; of one deck if named.

    Args:
        after: A card's id: only those that come after it (the next page).
    """
    wanted = select(Card).where(Card.user_id == user_id)
    if deck_id is not None:
        wanted = wanted.where(Card.deck_id == deck_id)
    if after is not None:
        wanted = wanted.where(Card.id > after)
    return list(s.scalars(wanted.order_by(Card.id).limit(limit)))


def due(
    s: Session, user_id: int, *, now: datetime, day_end: datetime, deck_id: str | None = None, limit: int = 100
) -> list[Card]:
    """The cards to review, the longest due first; see `is_due`."""
    wanted = select(Card).where(Card.user_id == user_id, is_due(now, day_end))
    if deck_id is not None:
        wanted = wanted.where(Card.deck_id == deck_id)
    return list(s.scalars(wanted.order_by(Card.due, Card.id).limit(limit)))


def standing(
    s: Session,
    user_id: int,
    *,
    now: datetime,
    day_start: datetime,
    day_end: datetime,
    deck_id: str | None = None,
) -> Standing:
    """How many cards are due, how many there are, when the next one will be; of one deck if named."""
    own = [Card.user_id == user_id]
    if deck_id is not None:
        own.append(Card.deck_id == deck_id)
    counted = select(func.count()).select_from(Card)
    later = select(func.min(Card.due)).where(*own, Card.due > now, ~is_due(now, day_end))
    done = select(func.count()).select_from(Review)
    return Standing(
        due=s.scalar(counted.where(*own, is_due(now, day_end))) or 0,
        total=s.scalar(counted.where(*own)) or 0,
        next_due=s.scalar(later),
        reviewed=s.scalar(done.where(Review.user_id == user_id, Review.reviewed_at >= day_start)) or 0,
    )


def review(
    s: Session, user_id: int, card_id: str, *, seen_reps: int, rating: int, lapsed: bool, after: Schedule, now: datetime
) -> Card:
    """Keep a review and the card's new schedule, unless the card has been reviewed since it was read.

    Args:
        seen_reps: The card's `reps` when `after` was computed.
        rating: 1 again, 2 hard, 3 good, 4 easy.
        lapsed: Whether the card had been learnt and was forgotten.

    Raises:
        NotFound: Unknown, or somebody else's.
        Conflict: Code `CARD_CHANGED`: it was reviewed meanwhile, in another tab or by a repeated request.
    """
    changed = (
        update(Card)
        .where(Card.id == card_id, Card.user_id == user_id, Card.reps == seen_reps)
        .values(
            state=after.state,
            step=after.step,
            stability=after.stability,
            difficulty=after.difficulty,
            due=after.due,
            last_review=after.last_review,
            reps=Card.reps + 1,
            lapses=Card.lapses + (1 if lapsed else 0),
        )
        .returning(Card)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    row = s.scalar(changed)
    if row is None:
        get(s, user_id, card_id)
        raise changed_meanwhile()
    s.add(Review(id=new_id(), card_id=card_id, user_id=user_id, rating=rating, reviewed_at=now))
    s.flush()
    if row.reps % REVIEWS_KEPT == 0:
        _forget_reviews(s, card_id)
    return row


def edit(s: Session, user_id: int, card_id: str, *, front: str, back: str) -> Card:
    """Change what a card says; its schedule stays.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    row = get(s, user_id, card_id)
    row.front, row.back = front, back
    s.flush()
    return row


def delete(s: Session, user_id: int, card_id: str) -> str:
    """Delete a card with its reviews; gives its deck's id.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    gone = delete_from(Card).where(Card.id == card_id, Card.user_id == user_id).returning(Card.deck_id)
    deck_id = s.scalar(gone)
    if deck_id is None:
        raise errors.NotFound("There is no such card.")
    return deck_id


def changed_meanwhile() -> errors.Conflict:
    """What a second review of what was seen once is told."""
    return errors.Conflict("This card has been reviewed already, in another tab or a moment ago.", code="CARD_CHANGED")


def is_due(now: datetime, day_end: datetime) -> ColumnElement[bool]:
    """A card on its first steps is due at its minute; a learnt one on its day, from the morning on."""
    return or_(Card.due <= now, (Card.state == ON_A_DAY) & (Card.due < day_end)) & (Card.due < max(now, day_end))


def _forget_reviews(s: Session, card_id: str) -> None:
    of_it = select(Review.id).where(Review.card_id == card_id).order_by(Review.id.desc())
    newest_gone = s.scalar(of_it.offset(REVIEWS_KEPT).limit(1))
    if newest_gone is not None:
        s.execute(delete_from(Review).where(Review.card_id == card_id, Review.id <= newest_gone))
