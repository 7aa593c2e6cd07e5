"""What is left behind in the ledger, and whether its books agree."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from services.store import conversations, ledger, points, users
from services.store.database import Database, Session
from tests.factories import make_answer, settle
from tests.services.store.purses import NOON, Purse

# -- what is left behind


def orphans(purse: Purse, later_s: float = 60) -> list[points.Orphan]:
    return purse.database.run(points.orphans, now=purse.now + timedelta(seconds=later_s))


def test_a_running_answer_is_no_orphan_however_long_it_runs(purse: Purse, database: Database) -> None:
    answer = database.run(make_answer, purse.user.id)
    purse.reserve(answer.id, 30)

    assert orphans(purse, 1e6) == []


def test_an_answer_deleted_while_it_ran_costs_what_was_held_for_it(purse: Purse, database: Database) -> None:
    answer = database.run(make_answer, purse.user.id)
    purse.reserve(answer.id, 30)
    database.run(conversations.delete, purse.user.id, answer.conversation_id)

    assert orphans(purse, 1) == [], "what has just happened is left alone"
    assert orphans(purse) == [points.Orphan(answer.id, 30)]


@pytest.mark.parametrize(("words", "cost"), [("Some words.", 30), ("", 0)])
def test_an_answer_settled_past_its_points_costs_them_if_text_came(
    purse: Purse, database: Database, words: str, cost: int
) -> None:
    answer = database.run(make_answer, purse.user.id)
    purse.reserve(answer.id, 30)
    database.run(settle, answer.id, words, outcome="failed", finish_reason="error")

    assert orphans(purse) == [points.Orphan(answer.id, cost)]


def test_what_is_no_answer_expires_and_costs_nothing(purse: Purse) -> None:
    purse.reserve("cards:1", 5, expires_at=NOON + timedelta(minutes=10))

    assert orphans(purse, 599) == []
    assert orphans(purse, 601) == [points.Orphan("cards:1", 0)]


def test_an_account_goes_with_its_points(purse: Purse, database: Database) -> None:
    purse.reserve("a", 30)
    purse.set_cap(50)
    database.run(users.delete, purse.user.id)

    assert purse.settle("a", 3) is None
    counts = [
        database.run(lambda s, table=table: s.scalar(text(f"SELECT count(*) FROM {table}")))
        for table in ("points_accounts", "points_caps", "points_reservations", "points_entries")
    ]
    assert counts == [0, 0, 0, 0]


# -- the books


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        ("UPDATE points_accounts SET spent = spent + 1", ["spent"]),
        ("UPDATE points_accounts SET granted = granted + 1", ["granted"]),
        ("DELETE FROM points_entries WHERE kind = 'settle'", ["reserved", "spent"]),
        ("DELETE FROM points_reservations", ["open"]),
        ("DELETE FROM points_accounts", ["granted", "reserved", "spent", "open"]),
    ],
)
def test_the_audit_finds_what_was_written_past_the_ledger(purse: Purse, damage: str, what: list[str]) -> None:
    purse.reserve("a", 30)
    purse.reserve("b", 30)
    purse.settle("b", 12)
    assert purse.database.run(ledger.audit) == []

    purse.database.run(lambda s: s.execute(text(damage)))

    found = purse.database.run(ledger.audit, purse.user.id)
    assert [difference.what for difference in found] == what


@pytest.mark.parametrize(
    ("name", "arguments", "options"),
    [
        ("balance", [1], {"grant": 9}),
        ("reserve", [1, "b", 1], {"grant": 9}),
        ("settle", ["a", 1], {}),
        ("history", [1, "zzz", 10], {"kinds": ["settle"]}),
        ("orphans", [10], {}),
    ],
)
def test_no_query_reads_a_whole_table(
    purse: Purse, database: Database, name: str, arguments: list[Any], options: dict[str, Any]
) -> None:
    purse.reserve("a", 1)
    sqlite = database.engine.dialect.name == "sqlite"
    plans: list[str] = []

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, executemany: Any) -> None:
        if not statement.startswith("SET"):
            found = connection.connection.cursor()
            found.execute(("EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN ") + statement, parameters)
            plans.extend(" ".join(map(str, row)) for row in found.fetchall())

    def ask(s: Session) -> None:
        if not sqlite:
            # Its planner reads small tables whole; with this it does so only where nothing leads to the rows.
            s.execute(text("SET LOCAL enable_seqscan = off"))
        event.listen(database.engine, "before_cursor_execute", explain)
        try:
            getattr(points, name)(s, *arguments, **options)
        finally:
            event.remove(database.engine, "before_cursor_execute", explain)

    database.run(ask)

    assert plans, "needs a query that was explained"
    assert [step for step in plans if "Seq Scan" in step or (" SCAN " in step and " USING " not in step)] == []
