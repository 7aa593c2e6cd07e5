from datetime import timedelta
from typing import Any

import pytest

from services import errors
from services.store import cards, users
from services.store.cards import REVIEWS_KEPT, Card, Review, Schedule
from services.store.database import Database, Session
from services.store.decks import Deck
from services.store.users import User
from tests.decks import NOON, cards_of, later, make_deck

DAY = {"day_start": NOON.replace(hour=0), "day_end": NOON.replace(hour=0) + timedelta(days=1)}


@pytest.fixture
def deck(database: Database, user: User) -> Deck:
    return database.run(make_deck, user.id)


@pytest.fixture
def card(database: Database, deck: Deck) -> Card:
    return database.run(cards_of, deck)[0]


def scheduled(**changes: Any) -> Schedule:
    values = {"state": 2, "step": None, "stability": 3.5, "difficulty": 5.25, "due": later(days=3), "last_review": NOON}
    return Schedule(**{**values, **changes})


def review(s: Session, card: Card, **changes: Any) -> Card:
    values = {"seen_reps": card.reps, "rating": 3, "lapsed": False, "after": scheduled(), "now": NOON}
    return cards.review(s, card.user_id, card.id, **{**values, **changes})


def due(database: Database, user: User, **changes: Any) -> list[str]:
    found = database.run(cards.due, user.id, **{"now": NOON, "day_end": DAY["day_end"], **changes})
    return [row.front for row in found]


def test_a_new_card_is_due_at_once(database: Database, user: User, deck: Deck) -> None:
    assert due(database, user) == [f"Front {number}" for number in range(5)]
    assert due(database, user, limit=2) == ["Front 0", "Front 1"]
    assert due(database, user, deck_id="another") == []


def test_a_review_keeps_the_schedule(database: Database, user: User, card: Card) -> None:
    reviewed = database.run(review, card)

    stored = database.run(cards.get, user.id, card.id)
    assert (stored.state, stored.step, stored.stability, stored.difficulty) == (2, None, 3.5, 5.25)
    assert (stored.due, stored.last_review) == (later(days=3), NOON)
    assert (stored.reps, stored.lapses) == (1, 0) == (reviewed.reps, reviewed.lapses)
    assert "Front 0" not in due(database, user)


def test_a_lapse_is_counted(database: Database, card: Card) -> None:
    assert database.run(review, card, lapsed=True, rating=1).lapses == 1


def test_the_same_review_twice_counts_once(database: Database, user: User, card: Card) -> None:
    database.run(review, card)

    with pytest.raises(errors.Conflict) as refused:
        database.run(review, card)

    assert refused.value.code == "CARD_CHANGED"
    assert database.run(cards.get, user.id, card.id).reps == 1
    assert database.run(lambda s: s.query(Review).count()) == 1


def test_a_learnt_card_is_due_on_its_day_and_a_fresh_one_at_its_minute(
    database: Database, user: User, deck: Deck
) -> None:
    learnt, fresh, *others = database.run(cards_of, deck)
    database.run(review, learnt, after=scheduled(due=later(hours=5)))
    database.run(review, fresh, after=scheduled(state=1, step=1, due=later(minutes=10)))
    for other in others:
        database.run(cards.delete, user.id, other.id)

    assert due(database, user) == ["Front 0"]
    assert due(database, user, now=later(minutes=10)) == ["Front 1", "Front 0"]
    assert due(database, user, now=later(days=1), day_end=DAY["day_end"] + timedelta(days=1)) == ["Front 1", "Front 0"]
    assert due(database, user, now=later(hours=-20), day_end=DAY["day_start"]) == []


@pytest.mark.slow
def test_how_reviews_stand(database: Database, user: User, stranger: User, deck: Deck) -> None:
    first, second, *_ = database.run(cards_of, deck)
    database.run(make_deck, stranger.id)
    database.run(review, first, now=NOON - timedelta(days=1))
    database.run(review, second, after=scheduled(state=1, step=1, due=later(minutes=10)))

    stands = database.run(cards.standing, user.id, now=NOON, **DAY)

    assert (stands.due, stands.total, stands.reviewed) == (3, 5, 1)
    assert stands.next_due == later(minutes=10)
    assert database.run(cards.standing, user.id, now=NOON, **DAY, deck_id="another").total == 0


@pytest.mark.slow
def test_only_the_latest_reviews_of_a_card_are_kept(database: Database, user: User, card: Card) -> None:
    def many(s: Session) -> int:
        for reps in range(REVIEWS_KEPT * 2):
            cards.review(
                s, user.id, card.id, seen_reps=reps, rating=3, lapsed=False, after=scheduled(), now=later(days=reps)
            )
        return s.query(Review).count()

    assert database.run(many) == REVIEWS_KEPT
    oldest = database.run(lambda s: s.query(Review).order_by(Review.id).first())
    assert oldest.reviewed_at == later(days=REVIEWS_KEPT)


def test_cards_are_listed_in_pages(database: Database, user: User, deck: Deck) -> None:
    first = database.run(cards.listing, user.id, limit=3)
    rest = database.run(cards.listing, user.id, after=first[-1].id, limit=3)

    assert [row.front for row in [*first, *rest]] == [f"Front {number}" for number in range(5)]
    assert database.run(cards.listing, user.id, deck_id="another") == []


def test_a_card_can_be_changed_and_keeps_its_schedule(database: Database, user: User, card: Card) -> None:
    database.run(review, card)

    database.run(cards.edit, user.id, card.id, front="New\x00 front", back="New back")

    stored = database.run(cards.get, user.id, card.id)
    assert (stored.front, stored.back, stored.reps, stored.stability) == ("New front", "New back", 1, 3.5)


def test_a_card_goes_with_its_reviews(database: Database, user: User, card: Card) -> None:
    database.run(review, card)

    assert database.run(cards.delete, user.id, card.id) == card.deck_id

    assert database.run(lambda s: s.query(Review).count()) == 0
    with pytest.raises(errors.NotFound):
        database.run(cards.get, user.id, card.id)


def test_other_peoples_cards_are_not_there(database: Database, stranger: User, card: Card) -> None:
    for call in (
        lambda s: cards.get(s, stranger.id, card.id),
        lambda s: cards.edit(s, stranger.id, card.id, front="a", back="b"),
        lambda s: cards.delete(s, stranger.id, card.id),
        lambda s: cards.review(
            s, stranger.id, card.id, seen_reps=0, rating=3, lapsed=False, after=scheduled(), now=NOON
        ),
    ):
        with pytest.raises(errors.NotFound):
            database.run(call)
    assert database.run(cards.listing, stranger.id) == []
    assert database.run(cards.due, stranger.id, now=NOON, day_end=DAY["day_end"]) == []


@pytest.mark.slow
def test_everything_is_exported_and_goes_with_the_account(database: Database, user: User, card: Card) -> None:
    database.run(review, card)

    exported = database.run(users.export, user.id)
    database.run(users.delete, user.id)

    assert len(exported["decks"]) == 1
    assert len(exported["cards"]) == 5
    assert len(exported["reviews"]) == 1
    assert exported["quiz_attempts"] == []
    assert database.run(lambda s: (s.query(Deck).count(), s.query(Card).count(), s.query(Review).count())) == (0, 0, 0)
