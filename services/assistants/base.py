"""What an assistant is: one generator from a stored turn to events."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from services.llm.messages import Part, Request
from services.store import conversations
from services.store.conversations import Message
from services.store.database import Session
from services.streaming.answers import Settled
from services.streaming.events import Event


@dataclass(frozen=True, slots=True)
class Turn:
    """One question, complete enough that any worker can answer it from the same words.

    Attributes:
        question: The user's words.
        facts: All that the assistant needs besides, resolved when the turn was stored; JSON.
        partial: The text that exists already when an answer is continued, else empty.
    """

    assistant: str
    user_id: int
    conversation_id: str
    message_id: str
    question: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    partial: str = ""


class Engine(Protocol):
    """A model, or the built-in engine: one interface, one contract test."""

    def stream(self, request: Request) -> Iterator[Part]:
        """Speak the answer.

        Yields:
            `Began`, then any number of `Delta` and `ToolCall`, `Usage`, and `Finish` last.

        Raises:
            ModelUnreachable: Before the first token.
            ModelBroken: After it: cut off, stalled or malformed.
        """
        ...


def close(parts: Iterator[Part]) -> None:
    """End an answer of an engine's: with it, the call to the model."""
    end = getattr(parts, "close", None)
    if end is not None:
        end()


class Assistant(Protocol):
    """One of the site's assistants."""

    name: str

    def reply(self, turn: Turn) -> Iterator[Event]:
        """Answer a stored turn.

        Yields `metadata` first (who answers), then the answer. The last event is `end` with
        `finish_reason` (`stop` or `length`) and `usage` {prompt_tokens, completion_tokens,
        total_tokens, estimated}; outcome, length and hash are added by the engine. Closing the
        generator closes the call to the model.
        """
        ...


# Resolves the facts of a stored turn anew, when its question is asked with other words.
# Takes whose it is, what `before` has read, the turn {question, facts, partial} and the new question.
# Raises what a new question would: InvalidInput, NotFound.
Resolver = Callable[[int, Sequence[Any], Mapping[str, Any], str], Mapping[str, Any]]
# Reads of a path what a question depends on: the message before it, with as many of those before as are needed. Takes
# that message's id and the question; gives rows with id, role, content and what else the resolver wants.
Before = Callable[[Session, str, str], Sequence[Any]]
_LAST: Final = 20


def last_messages(session: Session, leaf_id: str, _question: str) -> Sequence[Message]:
    """The last messages of a path, whatever is asked: enough for who looks at a few of them (`Before`)."""
    return conversations.path_to(session, leaf_id, _LAST)


# More to do in the transaction that stores a turn, however it came about: asked, edited, tried again, continued.
# What it raises undoes the turn, and nothing is started.
Starts = Callable[[Session, Turn], object]
# More to do in the transaction that settles an answer, by the one call that settles it, also long after a kill.
# What it returns is kept with the answer's extras. It must not refuse: an answer that cannot be settled stays open.
Ends = Callable[[Session, Settled, Turn], Mapping[str, Any] | None]


# What a run's first event tells of its turn besides: of the turn {question, facts, partial}, as it is stored.
Tells = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Hooks:
    """What an assistant does besides answering; `registry.hooks` has each one's.

    Attributes:
        resolve: Needed for questions to be edited; None: they cannot be.
        before: What `resolve` is given of the path.
        affords: Raises what `starts` would for want of points, and writes nothing.
        tells: What its API's first frames and last ones need to know, wherever they are made.
    """

    resolve: Resolver | None = None
    before: Before = last_messages
    affords: Starts | None = None
    starts: Starts | None = None
    ends: Ends | None = None
    tells: Tells | None = None
