"""Has files read by a child (`python -m services.reading`), a few at a time, and believes nothing that it says.

The child gets no secret of this site: neither its environment nor an open file. What it writes is checked against
the same limits that it was told to keep.
"""

import logging
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, Final

import orjson

from services import errors
from services.reading import kinds
from services.reading.kinds import Picture, Reading, Refused

logger = logging.getLogger(__name__)

_ROOT: Final = Path(__file__).resolve().parents[2]
COMMAND: Final = (sys.executable, "-E", "-s", "-m", "services.reading")
# Where the interpreter's own libraries are, on systems that need to be told.
_PASSED_ON: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH")
AT_ONCE: Final = 2
# The child's own limit is 15 s of processor; it may have to wait for one.
DEADLINE_S: Final = 40.0
# Longer waits are refused: the client's proxy would give up first.
PATIENCE_S: Final = 45.0
_MAX_RECORD_BYTES: Final = 48 * 1024 * 1024
_MAX_PICTURE_BYTES: Final = 8 * 1024 * 1024
_MADE: Final = {"image": {kinds.PNG, kinds.JPEG}, "thumbnail": {kinds.WEBP}, "page": {kinds.JPEG}}
_PAGE: Final = re.compile(r"page-[1-9]\d{0,3}")
# One of each, but for pages.
_MAX_PICTURES: Final = 2 + kinds.MAX_DRAWN_PAGES
_SENT_BY: Final = kinds.IMAGES | {kinds.PDF, kinds.TEXT}


class Reader:
    """Reads files: at most `at_once` in this process, one for each person.

    Args:
        at_once: Each takes a processor, and up to 1 GiB of memory at worst.
        deadline_s: How long one file may take.
        patience_s: How long a file may wait for its turn.
        command: The program that reads; another one in tests only.
    """

    def __init__(
        self,
        *,
        at_once: int = AT_ONCE,
        deadline_s: float = DEADLINE_S,
        patience_s: float = PATIENCE_S,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._room = threading.BoundedSemaphore(at_once)
        self._deadline_s = deadline_s
        self._patience_s = patience_s
        self._command = tuple(command)
        self._turns: dict[int, _Turn] = {}

    def read(self, user_id: int, content: BinaryIO) -> Reading:
        """What is in a file.

        Args:
            content: A file on disk, whatever its position.

        Raises:
            Refused: It cannot be taken.
            Unavailable: Too many files wait to be read.
        """
        # A file, not a pipe: nobody has to read while the child writes, and its limits hold for it.
        with self._turn_of(user_id), _acquired(self._room, self._patience_s), tempfile.TemporaryFile() as told:
            status = self._run(content, told)
            told.seek(0)
            reading = _believed(told)
            if reading is None:
                logger.warning("file not read", extra={"status": status, "bytes": _size(content)})
                raise Refused(kinds.TOO_HEAVY)
            return reading

    @contextmanager
    def _turn_of(self, user_id: int) -> Iterator[None]:
        # Somebody who sends many slow files waits for their own, and leaves room for the others.
        turn = self._turns.setdefault(user_id, _Turn())
        turn.wanted += 1
        try:
            with _acquired(turn.lock, self._patience_s):
                yield
        finally:
            turn.wanted -= 1
            if not turn.wanted:
                self._turns.pop(user_id, None)

    def _run(self, content: BinaryIO, told: IO[bytes]) -> int | None:
        content.flush()
        content.seek(0)
        child = subprocess.Popen(  # noqa: S603 - our own program
            self._command,
            stdin=content,
            stdout=told,
            stderr=subprocess.DEVNULL,
            cwd=_ROOT,
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            start_new_session=True,
        )
        try:
            return child.wait(self._deadline_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            # Also when this greenlet is killed while it waits.
            if child.poll() is None:
                child.kill()
                child.wait()


class _Turn:
    def __init__(self) -> None:
        self.lock = threading.BoundedSemaphore(1)
        self.wanted = 0


@contextmanager
def _acquired(lock: threading.Semaphore, patience_s: float) -> Iterator[None]:
    if not lock.acquire(timeout=patience_s):
        raise errors.Unavailable("Too many files are being read right now. Try again in a moment.", retry_after_s=10)
    try:
        yield
    finally:
        lock.release()


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _believed(told: IO[bytes]) -> Reading | None:
    """What the child says, if it makes sense; None if it ended before it had said it.

    Raises:
        Refused: What the child refused, or `BROKEN` if its words make no sense.
    """
    try:
        head = _record(told)
        if head is None:
            return None
        if "refused" in head:
            raise Refused(head["refused"] if head["refused"] in kinds.REASONS else kinds.BROKEN)
        pages, count, mime = head["pages"], head["page_count"], head["mime"]
        pictures = dict(_pictures(told))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Refused(kinds.BROKEN) from None
    if mime in kinds.IMAGES and "image" not in pictures:
        return None
    if not _makes_sense(mime, pages, count):
        raise Refused(kinds.BROKEN)
    return Reading(mime, pages, count, pictures)


def _record(told: IO[bytes]) -> dict[str, Any] | None:
    """The next record; None if it is not whole."""
    start = told.read(4)
    length = int.from_bytes(start, "big")
    if len(start) < 4 or length > _MAX_RECORD_BYTES:
        return None
    line = told.read(length)
    record: dict[str, Any] | None = orjson.loads(line) if len(line) == length else None
    return record


def _pictures(told: IO[bytes]) -> Iterator[tuple[str, Picture]]:
    for _ in range(_MAX_PICTURES):
        record = _record(told)
        if record is None:
            return
        role, mime, size = record["role"], record["mime"], record["bytes"]
        if mime not in _MADE["page" if _PAGE.fullmatch(role) else role] or not 0 < size <= _MAX_PICTURE_BYTES:
            raise ValueError("no picture of ours")
        data = told.read(size)
        if len(data) == size:
            yield role, Picture(mime, data)


def _makes_sense(mime: Any, pages: Any, count: Any) -> bool:
    if mime not in _SENT_BY or not isinstance(pages, list) or not all(isinstance(text, str) for text in pages):
        return False
    if sum(map(len, pages)) > kinds.MAX_CHARS:
        return False
    if mime != kinds.PDF:
        return count is None
    return isinstance(count, int) and count == len(pages) <= kinds.MAX_PAGES
