"""Uploads as rows, and as what the rest of the site sees of them. The queries are in media.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Literal

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from services.store.base import SECRET, Base

Kind = Literal["image", "pdf", "text"]
# What is kept of an upload: the file itself (`content`), the picture that a model gets (`image`), the small one for
# pages (`thumbnail`), and pages without text as pictures (`page-3`).
Role = str


class MediaRow(Base):
    __tablename__ = "media"
    # The same file under the same name is kept once, also if it arrives twice at the same moment.
    __table_args__ = (
        UniqueConstraint("user_id", "sha256", "name"),
        Index("ix_media_user_id_id", "user_id", "id"),
        Index(None, "stored_bytes"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str]
    kind: Mapped[str]
    mime: Mapped[str]
    bytes: Mapped[int] = mapped_column(BigInteger)
    pages: Mapped[int | None]
    chars: Mapped[int]
    sha256: Mapped[str]
    # All that it takes up here, what was made of it included; the total of a person counts this.
    stored_bytes: Mapped[int] = mapped_column(BigInteger)
    image_mime: Mapped[str | None]
    thumbnail_mime: Mapped[str | None]
    created_at: Mapped[datetime]


class MediaPiece(Base):
    __tablename__ = "media_pieces"

    media_id: Mapped[str] = mapped_column(ForeignKey("media.id", ondelete="CASCADE"), primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    # Too large for the one document of an export: GET /api/media/{id} gives a file back as it came.
    data: Mapped[bytes] = mapped_column(LargeBinary, info=SECRET)


class MediaPage(Base):
    __tablename__ = "media_pages"

    media_id: Mapped[str] = mapped_column(ForeignKey("media.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


@dataclass(frozen=True, slots=True)
class Media:
    """An upload.

    Attributes:
        mime: By its content, whatever the upload said.
        bytes: The size of the file as it came.
        pages: How many a PDF has; None for everything else.
        chars: How much text was found, in characters; 0 for pictures and scans.
        sha256: Of the file as it came, in hex.
        stored_bytes: All that it takes up here.
        has_thumbnail: Whether there is a small picture of it.
    """

    id: str
    name: str
    kind: Kind
    mime: str
    bytes: int
    pages: int | None
    chars: int
    sha256: str
    stored_bytes: int
    has_thumbnail: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """The text of one page of a PDF, or of one stretch of a text; numbers begin with 1."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What a person's uploads take up."""

    bytes: int
    files: int


@dataclass(frozen=True, slots=True)
class Made:
    """A picture made of an upload."""

    mime: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that has been read, ready to be kept.

    Attributes:
        content: Open at any position; `bytes` long, with `sha256`. Read only while it is stored.
        pages: The texts, the first page first.
        page_count: How many pages a PDF has; None for everything else.
        made: The pictures made of it, by their role.
    """

    name: str
    kind: Kind
    mime: str
    bytes: int
    sha256: str
    content: BinaryIO
    pages: Sequence[str]
    page_count: int | None
    made: Mapping[Role, Made]

    @property
    def stored_bytes(self) -> int:
        """All that it will take up."""
        texts = sum(len(text.encode("utf-8", "replace")) for text in self.pages)
        return self.bytes + texts + sum(len(made.data) for made in self.made.values())
