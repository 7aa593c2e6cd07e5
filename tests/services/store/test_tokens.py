import hashlib
import json
from datetime import timedelta

import pytest

from services import errors
from services.store import tokens, users
from services.store.base import utc_now
from services.store.database import Database

NOW = utc_now()


@pytest.mark.req("R5")
def test_a_token_leads_to_its_account(database: Database, user: users.User, stranger: users.User) -> None:
    row, plain = database.run(tokens.create, user.id, "laptop")
    _, other = database.run(tokens.create, stranger.id, "laptop")

    assert plain.startswith("rill_")
    assert len(plain) > 40
    assert row.name == "laptop"
    assert database.run(tokens.user_of, plain) == user
    assert database.run(tokens.user_of, other) == stranger


@pytest.mark.parametrize("presented", ["", "rill_", "rill_unknown", "unknown", "rill_\ud800", "rill_\x00"])
def test_what_is_no_token_leads_nowhere(database: Database, user: users.User, presented: str) -> None:
    database.run(tokens.create, user.id, "laptop")

    assert database.run(tokens.user_of, presented) is None


def test_only_a_tokens_hash_is_kept(database: Database, user: users.User) -> None:
    row, plain = database.run(tokens.create, user.id, "laptop")

    assert row.digest == hashlib.sha256(plain.encode()).hexdigest()
    kept = database.run(tokens.for_user, user.id)
    values = {column.key: str(getattr(kept[0], column.key)) for column in tokens.TokenRow.__table__.columns}
    assert plain not in json.dumps(values)
    assert plain.removeprefix("rill_") not in json.dumps(values)


def test_use_is_noted_at_most_once_a_minute(database: Database, user: users.User) -> None:
    _, plain = database.run(tokens.create, user.id, "laptop")

    def used(after: timedelta):
        assert database.run(tokens.user_of, plain, now=NOW + after) == user
        return database.run(tokens.for_user, user.id)[0].last_used_at - NOW

    assert database.run(tokens.for_user, user.id)[0].last_used_at is None
    assert used(timedelta(0)) == timedelta(0)
    assert used(timedelta(seconds=59)) == timedelta(0)
    assert used(timedelta(seconds=60)) == timedelta(seconds=60)


def test_a_revoked_token_ends_at_once_and_alone(database: Database, user: users.User) -> None:
    row, plain = database.run(tokens.create, user.id, "laptop")
    other, still = database.run(tokens.create, user.id, "phone")

    database.run(tokens.revoke, user.id, row.id)

    assert database.run(tokens.user_of, plain) is None
    assert database.run(tokens.user_of, still) == user
    assert [one.id for one in database.run(tokens.for_user, user.id)] == [other.id]


@pytest.mark.parametrize("token_id", [0, -1, 4711, 2**31, 10**30])
def test_an_unknown_token_cannot_be_revoked(database: Database, user: users.User, token_id: int) -> None:
    with pytest.raises(errors.NotFound):
        database.run(tokens.revoke, user.id, token_id)


def test_a_strangers_token_cannot_be_revoked(database: Database, user: users.User, stranger: users.User) -> None:
    row, plain = database.run(tokens.create, stranger.id, "laptop")

    with pytest.raises(errors.NotFound):
        database.run(tokens.revoke, user.id, row.id)

    assert database.run(tokens.user_of, plain) == stranger


def test_tokens_are_listed_with_the_newest_first(database: Database, user: users.User) -> None:
    for name in ("one", "two", "three"):
        database.run(tokens.create, user.id, name)

    assert [row.name for row in database.run(tokens.for_user, user.id)] == ["three", "two", "one"]
