"""What a conversation comes to when it no longer fits: sentences taken from it, in order. Pure and deterministic."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.assistants.study.passages import clip, sentences

MAX_CHARS: Final = 1_600
_QUESTION_CHARS: Final = 160
_ANSWER_CHARS: Final = 240


def extracted(before: str, messages: Sequence[Mapping[str, Any]]) -> str:
    """The lines of an older summary and one for each message since, the newest kept where not all fit.

    Args:
        before: The summary so far, as this function made it, or a model's.
        messages: In order, with `role` and `content`.
    """
    lines = [line for line in before.split("\n") if line.strip()]
    lines += [line for message in messages if (line := _line(message))]
    kept: list[str] = []
    left = MAX_CHARS
    for line in reversed(lines):
        shown = clip(line, _QUESTION_CHARS + _ANSWER_CHARS)
        left -= len(shown) + 1
        if left < 0:
            break
        kept.append(shown)
    return "\n".join(reversed(kept))


def _line(message: Mapping[str, Any]) -> str:
    said = [sentence for sentence in sentences(str(message.get("content") or "")) if not _is_decoration(sentence)]
    if not said:
        return ""
    if message.get("role") == "user":
        return f"- Asked: {clip(said[0], _QUESTION_CHARS)}"
    return f"- Answered: {clip(said[0], _ANSWER_CHARS)}"


def _is_decoration(sentence: str) -> bool:
    """Headings, rules and notes about the answer itself say nothing of what was answered."""
    return sentence.startswith(("#", ">", "---", "```", "**From", "Sources:"))
