"""The database: its connections, its one way in (`Database.run`), and its migrations.

SQLite or PostgreSQL, by the URL. The process must be gevent-patched (line 1 of app.py). A transaction's
Python runs in the caller's greenlet on both databases; waiting never stops the event loop: psycopg 3
waits through the patched `select`, and SQLite's driver is called in native threads (see `sqlite.py`).
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import alembic.command
import alembic.config
import gevent
import sqlalchemy
from gevent.lock import BoundedSemaphore
from gevent.threadpool import ThreadPool
from sqlalchemy import Connection, Engine, exc, make_url, text
from sqlalchemy.orm import Session as Session

from services import errors
from services.store import sqlite

T = TypeVar("T")
P = ParamSpec("P")

# How long a statement waits for another process' write lock: longer than any transaction of ours takes.
BUSY_TIMEOUT_S: Final = 5.0
# How long a transaction may take in all; the site's requests are answered before their proxies give up.
LIMIT_S: Final = 15.0
# SQLite readers beyond four only queue for the same processor; PostgreSQL connections cost its server memory.
SQLITE_CONNECTIONS: Final = 4
POSTGRESQL_CONNECTIONS: Final = 10
OLDEST_POSTGRESQL: Final = 14
MIGRATION_WAIT_S: Final = 120.0
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_MIGRATION_LOCK: Final = 7_345_551_001
# program_limit_exceeded: a value too long for an index
_TOO_LONG: Final = "54000"
# serialization_failure, deadlock_detected, lock_not_available
_PASSING_STATES: Final = frozenset({"40001", "40P01", "55P03"})


class _NativeThread:
    """A native thread of gevent's; implements `sqlite.Thread`."""

    def __init__(self) -> None:
        self._pool = ThreadPool(1)
        self._asked = 0  # counted on the event loop's thread only
        self._answered = 0  # counted in this thread only

    @property
    def busy(self) -> bool:
        return self._asked != self._answered

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        self._asked += 1
        answer: Any = self._pool.spawn(self._carry_out, function, args)
        done, value = answer.get()
        if done:
            return value
        raise value

    def _carry_out(self, function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[bool, Any]:
        # In the thread. Errors are handed over as values: gevent prints those that are raised there.
        try:
            return True, function(*args)
        except BaseException as problem:
            return False, problem
        finally:
            self._answered += 1

    def retire(self, last: Callable[[], Any]) -> None:
        # A busy thread ends in its own time: whoever gave up on it must not wait for it after all.
        was_busy = self.busy
        self._asked += 1
        ending = gevent.spawn(self._retire, last)
        if not was_busy:
            ending.join()

    def _retire(self, last: Callable[[], Any]) -> None:
        self._pool.spawn(self._carry_out, last, ()).get()
        self._pool.kill()


class Database:
    """The site's database. Its functions are plain: they take an open `Session` first.

    Attributes:
        engine: For migrations' tests and tools; everything else goes through `run`.
    """

    def __init__(self, url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S, limit_s: float = LIMIT_S) -> None:
        """Prepare the connections; none is opened yet.

        Args:
            url: A SQLAlchemy URL, as `Settings.database` gives it.
            busy_timeout_s: How long a statement waits for a lock that another process holds.
            limit_s: How long a transaction may take in all, waiting for its turn included.
        """
        self._limit_s = limit_s
        self._path = make_url(url).database if url.startswith("sqlite") else None
        if self._path is None:
            self.engine = _postgresql(url, busy_timeout_s=busy_timeout_s, limit_s=limit_s)
        else:
            self.engine = _sqlite(self._path, busy_timeout_s=busy_timeout_s, limit_s=limit_s)

    def run(self, fn: Callable[Concatenate[Session, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `fn(session, *args, **kwargs)` in one short transaction; commit if it returns.

        `fn` may be called a second time, from a fresh session, when the first met another writer: its
        only effects are the session's. It never calls `run` itself, and keeps no row that loads lazily.

        Returns:
            What `fn` returned; rows are detached and complete.

        Raises:
            Unavailable: The database is away, locked by another process, or too slow.
            Conflict: A constraint was broken that `fn` did not expect.
            InvalidInput: A value that the database cannot hold.
        """
        timer = gevent.Timeout.start_new(self._limit_s)
        try:
            try:
                return self._attempt(fn, args, kwargs, writing=False)
            except exc.DBAPIError as problem:
                if not _is_passing(problem):
                    raise
            return self._attempt(fn, args, kwargs, writing=True)
        except gevent.Timeout as late:
            if late is not timer:
                raise
            raise errors.Unavailable from late
        except exc.SQLAlchemyError as problem:
            ending = _ending_behind(problem)
            if ending is not None and ending is not timer:
                raise ending from problem
            translated = errors.Unavailable() if ending is timer else _translated(problem)
            if translated is None:
                raise
            raise translated from problem
        finally:
            timer.close()

    def _attempt(self, fn: Callable[..., T], args: Any, kwargs: Any, *, writing: bool) -> T:
        with Session(self.engine, expire_on_commit=False) as session:
            if writing:
                write_next(session)
            value = fn(session, *args, **kwargs)
            session.commit()
            return value

    def migrate(self) -> None:
        """Bring the schema up to date. Safe when several processes start at once: they take turns.

        Raises:
            Unavailable: The database is away, too old, or another process migrates for over two minutes.
        """
        timer = gevent.Timeout.start_new(MIGRATION_WAIT_S)
        try:
            if self._path is not None:
                Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            while True:
                try:
                    return self._migrate()
                except exc.DBAPIError as problem:
                    if not _is_passing(problem):
                        raise
        except (exc.OperationalError, exc.InterfaceError, OSError) as problem:
            raise errors.Unavailable("The database cannot be reached or opened.") from problem
        except gevent.Timeout as late:
            if late is not timer:
                raise
            raise errors.Unavailable("Another process has been migrating the database for too long.") from late
        finally:
            timer.close()

    def _migrate(self) -> None:
        config = alembic.config.Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        with self.engine.connect() as connection:
            try:
                if self._path is not None:
                    # SQLite changes a table by copying it; dropping the old one would cascade.
                    connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
                    _driver(connection).write_next()
                    # Alembic looks with a PRAGMA first, which would not begin the transaction.
                    connection.execute(text("SELECT 1"))
                else:
                    check_server(connection.dialect.server_version_info or ())
                    connection.execute(text("SET LOCAL lock_timeout = 0"))
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
                config.attributes["connection"] = connection
                alembic.command.upgrade(config, "head")
                connection.commit()
            finally:
                # Its settings are not those of the others.
                connection.invalidate()

    def close(self) -> None:
        """Close every connection that no transaction is using."""
        self.engine.dispose()


def check_server(version: Sequence[int | str]) -> None:
    """Refuse a PostgreSQL that lacks what the queries use: `bit_count` came with 14. No extension is needed.

    Raises:
        Unavailable: It is too old; the message says what to do.
    """
    if version and int(version[0]) < OLDEST_POSTGRESQL:
        shown = ".".join(map(str, version))
        raise errors.Unavailable(
            f"This is PostgreSQL {shown}; the site needs {OLDEST_POSTGRESQL} or newer. Upgrade it."
        )


def write_next(session: Session, turn: str | None = None) -> None:
    """Say, before the first query, that this transaction will write what it is about to read.

    On SQLite the first query waits for its turn to write, and so it never has to start over. On PostgreSQL a `turn`
    makes transactions that name the same one wait for each other until they end; without one nothing happens.
    """
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        _driver(connection).write_next()
    elif turn is not None:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:turn))"), {"turn": turn})


def _driver(connection: Connection) -> sqlite.Connection:
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite.Connection):
        raise TypeError("not a connection of this module")
    return driver


def _sqlite(path: str, *, busy_timeout_s: float, limit_s: float) -> Engine:
    # One gate for all connections: writers of this process queue in order here, where nobody polls.
    # SQLite's own waiting, by polling, is left for other processes.
    gate = BoundedSemaphore(1)

    def connect() -> sqlite.Connection:
        thread = _NativeThread()
        try:
            return sqlite.Connection(path, thread, gate, busy_timeout_s=busy_timeout_s)
        except BaseException:
            thread.retire(lambda: None)
            raise

    return sqlalchemy.create_engine(
        "sqlite://",
        module=sqlite.DRIVER,
        creator=connect,
        poolclass=sqlalchemy.QueuePool,
        pool_size=SQLITE_CONNECTIONS,
        max_overflow=0,
        pool_timeout=limit_s,
        pool_use_lifo=True,
        hide_parameters=True,  # what people wrote must not come up in an error's text
    )


def _postgresql(url: str, *, busy_timeout_s: float, limit_s: float) -> Engine:
    engine = sqlalchemy.create_engine(
        url,
        pool_size=POSTGRESQL_CONNECTIONS,
        max_overflow=0,
        pool_timeout=limit_s,
        pool_pre_ping=True,
        pool_use_lifo=True,
        hide_parameters=True,
        connect_args={"connect_timeout": 3, "application_name": "rill"},
    )
    sqlalchemy.event.listen(engine, "connect", partial(_limit_locks, timeout_ms=round(busy_timeout_s * 1000)))
    return engine


def _limit_locks(connection: Any, _record: Any, *, timeout_ms: int) -> None:
    # Not among the start-up options: connection poolers such as PgBouncer refuse those.
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", (f"{timeout_ms}ms",))
    connection.commit()


def _is_passing(problem: exc.DBAPIError) -> bool:
    """Whether the same transaction may well succeed if it is tried again at once."""
    return sqlite.is_locked(problem.orig) or getattr(problem.orig, "sqlstate", None) in _PASSING_STATES


def _ending_behind(problem: BaseException | None) -> BaseException | None:
    """The end of this greenlet, or of its time, that a driver's clean-up hid behind an error of its own.

    psycopg's does so when it happens in the middle of a connection's ping.
    """
    while problem is not None and not isinstance(problem, gevent.GreenletExit | gevent.Timeout):
        problem = problem.__cause__ or problem.__context__
    return problem


def _translated(problem: exc.SQLAlchemyError) -> errors.AppError | None:
    """What callers are told of a driver's failure; None for a mistake in our own statements."""
    if isinstance(problem, exc.IntegrityError):
        return errors.Conflict()
    too_long = isinstance(problem, exc.DBAPIError) and getattr(problem.orig, "sqlstate", None) == _TOO_LONG
    if too_long or isinstance(problem, exc.DataError):
        return errors.InvalidInput([errors.FieldError("value", "cannot be stored: out of range or malformed")])
    if isinstance(problem, exc.ProgrammingError | exc.NotSupportedError):
        return None
    if isinstance(problem, exc.DBAPIError | exc.TimeoutError):
        return errors.Unavailable()
    return None
