"""The child: reads the file on standard input, writes what it found to standard output, and ends.

What it writes: records of four bytes of length and a JSON object of that length. The first tells of the text, or has
`refused` only; each other announces a picture, whose bytes follow it. A child that ends early has told of the text
if the first record is whole. Whoever reads this must not trust it: the file may have taken the child over.
"""

import json
import os
import signal
import struct
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final

from services.reading import kinds, texts
from services.reading.confining import confine
from services.reading.kinds import Picture, Reading, Refused

# Decoding the largest picture that is taken needs half of it.
MEMORY_BYTES: Final = 1024 * 1024 * 1024
CPU_S: Final = 15
# Nobody waits longer; for a child that its owner forgot.
LIFE_S: Final = 60
# A PDF's page can take for ever to draw; the text is worth more than its picture.
DRAWING_S: Final = 3
RESULT_BYTES: Final = 64 * 1024 * 1024
NICE: Final = 10


def main() -> None:
    """Read standard input within the limits."""
    confined()
    with os.fdopen(0, "rb") as file:
        content = file.read()
    with os.fdopen(1, "wb") as out:
        try:
            reading = read(content)
        except Refused as refused:
            tell(out, {"refused": refused.reason})
            return
        except MemoryError:
            tell(out, {"refused": kinds.TOO_HEAVY})
            return
        except Exception:  # the top of this program: what decoders raise at malformed files is no one family
            tell(out, {"refused": kinds.BROKEN})
            return
        tell(out, {"mime": reading.mime, "pages": list(reading.pages), "page_count": reading.page_count})
        for role, made in pictures_of(reading, content):
            tell(out, {"role": role, "mime": made.mime, "bytes": len(made.data)}, made.data)


def confined() -> None:
    """Take from this process what reading a file does not need."""
    confine(memory_bytes=MEMORY_BYTES, cpu_s=CPU_S, life_s=LIFE_S, result_bytes=RESULT_BYTES, nice=NICE)


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


def pictures_of(reading: Reading, content: bytes) -> Iterator[tuple[str, Picture]]:
    """The pictures made of a file; a PDF's are drawn last, and each may end this child."""
    if reading.mime != kinds.PDF:
        yield from reading.pictures.items()
        return
    from services.reading import pdfs

    signal.setitimer(signal.ITIMER_REAL, DRAWING_S)
    for named in pdfs.pictures_of(content, reading.pages):
        yield named
        signal.setitimer(signal.ITIMER_REAL, DRAWING_S)


def tell(out: BinaryIO, record: Mapping[str, Any], data: bytes = b"") -> None:
    """Write one record, and what follows it."""
    line = json.dumps(record).encode()
    out.write(struct.pack(">I", len(line)) + line + data)
    out.flush()


if __name__ == "__main__":
    main()
