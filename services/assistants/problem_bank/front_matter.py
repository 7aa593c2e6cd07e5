"""The YAML between two `---` lines at the head of a file, read without trusting it. Pure.

Every scalar stays text: a title may be `2024`, `Yes` or `1:30`. Tags, anchors and aliases are refused, so that a file
can neither make objects nor grow when it is read.
"""

import re
from typing import Any

import yaml

from services.errors import FieldError, InvalidInput

# YAML is read in Python, about 100 KB a second; a head is a few lines.
_MAX_CHARS = 4_000
_HEAD = re.compile(r"\A\s*---[ \t]*\n(?P<head>.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)


def split(text: str) -> tuple[dict[Any, Any], str]:
    """Take a file apart: its head (text, lists and mappings of text), and its body.

    Raises:
        InvalidInput: The field `front matter` is missing, not closed, too long, not YAML, or uses what is refused.
    """
    if not re.match(r"\s*---[ \t]*\n", text):
        raise _bad("is missing: the file must begin with a line ---")
    found = _HEAD.match(text)
    if not found:
        raise _bad("is not closed by a line ---")
    if len(found["head"]) > _MAX_CHARS:
        raise _bad(f"is longer than {_MAX_CHARS} characters")
    try:
        head = _PlainLoader(found["head"]).get_single_data()
    except (yaml.YAMLError, RecursionError, TypeError) as exc:
        raise _bad(_reason(exc)) from exc
    if not isinstance(head, dict):
        raise _bad("must be lines of name: value")
    return head, text[found.end() :]


class _PlainLoader(yaml.BaseLoader):
    """Makes text, lists and mappings, and nothing else."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or getattr(event, "tag", None):
            raise _bad("may not use tags, anchors or aliases")
        return super().compose_node(parent, index)


def _bad(message: str) -> InvalidInput:
    return InvalidInput([FieldError("front matter", message)])


def _reason(exc: Exception) -> str:
    if not isinstance(exc, yaml.MarkedYAMLError) or not exc.problem or not exc.problem_mark:
        return "is not valid YAML"
    # Two more: marks count from zero, and the line --- above is not theirs.
    return f"is not valid YAML: {exc.problem} (line {exc.problem_mark.line + 2})"
