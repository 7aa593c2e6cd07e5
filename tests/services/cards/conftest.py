"""A database with somebody in it, a scripted model, and what makes cards of both."""

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy

from services import settings as site_settings
from services.cards import Cards
from services.llm.door import Door
from services.points import Points
from services.store.database import Database
from services.store.users import User
from tests import databases
from tests.factories import make_user
from tests.model_server import ModelServer


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """An empty database: a schema of its own on the server that TEST_DATABASE_URL names, else a SQLite file."""
    server = os.environ.get("TEST_DATABASE_URL")
    if not server:
        yield f"sqlite:///{tmp_path / 'rill.sqlite3'}"
        return
    engine, name = sqlalchemy.create_engine(server, poolclass=sqlalchemy.NullPool), f"cards_{secrets.token_hex(6)}"
    with engine.begin() as connection:
        connection.execute(sqlalchemy.schema.CreateSchema(name))
    own = sqlalchemy.make_url(server).update_query_dict({"options": f"-csearch_path={name}"})
    yield own.render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.schema.DropSchema(name, cascade=True))
    engine.dispose()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    databases.prepare(url)
    made = Database(url)
    yield made
    made.close()


@pytest.fixture
def user(database: Database) -> User:
    return database.run(make_user)


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
def make_cards(database: Database, tmp_path: Path) -> Iterator[Callable[..., Cards]]:
    """Makers of decks on the test's database; upper-case keyword arguments are environment variables."""
    doors: list[Door] = []

    def make(*, within_s: float = 30.0, **environ: str) -> Cards:
        settings = site_settings.load({"DATA_DIR": str(tmp_path), "SECRET_KEY": "a secret for these tests", **environ})
        doors.append(Door(settings))
        return Cards(settings, database, doors[-1], Points(settings, database), within_s=within_s)

    yield make
    for door in doors:
        door.close()


@pytest.fixture
def modelled(make_cards: Callable[..., Cards], model: ModelServer) -> Cards:
    """Asks `model`."""
    return make_cards(OPENAI_BASE_URL=model.base_url, OPENAI_MODEL="scripted")
