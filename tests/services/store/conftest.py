"""The database of a test: PostgreSQL if TEST_DATABASE_URL names one, else a SQLite file of its own."""

import os
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from services.store.database import Database
from services.store.schema import metadata
from services.store.users import User
from tests import databases
from tests.factories import make_user
from tests.services.store.families import Family
from tests.services.store.lists import TodoList
from tests.services.store.payers import Payer
from tests.services.store.purses import Purse

_schemas = count(1)


@pytest.fixture(scope="session")
def postgresql_url() -> str | None:
    """The server to test on; None: SQLite."""
    return os.environ.get("TEST_DATABASE_URL") or None


@pytest.fixture(scope="session")
def new_schema(postgresql_url: str | None) -> Iterator[Callable[[], str]]:
    """Makes an empty schema of its own on the server, and gives the URL that sees only that."""
    if postgresql_url is None:
        yield lambda: pytest.fail("there is no PostgreSQL server here")
        return
    engine = sqlalchemy.create_engine(postgresql_url, poolclass=sqlalchemy.NullPool)
    made: list[str] = []

    def make() -> str:
        name = f"test_{os.getpid()}_{next(_schemas)}"
        with engine.begin() as connection:
            connection.execute(sqlalchemy.schema.CreateSchema(name))
        made.append(name)
        url = sqlalchemy.make_url(postgresql_url).update_query_dict({"options": f"-csearch_path={name}"})
        return url.render_as_string(hide_password=False)

    yield make
    with engine.begin() as connection:
        for name in made:
            connection.execute(sqlalchemy.schema.DropSchema(name, cascade=True))
    engine.dispose()


@pytest.fixture(scope="session")
def migrated_url(postgresql_url: str | None, new_schema: Callable[[], str]) -> str:
    """An empty database with the schema in it; nobody writes to it but `database`."""
    if postgresql_url is None:
        return f"sqlite:///{databases.template()}"
    url = new_schema()
    databases.prepare(url)
    return url


@pytest.fixture
def empty_url(postgresql_url: str | None, new_schema: Callable[[], str], tmp_path: Path) -> str:
    """A database without any table."""
    return new_schema() if postgresql_url else f"sqlite:///{tmp_path / 'empty.sqlite3'}"


@pytest.fixture
def url(postgresql_url: str | None, migrated_url: str, tmp_path: Path) -> str:
    """A database with the schema, and no row."""
    if postgresql_url is None:
        path = tmp_path / "rill.sqlite3"
        shutil.copy(migrated_url.removeprefix("sqlite:///"), path)
        return f"sqlite:///{path}"
    engine = sqlalchemy.create_engine(migrated_url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        tables = ", ".join(table.name for table in metadata.sorted_tables)
        connection.execute(sqlalchemy.text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
    engine.dispose()
    return migrated_url


@pytest.fixture
def make_database(url: str) -> Iterator[Callable[..., Database]]:
    """Opens the test's database once more, as another process would; with other limits if asked."""
    made: list[Database] = []

    def make(**limits: float) -> Database:
        made.append(Database(url, **limits))
        return made[-1]

    yield make
    for database in made:
        database.close()


@pytest.fixture
def database(make_database: Callable[..., Database]) -> Database:
    return make_database()


@pytest.fixture
def user(database: Database) -> User:
    return database.run(make_user)


@pytest.fixture
def stranger(database: Database) -> User:
    return database.run(make_user)


@pytest.fixture
def purse(database: Database, user: User) -> Purse:
    return Purse(database, user)


@pytest.fixture
def todo_list(database: Database, user: User) -> TodoList:
    return TodoList(database, user)


@pytest.fixture
def foreign_list(database: Database, stranger: User) -> TodoList:
    return TodoList(database, stranger)


@pytest.fixture
def family(database: Database, user: User) -> Family:
    return Family(database, user)


@pytest.fixture
def foreign_family(database: Database, stranger: User) -> Family:
    return Family(database, stranger)


@pytest.fixture
def payers(url: str, user: User) -> Iterator[Callable[..., list[Payer]]]:
    """Processes for the same person, all ready; those left over are ended."""
    made: list[Payer] = []

    def make(count: int, *job: Any) -> list[Payer]:
        fresh = [Payer(url, user.id, *job) for _ in range(count)]
        made.extend(fresh)
        for payer in fresh:
            payer.wait()
        return fresh

    yield make
    for payer in made:
        if payer.process.poll() is None:
            payer.process.kill()
            payer.process.communicate(timeout=10)
