import importlib.util
import json
import sys
from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from gevent import subprocess
from sqlalchemy import text

from services import errors
from services.store import database as database_module
from services.store import users
from services.store.database import Database
from services.store.schema import TABLES, is_modelled, metadata
from tests.factories import make_user

VERSIONS = Path(database_module.__file__).parent / "migrations" / "versions"
MIGRATE = """
from gevent import monkey; monkey.patch_all()
import sys
from services.store.database import Database
database = Database(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
database.migrate()
database.close()
"""


def differences(database: Database) -> list[object]:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": is_modelled})
        return compare_metadata(context, metadata)


@pytest.mark.slow
def test_the_migrations_make_exactly_the_models_schema(empty_url: str) -> None:
    database = Database(empty_url)
    assert differences(database), "needs a database without the schema"

    database.migrate()

    assert differences(database) == []
    database.close()


@pytest.mark.slow
def test_migrating_again_changes_nothing(empty_url: str) -> None:
    database = Database(empty_url)
    database.migrate()
    user = database.run(make_user)

    database.migrate()

    assert database.run(users.by_id, user.id) == user
    database.close()


@pytest.mark.slow
@pytest.mark.parametrize("processes", [4])
def test_processes_that_start_at_once_migrate_once(empty_url: str, processes: int) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE, empty_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=VERSIONS.parents[3],
        )
        for _ in range(processes)
    ]
    for process in started:
        assert process.stdout.readline() == "ready\n", process.stderr.read()

    for process in started:
        process.stdin.write("\n")
        process.stdin.flush()

    for process in started:
        _, complaint = process.communicate(timeout=30)
        assert process.returncode == 0, complaint
    database = Database(empty_url)
    assert differences(database) == []
    with database.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1
    database.close()


@pytest.mark.slow
def test_a_migration_leaves_foreign_keys_in_force(empty_url: str) -> None:
    database = Database(empty_url)
    database.migrate()

    with pytest.raises(errors.Conflict):
        database.run(
            lambda s: s.execute(
                text("INSERT INTO progress VALUES (4711, 'two-sum', 0, :no, '2026-01-01 00:00:00')"), {"no": False}
            )
        )
    database.close()


@pytest.mark.slow
def test_a_database_that_is_away_cannot_be_migrated() -> None:
    database = Database("postgresql+psycopg://nobody@127.0.0.1:9/none")

    with pytest.raises(errors.Unavailable):
        database.migrate()

    database.close()


def test_a_database_whose_folder_cannot_be_made_is_away(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    database = Database(f"sqlite:///{tmp_path}/file/folder/rill.sqlite3")

    with pytest.raises(errors.Unavailable):
        database.migrate()

    database.close()


def test_the_schema_knows_every_table() -> None:
    assert {table.__tablename__ for table in TABLES} == set(metadata.tables)


def test_migrations_are_linear_and_lead_forward_only() -> None:
    before = None
    for path in sorted(VERSIONS.glob("*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)

        assert path.stem.startswith(f"{module.revision}_")
        assert module.down_revision == before
        assert not hasattr(module, "downgrade")
        before = module.revision

    assert before is not None, "needs a migration"


@pytest.mark.parametrize("table", sorted(metadata.tables))
def test_every_reference_is_indexed(table: str) -> None:
    # Deleting what is referred to looks for those who refer to it, one by one if nothing leads there.
    found = metadata.tables[table]
    leading = {next(iter(index.columns)).name for index in found.indexes}
    leading |= {next(iter(found.primary_key.columns)).name}
    leading |= {
        next(iter(constraint.columns)).name
        for constraint in found.constraints
        if isinstance(constraint, sqlalchemy.UniqueConstraint)
    }

    assert {key.parent.name for key in found.foreign_keys} <= leading, json.dumps(sorted(leading))
