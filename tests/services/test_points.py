"""Prices, and the wallet over the ledger, on SQLite; the ledger itself is tested in tests/services/store."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services import errors
from services.points import Points, Prices, tokens_in
from services.settings import Settings
from services.store import conversations, ledger, points, users
from services.store.base import utc_now
from services.store.database import Database
from tests import databases
from tests.factories import make_answer, make_user, settle

WORDS = "x" * 1200  # 300 tokens


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'points.sqlite3'}"
    databases.prepare(url)
    made = Database(url)
    yield made
    made.close()


@pytest.fixture
def wallet(database: Database, make_settings: Callable[..., Settings]) -> Points:
    return Points(make_settings(STUDY_POINTS="100"), database)


@pytest.fixture
def user(database: Database) -> users.User:
    return database.run(make_user)


# -- prices


@pytest.mark.req("U7", "R31")
@pytest.mark.parametrize(("tokens", "cost"), [(0, 1), (1, 1), (30, 1), (31, 2), (150, 5), (151, 6)])
def test_a_point_buys_thirty_tokens_and_an_answer_costs_one_at_least(tokens: int, cost: int) -> None:
    assert Prices().cost(tokens) == cost


@pytest.mark.req("R31")
def test_uploads_cost_besides() -> None:
    assert Prices().cost(150, 3) == 5 + 3 * 2
    assert Prices(tokens_per_point=1000, per_media=7, minimum=4).cost(150, 1) == 4 + 7


def test_the_table_comes_from_the_settings(make_settings: Callable[..., Settings], database: Database) -> None:
    table = {"STUDY_TOKENS_PER_POINT": "10", "STUDY_POINTS_PER_MEDIA": "0", "STUDY_POINTS_MINIMUM": "3"}

    made = Points(make_settings(STUDY_POINTS="5", **table), database)

    assert made.prices == Prices(tokens_per_point=10, per_media=0, minimum=3)
    assert made.grant == 5


@pytest.mark.req("R31")
def test_an_estimate_grows_with_all_that_makes_an_answer_dearer() -> None:
    prices = Prices()
    usual = prices.estimate(message="Why?")

    assert prices.estimate(message="Why?" + WORDS) == usual + 10
    assert prices.estimate(message="Why?", history=[WORDS, WORDS]) == usual + 20
    assert prices.estimate(message="Why?", media_count=1) > usual + 2
    assert prices.estimate(message="Why?", length="short") < usual < prices.estimate(message="Why?", length="long")
    assert prices.estimate(message="Why?", length="medium") == usual


def test_an_answers_limit_bounds_its_estimate_but_does_not_raise_it() -> None:
    prices = Prices()

    assert prices.estimate(message="Why?", max_tokens=10) < prices.estimate(message="Why?")
    assert prices.estimate(message="Why?", max_tokens=5000) == prices.estimate(message="Why?")


def test_tokens_are_a_quarter_of_the_characters_rounded_up() -> None:
    assert [tokens_in("x" * length) for length in (0, 1, 4, 5)] == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("ended", "cost"),
    [
        ({"outcome": "completed", "usage": {"total_tokens": 150}}, 5),
        ({"outcome": "completed", "usage": {"total_tokens": 150}, "media_count": 2}, 9),
        ({"outcome": "completed", "usage": None}, 1),
        ({"outcome": "completed", "usage": {"total_tokens": -5}}, 1),
        ({"outcome": "completed", "usage": {"total_tokens": "many"}}, 1),
        ({"outcome": "completed", "usage": {"total_tokens": 10**30}}, 3_333_334),
        ({"outcome": "stopped", "usage": {"total_tokens": 150}}, 5),
        ({"outcome": "failed", "usage": {"total_tokens": 150}}, 5),
        ({"outcome": "interrupted", "usage": {}}, 1),
        ({"outcome": "failed", "text": "", "usage": {"total_tokens": 150}, "media_count": 2}, 0),
        ({"outcome": "stopped", "text": "", "usage": None}, 0),
        ({"outcome": "interrupted", "text": "", "usage": None}, 0),
        ({"outcome": "completed", "usage": {"total_tokens": 150}, "cached": True, "media_count": 2}, 0),
    ],
)
def test_what_came_is_paid_and_nothing_else(ended: dict[str, Any], cost: int) -> None:
    assert Prices().of_answer(**{"text": "Words.", **ended}) == cost


# -- the wallet


@pytest.mark.req("U7")
def test_an_answer_is_paid_out_of_its_reservation(wallet: Points, database: Database, user: users.User) -> None:
    database.run(wallet.reserve, user.id, "a", 20)
    ended = {"outcome": "completed", "text": "Words.", "usage": {"total_tokens": 150}}

    assert database.run(wallet.settle_answer, user.id, "a", **ended) == 5
    assert database.run(wallet.settle_answer, user.id, "a", **ended) == 5, "says the same, and changes nothing"

    now = database.run(wallet.balance, user.id)
    assert (now.spent, now.reserved, now.left) == (5, 0, 95)
    assert database.run(ledger.audit) == []


@pytest.mark.req("U12")
def test_an_answer_that_failed_before_its_first_word_costs_nothing(
    wallet: Points, database: Database, user: users.User
) -> None:
    database.run(wallet.reserve, user.id, "a", 20)

    assert database.run(wallet.settle_answer, user.id, "a", outcome="failed", text="", usage=None) == 0

    assert database.run(wallet.balance, user.id).left == 100
    assert database.run(points.history, user.id)[0].kind == "release"


@pytest.mark.req("U13")
def test_an_answer_from_the_cache_costs_nothing_and_stands_in_the_history(
    wallet: Points, database: Database, user: users.User
) -> None:
    ended = {"outcome": "completed", "text": "Words.", "usage": {"total_tokens": 150}, "cached": True}

    assert database.run(wallet.settle_answer, user.id, "a", **ended) == 0

    assert database.run(wallet.balance, user.id).left == 100
    line = database.run(points.history, user.id)[0]
    assert (line.kind, line.message_id, line.spent) == ("settle", "a", 0)


def test_an_answer_without_a_reservation_is_paid_too(wallet: Points, database: Database, user: users.User) -> None:
    ended = {"outcome": "completed", "text": "Words.", "usage": {"total_tokens": 150}}

    assert database.run(wallet.settle_answer, user.id, "a", **ended) == 5

    assert database.run(wallet.balance, user.id).spent == 5
    assert database.run(ledger.audit) == []


def test_checking_refuses_what_reserving_would(wallet: Points, database: Database, user: users.User) -> None:
    database.run(wallet.check, user.id, 100)
    for refuse in (
        lambda: database.run(wallet.check, user.id, 101),
        lambda: database.run(wallet.reserve, user.id, "a", 101),
    ):
        with pytest.raises(errors.PointsExhausted):
            refuse()


def test_one_odd_reservation_keeps_no_other_from_being_closed(
    wallet: Points, database: Database, user: users.User, caplog: pytest.LogCaptureFixture
) -> None:
    long_ago = utc_now().replace(year=2025)
    database.run(points.charge, user.id, "deck:odd", 2, grant=100, now=long_ago)
    for name in ("deck:odd", "deleted"):
        database.run(points.reserve, user.id, name, 5, grant=100, now=long_ago)

    assert wallet.sweep() == 1

    assert database.run(points.balance, user.id, long_ago, grant=100).spent == 2 + 5
    assert "reservation not closed" in caplog.text


@pytest.mark.slow
def test_the_sweep_closes_what_was_abandoned_and_nothing_else(
    wallet: Points, database: Database, user: users.User
) -> None:
    long_ago = utc_now().replace(year=2025)

    def hold(name: str, **more: Any) -> None:
        database.run(points.reserve, user.id, name, 5, grant=100, now=long_ago, **more)

    deleted, failed, running = (database.run(make_answer, user.id) for _ in range(3))
    for name in (deleted.id, failed.id, running.id):
        hold(name)
    hold("cards:1", expires_at=long_ago)
    database.run(conversations.delete, user.id, deleted.conversation_id)
    database.run(settle, failed.id, "", outcome="failed", finish_reason="error")

    assert (wallet.sweep(), wallet.sweep()) == (3, 0)

    then = database.run(points.balance, user.id, long_ago, grant=100)
    assert (then.spent, then.reserved) == (5, 5), "the deleted one is paid, the running one still held"
    assert database.run(ledger.audit) == []
