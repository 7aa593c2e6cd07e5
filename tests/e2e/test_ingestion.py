"""Fifty documents on their way in, and the worker that reads them is killed in the middle."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psutil
import pytest
from pysqlite3 import dbapi2 as sqlite3

from tests.e2e.clients import Account
from tests.e2e.sites import Site, eventually, running

COUNT: Final = 50
# Under load a document takes a second.
_WITHIN_S: Final = 240.0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Of its own: one of its workers is killed."""
    with running(tmp_path / "site", DRAIN_SECONDS="2") as running_site:
        yield running_site


def text(number: int) -> str:
    parts = [
        f"## Part {part}\n\n"
        + " ".join(f"Remark {remark} on subject {number}.{part} says something of its own." for remark in range(30))
        for part in range(12)
    ]
    return f"# Subject {number}\n\n" + "\n\n".join(parts)


def rows(site: Site, statement: str) -> list[tuple[Any, ...]]:
    """What the database has, read past the site."""
    path = f"file:{site.data_dir}/rill.sqlite3?mode=ro"
    with contextlib.closing(sqlite3.connect(path, uri=True)) as database:
        return list(database.execute(statement))


def states(site: Site) -> dict[str, int]:
    return dict(rows(site, "SELECT state, count(*) FROM documents GROUP BY state"))


def reader_of(worker: int) -> psutil.Process | None:
    """The child that reads for a worker."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(worker).children():
            if "services.knowledge.child" in child.cmdline():
                return child
    return None


@pytest.mark.req("Q18")
def test_fifty_documents_are_ready_once_each_though_their_worker_is_killed(site: Site) -> None:
    somebody = Account(site)
    base_id = somebody.call("POST", "/api/v1/kbs", {"name": "Fifty"}).json["id"]
    sent = [
        somebody.call("POST", f"/api/v1/kbs/{base_id}/documents", {"name": f"{number}.md", "text": text(number)})
        for number in range(COUNT)
    ]
    assert {answer.status for answer in sent} == {202}, sent[-1]
    ingested = eventually(
        lambda: site.lines(event="document ingested")[4:], within_s=_WITHIN_S, what=f"nothing is read:\n{site.tail()}"
    )
    victim = int(ingested[-1]["pid"])
    child = eventually(lambda: reader_of(victim), what="the worker has no child")
    # In the middle of a document, not between two.
    eventually(lambda: states(site).get("reading") or states(site).get("embedding"), within_s=60)

    os.kill(victim, signal.SIGKILL)
    assert states(site).get("ready", 0) < COUNT, "needs documents that were not ready yet"

    eventually(lambda: not child.is_running(), what="the killed worker's child lives on")
    eventually(lambda: states(site) == {"ready": COUNT}, within_s=_WITHIN_S, what=f"not all are ready:\n{site.tail()}")
    of_each = rows(
        site,
        "SELECT d.total, d.done, count(c.id), count(DISTINCT c.position), min(c.position),"
        " max(c.position), count(c.vector)"
        " FROM documents d JOIN chunks c ON c.document_id = d.id GROUP BY d.id",
    )
    assert len(of_each) == COUNT
    for total, done, chunks, positions, first, last, vectors in of_each:
        assert total == done == chunks == positions == vectors == last + 1
        assert (first, total > 5) == (0, True)
    (counts,) = rows(
        site,
        "SELECT (SELECT count(*) FROM chunks), (SELECT count(*) FROM chunk_vectors),"
        " (SELECT count(*) FROM chunk_words WHERE chunk_words MATCH 'remark'), (SELECT count(*) FROM documents)",
    )
    assert counts[0] == counts[1] == counts[2] == sum(row[0] for row in of_each)
    assert counts[3] == COUNT
    listed = somebody.call("GET", f"/api/v1/kbs/{base_id}").json
    assert (listed["ready"], listed["failed"]) == (COUNT, 0)
    told = site.lines(event="document ingested", outcome="ready")
    assert len({line["document_id"] for line in told}) == COUNT
