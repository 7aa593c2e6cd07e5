"""Runs: start, stop, and what happens between.

A run lives in a background greenlet of the worker that started it. It takes its events from an
assistant, writes them through the flusher, and ends by the finish script; whoever stops it, or
finds its lease lapsed, seals the log first and writes the same end in its place.
"""

import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import gevent
from redis import Redis
from redis.exceptions import RedisError

from services import errors, logs
from services.errors import AppError
from services.streaming import keys
from services.streaming.answers import Answer, Interrupted, Settled
from services.streaming.closing import Closer
from services.streaming.events import (
    CLOSE,
    INTERRUPTED,
    STOPPED,
    Entry,
    Event,
    RunId,
    StreamId,
    UserId,
)
from services.streaming.hub import Hub
from services.streaming.leases import Leases
from services.streaming.log import EventLog
from services.streaming.metrics import Metrics
from services.streaming.payload import encode
from services.streaming.producing import Producer, Run, kill
from services.streaming.slots import SiteSlots
from services.streaming.starting import Repeated, Starter, StreamClosed
from services.streaming.state import NewRun, Started
from services.streaming.views import StreamFacts
from services.streaming.writer import Writer

logger = logging.getLogger(__name__)

# How long what is left at the end of a drain may take to be interrupted.
_LAST_WORDS_S: Final = 4.0
_FINISH_BACKOFF_S: Final = 0.1
# How long a run whose answer is complete waits for Redis to come back and take its end.
_FINISH_PATIENCE_S: Final = 300.0


def new_id() -> str:
    """A random id of lower-case letters and digits, for streams and runs."""
    return secrets.token_hex(12)


class Runs:
    """All runs of this worker, and the verbs on any run of the site.

    Args:
        grace_s: How long a run goes on after its last viewer has left.
        on_settled: Stores an answer that has ended; called in a greenlet of its own, at least once a run.
    """

    def __init__(
        self,
        redis: Redis,
        log: EventLog,
        site: SiteSlots,
        hub: Hub,
        metrics: Metrics,
        *,
        grace_s: float,
        on_settled: Callable[[Settled], None],
    ) -> None:
        self._redis: Any = redis
        self._log = log
        self._site = site
        self._hub = hub
        self._metrics = metrics
        self._grace_s = grace_s
        self._store = on_settled
        self._runs: dict[tuple[UserId, StreamId], Run] = {}
        # Runs that have left `_runs`, perhaps, but whose answers are not stored yet.
        self._ending: set[gevent.Greenlet[..., None]] = set()
        self._greenlet: gevent.Greenlet[..., None] | None = None
        self.draining = False
        self._closer = Closer(log, site, on_sealed=self._sealed, on_settled=self._settle)
        self._producer = Producer(hub.flusher.put, metrics)
        self._starter = Starter(log, site, metrics)
        self._leases = Leases(
            redis,
            site,
            hub,
            runs=lambda: list(self._runs.values()),
            grace_s=grace_s,
            on_unwatched=lambda spec: self._stop_unwatched(spec.user_id, spec.stream_id, spec.run_id),
        )
        self.stop = self._closer.stop
        self.recover = self._closer.recover
        self.close_orphan = self._closer.close_orphan
        hub.on_left = self._left
        hub.remote.on_orphan = self._closer.orphan_found

    def start_worker(self) -> None:
        """Begin to renew leases and to listen for stops."""
        self._hub.start(on_control=self._controlled)
        self._greenlet = gevent.spawn(self._leases.renew_for_ever)

    def close(self) -> None:
        if self._greenlet is not None:
            self._greenlet.kill()
        self._hub.close()

    @property
    def active(self) -> int:
        """How many runs this worker has."""
        return len(self._runs)

    # -- start

    def start(self, spec: NewRun) -> Run | Repeated | StreamClosed:
        """Take the slots, make the stream and write its first event; `begin` does the rest.

        Raises:
            NoSlotFree, SiteFull: A limit; nothing was taken.
            StreamBusy, IdempotencyMismatch: As their names say.
            Unavailable: Redis is away, or this worker is going.
        """
        if self.draining:
            raise errors.Unavailable("The site is restarting. Try again in a moment.", retry_after_s=1)
        try:
            taken = self._starter.take(spec)
        except errors.Unavailable:
            gevent.spawn(self._closer.take_back, spec)
            raise
        return self._started(spec, taken) if isinstance(taken, Started) else taken

    def _started(self, spec: NewRun, started: Started) -> Run:
        writer = Writer(spec.user_id, spec.stream_id, started, on_lost=lambda: kill(run), followed=spec.follow)
        now_s = time.monotonic()
        run = Run(spec, writer, Answer(request_id=spec.first.data.get("request_id", "")), now_s, now_s)
        self._runs[run.key] = run
        facts = StreamFacts(spec.user_id, spec.stream_id, spec.assistant, spec.conversation_id)
        self._hub.open_local(facts, writer, Entry(started.fence, started.seq, spec.first))
        return run

    def abandon(self, run: Run) -> None:
        """Take back a run that was started but may not begin: nothing of it remains.

        A run on a stream that existed before ends as failed instead: its viewers have seen it start.
        """
        if run.spec.follow:
            run.greenlet = gevent.spawn(self._main, run, _fail_to_store)
            return
        del self._runs[run.key]
        self._hub.close_local(run.key, None, closed=False)
        try:
            self._log.abandon(run.spec)
            self._site.release(run.spec.run_id)
        except errors.Unavailable:
            logger.warning("abandoned run is left to its lease", extra={"run_id": run.spec.run_id})

    def begin(self, run: Run, produce: Callable[[], Iterator[Event]]) -> None:
        """Run `produce()` in the background, from here to its end; its turn is stored."""
        run.greenlet = gevent.spawn(self._main, run, produce)
        self._starter.keep_record(run.spec)

    # -- a run's greenlet

    def _main(self, run: Run, produce: Callable[[], Iterator[Event]]) -> None:
        spec = run.spec
        fields = {"run_id": spec.run_id, "stream_id": spec.stream_id, "assistant": spec.assistant}
        logger.info("run started", extra=fields)
        self._metrics.started(spec.assistant)
        with logs.about(request=run.answer.request_id or None, run=spec.run_id):
            outcome, problem = self._producer.produce(run, produce)
        # In a greenlet of its own: a `Taken` on its way to this one must not interrupt the end.
        ending = gevent.spawn(self._conclude, run, outcome, problem, fields)
        self._ending.add(ending)
        ending.link(self._ending.discard)

    def _conclude(self, run: Run, outcome: str, problem: AppError | None, fields: Mapping[str, Any]) -> None:
        if outcome:
            outcome = self._end(run, outcome, problem)
        else:
            self._taken(run, run.answer.closing(INTERRUPTED, Interrupted()))
        elapsed_s = round(time.monotonic() - run.started_s, 3)
        logger.info("run ended", extra={**fields, "outcome": outcome or "taken", "duration_s": elapsed_s})

    def _end(self, run: Run, outcome: str, problem: AppError | None) -> str:
        """Write the run's end under a raised fence; the outcome, empty if somebody else has written it."""
        spec = run.spec
        closing = run.answer.closing(outcome, problem)
        close = Event(CLOSE, {"reason": "idle"})
        said, detail = self._finish(run, outcome, closing, close)
        # A call whose reply was lost has done its work: nobody else gives a run this outcome.
        if said != "finished" and (said, detail) != ("ended", outcome):
            self._taken(run, closing)
            return ""
        closed = spec.idle_ms == 0
        fence, first = run.writer.fence + 1, run.writer.committed + 1
        events = [*closing, close] if closed else closing
        self._leave(run, [Entry(fence, first + place, event) for place, event in enumerate(events)], closed=closed)
        last = run.writer.committed + len(closing)
        self._settle(
            run.answer.settled(spec.user_id, spec.stream_id, spec.run_id, spec.message_id, closing[-1], last=last)
        )
        return outcome

    def _finish(self, run: Run, outcome: str, closing: list[Event], close: Event) -> tuple[str, str]:
        """Call the finish script until it has been heard; what it said, nothing if the run is lost."""
        spec, patience = run.spec, time.monotonic() + _FINISH_PATIENCE_S
        while run.writer.settle(_FINISH_PATIENCE_S) and not run.writer.lost and time.monotonic() < patience:
            try:
                said, detail = self._log.finish(
                    spec.user_id,
                    spec.stream_id,
                    spec.run_id,
                    assistant=spec.assistant,
                    fence=run.writer.fence,
                    seq=run.writer.committed,
                    outcome=outcome,
                    closing=closing,
                    close=close,
                )
            except errors.Unavailable:
                gevent.sleep(_FINISH_BACKOFF_S)
                continue
            if said != "behind":
                return said, detail
            # The server lost entries that it had accepted: the flusher looks, and sends them again.
            self._hub.flusher.recheck(run.writer)
            gevent.sleep(_FINISH_BACKOFF_S)
        return "", ""

    def _taken(self, run: Run, closing: list[Event]) -> None:
        """Somebody else ends this run, or nobody can; the call to the model is closed by now."""
        spec = run.spec
        self._leave(run, None, closed=False)
        try:
            is_known = self._log.confirm(spec.user_id, spec.stream_id, spec.run_id)
        except errors.Unavailable:
            logger.debug("stop not confirmed", extra={"run_id": spec.run_id})
            return
        if not is_known:
            # Redis has lost the stream, and with it what anybody else could make an end from.
            self._settle(
                run.answer.settled(spec.user_id, spec.stream_id, spec.run_id, spec.message_id, closing[-1], last=0)
            )

    def _leave(self, run: Run, closing: list[Entry] | None, *, closed: bool) -> None:
        if self._runs.get(run.key) is run:
            del self._runs[run.key]
        self._hub.close_local(run.key, closing, closed=closed)
        gevent.spawn(self._closer.give_back, run.spec.run_id)

    def _settle(self, settled: Settled) -> None:
        self._metrics.ended(settled.outcome)
        self._store(settled)

    # -- taken from outside

    def _sealed(self, user_id: UserId, stream_id: StreamId) -> None:
        run = self._runs.get((user_id, stream_id))
        if run is not None:
            run.writer.lose()

    def _controlled(self, message: bytes) -> None:
        """Somebody follows a stream from elsewhere, stopped it, or was its last viewer: if its run is ours, look."""
        text = message.decode()
        stream_id = StreamId(text.removeprefix(keys.FOLLOWED))
        for run in list(self._runs.values()):
            if run.spec.stream_id != stream_id:
                continue
            if text.startswith(keys.FOLLOWED):
                run.writer.follow()
                gevent.spawn(self._tell_newest, run)
            else:
                gevent.spawn(self._leases.renew, [run])

    def _tell_newest(self, run: Run) -> None:
        """Publish a run's newest entry again: what it wrote just before it heard of a follower was not."""
        entry = run.writer.newest
        if entry is not None:
            with contextlib.suppress(RedisError):
                self._redis.publish(run.writer.channel, b"%d-%d %b" % (entry.fence, entry.seq, encode(entry.event)))

    def _left(self, user_id: UserId, stream_id: StreamId) -> None:
        """The last viewer here of a run of this worker has left; others may watch it elsewhere."""
        run = self._runs.get((user_id, stream_id))
        if run is not None:
            run.left_s = time.monotonic()
            gevent.spawn(self._leases.renew, [run])

    def _stop_unwatched(self, user_id: UserId, stream_id: StreamId, run_id: RunId | None) -> None:
        gevent.spawn(self._end_from_outside, user_id, stream_id, STOPPED, run_id)

    def _end_from_outside(self, user_id: UserId, stream_id: StreamId, outcome: str, run_id: RunId | None) -> None:
        try:
            self.stop(user_id, stream_id, outcome=outcome, run_id=run_id)
        except errors.Unavailable:
            logger.warning("run is left to its lease", extra={"stream_id": stream_id})

    # -- going

    def drain(self, *, seconds: float, notify: Callable[[], None]) -> None:
        """Start nothing more, give runs time to end, and interrupt what is left.

        Args:
            notify: Called about twice a second, to tell the master that this worker lives.
        """
        self.draining = True
        patience = time.monotonic() + seconds
        while (self._runs or self._ending) and time.monotonic() < patience:
            notify()
            gevent.sleep(0.1)
        left = [
            gevent.spawn(self._end_from_outside, *run.key, INTERRUPTED, run.spec.run_id)
            for run in list(self._runs.values())
        ]
        gevent.joinall([*left, *self._ending], timeout=_LAST_WORDS_S)
        notify()


def _fail_to_store() -> Iterator[Event]:
    raise errors.Unavailable
