"""Deleting what answers run in: they are stopped first, and what is left of their streams goes with it."""

import contextlib
from collections.abc import Callable, Mapping

from blueprints.extensions import services
from services import errors
from services.streaming.events import StreamId, UserId


def removed(user_id: int, kept: Mapping[str, bool], delete: Callable[[], object]) -> None:
    """Delete something with its streams.

    Args:
        kept: The streams, and whether an answer runs there.
        delete: Deletes what is stored of it.

    Raises:
        Unavailable: Redis is away, and something runs; nothing is deleted.
    """
    owner = UserId(user_id)
    stops = [services().runs.stop(owner, StreamId(stream_id)) for stream_id, is_running in kept.items() if is_running]
    delete()
    # A writer that has not confirmed might write once more; what it wrote then goes with its time to live.
    if all(stopped is None or stopped.confirmed for stopped in stops):
        with contextlib.suppress(errors.Unavailable):
            services().log.forget(owner, [StreamId(stream_id) for stream_id in kept])
