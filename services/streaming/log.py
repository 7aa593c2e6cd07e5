"""The event log of each stream in Redis, and the scripts that start, seal and end a run.

The entry id is `<fence>-<seq>`. Deltas are written by `flush.py` with plain XADD; everything that
raises the fence is a script here. docs/architecture.md has the picture, lua/*.lua the details.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError

from services import errors
from services.streaming import keys
from services.streaming.events import CLOSE, SEAL, Entry, Event, RunId, StreamId, UserId
from services.streaming.payload import decode, encode
from services.streaming.state import NewRun, Sealed, Started, State

# A run's lease, renewed at a third of it; a killed worker's slots are free after it.
LEASE_MS: Final = 10_000
# A run may outlive its deadline by its closing; its keys outlive both.
KEYS_SPARE_MS: Final = 60_000
LUA: Final = Path(__file__).parent / "lua"

_SEAL: Final = encode(Event(SEAL, {}))
_CLOSED_BY_STOP: Final = encode(Event(CLOSE, {"reason": "stopped"}))
_CLOSED_BY_IDLING: Final = encode(Event(CLOSE, {"reason": "idle"}))


class EventLog:
    """Reads and scripts on the logs. Every method raises `Unavailable` when Redis is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # its typed replies cover both decoded and raw
        self._scripts = {path.stem: redis.register_script(path.read_text()) for path in LUA.glob("*.lua")}

    def start(self, run: NewRun) -> Started | list[Any]:
        """Take the user's slots and write the first event.

        Returns:
            `Started`, or the script's refusal: lua/start.lua says which there are.
        """
        reply = self._call(
            "start",
            [
                keys.log(run.user_id, run.stream_id),
                keys.state(run.user_id, run.stream_id),
                keys.slots(run.user_id, run.assistant),
                keys.user_slots(run.user_id),
                keys.idempotency(run.user_id, run.idempotency_key),
            ],
            [
                run.stream_id,
                run.run_id,
                run.assistant,
                run.assistant_limit,
                run.user_limit,
                LEASE_MS,
                run.deadline_ms + run.ttl_ms + run.idle_ms + KEYS_SPARE_MS,
                run.idle_ms,
                encode(run.first),
                keys.live(run.user_id, run.stream_id),
                run.record,
                run.fingerprint,
                "follow" if run.follow else "new",
                run.conversation_id,
                run.message_id,
                keys.CONTROL,
                run.ttl_ms,
            ],
        )
        if reply[0] == b"started":
            return Started(int(reply[1]), int(reply[2]))
        return [part.decode() if isinstance(part, bytes) else part for part in reply]

    def abandon(self, run: NewRun) -> None:
        """Take back a start of a new stream."""
        self._call(
            "abandon",
            [
                keys.log(run.user_id, run.stream_id),
                keys.state(run.user_id, run.stream_id),
                keys.slots(run.user_id, run.assistant),
                keys.user_slots(run.user_id),
                keys.idempotency(run.user_id, run.idempotency_key),
            ],
            [run.stream_id, run.run_id, "1" if run.record else ""],
        )

    def keep_record(self, run: NewRun) -> None:
        """Keep what repeated requests are answered with: until the turn is stored it lapses with the lease."""
        key = keys.idempotency(run.user_id, run.idempotency_key)
        self._call("keep_record", [key], [run.record, run.fingerprint])

    def recorded(self, user_id: UserId, idempotency_key: str) -> tuple[str, str] | None:
        """Fingerprint and record of a start with this key, if there was one."""
        try:
            kept = self._redis.hmget(keys.idempotency(user_id, idempotency_key), "fingerprint", "record")
        except RedisError as problem:
            raise errors.Unavailable from problem
        return (kept[0].decode(), kept[1].decode()) if kept[0] is not None else None

    def finish(
        self,
        user_id: UserId,
        stream_id: StreamId,
        run_id: RunId,
        *,
        assistant: str,
        fence: int,
        seq: int,
        outcome: str,
        closing: Sequence[Event],
        close: Event | None,
        close_now: bool = False,
    ) -> tuple[str, str]:
        """Write a run's closing events and free its slots.

        Args:
            seq: The seq of the last entry that the caller knows of; nothing may be missing before the end.
            close: The event that closes the stream, written when it is not left idle.
            close_now: Close it even if it could idle.

        Returns:
            What lua/finish.lua says, and what it adds (for `ended` the outcome).
        """
        reply = self._call(
            "finish",
            [
                keys.log(user_id, stream_id),
                keys.state(user_id, stream_id),
                keys.slots(user_id, assistant),
                keys.user_slots(user_id),
            ],
            [
                stream_id,
                run_id,
                fence,
                seq,
                outcome,
                keys.live(user_id, stream_id),
                "close" if close_now else "",
                encode(close) if close else "",
                *map(encode, closing),
            ],
        )
        detail = reply[1] if len(reply) > 1 else b""
        return reply[0].decode(), detail.decode() if isinstance(detail, bytes) else str(detail)

    def seal(
        self, user_id: UserId, stream_id: StreamId, *, outcome: str, run_id: RunId | None = None
    ) -> Sealed | str | None:
        """Take a run from its writer, or close an idle stream.

        Args:
            outcome: What the run will have ended as.
            run_id: Only if this is still its run; idle streams are left alone then.

        Returns:
            `Sealed`; the outcome of a stream that is closed now; None if there is no such stream.
        """
        reply = self._call(
            "stop",
            [keys.log(user_id, stream_id), keys.state(user_id, stream_id)],
            [
                outcome,
                LEASE_MS,
                keys.live(user_id, stream_id),
                keys.CONTROL,
                stream_id,
                _SEAL,
                _CLOSED_BY_STOP,
                run_id or "",
            ],
        )
        return _sealed(reply)

    def seal_orphan(self, user_id: UserId, stream_id: StreamId) -> Sealed | str | None:
        """Take a run whose lease has lapsed; `"alive"` if it has not."""
        reply = self._call(
            "orphan",
            [keys.log(user_id, stream_id), keys.state(user_id, stream_id)],
            [LEASE_MS, keys.live(user_id, stream_id), _SEAL],
        )
        return "alive" if reply[0] == b"alive" else _sealed(reply)

    def close_idle(self, user_id: UserId, stream_id: StreamId) -> bool:
        """Close a stream that has been idle for long enough; whether this call did it."""
        reply = self._call(
            "close",
            [keys.log(user_id, stream_id), keys.state(user_id, stream_id)],
            [keys.live(user_id, stream_id), _CLOSED_BY_IDLING],
        )
        return bool(reply)

    def confirm(self, user_id: UserId, stream_id: StreamId, run_id: RunId) -> bool:
        """Say that the owner has closed the call to the model of a run that was taken from it.

        Returns:
            Whether Redis knows the stream at all.
        """
        key = keys.state(user_id, stream_id)
        try:
            known = self._redis.hget(key, "run")
            if known == run_id.encode():
                self._redis.hset(key, "confirmed", 1)
        except RedisError as problem:
            raise errors.Unavailable from problem
        return known is not None

    def forget(self, user_id: UserId, stream_ids: Sequence[StreamId]) -> None:
        """Delete what is kept of streams on which nothing runs any more."""
        names = [key(user_id, stream_id) for stream_id in stream_ids for key in (keys.log, keys.state, keys.viewers)]
        try:
            if names:
                self._redis.delete(*names)
        except RedisError as problem:
            raise errors.Unavailable from problem

    def state(self, user_id: UserId, stream_id: StreamId) -> State | None:
        """A stream's state, or None if there is none (any more) of this user's."""
        try:
            raw = self._redis.hgetall(keys.state(user_id, stream_id))
        except RedisError as problem:
            raise errors.Unavailable from problem
        if b"fence" not in raw:
            return None
        text = {name.decode(): value.decode() for name, value in raw.items()}
        return State(
            status=text["status"],
            fence=int(text["fence"]),
            run_id=RunId(text["run"]),
            assistant=text["assistant"],
            conversation_id=text["conversation"],
            message_id=text["message"],
            first=text["first"],
            lease_ms=int(text["lease"]),
            idle_until_ms=int(text.get("idle_until", 0)),
            outcome=text.get("outcome"),
            last=int(text.get("last", 0)),
            confirmed="confirmed" in text,
        )

    def read(self, user_id: UserId, stream_id: StreamId, *, after: int = 0, first: str = "-") -> list[Entry]:
        """The entries of a stream, oldest first.

        Args:
            after: Only those with a higher seq. Fences rise, so all entries are looked at from `first` on.
            first: The entry id to begin at.
        """
        try:
            raw = self._redis.execute_command("XRANGE", keys.log(user_id, stream_id), first, "+")
        except RedisError as problem:
            raise errors.Unavailable from problem
        entries = [decode(entry_id, fields[1]) for entry_id, fields in raw]
        return [entry for entry in entries if entry.seq > after] if after else entries

    def held(self, user_id: UserId, assistant: str) -> tuple[list[StreamId], list[StreamId]]:
        """The streams that hold this user's slots: of one assistant, and over all."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.time()
        for key in (keys.slots(user_id, assistant), keys.user_slots(user_id)):
            pipeline.zrange(key, 0, -1, withscores=True)
        try:
            (seconds, micros), *found = pipeline.execute()
        except RedisError as problem:
            raise errors.Unavailable from problem
        now_ms = seconds * 1000 + micros // 1000
        of_assistant, of_user = ([StreamId(name.decode()) for name, lease in some if lease > now_ms] for some in found)
        return of_assistant, of_user

    def running(self, user_id: UserId) -> list[StreamId]:
        """The streams that this user has running."""
        try:
            members = self._redis.zrange(keys.user_slots(user_id), 0, -1)
        except RedisError as problem:
            raise errors.Unavailable from problem
        return [StreamId(member.decode()) for member in members]

    def _call(self, name: str, names: list[str], args: list[Any]) -> Any:
        try:
            return self._scripts[name](keys=names, args=args)
        except RedisError as problem:
            raise errors.Unavailable from problem


def _sealed(reply: list[Any]) -> Sealed | str | None:
    if reply[0] == b"sealed":
        return Sealed(int(reply[1]), int(reply[2]), reply[3].decode(), reply[4].decode())
    return reply[1].decode() if reply[0] == b"closed" else None
