"""The todo agent's published events (REQUIREMENTS A3): named frames, `completed`, then `history`; or `error`, the last.

Two other framings of the same: `?frame=envelope` puts name and payload into the JSON of unnamed frames (R3), and
`?batch=1` several of them into one frame (D25, R11).
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import orjson

from blueprints.addresses import stop_url, stream_url
from blueprints.dialects.placed import PlacedView, Told
from services.assistants.todos.telling import SAID
from services.streaming.events import (
    CLOSE,
    DELTA,
    END,
    ERROR,
    MESSAGE,
    METADATA,
    START,
    TOOL_CALL,
    TOOL_RESULT,
    Entry,
)
from services.streaming.views import StreamFacts
from services.streaming.wire import frame

AGENT: Final = "Todo agent"
FAILED: Final = "Streaming failed: "
LIMIT: Final = "rate_limit_exceeded"
BATCH_BYTES: Final = 1024
BATCH_S: Final = 0.1
_SHOWN: Final[Mapping[str, str]] = {
    START: "session_initialized",
    METADATA: "agent_updated",
    DELTA: "message_delta",
    MESSAGE: "message",
    TOOL_CALL: "tool_call",
    TOOL_RESULT: "tool_result",
    END: "completed",
    CLOSE: "history",
}


class TodosDialect:
    """Frames of the todo agent.

    Args:
        envelope: Whether a frame's name stands in its JSON.
        batch: Whether small events are gathered for a moment and sent together.
    """

    def __init__(self, *, envelope: bool = False, batch: bool = False) -> None:
        self.key = f"todos{'-envelope' if envelope else ''}{'-batch' if batch else ''}"
        self.interval_s = BATCH_S if batch else 0.0
        self.envelope = envelope
        self.batch = batch

    def shows(self, entry: Entry) -> bool:
        """Whether this entry makes a frame. The last one always does: `history`, or `error` if the answer failed."""
        name, data = entry.event
        if name == END:
            return "error" not in data
        if name == MESSAGE:
            return data.get("kind") == SAID
        return name in _SHOWN

    def view(self, stream: StreamFacts) -> "TodosView":
        """A new view of a stream."""
        return TodosView(self, stream)

    def written(self, told: Sequence[tuple[str | None, Any, str | None]]) -> bytes:
        """Frames as bytes; one without an id is no event of a stream."""
        if self.batch:
            return b"".join(self._batches(told))
        return b"".join(self._frame(*one) for one in told)

    def _frame(self, name: str | None, payload: Any, event_id: str | None) -> bytes:
        if self.envelope:
            return frame({"event": name, "data": payload}, event_id=event_id)
        return frame(payload, name=name, event_id=event_id)

    def _batches(self, told: Sequence[tuple[str | None, Any, str | None]]) -> list[bytes]:
        """Frames of about a kilobyte at most; what is larger by itself comes alone. Each has its last event's id."""
        frames: list[bytes] = []
        held: list[orjson.Fragment] = []
        size, last_id = 0, None
        for name, payload, event_id in told:
            made = orjson.dumps({"event": name, "data": payload}, default=str)
            if held and size + len(made) > BATCH_BYTES:
                frames.append(self._frame("batch", held, last_id))
                held, size = [], 0
            held.append(orjson.Fragment(made))
            size, last_id = size + len(made), event_id
        if held:
            frames.append(self._frame("batch", held, last_id))
        return frames


class TodosView(PlacedView):
    """A stream in this dialect. It remembers the answer, since its last frames tell of all of it."""

    # `completed` is not the last.
    ends: ClassVar[frozenset[str]] = frozenset({CLOSE})

    def __init__(self, dialect: TodosDialect, stream: StreamFacts) -> None:
        super().__init__(stream, dialect.shows, verdict_name="stream")
        self._dialect = dialect
        self._begin({})

    def _begin(self, start: Mapping[str, Any]) -> None:
        self._start = start
        self._texts: list[str] = []
        self._facts: dict[str, Any] = {"engine": start.get("engine", "")}
        self._error: Mapping[str, Any] | None = None

    def _remember(self, entry: Entry) -> None:
        name, data = entry.event
        if name == START:
            self._begin(data)
        elif name == METADATA:
            self._facts |= data
        elif name == DELTA:
            self._texts.append(data["text"])
        elif name == ERROR:
            self._error = data

    def _name(self, entry: Entry) -> str:
        name = entry.event.name
        return "error" if name == CLOSE and self._error is not None else _SHOWN[name]

    def _payload(self, entry: Entry) -> Any:
        name, data = entry.event
        match name:
            case "start":
                return {"session_id": data.get("session_id")}
            case "metadata":
                return self._agent(data)
            case "delta":
                return {"content": data["text"]}
            case "message":
                return {"content": data.get("content", "")}
            case "tool_call":
                called = {"tool_name": data.get("name"), "arguments": data.get("arguments") or {}}
                return {**called, "tool_call_id": data.get("id")}
            case "tool_result":
                return {"output": data.get("output"), "tool_name": data.get("name"), "tool_call_id": data.get("id")}
            case "end":
                return self._completed(data)
        return self._history() if self._error is None else _failure(self._error)

    def _agent(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "name": data.get("name") or AGENT,
            "engine": data.get("engine", ""),
            "fallback": bool(data.get("fallback")),
        }

    def _completed(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "final_message": "".join(self._texts),
            "finish_reason": data["finish_reason"],
            "content_length": data["content_length"],
            "content_sha256": data["content_sha256"],
            "usage": dict(data.get("usage") or {}),
            "engine": self._facts.get("engine", ""),
            "fallback": bool(self._facts.get("fallback")),
        }

    def _history(self) -> list[dict[str, str]]:
        said = [{"role": one["role"], "content": one["content"]} for one in self._start.get("history") or ()]
        answer = str(self._start.get("partial") or "") + "".join(self._texts)
        return [*said, {"role": "assistant", "content": answer}]

    def _place(self) -> dict[str, Any]:
        stream_id = self._stream.stream_id
        return {
            "stream_id": stream_id,
            "stream_url": stream_url(stream_id),
            "stop_url": stop_url(stream_id),
            "engine": self._facts.get("engine", ""),
        }

    def _written(self, told: Sequence[Told]) -> bytes:
        return self._dialect.written(told)


def refused(message: str, code: str, request_id: str, *, retryable: bool = False) -> dict[str, Any]:
    """What an `error` says of a request that was refused before anything was started."""
    return {"status": "error", "message": message, "code": code, "retryable": retryable, "request_id": request_id}


def _failure(error: Mapping[str, Any]) -> dict[str, Any]:
    message = f"{FAILED}{error.get('message') or ''}"
    return refused(
        message, str(error.get("code")), str(error.get("request_id")), retryable=bool(error.get("retryable"))
    )
