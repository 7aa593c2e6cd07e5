"""Workers in one process: each has its own hub, runs and connections on the Valkey that they share."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import gevent
from gevent.event import Event as Signal
from gevent.queue import Queue
from redis import Redis
from redis.exceptions import RedisError

from services.streaming import connections
from services.streaming.answers import Settled
from services.streaming.coalesce import merged
from services.streaming.events import (
    CLOSE,
    DELTA,
    END,
    METADATA,
    SEAL,
    START,
    Entry,
    Event,
    RunId,
    StreamId,
    UserId,
    delta,
)
from services.streaming.hub import Finished, Hub
from services.streaming.log import EventLog
from services.streaming.metrics import Metrics
from services.streaming.producing import Run
from services.streaming.runs import Runs
from services.streaming.slots import SiteSlots
from services.streaming.state import NewRun
from services.streaming.viewer import Viewer
from services.streaming.views import Replay, StreamFacts
from services.streaming.wire import HEARTBEAT, format_event_id, frame
from tests.clocks import PATIENCE_S
from tests.sse import Frame, Reader

USER = UserId(7)
_numbers = itertools.count(1)


def until(claim: Callable[[], Any], within_s: float = PATIENCE_S) -> float:
    """Wait for what nothing can announce; the seconds that it took."""
    began, never = time.monotonic(), Signal()
    while not claim():
        assert time.monotonic() - began < within_s, "it did not happen in time"
        never.wait(0.004)
    return time.monotonic() - began


class PlainDialect:
    """Shows every event but seals, under its own name; the stream ends with `close`."""

    def __init__(self, key: str = "plain", interval_s: float = 0.0) -> None:
        self.key = key
        self.interval_s = interval_s

    def shows(self, entry: Entry) -> bool:
        return entry.event.name != SEAL

    def view(self, stream: StreamFacts) -> "PlainView":
        return PlainView(stream)


class PlainView:
    """A view that checks what it is given: each entry once and in order."""

    def __init__(self, stream: StreamFacts) -> None:
        self.done = False
        self.seq = 0
        self._stream = stream

    def prime(self, entries: Any) -> None:
        self._count(entries)

    def feed(self, entries: Any) -> bytes:
        self._count(entries)
        return self._frames(entries)

    def greeting(self, replay: Replay) -> bytes:
        assert self.seq == replay.tail, "a newcomer stands where the view stands"
        told = {"asked": replay.asked, "from": replay.position, "tail": replay.tail, "verdict": replay.verdict}
        return frame(told, name="replay") + self._frames(replay.entries)

    def beat(self, idle_s: float) -> bytes:
        return HEARTBEAT + (frame({"idle_s": int(idle_s)}, name="ping") if idle_s >= 30 else b"")

    def _count(self, entries: Any) -> None:
        for entry in entries:
            assert entry.seq == self.seq + 1, "contiguous"
            self.seq = entry.seq
            self.done = entry.event.name == CLOSE

    def _frames(self, entries: Any) -> bytes:
        return b"".join(
            frame(entry.event.data, name=entry.event.name, event_id=format_event_id(self._stream.stream_id, entry.seq))
            for entry in entries
            if entry.event.name != SEAL
        )


class Script:
    """An assistant that says what the test tells it to, when it is told to.

    Attributes:
        closed: Set when the generator has been left, as a call to a model is closed then.
    """

    def __init__(self) -> None:
        self.closed = Signal()
        self.asked = Signal()
        self._words: Queue[Any] = Queue()

    def say(self, *texts: str) -> "Script":
        for text in texts:
            self._words.put(delta(text))
        return self

    def do(self, event: Event | Exception | Callable[[], Any]) -> "Script":
        self._words.put(event)
        return self

    def end(self, **data: Any) -> "Script":
        self._words.put(Event(END, {"finish_reason": "stop", **data}))
        self._words.put(None)
        return self

    def __call__(self) -> Iterator[Event]:
        self.asked.set()
        try:
            yield Event(METADATA, {"engine": "scripted"})
            while (word := self._words.get()) is not None:
                if isinstance(word, BaseException):
                    raise word
                if isinstance(word, Event):
                    yield word
                else:
                    word()
        finally:
            self.closed.set()


def told(*texts: str) -> Script:
    """A script that says these texts and ends."""
    return Script().say(*texts).end()


def make_spec(**changes: Any) -> NewRun:
    """A run of a stream of its own, with limits that do not matter."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "user_id": USER,
        "stream_id": StreamId(f"s{number}x{time.time_ns():x}"),
        "run_id": RunId(f"r{number}"),
        "assistant": "tutor",
        "conversation_id": f"c{number}",
        "message_id": f"m{number}",
        "assistant_limit": 1000,
        "user_limit": 1000,
        "deadline_ms": 60_000,
        "ttl_ms": 60_000,
        **changes,
    }
    first = {"run_id": values["run_id"], "request_id": f"q{number}"}
    return NewRun(**{"first": Event(START, first), **values})


def facts_of(spec: NewRun) -> StreamFacts:
    return StreamFacts(spec.user_id, spec.stream_id, spec.assistant, spec.conversation_id)


@dataclass
class Node:
    """One worker."""

    redis: Redis
    log: EventLog
    site: SiteSlots
    hub: Hub
    runs: Runs
    metrics: Metrics
    settled: list[Settled] = field(default_factory=list)
    readers: list["Watching"] = field(default_factory=list)

    def run(self, produce: Callable[[], Iterator[Event]] | None = None, **spec: Any) -> Run:
        """Start a run and let it begin."""
        run = self.start(**spec)
        self.runs.begin(run, produce or told("hello"))
        return run

    def start(self, **spec: Any) -> Run:
        run = self.runs.start(make_spec(**spec))
        assert isinstance(run, Run), run
        return run

    def watch(
        self,
        spec: NewRun,
        *,
        last_event_id: str | None = None,
        dialect: Any = None,
        environ: Mapping[str, Any] | None = None,
        stays: bool = False,
    ) -> "Watching":
        """Subscribe through the generator, and read in a greenlet."""
        viewer = self.subscribe(spec, last_event_id=last_event_id, dialect=dialect, environ=environ, stays=stays)
        assert isinstance(viewer, Viewer), viewer
        reading = Watching(viewer)
        self.readers.append(reading)
        return reading

    def subscribe(
        self,
        spec: NewRun,
        *,
        last_event_id: str | None = None,
        dialect: Any = None,
        environ: Mapping[str, Any] | None = None,
        stays: bool = False,
    ) -> Viewer | Finished:
        return self.hub.subscribe(
            facts_of(spec),
            dialect or PlainDialect(),
            last_event_id=last_event_id,
            environ=environ or {},
            stays=stays,
        )

    def entries(self, spec: NewRun) -> list[Entry]:
        return self.log.read(spec.user_id, spec.stream_id)

    def close(self) -> None:
        for reader in self.readers:
            reader.leave()
        with contextlib.suppress(RedisError):
            for _ in range(10):
                self.redis.ping()  # what the viewers' leaving has set off is done by then
        self.runs.close()
        self.redis.close()
        self.redis.connection_pool.disconnect()


class Watching:
    """Reads a response as a browser would, in a greenlet of its own.

    Attributes:
        frames: What came, in order.
        ended: Set when the response has ended.
    """

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.frames: list[Frame] = []
        self.reader = Reader()
        self.ended = Signal()
        self._came = Signal()
        self._greenlet = gevent.spawn(self._read)

    def _read(self) -> None:
        try:
            for chunk in self.viewer:
                self.frames += self.reader.feed(chunk)
                self._came.set()
        finally:
            self.viewer.close()
            self.ended.set()
            self._came.set()

    def wait_for(self, name: str, count: int = 1) -> Frame:
        """The `count`th event of that name, when it has come."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = [each for each in self.frames if each.name == name]
            if len(found) >= count:
                return found[count - 1]
            self._came.clear()
            left_s = deadline - time.monotonic()
            assert not self.ended.is_set(), f"it ended without {name}: {self.names}"
            assert self._came.wait(left_s), f"no {name} came: {self.names}"

    def wait_for_text(self, text: str) -> None:
        """Until the text so far is this."""
        deadline = time.monotonic() + PATIENCE_S
        while self.text != text:
            self._came.clear()
            left_s = deadline - time.monotonic()
            assert self.text == text or self._came.wait(left_s), f"{self.text!r} is not {text!r}"
            assert time.monotonic() < deadline, f"{self.text!r} is not {text!r}"

    @property
    def names(self) -> list[str]:
        return [each.name for each in self.frames]

    @property
    def text(self) -> str:
        return "".join(each.json["text"] for each in self.frames if each.name == DELTA)

    @property
    def seqs(self) -> list[int]:
        return [each.seq for each in self.frames if each.own_id]

    @property
    def verdict(self) -> str:
        return str(self.wait_for("replay").json["verdict"])

    def leave(self) -> None:
        """Close the response, as a server does when the client has gone."""
        self._greenlet.kill()
        self.viewer.close()  # a response that was never read is closed as well


def make(
    url: str,
    *,
    grace_s: float = 300.0,
    limit: int = 100,
    heartbeat_s: float = 15.0,
    max_viewers: int = 1000,
    push: bool = True,
    started: bool = True,
) -> Node:
    """A worker as services/wiring.py builds it."""
    redis = connections.client(url)
    log = EventLog(redis)
    site = SiteSlots(redis, limit=limit)
    metrics = Metrics()
    hub = Hub(
        redis,
        log,
        lambda timeout_s: connections.connection(url, timeout_s=timeout_s),
        heartbeat_s=heartbeat_s,
        max_viewers=max_viewers,
        push=push,
    )
    settled: list[Settled] = []
    runs = Runs(redis, log, site, hub, metrics, grace_s=grace_s, on_settled=settled.append)
    node = Node(redis, log, site, hub, runs, metrics, settled)
    if started:
        runs.start_worker()
    return node


def check_log(entries: list[Entry], *, runs: int = 1) -> None:
    """The invariants of a log whose runs have all ended."""
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1)), "contiguous from 1"
    assert [entry.fence for entry in entries] == sorted(entry.fence for entry in entries), "fences rise"
    assert sum(1 for entry in entries if entry.event.name == END) == runs, "one terminal event a run"
    assert sum(1 for entry in entries if entry.event.name == START) == runs
    assert [entry.event.name for entry in entries].count(CLOSE) <= 1
    text = "".join(entry.event.data["text"] for entry in entries if entry.event.name == DELTA)
    again = "".join(entry.event.data["text"] for entry in merged(entries) if entry.event.name == DELTA)
    assert text == again, "a merged replay is the same text"


def lapse(redis: Redis, spec: NewRun) -> None:
    """Make a run's lease lie in the past, as if its worker had died ten seconds ago."""
    redis.hset(f"rill:{{u{spec.user_id}}}:state:{spec.stream_id}", "lease", 1)
