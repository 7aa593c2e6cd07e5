"""The real engine behind the control routes of bench/contenders.py, and nothing else: no accounts, no database.

Served by gunicorn with the site's own worker class. Runs, log, hub and push are the site's; only the assistant (a loop
that says "ab") and the dialect (the payload that all contenders have) are made for measuring.
"""

import itertools
import os
import time
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

import gevent
import orjson
from flask import Flask, Response, jsonify, request
from gevent.event import Event as Gate

from services.settings import Settings, load
from services.streaming import connections
from services.streaming.events import CLOSE, DELTA, PROGRESS, START, Entry, Event, RunId, StreamId, UserId, delta
from services.streaming.hub import Finished, Hub
from services.streaming.log import EventLog
from services.streaming.metrics import Metrics
from services.streaming.producing import Run
from services.streaming.runs import Runs, new_id
from services.streaming.slots import SiteSlots
from services.streaming.state import NewRun
from services.streaming.views import Replay, StreamFacts
from services.streaming.writer import Writer

ASSISTANT = "bench"
NO_LIMIT = 100_000


class PlainView:
    """Every entry as one frame: text and progress as the agreed payload, the rest by its name."""

    def __init__(self, stream: StreamFacts) -> None:
        self._prefix = f"id: {stream.stream_id}-".encode()
        self.done = False

    def prime(self, entries: Sequence[Entry]) -> None:
        self.feed(entries)

    def feed(self, entries: Sequence[Entry]) -> bytes:
        self.done = self.done or entries[-1].event.name == CLOSE
        if len(entries) == 1:
            return self._frame(entries[0])
        return b"".join([self._frame(entry) for entry in entries])

    def _frame(self, entry: Entry) -> bytes:
        _, seq, (name, data) = entry
        if name == DELTA:
            data = {"d": data["text"]}
        elif name != PROGRESS:
            data = {"event": name}
        return b"%b%d\ndata: %b\n\n" % (self._prefix, seq, orjson.dumps(data))

    def greeting(self, replay: Replay) -> bytes:
        return b": \n\n" + b"".join([self._frame(entry) for entry in replay.entries])

    def beat(self, idle_s: float) -> bytes:
        del idle_s
        return b": \n\n"


class Plain:
    """The dialect of `PlainView`."""

    key: Hashable = "bench"
    interval_s = 0.0

    def shows(self, entry: Entry) -> bool:
        del entry
        return True

    def view(self, stream: StreamFacts) -> PlainView:
        return PlainView(stream)


class Engine:
    """What the worker class starts and drains: of the site's services (services/wiring.py) those that stream."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        redis_url = settings.redis_url
        redis = connections.client(redis_url)
        log = EventLog(redis)
        self.hub = Hub(
            redis,
            log,
            lambda timeout_s: connections.connection(redis_url, timeout_s=timeout_s),
            heartbeat_s=15.0,
            max_viewers=NO_LIMIT,
        )
        site, metrics = SiteSlots(redis, limit=NO_LIMIT), Metrics()
        self.runs = Runs(redis, log, site, self.hub, metrics, grace_s=300.0, on_settled=lambda _: None)

    def start(self) -> None:
        self.runs.start_worker()

    def close(self) -> None:
        self.runs.close()


@dataclass(frozen=True, slots=True)
class Speech:
    """What the assistant is to say.

    Attributes:
        kind: `delta`, each made when the one before it is in the log; `open`, deltas that do not wait for it; or
            `event`, which are never merged and wait for the engine only.
        rate: Events a second; 0 is unpaced.
        phase_s: How long after the gate a paced one's clock starts.
        gate: What it waits for first.
        hold: Whether the run goes on living after its last event.
    """

    events: int
    kind: str = "delta"
    rate: float = 0.0
    phase_s: float = 0.0
    gate: Gate | None = None
    hold: bool = False

    def spoken(self, writer: Writer) -> Iterator[Event]:
        """The events, in their time or as fast as their kind allows."""
        if self.gate is not None:
            self.gate.wait()
        yield from self._in_time() if self.rate else self._unpaced(writer)
        if self.hold:
            Gate().wait()

    def _in_time(self) -> Iterator[Event]:
        start = time.monotonic() + self.phase_s
        for number in range(1, self.events + 1):
            gevent.sleep(max(0.0, start + number / self.rate - time.monotonic()))
            yield self._event()

    def _unpaced(self, writer: Writer) -> Iterator[Event]:
        if self.kind == "open":
            for _ in range(self.events):
                # In the next turn of the loop, as if its bytes waited in a socket; a plain sleep(0) would keep gevent
                # from looking at its sockets for milliseconds.
                gevent.sleep(1e-6)
                yield self._event()
            return
        for _ in range(self.events):
            if self.kind == "delta":
                writer.settle()
            yield self._event()

    def _event(self) -> Event:
        if self.kind == "event":
            return Event(PROGRESS, {"d": "ab", "t": time.monotonic_ns()} if self.rate else {"d": "ab"})
        return delta(f"{time.monotonic_ns():019d}" if self.rate else "ab")


def create_app() -> Flask:
    app = Flask(__name__)
    engine = app.extensions["rill"] = Engine(load(os.environ))
    users = itertools.count(1)
    gates = [Gate()]
    departures: list[float] = []

    def begin(speech: Speech) -> str:
        user_id, stream_id, run_id = UserId(next(users)), StreamId(new_id()), RunId(new_id())
        run = engine.runs.start(
            NewRun(
                user_id=user_id,
                stream_id=stream_id,
                run_id=run_id,
                assistant=ASSISTANT,
                conversation_id="",
                message_id="",
                first=Event(START, {"run_id": run_id, "assistant": ASSISTANT}),
                assistant_limit=2,
                user_limit=5,
                deadline_ms=600_000,
                ttl_ms=600_000,
            )
        )
        assert isinstance(run, Run)
        engine.runs.begin(run, lambda: speech.spoken(run.writer))
        return f"/streams/{user_id}/{stream_id}"

    @app.post("/prepare")
    def prepare() -> Response:
        query = request.args
        count, rate = int(query["streams"]), float(query["rate"])
        speech = Speech(int(query["events"]), query["kind"], rate, gate=gates[-1], hold=query["hold"] == "1")
        phases = [index / count / rate if rate else 0.0 for index in range(count)]
        return jsonify([begin(replace(speech, phase_s=phase_s)) for phase_s in phases])

    @app.post("/go")
    def go() -> Response:
        gates[-1].set()
        gates.append(Gate())
        return jsonify([])

    @app.post("/now")
    def now() -> Response:
        return jsonify([begin(Speech(1))])

    @app.get("/streams/<int:user_id>/<stream_id>")
    def stream(user_id: int, stream_id: str) -> Response:
        facts = StreamFacts(UserId(user_id), StreamId(stream_id), ASSISTANT, "")
        viewer = engine.hub.subscribe(
            facts, Plain(), last_event_id=request.headers.get("Last-Event-ID"), environ=request.environ
        )
        if isinstance(viewer, Finished):
            return Response(status=204)
        response = Response(viewer, content_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        response.call_on_close(lambda: departures.append(time.monotonic()))
        return response

    @app.get("/departures")
    def departed() -> Response:
        return jsonify(departures)

    return app
