from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from services import errors
from services.store import conversations, points, users
from services.store.database import Database, Session
from services.store.points import Balance
from tests.factories import make_answer
from tests.services.store.purses import GRANT, NOON, Purse

NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


def test_nobody_has_an_account_before_the_first_question(purse: Purse) -> None:
    assert purse.balance == Balance(
        granted=GRANT,
        spent=0,
        reserved=0,
        left=GRANT,
        resets_at=datetime(2026, 12, 1, tzinfo=UTC),
        cap=None,
        used_this_month=0,
    )
    assert purse.lines() == []


@pytest.mark.req("R31")
def test_a_reservation_is_held_then_settled_at_what_it_cost(purse: Purse) -> None:
    after = purse.reserve("a", 30)
    assert (after.reserved, after.left) == (30, 70)
    assert purse.books == (0, 30, 70)

    assert purse.settle("a", 12) == 12

    assert purse.books == (12, 0, 88)
    assert [(line.kind, line.granted, line.reserved, line.spent) for line in purse.lines()] == [
        ("settle", 0, -30, 12),
        ("reserve", 0, 30, 0),
        ("grant", 100, 0, 0),
    ]


def test_a_released_reservation_costs_nothing(purse: Purse) -> None:
    purse.reserve("a", 30)

    assert purse.release("a")

    assert purse.books == (0, 0, 100)
    assert purse.lines()[0].kind == "release"


def test_whoever_closes_first_decides(purse: Purse) -> None:
    purse.reserve("a", 30)
    purse.reserve("b", 30)
    purse.settle("a", 12)
    purse.release("b")

    assert purse.settle("a", 20) is None
    assert not purse.release("a")
    assert purse.settle("b", 20) is None
    assert purse.settle("unknown", 20) is None

    assert purse.books == (12, 0, 88)


def test_nothing_is_reserved_twice_for_one_answer(purse: Purse) -> None:
    purse.reserve("a", 30)
    with pytest.raises(errors.Conflict):
        purse.reserve("a", 30)
    purse.settle("a", 1)
    with pytest.raises(errors.Conflict):
        purse.reserve("a", 30)

    assert purse.books == (1, 0, 99)


@pytest.mark.req("R31")
def test_what_is_not_left_is_refused_with_its_reasons(purse: Purse) -> None:
    purse.reserve("a", 90)
    purse.settle("a", 90)

    for refuse in (purse.check, lambda amount: purse.reserve("b", amount)):
        with pytest.raises(errors.PointsExhausted) as refused:
            refuse(11)
        assert refused.value.code == "POINTS_EXHAUSTED"
        assert refused.value.extra == {
            "limit": 100,
            "current": 90,
            "needed": 11,
            "left": 10,
            "resets_at": "2026-12-01T00:00:00+00:00",
        }
        assert "10 of your 100 for this month are left" in refused.value.message
        assert "December 1, 2026" in refused.value.message

    assert purse.books == (90, 0, 10)
    assert purse.check(10).left == 10
    assert purse.reserve("b", 10).left == 0


def test_what_is_held_for_others_is_named_as_the_reason(purse: Purse) -> None:
    purse.reserve("a", 95)

    with pytest.raises(errors.PointsExhausted, match="95 are held for answers that still run"):
        purse.reserve("b", 10)


def test_a_refusal_undoes_the_question_that_came_with_it(purse: Purse, database: Database) -> None:
    def ask(s: Session) -> None:
        answer = make_answer(s, purse.user.id)
        points.reserve(s, purse.user.id, answer.id, GRANT + 1, grant=GRANT)

    with pytest.raises(errors.PointsExhausted):
        database.run(ask)

    assert database.run(conversations.listing, purse.user.id) == []
    assert purse.books == (0, 0, 100)
    assert purse.lines() == []


def test_an_answer_in_flight_is_never_cut_for_points(purse: Purse) -> None:
    purse.reserve("a", 100)

    assert purse.settle("a", 130) == 130

    assert purse.books == (130, 0, 0)
    assert purse.balance.used_this_month == 130
    with pytest.raises(errors.PointsExhausted):
        purse.check(1)


def test_nothing_is_free_even_when_no_points_are_left(purse: Purse) -> None:
    purse.reserve("a", 100)
    purse.settle("a", 130)

    purse.reserve("from the cache", 0)
    assert purse.settle("from the cache", 0) == 0

    assert purse.books == (130, 0, 0)
    assert (purse.lines()[0].kind, purse.lines()[0].spent) == ("settle", 0)


def test_an_answer_without_a_reservation_is_charged_once(purse: Purse, database: Database) -> None:
    for expected in (7, None):
        charged = database.run(points.charge, purse.user.id, "a", 7, grant=GRANT, now=NOON)
        assert charged == expected

    assert purse.books == (7, 0, 93)


# -- months


@pytest.mark.req("R31")
def test_a_new_month_begins_with_the_whole_grant(purse: Purse) -> None:
    purse.now = NEW_YEAR - timedelta(microseconds=1)
    purse.reserve("a", 100)
    purse.settle("a", 130)
    assert purse.balance.resets_at == NEW_YEAR

    purse.now = NEW_YEAR

    assert purse.books == (0, 0, 100)
    assert purse.balance.resets_at == datetime(2027, 2, 1, tzinfo=UTC)
    purse.reserve("b", 100)
    assert purse.books == (0, 100, 0)


def test_an_answer_is_paid_in_the_month_in_which_it_was_asked(purse: Purse) -> None:
    purse.now = NEW_YEAR - timedelta(seconds=1)
    purse.reserve("a", 60)

    purse.now = NEW_YEAR + timedelta(seconds=1)
    assert purse.books == (0, 0, 100)
    assert purse.settle("a", 50) == 50

    assert purse.books == (0, 0, 100)
    purse.now = NEW_YEAR - timedelta(seconds=1)
    assert purse.books == (50, 0, 50)


def test_a_month_is_utcs_wherever_the_clock_stands() -> None:
    eastern = datetime.fromisoformat("2026-12-31T20:00:00-05:00")

    assert points.month_of(eastern) == "2027-01"
    assert points.next_month(eastern) == datetime(2027, 2, 1, tzinfo=UTC)
    assert points.next_month(datetime(2026, 12, 31, 23, 59, tzinfo=UTC)) == NEW_YEAR


def test_a_changed_grant_counts_for_the_running_month(purse: Purse) -> None:
    purse.reserve("a", 80)
    purse.settle("a", 80)

    purse.grant = 200
    assert purse.books == (80, 0, 120)
    purse.reserve("b", 20)
    purse.settle("b", 20)
    purse.grant = 50
    assert purse.books == (100, 0, 0)
    with pytest.raises(errors.PointsExhausted):
        purse.reserve("c", 1)
    purse.reserve("c", 0)

    assert [line.granted for line in purse.lines(kinds=["grant"])] == [-150, 100, 100]
    assert purse.books == (100, 0, 0)


# -- the own cap


@pytest.mark.req("R31")
def test_the_own_cap_refuses_below_the_grant(purse: Purse) -> None:
    purse.set_cap(40)
    purse.reserve("a", 30)

    assert (purse.balance.cap, purse.balance.limit, purse.balance.left) == (40, 40, 10)
    with pytest.raises(errors.PointsExhausted, match="own cap of 40 a month") as refused:
        purse.reserve("b", 11)
    assert refused.value.extra["limit"] == 40

    purse.set_cap(41)
    purse.reserve("b", 11)
    assert purse.books == (0, 41, 0)


def test_a_cap_can_go_below_what_is_spent_above_the_grant_and_away(purse: Purse) -> None:
    purse.reserve("a", 30)
    purse.settle("a", 30)

    purse.set_cap(10)
    assert purse.balance.left == 0
    purse.set_cap(1000)
    assert purse.balance.left == 70
    purse.set_cap(0)
    assert purse.balance.left == 0
    purse.set_cap(None)
    assert (purse.balance.cap, purse.balance.left) == (None, 70)
    purse.set_cap(None)


def test_a_cap_stays_in_the_next_month(purse: Purse) -> None:
    purse.set_cap(10)
    purse.now = NEW_YEAR

    assert purse.balance.left == 10


# -- the history


def test_history_is_the_persons_own_and_comes_in_pages(purse: Purse, stranger: users.User, database: Database) -> None:
    database.run(points.reserve, stranger.id, "theirs", 5, grant=GRANT)
    for name in ("a", "b", "c"):
        purse.reserve(name, 1)

    first = purse.lines(None, 2)
    second = purse.lines(first[-1].id, 2)

    assert [line.message_id for line in first + second] == ["c", "b", "a", None]
    assert purse.lines(second[-1].id, 2) == []


def test_history_names_the_conversation_until_it_is_deleted(purse: Purse, database: Database) -> None:
    answer = database.run(make_answer, purse.user.id, assistant="study", title="Photosynthesis")
    purse.reserve(answer.id, 3)
    line = purse.lines()[0]
    assert (line.conversation_id, line.assistant, line.title) == (answer.conversation_id, "study", "Photosynthesis")

    database.run(conversations.delete, purse.user.id, answer.conversation_id)

    line = purse.lines()[0]
    assert (line.message_id, line.conversation_id, line.title) == (answer.id, None, None)


def test_deleting_a_conversation_gives_nothing_back(purse: Purse, database: Database) -> None:
    answer = database.run(make_answer, purse.user.id)
    purse.reserve(answer.id, 30)
    purse.settle(answer.id, 20)

    database.run(conversations.delete, purse.user.id, answer.conversation_id)

    assert purse.books == (20, 0, 80)


def test_the_ledger_is_only_ever_added_to(purse: Purse, database: Database) -> None:
    seen: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))

    purse.reserve("a", 30)
    purse.settle("a", 12)
    purse.reserve("b", 30)
    purse.release("b")

    written = {statement.split("points_entries")[0] for statement in seen if "points_entries" in statement}
    assert {words.split()[0] for words in written} <= {"INSERT", "SELECT"}
    assert any(words.startswith("INSERT") for words in written)
