"""An ingestion at work on a test's database, and a look at what it made."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gevent
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services import settings as site_settings
from services.knowledge.ingest import Ingest
from services.knowledge.workshop import Workshop
from services.llm.embed import Embedder
from services.settings import Settings
from services.store import documents
from services.store.chunks import Chunk, ChunkVector
from services.store.database import Database
from services.store.documents import Document, DocumentPage, DocumentRow
from services.store.users import User
from tests.factories import make_base, make_document

SECRET = "a secret for tests only"


@dataclass(frozen=True)
class Made:
    """What is stored of a document."""

    chunks: list[Chunk]
    pages: dict[int, str]
    vectors: int
    models: set[str]


class Reader:
    """One person's base, and ingestions of it."""

    def __init__(self, database: Database, user: User, settings: Settings, workshop: Workshop) -> None:
        self.database = database
        self.user = user
        self.base_id = database.run(make_base, user.id).id
        self.settings = settings
        self.ended: list[tuple[str, int]] = []
        self._workshop = workshop
        self._embedders: list[Embedder] = []

    def ingest(
        self, database: Database | None = None, *, workshop: Any = None, leaving: Any = None, **environ: str
    ) -> Ingest:
        """An ingestion, as each worker has one; keyword arguments are settings."""
        settings = self.settings
        if environ:
            own = {"DATA_DIR": str(self.settings.data_dir), "SECRET_KEY": SECRET}
            settings = site_settings.load({**own, **environ})
        embedder = Embedder(settings, pause=lambda _: None)
        made = Ingest(
            settings,
            database or self.database,
            embedder,
            is_leaving=leaving or (lambda: False),
            ingested=lambda outcome, chunks: self.ended.append((outcome, chunks)),
            workshop=workshop or self._workshop,
        )
        self._embedders.append(embedder)
        return made

    def close(self) -> None:
        for embedder in self._embedders:
            embedder.close()

    def add(self, content: bytes | str, **changes: Any) -> Document:
        """A document that waits."""
        data = content.encode() if isinstance(content, str) else content
        return self.database.run(make_document, self.user.id, self.base_id, content=data, **changes)

    def get(self, document: Document) -> Document:
        return self.database.run(documents.get, self.user.id, document.id)

    def change(self, document: Document, **values: Any) -> None:
        """As if it had come that far."""

        def write(s: Session) -> None:
            row = s.get(DocumentRow, document.id)
            assert row is not None
            for name, value in values.items():
                setattr(row, name, value)

        self.database.run(write)

    def made(self, document: Document) -> Made:
        """All that there is of a document, gathered past what a person may read."""
        return self.database.run(_made, document.id)

    def is_whole(self, document: Document) -> bool:
        """Whether it is ready, each of its chunks there once, with its vector, where it says."""
        now, made = self.get(document), self.made(document)
        assert now.state == "ready", (now.state, now.error)
        assert [chunk.position for chunk in made.chunks] == list(range(len(made.chunks)))
        assert len(made.chunks) == now.total == now.done == made.vectors
        for chunk in made.chunks:
            assert chunk.text == made.pages[chunk.page][chunk.start : chunk.end]
            assert chunk.vector is not None
            assert len(chunk.vector) == 256
        return bool(made.chunks)

    def count(self, table: Any) -> int:
        """How many rows there are of anybody's."""
        counted: Callable[[Session], int] = lambda s: s.scalar(select(func.count()).select_from(table)) or 0  # noqa: E731
        return self.database.run(counted)


def _made(s: Session, document_id: str) -> Made:
    chunks = list(s.scalars(select(Chunk).where(Chunk.document_id == document_id).order_by(Chunk.position)))
    pages = {
        page.number: page.text
        for page in s.scalars(select(DocumentPage).where(DocumentPage.document_id == document_id))
    }
    signs = select(ChunkVector.model).where(ChunkVector.chunk_id.in_([chunk.id for chunk in chunks]))
    models = list(s.scalars(signs.where(ChunkVector.bits.is_not(None))))
    return Made(chunks, pages, len(models), set(models))


def spans_of_the_loop(spans: list[float]) -> None:
    """Note for ever how long others have the event loop between two turns of this greenlet.

    In the thread's own time: what other processes take of the processor is nobody's fault here.
    """
    while True:
        before_s = time.thread_time()
        gevent.sleep(0.0005)
        spans.append(time.thread_time() - before_s)


def eventually(check: Callable[[], Any], within_s: float = 40.0) -> Any:
    """The first true value of `check()`."""
    until_s = time.monotonic() + within_s
    while not (value := check()):
        assert time.monotonic() < until_s, "it did not happen"
        gevent.sleep(0.005)
    return value
