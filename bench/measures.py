"""The measurements W1 to W5 and the departure of a client, each of one contender in one round.

Every function takes a running contender and gives figures by name. Rounds, medians and goals are others' business.
"""

import math
import socket
import time
from collections.abc import Mapping

from bench.contenders import Contender, Rill
from bench.durability import found_on_receipt, silent_while_stalled
from bench.frames import WireError
from bench.load import Load, MiddleViewer, Target, TextViewer, TimedViewer, Viewer

Figures = Mapping[str, float]
# W1's events a stream for the in-memory peer; the others get `scale` times as many.
UNPACED_EVENTS = 300
PACED_VIEWERS, PACED_RATE = 1000, 20.0
STORED_EVENTS, SEEN_EVENTS = 2000, 1000
AT_ONCE = 50


def quantile(values: list[float], share: float) -> float:
    """The nearest-rank quantile."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def throughput(contender: Contender, *, size: float) -> Figures:
    """W1: 200 streams with one viewer each, producers unpaced."""
    streams = 200
    events = max(10, int(UNPACED_EVENTS * contender.scale * size))
    open_loop = contender.kind == "open"
    paths = contender.prepare(streams=streams, events=events)
    viewers: list[Viewer] = (
        [TextViewer(Target(path), 2 * events) for path in paths]
        if open_loop
        else [Viewer(Target(path), events) for path in paths]
    )
    with Load(contender.port) as load:
        load.open(viewers, wait_for_head=contender.head_early)
        contender.settle(viewers)
        cpu_before, valkey_before = contender.cpu_s()
        start = time.monotonic()
        contender.go()
        load.run(timeout_s=120)
        elapsed = max(viewer.done_at for viewer in viewers) - start
        cpu, of_valkey = contender.cpu_s()
    wire_events = sum(viewer.events for viewer in viewers)
    cpu_us, valkey_us = (cpu - cpu_before) * 1e6, (of_valkey - valkey_before) * 1e6
    return {
        "cpu_us": cpu_us / wire_events,
        "valkey_us": valkey_us / wire_events,
        **({"made_us": cpu_us / (streams * events), "merged": streams * events / wire_events} if open_loop else {}),
        "per_read": wire_events / sum(viewer.reads for viewer in viewers),
        "per_s": wire_events / elapsed,
        "load_busy": load.cpu_s / elapsed,
    }


def paced(contender: Contender, *, size: float, viewers_wanted: int = PACED_VIEWERS) -> Figures:
    """W2: viewers on streams of their own, each fed 20 times a second; the lag from making to reading."""
    seconds = 8 * size
    events = int(PACED_RATE * seconds)
    paths = contender.prepare(streams=viewers_wanted, events=events, rate=PACED_RATE)
    lags: list[float] = []
    viewers = [TimedViewer(Target(path), events, lags) for path in paths]
    with Load(contender.port) as load:
        load.open(viewers, wait_for_head=contender.head_early)
        contender.settle(viewers)
        cpu_before, _ = contender.cpu_s()
        start = time.monotonic()
        contender.go()
        load.run(timeout_s=120)
        elapsed = max(viewer.done_at for viewer in viewers) - start
        cpu, _ = contender.cpu_s()
    return {
        "cpu_us": (cpu - cpu_before) * 1e6 / len(lags),
        # What a producer could not make in time is made late, so a slow contender shows as a longer run.
        # (The streams' clocks are spread over one period.)
        "rate_held": min(1.0, (seconds + 1 / PACED_RATE) / elapsed),
        "p50_ms": quantile(lags, 0.5) * 1e3,
        "p99_ms": quantile(lags, 0.99) * 1e3,
        "load_busy": load.cpu_s / elapsed,
    }


def idle_memory(contender: Contender, *, size: float) -> Figures:
    """W3: what a viewer adds to the web process while its stream, prepared before, is silent."""
    warm, measured = 200, int(2000 * size)
    paths = contender.prepare(streams=warm + measured, events=1)
    with Load(contender.port) as load:
        first = [Viewer(Target(path), 1) for path in paths[:warm]]
        load.open(first, wait_for_head=contender.head_early)
        contender.settle(first)
        load.watch(0.5)
        before = contender.web.rss_bytes()
        more = [Viewer(Target(path), 1) for path in paths[warm:]]
        load.open(more, wait_for_head=contender.head_early)
        contender.settle([*first, *more])
        load.watch(0.5)
        after = contender.web.rss_bytes()
    return {"kb": (after - before) / 1024 / measured}


def first_event(contender: Contender, *, size: float) -> Figures:
    """W4: POST, then GET on the same new connection, until the first event is in."""
    times = [_first_event_s(contender) for _ in range(int(220 * size))]
    # The first requests of a process also import and compile.
    steady = times[20:] if len(times) > 40 else times
    return {"p50_ms": quantile(steady, 0.5) * 1e3, "p99_ms": quantile(steady, 0.99) * 1e3}


def _first_event_s(contender: Contender) -> float:
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", contender.port), timeout=10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(b"POST /now HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
        answer = Viewer(Target("/now"), 1).body
        path = b""
        while not answer.ended:
            path += answer.feed(_some(sock))
        path = path.strip()[2:-2]
        sock.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n")
        viewer = Viewer(Target(path.decode()), 1)
        while not viewer.done:
            viewer.feed(_some(sock), time.monotonic())
    return viewer.done_at - start


def _some(sock: socket.socket) -> bytes:
    data = sock.recv(65536)
    if not data:
        raise WireError("the connection ended before the first event")
    return data


def catching_up(contender: Contender, *, size: float) -> Figures:
    """W5: from Last-Event-ID in the middle of 2,000 events until the 1,000 missing are in.

    `warm`: the worker that answers has the log. `cold`: another process, which follows the stream for the first time.
    """
    figures = {}
    repeats = max(3, int(15 * size))
    seen_id = _stored(contender)
    warm = [_catch_up_s(contender.port, contender, *seen_id, viewers=1) for _ in range(repeats)]
    figures["warm_ms"] = quantile(warm, 0.5) * 1e3
    together = [_catch_up_s(contender.port, contender, *seen_id, viewers=AT_ONCE) for _ in range(3)]
    figures["at_once_ms"] = quantile(together, 0.5) * 1e3
    if isinstance(contender, Rill):
        with type(contender)(valkey=contender.valkey) as other:
            # One stream is followed before, so that imports and connections are not counted; each of the others once.
            stored = [_stored(contender) for _ in range(repeats + 1)]
            _catch_up_s(other.port, contender, *stored[0], viewers=1)
            cold = [_catch_up_s(other.port, contender, *one, viewers=1) for one in stored[1:]]
            figures["cold_ms"] = quantile(cold, 0.5) * 1e3
    return figures


def _stored(contender: Contender) -> tuple[str, str]:
    """Make a stream of 2,000 events whose run goes on living; its path and the id of its 1,000th event."""
    [path] = contender.prepare(streams=1, events=STORED_EVENTS, hold=True)
    with Load(contender.port) as load:
        watcher = MiddleViewer(Target(path), STORED_EVENTS, SEEN_EVENTS)
        load.open([watcher])
        contender.go()
        load.run(timeout_s=60)
    return path, watcher.middle_id


def _catch_up_s(port: int, contender: Contender, path: str, seen_id: str, *, viewers: int) -> float:
    target = Target(path, (("Last-Event-ID", seen_id),))
    missing = STORED_EVENTS - SEEN_EVENTS
    waiting: list[Viewer] = (
        [TextViewer(target, 2 * missing) for _ in range(viewers)]
        if isinstance(contender, Rill) and contender.kind == "delta"
        else [Viewer(target, missing) for _ in range(viewers)]
    )
    with Load(port) as load:
        load.open(waiting, wait_for_head=False)
        load.run(timeout_s=60)
    return max(viewer.done_at for viewer in waiting) - min(viewer.opened_at for viewer in waiting)


def departure(contender: Contender, *, size: float) -> Figures:
    """How long until the server knows that an idle viewer has left: the slowest of several, by each way of leaving."""
    limit_s = 2.0
    figures = {}
    for how in ("fin", "rst", "half"):
        paths = contender.prepare(streams=max(2, int(10 * size)), events=1)
        known = len(contender.departures())
        viewers = [Viewer(Target(path), 1) for path in paths]
        with Load(contender.port) as load:
            load.open(viewers, wait_for_head=contender.head_early)
            contender.settle(viewers)
            load.watch(0.1)
            left_at = time.monotonic()
            load.close(how=how)
            while len(times := contender.departures()) < known + len(viewers) and time.monotonic() < left_at + limit_s:
                time.sleep(0.05)
            for viewer in viewers:
                viewer.sock.close()
        noticed = times[known:]
        figures[f"{how}_ms"] = (max(noticed) - left_at) * 1e3 if len(noticed) == len(viewers) else math.inf
    return figures


def durability(contender: Contender, *, size: float) -> Figures:
    """Events found in the log on receipt, and received around a log that took nothing for half a second."""
    del size
    return {"found": found_on_receipt(contender), "held_back": silent_while_stalled(contender)}
