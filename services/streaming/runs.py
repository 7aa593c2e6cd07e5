"""Runs: start, stop, and what happens between.

A run lives in a background greenlet of the worker that started it. It takes its events from an
assistant, writes them through the flusher, and ends by the finish script; whoever stops it, or
finds its lease lapsed, seals the log first and writes the same end in its place.
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import gevent
from redis import Redis
from redis.exceptions import RedisError

from services import errors
from services.errors import AppError
from services.streaming import keys
from services.streaming.answers import (
    Answer,
    DeadlinePassed,
    EmptyAnswer,
    Interrupted,
    RunFailed,
    Settled,
    folded,
    of_run,
)
from services.streaming.coalesce import Normaliser
from services.streaming.events import (
    CLOSE,
    COMPLETED,
    DELTA,
    END,
    FAILED,
    INTERRUPTED,
    STOPPED,
    Entry,
    Event,
    RunId,
    StreamId,
    UserId,
    delta,
)
from services.streaming.flush import Writer
from services.streaming.hub import Hub
from services.streaming.log import LEASE_MS, LUA, EventLog, NewRun, Sealed, Started
from services.streaming.metrics import Metrics
from services.streaming.slots import SiteSlots
from services.streaming.views import StreamFacts

logger = logging.getLogger(__name__)

MAX_ANSWER_BYTES: Final = 1 << 20
# A run that nobody has watched yet is given this long to be found.
FIRST_VIEWER_S: Final = 15.0
_RENEW_S: Final = LEASE_MS / 3000
_RENEW_TICK_S: Final = 0.5
_RENEW_BATCH: Final = 50
_CONFIRM_S: Final = 2.0
_FINISH_BACKOFF_S: Final = 0.1
# How long a run whose answer is complete waits for Redis to come back and take its end.
_FINISH_PATIENCE_S: Final = 300.0
_SLOT_RETRY_S: Final = 5


class Taken(gevent.GreenletExit):
    """Thrown into a run's greenlet: somebody else has the run, or it must end at once."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """A start whose idempotency key is known; `record` is what the first one was answered with."""

    record: str


@dataclass(frozen=True, slots=True)
class StreamClosed:
    """A follow-up on a stream that takes none any more."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """How a stop went: the outcome, and whether the owner has closed the call to the model."""

    outcome: str
    confirmed: bool


@dataclass(slots=True, eq=False)
class Run:
    """One execution of an assistant, in the worker that owns it."""

    spec: NewRun
    writer: Writer
    answer: Answer
    started_s: float
    renewed_s: float
    greenlet: "gevent.Greenlet[..., Any] | None" = None
    producing: bool = False
    first_text_s: float | None = None
    last: int = 0
    closing: list[Event] = field(default_factory=list)

    @property
    def key(self) -> tuple[UserId, StreamId]:
        return self.spec.user_id, self.spec.stream_id


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
        self._on_settled = on_settled
        self._renew_script = redis.register_script((LUA / "renew.lua").read_text())
        self._runs: dict[tuple[UserId, StreamId], Run] = {}
        self._closers: set[tuple[UserId, StreamId]] = set()
        self._greenlet: gevent.Greenlet[..., None] | None = None
        self.draining = False
        hub.on_orphan = self._orphan_found
        hub.on_unwatched = self._unwatched

    def start_worker(self) -> None:
        """Begin to renew leases and to listen for stops."""
        self._hub.start(on_control=self._controlled)
        self._greenlet = gevent.spawn(self._renew_for_ever)

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
            self._site.acquire(spec.stream_id)
        except errors.SiteFull:
            self._refuse_for_user(spec)
            self._metrics.refused("site")
            raise
        try:
            reply = self._log.start(spec)
        except errors.Unavailable:
            gevent.spawn(self._give_back, spec.stream_id)
            raise
        if isinstance(reply, Started):
            return self._started(spec, reply)
        self._give_back(spec.stream_id)
        return self._refused(reply)

    def _refused(self, reply: list[Any]) -> Repeated | StreamClosed:
        kind = reply[0]
        if kind == "again":
            return Repeated(reply[1])
        if kind in ("gone", "closed"):
            return StreamClosed()
        if kind == "mismatch":
            raise errors.IdempotencyMismatch
        if kind == "busy":
            raise errors.StreamBusy
        _, scope, limit, _, *running = reply
        raise self._no_slot(scope, int(limit), running)

    def _refuse_for_user(self, spec: NewRun) -> None:
        """The site is full; a user who is over a limit of their own is told that instead."""
        of_assistant, of_user = self._log.held(spec.user_id, spec.assistant)
        if len(of_assistant) >= spec.assistant_limit:
            raise self._no_slot("assistant", spec.assistant_limit, of_assistant)
        if len(of_user) >= spec.user_limit:
            raise self._no_slot("user", spec.user_limit, of_user)

    def _no_slot(self, scope: str, limit: int, running: Sequence[str]) -> errors.NoSlotFree:
        self._metrics.refused(scope)
        where = "in this assistant" if scope == "assistant" else "over all assistants"
        return errors.NoSlotFree(
            f"User has reached maximum concurrent streams ({limit}) {where}. Stop one, or wait for its end.",
            retry_after_s=_SLOT_RETRY_S,
            extra={"limit": limit, "current": len(running), "running": list(running)},
        )

    def _started(self, spec: NewRun, started: Started) -> Run:
        writer = Writer(spec.user_id, spec.stream_id, started, on_lost=lambda: _kill(run))
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
            self.begin(run, _fail_to_store)
            return
        del self._runs[run.key]
        self._hub.close_local(run.key, None, closed=False)
        try:
            self._log.abandon(run.spec)
            self._site.release(run.spec.stream_id)
        except errors.Unavailable:
            logger.warning("abandoned run is left to its lease", extra={"run_id": run.spec.run_id})

    def begin(self, run: Run, produce: Callable[[], Iterator[Event]]) -> None:
        """Run `produce()` in the background, from here to its end."""
        run.greenlet = gevent.spawn(self._main, run, produce)

    # -- a run's greenlet

    def _main(self, run: Run, produce: Callable[[], Iterator[Event]]) -> None:
        spec = run.spec
        fields = {"run_id": spec.run_id, "stream_id": spec.stream_id, "assistant": spec.assistant}
        logger.info("run started", extra=fields)
        self._metrics.started(spec.assistant)
        outcome, problem = self._produce(run, produce)
        if outcome:
            outcome = self._end(run, outcome, problem)
        else:
            self._taken(run)
        elapsed_s = round(time.monotonic() - run.started_s, 3)
        logger.info("run ended", extra={**fields, "outcome": outcome or "taken", "duration_s": elapsed_s})

    def _produce(self, run: Run, produce: Callable[[], Iterator[Event]]) -> tuple[str, AppError | None]:
        """Take events until there are no more; the outcome, empty if the run was taken away."""
        events: Iterator[Event] = iter(())
        deadline = gevent.Timeout(run.spec.deadline_ms / 1000)
        run.producing = True
        try:
            if run.writer.lost:
                raise Taken
            deadline.start()
            events = produce()
            self._take_all(run, events)
            return (FAILED, EmptyAnswer()) if run.answer.is_empty else (COMPLETED, None)
        except Taken:
            return "", None
        except gevent.Timeout as timeout:
            if timeout is not deadline:
                raise
            return FAILED, DeadlinePassed()
        except AppError as problem:
            return FAILED, problem
        except Exception:  # the top of a greenlet
            logger.exception("run failed", extra={"run_id": run.spec.run_id})
            return FAILED, RunFailed()
        finally:
            run.producing = False
            deadline.close()
            close = getattr(events, "close", None)
            if close is not None:
                close()

    def _take_all(self, run: Run, events: Iterator[Event]) -> None:
        normaliser = Normaliser()
        for event in events:
            if event.name == END:
                run.answer.take(event)
                continue
            if event.name == DELTA:
                text = normaliser.add(event.data["text"])
                if not text:
                    continue
                event = delta(text)
                if run.first_text_s is None:
                    run.first_text_s = time.monotonic() - run.started_s
                    self._metrics.first_text(run.spec.assistant, run.first_text_s)
            self._write(run, event)
            if run.answer.size > MAX_ANSWER_BYTES:
                run.answer.finish_reason = "length"
                break
        held = normaliser.end()
        if held:
            self._write(run, delta(held))

    def _write(self, run: Run, event: Event) -> None:
        run.answer.take(event)
        self._hub.flusher.put(run.writer, event)

    def _end(self, run: Run, outcome: str, problem: AppError | None) -> str:
        """Write the run's end under a raised fence; the outcome that the log has."""
        spec, patience = run.spec, time.monotonic() + _FINISH_PATIENCE_S
        closing = run.answer.closing(outcome, problem)
        close = Event(CLOSE, {"reason": "idle"})
        said, detail = "", ""
        while time.monotonic() < patience:
            run.writer.settle(_FINISH_PATIENCE_S)
            if run.writer.lost:
                break
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
                break
            # The server lost entries that it had accepted: the flusher looks, and sends them again.
            self._hub.flusher.recheck(run.writer)
            gevent.sleep(_FINISH_BACKOFF_S)
        # A call whose reply was lost has done its work: nobody else gives a run this outcome.
        if said != "finished" and (said, detail) != ("ended", outcome):
            self._taken(run)
            return ""
        closed = spec.idle_ms == 0
        fence = run.writer.fence + 1
        events = [*closing, close] if closed else closing
        entries = [Entry(fence, run.writer.committed + 1 + place, event) for place, event in enumerate(events)]
        self._leave(run, entries, closed=closed)
        last = run.writer.committed + len(closing)
        self._settle(_settled(spec, run.answer, closing, outcome, last))
        return outcome

    def _taken(self, run: Run) -> None:
        """Somebody else ends this run; the call to the model is closed by now."""
        self._leave(run, None, closed=False)
        try:
            self._log.confirm(run.spec.user_id, run.spec.stream_id, run.spec.run_id)
        except errors.Unavailable:
            logger.debug("stop not confirmed", extra={"run_id": run.spec.run_id})

    def _leave(self, run: Run, closing: list[Entry] | None, *, closed: bool) -> None:
        if self._runs.get(run.key) is run:
            del self._runs[run.key]
        self._hub.close_local(run.key, closing, closed=closed)
        gevent.spawn(self._give_back, run.spec.stream_id)

    def _give_back(self, stream_id: StreamId) -> None:
        try:
            self._site.release(stream_id)
        except errors.Unavailable:
            logger.debug("site slot is left to its lease", extra={"stream_id": stream_id})

    def _settle(self, settled: Settled) -> None:
        self._metrics.ended(settled.outcome)
        self._on_settled(settled)

    # -- stop and orphans

    def stop(
        self, user_id: UserId, stream_id: StreamId, *, outcome: str = STOPPED, run_id: RunId | None = None
    ) -> Stopped | None:
        """Stop a run wherever it is, keep what came, and wait up to 2 s for its owner to confirm.

        Args:
            run_id: Only if this is still the stream's run.

        Returns:
            How it went; None if there is no such stream of this user's.
        """
        sealed = self._log.seal(user_id, stream_id, outcome=outcome, run_id=run_id)
        if not isinstance(sealed, Sealed):
            return None if sealed is None else Stopped(sealed, confirmed=True)
        local = self._runs.get((user_id, stream_id))
        if local is not None:
            local.writer.lose()
        self._close_sealed(user_id, stream_id, sealed)
        return Stopped(sealed.seal, self._confirmed(user_id, stream_id))

    def _confirmed(self, user_id: UserId, stream_id: StreamId) -> bool:
        patience = time.monotonic() + _CONFIRM_S
        while time.monotonic() < patience:
            state = self._log.state(user_id, stream_id)
            if state is None or state.confirmed:
                return True
            gevent.sleep(0.02)
        return False

    def _close_sealed(self, user_id: UserId, stream_id: StreamId, sealed: Sealed) -> None:
        """Write the end of a run that was taken from its writer, from what the log holds."""
        state = self._log.state(user_id, stream_id)
        if state is None:
            return
        entries = self._log.read(user_id, stream_id, first=sealed.first)
        answer = folded(entry for entry in entries if entry.seq <= sealed.seq)
        outcome = sealed.seal
        closing = answer.closing(outcome, Interrupted() if outcome == INTERRUPTED else None)
        said, _ = self._log.finish(
            user_id,
            stream_id,
            state.run_id,
            assistant=state.assistant,
            fence=sealed.fence,
            seq=sealed.seq,
            outcome=outcome,
            closing=closing,
            close=Event(CLOSE, {"reason": "stopped" if outcome == STOPPED else "idle"}),
            close_now=outcome == STOPPED,
        )
        self._give_back(stream_id)
        if said == "finished":
            last = sealed.seq + len(closing)
            self._settle(
                _settled_as(user_id, stream_id, state.run_id, state.message_id, answer, closing, outcome, last)
            )

    def close_orphan(self, user_id: UserId, stream_id: StreamId) -> None:
        """End a run whose lease has lapsed; nothing happens if it has not."""
        sealed = self._log.seal_orphan(user_id, stream_id)
        if isinstance(sealed, Sealed):
            logger.warning("orphan closed", extra={"stream_id": stream_id})
            self._close_sealed(user_id, stream_id, sealed)

    def recover(self, user_id: UserId, stream_id: StreamId, run_id: RunId, message_id: str) -> Settled | None:
        """What became of a run whose answer was never stored; None while it lives.

        A run of which the log knows nothing any more was interrupted, with no text left.
        """
        self.close_orphan(user_id, stream_id)
        state = self._log.state(user_id, stream_id)
        if state is not None and state.run_id == run_id and state.status in ("running", "sealed"):
            return None
        entries = of_run(self._log.read(user_id, stream_id), run_id)
        answer = folded(entries)
        last = entries[-1] if entries else None
        if last is None or last.event.name != END:
            closing = answer.closing(INTERRUPTED, Interrupted())
            return _settled_as(user_id, stream_id, run_id, message_id, answer, closing, INTERRUPTED, 0)
        return _settled_as(
            user_id, stream_id, run_id, message_id, answer, [last.event], last.event.data["outcome"], last.seq
        )

    def _orphan_found(self, user_id: UserId, stream_id: StreamId) -> None:
        key = (user_id, stream_id)
        if key in self._closers:
            return
        self._closers.add(key)
        try:
            self.close_orphan(user_id, stream_id)
        except errors.Unavailable:
            logger.debug("orphan must wait", extra={"stream_id": stream_id})
        finally:
            self._closers.discard(key)

    def _controlled(self, message: bytes) -> None:
        """A stop was written for this stream; if its run is ours, end it."""
        stream_id = StreamId(message.decode())
        for run in list(self._runs.values()):
            if run.spec.stream_id == stream_id:
                gevent.spawn(self._renew, [run])

    # -- leases and grace

    def _renew_for_ever(self) -> None:
        while True:
            gevent.sleep(_RENEW_TICK_S)
            now_s = time.monotonic()
            due = [run for run in self._runs.values() if now_s - run.renewed_s >= _RENEW_S]
            for start in range(0, len(due), _RENEW_BATCH):
                self._renew(due[start : start + _RENEW_BATCH])
                gevent.sleep(0)

    def _renew(self, runs: list[Run]) -> None:
        """Renew some leases; runs that are no longer ours end, and those that nobody watches are stopped."""
        pipeline = self._redis.pipeline(transaction=False)
        for run in runs:
            spec = run.spec
            self._renew_script(
                keys=[
                    keys.log(spec.user_id, spec.stream_id),
                    keys.state(spec.user_id, spec.stream_id),
                    keys.slots(spec.user_id, spec.assistant),
                    keys.user_slots(spec.user_id),
                    keys.viewers(spec.user_id, spec.stream_id),
                ],
                args=[
                    spec.stream_id,
                    spec.run_id,
                    run.writer.fence,
                    LEASE_MS,
                    spec.deadline_ms + spec.ttl_ms + spec.idle_ms,
                    "1" if self._hub.has_viewers(run.key) else "",
                ],
                client=pipeline,
            )
        try:
            replies = pipeline.execute(raise_on_error=False)
            self._site.renew([run.spec.stream_id for run in runs if run.key in self._runs])
        except (RedisError, errors.Unavailable) as problem:
            logger.warning("leases not renewed", extra={"reason": type(problem).__name__, "runs": len(runs)})
            return
        for run, reply in zip(runs, replies, strict=True):
            run.renewed_s = time.monotonic()
            if isinstance(reply, Exception) or self._runs.get(run.key) is not run:
                continue
            if not reply[0]:
                run.writer.lose()
            elif reply[1] >= 1000 * (self._grace_s if reply[2] else max(self._grace_s, FIRST_VIEWER_S)):
                gevent.spawn(self._stop_unwatched, run.key, run.spec.run_id)

    def _unwatched(self, user_id: UserId, stream_id: StreamId, local: bool) -> None:
        """The last viewer here has left; with a long grace the renewals find that out in time."""
        run = self._runs.get((user_id, stream_id))
        if local and run is not None:
            gevent.spawn_later(self._grace_s, self._renew, [run])
        elif not local and not self._grace_s:
            gevent.spawn(self._stop_unwatched, (user_id, stream_id), None)

    def _stop_unwatched(self, key: tuple[UserId, StreamId], run_id: RunId | None) -> None:
        try:
            self.stop(*key, run_id=run_id)
        except errors.Unavailable:
            logger.debug("unwatched run must wait", extra={"stream_id": key[1]})

    # -- going

    def drain(self, *, seconds: float, notify: Callable[[], None]) -> None:
        """Start nothing more, give runs time to end, and interrupt what is left.

        Args:
            notify: Called about twice a second, to tell the master that this worker lives.
        """
        self.draining = True
        patience = time.monotonic() + seconds
        while self._runs and time.monotonic() < patience:
            notify()
            gevent.sleep(0.1)
        left = [gevent.spawn(self._interrupt, run.key, run.spec.run_id) for run in list(self._runs.values())]
        gevent.joinall(left, timeout=4)
        notify()

    def _interrupt(self, key: tuple[UserId, StreamId], run_id: RunId) -> None:
        try:
            self.stop(*key, outcome=INTERRUPTED, run_id=run_id)
        except errors.Unavailable:
            logger.warning("run is left to its lease", extra={"run_id": run_id})


def _kill(run: Run) -> None:
    """End a run's greenlet where it waits: for the model, whose call it closes on the way out."""
    if run.producing and run.greenlet is not None:
        run.producing = False
        run.greenlet.kill(Taken, block=False)


def _fail_to_store() -> Iterator[Event]:
    raise errors.Unavailable


def _settled(spec: NewRun, answer: Answer, closing: list[Event], outcome: str, last: int) -> Settled:
    return _settled_as(spec.user_id, spec.stream_id, spec.run_id, spec.message_id, answer, closing, outcome, last)


def _settled_as(
    user_id: UserId,
    stream_id: StreamId,
    run_id: RunId,
    message_id: str,
    answer: Answer,
    closing: list[Event],
    outcome: str,
    last: int,
) -> Settled:
    end = closing[-1].data
    return Settled(
        user_id=user_id,
        stream_id=stream_id,
        run_id=run_id,
        message_id=message_id,
        text=answer.text,
        outcome=outcome,
        finish_reason=end["finish_reason"],
        engine=answer.engine,
        fallback=answer.fallback,
        usage=answer.tokens(),
        extras=answer.extras,
        error_code=end.get("error", {}).get("code"),
        last=last,
    )
