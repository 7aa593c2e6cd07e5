"""The ingestion's child, as its owner sees it: started when there is work, ended when there was none for a while.

The child gets no secret of this site: neither its environment nor an open file besides the document.
"""

import base64
import binascii
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from services.knowledge.channel import Channel, Gone
from services.reading import documents, kinds
from services.reading.kinds import DocumentKind, Refused
from services.store.chunks import Embedded, NewChunk
from services.store.documents import Page

_ROOT: Final = Path(__file__).resolve().parents[2]
COMMAND: Final = (sys.executable, "-E", "-s", "-m", "services.knowledge.child")
# Where the interpreter's own libraries are, on systems that need to be told; where there is room for large files.
_PASSED_ON: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH", "TMPDIR")
# One processor is what it may take; a library would start a thread for each that there is.
_ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
# Longer than the child gives to the reader of a document.
SILENCE_S: Final = documents.LIFE_S + 60.0


class ChildEnded(Exception):
    """The child ended, or hung, in the middle of its work: the work may succeed with another."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What is known of a document once all of it was read: how many chunks it has, and pages if its kind has them."""

    total: int
    pages: int | None


class Workshop:
    """At most one child; for one greenlet.

    Args:
        silence_s: How long it may say nothing while something was asked.
        command: The program; another one in tests only.
    """

    def __init__(self, *, silence_s: float = SILENCE_S, command: Sequence[str] = COMMAND) -> None:
        self._silence_s = silence_s
        self._command = tuple(command)
        self._child: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._used_s = 0.0

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        return self._child.pid if self._child else None

    def read(
        self, kind: DocumentKind, content: BinaryIO, *, with_vectors: bool
    ) -> Iterator[Page | Cut | list[NewChunk]]:
        """Read a document: its pages, then what it was cut into, then the chunks, some at a time.

        Args:
            content: A file on disk; nothing of it is in memory here.
            with_vectors: Whether the chunks get vectors of the built-in model.

        Raises:
            Refused: It cannot be read.
            ChildEnded: See there.
        """
        content.flush()
        asked = {"do": "read", "kind": kind, "embed": with_vectors}
        with _Asking(self):
            self._ask(asked, content.fileno())
            left: int | None = None
            while left != 0:
                told = _understood(self._told())
                if isinstance(told, Cut):
                    left = told.total
                elif isinstance(told, list):
                    if left is None or len(told) > left:
                        raise Gone
                    left -= len(told)
                yield told

    def embed(self, texts: Sequence[str]) -> list[Embedded]:
        """The texts' vectors, by the built-in model.

        Raises:
            ChildEnded: See there.
        """
        with _Asking(self):
            self._ask({"do": "embed", "texts": list(texts)})
            made = [_vector(bits, int8) for bits, int8 in self._told()["vectors"]]
            if len(made) != len(texts):
                raise Gone
            return made

    def rest(self, after_s: float) -> None:
        """End a child that had nothing to do for so long."""
        if self._child is not None and time.monotonic() - self._used_s >= after_s:
            self.close()

    def close(self) -> None:
        """End the child, whatever it does."""
        channel, self._channel = self._channel, None
        child, self._child = self._child, None
        if channel is not None:
            channel.close()
        if child is not None:
            child.kill()
            child.wait()

    def _ask(self, asked: dict[str, Any], file: int | None = None) -> None:
        if self._child is None or self._child.poll() is not None:
            self.close()
            self._start()
        assert self._channel
        self._channel.send(asked, file)

    def _told(self) -> dict[str, Any]:
        assert self._channel
        return self._channel.receive()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            self._child = subprocess.Popen(  # noqa: S603 - our own program
                self._command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=_ROOT,
                env={**{name: os.environ[name] for name in _PASSED_ON if name in os.environ}, **_ONE_THREAD},
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.settimeout(self._silence_s)
        self._channel = Channel(ours)


class _Asking:
    """One thing that is asked. A child that was left in the middle of it is ended: the rest would answer the next."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, _: object) -> None:
        self._workshop._used_s = time.monotonic()
        if kind is None or kind is Refused:
            return
        self._workshop.close()
        if issubclass(kind, Gone | TimeoutError | KeyError | TypeError | ValueError):
            raise ChildEnded from problem


def _understood(told: dict[str, Any]) -> Page | Cut | list[NewChunk]:
    if "refused" in told:
        raise Refused(told["refused"] if told["refused"] in kinds.REASONS else kinds.BROKEN)
    if "page" in told:
        return Page(told["page"], told["text"])
    if "total" in told:
        return Cut(told["total"], told["pages"])
    return [_chunk(*row) for row in told["chunks"]]


def _chunk(
    position: int, heading: str, page: int, start: int, end: int, text: str, bits: str = "", int8: str = ""
) -> NewChunk:
    return NewChunk(position, heading, page, start, end, text, _vector(bits, int8) if bits else None)


def _vector(bits: str, int8: str) -> Embedded:
    try:
        return Embedded(base64.b64decode(bits), base64.b64decode(int8))
    except binascii.Error as exc:
        raise Gone from exc
