"""The tutor's published events (REQUIREMENTS A1): named, dotted, `stream.start` first."""

import time
from datetime import UTC, datetime
from typing import Any

from blueprints.dialects.default import JsonDialect, where
from services.streaming.events import CLOSE, METADATA, START, Entry
from services.streaming.push import IDLE_S
from services.streaming.views import Replay, StreamFacts
from services.streaming.wire import format_event_id, frame


class TutorDialect(JsonDialect):
    """The connection outlives the answer: it ends with `stream.close`, not with `message.end`."""

    def __init__(self) -> None:
        super().__init__("tutor", _shape, ends=CLOSE)

    def verdict(self, stream: StreamFacts, replay: Replay) -> bytes:
        """`stream.start`: every reader gets it, asked or not."""
        payload = {
            **where(stream, replay),
            "timestamp": _now(),
            "stream_url": f"/api/streams/{stream.stream_id}",
            "stop_url": f"/api/streams/{stream.stream_id}/stop",
            **_engine_of(replay),
        }
        return frame(payload, name="stream.start", event_id=format_event_id(stream.stream_id, replay.position))

    def ping(self, idle_s: float) -> bytes:
        """The named ping; comments do not reach a page's code."""
        return frame({"timestamp": _now()}, name="ping") if idle_s >= IDLE_S else b""


def _shape(entry: Entry, stream: StreamFacts) -> tuple[str, Any] | None:
    data = entry.event.data
    match entry.event.name:
        case "delta":
            return "message.delta", {"content": data["text"], "type": "markdown"}
        case "metadata":
            return "message.start", {
                "stream_id": stream.stream_id,
                "message_id": data.get("message_id"),
                "hint_level": data.get("hint_level"),
                "metadata": {key: data[key] for key in ("engine", "fallback", "problem_id") if key in data},
            }
        case "tests":
            return "tool.suggested_tests", {"tests": data["tests"]}
        case "error":
            return "error", dict(data)
        case "end":
            return "message.end", {
                "total_tokens": data["usage"]["total_tokens"],
                **({"estimated": True} if data["usage"].get("estimated") else {}),
                "finish_reason": data["finish_reason"],
                "content_length": data["content_length"],
                "content_sha256": data["content_sha256"],
            }
        case "close":
            return "stream.close", {"reason": data["reason"]}
    return None


def _engine_of(replay: Replay) -> dict[str, str]:
    """Who answers, or is asked to while nobody has answered; nothing for a reader that was told before."""
    told = [entry.event.data for entry in replay.entries if entry.event.name in (START, METADATA)]
    names = [data["engine"] for data in told if data.get("engine")]
    return {"engine": names[-1]} if names else {}


def _now() -> str:
    return datetime.fromtimestamp(time.time(), UTC).isoformat()
