"""Reviews and quizzes on the stored cards. Functions take an open `Session` first, as `Database.run` calls them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.cards import schedule
from services.cards.made import score
from services.cards.schedule import Day
from services.store import cards, decks
from services.store.cards import Card, Standing
from services.store.database import Session
from services.store.decks import MAX_DECKS, Attempt, Deck

# With nothing else to do, a card on its first steps may come so much earlier.
AHEAD: Final = timedelta(minutes=20)
# More than all cards that one person can have.
_EVERYTHING: Final = MAX_DECKS * 12


@dataclass(frozen=True, slots=True)
class Next:
    """What to review next; `card` is None when nothing is due."""

    card: Card | None
    deck: Deck | None
    standing: Standing


def next_card(s: Session, user_id: int, *, now: datetime, day: Day, deck_id: str | None = None) -> Next:
    """The card to review now, of one deck if named.

    Raises:
        NotFound: The deck is unknown, or somebody else's.
    """
    deck = decks.get(s, user_id, deck_id) if deck_id else None
    found = cards.due(s, user_id, now=now, day_end=day.end, deck_id=deck_id, limit=1)
    found = found or cards.due(s, user_id, now=now + AHEAD, day_end=day.end, deck_id=deck_id, limit=1)
    if found and deck is None:
        deck = decks.get(s, user_id, found[0].deck_id)
    stands = standing(s, user_id, now=now, day=day, deck_id=deck_id)
    return Next(found[0] if found else None, deck, stands)


def standing(s: Session, user_id: int, *, now: datetime, day: Day, deck_id: str | None = None) -> Standing:
    """How the person's reviews stand on this day."""
    return cards.standing(s, user_id, now=now, day_start=day.start, day_end=day.end, deck_id=deck_id)


def review(s: Session, user_id: int, card_id: str, *, rating: int, reps: int | None, now: datetime) -> Card:
    """Keep a review.

    Args:
        rating: One of `schedule.RATINGS`.
        reps: The card's `reps` as the person saw it; None trusts that nobody else reviews it now.

    Raises:
        NotFound: Unknown, or somebody else's.
        Conflict: It has been reviewed since it was seen.
    """
    card = cards.get(s, user_id, card_id)
    if reps is not None and card.reps != reps:
        raise cards.changed_meanwhile()
    return cards.review(
        s,
        user_id,
        card_id,
        seen_reps=card.reps,
        rating=rating,
        lapsed=schedule.has_lapsed(card, rating),
        after=schedule.reviewed(card, rating, now),
        now=now,
    )


def try_quiz(s: Session, user_id: int, deck_id: str, chosen: Sequence[int | None], *, now: datetime) -> Attempt:
    """Check and keep a try at a deck's quiz.

    Args:
        chosen: The index of the chosen option for each question, or None.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    deck = decks.get(s, user_id, deck_id)
    result = score(deck.quiz, chosen)
    return decks.add_attempt(s, user_id, deck_id, chosen=result.chosen, right=result.right, total=result.total, now=now)


def by_deck(s: Session, user_id: int, deck_id: str | None = None) -> list[tuple[Deck, list[Card]]]:
    """Decks with their cards, the oldest first, or one deck; those without cards are left out.

    Raises:
        NotFound: The deck is unknown, or somebody else's.
    """
    found = [decks.get(s, user_id, deck_id)] if deck_id else decks.everything(s, user_id)
    own: dict[str, list[Card]] = {}
    for card in cards.listing(s, user_id, deck_id=deck_id, limit=_EVERYTHING):
        own.setdefault(card.deck_id, []).append(card)
    return [(deck, own[deck.id]) for deck in found if deck.id in own]
