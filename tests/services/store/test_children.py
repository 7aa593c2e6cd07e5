from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from services import errors
from services.store import children, conversations, sessions, story_words, users
from services.store.child_days import DayLimit, midnight_after, today
from services.store.children import ChildDraft
from services.store.database import Database
from services.store.story_places import Wanted
from services.stories.shelf import PinLocked
from tests.services.store.families import NOON, Family
from tests.services.store.lists import at_once


@pytest.mark.req("Y4")
def test_a_child_is_its_adults_alone(family: Family, foreign_family: Family) -> None:
    mira = family.child("Mira", 7, interests=("whales",), avoid=("spiders",), daily_limit=3, bedtime="19:30")

    assert family.stories.children(family.user_id) == [mira]
    assert family.stories.child(family.user_id, mira.id).avoid == ("spiders",)
    assert foreign_family.stories.children(foreign_family.user_id) == []
    for refused in (
        lambda: foreign_family.stories.child(foreign_family.user_id, mira.id),
        lambda: foreign_family.stories.change_child(foreign_family.user_id, mira.id, mira.draft()),
        lambda: foreign_family.stories.delete_child(foreign_family.user_id, mira.id),
        lambda: foreign_family.stories.shelf(foreign_family.user_id, mira.id),
        lambda: foreign_family.stories.day(foreign_family.user_id, mira.id, "UTC"),
        lambda: foreign_family.stories.note_word(foreign_family.user_id, mira.id, "brave"),
        lambda: foreign_family.stories.words_of(foreign_family.user_id, mira.id),
        lambda: foreign_family.stories.refused(foreign_family.user_id, mira.id, "choice", "x", "weapons"),
        lambda: foreign_family.place(mira),
        lambda: foreign_family.stories.reviews(foreign_family.user_id, child_id=mira.id),
        lambda: family.stories.child(family.user_id, mira.id + 1),
        lambda: family.stories.child(family.user_id, 0),
        lambda: family.stories.child(family.user_id, 10**30),
        lambda: family.stories.delete_child(family.user_id, 10**30),
    ):
        with pytest.raises(errors.NotFound, match="Child not found"):
            refused()
    assert family.stories.child(family.user_id, mira.id) == mira


def test_a_child_gets_another_profile_and_a_new_id_is_never_an_old_one(family: Family) -> None:
    first = family.child()
    family.now = NOON + timedelta(days=1)

    older = family.stories.change_child(family.user_id, first.id, ChildDraft("Mira", 8, "advanced", "she"))

    assert (older.age, older.level, older.pronouns) == (8, "advanced", "she")
    assert (older.created_at, older.updated_at) == (NOON, family.now)
    family.stories.delete_child(family.user_id, first.id)
    assert family.child().id > first.id


def test_there_is_an_end_to_children(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "MAX_CHILDREN", 2)
    outcomes = at_once(*(family.child for _ in range(4)))

    refused = [one for one in outcomes if isinstance(one, errors.Conflict)]
    assert [one.code for one in refused] == ["TOO_MANY_CHILDREN"] * 2
    assert len(family.stories.children(family.user_id)) == 2


@pytest.mark.slow
def test_a_child_goes_with_all_that_is_kept_about_it(family: Family) -> None:
    mira, noah = family.child("Mira"), family.child("Noah")
    hers, his = family.tell(mira), family.tell(noah)
    running = family.begin(family.place(mira, 2))
    family.stories.withheld(family.user_id, running, 0, "Bad words.", "weapons", "rules")
    family.stories.note_word(family.user_id, mira.id, "brave")

    family.stories.delete_child(family.user_id, mira.id)

    assert family.stories.children(family.user_id) == [noah]
    assert [one.story.id for one in family.stories.shelf(family.user_id)] == [his.story_id]
    assert [row.id for row in family.database.run(conversations.listing, family.user_id)] == [his.story_id]
    assert family.stories.reviews(family.user_id) == []
    with pytest.raises(errors.NotFound):
        family.stories.chapter(family.user_id, hers.id)
    # What was being told ends into nothing.
    assert not family.settle(running, text="More.", outcome="completed", extras={})
    assert not family.stories.withheld(family.user_id, running, 1, "Bad words.", "weapons", "rules")


@pytest.mark.slow
def test_a_child_that_is_deleted_while_a_story_begins_leaves_nothing_behind(family: Family) -> None:
    for _ in range(8):
        mira = family.child()
        family.tell(mira)
        places = [family.place(mira), family.place(mira, 2)]

        at_once(
            lambda place=places[0]: family.begin(place),
            lambda place=places[1]: family.begin(place),
            lambda child=mira: family.stories.delete_child(family.user_id, child.id),
        )

        assert family.stories.children(family.user_id) == []
        assert family.stories.shelf(family.user_id) == []
        assert family.database.run(conversations.listing, family.user_id) == []


def test_a_session_that_shows_a_childs_screen_ends_with_the_child(family: Family, database: Database) -> None:
    mira = family.child()
    family.stories.set_pin(family.user_id, "2580")
    tablet, laptop = (
        database.run(sessions.open, family.user_id, user_agent=name, address="::1") for name in ("tablet", "laptop")
    )
    family.stories.hand_over(family.user_id, tablet.id, mira.id)
    held = database.run(sessions.user_of, tablet.id)
    assert held is not None
    assert held[0].child_id == mira.id

    family.stories.delete_child(family.user_id, mira.id)

    assert database.run(sessions.user_of, tablet.id) is None, "it must not become the adult's"
    assert database.run(sessions.user_of, laptop.id) is not None


def test_a_screen_is_handed_over_with_a_pin_only_and_to_ones_own_child(
    family: Family, foreign_family: Family, database: Database
) -> None:
    mira, stranger = family.child(), foreign_family.child()
    session = database.run(sessions.open, family.user_id, user_agent="x", address="::1")

    with pytest.raises(errors.Conflict) as refused:
        family.stories.hand_over(family.user_id, session.id, mira.id)
    assert refused.value.code == "PIN_NEEDED"
    family.stories.set_pin(family.user_id, "2580")
    for child_id, session_id in ((stranger.id, session.id), (mira.id, "unknown")):
        with pytest.raises(errors.NotFound):
            family.stories.hand_over(family.user_id, session_id, child_id)
    assert database.run(sessions.by_id, session.id).child_id is None

    family.stories.hand_over(family.user_id, session.id, mira.id)
    assert database.run(sessions.by_id, session.id).child_id == mira.id
    with pytest.raises(errors.NotFound):
        foreign_family.stories.leave(foreign_family.user_id, session.id)
    family.stories.leave(family.user_id, session.id)
    assert database.run(sessions.by_id, session.id).child_id is None


# -- the day


def told(family: Family, child_id: int, zone: str = "UTC") -> tuple[int, int | None]:
    day = family.stories.day(family.user_id, child_id, zone)
    return day.told, day.left


@pytest.mark.slow
@pytest.mark.req("Y32")
def test_a_day_has_as_many_chapters_as_the_adult_says(family: Family) -> None:
    mira = family.child(daily_limit=2)
    first = family.tell(mira)
    running = family.begin(family.place(mira, 2))
    assert told(family, mira.id) == (2, 0)
    place = family.place(mira)

    for refused in (
        lambda: family.begin(place),
        lambda: family.stories.place(family.user_id, Wanted(mira.id, "dragons"), family.now, "UTC"),
        lambda: family.database.run(family.stories.check_day, mira.id, family.now, "UTC"),
    ):
        with pytest.raises(DayLimit) as caught:
            refused()
        assert caught.value.code == "DAY_LIMIT"
        assert caught.value.retry_after_s == 12 * 3600
        assert (caught.value.extra["limit"], caught.value.extra["current"]) == (2, 2)
    assert len(family.database.run(conversations.listing, family.user_id)) == 1, "nothing of it is kept"

    # What is tried again, or goes on, is the same chapter.
    cut = family.end(running, "And th", outcome="failed")
    family.end(family.again(cut, from_partial=True), "en.")
    family.end(family.again(first, from_partial=False))
    assert told(family, mira.id) == (2, 0)
    # Deleting gives nothing back.
    family.database.run(conversations.delete, family.user_id, first.story_id)
    assert told(family, mira.id) == (2, 0)
    family.now += timedelta(hours=12)
    assert told(family, mira.id) == (0, 2)
    family.tell(mira)


@pytest.mark.slow
def test_a_child_without_a_limit_reads_on_and_one_with_none_a_day_does_not(family: Family) -> None:
    free, shut = family.child(), family.child(daily_limit=0)
    for _ in range(3):
        family.tell(free)

    assert told(family, free.id) == (3, None)
    with pytest.raises(DayLimit):
        family.tell(shut)
    # A limit that is set lower than what was told already.
    family.stories.change_child(family.user_id, free.id, ChildDraft("Mira", 7, daily_limit=1))
    assert told(family, free.id) == (3, 0)


@pytest.mark.slow
def test_tabs_of_several_workers_share_the_last_chapter_of_a_day(
    family: Family, user: users.User, make_database: Callable[..., Database]
) -> None:
    mira = family.child(daily_limit=1)
    workers = [family, Family(make_database(), user)]
    places = [family.place(mira) for _ in range(6)]

    outcomes = at_once(*(lambda n=n: workers[n % 2].begin(places[n]) for n in range(6)))

    assert len([one for one in outcomes if isinstance(one, str)]) == 1
    assert len([one for one in outcomes if isinstance(one, DayLimit)]) == 5
    assert told(family, mira.id) == (1, 0)
    assert len(family.stories.shelf(family.user_id)) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [
        ("Pacific/Auckland", "2026-11-21T10:59:59", "2026-11-21T11:00:00"),
        ("America/Los_Angeles", "2026-11-22T07:59:59", "2026-11-22T08:00:00"),
        # Clocks go back on this day, and forward on that one: the day has 25 and 23 hours.
        ("Europe/Zurich", "2026-10-25T22:59:59", "2026-10-25T23:00:00"),
        ("Europe/Zurich", "2026-03-29T21:59:59", "2026-03-29T22:00:00"),
        # There is no midnight: clocks go from 23:59:59 to 1:00.
        ("Africa/Cairo", "2026-04-23T21:59:59", "2026-04-23T22:00:00"),
    ],
)
def test_a_day_ends_at_midnight_where_the_adult_lives(family: Family, zone: str, before: str, after: str) -> None:
    family.live_in(zone)
    mira = family.child(daily_limit=1)
    family.now = datetime.fromisoformat(before).replace(tzinfo=UTC)
    family.tell(mira)
    place = family.place(mira)

    with pytest.raises(DayLimit) as caught:
        family.begin(place)
    assert caught.value.retry_after_s == 1
    assert told(family, mira.id, zone) == (1, 0)
    family.now = datetime.fromisoformat(after).replace(tzinfo=UTC)
    family.end(family.begin(place))
    assert midnight_after(today(family.now - timedelta(seconds=1), zone), zone) == family.now


# -- the PIN


@pytest.mark.slow
def test_a_pin_is_right_or_wrong_and_its_hash_is_no_pin(family: Family, database: Database) -> None:
    assert not family.stories.has_pin(family.user_id)
    assert not family.stories.check_pin(family.user_id, "2580")

    family.stories.set_pin(family.user_id, "2580")

    assert family.stories.has_pin(family.user_id)
    assert family.stories.check_pin(family.user_id, "2580")
    assert not family.stories.check_pin(family.user_id, "2581")
    family.stories.set_pin(family.user_id, "1397")
    assert not family.stories.check_pin(family.user_id, "2580")
    assert "2580" not in str(database.run(users.export, family.user_id))
    assert "argon2" not in str(database.run(users.export, family.user_id))


def test_a_pin_is_guessed_five_times_whatever_restarts_in_between(
    family: Family, user: users.User, make_database: Callable[..., Database]
) -> None:
    family.stories.set_pin(family.user_id, "2580")
    for guess in range(4):
        assert not family.stories.check_pin(family.user_id, f"000{guess}")
    restarted = Family(make_database(), user)
    assert not restarted.stories.check_pin(family.user_id, "0004")

    for pin in ("0005", "2580"):
        with pytest.raises(PinLocked):
            restarted.stories.check_pin(family.user_id, pin)
    assert family.stories.is_pin_locked(family.user_id)
    # Waiting does not help; the password does.
    family.now += timedelta(days=1)
    with pytest.raises(PinLocked):
        family.stories.check_pin(family.user_id, "2580")
    family.stories.unlock_pin(family.user_id)
    assert family.stories.check_pin(family.user_id, "2580")


@pytest.mark.slow
def test_a_pin_is_not_guessed_slowly_either(family: Family) -> None:
    family.stories.set_pin(family.user_id, "2580")
    for guess in range(20):
        assert not family.stories.check_pin(family.user_id, f"{guess:04}")
        family.now += timedelta(minutes=6)

    with pytest.raises(PinLocked):
        family.stories.check_pin(family.user_id, "2580")


def test_a_right_pin_forgives_the_wrong_ones(family: Family) -> None:
    family.stories.set_pin(family.user_id, "2580")
    for _ in range(3):
        for guess in range(4):
            assert not family.stories.check_pin(family.user_id, f"000{guess}")
        assert family.stories.check_pin(family.user_id, "2580")
    assert not family.stories.is_pin_locked(family.user_id)


def test_guesses_at_the_same_moment_count_one_by_one(family: Family) -> None:
    family.stories.set_pin(family.user_id, "2580")

    outcomes = at_once(*(lambda n=n: family.stories.check_pin(family.user_id, f"{n:04}") for n in range(12)))

    assert outcomes.count(False) == 5
    assert len([one for one in outcomes if isinstance(one, PinLocked)]) == 7


# -- words


def test_the_words_that_a_child_asked_for_are_listed_once_the_newest_first(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(story_words, "MAX_KEPT", 3)
    mira, noah = family.child("Mira"), family.child("Noah")
    for word in ("brave", "lantern", "brave", "cove"):
        family.now += timedelta(minutes=1)
        family.stories.note_word(family.user_id, mira.id, word)

    kept = family.stories.words_of(family.user_id, mira.id)

    assert [(one.word, one.times) for one in kept] == [("cove", 1), ("brave", 2), ("lantern", 1)]
    assert family.stories.words_of(family.user_id, noah.id) == []
    family.now += timedelta(minutes=1)
    family.stories.note_word(family.user_id, mira.id, "moss")
    assert [one.word for one in family.stories.words_of(family.user_id, mira.id)] == ["moss", "cove", "brave"]
