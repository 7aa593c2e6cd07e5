"""Documents as rows, and as what the rest of the site sees of them. The queries are in documents.py and claims.py."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, cast

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from services.store.base import APART, SECRET, Base

Kind = Literal["pdf", "docx", "html", "markdown", "text", "csv"]
State = Literal["queued", "reading", "embedding", "ready", "failed"]

WAITING: Final = text("state IN ('queued', 'reading', 'embedding')")


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
