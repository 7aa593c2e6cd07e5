"""What is looked for, and where: the words, the filters, and the condition of what the asker may read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, SQLColumnExpression, or_, select

from services.store.base import same_word
from services.store.bases import readable
from services.store.chunks import ChunkVector
from services.store.documents import DocumentRow

# Of a part of a document's name: SQLite refuses patterns that are much longer.
_MAX_PART_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class Match:
    """What is looked for, in plain words; an entry of several words is a phrase. Cut and folded as `words.py` does.

    Attributes:
        any: What counts for a chunk; enough that it has one of them.
        must: All of which it must have.
        must_not: None of which it may have.
        alike: Other spellings of what it must have; one of them will do.
    """

    any: Sequence[str] = ()
    must: Sequence[str] = ()
    must_not: Sequence[str] = ()
    alike: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def spelled(self, word: str) -> list[str]:
        """A word that it must have, and how else that may be written."""
        return [word, *self.alike.get(word, ())]


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

    def of_all(self) -> list[ColumnElement[bool]]:
        """The conditions on `ChunkVector`, as they are."""
        found: list[ColumnElement[bool]] = [ChunkVector.base_id.in_(readable(self.user_id))]
        if self.base_ids is not None:
            found.append(ChunkVector.base_id.in_(self.base_ids))
        return found + self._of_documents(ChunkVector.document_id)

    def of_each(self) -> list[ColumnElement[bool]]:
        """The same conditions for SQLite, where rows are looked up one by one, by their chunk."""
        # Expressions: with the bare columns, it would look for a row in each base by itself.
        base_id, document_id = ChunkVector.base_id + "", ChunkVector.document_id + ""
        found: list[ColumnElement[bool]] = [base_id.in_(readable(self.user_id))]
        if self.base_ids is not None:
            found.append(base_id.in_(self.base_ids))
        return found + self._of_documents(document_id)

    def _of_documents(self, document_id: SQLColumnExpression[str]) -> list[ColumnElement[bool]]:
        filters = self.filters
        if not filters:
            return []
        asked = select(DocumentRow.id).where(DocumentRow.base_id.in_(readable(self.user_id)))
        if self.base_ids is not None:
            asked = asked.where(DocumentRow.base_id.in_(self.base_ids))
        if filters.document_ids:
            asked = asked.where(DocumentRow.id.in_(filters.document_ids))
        if filters.files:
            parts = [
                DocumentRow.name_key.contains(same_word(part)[:_MAX_PART_CHARS], autoescape=True)
                for part in filters.files
            ]
            asked = asked.where(or_(*parts))
        if filters.after is not None:
            asked = asked.where(DocumentRow.created_at >= filters.after)
        if filters.before is not None:
            asked = asked.where(DocumentRow.created_at < filters.before)
        return [document_id.in_(asked)]
