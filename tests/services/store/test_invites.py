from collections.abc import Callable
from datetime import timedelta

import gevent
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services import errors
from services.store import invites, users
from services.store.base import utc_now
from services.store.database import Database
from tests.factories import make_user

NOW = utc_now()


def register(s: Session, code: str, email: str) -> users.User | None:
    return make_user(s, email) if invites.use(s, code) else None


def test_an_invite_is_used_once(database: Database) -> None:
    code = database.run(invites.create)

    assert database.run(invites.use, code)
    assert not database.run(invites.use, code)


@pytest.mark.parametrize("code", ["", "unknown", "\ud800"])
def test_an_unknown_code_is_no_invite(database: Database, code: str) -> None:
    database.run(invites.create)

    assert not database.run(invites.use, code)


@pytest.mark.parametrize(
    ("age", "valid"), [(timedelta(days=7) - timedelta(seconds=1), True), (timedelta(days=7), False)]
)
def test_an_invite_expires_after_seven_days(database: Database, age: timedelta, valid: bool) -> None:
    code = database.run(invites.create, now=NOW)

    assert database.run(invites.use, code, now=NOW + age) is valid


def test_a_registration_that_fails_leaves_its_invite(database: Database) -> None:
    code = database.run(invites.create)
    database.run(make_user, "taken@example.org")

    with pytest.raises(errors.Conflict):
        database.run(register, code, "taken@example.org")

    assert database.run(register, code, "free@example.org") is not None


def test_an_invite_used_by_many_at_once_makes_one_account(make_database: Callable[..., Database]) -> None:
    databases = [make_database(), make_database()]
    code = databases[0].run(invites.create)

    tries = [gevent.spawn(databases[n % 2].run, register, code, f"{n}@example.org") for n in range(8)]
    gevent.joinall(tries, raise_error=True)

    assert sum(one.value is not None for one in tries) == 1
    assert databases[0].run(users.count) == 1


def test_the_code_is_not_kept_and_expired_invites_are_cleared_away(database: Database) -> None:
    old = database.run(invites.create, now=NOW - timedelta(days=8))
    code = database.run(invites.create, now=NOW)

    rows = database.run(lambda s: list(s.scalars(select(invites.Invite.digest))))

    assert len(rows) == 1
    assert rows[0] not in (old, code)
    assert database.run(lambda s: s.scalar(select(func.count()).select_from(invites.Invite))) == 1
