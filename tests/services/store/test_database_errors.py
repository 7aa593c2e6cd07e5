import stat
from collections.abc import Callable
from pathlib import Path

import gevent
import pytest
import sqlalchemy
from gevent.monkey import get_original
from sqlalchemy import text

from services import errors
from services.store import conversations, progress, users
from services.store.database import Database, check_server
from tests.factories import make_answer, make_user

# Locks of the operating system's threads, not gevent's: to hold a native thread where a test wants it.
native_lock = get_original("_thread", "allocate_lock")


def on_sqlite(url: str) -> bool:
    return url.startswith("sqlite")


@pytest.mark.slow
@pytest.mark.parametrize(
    "address",
    ["sqlite:////nowhere/at/all/rill.sqlite3", "postgresql+psycopg://nobody@127.0.0.1:9/none"],
)
def test_a_database_that_cannot_be_opened_is_unavailable(address: str) -> None:
    database = Database(address)

    for _ in range(6):  # more often than there are connections
        with pytest.raises(errors.Unavailable):
            database.run(users.count)

    database.close()


def test_a_broken_constraint_is_a_conflict_whose_text_holds_no_value(database: Database, user: users.User) -> None:
    answer = database.run(make_answer, user.id, question="private words")

    with pytest.raises(errors.Conflict) as caught:
        database.run(make_answer, user.id, question="private words", run_id=answer.run_id)

    assert "private words" not in str(caught.value)
    assert "private words" not in str(caught.value.__cause__)
    assert len(database.run(conversations.listing, user.id)) == 1, "nothing of the refused one stays"


def test_a_number_beyond_the_column_is_invalid_input(database: Database, user: users.User) -> None:
    with pytest.raises(errors.InvalidInput):
        database.run(progress.note_hint, user.id, "two-sum", 10**30)


def test_a_mistake_in_a_statement_is_not_hidden(database: Database) -> None:
    with pytest.raises(sqlalchemy.exc.ArgumentError):
        database.run(lambda s: s.execute("SELECT 1"))


@pytest.mark.parametrize("ending", [gevent.GreenletExit(), gevent.Timeout(60)])
def test_the_end_of_a_greenlet_is_not_hidden_by_a_drivers_error(database: Database, ending: BaseException) -> None:
    def ended_in_a_ping(_: object) -> None:
        cleanup = Exception("autocommit cannot be set now")
        cleanup.__context__ = ending
        raise sqlalchemy.exc.ProgrammingError("a ping", {}, cleanup) from cleanup

    with pytest.raises(type(ending)) as caught:
        database.run(ended_in_a_ping)

    assert caught.value is ending
    database.run(users.count)


def test_rows_are_complete_outside_their_transaction(database: Database, user: users.User) -> None:
    answer = database.run(make_answer, user.id)

    values = {column.key: getattr(answer, column.key) for column in conversations.Message.__table__.columns}

    assert values["turn"]["partial"] == ""
    assert values["outcome"] is None


def test_a_connection_lost_in_between_is_replaced(database: Database, url: str) -> None:
    database.run(users.count)
    if on_sqlite(url):
        database.engine.pool.connect().invalidate()
    else:
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
        with engine.connect() as other:
            others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'rill'"
            assert other.scalar(text(others)) == 1
        engine.dispose()

    assert database.run(users.count) == 0


def test_closing_leaves_one_file_and_no_connection(url: str) -> None:
    database = Database(url)
    database.run(make_user)

    database.close()

    if on_sqlite(url):
        path = Path(url.removeprefix("sqlite:///"))
        assert [entry.name for entry in path.parent.iterdir()] == [path.name], "the write-ahead log is folded in"
    assert database.engine.pool.checkedin() == 0


@pytest.mark.slow
def test_a_new_database_file_is_its_owners_only(tmp_path: Path) -> None:
    path = tmp_path / "with space" / "100%" / "rill.sqlite3"
    database = Database(f"sqlite:///{path}")

    database.migrate()

    user = database.run(make_user)

    assert database.run(users.by_id, user.id) == user
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(f"{path}-wal").stat().st_mode) == 0o600
    database.close()


@pytest.mark.parametrize("version", [(13, 22), (9, 6, 24), (13,)])
def test_an_old_postgresql_is_refused_in_one_line(version: tuple[int, ...]) -> None:
    with pytest.raises(errors.Unavailable) as caught:
        check_server(version)

    assert "14 or newer" in caught.value.message
    assert ".".join(map(str, version)) in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("version", [(14,), (14, 0), (15, 18), (18, 1)])
def test_a_new_postgresql_is_taken_as_it_is(version: tuple[int, ...]) -> None:
    check_server(version)


def test_statements_of_ours_load_no_extension(make_database: Callable[..., Database], url: str) -> None:
    if not url.startswith("sqlite"):
        return
    database = make_database()
    assert database.run(lambda s: s.scalar(text("SELECT vec_version()"))), "needs the one that is loaded"

    with pytest.raises(errors.AppError) as caught:
        database.run(lambda s: s.execute(text("SELECT load_extension('vec0')")))

    assert "not authorized" in str(caught.value.__cause__)
