"""What is looked for, and where: the words, the filters, and the condition of what the asker may read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, or_, select

from services.store.base import same_word
from services.store.bases import readable
from services.store.chunks import Chunk, ChunkVector
from services.store.documents import DocumentRow


@dataclass(frozen=True, slots=True)
class Match:
    """What is looked for, in plain words; an entry of several words is a phrase. Cut and folded as `words.py` does.

    Attributes:
        any: What counts for a chunk; enough that it has one of them.
        must: All of which it must have.
        must_not: None of which it may have.
    """

    any: Sequence[str] = ()
    must: Sequence[str] = ()
    must_not: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Filters:
    """Which documents are looked into; nothing given: all.

    Attributes:
        document_ids: These alone.
        files: Parts of names, in any case: those that have one of them.
        after: Those that came in then or later.
        before: Those that came in earlier.
    """

    document_ids: Sequence[str] = ()
    files: Sequence[str] = ()
    after: datetime | None = None
    before: datetime | None = None

    def __bool__(self) -> bool:
        return bool(self.document_ids or self.files or self.after or self.before)


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to look."""

    user_id: int
    base_ids: Sequence[str] | None
    filters: Filters

    def conditions(self) -> list[ColumnElement[bool]]:
        """On `ChunkVector`, of which every chunk has one row: with a vector or without."""
        found: list[ColumnElement[bool]] = [ChunkVector.base_id.in_(readable(self.user_id))]
        if self.base_ids is not None:
            found.append(ChunkVector.base_id.in_(self.base_ids))
        if self.filters:
            found.append(ChunkVector.chunk_id.in_(self._filtered()))
        return found

    def _filtered(self) -> Select[Any]:
        filters = self.filters
        asked = select(Chunk.id).join(DocumentRow, DocumentRow.id == Chunk.document_id)
        asked = asked.where(DocumentRow.base_id.in_(readable(self.user_id)))
        if self.base_ids is not None:
            asked = asked.where(DocumentRow.base_id.in_(self.base_ids))
        if filters.document_ids:
            asked = asked.where(DocumentRow.id.in_(filters.document_ids))
        if filters.files:
            parts = [DocumentRow.name_key.contains(same_word(part), autoescape=True) for part in filters.files]
            asked = asked.where(or_(*parts))
        if filters.after is not None:
            asked = asked.where(DocumentRow.created_at >= filters.after)
        if filters.before is not None:
            asked = asked.where(DocumentRow.created_at < filters.before)
        return asked
