"""The assistants of the site, by name."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from services.assistants.base import Assistant, Engine, Hooks
from services.assistants.tutor import Tutor
from services.assistants.tutor.context import MAX_MESSAGES
from services.store.conversations import Message

NAMES = ("tutor",)


def build(engine: Engine) -> Mapping[str, Assistant]:
    """Every assistant, speaking through `engine`."""
    assistants: tuple[Assistant, ...] = (Tutor(engine),)
    return MappingProxyType({assistant.name: assistant for assistant in assistants})


def hooks() -> Mapping[str, Hooks]:
    """What each assistant does besides answering: at a turn's start, at its end, and to ask it in other words."""
    return MappingProxyType({"tutor": Hooks(resolve=_tutor)})


def _tutor(_user_id: int, before: Sequence[Message], turn: Mapping[str, Any], _question: str) -> Mapping[str, Any]:
    """All as it was, but for what was said before."""
    said = [{"role": row.role, "content": row.content} for row in before if row.content]
    return {**turn["facts"], "messages": said[-MAX_MESSAGES:]}
