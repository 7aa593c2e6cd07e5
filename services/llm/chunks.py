"""Chat completion chunks -> text, tool calls, usage and a finish reason. Pure.

Lenient about what servers leave out (llama.cpp, Ollama and vLLM each do), strict about what would
change the answer: a chunk that is not a JSON object, or one that reports an error.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import orjson

from services.llm.messages import Finish, ToolCall, Usage

FinishReason = Literal["stop", "length", "tool_calls"]

_DONE: Final = b"[DONE]"
_LENGTH: Final = frozenset({"length", "max_tokens", "model_length"})
_TOOL_CALLS: Final = frozenset({"tool_calls", "function_call", "tool_use"})
_ABORTED: Final = frozenset({"abort", "aborted", "cancelled", "error", "insufficient_system_resource"})
_FILTERED: Final = "content_filter"


class BadChunk(ValueError):
    """The reply holds something that is not a chunk, or the server reports a failure in it."""


@dataclass(slots=True)
class _OpenCall:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class ReplyState:
    """What has been understood of one reply so far.

    Attributes:
        is_done: `[DONE]` came; what follows is ignored.
        is_filtered: The provider withheld the rest of the answer.
        has_advanced: A token came since the reader last cleared this; unseen ones (reasoning) count.
        usage: As the provider counted, if it did.
        code_points: Length of the text and of the tool calls so far.
    """

    __slots__ = ("_calls", "_reason", "code_points", "has_advanced", "is_done", "is_filtered", "usage")

    def __init__(self) -> None:
        self._calls: list[tuple[object, _OpenCall]] = []
        self._reason: FinishReason | None = None
        self.code_points = 0
        self.has_advanced = False
        self.is_done = False
        self.is_filtered = False
        self.usage: Usage | None = None

    @property
    def has_calls(self) -> bool:
        """Whether any part of a tool call came."""
        return bool(self._calls)

    @property
    def finish(self) -> Finish | None:
        """Why the reply ended; None while it has not, and when it was cut off."""
        if self._reason == "stop" and self._calls:
            return Finish("tool_calls")  # Ollama says "stop" after tool calls
        if self._reason == "length" and self._calls:
            return Finish("length", is_torn=True)
        return Finish(self._reason) if self._reason else None

    def take(self, data: bytes) -> str:
        """Understand one event's data.

        Returns:
            The text that it added to the answer.

        Raises:
            BadChunk: It is not a chunk, or it reports a failure.
        """
        if self.is_done:
            return ""
        if data.strip() == _DONE:
            self.is_done = True
            return ""
        chunk = _parsed(data)
        if not isinstance(chunk, dict):
            raise BadChunk("not an object")
        if chunk.get("error"):
            raise BadChunk("the server reports an error")
        usage = chunk.get("usage")
        if usage:
            self._take_usage(usage)
        choices = chunk.get("choices")
        if not choices:
            return ""
        return self._take_choice(choices)

    def take_all(self, events: Iterable[bytes]) -> tuple[str, BadChunk | None]:
        """Understand several events' data: the text that they added, and what was wrong with the one that ended it."""
        said: list[str] = []
        try:
            said.extend(map(self.take, events))
        except BadChunk as exc:
            return "".join(said), exc
        return "".join(said), None

    def tool_calls(self) -> list[ToolCall]:
        """The calls in the order they began; none of a reply cut by its length, whose last is torn."""
        if self._reason == "length":
            return []
        return [
            ToolCall(call.id or f"call_{number}", call.name, "".join(call.arguments) or "{}")
            for number, (_, call) in enumerate(self._calls, 1)
            if call.name
        ]

    def _take_choice(self, choices: Any) -> str:
        choice = choices[0] if isinstance(choices, list) else None
        if not isinstance(choice, dict):
            raise BadChunk("choices are not a list of objects")
        delta = choice.get("delta")
        text = ""
        if delta:
            if not isinstance(delta, dict):
                raise BadChunk("a delta is not an object")
            text = _text(delta.get("content") or delta.get("refusal"))
            if text:
                self.has_advanced = True
                self.code_points += len(text)
            elif delta.get("reasoning_content") or delta.get("reasoning"):
                self.has_advanced = True
            calls = delta.get("tool_calls")
            if calls:
                self._take_calls(calls)
        reason = choice.get("finish_reason")
        if reason:
            self._take_reason(reason)
        return text

    def _take_reason(self, reason: Any) -> None:
        if not isinstance(reason, str):
            raise BadChunk("a finish reason is not a word")
        if reason in _ABORTED:
            raise BadChunk("the server gave up")
        if reason == _FILTERED:
            self.is_filtered = True
        elif reason in _LENGTH:
            self._reason = "length"
        else:
            # Any other word ("stop", "eos", "end_turn") means that the model had said all it wanted.
            self._reason = "tool_calls" if reason in _TOOL_CALLS else "stop"

    def _take_calls(self, pieces: Any) -> None:
        if not isinstance(pieces, list):
            raise BadChunk("tool calls are not a list")
        for piece in pieces:
            function = piece.get("function") if isinstance(piece, dict) else None
            if not isinstance(function, dict):
                raise BadChunk("a tool call has no function")
            name = str(function.get("name") or "")
            call = self._call_of(piece.get("index"), str(piece.get("id") or ""), name)
            arguments = function.get("arguments") or ""
            if not isinstance(arguments, str):
                arguments = orjson.dumps(arguments).decode()
            call.name = call.name or name
            call.arguments.append(arguments)
            self.code_points += len(arguments)
            self.has_advanced = True

    def _call_of(self, index: object, call_id: str, name: str) -> _OpenCall:
        """The call that a piece belongs to: its index says so, unless it brings another id.

        Without an index it goes on with the newest call, unless it brings a name.
        """
        for known, call in reversed(self._calls):
            same_index = known == index if index is not None else not name
            if same_index and (not call_id or call_id == call.id):
                return call
        begun = _OpenCall(id=call_id)
        self._calls.append((index, begun))
        return begun

    def _take_usage(self, usage: Any) -> None:
        try:
            self.usage = Usage(int(usage["prompt_tokens"]), int(usage["completion_tokens"]))
        except (KeyError, TypeError, ValueError):
            self.usage = None  # half a count is no count; it is estimated then


def _text(content: Any) -> str:
    """A delta's text: a string, or the list of typed parts that a few servers send."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    raise BadChunk("content is not text")


def _parsed(data: bytes) -> Any:
    """A chunk's JSON; halves of surrogate pairs too, which some servers send one by one as `\\ud83d`."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(data.decode())
    except (ValueError, RecursionError) as exc:
        raise BadChunk("not JSON") from exc
