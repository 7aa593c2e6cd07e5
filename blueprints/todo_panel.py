"""The agent's panel on the todo page: what templates/todos/_agent.html takes."""

from typing import Any


def shown() -> dict[str, Any]:
    """What the page gives to the panel as `agent`; reads the request, whose `session` names a conversation."""
    return {}
