"""The child: reads the file on standard input, writes what it found to standard output, and ends.

What it writes: four bytes of length, a JSON head of that length, then the pictures' bytes in the order of the
head's `pictures`. A file that is refused gives a head with `refused` only. Whoever reads this must not trust it:
the file may have taken the child over.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import struct
import sys
from typing import Any, Final

from services.reading import kinds, texts
from services.reading.kinds import Reading, Refused

MEMORY_BYTES: Final = 1024 * 1024 * 1024
CPU_S: Final = 20
# Nobody waits longer; for a child that its owner forgot.
LIFE_S: Final = 60
RESULT_BYTES: Final = 64 * 1024 * 1024
_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Read standard input within the limits."""
    confine()
    with os.fdopen(0, "rb") as file:
        content = file.read()
    try:
        head, blobs = told(read(content))
    except Refused as refused:
        head, blobs = {"refused": refused.reason}, []
    except MemoryError:
        head, blobs = {"refused": kinds.TOO_HEAVY}, []
    line = json.dumps(head).encode()
    with os.fdopen(1, "wb") as out:
        out.write(struct.pack(">I", len(line)) + line)
        out.writelines(blobs)


def confine() -> None:
    """Take away what reading a file does not need."""
    limits = {
        resource.RLIMIT_CPU: CPU_S,
        resource.RLIMIT_FSIZE: RESULT_BYTES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_AS: MEMORY_BYTES,
    }
    for which, most in limits.items():
        # Not every system knows every limit.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(which, (most, most))
    signal.alarm(LIFE_S)
    # Streams go first on this machine.
    os.nice(10)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def read(content: bytes) -> Reading:
    """Read a file by what its first bytes say it is.

    Raises:
        Refused: It cannot be taken.
    """
    mime = kinds.sniff(content[: kinds.HEAD_BYTES])
    # Imported here: each library costs a tenth of a second, and one is enough.
    if mime == kinds.PDF:
        from services.reading import pdfs

        return pdfs.read(content)
    if mime in kinds.IMAGES:
        from services.reading import pictures

        return pictures.read(content, mime)
    if mime is None:
        raise Refused(kinds.NOT_TEXT)
    return texts.read(content)


def told(reading: Reading) -> tuple[dict[str, Any], list[bytes]]:
    """What was found, as it is written."""
    head = {
        "mime": reading.mime,
        "pages": list(reading.pages),
        "page_count": reading.page_count,
        "pictures": [[role, made.mime, len(made.data)] for role, made in reading.pictures.items()],
    }
    return head, [made.data for made in reading.pictures.values()]


if __name__ == "__main__":
    main()
