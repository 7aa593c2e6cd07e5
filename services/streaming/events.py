"""The one vocabulary in which every assistant speaks. Pure.

Dialects at the edge (`blueprints/dialects/`) give these events the names that each API published.
docs/events.md has a row for each.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, NewType

UserId = NewType("UserId", int)
StreamId = NewType("StreamId", str)
RunId = NewType("RunId", str)

START: Final = "start"  # a run began: {run_id, message_id, assistant, ...the start's own facts}
DELTA: Final = "delta"  # {text}: text that the answer grew by
STEP: Final = "step"  # {name, status: started|completed}: one step of a workflow
PROGRESS: Final = "progress"  # {stage, description, percent}
TOOL_CALL: Final = "tool_call"  # {id, name, arguments}
TOOL_RESULT: Final = "tool_result"  # {id, output}
CITATION: Final = "citation"  # {number, document_name, excerpt, ...}
TESTS: Final = "tests"  # {tests: [{input, expected?, why?}]}
CHECK: Final = "check"  # {status, score}: a safety or quality check of what came before
METADATA: Final = "metadata"  # {engine, fallback, ...}: who answers, and facts about the answer
MESSAGE: Final = "message"  # a whole message, {content, ...}
ERROR: Final = "error"  # {code, message, retryable, request_id}; followed by `end`
END: Final = "end"  # a run's last event: {outcome, finish_reason, content_length, content_sha256, usage}
HISTORY: Final = "history"  # {messages: [...]}
SEAL: Final = "seal"  # written by whoever takes a run from its writer; no dialect shows it
CLOSE: Final = "close"  # a stream's last event: {reason: idle|stopped}

EVENT_NAMES: Final = frozenset(
    {
        START, DELTA, STEP, PROGRESS, TOOL_CALL, TOOL_RESULT, CITATION, TESTS, CHECK, METADATA,
        MESSAGE, ERROR, END, HISTORY, SEAL, CLOSE,
    }
)  # fmt: skip

COMPLETED: Final = "completed"
FAILED: Final = "failed"
STOPPED: Final = "stopped"
INTERRUPTED: Final = "interrupted"
OUTCOMES: Final = (COMPLETED, FAILED, STOPPED, INTERRUPTED)


class Event(NamedTuple):
    """One thing that happened, before it has a place in a stream.

    A tuple, as `Entry`: there is one for every delta, and a frozen dataclass takes 2.5 times as long to make.
    """

    name: str
    data: Mapping[str, Any] = MappingProxyType({})


class Entry(NamedTuple):
    """An event with its place in a stream's log.

    Attributes:
        fence: The writer's fence; higher ones win.
        seq: Contiguous from 1 over the whole stream.
    """

    fence: int
    seq: int
    event: Event


# Makes an `Event` or an `Entry` in half the time of calling it, which runs a function in Python: for each delta.
new_tuple: Final = tuple.__new__


def delta(text: str) -> Event:
    """Text that the answer grew by."""
    return new_tuple(Event, (DELTA, {"text": text}))
