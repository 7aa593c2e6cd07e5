"""The database of these tests is the store's: PostgreSQL if TEST_DATABASE_URL names one, else SQLite."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services import settings as site_settings
from services.knowledge.workshop import Workshop
from services.store.database import Database
from services.store.users import User
from tests.model_server import ModelServer
from tests.services.knowledge.readers import SECRET, Reader
from tests.services.store.conftest import (  # noqa: F401 (fixtures)
    database,
    make_database,
    migrated_url,
    new_schema,
    postgresql_url,
    stranger,
    url,
    user,
)


@pytest.fixture
def model_server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture(scope="session")
def workshop() -> Iterator[Workshop]:
    """The child of all these tests that are not about it: starting one takes as long as reading ten documents."""
    made = Workshop()
    yield made
    made.close()


@pytest.fixture
def reader(database: Database, user: User, tmp_path: Path, workshop: Workshop) -> Iterator[Reader]:  # noqa: F811
    settings = site_settings.load({"DATA_DIR": str(tmp_path / "var"), "SECRET_KEY": SECRET})
    made = Reader(database, user, settings, workshop)
    yield made
    made.close()
