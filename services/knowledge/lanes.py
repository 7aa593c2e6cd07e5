"""Lanes: how many ingestions work at once on one machine, however many workers it has.

Each is a file that one process holds locked. The system lets go of it when that process ends, in whatever way.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Lanes:
    """So many lanes in a folder that the machine's workers share."""

    def __init__(self, folder: Path, count: int) -> None:
        self._paths = [folder / f"ingest.{number}.lock" for number in range(count)]

    @contextmanager
    def one(self) -> Iterator[int | None]:
        """Take a free lane for the length of the block: its number; None if there is none. Never waits."""
        for number, path in enumerate(self._paths):
            # With PostgreSQL and a Redis elsewhere nothing else may have made it.
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                continue
            except BaseException:
                os.close(file)
                raise
            try:
                yield number
            finally:
                os.close(file)
            return
        yield None
