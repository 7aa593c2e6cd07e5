"""The prompt of the todo agent, made from a turn; the same turn gives the same prompt. Pure.

What stands in a todo is somebody's text: it goes to a model between the lines of its boundary only.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.assistants.base import Turn
from services.assistants.prompting import boundary_of, render
from services.assistants.todos.tools import SCHEMAS
from services.llm.messages import Message, Request

TEMPERATURE: Final = 0.1
# Enough for some forty calls at once.
MAX_TOKENS: Final = 4_000
# What was said before goes along as far as it fits, the newest first.
HISTORY_CHARS: Final = 24_000
_CUT_CHARS: Final = 4_000
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def now_of(turn: Turn) -> datetime:
    """When the question was asked, with its zone; an answer that is tried again is still about that moment."""
    return datetime.fromisoformat(str(turn.facts["now"]))


def zone_of(turn: Turn) -> str:
    """The person's zone when they asked."""
    return str(turn.facts["zone"])


def boundary(turn: Turn) -> str:
    """The word that marks material in this turn's prompt and in the results of its tools.

    What a tool will find is not known yet; the ids, drawn when the question was stored, keep its authors from
    knowing it.
    """
    return boundary_of([turn.message_id, turn.conversation_id], [turn.question, json.dumps(turn.facts, default=str)])


def messages(
    turn: Turn, before: Sequence[Mapping[str, Any]], reworded: Sequence[Mapping[str, Any]] = ()
) -> list[Message]:
    """The chat up to the person's question.

    Args:
        before: What earlier tries at this question have done, as results.
        reworded: What was done for it before it was edited.
    """
    word = boundary(turn)
    local = now_of(turn).astimezone(ZoneInfo(zone_of(turn)))
    question = render(
        "todos",
        "turn",
        weekday=_DAYS[local.weekday()],
        date=f"{local:%Y-%m-%d}",
        time=f"{local:%H:%M}",
        zone=zone_of(turn),
        notes=_notes(turn, before, reworded, word),
        question=turn.question,
    )
    chat = [
        Message("system", render("todos", "system", boundary=word)),
        *_history(turn.facts.get("messages") or (), word),
        Message("user", question),
    ]
    if turn.partial:
        chat += [Message("assistant", turn.partial), Message("user", render("todos", "onwards"))]
    return chat


def request(chat: Sequence[Message]) -> Request:
    """One call of the model. There is nothing authored: the built-in engine uses the tools itself."""
    return Request(list(chat), authored="", max_tokens=MAX_TOKENS, temperature=TEMPERATURE, tools=SCHEMAS)


def result(turn: Turn, name: str, content: str) -> str:
    """A tool's result as a model is given it."""
    word = boundary(turn)
    # Nothing that a tool finds can end its block.
    return render("todos", "result", boundary=word, tool=name, result=content.replace(word, ""))


def _notes(turn: Turn, before: Sequence[Mapping[str, Any]], reworded: Sequence[Mapping[str, Any]], word: str) -> str:
    notes = []
    if agreed := turn.facts.get("agreed"):
        notes.append(render("todos", "confirmed", boundary=word, todos=_lines(agreed)))
    if before:
        notes.append(render("todos", "before", boundary=word, steps=_lines(before)))
    if reworded:
        notes.append(render("todos", "reworded", boundary=word, steps=_lines(reworded)))
    return "".join(f"\n{note}\n" for note in notes)


def _history(said: Sequence[Mapping[str, Any]], word: str) -> list[Message]:
    """The newest of what was said that fits, an answer with what it did."""
    chosen: list[Message] = []
    room = HISTORY_CHARS
    for one in reversed(said):
        text = _cut(str(one.get("content") or ""))
        if one.get("did"):
            text = f"{text}\n\n{render('todos', 'did', boundary=word, did=_cut(str(one['did'])))}".lstrip()
        room -= len(text)
        if room < 0:
            break
        chosen.append(Message("assistant" if one.get("role") == "assistant" else "user", text))
    while chosen and chosen[-1].role == "assistant":
        chosen.pop()
    return chosen[::-1]


def _lines(entries: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(json.dumps(entry, ensure_ascii=False, default=str) for entry in entries[:50])


def _cut(text: str) -> str:
    return text if len(text) <= _CUT_CHARS else f"{text[: _CUT_CHARS - 1]}…"
