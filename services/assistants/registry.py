"""The assistants of the site, by name."""

from collections.abc import Mapping
from types import MappingProxyType

from services.assistants.base import Assistant, Engine
from services.assistants.tutor import Tutor

NAMES = ("tutor",)


def build(engine: Engine) -> Mapping[str, Assistant]:
    """Every assistant, speaking through `engine`."""
    assistants: tuple[Assistant, ...] = (Tutor(engine),)
    return MappingProxyType({assistant.name: assistant for assistant in assistants})
