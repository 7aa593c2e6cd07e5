"""The prompt of the search, made from a turn and the passages found for it; the same gives the same prompt. Pure."""

from collections.abc import Sequence
from typing import Final

from services.assistants.base import Turn
from services.assistants.prompting import boundary_of, render
from services.knowledge.passages import Passage
from services.llm.messages import Message, Request, Role

TEMPERATURE: Final = 0.2
MAX_TOKENS: Final = 1_500
_NAME_CHARS: Final = 160


def request(turn: Turn, passages: Sequence[Passage], *, authored: str, partial: str) -> Request:
    """The call of the engine.

    Args:
        passages: Numbered from 1 in this order.
        authored: The answer without a model, with these numbers.
        partial: What is said already, with these numbers.
    """
    context = str(turn.facts.get("context") or "")
    material = [*(text for passage in passages for text in (passage.text, passage.heading)), turn.question, context]
    boundary = boundary_of([turn.message_id, turn.conversation_id], material)
    earlier = f"{render('search', 'earlier', boundary=boundary, context=context)}\n\n" if context else ""
    question = render(
        "search",
        "turn",
        passages="\n\n".join(_block(number, passage, boundary) for number, passage in enumerate(passages, 1)),
        earlier=earlier,
        question=turn.question,
        boundary=boundary,
    )
    said = turn.facts.get("history") or ()
    return Request(
        messages=[
            Message("system", render("search", "system", boundary=boundary)),
            *(Message(_role(entry["role"]), entry["content"]) for entry in said),
            Message("user", question),
        ],
        authored=authored,
        partial=partial,
        max_tokens=MAX_TOKENS,
        temperature=TEMPERATURE,
    )


def _block(number: int, passage: Passage, boundary: str) -> str:
    where = [_one_line(passage.document_name), f"page {passage.page}"]
    heading = _one_line(passage.heading)
    about = f"passage [{number}] of {', '.join(where)}" + (f", under {heading}" if heading else "")
    return f"<<<DATA {boundary} {about}\n{passage.text}\nDATA {boundary}>>>"


def _one_line(name: str) -> str:
    """A name cannot open or close a block: it is one short line."""
    return " ".join(name.split()).replace("<<<", "").replace(">>>", "")[:_NAME_CHARS]


def _role(role: str) -> Role:
    return "assistant" if role == "assistant" else "user"
