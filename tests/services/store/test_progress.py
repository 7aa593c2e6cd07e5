from collections.abc import Callable

import gevent

from services.store import progress, users
from services.store.database import Database
from tests.factories import make_user


def state(database: Database, user: users.User) -> dict[str, tuple[int, bool]]:
    return {key: (row.highest_hint, row.solved) for key, row in database.run(progress.for_user, user.id).items()}


def test_the_highest_rung_stays(database: Database, user: users.User) -> None:
    for level in (1, 3, 2):
        database.run(progress.note_hint, user.id, "two-sum", level)

    assert state(database, user) == {"two-sum": (3, False)}


def test_solved_stays_and_so_do_the_hints(database: Database, user: users.User) -> None:
    database.run(progress.note_hint, user.id, "two-sum", 2)
    database.run(progress.mark_solved, user.id, "two-sum")
    database.run(progress.note_hint, user.id, "two-sum", 1)

    assert state(database, user) == {"two-sum": (2, True)}


def test_a_problem_solved_without_hints_has_none(database: Database, user: users.User) -> None:
    database.run(progress.mark_solved, user.id, "two-sum")

    assert state(database, user) == {"two-sum": (0, True)}


def test_progress_is_each_persons_own(database: Database, user: users.User, stranger: users.User) -> None:
    database.run(progress.note_hint, user.id, "two-sum", 2)
    database.run(progress.mark_solved, stranger.id, "two-sum")

    assert state(database, user) == {"two-sum": (2, False)}
    assert state(database, stranger) == {"two-sum": (0, True)}


def test_the_time_of_the_last_step_is_kept(database: Database, user: users.User) -> None:
    database.run(progress.note_hint, user.id, "two-sum", 2)
    before = database.run(progress.for_user, user.id)["two-sum"].updated_at

    database.run(progress.note_hint, user.id, "two-sum", 1)

    assert database.run(progress.for_user, user.id)["two-sum"].updated_at > before


def test_steps_at_once_lose_nothing(make_database: Callable[..., Database]) -> None:
    databases = [make_database(), make_database()]
    user = databases[0].run(make_user)

    steps = [gevent.spawn(databases[n % 2].run, progress.note_hint, user.id, "two-sum", n % 4) for n in range(12)]
    steps.append(gevent.spawn(databases[0].run, progress.mark_solved, user.id, "two-sum"))
    gevent.joinall(steps, raise_error=True)

    assert state(databases[1], user) == {"two-sum": (3, True)}
