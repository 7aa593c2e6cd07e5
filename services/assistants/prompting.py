"""Prompts are prose files: prompts/<assistant>/<name>.md, filled in with string.Template.

A value that a prompt asks for and does not get, or gets and does not ask for, fails at once: a
prompt with a hole in it must never reach a model. A literal dollar sign is written `$$`.
"""

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from string import Template
from typing import Final

PROMPTS: Final = Path(__file__).parent / "prompts"
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class BadPrompt(LookupError):
    """A prompt that does not exist, or whose values do not fit it."""


def render(assistant: str, name: str, **values: str) -> str:
    """The prompt with its values filled in, without the file's last line end.

    Args:
        assistant: The folder under prompts/.
        name: The file in it, without `.md`.
        values: Exactly the names that the prompt uses; values are not templates themselves.

    Raises:
        BadPrompt: No such file, or names missing or left over.
    """
    template = _template(assistant, name)
    wanted = set(template.get_identifiers())
    if wanted != set(values):
        missing, spare = sorted(wanted - set(values)), sorted(set(values) - wanted)
        raise BadPrompt(f"prompt {assistant}/{name}: missing {missing}, not used {spare}")
    return template.substitute(values)


def boundary_of(ids: Sequence[str], material: Sequence[str]) -> str:
    """A word that stands in none of the material, and that its authors could not foresee.

    It hangs on ids of the turn, which are drawn after the words were written.
    """
    seed = "\0".join([*ids, *material])
    word = hashlib.sha256(seed.encode("utf-8", "replace")).hexdigest()[:16]
    while any(word in text for text in material):
        word = hashlib.sha256(word.encode()).hexdigest()[:16]
    return word


@cache
def _template(assistant: str, name: str) -> Template:
    if not (_NAME.fullmatch(assistant) and _NAME.fullmatch(name)):
        raise BadPrompt(f"prompt {assistant}/{name}: not a name")
    try:
        text = (PROMPTS / assistant / f"{name}.md").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadPrompt(f"prompt {assistant}/{name}: no such file") from None
    template = Template(text.rstrip("\n"))
    if not template.is_valid():
        raise BadPrompt(f"prompt {assistant}/{name}: a dollar sign that is no placeholder; write it twice")
    return template
