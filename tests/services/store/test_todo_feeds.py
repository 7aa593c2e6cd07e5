import pytest

from services import errors
from services.store import todo_feeds, users
from services.store.database import Database
from tests.services.store.purses import NOON


def test_a_secret_opens_one_feed_until_it_is_changed_or_revoked(
    database: Database, user: users.User, stranger: users.User
) -> None:
    assert database.run(todo_feeds.since, user.id) is None
    assert not database.run(todo_feeds.revoke, user.id)

    database.run(todo_feeds.put, user.id, "first", now=NOON)
    database.run(todo_feeds.put, stranger.id, "theirs", now=NOON)
    assert database.run(todo_feeds.owner, "first") == user.id
    assert database.run(todo_feeds.since, user.id) == NOON

    database.run(todo_feeds.put, user.id, "second", now=NOON)
    assert database.run(todo_feeds.owner, "first") is None
    assert database.run(todo_feeds.owner, "second") == user.id

    assert database.run(todo_feeds.revoke, user.id)
    assert database.run(todo_feeds.owner, "second") is None
    assert database.run(todo_feeds.owner, "theirs") == stranger.id


def test_a_secret_is_never_two_peoples(database: Database, user: users.User, stranger: users.User) -> None:
    database.run(todo_feeds.put, user.id, "same", now=NOON)

    with pytest.raises(errors.Conflict):
        database.run(todo_feeds.put, stranger.id, "same", now=NOON)


def test_the_secret_is_not_exported(database: Database, user: users.User) -> None:
    database.run(todo_feeds.put, user.id, "hash", now=NOON)

    assert database.run(users.export, user.id)["todo_feeds"] == [
        {"user_id": user.id, "created_at": "2026-11-21T12:00:00+00:00"}
    ]
