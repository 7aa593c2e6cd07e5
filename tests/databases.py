"""Databases with today's schema, without migrating each: a SQLite file is a copy of one that each process migrates.

The migrations themselves are shown by tests/services/store/test_migrations.py and its neighbours.
"""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import event

from services.store.database import Database

_SQLITE = "sqlite:///"
_copies: set[Path] = set()
# What compiles statements, and what was compiled, of the first database for all: SQLAlchemy does both for each engine.
_dialects: dict[str, sqlalchemy.Dialect] = {}
_compiled: dict[Any, Any] = {}


def prepare(url: str) -> None:
    """Bring a database to today's schema: one that is there is migrated, a file that is not there is copied."""
    path = Path(url.removeprefix(_SQLITE))
    if not url.startswith(_SQLITE) or (path.exists() and path not in _copies):
        _migrate(url)
    elif not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(template(), path)
        _copies.add(path)


@functools.cache
def template() -> Path:
    """A SQLite file with the schema and no row; nobody writes to it."""
    folder = Path(tempfile.mkdtemp(prefix="rill-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _migrate(f"{_SQLITE}{folder / 'rill.sqlite3'}")
    return folder / "rill.sqlite3"


@event.listens_for(sqlalchemy.Engine, "engine_connect")
def _share(connection: sqlalchemy.Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.dialect = _dialects.setdefault("sqlite", connection.dialect)
        connection.execution_options(compiled_cache=_compiled)


def _migrate(url: str) -> None:
    database = Database(url)
    database.migrate()
    database.close()
