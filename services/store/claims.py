"""Documents on their way in: who reads one now, and what is written of it.

A document is claimed for a while by one ingestion, which renews its claim as it works. When it dies, the claim
lapses, and the document is claimed again. Every write is guarded by the claim, in its own transaction: what one that
lost its claim still writes is refused, so that a document is made once, however often it was begun.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import column, or_, select, table, update
from sqlalchemy import delete as delete_from
from sqlalchemy.orm import Session

from services import errors
from services.store.base import insert_into, new_id, utc_now
from services.store.database import write_next
from services.store.documents import WAITING, Document, DocumentPage, DocumentPiece, DocumentRow, Page, of_row

# A document that took its reader down so often is not given to another.
MAX_ATTEMPTS: Final = 5
# Their module builds on this one.
_CHUNKS: Final = table("chunks", column("document_id"))
_GAVE_UP: Final = "Reading this document failed several times without saying why."


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to write what is made of a document.

    Attributes:
        document: As it was when it was claimed. `state` tells where to go on: `embedding`, if all its chunks are there
            and some have no vector yet; else it is to be read from the start.
        token: Nobody else's.
    """

    document: Document
    token: str


def claim(s: Session, now: datetime, owner: str, lease_s: float) -> Claim | None:
    """Take the oldest document that waits, or whose reader's claim has lapsed; None if there is none.

    Args:
        now: The time on this machine; those of all machines differ by less than a lease.
        owner: Who takes it; for people who look into the database.
        lease_s: How long it is taken for, unless the claim is renewed.
    """
    write_next(s)
    while True:
        row = s.scalar(
            select(DocumentRow)
            .where(WAITING, or_(DocumentRow.claimed_until.is_(None), DocumentRow.claimed_until <= now))
            .order_by(DocumentRow.id)
            .limit(1)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        )
        if row is None:
            return None
        if row.attempts < MAX_ATTEMPTS:
            break
        _give_up(s, row)
    row.claimed_by = f"{owner}/{new_id()}"
    row.claimed_until = now + timedelta(seconds=lease_s)
    row.attempts += 1
    row.updated_at = now
    if row.state == "queued":
        row.state = "reading"
    s.flush()
    return Claim(of_row(row), row.claimed_by)


def waits(s: Session, now: datetime) -> bool:
    """Whether there is a document that `claim` would take; writes nothing."""
    asked = select(DocumentRow.id).where(
        WAITING, or_(DocumentRow.claimed_until.is_(None), DocumentRow.claimed_until <= now)
    )
    return s.scalar(asked.limit(1)) is not None


def is_whole(claim: Claim) -> bool:
    """Whether the document was ready before, and is to be read again: what was made of it is all there."""
    return claim.document.state == "reading" and claim.document.total > 0


def renew(s: Session, claim: Claim, now: datetime, lease_s: float) -> None:
    """Keep the claim for another while.

    Raises:
        Conflict: Code `CLAIM_LOST`: the document is gone, or somebody else's now.
    """
    _write(s, claim, claimed_until=now + timedelta(seconds=lease_s))


def release(s: Session, claim: Claim) -> None:
    """Let go of a document that could not be finished, as when this worker stops: it is claimed again at once.

    It does not count as an attempt. One that was lost already stays as it is.
    """
    s.execute(
        update(DocumentRow)
        .where(DocumentRow.id == claim.document.id, DocumentRow.claimed_by == claim.token, WAITING)
        .values(claimed_by=None, claimed_until=None, attempts=DocumentRow.attempts - 1)
    )


def piece(s: Session, claim: Claim, number: int) -> bytes | None:
    """One piece of the file as it came, from number 0 on; None after the last."""
    asked = select(DocumentPiece.data).where(
        DocumentPiece.document_id == claim.document.id, DocumentPiece.number == number
    )
    return s.scalar(asked)


def pages(s: Session, claim: Claim, first: int = 1, last: int | None = None) -> list[Page]:
    """The texts that were put for a document, in order."""
    asked = select(DocumentPage.number, DocumentPage.text).where(
        DocumentPage.document_id == claim.document.id, DocumentPage.number >= first
    )
    if last is not None:
        asked = asked.where(DocumentPage.number <= last)
    return [Page(number, text) for number, text in s.execute(asked.order_by(DocumentPage.number))]


def restart(s: Session, claim: Claim) -> None:
    """Forget what was read before, and begin to read.

    Raises:
        Conflict: Code `CLAIM_LOST`.
    """
    _write(s, claim, state="reading", done=0, total=0, pages=None, error=None)
    _forget(s, claim.document.id)


def put_pages(s: Session, claim: Claim, pages: Sequence[Page]) -> None:
    """Keep the texts of some pages; those that are there already stay as they are.

    Raises:
        Conflict: Code `CLAIM_LOST`.
    """
    _write(s, claim)
    if pages:
        rows = [{"document_id": claim.document.id, "number": page.number, "text": page.text} for page in pages]
        s.execute(insert_into(s, DocumentPage).on_conflict_do_nothing(), rows)


def progress(s: Session, claim: Claim, *, total: int, pages: int | None = None) -> None:
    """All chunks are there and are given their vectors now; `chunks.embed` counts them.

    Args:
        total: How many chunks there are.
        pages: How many pages the reader found; None if the kind has none.

    Raises:
        Conflict: Code `CLAIM_LOST`.
    """
    _write(s, claim, state="embedding", total=total, pages=pages)


def finish(s: Session, claim: Claim) -> Document:
    """The document is whole and ready to be found.

    Raises:
        Conflict: Code `CLAIM_LOST`.
    """
    return _ended(s, claim, state="ready", done=DocumentRow.total, error=None)


def fail(s: Session, claim: Claim, error: str) -> Document:
    """The document cannot be read, for the reason that its people are told; nothing that was made of it remains.

    If it was to be read again (`is_whole`) and none of it has been replaced, it is ready as it was.

    Raises:
        Conflict: Code `CLAIM_LOST`.
    """
    row = _write(s, claim)
    if is_whole(Claim(of_row(row), claim.token)):
        return _ended(s, claim, state="ready", done=DocumentRow.total, error=f"It was not read again. {error}")
    document = _ended(s, claim, state="failed", done=0, total=0, error=error)
    _forget(s, claim.document.id)
    return document


def hold(s: Session, claim: Claim) -> None:
    """Make sure, until this transaction ends, that the claim is not lost.

    Raises:
        Conflict: Code `CLAIM_LOST`.
    """
    _write(s, claim)


def _write(s: Session, claim: Claim, **values: Any) -> DocumentRow:
    # Locks the row until the transaction ends: who claims it meanwhile waits, or takes another.
    row = s.scalar(
        update(DocumentRow)
        .where(DocumentRow.id == claim.document.id, DocumentRow.claimed_by == claim.token)
        .values(updated_at=utc_now(), **values)
        .returning(DocumentRow)
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise errors.Conflict("Somebody else reads this document now, or it is gone.", code="CLAIM_LOST")
    return row


def _ended(s: Session, claim: Claim, **values: Any) -> Document:
    return of_row(_write(s, claim, claimed_by=None, claimed_until=None, **values))


def _give_up(s: Session, row: DocumentRow) -> None:
    stays = is_whole(Claim(of_row(row), ""))
    row.state, row.error = ("ready", f"It was not read again. {_GAVE_UP}") if stays else ("failed", _GAVE_UP)
    row.done = row.total = row.total if stays else 0
    row.claimed_by = row.claimed_until = None
    row.updated_at = utc_now()
    s.flush()
    if not stays:
        _forget(s, row.id)


def _forget(s: Session, document_id: str) -> None:
    s.execute(delete_from(_CHUNKS).where(_CHUNKS.c.document_id == document_id))
    s.execute(delete_from(DocumentPage).where(DocumentPage.document_id == document_id))
