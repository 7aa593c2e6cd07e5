from datetime import timedelta

import pytest

from services import errors
from services.store import sessions, users
from services.store.base import utc_now
from services.store.database import Database

NOW = utc_now()


def open_session(database: Database, user: users.User, **options) -> sessions.SessionRow:
    return database.run(sessions.open, user.id, user_agent="Browser", address="192.0.2.1", **options)


def test_a_session_leads_to_its_account(database: Database, user: users.User, stranger: users.User) -> None:
    session = open_session(database, user)
    open_session(database, stranger)

    found, owner = database.run(sessions.user_of, session.id)

    assert (found.id, owner) == (session.id, user)
    assert (found.user_agent, found.address, found.epoch) == ("Browser", "192.0.2.1", user.epoch)
    assert database.run(sessions.by_id, session.id).user_id == user.id
    assert database.run(sessions.user_of, "unknown") is None
    assert database.run(sessions.by_id, "unknown") is None


def test_session_ids_cannot_be_guessed(database: Database, user: users.User) -> None:
    ids = {open_session(database, user).id for _ in range(20)}

    assert len(ids) == 20
    assert all(len(one) >= 32 for one in ids)


def test_a_session_of_an_older_epoch_has_ended(database: Database, user: users.User) -> None:
    session = open_session(database, user)
    database.run(lambda s: s.get(users.UserRow, user.id).__setattr__("epoch", 1))

    assert database.run(sessions.user_of, session.id) is None


def test_a_session_of_an_unknown_account_cannot_be_opened(database: Database) -> None:
    with pytest.raises(errors.NotFound):
        database.run(sessions.open, 4711, user_agent="", address="")


def test_an_idle_session_lapses_and_is_cleared_away(database: Database, user: users.User) -> None:
    idle = open_session(database, user, now=NOW - sessions.IDLE_LIMIT - timedelta(seconds=1))

    assert database.run(sessions.user_of, idle.id, now=NOW) is None
    assert database.run(sessions.by_id, idle.id, now=NOW) is None
    assert database.run(sessions.for_user, user.id, now=NOW) == []
    open_session(database, user, now=NOW)
    assert database.run(sessions.by_id, idle.id, now=NOW - timedelta(days=2)) is None


def test_use_is_noted_once_a_minute(database: Database, user: users.User) -> None:
    session = open_session(database, user, now=NOW)

    def seen(after: timedelta, **options):
        database.run(sessions.touch, session.id, now=NOW + after, **options)
        row = database.run(sessions.by_id, session.id)
        return row.last_seen_at - NOW, row.address

    assert seen(timedelta(seconds=59), address="192.0.2.9") == (timedelta(0), "192.0.2.1")
    assert seen(timedelta(seconds=60), address="192.0.2.9") == (timedelta(seconds=60), "192.0.2.9")
    assert seen(timedelta(seconds=180)) == (timedelta(seconds=180), "192.0.2.9")
    database.run(sessions.touch, "unknown")


def test_sessions_are_listed_with_the_last_used_first(
    database: Database, user: users.User, stranger: users.User
) -> None:
    early = open_session(database, user, now=NOW)
    late = open_session(database, user, now=NOW + timedelta(minutes=1))
    open_session(database, stranger)

    assert [row.id for row in database.run(sessions.for_user, user.id)] == [late.id, early.id]
    database.run(sessions.touch, early.id, now=NOW + timedelta(minutes=2))
    assert [row.id for row in database.run(sessions.for_user, user.id)] == [early.id, late.id]


def test_a_session_is_ended_by_its_owner_only(database: Database, user: users.User, stranger: users.User) -> None:
    session = open_session(database, user)

    with pytest.raises(errors.NotFound):
        database.run(sessions.close, stranger.id, session.id)
    assert database.run(sessions.user_of, session.id) is not None

    database.run(sessions.close, user.id, session.id)
    assert database.run(sessions.user_of, session.id) is None
    with pytest.raises(errors.NotFound):
        database.run(sessions.close, user.id, session.id)


def test_all_sessions_but_the_kept_one_end(database: Database, user: users.User, stranger: users.User) -> None:
    kept, *_ = [open_session(database, user) for _ in range(3)]
    theirs = open_session(database, stranger)

    assert database.run(sessions.close_all, user.id, keep=kept.id) == 2
    assert [row.id for row in database.run(sessions.for_user, user.id)] == [kept.id]
    assert database.run(sessions.close_all, user.id) == 1
    assert database.run(sessions.for_user, user.id) == []
    assert database.run(sessions.user_of, theirs.id) is not None
