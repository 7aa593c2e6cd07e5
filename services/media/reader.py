"""Has files read by a child (`python -m services.reading`), a few at a time, and believes nothing that it says.

The child gets no secret of this site: neither its environment nor an open file. What it writes is checked against
the same limits that it was told to keep.
"""

import logging
import os
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, Final

import orjson

from services import errors
from services.reading import kinds
from services.reading.kinds import Picture, Reading, Refused

logger = logging.getLogger(__name__)

_ROOT: Final = Path(__file__).resolve().parents[2]
_COMMAND: Final = (sys.executable, "-E", "-s", "-m", "services.reading")
# Where the interpreter's own libraries are, on systems that need to be told.
_PASSED_ON: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH")
AT_ONCE: Final = 2
# The child's own limit is 20 s of processor; it may have to wait for one.
DEADLINE_S: Final = 40.0
# Longer waits are refused: the client's proxy would give up first.
PATIENCE_S: Final = 45.0
_MAX_HEAD_BYTES: Final = 48 * 1024 * 1024
_MAX_PICTURE_BYTES: Final = 8 * 1024 * 1024
_MADE: Final = {"image": {kinds.PNG, kinds.JPEG}, "thumbnail": {kinds.WEBP}}
_SENT_BY: Final = kinds.IMAGES | {kinds.PDF, kinds.TEXT}


class Reader:
    """Reads files: at most `at_once` in this process, one for each person.

    Args:
        at_once: Each takes a processor, and up to 1 GiB of memory at worst.
        deadline_s: How long one file may take.
        patience_s: How long a file may wait for its turn.
    """

    def __init__(
        self, *, at_once: int = AT_ONCE, deadline_s: float = DEADLINE_S, patience_s: float = PATIENCE_S
    ) -> None:
        self._room = threading.BoundedSemaphore(at_once)
        self._deadline_s = deadline_s
        self._patience_s = patience_s
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
            self._run(content, told)
            told.seek(0)
            return _believed(told)

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

    def _run(self, content: BinaryIO, told: IO[bytes]) -> None:
        content.flush()
        content.seek(0)
        child = subprocess.Popen(  # noqa: S603 - our own program
            _COMMAND,
            stdin=content,
            stdout=told,
            stderr=subprocess.DEVNULL,
            cwd=_ROOT,
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            start_new_session=True,
        )
        try:
            status = child.wait(self._deadline_s)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            # Also when this greenlet is killed while it waits.
            if child.poll() is None:
                child.kill()
                child.wait()
        if status != 0:
            logger.warning("file not read", extra={"status": status, "bytes": os.fstat(content.fileno()).st_size})
            raise Refused(kinds.TOO_HEAVY)


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


def _believed(told: IO[bytes]) -> Reading:
    """What the child says, if it makes sense.

    Raises:
        Refused: What the child refused, or `BROKEN` if its words make no sense.
    """
    try:
        (length,) = struct.unpack(">I", told.read(4))
        if length > _MAX_HEAD_BYTES:
            raise Refused(kinds.BROKEN)
        head = orjson.loads(told.read(length))
        if "refused" in head:
            raise Refused(head["refused"] if head["refused"] in kinds.REASONS else kinds.BROKEN)
        return _checked(head, told)
    except (struct.error, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise Refused(kinds.BROKEN) from None


def _checked(head: Mapping[str, Any], told: IO[bytes]) -> Reading:
    pages, count, mime = head["pages"], head["page_count"], head["mime"]
    if mime not in _SENT_BY or not all(isinstance(text, str) for text in pages):
        raise Refused(kinds.BROKEN)
    if sum(map(len, pages)) > kinds.MAX_CHARS or (mime == kinds.PDF) != (count is not None):
        raise Refused(kinds.BROKEN)
    if count is not None and not (isinstance(count, int) and count == len(pages) <= kinds.MAX_PAGES):
        raise Refused(kinds.BROKEN)
    pictures = {}
    for role, made_mime, size in head["pictures"]:
        if made_mime not in _MADE[role] or not 0 < size <= _MAX_PICTURE_BYTES:
            raise Refused(kinds.BROKEN)
        data = told.read(size)
        if len(data) != size:
            raise Refused(kinds.BROKEN)
        pictures[role] = Picture(made_mime, data)
    if mime in kinds.IMAGES and "image" not in pictures:
        raise Refused(kinds.BROKEN)
    return Reading(mime, pages, count, pictures)
