"""What an answer amounts to, folded from its events, and the events that end it. Pure.

The run's owner folds as it writes; whoever closes a run for a dead or stopped owner folds what the
log holds. Both come to the same text, length and hash.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from services.errors import AppError
from services.streaming.events import (
    DELTA,
    END,
    ERROR,
    FAILED,
    INTERRUPTED,
    METADATA,
    SEAL,
    START,
    STOPPED,
    Entry,
    Event,
    RunId,
    StreamId,
    UserId,
)

# What is shown and stored as it is: everything but text and the engine's own marks.
_KEPT: Final = frozenset({"tests", "citation", "tool_call", "tool_result", "check", "message", "progress", "step"})
_REASON: Final = {STOPPED: "cancelled", FAILED: "error", INTERRUPTED: "interrupted"}


class Interrupted(AppError):
    """The worker that wrote an answer died or was stopped before its end."""

    code = "INTERRUPTED"
    retryable = True
    default_message = "The answer was interrupted. What came is kept; continue or try again."


class DeadlinePassed(AppError):
    code = "DEADLINE"
    retryable = True
    default_message = "The answer took too long. What came is kept; continue or try again."


class EmptyAnswer(AppError):
    code = "EMPTY_ANSWER"
    retryable = True
    default_message = "The model gave no answer. Try again."


class RunFailed(AppError):
    """Something in here went wrong; the log has it under the request id."""

    code = "INTERNAL"
    retryable = True
    default_message = "Something went wrong on our side. What came is kept; try again."


@dataclass(frozen=True, slots=True)
class Settled:
    """A run that has ended, as it is stored for good. `last` is the seq of its last event."""

    user_id: UserId
    stream_id: StreamId
    run_id: RunId
    message_id: str
    text: str
    outcome: str
    finish_reason: str
    engine: str
    fallback: bool
    usage: Mapping[str, Any]
    extras: Mapping[str, Sequence[Mapping[str, Any]]]
    error_code: str | None
    last: int


@dataclass(slots=True)
class Answer:
    """An answer so far.

    Attributes:
        usage: Tokens as the assistant gave them, or None.
        extras: Events other than text, by name, in order.
    """

    request_id: str = ""
    engine: str = ""
    fallback: bool = False
    finish_reason: str = "stop"
    usage: Mapping[str, Any] | None = None
    extras: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    length: int = 0
    size: int = 0
    _texts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self._texts)

    @property
    def is_empty(self) -> bool:
        return not self.length and not self.extras

    def add(self, text: str) -> None:
        """Fold one delta in."""
        self._texts.append(text)
        self.length += len(text)
        self.size += len(text) if text.isascii() else len(text.encode())

    def take(self, event: Event) -> None:
        """Fold one event in."""
        if event.name == DELTA:
            self.add(event.data["text"])
        elif event.name == METADATA:
            self.engine = event.data.get("engine", self.engine)
            self.fallback = bool(event.data.get("fallback", self.fallback))
        elif event.name == START:
            self.request_id = event.data.get("request_id", "")
        elif event.name == END:
            self.finish_reason = event.data.get("finish_reason", self.finish_reason)
            self.usage = event.data.get("usage")
        elif event.name in _KEPT:
            self.extras.setdefault(event.name, []).append(event.data)

    def closing(self, outcome: str, problem: AppError | None) -> list[Event]:
        """The events that end this answer: an error if there is one, then `end`."""
        end = {
            "outcome": outcome,
            "finish_reason": _REASON.get(outcome, self.finish_reason),
            "content_length": self.length,
            "content_sha256": sha256(self.text.encode()).hexdigest(),
            "usage": self.tokens(),
        }
        if problem is None:
            return [Event(END, end)]
        error = {
            "code": problem.code,
            "message": problem.message,
            "retryable": problem.retryable,
            "request_id": self.request_id,
        }
        return [Event(ERROR, error), Event(END, {**end, "error": error})]

    def settled(
        self, user_id: UserId, stream_id: StreamId, run_id: RunId, message_id: str, end: Event, *, last: int
    ) -> Settled:
        """This answer as it is stored.

        Args:
            end: The run's `end` event, made by `closing`.
            last: Its seq, 0 if the log does not hold it.
        """
        return Settled(
            user_id=user_id,
            stream_id=stream_id,
            run_id=run_id,
            message_id=message_id,
            text=self.text,
            outcome=end.data["outcome"],
            finish_reason=end.data["finish_reason"],
            engine=self.engine,
            fallback=self.fallback,
            usage=end.data["usage"],
            extras=self.extras,
            error_code=end.data.get("error", {}).get("code"),
            last=last,
        )

    def tokens(self) -> dict[str, Any]:
        """Tokens used; without the provider's word, a fourth of the code points, rounded up."""
        if self.usage is not None:
            return dict(self.usage)
        tokens = math.ceil(self.length / 4)
        return {"prompt_tokens": 0, "completion_tokens": tokens, "total_tokens": tokens, "estimated": True}


def folded(entries: Iterable[Entry]) -> Answer:
    """The answer that these entries of one run amount to."""
    answer = Answer()
    for entry in entries:
        if entry.event.name != SEAL:
            answer.take(entry.event)
    return answer


def of_run(entries: Iterable[Entry], run_id: RunId) -> list[Entry]:
    """The entries of one run of a stream: from its start up to its end."""
    result: list[Entry] = []
    inside = False
    for entry in entries:
        if entry.event.name == START:
            inside = entry.event.data.get("run_id") == run_id
        if inside:
            result.append(entry)
            if entry.event.name == END:
                break
    return result
