"""What goes to a model and what comes back. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Image:
    """A picture that goes with a message; `name` is what it is called where it cannot be seen."""

    mime: str
    data: bytes = field(repr=False)
    name: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat, in the roles of the chat completions API."""

    role: Role
    content: str
    tool_calls: Sequence["ToolCall"] = ()
    tool_call_id: str | None = None
    images: Sequence[Image] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One call of an engine.

    Attributes:
        messages: The chat so far, the question last.
        authored: The answer that the built-in engine speaks for the same turn.
        partial: What of the answer exists already (continue); an engine goes on right after it.
        tools: JSON schemas of the functions that the model may call.
        authored_only: Whether the built-in engine speaks `authored` and no model is asked: for an assistant whose
            answer the built-in engine has begun.
    """

    messages: Sequence[Message]
    authored: str
    partial: str = ""
    max_tokens: int | None = None
    temperature: float | None = None
    tools: Sequence[Mapping[str, Any]] = ()
    authored_only: bool = False


@dataclass(frozen=True, slots=True)
class Delta:
    """Text that the model added."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A complete call; `arguments` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. `estimated` when the provider named none."""

    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def as_json(self) -> dict[str, Any]:
        """As an answer's `end` tells it."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.total_tokens,
            "estimated": self.estimated,
        }

    def __add__(self, other: "Usage") -> "Usage":
        """Of several calls; an estimate if any of them is."""
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            estimated=self.estimated or other.estimated,
        )


@dataclass(frozen=True, slots=True)
class Finish:
    """Why the reply ended; always the last part of a whole reply.

    `is_torn`: cut by its length in the middle of a tool call; none of the calls is given then.
    """

    reason: Literal["stop", "length", "tool_calls"]
    is_torn: bool = False


@dataclass(frozen=True, slots=True)
class Began:
    """Who answers; always the first part. Given before the first token, after any fallback.

    `facts` holds `blind: True` where the request had images that this engine cannot see.
    """

    engine: str
    fallback: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)


Part = Began | Delta | ToolCall | Usage | Finish
