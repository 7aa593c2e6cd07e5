import pytest

from services.store import submissions, users
from services.store.database import Database
from tests.factories import make_submission


@pytest.mark.req("T26")
def test_a_submission_is_kept_as_it_was_given(database: Database, user: users.User) -> None:
    made = database.run(
        submissions.add, user.id, "two-sum", status="failed", code="def solve(): ...", language="python",
        visible_passed=2, visible_total=3, hidden_passed=4, hidden_total=9, categories=["empty", "größer"],
        client_name="one",
    )  # fmt: skip

    (kept,) = database.run(submissions.latest, user.id, "two-sum", 1)
    assert kept.id == made
    assert (kept.status, kept.code, kept.language, kept.client_name) == ("failed", "def solve(): ...", "python", "one")
    assert (kept.visible_passed, kept.visible_total, kept.hidden_passed, kept.hidden_total) == (2, 3, 4, 9)
    assert kept.categories == ["empty", "größer"]


def test_the_latest_come_first_and_only_the_persons_own(
    database: Database, user: users.User, stranger: users.User
) -> None:
    made = [database.run(make_submission, user.id) for _ in range(4)]
    database.run(make_submission, user.id, "other")
    database.run(make_submission, stranger.id)

    assert [row.id for row in database.run(submissions.latest, user.id, "two-sum", 3)] == made[:0:-1]
    assert database.run(submissions.latest, user.id, "unknown", 3) == []
