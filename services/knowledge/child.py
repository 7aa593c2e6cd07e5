"""The ingestion's child (`python -m services.knowledge.child`): what takes processor time happens here.

It has documents read (each by a child of its own, `services.reading.documents`), cuts them into chunks and computes
vectors with the built-in model. It knows no database, no secret and no network, steps back behind everything else on
this machine, and ends with the process that started it. Standard input is the socket to that one.

Asked `{"do": "read", "kind": ..., "embed": ...}`, with the file, it says `{"page": ..., "text": ...}` for each page,
then `{"total": ..., "pages": ...}`, then `{"chunks": [...]}` until all are told; or `{"refused": reason}`, and no more.
Asked `{"do": "embed", "texts": [...]}`, it says `{"vectors": [...]}`.
"""

import base64
import os
import resource
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, Any, Final

import orjson

from services.knowledge.channel import Channel, Gone
from services.knowledge.chunking import Chunk, chunks, embedded
from services.llm import static
from services.llm.vectors import Vector, vectors
from services.reading import documents, kinds
from services.reading.confining import confine
from services.reading.kinds import Refused

# Few enough to be stored in a transaction that nobody has to wait for.
BATCH: Final = 32
# In these a `#` or three backticks are but characters.
PLAIN: Final = frozenset({"text", "csv"})
# The text of the longest document, several times.
MEMORY_BYTES: Final = 3 * 1024 * 1024 * 1024
NICE: Final = 10
_ROOT: Final = Path(__file__).resolve().parents[2]
_COMMAND: Final = (sys.executable, "-E", "-s", "-m", "services.reading.documents")


def main() -> None:
    """Serve the one who started this process until it ends."""
    confine(
        memory_bytes=MEMORY_BYTES,
        cpu_s=resource.RLIM_INFINITY,
        life_s=0,
        result_bytes=documents.RESULT_BYTES,
        nice=NICE,
    )
    channel = Channel(socket.socket(fileno=0))
    work = Work(channel)
    with closing(channel):
        try:
            while True:
                work.do(channel.receive())
        except Gone:
            return


class Work:
    """What is asked for, one thing after the other."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def do(self, asked: dict[str, Any]) -> None:
        """Do one thing and tell of it; what goes wrong with it is told too."""
        try:
            if asked["do"] == "embed":
                self._channel.send({"vectors": [packed(vector) for vector in self._embed(asked["texts"])]})
            else:
                self._read(asked["kind"], with_vectors=asked["embed"])
        except Refused as refused:
            self._channel.send({"refused": refused.reason})
        except MemoryError:
            self._channel.send({"refused": kinds.TOO_HEAVY})

    def _read(self, kind: str, *, with_vectors: bool) -> None:
        file = self._channel.take_file()
        assert file is not None, "a document comes with its file"
        with os.fdopen(file, "rb") as content, tempfile.TemporaryFile() as told:
            _have_read(kind, content, told)
            told.seek(0)
            pages, count = believed(told)
        for number, text in pages:
            self._channel.send({"page": number, "text": text})
        cut = list(chunks(pages, has_marks=kind not in PLAIN))
        if not cut:
            raise Refused(kinds.NO_TEXT)
        self._channel.send({"total": len(cut), "pages": count})
        for start in range(0, len(cut), BATCH):
            self._channel.send({"chunks": self._told(cut[start : start + BATCH], with_vectors=with_vectors)})

    def _told(self, some: Sequence[Chunk], *, with_vectors: bool) -> list[list[Any]]:
        rows: list[list[Any]] = [[one.position, one.heading, one.page, one.start, one.end, one.text] for one in some]
        if with_vectors:
            made = self._embed([embedded(one.heading, one.text) for one in some])
            for row, vector in zip(rows, made, strict=True):
                row += packed(vector)
        return rows

    def _embed(self, texts: list[str]) -> list[Vector]:
        return vectors(static.loaded().embed(texts))


def packed(vector: Vector) -> tuple[str, str]:
    """A vector in a record."""
    return base64.b64encode(vector.bits).decode(), base64.b64encode(vector.int8).decode()


def believed(told: IO[bytes]) -> tuple[list[documents.Page], int | None]:
    """What the reader says, if it makes sense.

    Raises:
        Refused: What the reader refused; `TOO_HEAVY` if it ended before it had said all; `BROKEN` if it makes no sense.
    """
    pages: list[documents.Page] = []
    left = kinds.MAX_DOCUMENT_CHARS
    try:
        for record in _records(told):
            if "refused" in record:
                raise Refused(record["refused"] if record["refused"] in kinds.REASONS else kinds.BROKEN)
            if "pages" in record:
                return pages, _count(record["pages"], pages)
            number, text = record["page"], record["text"]
            left -= len(text)
            if type(number) is not int or number <= (pages[-1][0] if pages else 0) or left < 0 or type(text) is not str:
                raise Refused(kinds.BROKEN)
            pages.append((number, text))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Refused(kinds.BROKEN) from None
    raise Refused(kinds.TOO_HEAVY)


def _count(count: Any, pages: Sequence[documents.Page]) -> int | None:
    if count is None:
        return None
    if type(count) is not int or not pages or not pages[-1][0] <= count <= kinds.MAX_DOCUMENT_PAGES:
        raise Refused(kinds.BROKEN)
    return count


def _records(told: IO[bytes]) -> Iterator[dict[str, Any]]:
    while len(start := told.read(4)) == 4:
        length = int.from_bytes(start, "big")
        line = told.read(min(length, documents.RESULT_BYTES))
        if len(line) < length:
            return
        yield orjson.loads(line)


def _have_read(kind: str, content: IO[bytes], told: IO[bytes]) -> None:
    content.seek(0)
    reader = subprocess.Popen(  # noqa: S603 - our own program
        (*_COMMAND, kind),
        stdin=content,
        stdout=told,
        stderr=subprocess.DEVNULL,
        cwd=_ROOT,
        start_new_session=True,
    )
    try:
        # It ends itself; this is for one that was kept from that.
        reader.wait(documents.LIFE_S + 5)
    except subprocess.TimeoutExpired:
        raise Refused(kinds.TOO_HEAVY) from None
    finally:
        if reader.poll() is None:
            reader.kill()
            reader.wait()


if __name__ == "__main__":
    main()
