"""The prompts of the study chat, made from a turn's facts; the same turn gives the same prompt. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.assistants.base import Turn
from services.assistants.prompting import boundary_of, render
from services.assistants.study.input import LENGTHS, USUAL_LENGTH, WAYS
from services.llm.messages import Image, Message, Request, Role

TEMPERATURE: Final = 0.4
SUMMARY_TOKENS: Final = 400
# What the questions below an answer may take, beside the answer.
NEXT_TOKENS: Final = 120
NONE: Final = "Nothing."


def request(turn: Turn, *, summary: str, images: Sequence[Image], authored: str) -> Request:
    """The call of the engine for a stored turn."""
    facts = turn.facts
    material = [*(str(entry["text"]) for entry in facts.get("excerpts") or ()), summary, turn.question]
    boundary = boundary_of([turn.message_id, turn.conversation_id], material)
    length = facts.get("length") if facts.get("length") in LENGTHS else USUAL_LENGTH
    # Who sets a limit of their own wants it for the answer.
    asks_next = facts.get("asked_max_tokens") is None
    rules = render("study", "system", length=render("study", f"length_{length}"), boundary=boundary)
    rules += render("study", "next", boundary=boundary) if asks_next else ""
    question = render(
        "study",
        "turn",
        material=_material(facts, boundary),
        way=_way(facts),
        question=turn.question,
        boundary=boundary,
    )
    history = [Message(_role(said["role"]), said["content"]) for said in facts.get("history") or ()]
    if summary:
        told = render("study", "earlier", boundary=boundary, summary=summary)
        # As the student's: some servers want user and assistant to take turns, and no second system message.
        history = [Message("user", told), Message("assistant", "Understood."), *_from_question(history)]
    return Request(
        messages=[Message("system", rules), *history, Message("user", question, images=tuple(images))],
        authored=authored,
        partial=turn.partial,
        max_tokens=int(facts.get("max_tokens") or LENGTHS[USUAL_LENGTH]) + (NEXT_TOKENS if asks_next else 0),
        temperature=TEMPERATURE,
    )


def summary_request(turn: Turn, *, authored: str) -> Request:
    """The call that sums up what no longer fits."""
    said = "\n\n".join(
        f"{'Student' if entry['role'] == 'user' else 'Companion'}: {entry['content']}"
        for entry in turn.facts.get("earlier") or ()
    )
    before = str(turn.facts.get("summary") or "")
    text = render(
        "study",
        "summary",
        boundary=boundary_of([turn.message_id, turn.conversation_id], [said, before]),
        before=before or NONE,
        conversation=said,
    )
    return Request([Message("user", text)], authored=authored, max_tokens=SUMMARY_TOKENS, temperature=0.0)


def _material(facts: Mapping[str, Any], boundary: str) -> str:
    blocks = [
        f"<<<DATA {boundary} passage [{entry['number']}] of {_one_line(entry['name'])}"
        + (f", page {entry['page']}" if entry.get("page") else "")
        + f"\n{entry['text']}\nDATA {boundary}>>>"
        for entry in facts.get("excerpts") or ()
    ]
    names = [_one_line(image["name"]) for image in facts.get("images") or ()]
    pictures = [f"Attached pictures, in this order: {', '.join(names)}"] if names else []
    passages = [render("study", "passages", passages="\n\n".join(blocks))] if blocks else []
    return "".join(f"{part}\n\n" for part in [*passages, *pictures])


def _way(facts: Mapping[str, Any]) -> str:
    way = facts.get("way")
    return f"{render('study', f'way_{way}')}\n\n" if way in WAYS else ""


def _one_line(name: Any) -> str:
    """A file's name cannot open or close a block: it is one short line."""
    return " ".join(str(name).split()).replace("<<<", "").replace(">>>", "")[:120]


def _from_question(history: list[Message]) -> list[Message]:
    return history[1:] if history and history[0].role == "assistant" else history


def _role(role: str) -> Role:
    return "assistant" if role == "assistant" else "user"
