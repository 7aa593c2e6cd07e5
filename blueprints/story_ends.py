"""Deleting what stories are told of: what is being told is stopped first, and what is left of its streams goes too."""

import contextlib
from collections.abc import Callable, Mapping

from blueprints.extensions import services
from blueprints.stored import settle_ended
from services import errors
from services.streaming.events import StreamId, UserId


def delete_child(user_id: int, child_id: int) -> None:
    """Delete a child's profile with all its stories.

    Raises:
        NotFound: "Child not found".
        Unavailable: Redis is away; nothing is deleted.
    """
    stories = services().stories
    stories.child(user_id, child_id)
    _ended(user_id, stories.streams_of_child(user_id, child_id), lambda: stories.delete_child(user_id, child_id))


def delete_story(user_id: int, story_id: str) -> None:
    """Delete a story.

    Raises:
        NotFound: "Story not found".
        Unavailable: As `delete_child`.
    """
    stories = services().stories
    _ended(user_id, stories.streams_of_story(user_id, story_id), lambda: stories.delete_story(user_id, story_id))


def _ended(user_id: int, streams: Mapping[str, bool], delete: Callable[[], None]) -> None:
    """Delete what these streams tell; `streams` says of each whether it runs."""
    settle_ended(user_id)
    who = UserId(user_id)
    stops = [services().runs.stop(who, StreamId(one)) for one, is_running in streams.items() if is_running]
    delete()
    # A writer that has not confirmed might write once more; what it wrote then goes with its time to live.
    if all(stopped is None or stopped.confirmed for stopped in stops):
        with contextlib.suppress(errors.Unavailable):
            services().log.forget(who, [StreamId(one) for one in streams])
