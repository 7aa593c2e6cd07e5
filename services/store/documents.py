"""Documents of bases: the file as it came, in pieces, the text that was read in it, and how far reading it is.

What people do with documents is here; what the ingestion does to them is in `claims.py`.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final, Literal, cast

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    LargeBinary,
    UniqueConstraint,
    func,
    insert,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy import delete as delete_from
from sqlalchemy.orm import Mapped, Session, mapped_column

from services import errors
from services.store import bases
from services.store.base import APART, SECRET, Base, clean, new_id, same_word, utc_now
from services.store.database import write_next

Kind = Literal["pdf", "docx", "html", "markdown", "text", "csv"]
State = Literal["queued", "reading", "embedding", "ready", "failed"]

PIECE_BYTES: Final = 256 * 1024
MAX_DOCUMENTS: Final = 5_000
WAITING: Final = text("state IN ('queued', 'reading', 'embedding')")
_UNKNOWN: Final = "There is no such document."


class DocumentRow(Base):
    __tablename__ = "documents"
    # The same content is kept once in a base, also if it arrives twice at the same moment.
    __table_args__ = (
        UniqueConstraint("base_id", "sha256"),
        Index(None, "base_id", "id"),
        Index(None, "base_id", "state", "id", "bytes"),
        Index(None, "base_id", "updated_at"),
        Index("ix_documents_waiting", "id", sqlite_where=WAITING, postgresql_where=WAITING),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    base_id: Mapped[str] = mapped_column(ForeignKey("bases.id", ondelete="CASCADE"))
    name: Mapped[str]
    # What parts of names are looked for in: neither database folds case the way people do.
    name_key: Mapped[str] = mapped_column(info=SECRET)
    kind: Mapped[str]
    mime: Mapped[str]
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    source_url: Mapped[str | None]
    pages: Mapped[int | None]
    state: Mapped[str]
    done: Mapped[int]
    total: Mapped[int]
    error: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    attempts: Mapped[int]
    claimed_by: Mapped[str | None] = mapped_column(info=SECRET)
    claimed_until: Mapped[datetime | None]


class DocumentPiece(Base):
    __tablename__ = "document_pieces"
    # Too large for the one document of an export: the file is given back as it came.
    __table_args__ = {"info": APART}  # noqa: RUF012 (SQLAlchemy reads it once)

    document_id: Mapped[str] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class DocumentPage(Base):
    """The text of a page, as it was read; chunks and citations point into it."""

    __tablename__ = "document_pages"
    __table_args__ = {"info": APART}  # noqa: RUF012 (SQLAlchemy reads it once)

    document_id: Mapped[str] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a base.

    Attributes:
        bytes: The size of the file as it came.
        sha256: Of the file as it came, in hex.
        source_url: Where it was fetched; None if it was sent.
        pages: How many its reader found; None before that.
        done, total: While it is `embedding`: chunks that are ready to be found, of how many.
        error: Why it `failed`, for the person; None otherwise.
        attempts: How often reading it was begun since it was sent or retried.
    """

    id: str
    base_id: str
    name: str
    kind: Kind
    mime: str
    bytes: int
    sha256: str
    source_url: str | None
    pages: int | None
    state: State
    done: int
    total: int
    error: str | None
    created_at: datetime
    updated_at: datetime
    attempts: int

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.state in ("ready", "failed")

    @property
    def progress(self) -> float:
        """How far it is, 0 to 1."""
        if self.state == "ready":
            return 1.0
        return self.done / self.total if self.total and self.state == "embedding" else 0.0


@dataclass(frozen=True, slots=True)
class Page:
    """The text of one page; the first has number 1."""

    number: int
    text: str


def add(
    s: Session,
    user_id: int,
    base_id: str,
    *,
    name: str,
    kind: Kind,
    mime: str,
    bytes: int,  # noqa: A002 (what it is called everywhere)
    sha256: str,
    content: BinaryIO,
    source_url: str | None = None,
    max_total_bytes: int,
    max_documents: int = MAX_DOCUMENTS,
) -> Document:
    """Keep a document, to be read by the ingestion.

    Args:
        content: Open at any position; `bytes` long, with `sha256`. Read only while it is stored.
        max_total_bytes: What all documents of the base's owner may take up together.
        max_documents: How many the base may have.

    Raises:
        NotFound: The base is unknown, or not theirs to read.
        Forbidden: They may only read it.
        Conflict: Code `DUPLICATE`: the base has this content; `extra` has its `document` {id, name, status}. Code
            `TOO_MANY_DOCUMENTS`.
        TooLarge: Code `BASES_FULL`.
    """
    owner_id = _owner_of(s, user_id, base_id)
    _refuse_duplicate(s, base_id, sha256)
    _refuse_too_much(s, owner_id, base_id, bytes, max_total_bytes, max_documents)
    now = utc_now()
    row = DocumentRow(
        id=new_id(),
        base_id=base_id,
        name=clean(name),
        name_key=same_word(name),
        kind=kind,
        mime=mime,
        bytes=bytes,
        sha256=sha256,
        source_url=None if source_url is None else clean(source_url),
        state="queued",
        done=0,
        total=0,
        created_at=now,
        updated_at=now,
        attempts=0,
    )
    s.add(row)
    s.flush()
    for number, data in _pieces(content):
        # One statement each: a driver's copy of a whole file would be a second one in memory.
        s.execute(insert(DocumentPiece), [{"document_id": row.id, "number": number, "data": data}])
    return of_row(row)


def duplicate(s: Session, user_id: int, base_id: str, sha256: str) -> Document | None:
    """The document of a base that has this content.

    Raises:
        NotFound: The base is unknown, or not theirs to read.
    """
    bases.require(s, user_id, base_id, "reader")
    row = s.scalar(select(DocumentRow).where(DocumentRow.base_id == base_id, DocumentRow.sha256 == sha256))
    return None if row is None else of_row(row)


def get(s: Session, user_id: int, document_id: str) -> Document:
    """One document of a base that the person may read.

    Raises:
        NotFound: Unknown, or not theirs to read.
    """
    return of_row(_readable(s, user_id, document_id))


def listing(s: Session, user_id: int, base_id: str, *, before: str | None = None, limit: int = 500) -> list[Document]:
    """The documents of a base, the newest first; `before` is the last id of the page before.

    Raises:
        NotFound: The base is unknown, or not theirs to read.
    """
    bases.require(s, user_id, base_id, "reader")
    asked = select(DocumentRow).where(DocumentRow.base_id == base_id)
    if before is not None:
        asked = asked.where(DocumentRow.id < before)
    return [of_row(row) for row in s.scalars(asked.order_by(DocumentRow.id.desc()).limit(limit))]


def pages(s: Session, user_id: int, document_id: str, first: int = 1, last: int | None = None) -> list[Page]:
    """The texts of a document's pages, in order.

    Raises:
        NotFound: Unknown, or not theirs to read.
    """
    _readable(s, user_id, document_id)
    asked = select(DocumentPage.number, DocumentPage.text).where(
        DocumentPage.document_id == document_id, DocumentPage.number >= first
    )
    if last is not None:
        asked = asked.where(DocumentPage.number <= last)
    return [Page(number, words) for number, words in s.execute(asked.order_by(DocumentPage.number))]


def texts(s: Session, user_id: int, places: Collection[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """The texts of some pages (document, number), as far as there are any and the person may read them."""
    asked = (
        select(DocumentPage.document_id, DocumentPage.number, DocumentPage.text)
        .join(DocumentRow, DocumentRow.id == DocumentPage.document_id)
        .where(
            tuple_(DocumentPage.document_id, DocumentPage.number).in_(set(places)),
            DocumentRow.base_id.in_(bases.readable(user_id)),
        )
    )
    return {(document_id, number): text for document_id, number, text in s.execute(asked)}


def page(s: Session, user_id: int, document_id: str, number: int) -> tuple[Document, Page, int]:
    """One page of a document, the document, and the number of its last page.

    Raises:
        NotFound: Unknown, not theirs to read, or there is no such page.
    """
    document = get(s, user_id, document_id)
    row = s.get(DocumentPage, (document_id, number))
    if row is None:
        raise errors.NotFound("There is no such page.")
    last = s.scalar(select(func.max(DocumentPage.number)).where(DocumentPage.document_id == document_id))
    return document, Page(row.number, row.text), last or number


def piece(s: Session, user_id: int, document_id: str, number: int) -> bytes | None:
    """One piece of the file as it came, from number 0 on; None after the last.

    Raises:
        NotFound: Unknown, or not theirs to read.
    """
    _readable(s, user_id, document_id)
    return s.scalar(
        select(DocumentPiece.data).where(DocumentPiece.document_id == document_id, DocumentPiece.number == number)
    )


def remove(s: Session, user_id: int, document_id: str) -> None:
    """Delete a document with all that was made of it; an ingestion at work on it finds out at its next step.

    Raises:
        NotFound: Unknown, or not theirs to read.
        Forbidden: They may only read it.
    """
    _editable(s, user_id, document_id)
    s.execute(delete_from(DocumentRow).where(DocumentRow.id == document_id))


def requeue(s: Session, user_id: int, document_id: str) -> Document:
    """Have a document read anew: after it failed, or to index it again. One that is being read is left to that.

    Raises:
        NotFound: Unknown, or not theirs to read.
        Forbidden: They may only read it.
    """
    _editable(s, user_id, document_id)
    again = (
        update(DocumentRow)
        .where(DocumentRow.id == document_id, DocumentRow.state.in_(["ready", "failed"]))
        .values(state="queued", done=0, total=0, error=None, attempts=0, updated_at=utc_now())
        .values(claimed_by=None, claimed_until=None)
    )
    s.execute(again)
    return get(s, user_id, document_id)


def used(s: Session, owner_id: int) -> int:
    """What the documents in all bases of this owner take up, in bytes."""
    theirs = select(bases.BaseRow.id).where(bases.BaseRow.owner_id == owner_id)
    return int(
        s.scalar(select(func.coalesce(func.sum(DocumentRow.bytes), 0)).where(DocumentRow.base_id.in_(theirs))) or 0
    )


def of_row(row: DocumentRow) -> Document:
    """The document, without what only the ingestion needs."""
    return Document(
        id=row.id,
        base_id=row.base_id,
        name=row.name,
        kind=cast("Kind", row.kind),
        mime=row.mime,
        bytes=row.bytes,
        sha256=row.sha256,
        source_url=row.source_url,
        pages=row.pages,
        state=cast("State", row.state),
        done=row.done,
        total=row.total,
        error=row.error,
        created_at=row.created_at,
        updated_at=row.updated_at,
        attempts=row.attempts,
    )


def _readable(s: Session, user_id: int, document_id: str) -> DocumentRow:
    row = s.scalar(
        select(DocumentRow)
        .where(DocumentRow.id == document_id, DocumentRow.base_id.in_(bases.readable(user_id)))
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise errors.NotFound(_UNKNOWN)
    return row


def _editable(s: Session, user_id: int, document_id: str) -> DocumentRow:
    write_next(s)
    row = _readable(s, user_id, document_id)
    bases.require(s, user_id, row.base_id, "editor")
    return row


def _owner_of(s: Session, user_id: int, base_id: str) -> int:
    """Whose base it is; the caller's next query may count on nobody else adding to this owner's bases meanwhile."""
    write_next(s)
    owner_id = s.scalar(select(bases.BaseRow.owner_id).where(bases.BaseRow.id == base_id))
    # Two that are added at once must not both find the last free place.
    write_next(s, turn=f"documents of {owner_id}")
    bases.require(s, user_id, base_id, "editor")
    return owner_id or 0


def _refuse_duplicate(s: Session, base_id: str, sha256: str) -> None:
    there = s.scalar(select(DocumentRow).where(DocumentRow.base_id == base_id, DocumentRow.sha256 == sha256))
    if there is not None:
        known = {"id": there.id, "name": there.name, "status": there.state}
        message = f"This base has the same document already: “{there.name}”."
        raise errors.Conflict(message, code="DUPLICATE", extra={"document": known})


def _refuse_too_much(
    s: Session, owner_id: int, base_id: str, size_bytes: int, max_total_bytes: int, max_documents: int
) -> None:
    held = s.scalar(select(func.count()).where(DocumentRow.base_id == base_id)) or 0
    if held >= max_documents:
        message = f"The base has {held} documents, which is as many as one may have. Remove some, or make another base."
        extra = {"limit": max_documents, "current": held}
        raise errors.Conflict(message, code="TOO_MANY_DOCUMENTS", extra=extra)
    now = used(s, owner_id)
    if now + size_bytes > max_total_bytes:
        message = "The documents in the bases of this owner take up all the space there is for them. Remove some first."
        wrong = {"field": "file", "message": "does not fit: the space for documents is used up"}
        full = {"limit": max_total_bytes, "current": now, "errors": [wrong]}
        raise errors.TooLarge(message, code="BASES_FULL", extra=full)


def _pieces(content: BinaryIO) -> Iterator[tuple[int, bytes]]:
    # From the start: a transaction that met another writer is tried a second time.
    content.seek(0)
    number = 0
    while data := content.read(PIECE_BYTES):
        yield number, data
        number += 1
