"""Measure the history on both databases with 10,000 conversations: `python -m scripts.bench_store [--write]`.

Times are those of whole requests, from the route to the last byte, without a network. Every query that was made is
explained, and must not read a table whole. Exits with 1 if a time or a plan misses its goal.
"""

import app as site  # before all others: its first line is the gevent patch

# isort: split
import argparse
import gc
import itertools
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import sqlalchemy
from flask.testing import FlaskClient

from blueprints.tickets import login_jwt
from scripts.plans import explained, reads_whole
from scripts.store_contents import COMMON, CONVERSATIONS, FREQUENT, OF_EACH, OTHERS, SELDOM, UNIQUE, Contents
from scripts.with_postgres import server
from services import settings
from services.store.database import Database
from services.streaming.embedded_valkey import private_valkey

GOAL_MS: Final = 100.0
REQUESTS: Final = 100
OPERATIONS: Final = Path(__file__).parents[1] / "docs" / "operations.md"
BEGIN, END = "<!-- bench-store: begin -->", "<!-- bench-store: end -->"
# An operation: the address of its nth request.
Operation = Callable[[int], str]


def main() -> int:
    """Measure on SQLite and on PostgreSQL; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the figures into docs/operations.md")
    parser.add_argument("--only", choices=("sqlite", "postgresql"), help="on one of the databases")
    options = parser.parse_args()
    columns: dict[str, dict[str, tuple[float, float]]] = {}
    complaints: list[str] = []
    for name, database_url in (("sqlite", _sqlite), ("postgresql", server)):
        if options.only in (None, name):
            with database_url() as url, tempfile.TemporaryDirectory(prefix="rill-", dir="/tmp") as folder:
                columns[name], wrong = _measured(url, Path(folder))
            complaints += [f"{name}: {one}" for one in wrong]
    text = _report(columns)
    print(text)
    for complaint in complaints:
        print(f"MISSED {complaint}")
    if options.write:
        _write(text)
    return 1 if complaints else 0


@contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="rill-", dir="/tmp") as folder:
        yield f"sqlite:///{folder}/rill.sqlite3"


def _measured(url: str, folder: Path) -> tuple[dict[str, tuple[float, float]], list[str]]:
    """Median and 95th percentile of each operation in ms, and what missed its goal."""
    (folder / "valkey").mkdir()
    with private_valkey(folder / "valkey") as redis_url:
        values = {"SECRET_KEY": "for measuring only, and long enough", "DATA_DIR": str(folder)}
        application = site.create_app(settings.load({**values, "DATABASE_URL": url, "REDIS_URL": redis_url}))
        database: Database = application.extensions["rill"].database
        database.migrate()
        began = time.monotonic()
        contents = Contents(database)
        if database.engine.dialect.name == "postgresql":
            # Its autovacuum would do it within a minute.
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(sqlalchemy.text("VACUUM ANALYZE"))
        print(f"filled {database.engine.dialect.name} in {time.monotonic() - began:.0f} s", file=sys.stderr)
        client = application.test_client()
        with application.app_context():
            client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {login_jwt(contents.person)[0]}"
        operations = _operations(client, contents)
        # What was made to fill it is nothing that a server holds.
        gc.collect()
        gc.freeze()
        plans = _plans(database, client, operations)
        figures = {name: _times(client, operation) for name, operation in operations.items()}
        application.extensions["rill"].close()
    wrong = [f"{name}: p95 {p95:.1f} ms" for name, (_, p95) in figures.items() if p95 > GOAL_MS]
    return figures, wrong + plans


def _operations(client: FlaskClient, contents: Contents) -> dict[str, Operation]:
    chance = random.Random(5)  # noqa: S311 - for tests only
    page = "/api/conversations"
    deep = itertools.cycle(contents.ids[50:-50:97])
    words = itertools.cycle(["bada", "fu", "mita", "ke", "nopo", "zuri", "la", "pe"])
    last = {q: _last_of(client, f"{page}?q={q}") for q in (COMMON, FREQUENT)}
    return {
        "list": lambda _: page,
        "list, one assistant": lambda _: f"{page}?assistant=tutor",
        "list, a page far back": lambda _: f"{page}?before={next(deep)}",
        "search, a word in every message": lambda _: f"{page}?q={COMMON}",
        "search, its second page": lambda _: f"{page}?q={COMMON}&before={last[COMMON]}",
        "search, a word in a tenth": lambda _: f"{page}?q={FREQUENT}&assistant=study",
        "search, a word in a hundredth": lambda _: f"{page}?q={SELDOM}",
        "search, a word in one": lambda _: f"{page}?q={UNIQUE}",
        "search, beginnings as they are typed": lambda _: f"{page}?q={next(words)}",
        "search, two frequent words": lambda _: f"{page}?q={COMMON}+{FREQUENT}",
        "search, three words apart": lambda _: f"{page}?q={UNIQUE}+{FREQUENT}+{next(words)}",
        "search, nothing found": lambda _: f"{page}?q=nowhere+{COMMON}",
        "search, signs in titles": lambda _: f"{page}?q=%25",
        "open": lambda _: f"{page}/{chance.choice(contents.ids)}",
        "open, 1,000 messages": lambda _: f"{page}/{contents.long_id}",
        "open, the end of 5,000 messages": lambda _: f"{page}/{contents.endless_id}?turns=50",
        "page, 5,000 messages": lambda _: f"/study/{contents.endless_id}",
        "page, the middle of 5,000": lambda _: f"/study/{contents.endless_id}?at={contents.endless_middle_id}",
        "earlier turns of 5,000": lambda _: (
            f"/conversations/{contents.endless_id}/turns?before={contents.endless_middle_id}"
        ),
        "page of the history": lambda _: "/history",
        "page of the history, searched": lambda _: f"/history?q={FREQUENT}",
        "panel beside a conversation": lambda _: f"/history/panel?assistant=study&current={next(deep)}",
        "palette, as it is typed in": lambda _: f"/history/find?q={next(words)}",
        "what is unread": lambda _: "/history/unread",
        "page of a conversation": lambda _: f"/study/{contents.ids[4 * chance.randrange(2000)]}",
    }


def _last_of(client: FlaskClient, address: str) -> str:
    return str(_got(client, address).json["conversations"][-1]["id"])


def _got(client: FlaskClient, address: str) -> Any:
    response = client.get(address)
    if response.status_code != 200:
        sys.exit(f"{address} answered {response.status_code}")
    return response


def _times(client: FlaskClient, operation: Operation) -> tuple[float, float]:
    taken = []
    for number in range(REQUESTS):
        address = operation(number)
        began = time.perf_counter()
        _got(client, address).get_data()
        taken.append((time.perf_counter() - began) * 1000)
    taken.sort()
    return taken[len(taken) // 2], taken[int(len(taken) * 0.95)]


def _plans(database: Database, client: FlaskClient, operations: dict[str, Operation]) -> list[str]:
    """The queries that read a table whole, each once."""
    whole: dict[str, str] = {}
    for name, operation in operations.items():

        def tell(statement: str, step: str, name: str = name) -> None:
            if reads_whole(step):
                whole.setdefault(" ".join(statement.split()), f"{name}: {step.strip()}")

        with explained(database, tell):
            _got(client, operation(0)).get_data()
    return [f"{step} in {statement}" for statement, step in whole.items()]


def _report(columns: dict[str, dict[str, tuple[float, float]]]) -> str:
    heads = [f"{name}, {what} ms" for name in columns for what in ("p50", "p95")]
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {os.cpu_count()} cores, Linux {platform.release()}, CPython "
        f"{platform.python_version()}. {CONVERSATIONS:,} conversations of one person, {OTHERS * OF_EACH:,} of {OTHERS} "
        f"others, 4 messages each; {REQUESTS} whole requests of each kind. The bound is {GOAL_MS:.0f} ms at the 95th "
        "percentile.",
        "",
        f"| | {' | '.join(heads)} |",
        "| --- |" + " --- |" * len(heads),
    ]
    for name in next(iter(columns.values())):
        figures = [f"{figure:.1f}" for of in columns.values() for figure in of[name]]
        lines.append(f"| {name} | {' | '.join(figures)} |")
    return "\n".join(lines)


def _write(text: str) -> None:
    whole = OPERATIONS.read_text()
    before, _, rest = whole.partition(BEGIN)
    _, _, after = rest.partition(END)
    OPERATIONS.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
