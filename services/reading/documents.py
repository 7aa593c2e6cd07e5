"""The child that reads one document: `python -m services.reading.documents KIND`, the file on standard input.

What it writes to standard output: records of four bytes of length and a JSON object of that length. One for each page
that has text, `{"page": 3, "text": ...}`, then `{"pages": ...}`, how many a PDF has, else null. Or only
`{"refused": reason}`. Whoever reads this must not trust it: the file may have taken the child over.
"""

import json
import os
import struct
import sys
from collections.abc import Sequence
from typing import Any, BinaryIO, Final, get_args

from services.reading import kinds, texts
from services.reading.confining import confine
from services.reading.kinds import DocumentKind, Refused

MEMORY_BYTES: Final = 1024 * 1024 * 1024
# A PDF of 5,000 pages takes a third of it, a web page of 25 MB a fifth.
CPU_S: Final[dict[DocumentKind, int]] = {"pdf": 60, "docx": 30, "html": 15, "markdown": 10, "text": 10, "csv": 20}
# It steps back behind streams, and may have to wait long for the processor.
LIFE_S: Final = 300
RESULT_BYTES: Final = 256 * 1024 * 1024
# Its owner has stepped back already.
NICE: Final = 0

# A page's number, from 1, and its text.
Page = tuple[int, str]


def main(kind: DocumentKind) -> None:
    """Read standard input within the limits."""
    confine(memory_bytes=MEMORY_BYTES, cpu_s=CPU_S[kind], life_s=LIFE_S, result_bytes=RESULT_BYTES, nice=NICE)
    with os.fdopen(0, "rb") as file:
        content = file.read()
    with os.fdopen(1, "wb") as out:
        try:
            pages, count = read(kind, content)
        except Refused as refused:
            tell(out, {"refused": refused.reason})
            return
        except MemoryError:
            tell(out, {"refused": kinds.TOO_HEAVY})
            return
        except Exception:  # the top of this program: what decoders raise at malformed files is no one family
            tell(out, {"refused": kinds.BROKEN})
            return
        for number, text in pages:
            tell(out, {"page": number, "text": text})
        tell(out, {"pages": count})


def read(kind: DocumentKind, content: bytes) -> tuple[list[Page], int | None]:
    """The text of a document, page by page or in sheets, headings marked with `#`; and how many pages a PDF has.

    Raises:
        Refused: It cannot be read, or there is no text in it.
    """
    if kind == "pdf":
        pages = _of_pdf(content)
        found, count = [(number, text) for number, text in enumerate(pages, start=1) if text.strip()], len(pages)
    else:
        found, count = list(enumerate(texts.sheets(_text(kind, content)), start=1)), None
    if not found:
        raise Refused(kinds.NO_TEXT)
    if sum(len(text) for _, text in found) > kinds.MAX_DOCUMENT_CHARS:
        raise Refused(kinds.TOO_MUCH_TEXT)
    return found, count


def _text(kind: DocumentKind, content: bytes) -> str:
    # Imported here: each library costs time, and one is enough.
    if kind == "docx":
        from services.reading import docx

        return texts.tidy(docx.text_of(content))
    if kind == "html":
        from services.reading import web

        return texts.tidy(web.text_of(content))
    if kind == "csv":
        from services.reading import tables

        return texts.tidy(tables.text_of(content))
    return texts.tidy(texts.decoded(content))


def _of_pdf(content: bytes) -> Sequence[str]:
    from services.reading import pages, pdfs

    reading = pdfs.read(content, max_pages=kinds.MAX_DOCUMENT_PAGES, max_chars=kinds.MAX_DOCUMENT_CHARS)
    return pages.marked(pages.cleared(reading.pages), pdfs.outline(content))


def tell(out: BinaryIO, record: dict[str, Any]) -> None:
    """Write one record."""
    line = json.dumps(record).encode()
    out.write(struct.pack(">I", len(line)) + line)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in get_args(DocumentKind):
        raise SystemExit(f"say what to read: one of {', '.join(get_args(DocumentKind))}")
    main(sys.argv[1])  # type: ignore[arg-type]
