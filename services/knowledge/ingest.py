"""Making documents ready to be found: in the background, a few at a time, each exactly once.

A greenlet in every worker looks for documents that wait. One that gets a lane (`lanes.py`) claims the oldest, has it
read by a child (`workshop.py`), and stores what the child tells in short transactions, each guarded by the claim: when
this worker dies, the claim lapses, and another goes on. What is read needs this process only to pass it on, so that no
stream of its event loop waits. When nothing waits, chunks whose vectors are another model's are embedded anew.
"""

import logging
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import BinaryIO, Final, cast

import gevent

from services import errors
from services.knowledge import again, reasons
from services.knowledge.chunking import embedded
from services.knowledge.lanes import Lanes
from services.knowledge.workshop import ChildEnded, Cut, Workshop
from services.llm.embed import BATCH, Embedder
from services.reading import kinds
from services.reading.kinds import Refused
from services.settings import Settings
from services.store import chunks, claims
from services.store.base import utc_now
from services.store.chunks import Embedded, NewChunk, ToEmbed
from services.store.claims import Claim
from services.store.database import Database
from services.store.documents import Page

logger = logging.getLogger(__name__)

# A killed worker's document is taken up again after it.
LEASE_S: Final = 20.0
_RENEW_S: Final = LEASE_S / 4
# What another worker took in is found so soon; what this one took in at once.
POLL_S: Final = 2.0
# Whether vectors of another model are left is asked less often.
_STALE_POLL_S: Final = 30.0
# The child holds 100 MB.
IDLE_S: Final = 60.0
# Between two transactions: other greenlets run, and other processes' writes get their turn.
_TURN_S: Final = 0.002
_MAX_PAGES_AT_ONCE: Final = 32
_MAX_CHARS_AT_ONCE: Final = 100_000
# The provider is not asked again at once for what it has just refused.
_PAUSE_AFTER_FAILURE_S: Final = 60.0


class Leaving(Exception):
    """This worker stops: what is begun is another's."""


class Ingest:
    """The ingestion of one worker.

    Args:
        is_leaving: Whether this worker stops; asked between two steps.
        ingested: Told of each document that came to its end: `ready` or `failed`, and its chunks.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        embedder: Embedder,
        *,
        is_leaving: Callable[[], bool] = lambda: False,
        ingested: Callable[[str, int], None] = lambda _outcome, _chunks: None,
        workshop: Workshop | None = None,
    ) -> None:
        self._database = database
        self._embedder = embedder
        self._is_leaving = is_leaving
        self._ingested = ingested
        self._workshop = workshop or Workshop()
        self._lanes = Lanes(settings.data_dir, settings.ingest_processes)
        self._is_on = settings.ingest_processes > 0
        self._owner = f"{socket.gethostname()}/{os.getpid()}"
        self._awake = threading.Event()
        self._has_left = False
        self._stale_at_s = 0.0

    def wake(self) -> None:
        """There is something to read."""
        self._awake.set()

    def run_for_ever(self) -> None:
        """Work until this worker stops; for a greenlet of its own. Killed in the middle, it lets go of its document."""
        try:
            while self._is_on and not self._must_stop():
                try:
                    self.work()
                except errors.AppError as problem:
                    logger.warning("ingestion must wait", extra={"code": problem.code})
                except Exception:  # the top of a greenlet: the next document may go better
                    logger.exception("ingestion failed")
                self._workshop.rest(IDLE_S)
                self._awake.wait(POLL_S)
                self._awake.clear()
        finally:
            self.close()

    def leave(self) -> None:
        """Stop at the next step, and begin nothing more."""
        self._has_left = True
        self._awake.set()

    def close(self) -> None:
        """End the child, if there is one."""
        self._workshop.close()

    def work(self) -> int:
        """Make ready all that waits, if a lane is free, and then what is of another model.

        Returns:
            How many documents came to their end.

        Raises:
            Unavailable: The database is away.
        """
        if not self._database.run(claims.waits, utc_now()) and not self._is_stale():
            return 0
        count = 0
        with self._lanes.one() as lane:
            if lane is None:
                return 0
            try:
                while claim := self._database.run(claims.claim, utc_now(), self._owner, LEASE_S):
                    count += self._ingest(claim)
                if lane == 0:
                    self._embed_stale()
            except Leaving:
                pass
        return count

    # -- one document

    def _ingest(self, claim: Claim) -> bool:
        """Make one document ready, or say why it cannot be; False if it is another's now."""
        began_s = time.monotonic()
        try:
            with self._kept(claim):
                outcome, count = self._made(claim)
        except errors.Conflict:
            # Deleted meanwhile, or this worker was held up for longer than its claim.
            logger.info("document lost", extra={"document_id": claim.document.id})
            return False
        except (errors.AppError, Leaving, gevent.GreenletExit):
            # Whoever comes next need not wait for the claim to lapse, and this was no attempt. What is raised for any
            # other reason is one, or a document that brings it about would be begun for ever.
            self._let_go(claim)
            raise
        self._ingested(outcome, count)
        told = {
            "document_id": claim.document.id,
            "kind": claim.document.kind,
            "bytes": claim.document.bytes,
            "outcome": outcome,
            "chunks": count,
            "attempt": claim.document.attempts,
            "duration_s": time.monotonic() - began_s,
        }
        logger.info("document ingested", extra=told)
        return True

    def _made(self, claim: Claim) -> tuple[str, int]:
        read = self._read_again if claims.is_whole(claim) else self._read
        try:
            try:
                total = read(claim)
            except ChildEnded:
                # Once more, with a child that nothing has happened to.
                logger.warning("ingestion's child ended", extra={"document_id": claim.document.id})
                total = read(claim)
            self._database.run(claims.finish, claim)
        except Refused as refused:
            return self._failed(claim, reasons.of_reason(refused.reason), refused.reason)
        except ChildEnded:
            return self._failed(claim, reasons.of_reason(kinds.TOO_HEAVY), "child ended")
        except errors.ModelError as failure:
            return self._failed(claim, reasons.of_model(failure), failure.code)
        except errors.InvalidInput as problem:
            # The database will not hold it the next time either, and others wait behind it.
            return self._failed(claim, reasons.NOT_KEPT, problem.code)
        return "ready", total

    def _failed(self, claim: Claim, words: str, reason: str) -> tuple[str, int]:
        """It cannot be read; one that was ready before is so still, as it was."""
        kept = self._database.run(claims.fail, claim, words)
        if kept.state == "ready":
            logger.info("document not read again", extra={"document_id": claim.document.id, "reason": reason})
            return "ready", kept.total
        logger.info("document refused", extra={"document_id": claim.document.id, "reason": reason})
        return "failed", 0

    def _read(self, claim: Claim) -> int:
        """Store a document's pages, chunks and vectors, or what is missing of them; how many chunks it has."""
        total = self._cut(claim)
        while rows := self._database.run(chunks.without_vector, claim, BATCH):
            self._turn()
            made = self._vectors(rows)
            self._database.run(chunks.embed, self._embedder.model, made, claim=claim)
        return total

    def _read_again(self, claim: Claim) -> int:
        """Read a document that is whole, and put the new in the old's place; how many chunks it has now."""
        kept, model = again.Kept(), self._embedder.model
        try:
            with tempfile.TemporaryFile() as file:
                content = cast(BinaryIO, file)
                self._fetch(claim, content)
                is_built_in = self._embedder.is_built_in
                for told in self._workshop.read(claim.document.kind, content, with_vectors=is_built_in):
                    self._turn()
                    kept.add(self._with_vectors(told) if isinstance(told, list) and not is_built_in else told)
            if kept.cut.total <= again.MAX_AT_ONCE:
                self._database.run(again.replaced, claim, kept.cut, list(kept.read()), model)
            else:
                self._database.run(again.replaced, claim, kept.cut, [], model)
                for one in kept.read():
                    self._turn()
                    self._database.run(again.put, claim, one, model)
            return kept.cut.total
        finally:
            kept.close()

    def _with_vectors(self, rows: list[NewChunk]) -> list[NewChunk]:
        made = self._embedder.documents([embedded(row.heading, row.text) for row in rows])
        return [replace(row, vector=Embedded(vector.bits, vector.int8)) for row, vector in zip(rows, made, strict=True)]

    def _cut(self, claim: Claim) -> int:
        """Store a document's pages and chunks, with their vectors if the built-in model makes them.

        Returns:
            How many chunks it has.
        """
        document = claim.document
        there = self._database.run(chunks.count, document.id)
        if document.state == "embedding" and there == document.total:
            return there
        # Half of the chunks are there. They stay if it is still cut into as many; else it is begun anew.
        goes_on = document.state == "embedding"
        if not goes_on:
            self._database.run(claims.restart, claim)
        with tempfile.TemporaryFile() as file:
            content = cast(BinaryIO, file)
            self._fetch(claim, content)
            cut = self._stored(claim, content, document.total if goes_on else None)
            if cut is None:
                self._database.run(claims.restart, claim)
                cut = self._stored(claim, content, None)
        assert cut is not None
        if not self._embedder.is_built_in:
            self._database.run(claims.progress, claim, total=cut.total, pages=cut.pages)
        return cut.total

    def _fetch(self, claim: Claim, content: BinaryIO) -> None:
        number = 0
        while (piece := self._database.run(claims.piece, claim, number)) is not None:
            self._turn()
            content.write(piece)
            number += 1

    def _stored(self, claim: Claim, content: BinaryIO, expected: int | None) -> Cut | None:
        """Store what the child tells; None if it told of another number of chunks than was expected."""
        pages: list[Page] = []
        cut: Cut | None = None
        model = self._embedder.model
        for told in self._workshop.read(claim.document.kind, content, with_vectors=self._embedder.is_built_in):
            self._turn()
            if isinstance(told, Page):
                pages.append(told)
                if len(pages) >= _MAX_PAGES_AT_ONCE or sum(len(page.text) for page in pages) >= _MAX_CHARS_AT_ONCE:
                    self._database.run(claims.put_pages, claim, pages)
                    pages = []
            elif isinstance(told, Cut):
                if expected is not None and told.total != expected:
                    return None
                cut = told
                self._database.run(claims.put_pages, claim, pages)
                if self._embedder.is_built_in:
                    # Chunks come with their vectors: from here on they are counted.
                    self._database.run(claims.progress, claim, total=told.total, pages=told.pages)
            else:
                self._database.run(chunks.put, claim, told, model=model)
        return cut

    # -- vectors of another model

    def _is_stale(self) -> bool:
        if time.monotonic() < self._stale_at_s:
            return False
        found = bool(self._database.run(chunks.stale, self._embedder.model, 1))
        if not found:
            self._stale_at_s = time.monotonic() + _STALE_POLL_S
        return found

    def _embed_stale(self) -> None:
        """Embed anew what another model embedded, as long as no document waits."""
        count = 0
        try:
            while rows := self._database.run(chunks.stale, self._embedder.model, BATCH):
                self._turn()
                if self._database.run(claims.waits, utc_now()):
                    self._awake.set()
                    break
                count += self._database.run(chunks.embed, self._embedder.model, self._vectors(rows))
        except (errors.ModelError, ChildEnded) as failure:
            self._stale_at_s = time.monotonic() + _PAUSE_AFTER_FAILURE_S
            code = failure.code if isinstance(failure, errors.ModelError) else "child ended"
            logger.warning("embedding anew must wait", extra={"code": code})
        if count:
            logger.info("embedded anew", extra={"chunks": count, "model": self._embedder.model})

    def _vectors(self, rows: Sequence[ToEmbed]) -> list[tuple[int, Embedded]]:
        texts = [embedded(row.heading, row.text) for row in rows]
        if self._embedder.is_built_in:
            made = self._workshop.embed(texts)
        else:
            made = [Embedded(vector.bits, vector.int8) for vector in self._embedder.documents(texts)]
        return [(row.id, vector) for row, vector in zip(rows, made, strict=True)]

    # -- claims

    @contextmanager
    def _kept(self, claim: Claim) -> Iterator[None]:
        """Renew the claim for the length of the block."""
        keeper = gevent.spawn(self._renew, claim)
        try:
            yield
        finally:
            keeper.kill()

    def _renew(self, claim: Claim) -> None:
        while True:
            gevent.sleep(_RENEW_S)
            try:
                self._database.run(claims.renew, claim, utc_now(), LEASE_S)
            except errors.Conflict:
                # The next write says so to the one who works.
                return
            except errors.AppError:
                logger.warning("claim not renewed", extra={"document_id": claim.document.id})

    def _let_go(self, claim: Claim) -> None:
        try:
            self._database.run(claims.release, claim)
        except errors.AppError:
            # It lapses by itself.
            logger.warning("claim not released", extra={"document_id": claim.document.id})

    def _must_stop(self) -> bool:
        return self._has_left or self._is_leaving()

    def _turn(self) -> None:
        if self._must_stop():
            raise Leaving
        gevent.sleep(_TURN_S)
