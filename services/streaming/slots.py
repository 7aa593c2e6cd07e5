"""Slots of the whole site: leases in one sorted set, on the Redis clock.

A user's own slots are taken by lua/start.lua together with the stream; the site's stand under
another hash tag and are taken first, and given back when the user's are refused.
"""

from collections.abc import Sequence

from redis import Redis
from redis.exceptions import RedisError

from services import errors
from services.streaming import keys
from services.streaming.events import StreamId
from services.streaming.log import LEASE_MS, LUA


class SiteSlots:
    """The site's cap on runs that are pending or generating."""

    def __init__(self, redis: Redis, *, limit: int) -> None:
        self._redis = redis
        self._limit = limit
        self._script = redis.register_script((LUA / "site_slot.lua").read_text())

    def acquire(self, stream_id: StreamId) -> None:
        """Take one of the site's slots for a lease.

        Raises:
            SiteFull: Every slot is held.
            Unavailable: Redis is away.
        """
        reply = self._call(self._limit, [stream_id])
        if not reply[0]:
            raise errors.SiteFull(
                f"The site is answering {reply[1]} of {self._limit} questions at once. Try again in a moment.",
                retry_after_s=5,
                extra={"limit": self._limit, "current": int(reply[1])},
            )

    def renew(self, stream_ids: Sequence[StreamId]) -> None:
        """Renew the leases of runs that go on."""
        if stream_ids:
            self._call(0, stream_ids)

    def release(self, stream_id: StreamId) -> None:
        """Give a slot back."""
        try:
            self._redis.zrem(keys.SITE_SLOTS, stream_id)
        except RedisError as problem:
            raise errors.Unavailable from problem

    def _call(self, limit: int, stream_ids: Sequence[StreamId]) -> list[int]:
        try:
            reply: list[int] = self._script(keys=[keys.SITE_SLOTS], args=[limit, LEASE_MS, *stream_ids])
        except RedisError as problem:
            raise errors.Unavailable from problem
        return reply
