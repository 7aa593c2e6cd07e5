from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from scripts.plans import explained, reads_whole
from services.store import operations, points, users
from services.store.base import utc_now
from services.store.database import Database
from services.store.threads import Message
from tests.factories import make_answer, make_media, settle

# In the middle of a month, so that a week before it is of the same one.
NOW = datetime.fromisoformat("2026-11-21T12:00:00+00:00")
TIMES = {"usage": {"total_tokens": 10, "first_token_s": 0.5}}


def end(database: Database, user_id: int, took_s: float = 1.0, *, at: datetime = NOW, **changes: Any) -> None:
    """An answer that ended at that time, after so many seconds."""
    assistant = changes.pop("assistant", "tutor")
    answer = database.run(make_answer, user_id, assistant=assistant)
    database.run(settle, answer.id, now=at, **{**TIMES, **changes})
    began = update(Message).where(Message.id == answer.id).values(created_at=at - timedelta(seconds=took_s))
    database.run(lambda s: s.execute(began))


@pytest.mark.req("D1-13", "U16")
def test_what_runs_is_told_with_whose_it_is_and_since_when(database: Database, user: users.User) -> None:
    end(database, user.id)
    first, second = (database.run(make_answer, user.id, assistant=name) for name in ("tutor", "study"))

    told = database.run(operations.running)

    assert [(row.assistant, row.email, row.stream_id) for row in told] == [
        ("tutor", user.email, first.stream_id),
        ("study", user.email, second.stream_id),
    ]
    assert told[0].created_at == first.created_at


@pytest.mark.slow
@pytest.mark.req("D1-13")
def test_times_are_by_assistant_and_by_the_nearest_rank(database: Database, user: users.User) -> None:
    for number in range(1, 21):
        end(database, user.id, number, usage={"total_tokens": 1, "first_token_s": number / 10})
    end(database, user.id, 7, assistant="study", usage={"total_tokens": 1})

    told = database.run(operations.period, NOW - timedelta(days=1))

    assert told.first_text == {"tutor": operations.Spread(20, 1.0, 1.9)}
    assert told.durations["tutor"].count == 20
    assert told.durations["tutor"].median_s == pytest.approx(10, abs=0.01)
    assert told.durations["tutor"].p95_s == pytest.approx(19, abs=0.01)
    assert told.durations["study"].median_s == pytest.approx(7, abs=0.01)


@pytest.mark.req("D1-13", "U16")
def test_endings_are_counted_by_outcome_and_code_since_a_time(database: Database, user: users.User) -> None:
    end(database, user.id)
    end(database, user.id, fallback=True)
    end(database, user.id, outcome="failed", error_code="MODEL_BROKEN")
    end(database, user.id, at=NOW - timedelta(days=3))

    day = database.run(operations.period, NOW - timedelta(days=1))
    week = database.run(operations.period, NOW - timedelta(days=7))

    assert day.endings == [
        operations.Ending("tutor", "completed", None, 2, 1),
        operations.Ending("tutor", "failed", "MODEL_BROKEN", 1, 0),
    ]
    assert (day.count, week.count, day.is_cut) == (3, 4, False)


@pytest.mark.slow
@pytest.mark.req("D1-13")
def test_use_is_of_this_month_and_by_person(database: Database, user: users.User, stranger: users.User) -> None:
    for _ in range(2):
        end(database, user.id)
    end(database, user.id, at=NOW - timedelta(days=30))
    end(database, stranger.id, usage=None)
    database.run(points.charge, user.id, "an answer", 12, grant=100, now=NOW)

    assert database.run(operations.use, NOW) == [
        operations.Use(user.email, 2, 20, 12),
        operations.Use(stranger.email, 1, 0, 0),
    ]


@pytest.mark.req("D1-13")
def test_what_is_stored_is_told_in_bytes(database: Database, user: users.User) -> None:
    files = [database.run(make_media, user.id) for _ in range(2)]

    told = database.run(operations.stored)

    assert (told.files, told.files_bytes) == (2, sum(file.stored_bytes for file in files))
    assert told.database_bytes > 10_000
    assert told.database == database.engine.dialect.name


def test_an_empty_site_has_nothing_to_tell(database: Database) -> None:
    assert database.run(operations.running) == []
    assert database.run(operations.use, utc_now()) == []
    assert database.run(operations.period, utc_now()) == operations.Period([], {}, {}, is_cut=False)


@pytest.mark.req("D1-13")
def test_nothing_reads_a_table_whole(database: Database, user: users.User) -> None:
    end(database, user.id)
    steps: list[str] = []

    with explained(database, lambda _, step: steps.append(step)):
        database.run(operations.running)
        database.run(operations.period, NOW)
        database.run(operations.use, NOW)
        database.run(operations.stored)

    for index in ("ix_messages_running", "ix_messages_ended"):
        assert any(index in step for step in steps), steps
    assert [step for step in steps if reads_whole(step)] == []
