from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
import pytest
import sqlalchemy
from gevent.event import Event
from gevent.lock import Semaphore
from gevent.monkey import get_original
from sqlalchemy import text
from sqlalchemy.orm import Session

from services import errors
from services.store import conversations, progress, users
from services.store.base import utc_now
from services.store.database import Database, write_next
from services.store.sqlite import DRIVER
from tests.factories import make_answer, make_conversation, make_user

# Locks of the operating system's threads, not gevent's: to hold a native thread where a test wants it.
native_lock = get_original("_thread", "allocate_lock")


class Held:
    """A statement that a greenlet runs until it is let go; `entered` tells when it waits in the database.

    On SQLite it is a function of SQL that waits in its native thread; on PostgreSQL an advisory lock.
    """

    def __init__(self, database: Database, url: str) -> None:
        self.database = database
        self._url = url
        self._lock = native_lock()
        self._lock.acquire()
        self._entries = Semaphore(0)
        self._loop = gevent.get_hub().loop
        self._holder: sqlalchemy.Connection | None = None
        if not url.startswith("sqlite"):
            self._engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
            self._holder = self._engine.connect()
            self._holder.execute(text("SELECT pg_advisory_lock(99)"))

    def statement(self, s: Session) -> int:
        """To be run by the greenlet that is to be held; longer than 20 s is a failure."""
        if self._holder is not None:
            s.execute(text("SET LOCAL lock_timeout = '20s'"))
            s.execute(text("SELECT pg_advisory_xact_lock_shared(99)"))
            return 1
        s.connection().connection.driver_connection.create_function("hold", 0, self._hold)
        return s.scalar(text("SELECT hold()"))

    def _hold(self) -> int:
        # In a native thread.
        self._loop.run_callback_threadsafe(self._entries.release)
        held = self._lock.acquire(timeout=20)
        if held:
            self._lock.release()
        return int(held)

    def wait_until_entered(self, waiters: int = 1) -> None:
        """Wait until that many more statements wait in the database (SQLite), or that many wait at all."""
        with gevent.Timeout(20):
            if self._holder is None:
                for _ in range(waiters):
                    self._entries.acquire()
                return
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 99 AND NOT granted"
            while (self._holder.scalar(text(waiting)) or 0) < waiters:
                gevent.sleep(0)

    def let_go(self) -> None:
        if self._holder is not None:
            self._holder.close()
            self._engine.dispose()
        elif self._lock.locked():
            self._lock.release()


@pytest.fixture
def held(database: Database, url: str) -> Iterator[Held]:
    held = Held(database, url)
    yield held
    held.let_go()


@contextmanager
def locked_from_outside(url: str) -> Iterator[None]:
    """Hold the lock that every writer needs, as another process would."""
    if url.startswith("sqlite"):
        other = DRIVER.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
        other.close()
        return
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as other:
        other.execute(text("LOCK TABLE users IN SHARE MODE"))
        yield
        other.rollback()
    engine.dispose()


def on_sqlite(url: str) -> bool:
    return url.startswith("sqlite")


def test_what_the_function_returns_comes_back_and_is_committed(database: Database) -> None:
    user = database.run(make_user, "ada@example.org", admin=True)

    assert database.run(users.by_id, user.id) == user


@pytest.mark.slow
def test_two_hundred_greenlets_write_and_read_at_once(database: Database, user: users.User) -> None:
    def work(number: int) -> str:
        made = database.run(make_conversation, user.id, title=f"Number {number}")
        database.run(progress.note_hint, user.id, f"problem-{number % 7}", number % 4)
        return database.run(conversations.get, user.id, made.id).title

    greenlets = [gevent.spawn(work, number) for number in range(200)]
    gevent.joinall(greenlets, raise_error=True)

    assert [greenlet.value for greenlet in greenlets] == [f"Number {number}" for number in range(200)]
    assert len(database.run(conversations.listing, user.id, limit=500)) == 200
    assert len(database.run(progress.for_user, user.id)) == 7
    assert database.engine.pool.checkedout() == 0


@pytest.mark.slow
def test_greenlets_of_two_processes_connections_write_at_once(make_database: Callable[..., Database]) -> None:
    databases = [make_database(), make_database()]
    user = databases[0].run(make_user)

    greenlets = [
        gevent.spawn(databases[number % 2].run, make_answer, user.id, client_name="one") for number in range(60)
    ]
    gevent.joinall(greenlets, raise_error=True)

    conversation = databases[0].run(conversations.by_client_name, user.id, "tutor", "one")
    kept = databases[1].run(conversations.messages, user.id, conversation.id)
    assert [message.position for message in kept] == list(range(120))


def test_the_event_loop_goes_on_while_a_statement_waits(held: Held) -> None:
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        for _ in range(100):
            gevent.sleep(0)
            ticks += 1
        held.let_go()

    slow = gevent.spawn(held.database.run, held.statement)
    held.wait_until_entered()
    assert not slow.dead, "needs a statement that is still running"
    gevent.spawn(tick)

    # It can end only because the ticks came first: they let it go.
    assert slow.get(timeout=15) == 1
    assert ticks == 100


def test_others_read_and_write_while_a_statement_waits(held: Held) -> None:
    slow = gevent.spawn(held.database.run, held.statement)
    held.wait_until_entered()

    made = held.database.run(make_user)

    assert held.database.run(users.by_id, made.id) == made
    assert not slow.dead
    held.let_go()
    assert slow.get(timeout=15) == 1


def test_an_error_of_the_function_comes_through_and_nothing_stays(database: Database) -> None:
    class Mistake(Exception):
        pass

    def fail(s: Session) -> None:
        make_user(s, "half@example.org")
        raise Mistake

    for _ in range(20):  # more often than there are connections
        with pytest.raises(Mistake):
            database.run(fail)

    assert database.run(users.count) == 0
    assert database.run(make_user).id
    assert database.engine.pool.checkedout() == 0


def test_an_error_at_the_commit_leaves_nothing(database: Database) -> None:
    def orphan(s: Session) -> None:
        # Not flushed by the function: the commit does it, and meets the missing account.
        s.add(conversations.Conversation(
            id="c", user_id=4711, assistant="tutor", title="", length=0,
            created_at=utc_now(), updated_at=utc_now(),
        ))  # fmt: skip

    with pytest.raises(errors.Conflict):
        database.run(orphan)

    assert database.run(make_user).id


@pytest.mark.parametrize("rounds", [12])
def test_killed_greenlets_give_their_connections_back(held: Held, rounds: int) -> None:
    for _ in range(rounds):
        victim = gevent.spawn(held.database.run, held.statement)
        held.wait_until_entered()
        victim.kill()
        assert victim.dead

        assert held.database.run(make_user).id
        assert held.database.engine.pool.checkedout() == 0


def test_a_writer_killed_in_the_queue_leaves_it(database: Database) -> None:
    entered, leave = Event(), Event()

    def first(s: Session) -> None:
        make_user(s)
        entered.set()
        leave.wait()

    def second(s: Session) -> None:
        write_next(s, turn="test")
        make_user(s)

    holder = gevent.spawn(database.run, first)
    entered.wait()
    waiting = [gevent.spawn(database.run, second) for _ in range(3)]
    for _ in range(20):
        gevent.sleep(0)
    gevent.killall(waiting[:2])
    leave.set()
    gevent.joinall([holder, waiting[2]], raise_error=True)

    with gevent.Timeout(5):
        assert database.run(users.count) >= 2
    assert database.engine.pool.checkedout() == 0


def test_a_lock_held_elsewhere_is_waited_for(make_database: Callable[..., Database], url: str) -> None:
    database = make_database(busy_timeout_s=5)

    with locked_from_outside(url):
        writer = gevent.spawn(database.run, make_user)
        for _ in range(50):
            gevent.sleep(0)
        assert not writer.dead, "needs a writer that waits"

    assert writer.get(timeout=10).id


@pytest.mark.slow
def test_a_lock_held_too_long_is_unavailable_and_reading_goes_on(
    make_database: Callable[..., Database], url: str
) -> None:
    database = make_database(busy_timeout_s=0.05)

    with locked_from_outside(url):
        for _ in range(5):
            with pytest.raises(errors.Unavailable) as caught:
                database.run(make_user)
            assert caught.value.retryable
        assert database.run(users.count) == 0

    assert database.run(make_user).id


def test_a_transaction_outdated_by_another_writer_is_run_again(make_database: Callable[..., Database]) -> None:
    ours, theirs = make_database(), make_database()
    user = ours.run(make_user)
    calls = 0

    def read_then_write(s: Session) -> str:
        nonlocal calls
        calls += 1
        seen = users.by_id(s, user.id)
        if calls == 1:
            theirs.run(users.update_profile, user.id, language="fr", zone="UTC")
        return users.update_profile(s, user.id, language="en", zone=f"after {seen.language}").zone

    # PostgreSQL's default isolation lets the later writer go on; SQLite must begin again, from what is there now.
    zone = ours.run(read_then_write)

    assert (calls, zone) == ((2, "after fr") if on_sqlite(ours.engine.dialect.name) else (1, "after en"))
    assert ours.run(users.by_id, user.id).zone == zone


@pytest.mark.slow
def test_a_transaction_that_says_it_will_write_is_not_outdated(make_database: Callable[..., Database]) -> None:
    ours, theirs = make_database(), make_database()
    user = ours.run(make_user)
    calls = 0

    def read_then_write(s: Session) -> None:
        nonlocal calls
        calls += 1
        write_next(s, turn="profile")
        seen = int(users.by_id(s, user.id).language)
        gevent.sleep(0)
        users.update_profile(s, user.id, language=str(seen + 1), zone="UTC")

    ours.run(users.update_profile, user.id, language="0", zone="UTC")
    gevent.joinall(
        [gevent.spawn((ours, theirs)[number % 2].run, read_then_write) for number in range(20)], raise_error=True
    )

    assert ours.run(users.by_id, user.id).language == "20"
    assert calls == 20


@pytest.mark.slow
def test_a_transaction_beyond_the_limit_is_unavailable(make_database: Callable[..., Database], url: str) -> None:
    database = make_database(limit_s=1)
    database.run(users.count)
    held = Held(database, url)

    slow = gevent.spawn(database.run, held.statement)
    held.wait_until_entered()

    with pytest.raises(errors.Unavailable):
        slow.get(timeout=15)

    assert database.run(users.count) == 0
    assert database.engine.pool.checkedout() == 0
    held.let_go()


def test_waiting_for_a_connection_is_limited_too(make_database: Callable[..., Database], url: str) -> None:
    database = make_database(limit_s=5)
    held = Held(database, url)
    size = database.engine.pool.size()
    slow = [gevent.spawn(database.run, held.statement) for _ in range(size)]
    held.wait_until_entered(size)

    impatient = make_database(limit_s=0.05)
    impatient.engine.dispose()
    impatient.engine = database.engine
    with pytest.raises(errors.Unavailable):
        impatient.run(users.count)

    held.let_go()
    gevent.joinall(slow, raise_error=True)
    assert database.run(users.count) == 0


def test_a_timeout_of_the_callers_own_passes(held: Held) -> None:
    with pytest.raises(gevent.Timeout) as caught, gevent.Timeout(0.05) as own:
        held.database.run(held.statement)

    assert caught.value is own
    assert held.database.run(users.count) == 0
