"""Many processes at one purse, and some that are killed with their hands in it."""

from collections.abc import Callable

import pytest

from services.store import conversations, ledger, points, users
from services.store.base import utc_now
from services.store.database import Database
from tests.services.store.payers import POINTS_OF_DEATH, Payer, ask, end

AMOUNT = 7


def running(database: Database) -> list[str]:
    """The answers that are stored as running."""
    return [row.message_id for row in database.run(conversations.unsettled, -60, 1000)]


@pytest.mark.slow
@pytest.mark.req("R31")
@pytest.mark.parametrize("processes", [1, 5])
def test_of_fifty_questions_at_once_exactly_those_that_can_be_paid_are_stored(
    database: Database, user: users.User, payers: Callable[..., list[Payer]], processes: int
) -> None:
    grant = 10 * AMOUNT + AMOUNT - 1  # for ten, and not quite for an eleventh
    crowd = payers(processes, "ask", 50 // processes, AMOUNT, grant)

    for payer in crowd:
        payer.begin()
    stored = [message_id for payer in crowd for message_id in payer.result()]

    paid = [message_id for message_id in stored if message_id is not None]
    assert (len(stored), len(paid)) == (50, 10)
    assert sorted(running(database)) == sorted(paid), "a refused question leaves nothing"
    now = database.run(points.balance, user.id, grant=grant)
    assert (now.reserved, now.spent, now.left) == (10 * AMOUNT, 0, AMOUNT - 1)
    assert database.run(ledger.audit) == []

    for message_id in paid:
        assert database.run(end, message_id, 5)
    now = database.run(points.balance, user.id, grant=grant)
    assert (now.reserved, now.spent, now.left) == (0, 50, grant - 50)
    assert database.run(ledger.audit) == []


@pytest.mark.slow
def test_however_many_settle_an_answer_it_is_paid_once(
    database: Database, user: users.User, payers: Callable[..., list[Payer]]
) -> None:
    message_id = database.run(ask, user.id, AMOUNT, 100)
    crowd = payers(4, "settle", message_id, 3, 5)

    for payer in crowd:
        payer.begin()
    done = [cost for payer in crowd for cost in payer.result()]

    assert sorted(done, key=str) == [3] + [None] * 19
    assert database.run(points.balance, user.id, grant=100).spent == 3
    assert database.run(ledger.audit) == []


@pytest.mark.slow
@pytest.mark.req("R31")
@pytest.mark.parametrize("where", POINTS_OF_DEATH)
def test_a_process_killed_at_any_point_leaves_books_that_agree(
    database: Database, user: users.User, payers: Callable[..., list[Payer]], where: str
) -> None:
    (victim,) = payers(1, "die", where, AMOUNT, 100)
    victim.begin()
    victim.kill_when_there()

    left = running(database)
    assert len(left) == (0 if where == "reserving" else 1)
    now = database.run(points.balance, user.id, grant=100)
    assert (now.reserved, now.spent) == (AMOUNT * len(left), 0)
    assert database.run(ledger.audit) == []

    for message_id in left:  # as the sweep of Turns does
        assert database.run(end, message_id, 2)
        assert not database.run(end, message_id, 2)
    now = database.run(points.balance, user.id, grant=100)
    assert (now.reserved, now.spent) == (0, 2 * len(left))
    assert database.run(ledger.audit) == []
    assert database.run(points.orphans, now=utc_now()) == []


@pytest.mark.slow
@pytest.mark.req("R31")
@pytest.mark.timeout(120)
def test_fifty_at_once_while_others_are_killed(
    database: Database, user: users.User, payers: Callable[..., list[Payer]]
) -> None:
    grant = 10 * AMOUNT
    victims = [payer for where in POINTS_OF_DEATH for payer in payers(1, "die", where, AMOUNT, grant)]
    crowd = payers(5, "ask", 10, AMOUNT, grant)

    # Two of the victims hold points when they die; the third dies before it does.
    for victim in victims:
        victim.begin()
        victim.kill_when_there()
    for payer in crowd:
        payer.begin()
    stored = [message_id for payer in crowd for message_id in payer.result()]

    assert len([message_id for message_id in stored if message_id is not None]) == 10 - 2
    held = running(database)
    assert len(held) == 10
    now = database.run(points.balance, user.id, grant=grant)
    assert (now.reserved, now.spent, now.left) == (grant, 0, 0)
    assert database.run(ledger.audit) == []

    for message_id in held:
        assert database.run(end, message_id, AMOUNT)
    now = database.run(points.balance, user.id, grant=grant)
    assert (now.reserved, now.spent, now.left) == (0, grant, 0)
    assert database.run(ledger.audit) == []
