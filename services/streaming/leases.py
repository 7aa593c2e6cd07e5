"""The leases of this worker's runs, renewed in good time, and the grace of runs that nobody watches."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import gevent
from redis import Redis
from redis.exceptions import RedisError

from services import errors
from services.streaming import keys
from services.streaming.hub import Hub
from services.streaming.log import LEASE_MS, LUA
from services.streaming.slots import SiteSlots
from services.streaming.state import NewRun
from services.streaming.writer import Writer

logger = logging.getLogger(__name__)

# A run that nobody has watched yet is given this long to be found.
FIRST_VIEWER_S: Final = 15.0
_RENEW_S: Final = LEASE_MS / 3000
_TICK_S: Final = 0.5
_BATCH: Final = 50


class Leased(Protocol):
    """What a lease is about: a run of this worker."""

    spec: NewRun
    writer: Writer
    renewed_s: float
    left_s: float | None


class Leases:
    """Renews the leases of runs.

    Args:
        runs: This worker's runs, at this moment.
        grace_s: How long a run goes on after its last viewer has left.
        on_unwatched: Told of a run that nobody has watched for that long.
    """

    def __init__(
        self,
        redis: Redis,
        site: SiteSlots,
        hub: Hub,
        *,
        runs: Callable[[], Sequence[Leased]],
        grace_s: float,
        on_unwatched: Callable[[NewRun], None],
    ) -> None:
        self._redis: Any = redis
        self._site = site
        self._hub = hub
        self._runs = runs
        self._grace_s = grace_s
        self._on_unwatched = on_unwatched
        self._script = redis.register_script((LUA / "renew.lua").read_text())

    def renew_for_ever(self) -> None:
        """Renew each lease at a third of it; for a greenlet of its own."""
        while True:
            gevent.sleep(_TICK_S)
            now_s = time.monotonic()
            due = [run for run in self._runs() if now_s - run.renewed_s >= _RENEW_S]
            for start in range(0, len(due), _BATCH):
                try:
                    self.renew(due[start : start + _BATCH])
                except Exception:  # the top of a greenlet: a lease that is not renewed ends a run
                    logger.exception("leases not renewed")
                gevent.sleep(0)

    def renew(self, runs: Sequence[Leased]) -> None:
        """Renew some leases now. Runs that are no longer ours are lost, unwatched ones told of."""
        pipeline = self._redis.pipeline(transaction=False)
        for run in runs:
            self._ask(run, pipeline)
        try:
            replies = pipeline.execute(raise_on_error=False)
            ours = {id(run) for run, reply in zip(runs, replies, strict=True) if _is_ours(reply)}
            # Only what goes on: a run that has just ended has given its slot back.
            going_on = [run for run in self._runs() if id(run) in ours]
            self._site.renew([run.spec.run_id for run in going_on])
            # One that ended while Redis was asked had given its slot back before it was taken again here.
            for run in set(going_on).difference(self._runs()):
                self._site.release(run.spec.run_id)
        except (RedisError, errors.Unavailable) as problem:
            logger.warning("redis is away, leases wait", extra={"reason": type(problem).__name__, "runs": len(runs)})
            return
        for run, reply in zip(runs, replies, strict=True):
            run.renewed_s = time.monotonic()
            if isinstance(reply, Exception):
                logger.warning("lease not renewed", extra={"run_id": run.spec.run_id, "reason": str(reply)[:200]})
            elif not reply[0]:
                run.writer.lose()
            elif reply[1] >= 0:
                self._count_grace(run, reply[1] / 1000, watched_once=bool(reply[2]))

    def _count_grace(self, run: Leased, unwatched_s: float, *, watched_once: bool) -> None:
        """Nobody watches a run: stop it if its time is up, else look again when it is, if no renewal comes before."""
        left_s = (self._grace_s if watched_once else max(self._grace_s, FIRST_VIEWER_S)) - unwatched_s
        if left_s <= 0:
            self._on_unwatched(run.spec)
        elif left_s < _RENEW_S:
            gevent.spawn_later(left_s, self._look_again, run)

    def _look_again(self, run: Leased) -> None:
        if run in self._runs():
            self.renew([run])

    def _ask(self, run: Leased, pipeline: Any) -> None:
        spec = run.spec
        viewers: str | int = ""
        if self._hub.has_viewers((spec.user_id, spec.stream_id)):
            viewers = "watched"
        elif run.left_s is not None:
            viewers = int(1000 * (time.monotonic() - run.left_s))
        self._script(
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
                viewers,
            ],
            client=pipeline,
        )


def _is_ours(reply: Any) -> bool:
    return not isinstance(reply, Exception) and bool(reply[0])
