"""The database of these tests is the store's: PostgreSQL if TEST_DATABASE_URL names one, else SQLite."""

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
