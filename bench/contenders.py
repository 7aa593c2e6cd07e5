"""Who is measured: one class per contender that starts its processes and speaks the control routes they all have.

The control routes, the same for all (bench/app.py for ours, bench/peers/ for the others):

    POST /prepare?streams=&events=&rate=&kind=&hold=
                                                 streams whose producers wait for the gate -> JSON list of paths
    POST /go                                     the gate opens; rate 0 is unpaced, else events a second and stream, the
                                                 streams' clocks spread evenly over one period
    POST /now                                    one stream that starts at once -> JSON list of one path
    GET  <path>                                  the stream; `Last-Event-ID` where the contender replays
    GET  /departures                             JSON list of times (time.monotonic()) at which viewers were found gone

`kind` and `hold` mean something to ours only (bench/app.py, `Speech`): unpaced producers make an event when the one
before it is in the log, as the peer's that awaits XADD, so that nothing is merged, but for the kind `open`; with `hold`
the run goes on living after its last event, so that the worker keeps following it.
"""

import http.client
import shutil
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self
from urllib.parse import urlencode

import orjson

from bench.load import Viewer
from bench.processes import PEERS, ROOT, Process, Valkey, free_port, listens, python, wait_until

# 15,000 viewers fit, so that no contender is measured at its cap.
CONNECTIONS = "15000"
GUNICORN = (
    "-m",
    "gunicorn",
    "-w",
    "1",
    "--worker-connections",
    CONNECTIONS,
    "--no-control-socket",
    "--log-level",
    "warning",
)


@dataclass
class Contender:
    """A contender; it runs inside a `with` statement.

    Attributes:
        name: As the tables show it.
        durable: Each event is in Valkey before a viewer has it.
        replays: It answers `Last-Event-ID`.
        head_early: The response begins before the first event.
        scale: Its events in an unpaced run, relative to the in-memory peer, so that each run lasts seconds.
    """

    name: ClassVar[str]
    durable: ClassVar[bool] = False
    replays: ClassVar[bool] = False
    head_early: ClassVar[bool] = True
    uses_valkey: ClassVar[bool] = True
    scale: ClassVar[float] = 1.0
    folder: ClassVar[Path] = PEERS
    kind: ClassVar[str] = "delta"
    valkey: Valkey | None = None
    port: int = field(default_factory=free_port)
    web: Process = field(init=False)
    _started: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._started.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._started.close()

    def _start(self) -> None:
        """Start the processes; each is noted at once in `_started`, so that it is stopped whatever happens next."""
        if self.valkey is None and self.uses_valkey:
            self.valkey = Valkey()
            self._started.callback(self.valkey.stop)
        # Peers run in their own folder: gunicorn reads a gunicorn.conf.py that lies where it is started.
        self.web = Process(self.argv(), env=self.env(), cwd=self.folder)
        self._started.callback(self.web.stop)
        wait_until(lambda: listens(self.port), self.web, self.name)

    def argv(self) -> list[str]:
        raise NotImplementedError

    def env(self) -> dict[str, str]:
        return {"BENCH_REDIS_URL": self.valkey.url if self.valkey else ""}

    def cpu_s(self) -> tuple[float, float]:
        """CPU so far: of all, and of it Valkey's."""
        of_valkey = self.valkey.process.cpu_s() if self.valkey else 0.0
        return self.web.cpu_s() + of_valkey, of_valkey

    def call(self, method: str, path: str, **query: object) -> object:
        """One control request; the JSON that it answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, f"{path}?{urlencode(query)}" if query else path)
            response = connection.getresponse()
            body = response.read()
            if response.status >= 300:
                raise RuntimeError(
                    f"{self.name}: {method} {path}: {response.status} {body[:500]!r}\n{self.web.output()}"
                )
            return orjson.loads(body)
        finally:
            connection.close()

    def prepare(self, *, streams: int, events: int, rate: float = 0.0, hold: bool = False) -> list[str]:
        paths = self.call("POST", "/prepare", streams=streams, events=events, rate=rate, kind=self.kind, hold=int(hold))
        assert isinstance(paths, list)
        return paths

    def go(self) -> None:
        self.call("POST", "/go")

    def settle(self, viewers: list[Viewer]) -> None:
        """Wait until all of `viewers` would see an event published now."""

    def departures(self) -> list[float]:
        times = self.call("GET", "/departures")
        assert isinstance(times, list)
        return times


class Rill(Contender):
    """Ours: the engine of services/streaming under the site's own worker class and gunicorn.conf.py."""

    name = "rill"
    durable = True
    replays = True
    scale = 2.0
    folder = ROOT
    application: ClassVar[str] = "bench.app:create_app()"

    def _start(self) -> None:
        self.data_dir = Path(tempfile.mkdtemp(prefix="bench-"))
        self._started.callback(shutil.rmtree, self.data_dir, ignore_errors=True)
        super()._start()

    def env(self) -> dict[str, str]:
        assert self.valkey is not None
        return {
            "DATA_DIR": str(self.data_dir), "REDIS_URL": self.valkey.url, "DATABASE_URL": "", "WEB_CONCURRENCY": "1",
            "BIND": "127.0.0.1", "PORT": str(self.port), "MAX_STREAMING_CONNECTIONS": "100000",
        }  # fmt: skip

    def argv(self) -> list[str]:
        return python("-m", "gunicorn", "-c", "gunicorn.conf.py", "--worker-connections", CONNECTIONS, self.application)


class RillMerging(Rill):
    """The same with producers that wait for nothing: the engine merges deltas while a write is in flight."""

    name = "rill, merging"
    kind = "open"
    scale = 6.0


class RillEvents(Rill):
    """The same with events that are not text and so are never merged, in a replay neither."""

    name = "rill, not text"
    kind = "event"
    scale = 6.0


class Uvicorn(Contender):
    """A Starlette application as its documentation serves it, on the fast loop and parser."""

    module: ClassVar[str]

    def argv(self) -> list[str]:
        return python(
            "-m", "uvicorn", "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning",
            "--host", "127.0.0.1", "--port", str(self.port), "--app-dir", str(PEERS), f"{self.module}:app",
        )  # fmt: skip


class StarletteRedis(Uvicorn):
    name = "sse-starlette, Redis"
    module = "starlette_redis"
    durable = True
    replays = True
    scale = 0.15


class StarletteMemory(Uvicorn):
    name = "sse-starlette, memory"
    module = "starlette_memory"
    uses_valkey = False


class FlaskSse(Contender):
    name = "Flask-SSE"
    # Its response has no head until the first event is there.
    head_early = False
    scale = 0.15

    def argv(self) -> list[str]:
        return python(
            *GUNICORN, "-k", "gevent", "-b", f"127.0.0.1:{self.port}", "--chdir", str(PEERS), "flask_sse_app:app"
        )

    def settle(self, viewers: list[Viewer]) -> None:
        assert self.valkey is not None
        deadline = time.monotonic() + 60
        while len(self.valkey.client.pubsub_channels("stream-*")) < len({viewer.target.path for viewer in viewers}):
            if time.monotonic() > deadline:
                raise RuntimeError("Flask-SSE: not all viewers subscribed in time")
            time.sleep(0.02)
