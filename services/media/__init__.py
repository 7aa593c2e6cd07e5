"""The shelf: people's uploads, checked, read and kept.

Content decides what a file is. It is read by a child with limits (`services.reading`), and only what could be read
is kept: in the database, with the text of its pages and the pictures made of it.
"""

import hashlib
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final, Literal, Protocol, cast

from services import errors
from services.media import names, refusals
from services.media.fetching import MAX_URL_CHARS, Fetcher
from services.media.reader import Reader
from services.media.refusals import FIELD
from services.reading import kinds
from services.reading.kinds import Reading, Refused
from services.settings import Settings
from services.store import media as store
from services.store.database import Database, Session
from services.store.media import Kind, Made, Media, Page, Role, Upload, Usage

__all__ = ["FIELD", "MAX_URL_CHARS", "Media", "Page", "Shelf", "Usage"]

# However small they are: each is a row, and a line on the page of files.
MAX_FILES: Final = 2000
_MIB: Final = 1024 * 1024
_PIECE_BYTES: Final = 256 * 1024
_TURN_S: Final = 0.0001


class Stream(Protocol):
    """Anything that a file can be read from."""

    def read(self, size: int = ..., /) -> bytes:
        """At most so many bytes; none at the end."""
        ...


class Shelf:
    """Keeps files for people. Every method looks at the owner first: somebody else's file is unknown.

    Args:
        fetcher: Gets files from addresses; by the settings unless given.
        reader: Reads files; with its usual limits unless given.
    """

    def __init__(
        self, settings: Settings, database: Database, *, fetcher: Fetcher | None = None, reader: Reader | None = None
    ) -> None:
        self._database = database
        self._max_mb = settings.max_upload_mb
        self._max_total_bytes = settings.media_total_mb * _MIB
        self._fetcher = fetcher or Fetcher(settings.media_url_hosts)
        self._reader = reader or Reader()

    def add(self, user_id: int, name: str, stream: Stream) -> Media:
        """Read a file and keep it. The same file under the same name is kept once.

        Raises:
            InvalidInput: Field `file`: empty, broken, locked, or too much to read. Nothing is kept.
            TooLarge: Over `MAX_UPLOAD_MB`, or code `MEDIA_FULL`: over the person's total.
            UnsupportedType: None of the types that are taken, or not what its name says.
            Unavailable: The database is away, or too many files wait to be read.
        """
        return self._add(user_id, name, stream)[0]

    def fetch(self, user_id: int, url: str) -> Media:
        """Get a file from an address of an allowed host and keep it.

        Raises:
            InvalidInput: Field `url`: not allowed, not public, or it did not send a file in time. Else as `add`.
        """
        return self.fetch_new(user_id, url)[0]

    def fetch_new(self, user_id: int, url: str) -> tuple[Media, bool]:
        """As `fetch`, and whether the file was not there before."""
        with tempfile.TemporaryFile() as fetched:
            name = self._fetcher.get(url, cast(BinaryIO, fetched), max_bytes=self._max_mb * _MIB)
            fetched.seek(0)
            return self._add(user_id, name, fetched)

    def forget_unused(self, user_id: int, media_id: str) -> bool:
        """Delete a file that was fetched for a question, if no question came of it; whether it is gone.

        Raises:
            NotFound: Unknown, or somebody else's.
        """
        return self._database.run(store.forget_unused, user_id, media_id)

    def get(self, user_id: int, media_id: str) -> Media:
        """One of the person's files.

        Raises:
            NotFound: Unknown, or somebody else's.
        """
        return self._database.run(store.get, user_id, media_id)

    def listing(self, user_id: int, before: str | None = None, limit: int = 50) -> tuple[list[Media], Usage]:
        """The person's files, the newest first, and what all of them take up."""
        files = self._database.run(store.listing, user_id, before, limit)
        return files, self._database.run(store.used, user_id)

    def pages(self, user_id: int, media_id: str) -> list[Page]:
        """The text of its pages, or of a text's stretches; none for a picture.

        Raises:
            NotFound: Unknown, or somebody else's.
        """
        return self._database.run(store.pages, user_id, media_id)

    def page(self, user_id: int, media_id: str, number: int) -> tuple[Media, Page, int]:
        """One page, the file, and how many pages there are.

        Raises:
            NotFound: Unknown, somebody else's, or there is no such page.
        """
        return self._database.run(store.page, user_id, media_id, number)

    def image(self, user_id: int, media_id: str) -> tuple[str, bytes]:
        """A picture as a model gets it: upright, at most 1568 pixels wide and high, nothing but the picture.

        Returns:
            Its type and its bytes.

        Raises:
            NotFound: Unknown, somebody else's, or no picture.
        """
        return self._made(user_id, media_id, "image")

    def drawn_pages(self, user_id: int, media_id: str) -> list[int]:
        """The pages of a PDF that have no text and are kept as pictures, in order.

        Raises:
            NotFound: Unknown, or somebody else's.
        """
        return self._database.run(store.drawn_pages, user_id, media_id)

    def drawn_page(self, user_id: int, media_id: str, number: int) -> tuple[str, bytes]:
        """Such a page as a model gets it: its type and its bytes.

        Raises:
            NotFound: Unknown, somebody else's, or there is no picture of that page.
        """
        made = self._database.run(store.drawn_page, user_id, media_id, number)
        if made is None:
            raise errors.NotFound("There is no picture of this page.")
        return made.mime, made.data

    def thumbnail(self, user_id: int, media_id: str) -> tuple[str, bytes]:
        """A small picture of a picture, or of a PDF's first page.

        Raises:
            NotFound: Unknown, somebody else's, or there is none.
        """
        return self._made(user_id, media_id, "thumbnail")

    def content(self, user_id: int, media_id: str) -> tuple[Media, Iterator[bytes]]:
        """A file as it came, in pieces; each is a transaction of its own.

        Raises:
            NotFound: Unknown, or somebody else's; also between two pieces, if it is deleted meanwhile.
        """
        return self.get(user_id, media_id), self._content(user_id, media_id)

    def delete(self, user_id: int, media_id: str) -> None:
        """Delete a file with all that was made of it.

        Raises:
            NotFound: Unknown, or somebody else's.
        """
        self._database.run(store.delete, user_id, media_id)

    def _content(self, user_id: int, media_id: str) -> Iterator[bytes]:
        number = 0
        while (data := self._database.run(store.piece, user_id, media_id, "content", number)) is not None:
            yield data
            number += 1

    def _made(self, user_id: int, media_id: str, role: Literal["image", "thumbnail"]) -> tuple[str, bytes]:
        made = self._database.run(store.made, user_id, media_id, role)
        if made is None:
            raise errors.NotFound("There is no picture of this file.")
        return made.mime, made.data

    @contextmanager
    def _held(self, stream: Stream) -> Iterator[tuple[BinaryIO, int, str]]:
        """The stream's bytes in a file without a name, their number and their digest."""
        with tempfile.TemporaryFile() as content:
            size, digest = 0, hashlib.sha256()
            while data := stream.read(_PIECE_BYTES):
                size += len(data)
                if size > self._max_mb * _MIB:
                    raise refusals.too_large(self._max_mb)
                digest.update(data)
                content.write(data)
                # Nothing here waits, and a large file is many turns of work. Not 0: no socket would be looked at.
                time.sleep(_TURN_S)
            if not size:
                raise refusals.of_reason(kinds.EMPTY)
            yield cast(BinaryIO, content), size, digest.hexdigest()

    def _add(self, user_id: int, name: str, stream: Stream) -> tuple[Media, bool]:
        with self._held(stream) as (content, size, sha256):
            return self._keep(user_id, name, content, size, sha256)

    def _keep(self, user_id: int, name: str, content: BinaryIO, size: int, sha256: str) -> tuple[Media, bool]:
        content.seek(0)
        mime = _claimed(kinds.sniff(content.read(kinds.HEAD_BYTES)), name)
        name = names.shown(name, mime)
        known, now = self._database.run(_known, user_id, sha256, name)
        if known is not None:
            return known, False
        limits = {"max_total_bytes": self._max_total_bytes, "max_files": MAX_FILES}
        store.room_for(now, size, **limits)
        try:
            reading = self._reader.read(user_id, content)
        except Refused as refused:
            raise refusals.of_reason(refused.reason) from None
        upload = _upload(name, mime, content, size, sha256, reading)
        return self._database.run(store.add, user_id, upload, **limits)


def _claimed(mime: str | None, name: str) -> str:
    """The type that the first bytes claim, if it is taken.

    Raises:
        UnsupportedType: It is not, or it is a text that calls itself something else.
    """
    if mime is None:
        raise refusals.mistyped()
    if mime != kinds.TEXT:
        return mime
    text_type = names.text_type(name)
    if text_type is None:
        raise refusals.mistyped("is not what its name says")
    return text_type


def _known(s: Session, user_id: int, sha256: str, name: str) -> tuple[Media | None, Usage]:
    return store.find(s, user_id, sha256, name), store.used(s, user_id)


def _upload(name: str, mime: str, content: BinaryIO, size: int, sha256: str, reading: Reading) -> Upload:
    kind: Kind = "image" if mime in kinds.IMAGES else "pdf" if mime == kinds.PDF else "text"
    pictures: dict[Role, Made] = {role: Made(made.mime, made.data) for role, made in reading.pictures.items()}
    return Upload(name, kind, mime, size, sha256, content, reading.pages, reading.page_count, pictures)
