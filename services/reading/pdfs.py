"""PDFs: the text of every page, and pictures of the first and of those without text. Nothing in them is ever run.

Source: PDFium's public headers (fpdfview.h, fpdf_text.h), through pypdfium2.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image

from services.reading import pictures, texts
from services.reading.kinds import (
    BROKEN,
    IMAGE_PIXELS,
    LOCKED,
    MAX_CHARS,
    MAX_DRAWN_PAGES,
    MAX_PAGE_CHARS,
    MAX_PAGES,
    PDF,
    THUMBNAIL_PIXELS,
    TOO_MANY_PAGES,
    TOO_MUCH_TEXT,
    Picture,
    Reading,
    Refused,
    page_role,
)

_LOCKS: Final = frozenset({pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY})
# Outlines may go in circles and name what they like.
_MAX_DEPTH: Final = 6
_MAX_HEADINGS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Heading:
    """A line of a PDF's outline; `page` counts from 0, `level` from 1."""

    page: int
    level: int
    title: str


def read(content: bytes, *, max_pages: int = MAX_PAGES, max_chars: int = MAX_CHARS) -> Reading:
    """A PDF's pages.

    Raises:
        Refused: `BROKEN`, `LOCKED` (a password is needed), `TOO_MANY_PAGES` or `TOO_MUCH_TEXT`.
    """
    document = _opened(content)
    count = len(document)
    if count < 1:
        raise Refused(BROKEN)
    if count > max_pages:
        raise Refused(TOO_MANY_PAGES)
    return Reading(PDF, list(_texts(document, count, max_chars)), count)


def outline(content: bytes) -> list[Heading]:
    """The headings that a PDF lists for its reader, in their order; none if it lists none.

    Raises:
        Refused: As `read`.
    """
    document = _opened(content)
    found: list[Heading] = []
    try:
        for mark in document.get_toc(max_depth=_MAX_DEPTH):
            place = mark.get_dest()
            page = place.get_index() if place else None
            title = " ".join(texts.of_page(mark.get_title()).split())
            if page is not None and title and len(found) < _MAX_HEADINGS:
                found.append(Heading(page, mark.level + 1, title))
    except pypdfium2.PdfiumError:
        return found
    return found


def pictures_of(content: bytes, pages: Sequence[str]) -> Iterator[tuple[str, Picture]]:
    """A small picture of the first page, then those pages for a model that have no text; what can be drawn.

    Args:
        content: The file.
        pages: The texts that were read of it.

    Raises:
        Refused: As `read`.
    """
    document = _opened(content)
    first = _drawn(document, 0, THUMBNAIL_PIXELS)
    if first is not None:
        yield "thumbnail", pictures.thumbnail(first)
    scanned = (number for number, text in enumerate(pages) if not text.strip() and not _is_empty(document, number))
    for number in islice(scanned, MAX_DRAWN_PAGES):
        page = _drawn(document, number, IMAGE_PIXELS)
        if page is not None:
            yield page_role(number + 1), pictures.of_page(page)


def _opened(content: bytes) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as problem:
        raise Refused(LOCKED if problem.err_code in _LOCKS else BROKEN) from None


def _texts(document: pypdfium2.PdfDocument, count: int, max_chars: int) -> Iterator[str]:
    left, unreadable = max_chars, 0
    for number in range(count):
        text = _text(document, number)
        unreadable += text is None
        left -= len(text or "")
        if left < 0:
            raise Refused(TOO_MUCH_TEXT)
        yield text or ""
    if unreadable == count:
        raise Refused(BROKEN)


def _text(document: pypdfium2.PdfDocument, number: int) -> str | None:
    """One page's text; None if the page cannot be read, which leaves the others."""
    try:
        page = document[number]
    except pypdfium2.PdfiumError:
        return None
    try:
        words = page.get_textpage()
        try:
            return texts.of_page(words.get_text_bounded()[:MAX_PAGE_CHARS])
        finally:
            words.close()
    except pypdfium2.PdfiumError:
        return None
    finally:
        page.close()


def _is_empty(document: pypdfium2.PdfDocument, number: int) -> bool:
    """Whether nothing at all is on a page: a scan is a picture, a tablet's notes are lines."""
    try:
        page = document[number]
    except pypdfium2.PdfiumError:
        return True
    try:
        return next(page.get_objects(max_depth=1), None) is None
    finally:
        page.close()


def _drawn(document: pypdfium2.PdfDocument, number: int, pixels: int) -> Image.Image | None:
    try:
        page = document[number]
        longest = max(page.get_size())
        # A page may say that it is a mile wide, or nothing at all.
        if not math.isfinite(longest) or longest <= 0:
            return None
        drawn: Image.Image = page.render(scale=pixels / longest, limit_image_cache=True).to_pil()
    except (pypdfium2.PdfiumError, ValueError):
        return None
    return drawn.convert("RGB")
