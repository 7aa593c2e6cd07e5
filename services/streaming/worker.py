"""The gunicorn worker: gevent's, that starts the hub and drains before it goes.

gunicorn's own stop waits for responses only, cuts runs in the background, and its master kills as soon
as its own clock says so. So, once told to go, this worker closes its listener, sends its viewers away,
then waits for its runs while it keeps telling the master that it lives. At a reload it serves on until
the next workers do.
"""

import gc
import mmap
import os
import signal
import sys
import time
from functools import partial
from typing import Any, Final

import gevent
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn.workers.ggevent import GeventWorker  # type: ignore[import-untyped]  # gunicorn has no hints

# Viewers come back spread over this and twice this, after the next worker listens.
_RETRY_MS: Final = 150
# How long responses that have been told to end may take to do so.
_LAST_BYTES_S: Final = 2.0
# A drain ends so long after its budget at the latest, also when Redis hangs and clients take nothing: the master kills
# 5 s after it (gunicorn.conf.py).
_OVERTIME_S: Final = 4.5


class Handover:
    """Memory that the master shares with all its workers: at a reload, which of the new ones serve already.

    A worker's age is its number among all that the master has started.
    """

    _PLACES: Final = 4096

    def __init__(self) -> None:
        # Anonymous and shared: made when the master imports this module, inherited by every fork.
        self._memory = mmap.mmap(-1, 8 + self._PLACES)

    def begin(self, age: int) -> None:
        """A reload begins: workers up to this age are replaced. Called by the master."""
        self._memory[:] = age.to_bytes(8, "big") + bytes(self._PLACES)

    def serving(self, age: int) -> None:
        """The worker of this age serves now."""
        self._memory[8 + age % self._PLACES] = 1

    def is_pending(self, age: int, workers: int) -> bool:
        """Whether a worker of this age is replaced by workers of which some do not serve yet."""
        replaced = int.from_bytes(self._memory[:8], "big")
        successors = range(replaced + 1, replaced + 1 + workers)
        return age <= replaced and not all(self._memory[8 + one % self._PLACES] for one in successors)


def _calm_the_collector() -> None:
    """Leave what was loaded alone, and look at the rest less often.

    Entries and viewers are many and free of cycles: by default their allocation alone sets off full collections, which
    cost a seventh of a delivered event and stall a worker with thousands of viewers (docs/operations.md, "Figures").
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def last_bytes_until_s(budget_ends_s: float, now_s: float) -> float:
    """Until when a drain waits for responses that have been told to end."""
    return min(max(budget_ends_s, now_s) + _LAST_BYTES_S, budget_ends_s + _OVERTIME_S)


class RillWorker(GeventWorker):  # type: ignore[misc]  # as above
    """See the module's text."""

    handover: Final = Handover()
    # How long one read of a request's body, or one write of its answer, may take.
    stalled_s = 60.0

    def init_process(self) -> None:
        """Load the application, then open its connections before the first request."""
        self._servers: list[Any] = []
        self._is_leaving = False
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
            # Until gunicorn sets this worker's handlers, there is the master's, which would keep the signal from it.
            signal.signal(number, lambda *_: os._exit(0))
        super().init_process()

    def run(self) -> None:
        """Serve until told to go, then drain."""
        services = self.wsgi_services()
        services.start()
        _calm_the_collector()
        self._listen()
        self.handover.serving(self.age)
        while self.alive:
            self.notify()
            gevent.sleep(0.1)
        self._drain(services)

    def handle_quit(self, *_: object) -> None:
        """Leave at once, without a drain; once: Ctrl-C comes from the terminal, and then again from the master."""
        if not self._is_leaving:
            self._is_leaving = True
            gevent.spawn(self._leave)

    def _leave(self) -> None:
        # The second would kill an interpreter that has given its handlers up already.
        for number in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        # gevent throws it at the main greenlet, wherever that waits.
        sys.exit()

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> Any:
        """Serve a request; a client that sends the rest of it, or takes the answer, too slowly is left."""
        # gunicorn would wait for ever, and each who does so holds one of this worker's greenlets.
        sock.settimeout(self.stalled_s)
        try:
            return super().handle_request(listener_name, req, sock, addr)
        except TimeoutError:
            self.log.debug("Ignoring a client that stalled")
            raise StopIteration from None

    def wsgi_services(self) -> Any:
        """The wired services of the application that this worker serves."""
        application = self.app.callable
        return application.extensions["rill"]

    def _listen(self) -> None:
        for listener in self.sockets:
            listener.setblocking(1)
            server = StreamServer(listener, handle=partial(self.handle, listener), spawn=Pool(self.worker_connections))
            if self.cfg.workers > 1:
                # One connection a turn, so that another worker may take the next.
                server.max_accept = 1
            server.start()
            self._servers.append(server)

    def _drain(self, services: Any) -> None:
        started = time.monotonic()
        drain_s = services.settings.drain_s
        # At a reload the next workers import the site first; whoever was sent away now would wait for that.
        while self.handover.is_pending(self.age, self.cfg.workers) and time.monotonic() < started + drain_s:
            self.notify()
            gevent.sleep(0.02)
        # The listener first: viewers that were sent away must not come back to this worker.
        for server in self._servers:
            server.close()
        services.runs.draining = True
        services.hub.send_away(retry_ms=_RETRY_MS)
        services.runs.drain(seconds=started + drain_s - time.monotonic(), notify=self.notify)
        patience = last_bytes_until_s(started + drain_s, time.monotonic())
        while self._busy() and time.monotonic() < patience:
            self.notify()
            gevent.sleep(0.05)
        self.log.info("worker drained (pid:%s) in %.1f s", self.pid, time.monotonic() - started)
        for server in self._servers:
            server.stop(timeout=0)
        services.close()

    def _busy(self) -> bool:
        return any(server.pool.free_count() != server.pool.size for server in self._servers)
