"""The library: bases of documents, who may do what with them, and how documents come in.

What comes in is looked at here and kept as it came, as `queued`; reading it is the ingestion's. Either a document is
kept whole, or nothing of it is.
"""

import hashlib
import io
import re
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import BinaryIO, Final, Literal, cast
from urllib.parse import urlsplit

from services import errors
from services.knowledge import arrivals
from services.media import refusals
from services.media.fetching import FIELD as URL_FIELD
from services.media.fetching import MAX_URL_CHARS, Fetcher
from services.reading import kinds
from services.settings import Settings
from services.store import bases, documents, pulses
from services.store.bases import BaseView, Member
from services.store.database import Database
from services.store.documents import Document
from services.store.pulses import Pulse

__all__ = ["MAX_TEXT_CHARS", "MAX_URL_CHARS", "URL_FIELD", "BaseView", "Document", "Library", "Member"]

MemberRole = Literal["reader", "editor"]

MAX_NAME_CHARS: Final = 80
MAX_FILE_NAME_CHARS: Final = 120
# Enough for anybody, and an end to what one account can store.
MAX_BASES: Final = 100
MAX_DOCUMENTS: Final = 5000
# As long as a book's chapter; longer texts are files.
MAX_TEXT_CHARS: Final = 200_000
_MIB: Final = 1024 * 1024
_PIECE_BYTES: Final = 256 * 1024
_TURN_S: Final = 0.0001


class Library:
    """Keeps bases for people. Every method looks first whose they are: what one may not read is unknown.

    Args:
        fetcher: Gets documents from addresses; by the settings unless given.
        wake: Tells the ingestion that there is something to read.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        *,
        wake: Callable[[], None] = lambda: None,
        fetcher: Fetcher | None = None,
    ) -> None:
        self._database = database
        self._max_mb = settings.max_upload_mb
        self._max_total_bytes = settings.bases_total_mb * _MIB
        self._wake = wake
        self._fetcher = fetcher or Fetcher(settings.media_url_hosts)

    # -- bases

    def listing(self, user_id: int) -> list[BaseView]:
        """All that the person may read."""
        return self._database.run(bases.listing, user_id)

    def get(self, user_id: int, base_id: str) -> BaseView:
        """One of them.

        Raises:
            NotFound: Unknown, or not theirs to read.
        """
        return self._database.run(bases.get, user_id, base_id)

    def editable(self, user_id: int, base_id: str) -> BaseView:
        """One that the person may put documents into.

        Raises:
            NotFound: Unknown, or not theirs to read.
            Forbidden: They may only read it.
        """
        base = self.get(user_id, base_id)
        if base.role == "reader":
            raise errors.Forbidden("You may read this base, but not change what is in it.")
        return base

    def create(self, user_id: int, name: str, *, is_shared: bool) -> BaseView:
        """A new base.

        Raises:
            Conflict: The person has as many as they may.
        """
        return self._database.run(bases.create, user_id, name, is_shared=is_shared, max_bases=MAX_BASES)

    def change(self, user_id: int, base_id: str, *, name: str | None, is_shared: bool | None) -> BaseView:
        """Rename or share one's base; None leaves a thing as it is.

        Raises:
            NotFound: Unknown, or not theirs to read.
            Forbidden: Not their own.
        """
        return self._database.run(bases.change, user_id, base_id, name=name, is_shared=is_shared)

    def delete(self, user_id: int, base_id: str) -> None:
        """Delete one's base with its documents.

        Raises:
            NotFound, Forbidden: As `change`.
        """
        self._database.run(bases.delete, user_id, base_id)

    # -- people

    def members(self, user_id: int, base_id: str) -> list[Member]:
        """Who may use one's base besides oneself.

        Raises:
            NotFound, Forbidden: As `change`.
        """
        return self._database.run(bases.members, user_id, base_id)

    def set_member(self, user_id: int, base_id: str, email: str, role: MemberRole) -> None:
        """Let somebody use one's base.

        Raises:
            NotFound, Forbidden: As `change`.
            InvalidInput: Field `email`: there is no such account, or it is one's own.
        """
        self._database.run(bases.set_member, user_id, base_id, email, role)

    def remove_member(self, user_id: int, base_id: str, email: str) -> None:
        """Take somebody out of one's base, or oneself out of another's.

        Raises:
            NotFound: Unknown, or nobody of that e-mail uses it.
            Forbidden: Not their own.
        """
        self._database.run(bases.remove_member, user_id, base_id, email)

    def readers(self, base_id: str, user_ids: Collection[int]) -> set[int]:
        """Which of these people may read a base."""
        return self._database.run(bases.readers, base_id, user_ids)

    # -- documents

    def add(self, user_id: int, base_id: str, name: str, content: BinaryIO, *, source_url: str = "") -> Document:
        """Keep a document, to be read soon.

        Args:
            content: Seekable; all of it is the document, whatever its position.

        Raises:
            NotFound, Forbidden: As `editable`.
            InvalidInput: Field `file`: it is empty.
            UnsupportedType: None of the kinds that are taken, or not what its name says.
            TooLarge: Over `MAX_UPLOAD_MB`, or all documents of the base's owner would be too much.
            Conflict: Code `DUPLICATE`: its content is there already, in `extra['document']`. Or the base is full.
        """
        size, sha256 = self._measured(content)
        content.seek(0)
        arrival = arrivals.of(content.read(arrivals.HEAD_BYTES), name)
        document = self._database.run(
            documents.add,
            user_id,
            base_id,
            name=arrival.name,
            kind=arrival.kind,
            mime=arrival.mime,
            bytes=size,
            sha256=sha256,
            content=content,
            source_url=source_url or None,
            max_total_bytes=self._max_total_bytes,
            max_documents=MAX_DOCUMENTS,
        )
        self._wake()
        return document

    def paste(self, user_id: int, base_id: str, name: str, text: str) -> Document:
        """Keep a text under a name; it is Markdown unless the name says otherwise.

        Raises:
            As `add`.
        """
        if not re.search(r"\.(md|markdown|txt|html?|csv|tsv)$", name, re.IGNORECASE):
            name += ".md"
        return self.add(user_id, base_id, name, io.BytesIO(text.encode("utf-8", "replace")))

    def fetch(self, user_id: int, base_id: str, url: str) -> Document:
        """Get a document from an address of an allowed host and keep it.

        Raises:
            InvalidInput: Field `url`: not allowed, not public, or it did not send a file in time. Else as `add`.
        """
        with tempfile.TemporaryFile() as fetched:
            content = cast(BinaryIO, fetched)
            name = self._fetcher.get(url, content, max_bytes=self._max_mb * _MIB)
            return self.add(user_id, base_id, name or urlsplit(url).hostname or "", content, source_url=url)

    def document(self, user_id: int, document_id: str) -> Document:
        """One document.

        Raises:
            NotFound: Unknown, or in no base that the person may read.
        """
        return self._database.run(documents.get, user_id, document_id)

    def documents(self, user_id: int, base_id: str, before: str | None, limit: int) -> list[Document]:
        """A base's documents, the newest first; `before` is the last id of the page before.

        Raises:
            NotFound: Unknown, or not theirs to read.
        """
        return self._database.run(documents.listing, user_id, base_id, before=before, limit=limit)

    def content(self, user_id: int, document_id: str) -> tuple[Document, Iterator[bytes]]:
        """A document as it came, in pieces; each is a transaction of its own.

        Raises:
            NotFound: As `document`; also between two pieces, if it is removed meanwhile.
        """
        return self.document(user_id, document_id), self._content(user_id, document_id)

    def remove(self, user_id: int, document_id: str) -> None:
        """Remove a document with all that was made of it.

        Raises:
            NotFound: As `document`.
            Forbidden: The person may only read its base.
        """
        self._database.run(documents.remove, user_id, document_id)

    def retry(self, user_id: int, document_id: str) -> Document:
        """Have a document read again.

        Raises:
            NotFound, Forbidden: As `remove`.
        """
        document = self._database.run(documents.requeue, user_id, document_id)
        self._wake()
        return document

    def pulse(self, base_id: str, since: datetime | None) -> Pulse:
        """How a base's documents are, and those that changed after a time; none of them without one.

        Whether its reader may is for the caller to check.
        """
        return self._database.run(pulses.pulse, base_id, since)

    def _measured(self, content: BinaryIO) -> tuple[int, str]:
        """A content's size and digest."""
        content.seek(0)
        size, digest = 0, hashlib.sha256()
        while data := content.read(_PIECE_BYTES):
            size += len(data)
            if size > self._max_mb * _MIB:
                raise refusals.too_large(self._max_mb)
            digest.update(data)
            # Nothing here waits, and a large file is many turns of work. Not 0: no socket would be looked at.
            time.sleep(_TURN_S)
        if not size:
            raise refusals.of_reason(kinds.EMPTY)
        return size, digest.hexdigest()

    def _content(self, user_id: int, document_id: str) -> Iterator[bytes]:
        number = 0
        while (data := self._database.run(documents.piece, user_id, document_id, number)) is not None:
            yield data
            number += 1
