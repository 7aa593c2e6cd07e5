"""SQLite connections whose every call is carried out in a native thread of their own.

sqlite3 waits inside C code (for a page, for a lock, for the disk), and a wait there stops every greenlet
of the process. So SQLAlchemy, its pool and its caches stay on the event loop's thread, where their
monkey-patched locks are meant to be used, and only the driver's calls leave it: `Connection` and
`Cursor` look like sqlite3's to SQLAlchemy and hand each statement over, with its rows coming back whole.
One connection is one thread: calls keep their order even if the greenlet that made one was killed, and no
Python lock is ever shared between threads (a monkey-patched one must not be).

A transaction is begun with its first statement, in the same hand-over: IMMEDIATE if that one writes,
so that a writer waits for its turn instead of failing later. One that only read is ended without a
hand-over: in WAL mode that waits for nobody and touches no file. Knows no gevent: how to get into the
thread, and the turn-taking of writers, are passed in by `database.py`.

The driver is pysqlite3: the standard library's own, built with a SQLite that is new on every machine and may
load extensions, which Debian's and others' builds may not. The one that is loaded is sqlite-vec. Nothing else
in this process may open the file by the standard library's sqlite3: two copies of SQLite in one process do not
see each other's locks.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import sqlite_vec

if TYPE_CHECKING:
    import sqlite3 as driver  # the same module, with types
else:
    from pysqlite3 import dbapi2 as driver

# What SQLAlchemy is told to find errors and types in.
DRIVER: Final[Any] = driver
_READING: Final = ("SELECT", "WITH", "EXPLAIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "VALUES")


class Thread(Protocol):
    """A native thread that carries out one call after the other."""

    @property
    def busy(self) -> bool:
        """Whether a call is being carried out now."""
        ...

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Carry out the call there; waits, returns or raises what it did."""
        ...

    def retire(self, last: Callable[[], Any]) -> None:
        """Carry out one last call and end; does not wait if the thread is busy."""
        ...


class Gate(Protocol):
    """Lets one writer of this process through at a time, in order of arrival."""

    def acquire(self) -> Any: ...

    def release(self) -> Any: ...


def is_locked(problem: BaseException | None) -> bool:
    """Whether somebody else held a lock for too long."""
    code = getattr(problem, "sqlite_errorcode", 0) & 0xFF
    return isinstance(problem, driver.OperationalError) and code in (driver.SQLITE_BUSY, driver.SQLITE_LOCKED)


def open_file(path: str, busy_timeout_s: float) -> driver.Connection:
    """Open the database file; to be called in the thread that will use it.

    The file is made readable by its owner only: it holds what people wrote.
    """
    try:
        _create(path)
    except OSError as exc:
        raise driver.OperationalError(f"the database file cannot be opened: {exc.strerror}") from exc
    # One thread at a time, though not one only: see `Connection._finish`.
    raw = driver.connect(
        path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False, cached_statements=512
    )
    try:
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
            raw.execute(f"PRAGMA {pragma}").close()
        _extend(raw)
    except driver.Error:
        raw.close()
        raise
    return raw


def _create(path: str) -> None:
    """Make the file if there is none, without ever opening it under its name.

    Closing a file takes away all locks that this process has on it, those of its other connections too (POSIX): whoever
    closes the database next would then take itself for the last, and remove the log that is still written.
    """
    if os.path.exists(path):
        return
    aside = f"{path}.{os.getpid()}.{threading.get_native_id()}"
    os.close(os.open(aside, os.O_RDWR | os.O_CREAT, 0o600))
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(aside)


def _extend(raw: driver.Connection) -> None:
    raw.enable_load_extension(True)
    try:
        sqlite_vec.load(raw)
    finally:
        # No statement may load another: SQL has a function for it.
        raw.enable_load_extension(False)


class Cursor:
    """sqlite3.Cursor, as far as SQLAlchemy uses it; all rows are here once `execute` returns."""

    def __init__(self, connection: "Connection") -> None:
        self.connection = connection
        self.arraysize = 1
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self._rows: Iterator[Any] = iter(())

    def execute(self, statement: str, parameters: Any = ()) -> "Cursor":
        return self._run(_execute, statement, parameters)

    def executemany(self, statement: str, parameters: Sequence[Any]) -> "Cursor":
        return self._run(_execute_many, statement, parameters)

    def _run(self, how: Callable[..., Any], statement: str, parameters: Any) -> "Cursor":
        rows, self.description, self.rowcount, self.lastrowid = self.connection.carry_out(how, statement, parameters)
        self._rows = iter(rows)
        return self

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        return [row for _, row in zip(range(size or self.arraysize), self._rows, strict=False)]

    def fetchall(self) -> list[Any]:
        return list(self._rows)

    def close(self) -> None:
        self._rows = iter(())


class Connection:
    """sqlite3.Connection, as far as SQLAlchemy uses it."""

    # SQLAlchemy reads and sets this; transactions are begun here, not by the driver.
    isolation_level: str | None = ""

    def __init__(self, path: str, thread: Thread, gate: Gate, *, busy_timeout_s: float) -> None:
        """Open the file in `thread`, which this connection owns from now on.

        Raises:
            OperationalError: The file cannot be opened, or stays locked.
        """
        self._thread = thread
        self._gate = gate
        self._holds_gate = False
        self._will_write = False
        self._raw: driver.Connection = thread.call(open_file, path, busy_timeout_s)

    def cursor(self) -> Cursor:
        return Cursor(self)

    def create_function(self, name: str, arguments: int, function: Callable[..., Any], **options: Any) -> None:
        self._thread.call(lambda: self._raw.create_function(name, arguments, function, **options))

    def write_next(self) -> None:
        """The transaction that the next statement begins will write, whatever that statement is."""
        self._will_write = True

    def carry_out(self, how: Callable[..., Any], statement: str, parameters: Any) -> Any:
        """One statement, with a BEGIN before it if no transaction is open."""
        word = statement.lstrip(" \t\r\n(")[:10].upper()
        # A PRAGMA begins nothing: `foreign_keys` can be set outside a transaction only.
        reads = word.startswith(_READING) or word.startswith("PRAGMA")
        begin = None
        if not word.startswith("PRAGMA") and not self._raw.in_transaction:
            reads = reads and not self._will_write
            begin = "BEGIN" if reads else "BEGIN IMMEDIATE"
        if not reads:
            self._enter_gate()
        return self._thread.call(how, self._raw, begin, statement, parameters)

    def commit(self) -> None:
        self._finish("COMMIT")

    def rollback(self) -> None:
        self._finish("ROLLBACK")

    def _finish(self, statement: str) -> None:
        if self._raw.in_transaction:
            if self._holds_gate:
                self._thread.call(_quietly, self._raw, statement)
            else:
                _quietly(self._raw, statement)
        self._will_write = False
        self._leave_gate()

    def close(self) -> None:
        """Close in the thread and end it; a statement still being carried out is interrupted."""
        if self._thread.busy:
            self._raw.interrupt()
        self._thread.retire(self._raw.close)
        self._leave_gate()

    def _enter_gate(self) -> None:
        if not self._holds_gate:
            self._gate.acquire()
            self._holds_gate = True

    def _leave_gate(self) -> None:
        if self._holds_gate:
            self._holds_gate = False
            self._gate.release()


def _quietly(raw: driver.Connection, statement: str) -> None:
    raw.execute(statement).close()


def _execute(raw: driver.Connection, begin: str | None, statement: str, parameters: Any) -> Any:
    if begin is not None:
        raw.execute(begin).close()
    return _result(raw.execute, statement, parameters)


def _execute_many(raw: driver.Connection, begin: str | None, statement: str, parameters: Any) -> Any:
    if begin is not None:
        raw.execute(begin).close()
    return _result(raw.executemany, statement, parameters)


def _result(how: Callable[..., driver.Cursor], statement: str, parameters: Any) -> Any:
    try:
        cursor = how(statement, parameters)
        # Fetched before `rowcount` is read: with RETURNING it counts only the rows that were.
        rows = cursor.fetchall() if cursor.description is not None else []
        found = (rows, cursor.description, cursor.rowcount, cursor.lastrowid)
        cursor.close()
    except OverflowError as exc:
        # sqlite3 speaks in Python's own terms about an integer beyond 64 bits.
        raise driver.DataError(str(exc)) from exc
    return found
