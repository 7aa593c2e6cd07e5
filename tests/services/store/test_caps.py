from collections.abc import Callable
from typing import Any

import gevent
import pytest
from sqlalchemy import insert
from sqlalchemy.orm import Session

from services import errors
from services.store import problems, submissions, tokens, users
from services.store.base import new_id, utc_now
from services.store.database import Database
from tests.factories import make_problem, make_problems, make_submission, make_user


def fill_tokens(s: Session, user_id: int, count: int) -> None:
    for number in range(count):
        tokens.create(s, user_id, f"token {number}")


def fill_submissions(s: Session, user_id: int, count: int) -> None:
    counts = dict.fromkeys(("visible_passed", "visible_total", "hidden_passed", "hidden_total"), 0)
    same = {"user_id": user_id, "code": "", "language": "", "status": "failed", "categories": [], **counts}
    rows = [{**same, "id": new_id(), "problem_id": f"p{n}", "created_at": utc_now()} for n in range(count)]
    s.execute(insert(submissions.Submission), rows)


def make_token(s: Session, user_id: int) -> None:
    tokens.create(s, user_id, "one")


CAPS = [
    (make_problems, make_problem, problems.MAX_PROBLEMS, "TOO_MANY_PROBLEMS"),
    (fill_submissions, make_submission, submissions.MAX_SUBMISSIONS, "TOO_MANY_SUBMISSIONS"),
    (fill_tokens, make_token, tokens.MAX_TOKENS, "TOO_MANY_TOKENS"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("fill", "add", "limit", "code"), CAPS)
def test_the_last_place_is_given_once_and_the_refusal_says_the_cap(
    database: Database, user: users.User, fill: Callable[..., None], add: Callable[..., Any], limit: int, code: str
) -> None:
    stranger = database.run(make_user)
    database.run(fill, user.id, limit - 1)

    tried = [gevent.spawn(database.run, add, user.id) for _ in range(3)]
    gevent.joinall(tried, timeout=30)

    refused = [one.exception for one in tried if one.exception is not None]
    assert len(refused) == 2
    for error in refused:
        assert isinstance(error, errors.Conflict)
        assert error.code == code
        assert error.extra == {"limit": limit, "current": limit}
        assert str(limit) in error.message
    database.run(add, stranger.id)


@pytest.mark.slow
def test_a_deleted_problem_makes_room(database: Database, user: users.User) -> None:
    database.run(make_problems, user.id, problems.MAX_PROBLEMS)

    database.run(problems.delete, user.id, "old-7")

    assert database.run(make_problem, user.id, "new").id == "new"


@pytest.mark.slow
def test_problems_have_a_bound_in_all_too(database: Database, user: users.User, stranger: users.User) -> None:
    large = {"title": "L", "statement": "x" * (problems.MAX_TOTAL_CHARS // 4), "extra": {}}
    for number in range(4):
        database.run(problems.add, user.id, f"large-{number}", **large)

    with pytest.raises(errors.Conflict, match="20 MB in all") as refused:
        database.run(make_problem, user.id)
    assert refused.value.code == "TOO_MANY_PROBLEMS"

    database.run(make_problem, stranger.id)
    database.run(problems.delete, user.id, "large-0")
    database.run(make_problem, user.id)


@pytest.mark.slow
def test_of_each_problem_the_newest_submissions_are_kept(
    database: Database, user: users.User, stranger: users.User
) -> None:
    other = database.run(make_submission, user.id, "other")
    theirs = database.run(make_submission, stranger.id)
    made = [database.run(make_submission, user.id) for _ in range(submissions.KEPT_PER_PROBLEM + 3)]

    kept = [row.id for row in database.run(submissions.latest, user.id, "two-sum", 1_000)]

    assert kept == made[:2:-1]
    assert [row.id for row in database.run(submissions.latest, user.id, "other", 5)] == [other]
    assert [row.id for row in database.run(submissions.latest, stranger.id, "two-sum", 5)] == [theirs]
