import pytest

from services import errors
from services.store import problems, progress, submissions, users
from services.store.database import Database
from tests.factories import make_problem, make_submission


def test_a_problem_is_kept_as_it_was_given(database: Database, user: users.User) -> None:
    extra = {"examples": [{"input": "[1]", "output": "1"}], "difficulty": "hard"}

    database.run(problems.add, user.id, "mine", title="Mine", statement="Über $x^2$", extra=extra)

    kept = database.run(problems.get, user.id, "mine")
    assert (kept.id, kept.title, kept.statement, kept.extra) == ("mine", "Mine", "Über $x^2$", extra)


def test_an_id_is_taken_for_its_owner_only(database: Database, user: users.User, stranger: users.User) -> None:
    database.run(make_problem, user.id, "mine")

    with pytest.raises(errors.Conflict):
        database.run(make_problem, user.id, "mine")
    database.run(make_problem, stranger.id, "mine")

    assert len(database.run(problems.for_user, user.id)) == 1
    assert len(database.run(problems.for_user, stranger.id)) == 1


def test_problems_are_listed_with_the_newest_first(database: Database, user: users.User) -> None:
    for name in ("one", "two", "three"):
        database.run(make_problem, user.id, name)

    assert [row.id for row in database.run(problems.for_user, user.id)] == ["three", "two", "one"]


def test_a_strangers_problem_is_not_found(database: Database, user: users.User, stranger: users.User) -> None:
    database.run(make_problem, stranger.id, "theirs")

    for call in (problems.get, problems.delete):
        with pytest.raises(errors.NotFound):
            database.run(call, user.id, "theirs")

    assert database.run(problems.get, stranger.id, "theirs")


def test_a_deleted_problem_takes_its_submissions_and_progress_along(
    database: Database, user: users.User, stranger: users.User
) -> None:
    for owner in (user, stranger):
        database.run(make_problem, owner.id, "mine")
        database.run(make_submission, owner.id, "mine")
        database.run(make_submission, owner.id, "two-sum")
        database.run(progress.mark_solved, owner.id, "mine")

    database.run(problems.delete, user.id, "mine")

    with pytest.raises(errors.NotFound):
        database.run(problems.get, user.id, "mine")
    assert database.run(submissions.latest, user.id, "mine", 5) == []
    assert database.run(progress.for_user, user.id) == {}
    assert len(database.run(submissions.latest, user.id, "two-sum", 5)) == 1
    assert len(database.run(submissions.latest, stranger.id, "mine", 5)) == 1
    assert database.run(progress.for_user, stranger.id)["mine"].solved
