"""Documents of bases: the file as it came, in pieces, the text that was read in it, and how far reading it is.

What people do with documents is here; what the ingestion does to them is in `claims.py`, the rows are in `papers.py`.
"""

from collections.abc import Collection, Iterator
from typing import BinaryIO, Final

from sqlalchemy import delete as delete_from
from sqlalchemy import func, insert, select, tuple_, update
from sqlalchemy.orm import Session

from services import errors
from services.store import bases
from services.store.base import clean, new_id, same_word, utc_now
from services.store.database import write_next
from services.store.papers import WAITING, Document, DocumentPage, DocumentPiece, DocumentRow, Kind, Page, State, of_row

__all__ = [
    "MAX_DOCUMENTS",
    "PIECE_BYTES",
    "WAITING",
    "Document",
    "DocumentPage",
    "DocumentPiece",
    "DocumentRow",
    "Kind",
    "Page",
    "State",
    "add",
    "duplicate",
    "get",
    "listing",
    "of_row",
    "page",
    "pages",
    "piece",
    "remove",
    "requeue",
    "texts",
    "used",
]

PIECE_BYTES: Final = 256 * 1024
MAX_DOCUMENTS: Final = 5_000
_UNKNOWN: Final = "There is no such document."


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

    A ready one keeps what was made of it, and its `total`, until the new takes its place.

    Raises:
        NotFound: Unknown, or not theirs to read.
        Forbidden: They may only read it.
    """
    _editable(s, user_id, document_id)
    again = (
        update(DocumentRow)
        .where(DocumentRow.id == document_id, DocumentRow.state.in_(["ready", "failed"]))
        .values(state="queued", done=0, error=None, attempts=0, updated_at=utc_now())
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
