"""What the agent's events tell (docs/assistants.md, "Todos"). Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.streaming.events import MESSAGE, TOOL_CALL, TOOL_RESULT, Event

# `kind` of the messages that the agent tells besides its text.
SAID: Final = "said"
CONFIRM: Final = "confirm"
ASK: Final = "ask"


def tool_call(call_id: str, name: str, arguments: Mapping[str, Any]) -> Event:
    """A tool is about to be used."""
    return Event(TOOL_CALL, {"id": call_id, "name": name, "arguments": dict(arguments)})


def tool_result(call_id: str, name: str, output: Mapping[str, Any]) -> Event:
    """What came of it; redacted and cut already."""
    return Event(TOOL_RESULT, {"id": call_id, "name": name, "output": dict(output)})


def said(content: str) -> Event:
    """A whole text of the engine's; its deltas have been told."""
    return Event(MESSAGE, {"kind": SAID, "content": content})


def confirm(items: Sequence[Mapping[str, Any]]) -> Event:
    """The person is asked whether these may be deleted: {todo_id, item} each."""
    return Event(
        MESSAGE,
        {"kind": CONFIRM, "todo_ids": [str(one["todo_id"]) for one in items], "items": [dict(i) for i in items]},
    )


def ask(question: str, options: Sequence[str], choices: Sequence[Mapping[str, Any]] = ()) -> Event:
    """The person is asked something; an option is sent as their next message.

    Args:
        choices: Which call an option stands for, {text, name, arguments}, where that is certain.
    """
    more = {"choices": [dict(one) for one in choices]} if choices else {}
    return Event(MESSAGE, {"kind": ASK, "question": question, "options": list(options), **more})


def told(extras: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    """The messages of a kind that an answer told, from what is stored of it besides its text."""
    found = extras.get(MESSAGE)
    return [one for one in found or () if isinstance(one, Mapping) and one.get("kind") == kind]
