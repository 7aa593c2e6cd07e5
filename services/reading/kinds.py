"""What a file is, by its first bytes; and the limits and words that the child and its owner share. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

PNG: Final = "image/png"
JPEG: Final = "image/jpeg"
GIF: Final = "image/gif"
WEBP: Final = "image/webp"
PDF: Final = "application/pdf"
TEXT: Final = "text/plain"
MARKDOWN: Final = "text/markdown"
IMAGES: Final = frozenset({PNG, JPEG, GIF, WEBP})

# What documents are, as `services.reading.documents` is told.
DocumentKind = Literal["pdf", "docx", "html", "markdown", "text", "csv"]

# Photos of today's phones have up to 50 million; four bytes each are what decoding takes.
MAX_PIXELS: Final = 64_000_000
MAX_PAGES: Final = 1000
# A thick textbook has two million characters. A page of a book has 3,000, a table printed small 20,000.
MAX_CHARS: Final = 4_000_000
MAX_PAGE_CHARS: Final = 100_000
# A whole library's worth of one file: 5,000 pages, or a large table.
MAX_DOCUMENT_PAGES: Final = 5000
MAX_DOCUMENT_CHARS: Final = 20_000_000
# Where a text has no pages, it is cut into stretches about as long as one.
STRETCH_CHARS: Final = 3_000
# What models take in whole; larger pictures they scale down themselves.
IMAGE_PIXELS: Final = 1568
THUMBNAIL_PIXELS: Final = 320
# Of a PDF without text, so many pages are kept as pictures.
MAX_DRAWN_PAGES: Final = 16

# Why a file is refused: the only words that the child has for it.
BROKEN: Final = "broken"
EMPTY: Final = "empty"
LOCKED: Final = "locked"
NO_TEXT: Final = "no_text"
NOT_TEXT: Final = "not_text"
TOO_HEAVY: Final = "too_heavy"
TOO_MANY_PAGES: Final = "too_many_pages"
TOO_MANY_PIXELS: Final = "too_many_pixels"
TOO_MUCH_TEXT: Final = "too_much_text"
REASONS: Final = frozenset(
    {BROKEN, EMPTY, LOCKED, NO_TEXT, NOT_TEXT, TOO_HEAVY, TOO_MANY_PAGES, TOO_MANY_PIXELS, TOO_MUCH_TEXT}
)

HEAD_BYTES: Final = 1024
# Readers take a few blank bytes before a PDF's mark; more would let one file be two things.
_PDF: Final = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]{0,16}%PDF-\d")
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")


class Refused(Exception):
    """The file cannot be taken; `reason` is one of `REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture made of a file."""

    mime: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found in a file.

    Attributes:
        mime: One of this module's.
        pages: The texts of its pages or stretches, the first one first; none for a picture.
        page_count: How many pages a PDF has; None for everything else.
        pictures: `image` for a model, `thumbnail` for a page of ours, `page-3` of a PDF's third page that has no text.
    """

    mime: str
    pages: Sequence[str] = ()
    page_count: int | None = None
    pictures: dict[str, Picture] = field(default_factory=dict)


def page_role(number: int) -> str:
    """What the picture of a PDF's page is called; numbers begin with 1."""
    return f"page-{number}"


def sniff(head: bytes) -> str | None:
    """The type that the first `HEAD_BYTES` of a file claim; `TEXT` is a guess still; None: none that we read."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith((b"GIF87a", b"GIF89a")):
        return GIF
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return WEBP
    if _PDF.match(head):
        return PDF
    return TEXT if head and not _CONTROLS.search(head) else None
