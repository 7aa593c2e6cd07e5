from datetime import UTC, datetime, timedelta

import pytest

from services.cards import schedule
from services.store.cards import Card, Schedule
from tests.decks import NOON


def card(**changes: object) -> Card:
    values = {"state": 1, "step": 0, "stability": None, "difficulty": None, "due": NOON, "last_review": None, "reps": 0}
    return Card(**{**values, **changes})


def after(reviewed: Schedule) -> Card:
    return card(
        state=reviewed.state,
        step=reviewed.step,
        stability=reviewed.stability,
        difficulty=reviewed.difficulty,
        due=reviewed.due,
        last_review=reviewed.last_review,
    )


def test_the_first_review_of_a_new_card() -> None:
    minutes = {
        rating: (schedule.reviewed(card(), rating, NOON).due - NOON).total_seconds() / 60 for rating in (1, 2, 3)
    }
    easy = schedule.reviewed(card(), 4, NOON)

    assert minutes == {1: 1, 2: 5.5, 3: 10}
    assert easy.state == 2
    assert easy.due - NOON == timedelta(days=8)


@pytest.mark.req("D2-2")
def test_a_card_that_is_known_again_and_again_comes_ever_later() -> None:
    now, at, spans = NOON, card(), []
    for _ in range(6):
        reviewed = schedule.reviewed(at, 3, now)
        spans.append(reviewed.due - now)
        now, at = reviewed.due, after(reviewed)

    assert spans == sorted(spans)
    assert spans[0] < timedelta(hours=1)
    assert spans[-1] > timedelta(days=30)


def test_what_is_forgotten_comes_back_at_once_and_counts_as_a_lapse() -> None:
    learnt = after(schedule.reviewed(card(), 4, NOON))
    assert learnt.state == 2

    forgotten = schedule.reviewed(learnt, 1, learnt.due)

    assert schedule.has_lapsed(learnt, 1)
    assert not schedule.has_lapsed(learnt, 2)
    assert not schedule.has_lapsed(card(), 1)
    assert forgotten.state == 3
    assert forgotten.due - learnt.due == timedelta(minutes=10)


def test_no_interval_is_longer_than_ten_years() -> None:
    old = card(state=2, step=None, stability=36_000.0, difficulty=1.0, last_review=NOON - timedelta(days=3000))

    assert schedule.reviewed(old, 4, NOON).due - NOON <= timedelta(days=3650)


def test_a_clock_that_goes_backwards_does_no_harm() -> None:
    reviewed = after(schedule.reviewed(card(), 3, NOON))

    again = schedule.reviewed(reviewed, 3, NOON - timedelta(days=3))

    assert again.last_review == NOON
    assert again.due > NOON


def test_what_a_button_promises_is_what_it_does() -> None:
    learnt = after(schedule.reviewed(card(), 4, NOON))
    now = learnt.due + timedelta(days=2)

    promised = schedule.intervals(learnt, now)

    assert promised == {
        rating: schedule.in_words(schedule.reviewed(learnt, rating, now).due - now) for rating in schedule.RATINGS
    }


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (-5, "1 min"),
        (0.2, "1 min"),
        (5.5, "6 min"),
        (59, "59 min"),
        (60, "1 h"),
        (1439, "1 day"),
        (1440, "1 day"),
        (2 * 1440, "2 days"),
        (30 * 1440, "30 days"),
        (60 * 1440, "2.0 months"),
        (730.5 * 1440, "2.0 years"),
    ],
)
def test_a_time_in_words(minutes: float, words: str) -> None:
    assert schedule.in_words(timedelta(minutes=minutes)) == words


@pytest.mark.parametrize(
    ("zone", "start", "hours"),
    [
        ("UTC", datetime(2026, 10, 25, tzinfo=UTC), 24),
        # The clocks go back on this day.
        ("Europe/Zurich", datetime(2026, 10, 24, 22, tzinfo=UTC), 25),
        ("Pacific/Auckland", datetime(2026, 10, 25, 11, tzinfo=UTC), 24),
        ("Nowhere/Land", datetime(2026, 10, 25, tzinfo=UTC), 24),
        ("../etc/passwd", datetime(2026, 10, 25, tzinfo=UTC), 24),
        ("", datetime(2026, 10, 25, tzinfo=UTC), 24),
    ],
)
def test_a_day_is_the_persons_own(zone: str, start: datetime, hours: int) -> None:
    day = schedule.day_of(datetime(2026, 10, 25, 12, tzinfo=UTC), zone)

    assert day.start == start
    assert day.end - day.start == timedelta(hours=hours)
