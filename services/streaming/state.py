"""What Redis knows about a stream and its runs, as the scripts take and give it. Pure."""

from dataclasses import dataclass
from typing import Literal

from services.streaming.events import Event, RunId, StreamId, UserId

Status = Literal["running", "sealed", "idle", "closed"]


@dataclass(frozen=True, slots=True)
class State:
    """What Redis knows about a stream.

    Attributes:
        last: The seq of the last closing event of the latest run, 0 while it runs.
        lease_ms, idle_until_ms: On the Redis clock.
    """

    status: Status
    fence: int
    run_id: RunId
    assistant: str
    conversation_id: str
    message_id: str
    first: str
    lease_ms: int
    idle_until_ms: int
    outcome: str | None
    last: int
    confirmed: bool


@dataclass(frozen=True, slots=True)
class NewRun:
    """All that the start script needs.

    Attributes:
        follow: Whether the stream exists already and is idle.
        idle_ms: How long the stream stays open for another run after this one; 0 closes it.
        record: What a repeated request with the same idempotency key is answered with; JSON.
        fingerprint: Tells whether it is the same request.
    """

    user_id: UserId
    stream_id: StreamId
    run_id: RunId
    assistant: str
    conversation_id: str
    message_id: str
    first: Event
    assistant_limit: int
    user_limit: int
    deadline_ms: int
    ttl_ms: int
    idle_ms: int = 0
    follow: bool = False
    idempotency_key: str = ""
    record: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Started:
    """A run that was started: the writer's fence and the seq of its first event."""

    fence: int
    seq: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """A run taken from its writer. Its text is what the log holds from `first` up to `seq`."""

    fence: int
    seq: int
    first: str
    seal: str
