"""Chunks: the pieces of documents that a search finds, with what they are found by. `matching.py` finds them.

A chunk has a row here, one in the full-text index (FTS5, or a tsvector, of `words.py`'s words), and one with the signs
of its vector. That one is in the order in which it is scanned: by the model that made the vector, then by base. Which
chunks have a vector of an older model, or none, is its beginning.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import (
    BigInteger,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    UniqueConstraint,
    bindparam,
    func,
    insert,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.types import TypeDecorator

from services.store import bases, claims
from services.store.base import APART, Base, clean, utc_now
from services.store.claims import Claim
from services.store.database import write_next
from services.store.documents import DocumentRow
from services.store.words import words

WIDTH: Final = 256
BITS_BYTES: Final = WIDTH // 8
# A chunk that is looked for by words alone, so far: in place of a model's name.
NONE: Final = ""
_ID: Final = BigInteger().with_variant(Integer(), "sqlite")
# PostgreSQL keeps at most 1 MiB of words for a row.
_MAX_INDEXED_CHARS: Final = 50_000
_INDEX: Final = {
    "sqlite": text("INSERT INTO chunk_words (rowid, title, words) VALUES (:id, :title, :words)"),
    "postgresql": text(
        "INSERT INTO chunk_words (chunk_id, words) VALUES (:id, setweight(to_tsvector('chunk_english', :title), 'A')"
        " || to_tsvector('chunk_english', :words))"
    ),
}


class Bits(TypeDecorator[bytes]):
    """The signs of a vector, 256 of them, as each database compares them fastest."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.BIT(WIDTH))
        return dialect.type_descriptor(LargeBinary())

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if len(value) != BITS_BYTES:
            raise ValueError(f"the signs of {WIDTH} numbers are {BITS_BYTES} bytes")
        return value if dialect.name == "sqlite" else f"{int.from_bytes(value, 'big'):0{WIDTH}b}"

    def process_result_value(self, value: Any, dialect: Dialect) -> bytes | None:
        if value is None or dialect.name == "sqlite":
            return None if value is None else bytes(value)
        return int(value, 2).to_bytes(BITS_BYTES, "big")


class Chunk(Base):
    __tablename__ = "chunks"
    # Made of the documents, and much: an export has those. Numbers are not given twice: answers keep them.
    __table_args__ = (
        UniqueConstraint("document_id", "position"),
        {"sqlite_autoincrement": True, "info": APART},
    )

    id: Mapped[int] = mapped_column(_ID, primary_key=True)
    document_id: Mapped[str] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    base_id: Mapped[str]
    position: Mapped[int]
    heading: Mapped[str]
    page: Mapped[int]
    start: Mapped[int]
    end: Mapped[int]
    text: Mapped[str]
    # 256 whole numbers from -127 to 127, to tell the nearest apart.
    vector: Mapped[bytes | None] = mapped_column(LargeBinary)


class ChunkVector(Base):
    __tablename__ = "chunk_vectors"
    __table_args__ = (
        Index("ix_chunk_vectors_chunk", "chunk_id", "base_id", "document_id", unique=True),
        {"sqlite_with_rowid": False, "info": APART},
    )

    model: Mapped[str] = mapped_column(primary_key=True)
    base_id: Mapped[str] = mapped_column(primary_key=True)
    chunk_id: Mapped[int] = mapped_column(_ID, ForeignKey("chunks.id", ondelete="CASCADE"), primary_key=True)
    document_id: Mapped[str]
    bits: Mapped[bytes | None] = mapped_column(Bits)


_SIGNS: Final = cast("Table", ChunkVector.__table__)
_ROWS: Final = cast("Table", Chunk.__table__)
_SET_BITS: Final = update(_SIGNS).where(_SIGNS.c.chunk_id == bindparam("its"))
_SET_VECTOR: Final = update(_ROWS).where(_ROWS.c.id == bindparam("its"))


@dataclass(frozen=True, slots=True)
class Embedded:
    """A vector as it is kept: its signs (32 bytes), and itself as signed bytes (256)."""

    bits: bytes
    int8: bytes


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A chunk to be kept.

    Attributes:
        position: Its place in the document, from 0.
        heading: The headings over it, `A > B`; may be empty.
        page: The page that `start` and `end` point into: `page.text[start:end] == text`.
        vector: None: it is embedded later.
    """

    position: int
    heading: str
    page: int
    start: int
    end: int
    text: str
    vector: Embedded | None = None


@dataclass(frozen=True, slots=True)
class ToEmbed:
    """A chunk whose vector is wanted."""

    id: int
    document_name: str
    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that was found, with the document that it is of. `vector` is None as long as it has none."""

    id: int
    document_id: str
    document_name: str
    base_id: str
    position: int
    heading: str
    page: int
    start: int
    end: int
    text: str
    vector: bytes | None


def put(s: Session, claim: Claim, rows: Sequence[NewChunk], *, model: str = NONE) -> int:
    """Keep chunks of a claimed document; those at a position that is taken are there already, and left out.

    Args:
        model: Which one made their vectors; has a name if they have any.

    Returns:
        How many were new.

    Raises:
        Conflict: Code `CLAIM_LOST`.
    """
    claims.hold(s, claim)
    document = claim.document
    positions = [row.position for row in rows]
    taken = set(
        s.scalars(select(Chunk.position).where(Chunk.document_id == document.id, Chunk.position.in_(positions)))
    )
    fresh = [row for row in rows if row.position not in taken]
    if not fresh:
        return 0
    values = [_values(document.id, document.base_id, row) for row in fresh]
    ids = list(s.scalars(insert(Chunk).returning(Chunk.id, sort_by_parameter_order=True), values))
    found_by = [_indexed(number, document.name, row) for number, row in zip(ids, fresh, strict=True)]
    s.execute(_INDEX[s.get_bind().dialect.name], found_by)
    s.execute(
        insert(ChunkVector),
        [
            {
                "model": model if row.vector else NONE,
                "base_id": document.base_id,
                "chunk_id": number,
                "document_id": document.id,
                "bits": row.vector.bits if row.vector else None,
            }
            for number, row in zip(ids, fresh, strict=True)
        ],
    )
    _count(s, claim, sum(row.vector is not None for row in fresh))
    return len(fresh)


def without_vector(s: Session, claim: Claim, limit: int) -> list[ToEmbed]:
    """Chunks of a claimed document that have no vector yet, in order."""
    wanted = _to_embed().where(Chunk.document_id == claim.document.id, Chunk.vector.is_(None))
    return [ToEmbed(*row) for row in s.execute(wanted.order_by(Chunk.position).limit(limit))]


def stale(s: Session, model: str, limit: int) -> list[ToEmbed]:
    """Chunks of any document whose vector another model made; empty once all have been embedded anew."""
    others = or_(ChunkVector.model < model, ChunkVector.model > model)
    wanted = _to_embed().join(ChunkVector, ChunkVector.chunk_id == Chunk.id)
    return [ToEmbed(*row) for row in s.execute(wanted.where(others, ChunkVector.model != NONE).limit(limit))]


def embed(s: Session, model: str, vectors: Iterable[tuple[int, Embedded]], *, claim: Claim | None = None) -> int:
    """Give chunks their vectors; chunks that are gone are passed over.

    Args:
        model: Which one made them.
        vectors: With the number of the chunk that each is of.
        claim: Of the document that they are all of, if it is on its way in; its progress goes on by as many.

    Returns:
        How many chunks have one now.

    Raises:
        Conflict: Code `CLAIM_LOST`.
    """
    write_next(s)
    if claim is not None:
        claims.hold(s, claim)
    wanted = dict(vectors)
    there = list(s.scalars(select(ChunkVector.chunk_id).where(ChunkVector.chunk_id.in_(wanted))))
    if not there:
        return 0
    # Many at once: each statement by itself is a way to the database's thread and back.
    connection = s.connection()
    connection.execute(_SET_BITS, [{"its": its, "bits": wanted[its].bits, "model": model} for its in there])
    connection.execute(_SET_VECTOR, [{"its": its, "vector": wanted[its].int8} for its in there])
    if claim is not None:
        _count(s, claim, len(there))
    return len(there)


def load(s: Session, user_id: int, ids: Sequence[int]) -> list[Passage]:
    """The chunks with these numbers that the person may read, in the order of the numbers."""
    found = {row.id: Passage(*row) for row in s.execute(_passages(user_id).where(Chunk.id.in_(ids)))}
    return [found[number] for number in dict.fromkeys(ids) if number in found]


def at(s: Session, user_id: int, places: Iterable[tuple[str, int]]) -> list[Passage]:
    """The chunks at these places (document, position), as far as there are any and the person may read them."""
    asked = _passages(user_id).where(tuple_(Chunk.document_id, Chunk.position).in_(list(places)))
    return [Passage(*row) for row in s.execute(asked.order_by(Chunk.document_id, Chunk.position))]


def count(s: Session, document_id: str) -> int:
    """How many chunks a document has; for the one who reads it."""
    return s.scalar(select(func.count()).where(Chunk.document_id == document_id)) or 0


def _passages(user_id: int) -> Any:
    return (
        select(
            Chunk.id,
            Chunk.document_id,
            DocumentRow.name,
            Chunk.base_id,
            Chunk.position,
            Chunk.heading,
            Chunk.page,
            Chunk.start,
            Chunk.end,
            Chunk.text,
            Chunk.vector,
        )
        .join(DocumentRow, DocumentRow.id == Chunk.document_id)
        # An expression: led by its index, the planner would read all documents that may be read.
        .where((DocumentRow.base_id + "").in_(bases.readable(user_id)))
    )


def _to_embed() -> Any:
    return select(Chunk.id, DocumentRow.name, Chunk.heading, Chunk.text).join(
        DocumentRow, DocumentRow.id == Chunk.document_id
    )


def _values(document_id: str, base_id: str, row: NewChunk) -> dict[str, Any]:
    return {
        "document_id": document_id,
        "base_id": base_id,
        "position": row.position,
        "heading": row.heading,
        "page": row.page,
        "start": row.start,
        "end": row.end,
        "text": row.text,
        "vector": row.vector.int8 if row.vector else None,
    }


def _indexed(chunk_id: int, document_name: str, row: NewChunk) -> dict[str, Any]:
    title = words(clean(f"{document_name} {row.heading}")[:_MAX_INDEXED_CHARS])
    return {"id": chunk_id, "title": " ".join(title), "words": " ".join(words(clean(row.text)[:_MAX_INDEXED_CHARS]))}


def _count(s: Session, claim: Claim, more: int) -> None:
    if more:
        its = update(DocumentRow).where(DocumentRow.id == claim.document.id)
        s.execute(its.values(done=DocumentRow.done + more, updated_at=utc_now()))
