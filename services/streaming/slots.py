"""Slots of the whole site: leases in one sorted set, on the Redis clock.

A user's own slots are taken by lua/start.lua together with the stream; the site's stand under
another hash tag and are taken first, and given back when the user's are refused. They are held by runs,
not by streams: a follow-up that is refused must not give back the slot of what runs on its stream.
"""

from collections.abc import Sequence

from redis import Redis
from redis.exceptions import RedisError

from services import errors
from services.streaming import keys
from services.streaming.events import RunId
from services.streaming.log import LEASE_MS, LUA


class SiteSlots:
    """The site's cap on runs that are pending or generating."""

    def __init__(self, redis: Redis, *, limit: int) -> None:
        self._redis = redis
        self._limit = limit
        self._script = redis.register_script((LUA / "site_slot.lua").read_text())

    def acquire(self, run_id: RunId) -> None:
        """Take one of the site's slots for a lease.

        Raises:
            SiteFull: Every slot is held.
            Unavailable: Redis is away.
        """
        reply = self._call(self._limit, [run_id])
        if not reply[0]:
            raise errors.SiteFull(
                f"The site is answering {reply[1]} of {self._limit} questions at once. Try again in a moment.",
                retry_after_s=5,
                extra={"limit": self._limit, "current": int(reply[1])},
            )

    def renew(self, run_ids: Sequence[RunId]) -> None:
        """Renew the leases of runs that go on."""
        if run_ids:
            self._call(0, run_ids)

    def release(self, run_id: RunId) -> None:
        """Give a slot back."""
        try:
            self._redis.zrem(keys.SITE_SLOTS, run_id)
        except RedisError as problem:
            raise errors.Unavailable from problem

    def _call(self, limit: int, run_ids: Sequence[RunId]) -> list[int]:
        try:
            reply: list[int] = self._script(keys=[keys.SITE_SLOTS], args=[limit, LEASE_MS, *run_ids])
        except RedisError as problem:
            raise errors.Unavailable from problem
        return reply
