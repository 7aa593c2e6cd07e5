"""How a base's documents are, all of them in two short statements: what those who watch it ask twice a second."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from services.store import documents
from services.store.documents import Document, DocumentRow

# More than change between two looks; who has missed more reads the list.
MOST_CHANGED: Final = 200


@dataclass(frozen=True, slots=True)
class Pulse:
    """A look at a base.

    Attributes:
        changed: Documents that changed after the time that was asked about, the latest first; at most `MOST_CHANGED`.
        newest_id: The document that came last; with `total` it tells whether any came or went.
        moving: How many are neither ready nor failed.
    """

    changed: Sequence[Document]
    newest_id: str | None
    total: int
    ready: int
    failed: int

    @property
    def moving(self) -> int:
        return self.total - self.ready - self.failed

    @property
    def latest(self) -> datetime | None:
        """When the last of the changes was."""
        return self.changed[0].updated_at if self.changed else None

    def of(self, changed: Sequence[Document]) -> "Pulse":
        """The same look, with other changes."""
        return replace(self, changed=changed)


def pulse(s: Session, base_id: str, since: datetime | None) -> Pulse:
    """Look at a base; that its reader may is for the caller to check. Without a time no changes are asked for."""
    asked = (
        select(DocumentRow.state, func.count(), func.max(DocumentRow.id))
        .where(DocumentRow.base_id == base_id)
        .group_by(DocumentRow.state)
    )
    counts = {state: (number, newest) for state, number, newest in s.execute(asked)}
    return Pulse(
        changed=[] if since is None else _changed(s, base_id, since),
        newest_id=max((newest for _, newest in counts.values()), default=None),
        total=sum(number for number, _ in counts.values()),
        ready=counts.get("ready", (0, ""))[0],
        failed=counts.get("failed", (0, ""))[0],
    )


def _changed(s: Session, base_id: str, since: datetime) -> Sequence[Document]:
    rows = (
        select(DocumentRow)
        .where(DocumentRow.base_id == base_id, DocumentRow.updated_at > since)
        .order_by(DocumentRow.updated_at.desc())
        .limit(MOST_CHANGED)
    )
    return [documents.of_row(row) for row in s.scalars(rows)]
