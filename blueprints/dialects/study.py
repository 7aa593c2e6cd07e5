"""The study chat's published events (REQUIREMENTS A4): unnamed frames with a `type`, epoch timestamps.

`metadata`, `token`, then `complete` or `error`; the simple form leaves `metadata` out (R32). What the specification
has no frame for (citations, the summary, questions to go on with) is told with `complete`.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

from blueprints.addresses import stop_url, stream_url
from blueprints.dialects.placed import PlacedView
from services.points import Prices
from services.streaming.events import (
    CITATION,
    DELTA,
    END,
    ERROR,
    MESSAGE,
    METADATA,
    START,
    Entry,
)
from services.streaming.views import StreamFacts

_SHOWN: Final = frozenset({METADATA, DELTA, ERROR})
_SUMMARY: Final = "summary"
_RELATED: Final = "related"


class StudyDialect:
    """Frames of the study chat.

    Args:
        prices: What an answer costs whose run did not say so: a stopped one.
        simple: Whether `metadata` is left out.
    """

    interval_s = 0.0

    def __init__(self, prices: Prices, *, simple: bool = False) -> None:
        self.key = "study-simple" if simple else "study"
        self.prices = prices
        self.simple = simple

    def shows(self, entry: Entry) -> bool:
        """Whether this entry makes a frame. An `end` after an error makes none."""
        name = entry.event.name
        if name == END:
            return "error" not in entry.event.data
        return name in _SHOWN and not (self.simple and name == METADATA)

    def view(self, stream: StreamFacts) -> "StudyView":
        """A new view of a stream."""
        return StudyView(self, stream)


class StudyView(PlacedView):
    """A stream in this dialect. It remembers the answer, since `complete` gives it as a whole."""

    def __init__(self, dialect: StudyDialect, stream: StreamFacts) -> None:
        super().__init__(stream, dialect.shows, verdict_name=None)
        self._dialect = dialect
        self._texts: list[str] = []
        self._facts: dict[str, Any] = {}
        self._citations: list[Mapping[str, Any]] = []
        self._summary = ""
        self._related: list[str] = []

    def _remember(self, entry: Entry) -> None:
        name, data = entry.event
        if name == START:
            self._texts, self._citations, self._summary, self._related = [], [], "", []
            self._facts = {"engine": data.get("engine", "")}
        elif name == METADATA:
            self._facts |= data
        elif name == DELTA:
            self._texts.append(data["text"])
        elif name == CITATION:
            self._citations.append(data)
        elif name == MESSAGE and data.get("kind") == _SUMMARY:
            self._summary = str(data.get("content") or "")
        elif name == MESSAGE and data.get("kind") == _RELATED:
            self._related = [str(question) for question in data.get("related") or ()]

    def _payload(self, entry: Entry) -> dict[str, Any]:
        name, data = entry.event
        match name:
            case "metadata":
                return {"type": "metadata", **self._described(data)}
            case "delta":
                return {"type": "token", "content": data["text"], "timestamp": time.time()}
            case "error":
                return {"type": "error", "error": data["message"], **data, "timestamp": time.time()}
        return self._complete(data)

    def _described(self, data: Mapping[str, Any]) -> dict[str, Any]:
        described = {
            "interaction_id": data.get("conversation_id") or self._stream.conversation_id,
            "is_new_interaction": bool(data.get("is_new")),
            "user_id": self._stream.user_id,
            "message_id": data.get("message_id"),
            "engine": data.get("engine", ""),
            "fallback": bool(data.get("fallback")),
            "cached": bool(data.get("cached")),
        }
        return {**described, **({"unseen": data["unseen"]} if data.get("unseen") else {})}

    def _complete(self, data: Mapping[str, Any]) -> dict[str, Any]:
        usage = data["usage"]
        text = "".join(self._texts)
        cost = usage.get("points_cost")
        if cost is None:
            cost = self._dialect.prices.of_answer(
                outcome=data["outcome"],
                text=text,
                usage=usage,
                media_count=int(self._facts.get("media_count") or 0),
                cached=bool(self._facts.get("cached")),
            )
        return {
            "type": "complete",
            "content": text,
            "tokens_used": usage["total_tokens"],
            "points_cost": cost,
            **({"estimated": True} if usage.get("estimated") else {}),
            "finish_reason": data["finish_reason"],
            "content_length": data["content_length"],
            "content_sha256": data["content_sha256"],
            "engine": self._facts.get("engine", ""),
            "fallback": bool(self._facts.get("fallback")),
            "cached": bool(self._facts.get("cached")),
            "citations": [dict(citation) for citation in self._citations],
            **({"summary": self._summary} if self._summary else {}),
            **({"related": self._related} if self._related else {}),
            "timestamp": time.time(),
        }

    def _place(self) -> dict[str, Any]:
        stream_id = self._stream.stream_id
        return {"stream_id": stream_id, "stream_url": stream_url(stream_id), "stop_url": stop_url(stream_id)} | (
            {"engine": self._facts.get("engine", "")} if self._dialect.simple else {}
        )
