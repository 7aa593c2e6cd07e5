"""A store of 100,000 chunks, and how fast it is searched: what scripts/bench_search.py runs beside the site.

`python -m scripts.search_store fill EMAIL FILE` copies the evaluation's corpus often enough into the person's bases;
`... time EMAIL FILE` searches it and prints milliseconds as JSON; `path` and `pages` say where such a file is kept and
where the corpus' pages are. A process of its own: it is gevent-patched, and what measures the site must not be.
"""

import app as site  # before all others: its first line is the gevent patch

# isort: split
import hashlib
import io
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import count, groupby
from typing import Final

import numpy as np

from evaluation import corpus, questions
from services import settings
from services.knowledge.retrieve import Retriever
from services.llm.embed import Embedder
from services.llm.vectors import vectors
from services.store import bases, chunks, claims, documents, users
from services.store.base import utc_now
from services.store.chunks import Embedded, NewChunk
from services.store.database import Database, Session

assert site.__name__ == "app"

CHUNKS: Final = 100_000
# Caches fill, as they have in a site that is in use.
WARM_UP: Final = 30
_LEASE_S: Final = 600.0


def fill(database: Database, user_id: int) -> None:
    """Put the corpus in, again and again under other names, until there are enough chunks."""
    values = settings.load({"SECRET_KEY": "for measuring only, and long enough"})
    source, embedder = corpus.opened(values), Embedder(values)
    rows: dict[str, list[NewChunk]] = defaultdict(list)
    for document in source.database.run(documents.listing, source.user_id, source.base_id, limit=5_000):
        places = [(document.id, place) for place in range(source.database.run(chunks.count, document.id))]
        for row in source.database.run(chunks.at, source.user_id, places):
            rows[document.name].append(_copied(row))
    there = 0
    for copy in count(1):
        base = database.run(bases.create, user_id, f"Copy {copy}")
        for name, parts in rows.items():
            database.run(_add, user_id, base.id, f"{copy}-{name}", parts[: CHUNKS - there], embedder.model)
            there += len(parts[: CHUNKS - there])
            if there == CHUNKS:
                return


def _copied(row: chunks.Passage) -> NewChunk:
    assert row.vector is not None
    (kept,) = vectors(np.frombuffer(row.vector, np.int8).astype(np.float32)[None])
    return NewChunk(row.position, row.heading, row.page, row.start, row.end, row.text, Embedded(kept.bits, kept.int8))


def _add(s: Session, user_id: int, base_id: str, name: str, rows: list[NewChunk], model: str) -> None:
    content = name.encode()
    documents.add(
        s,
        user_id,
        base_id,
        name=name,
        kind="html",
        mime="text/html",
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        content=io.BytesIO(content),
        max_total_bytes=1 << 40,
    )
    claim = claims.claim(s, utc_now(), "bench", _LEASE_S)
    assert claim
    claims.put_pages(s, claim, [documents.Page(number, text) for number, text in _pages(rows)])
    claims.progress(s, claim, total=len(rows))
    chunks.put(s, claim, rows, model=model)
    claims.finish(s, claim)


def _pages(rows: list[NewChunk]) -> Iterator[tuple[int, str]]:
    """The pages' texts, as far as chunks cover them."""
    for number, those in groupby(rows, key=lambda row: row.page):
        text: list[str] = []
        for row in those:
            text += [" "] * (row.end - len(text))
            text[row.start : row.end] = row.text
        yield number, "".join(text)


def timed(database: Database, user_id: int) -> list[float]:
    """Milliseconds of each search of the evaluation's questions, in everything that the person may read."""
    embedder = Embedder(settings.load({"SECRET_KEY": "for measuring only, and long enough"}))
    embedder.start()
    retriever = Retriever(database, embedder)
    asked = questions.load()
    taken = []
    for one in [*asked[:WARM_UP], *asked]:
        began = time.perf_counter()
        retriever.search(user_id, one.text, None, context=one.context)
        taken.append((time.perf_counter() - began) * 1000)
    return taken[WARM_UP:]


def main(command: str, email: str, path: str = "") -> None:
    """Do what was asked for."""
    if command in ("path", "pages"):
        place = corpus.CACHE / f"bench-{corpus.fingerprint()}.sqlite3" if command == "path" else corpus.unpacked()[0]
        print(place)
        return
    database = Database(f"sqlite:///{path}")
    user = database.run(users.by_email, email)
    assert user
    if command == "fill":
        fill(database, user.id)
    else:
        print(json.dumps(timed(database, user.id)))
    database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
