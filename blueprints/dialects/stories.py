"""The stories' published events (REQUIREMENTS A2): unnamed frames with a `type`.

`node` and `progress` for each step of the workflow, `content` for each piece that has passed its check, `safety_check`,
`metadata`, then `complete` or `error`. What was withheld is never in a frame.
"""

from collections.abc import Mapping
from typing import Any, Final

from blueprints.addresses import stop_url, stream_url
from blueprints.dialects.placed import PlacedView
from services.streaming.events import (
    CHECK,
    COMPLETED,
    DELTA,
    END,
    ERROR,
    MESSAGE,
    METADATA,
    PROGRESS,
    START,
    STEP,
    Entry,
)
from services.streaming.views import StreamFacts

_SHOWN: Final = frozenset({START, STEP, PROGRESS, DELTA, CHECK, ERROR})
_CHAPTER: Final = "chapter"
_REJECTED: Final = "rejected"
# What the specification names of a chapter, as long as nobody has told it.
_UNKNOWN: Final[Mapping[str, Any]] = {
    "choices": [],
    "choice_question": "",
    "educational_elements": [],
    "vocabulary_level": "intermediate",
    "title": "",
    "is_last": False,
}
# A child's, where nothing has measured what there is.
_WORDS_A_MINUTE: Final = 110
_METADATA: Final = (
    "vocabulary_level",
    "educational_elements",
    "title",
    "choices",
    "choice_question",
    "is_last",
    "recap",
    "words",
    "grade",
)


class StoriesDialect:
    """Frames of the stories."""

    key = "stories"
    interval_s = 0.0

    def shows(self, entry: Entry) -> bool:
        """Whether this entry makes a frame. An `end` after an error makes none."""
        name, data = entry.event
        if name == END:
            return "error" not in data
        if name == MESSAGE:
            return data.get("kind") == _CHAPTER
        return name in _SHOWN

    def view(self, stream: StreamFacts) -> "StoriesView":
        """A new view of a stream."""
        return StoriesView(self, stream)


class StoriesView(PlacedView):
    """A stream in this dialect. It remembers the chapter, since `complete` gives it as a whole."""

    def __init__(self, dialect: StoriesDialect, stream: StreamFacts) -> None:
        super().__init__(stream, dialect.shows, verdict_name=None)
        self._begin({})

    def _begin(self, start: Mapping[str, Any]) -> None:
        self._start = start
        self._texts: list[str] = []
        self._facts: dict[str, Any] = {"engine": start.get("engine", "")}
        self._chapter: dict[str, Any] = {}
        self._score = 1.0

    def _remember(self, entry: Entry) -> None:
        name, data = entry.event
        if name == START:
            self._begin(data)
        elif name == METADATA:
            self._facts |= data
        elif name == DELTA:
            self._texts.append(data["text"])
        elif name == CHECK and data.get("status") != _REJECTED:
            self._score = _score(data)
        elif name == MESSAGE and data.get("kind") == _CHAPTER:
            self._chapter = dict(data)

    def _payload(self, entry: Entry) -> dict[str, Any]:
        name, data = entry.event
        match name:
            case "start":
                return {"type": "node", "node": "workflow", "status": "started", **self._story()}
            case "step":
                return {"type": "node", "node": data.get("name"), "status": data.get("status")}
            case "progress":
                told = {field: data.get(field) for field in ("stage", "description", "percent")}
                return {"type": "progress", "progress": told}
            case "delta":
                return {"type": "content", "chunk": data["text"]}
            case "check":
                return _check(data)
            case "message":
                told = {field: data.get(field, _UNKNOWN.get(field)) for field in _METADATA}
                return {"type": "metadata", **told, "estimated_reading_time": self._minutes()}
            case "error":
                return _error(data)
        return self._complete(data)

    def _complete(self, data: Mapping[str, Any]) -> dict[str, Any]:
        is_whole = data.get("outcome") == COMPLETED
        told = {field: self._chapter.get(field, usual) for field, usual in _UNKNOWN.items()}
        if not is_whole:
            # A chapter that was stopped has no choices yet: it goes on where it stopped.
            told |= {"choices": [], "choice_question": "", "is_last": False}
        return {
            "type": "complete",
            "story": {
                "success": is_whole,
                "story_content": "".join(self._texts),
                **told,
                "estimated_reading_time": self._minutes(),
                "safety_score": self._score,
                # All that was sent was checked before it was sent.
                "content_approved": True,
                **self._story(),
            },
            "engine": self._facts.get("engine", ""),
            "fallback": bool(self._facts.get("fallback")),
            "finish_reason": data["finish_reason"],
            "content_length": data["content_length"],
            "content_sha256": data["content_sha256"],
            "tokens": dict(data.get("usage") or {}),
        }

    def _minutes(self) -> int:
        measured = self._chapter.get("estimated_reading_time")
        return int(measured) if measured else max(1, round(len("".join(self._texts).split()) / _WORDS_A_MINUTE))

    def _story(self) -> dict[str, Any]:
        """Which chapter of which story this is; `partial`: what a chapter has already that is continued."""
        start, facts = self._start, self._facts
        told = {
            "story_id": start.get("story_id") or facts.get("conversation_id") or self._stream.conversation_id or None,
            "chapter_id": start.get("message_id") or facts.get("message_id"),
            "chapter_number": start.get("chapter_number"),
        }
        return {**told, "partial": start["partial"]} if start.get("partial") else told

    def _place(self) -> dict[str, Any]:
        stream_id = self._stream.stream_id
        return {
            "stream_id": stream_id,
            "stream_url": stream_url(stream_id),
            "stop_url": stop_url(stream_id),
            "engine": self._facts.get("engine", ""),
        }


def _check(data: Mapping[str, Any]) -> dict[str, Any]:
    told = {field: data[field] for field in ("action", "category") if data.get(field)}
    checked_by = list(data.get("checked_by") or ())
    return {
        "type": "safety_check",
        "status": data.get("status"),
        "score": _score(data),
        "checked_by": checked_by,
        **told,
    }


def _score(data: Mapping[str, Any]) -> float:
    score = data.get("score")
    return float(score) if isinstance(score, int | float) else 0.0


def _error(data: Mapping[str, Any]) -> dict[str, Any]:
    code = data.get("code")
    return {
        "type": "error",
        "message": data.get("message"),
        "error_code": code,
        "code": code,
        "retryable": bool(data.get("retryable")),
        "request_id": data.get("request_id"),
    }
