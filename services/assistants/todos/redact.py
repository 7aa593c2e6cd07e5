"""What a tool gives back, as it may be seen: nothing secret, and nothing endless (D30). Pure.

Done where a result is made, so that neither the log, the database nor a model ever has what is left out here.
"""

from collections.abc import Mapping
from typing import Any, Final

REDACTED: Final = "[REDACTED]"
TRUNCATED: Final = "... [truncated]"
MAX_CHARS: Final = 5_000
# Deeper than any result of ours; what is made to be deep is cut before it can exhaust the stack.
MAX_DEPTH: Final = 12
_SECRET: Final = ("password", "token", "api_key", "secret")


def redacted(value: Any, depth: int = 0) -> Any:
    """A JSON value without what its keys call secret, and with its long texts cut."""
    if isinstance(value, str):
        return value if len(value) <= MAX_CHARS else value[:MAX_CHARS] + TRUNCATED
    if not isinstance(value, Mapping | list | tuple):
        return value
    if depth == MAX_DEPTH:
        return TRUNCATED
    if isinstance(value, Mapping):
        return {
            str(name): REDACTED if _is_secret(str(name)) else redacted(item, depth + 1) for name, item in value.items()
        }
    return [redacted(item, depth + 1) for item in value]


def _is_secret(name: str) -> bool:
    folded = name.casefold().replace("-", "_")
    return any(word in folded for word in _SECRET)
