"""A stream told from its stored answers, when its log has expired: the same events, and never a second answer."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask import g

from blueprints.extensions import services
from services import errors
from services.assistants.stories.telling import SAFETY, WRITE
from services.store import conversations
from services.store.conversations import Message
from services.streaming.answers import folded
from services.streaming.events import (
    CHECK,
    CLOSE,
    DELTA,
    END,
    ERROR,
    METADATA,
    PROGRESS,
    START,
    STEP,
    STOPPED,
    TOOL_CALL,
    TOOL_RESULT,
    Entry,
    Event,
    StreamId,
    UserId,
)
from services.streaming.views import StreamFacts
from services.streaming.wire import parse_event_id

_STREAM_ID: Final = re.compile(r"[A-Za-z0-9]{1,64}")
# How long another request may take from the stream that it makes to the turn that it stores, and how often to look.
_BEGUN_WITHIN_S: Final = 2.0
_LOOK_EVERY_S: Final = 0.02
_STEPS: Final = frozenset({TOOL_CALL, TOOL_RESULT})
_WORKFLOW: Final = frozenset({STEP, PROGRESS, CHECK})
_OVER: Final = "completed"
_GONE: Final = "Nothing of this answer is kept. Ask again."
_BROKEN_OFF: Final = "The answer did not come to its end. What came is kept; continue or try again."


@dataclass(frozen=True, slots=True)
class StoredStream:
    """What is left of a stream without a log: its facts, its answers and the events that they make."""

    facts: StreamFacts
    answers: Sequence[Message]
    entries: Sequence[Entry]

    @property
    def last(self) -> int:
        """The seq of the last answer's end in the log that there was; 0 if nobody knows."""
        return _last_of(self.answers[-1])

    def has_been_read(self, last_event_id: str | None, shows: Callable[[Entry], bool]) -> bool:
        """Whether a reader with this cursor has seen all that its dialect shows of it."""
        place = parse_event_id(last_event_id) if last_event_id else None
        if not place or place[0] != self.facts.stream_id or not self.last or place[1] > self.entries[-1].seq:
            return False
        return not any(shows(entry) for entry in self.entries if entry.seq > place[1])


def answers_of(user_id: int, stream_id: str) -> list[Message]:
    """The stored answers of a stream, the newest last.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    rows: list[Message] = []
    if _STREAM_ID.fullmatch(stream_id):
        rows = services().database.run(conversations.by_stream, user_id, stream_id)
    rows = [row for row in rows if row.role == "assistant"]
    if not rows:
        raise errors.NotFound("Stream not found")
    return rows


def settled_answers_of(user_id: int, stream_id: str) -> list[Message]:
    """As `answers_of`, after settling those whose runs ended without being stored.

    Raises:
        NotFound: Unknown, or somebody else's.
        Unavailable: Redis is away.
    """
    rows = answers_of(user_id, stream_id)
    running = [row for row in rows if row.outcome is None]
    for row in running:
        services().turns.recover(row, user_id)
    return answers_of(user_id, stream_id) if running else rows


def begun_answers_of(user_id: int, stream_id: str) -> list[Message]:
    """As `answers_of`, for a stream that another request may be starting: its turn is stored after the stream is made.

    Returns:
        The stored answers; none if that start was refused after all, or they were deleted since.

    Raises:
        Unavailable: It is still being stored, or Redis is away.
    """
    until_s = time.monotonic() + _BEGUN_WITHIN_S
    while True:
        try:
            return answers_of(user_id, stream_id)
        except errors.NotFound:
            if services().log.state(UserId(user_id), StreamId(stream_id)) is None:
                return []
        if time.monotonic() > until_s:
            raise errors.Unavailable
        # Patched by gevent: the other request goes on meanwhile.
        time.sleep(_LOOK_EVERY_S)


def settle_ended(user_id: int) -> None:
    """Store what has ended at this very moment: a client that has read an answer's end may ask the next thing at once.

    What is not stored now, because Redis is away, is swept later.
    """
    services().turns.settle_of(user_id)


def stored_stream(user_id: int, stream_id: StreamId) -> StoredStream:
    """A stream whose log has expired.

    Raises:
        NotFound: Unknown, or somebody else's.
        Unavailable: Redis is away.
    """
    rows = settled_answers_of(user_id, stream_id)
    conversation = services().database.run(conversations.get, user_id, rows[-1].conversation_id)
    facts = StreamFacts(UserId(user_id), stream_id, conversation.assistant, conversation.id)
    return StoredStream(facts, rows, _entries_of(conversation.assistant, rows))


def _entries_of(assistant: str, rows: Sequence[Message]) -> list[Entry]:
    """Stored answers as the events that a log would have held; their ends keep their places."""
    entries: list[Entry] = []
    for row in rows:
        first = entries[-1].seq + 1 if entries else 1
        entries += [Entry(1, first + place, event) for place, event in enumerate(_events_of(assistant, row))]
        closing = _closing(row)
        first = max(_last_of(row) + 1 - len(closing), entries[-1].seq + 1)
        entries += [Entry(1, first + place, event) for place, event in enumerate(closing)]
    reason = "stopped" if rows[-1].outcome == STOPPED else "idle"
    return [*entries, Entry(1, entries[-1].seq + 1, Event(CLOSE, {"reason": reason}))]


def _events_of(assistant: str, row: Message) -> list[Event]:
    extras, turn = row.extras or {}, row.turn or {}
    told = dict(services().turns.told(assistant, turn))
    if turn.get("partial"):
        told["partial"] = turn["partial"]
    return [
        Event(START, {"run_id": row.run_id, "message_id": row.id, "engine": row.engine or "", **told}),
        Event(METADATA, _metadata(row)),
        *_steps(extras),
        *_workflow(row.content, extras),
        *(
            Event(name, data)
            for name, many in extras.items()
            if isinstance(many, list) and name not in _STEPS | _WORKFLOW
            for data in many
        ),
    ]


def _workflow(text: str, extras: Mapping[str, Any]) -> Iterator[Event]:
    """Text, with the steps that it was made in, if there were any: each where it began or was over.

    How far each had come is told of the last only: what is stored does not tell where in the text that was.
    """
    steps = [data for data in extras.get(STEP) or () if isinstance(data, Mapping)]
    checks = [Event(CHECK, data) for data in extras.get(CHECK) or ()]
    told = [Event(DELTA, {"text": text})] if text else []
    for data in steps:
        if data.get("status") == _OVER and data.get("name") == WRITE:
            yield from told
            told = []
        elif data.get("status") == _OVER and data.get("name") == SAFETY:
            yield from checks
            checks = []
        yield Event(STEP, data)
    yield from (*told, *checks)
    yield from (Event(PROGRESS, data) for data in (extras.get(PROGRESS) or ())[-1:])


def _steps(extras: Mapping[str, Any]) -> Iterator[Event]:
    """Calls of tools, each with its result, if it has one: what is stored does not tell where in the text they were."""
    results = {str(data.get("id")): data for data in extras.get(TOOL_RESULT) or ()}
    for call in extras.get(TOOL_CALL) or ():
        yield Event(TOOL_CALL, call)
        result = results.get(str(call.get("id")))
        if result is not None:
            yield Event(TOOL_RESULT, result)


def _last_of(row: Message) -> int:
    return int((row.extras or {}).get("last", 0))


def _metadata(row: Message) -> dict[str, Any]:
    facts, extras = (row.turn or {}).get("facts") or {}, row.extras or {}
    return {
        "engine": row.engine or "",
        "fallback": row.fallback,
        "message_id": row.id,
        "conversation_id": row.conversation_id,
        "hint_level": facts.get("hint_level"),
        "is_new": bool(facts.get("is_new")),
        "media_count": int(facts.get("media_count") or 0),
        "cached": bool(extras.get("cached")),
    }


def _closing(row: Message) -> list[Event]:
    """The events that end a stored answer."""
    if not row.error_code:
        return [Event(END, _end(row))]
    error = _error(row)
    return [Event(ERROR, error), Event(END, {**_end(row), "error": error})]


def _error(row: Message) -> dict[str, Any]:
    is_gone = not row.content and not _last_of(row)
    return {
        "code": "STREAM_GONE" if is_gone else row.error_code,
        "message": _GONE if is_gone else _BROKEN_OFF,
        "retryable": True,
        "request_id": g.request_id,
    }


def _end(row: Message) -> dict[str, Any]:
    answer = folded([Entry(1, 1, Event(DELTA, {"text": row.content}))])
    end = answer.closing(row.outcome or "", None)[-1].data
    usage = row.usage or end["usage"]
    cost = (row.extras or {}).get("points_cost")
    usage = usage if cost is None else {**usage, "points_cost": cost}
    return {**end, "finish_reason": row.finish_reason or end["finish_reason"], "usage": usage}
