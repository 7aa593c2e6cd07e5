"""Finding the passages that answer a question, in what its asker may read."""

from collections.abc import Sequence
from typing import Final, Protocol

from services.knowledge.passages import Found, Passage
from services.knowledge.query import parse
from services.store.database import Database

__all__ = ["Found", "Passage", "Retriever"]

LIMIT: Final = 8


class Vector(Protocol):
    """One embedding: its signs, and itself in whole numbers."""

    @property
    def bits(self) -> bytes: ...
    @property
    def int8(self) -> bytes: ...


class Embedder(Protocol):
    """What makes a question's vector; `services.llm.embed` has it."""

    @property
    def model(self) -> str: ...
    def query(self, text: str) -> Vector: ...


class Retriever:
    """Hybrid search over the bases of one site."""

    def __init__(self, database: Database, embedder: Embedder) -> None:
        self._database = database
        self._embedder = embedder

    def search(
        self, user_id: int, text: str, base_ids: Sequence[str] | None, *, limit: int = LIMIT, context: str = ""
    ) -> Found:
        """Find the best passages for a question.

        Args:
            base_ids: Where to look; None or none: everything that the user may read.
            context: The earlier question that a short follow-up goes on from.

        Raises:
            NotFound: One of the bases is unknown, or the user may not read it.
            Unavailable: The database is away.
        """
        return Found(query=parse(text))
