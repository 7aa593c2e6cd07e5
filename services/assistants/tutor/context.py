"""What a turn of the tutor is made of: the facts that are stored, and the prompt made from them. Pure.

The hidden tests and the reference solution enter neither; of the solution the facts keep digests only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Final

from services.assistants.base import Turn
from services.assistants.problem_bank.problem import shown, shown_input
from services.assistants.prompting import boundary_of, render
from services.assistants.tutor.reference import fingerprints
from services.llm.messages import Message, Request

PUBLIC_FIELDS: Final = (
    "id", "title", "statement", "difficulty", "tags", "examples", "tests", "edge_cases", "hints", "mistakes", "own",
)  # fmt: skip
SUBMISSION_FIELDS: Final = (
    "status", "visible_passed", "visible_total", "hidden_passed", "hidden_total", "categories", "code", "language",
)  # fmt: skip
MAX_MESSAGES: Final = 5
MAX_SUBMISSIONS: Final = 5
MAX_PROMPT_MESSAGE_CHARS: Final = 4_000
MAX_PROMPT_CODE_CHARS: Final = 20_000
TEMPERATURE: Final = 0.7
MAX_TOKENS: Final = 1_500
NO_SUBMISSIONS: Final = "No submissions yet."


def facts(
    problem: Any,
    *,
    hint_level: int,
    messages: Sequence[Any],
    submissions: Sequence[Any],
    code: str | None = None,
    language: str | None = None,
) -> dict[str, Any]:
    """All that a turn of the tutor needs besides the question; JSON.

    Args:
        problem: A problem of the bank or the user's own: any object, or mapping, with its fields.
        messages: Of the conversation, oldest first, with `role` and `content`; the last five count.
        submissions: Oldest first, newest last; the names of the API.
        code: The code as it is now; without it that of the newest submission.
    """
    kept = [_submission(item) for item in submissions][-MAX_SUBMISSIONS:]
    latest = kept[-1] if kept else {}
    public = {name: _plain(_get(problem, name)) for name in PUBLIC_FIELDS}
    solution = _get(problem, "solution") or ""
    return {
        "hint_level": hint_level,
        "problem": public,
        "reference": fingerprints(str(solution), problem_id=str(public["id"])) if solution else None,
        "messages": [
            {"role": _get(item, "role"), "content": _get(item, "content") or ""}
            for item in messages
            if _get(item, "role")
        ][-MAX_MESSAGES:],
        "submissions": kept,
        "code": code if code is not None else latest.get("code"),
        "language": language if language is not None else latest.get("language"),
    }


def request(turn: Turn, *, authored: str) -> Request:
    """The call of the engine for a stored turn; the same turn gives the same request."""
    return Request(
        messages=prompt(turn),
        authored=authored,
        partial=turn.partial,
        max_tokens=MAX_TOKENS,
        temperature=TEMPERATURE,
    )


def prompt(turn: Turn) -> list[Message]:
    """Rules, then the material with the question last; everything untrusted is fenced."""
    level = hint_level(turn.facts)
    problem = turn.facts.get("problem") or {}
    material = {
        "problem": _problem_text(problem),
        "hints": "\n\n".join(_texts(problem.get("hints"))[:level]) or "None.",
        "submission": submission_text(turn.facts.get("submissions") or ()),
        "code": _clip(turn.facts.get("code") or "", MAX_PROMPT_CODE_CHARS) or "Not sent.",
        "conversation": _conversation_text(turn.facts.get("messages") or ()),
        "question": turn.question,
    }
    if turn.facts.get("code") and turn.facts.get("language"):
        material["code"] = f"Language: {turn.facts['language']}\n{material['code']}"
    boundary = boundary_of([turn.message_id, turn.conversation_id], list(material.values()))
    rules = render("tutor", "system", level=render("tutor", f"level_{level}"), boundary=boundary)
    question = render("tutor", "turn", boundary=boundary, hint_level=str(level), **material)
    return [Message("system", rules), Message("user", question)]


def hint_level(facts: Mapping[str, Any]) -> int:
    """1, 2 or 3; whatever else was asked for is nearest to one of them."""
    return min(max(int(facts.get("hint_level") or 1), 1), 3)


def submission_text(submissions: Sequence[Mapping[str, Any]]) -> str:
    """The newest submission as the specification words it."""
    if not submissions:
        return NO_SUBMISSIONS
    newest = submissions[-1]
    categories = ", ".join(_texts(newest.get("categories"))) or "none"
    return (
        f"Status: {newest.get('status', 'unknown')}\n"
        f"Visible tests passed: {newest.get('visible_passed', 0)}/{newest.get('visible_total', 0)}\n"
        f"Hidden tests passed: {newest.get('hidden_passed', 0)}/{newest.get('hidden_total', 0)}\n"
        f"Failed categories: {categories}"
    )


def own_texts(turn: Turn) -> list[str]:
    """What the person has written in this turn and before: it may be quoted back to them."""
    said = [item["content"] for item in turn.facts.get("messages") or () if item.get("role") == "user"]
    sent = [item.get("code") or "" for item in turn.facts.get("submissions") or ()]
    return [turn.question, turn.facts.get("code") or "", *said, *sent]


def _problem_text(problem: Mapping[str, Any]) -> str:
    parts = [f"{problem.get('title', '')} ({problem.get('id', '')})\n\n{problem.get('statement', '')}"]
    parts += [
        f"Example input: {shown_input(example.get('input'))}\nExample output: {shown(example.get('output'))}"
        + (f"\nExplanation: {example['explanation']}" if example.get("explanation") else "")
        for example in problem.get("examples") or ()
    ]
    for name, heading in (("edge_cases", "Edge cases"), ("mistakes", "Common mistakes")):
        if texts := _texts(problem.get(name)):
            parts.append("\n".join([f"{heading}:", *(f"- {text}" for text in texts)]))
    if tests := problem.get("tests"):
        lines = [f"- {shown_input(test.get('input'))} => {shown(test.get('expected'))}" for test in tests]
        parts.append("\n".join(["Visible tests:", *lines]))
    return "\n\n".join(parts)


def _conversation_text(messages: Sequence[Mapping[str, Any]]) -> str:
    labelled = []
    for item in list(messages)[-MAX_MESSAGES:]:
        label = "User" if item.get("role") == "user" else "Tutor"
        labelled.append(f"{label}: {_clip(str(item.get('content', '')), MAX_PROMPT_MESSAGE_CHARS)}")
    return "\n\n".join(labelled) or "This is the first message."


def _submission(item: Any) -> dict[str, Any]:
    entry = {name: _plain(_get(item, name)) for name in SUBMISSION_FIELDS}
    entry["categories"] = _texts(entry["categories"])
    for name in ("visible_passed", "visible_total", "hidden_passed", "hidden_total"):
        entry[name] = entry[name] or 0
    return {name: value for name, value in entry.items() if value is not None}


def _get(item: Any, name: str) -> Any:
    return item.get(name) if isinstance(item, Mapping) else getattr(item, name, None)


def _plain(value: Any) -> Any:
    """The value as JSON has it."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    return value


def _texts(value: Any) -> list[str]:
    return [str(item) for item in value or ()]


def _clip(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}\n(cut here)"
