"""The month's quota: taken with an answer, spent or given back with its end."""

from datetime import UTC, date, datetime, timedelta

import gevent
import pytest

from services import errors
from services.store import conversations, quotas, users
from services.store.database import Database, Session
from services.store.quotas import QuotaMonth, Usage
from tests.factories import make_answer, settle
from tests.services.store.purses import NOON

LIMIT = 5


def usage(database: Database, user: users.User, *, now: datetime = NOON, limit: int = LIMIT) -> Usage:
    return database.run(quotas.usage, user.id, limit, now)


def ask(s: Session, user_id: int, limit: int = LIMIT, now: datetime = NOON) -> str:
    """Store a question and its running answer, with a unit of the quota."""
    answer = make_answer(s, user_id, assistant="todos")
    quotas.reserve(s, user_id, answer.id, limit, now)
    return answer.id


def use(s: Session, user_id: int, count: int) -> None:
    s.add(QuotaMonth(user_id=user_id, month="2026-11", used=count))


def end(s: Session, message_id: str, outcome: str) -> bool:
    """Settle an answer and its unit, as the `ends` of Turns do."""
    return settle(s, message_id, outcome=outcome) is not None and quotas.end(s, message_id, outcome)


def test_nobody_has_used_anything_before_the_first_question(database: Database, user: users.User) -> None:
    assert usage(database, user) == Usage(used=0, limit=5, left=5, reset_date=date(2026, 12, 1))
    december = usage(database, user, now=datetime(2026, 12, 31, 23, 59, tzinfo=UTC))
    assert december.reset_date == date(2027, 1, 1)


@pytest.mark.req("D14", "D21")
def test_the_one_too_many_is_refused_with_the_numbers(database: Database, user: users.User) -> None:
    database.run(use, user.id, 199)
    assert database.run(quotas.reserve, user.id, "m200", 200, NOON).used == 200

    for refused in (
        lambda: database.run(quotas.reserve, user.id, "m201", 200, NOON),
        lambda: database.run(quotas.check, user.id, 200, NOON),
    ):
        with pytest.raises(errors.QuotaExhausted) as error:
            refused()
        told = {
            key: error.value.extra[key] for key in ("current_usage", "monthly_limit", "remaining_quota", "reset_date")
        }
        assert told == {
            "current_usage": 200,
            "monthly_limit": 200,
            "remaining_quota": 0,
            "reset_date": "2026-12-01",
        }
        assert "200 of your 200" in error.value.message
        assert "December 1, 2026" in error.value.message
    assert usage(database, user, limit=200).used == 200
    assert usage(database, user, limit=150) == Usage(200, 150, 0, date(2026, 12, 1)), "a limit that was lowered"
    assert usage(database, user, limit=250).left == 50


@pytest.mark.req("D14")
@pytest.mark.parametrize(("outcome", "used"), [("completed", 1), ("stopped", 1), ("failed", 0), ("interrupted", 0)])
def test_what_an_answer_ends_with_decides(database: Database, user: users.User, outcome: str, used: int) -> None:
    message_id = database.run(ask, user.id)
    assert usage(database, user).used == 1

    assert database.run(end, message_id, outcome)

    assert usage(database, user).used == used
    for again in ("completed", "failed"):
        assert not database.run(quotas.end, message_id, again), "once"
    assert not database.run(quotas.release, "unknown")
    assert usage(database, user).used == used


def test_a_refusal_undoes_the_question_that_came_with_it(database: Database, user: users.User) -> None:
    database.run(ask, user.id, 1)

    with pytest.raises(errors.QuotaExhausted):
        database.run(ask, user.id, 1)

    assert len(database.run(conversations.listing, user.id)) == 1
    assert usage(database, user).used == 1


def test_nothing_is_taken_twice_for_one_answer(database: Database, user: users.User) -> None:
    database.run(quotas.reserve, user.id, "m", LIMIT, NOON)

    with pytest.raises(errors.Conflict):
        database.run(quotas.reserve, user.id, "m", LIMIT, NOON)

    assert usage(database, user).used == 1


def test_without_a_quota_nothing_is_answered(database: Database, user: users.User) -> None:
    with pytest.raises(errors.QuotaExhausted, match="0 of your 0"):
        database.run(quotas.reserve, user.id, "m", 0, NOON)
    assert usage(database, user, limit=0) == Usage(0, 0, 0, date(2026, 12, 1))


def test_a_month_begins_anew_and_takes_back_what_is_its_own(database: Database, user: users.User) -> None:
    last = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
    first = last + timedelta(seconds=1)
    for number in range(LIMIT):
        database.run(quotas.reserve, user.id, f"m{number}", LIMIT, last)

    assert usage(database, user, now=first).used == 0
    database.run(quotas.reserve, user.id, "december", LIMIT, first)
    database.run(quotas.release, "m0")

    assert usage(database, user, now=last).used == LIMIT - 1
    assert usage(database, user, now=first).used == 1


def test_everybody_has_a_quota_of_their_own(database: Database, user: users.User, stranger: users.User) -> None:
    database.run(quotas.reserve, user.id, "m", 1, NOON)

    assert database.run(quotas.reserve, stranger.id, "n", 1, NOON).left == 0


@pytest.mark.slow
@pytest.mark.req("D14")
def test_of_twenty_at_once_exactly_those_that_are_left_are_stored(database: Database, user: users.User) -> None:
    database.run(use, user.id, 195)

    jobs = [gevent.spawn(database.run, ask, user.id, 200) for _ in range(20)]
    gevent.joinall(jobs, timeout=30)

    stored = [job.value for job in jobs if job.exception is None]
    refused = [job.exception for job in jobs if job.exception is not None]
    assert (len(stored), len(refused)) == (5, 15)
    assert {type(error) for error in refused} == {errors.QuotaExhausted}
    assert len(database.run(conversations.listing, user.id)) == 5
    assert usage(database, user, limit=200) == Usage(200, 200, 0, date(2026, 12, 1))

    jobs = [gevent.spawn(database.run, end, stored[0], "failed") for _ in range(6)]
    gevent.joinall(jobs, timeout=30, raise_error=True)
    assert sum(job.value for job in jobs) == 1
    assert usage(database, user, limit=200).left == 1


def test_what_nobody_will_close_is_swept(database: Database, user: users.User) -> None:
    running, failed, read, gone = (database.run(ask, user.id) for _ in range(4))
    database.run(settle, failed, outcome="failed")
    database.run(settle, read)
    conversation = database.run(lambda s: s.get_one(conversations.Message, gone).conversation_id)
    database.run(conversations.delete, user.id, conversation)
    later = NOON + timedelta(seconds=16)

    assert database.run(quotas.sweep, now=NOON + timedelta(seconds=14)) == 0
    assert database.run(quotas.sweep, now=later) == 3
    assert database.run(quotas.sweep, now=later) == 0

    assert usage(database, user).used == 3, "what failed is given back"
    assert database.run(end, running, "interrupted")
    assert usage(database, user).used == 2


def test_usage_is_exported_and_goes_with_its_account(database: Database, user: users.User) -> None:
    database.run(ask, user.id)

    exported = database.run(users.export, user.id)

    assert exported["quota_months"] == [{"user_id": user.id, "month": "2026-11", "used": 1}]
    assert [row["month"] for row in exported["quota_reservations"]] == ["2026-11"]
    database.run(users.delete, user.id)
    assert database.run(quotas.sweep, now=NOON + timedelta(days=1)) == 0
