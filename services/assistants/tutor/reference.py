"""What the guard knows of a problem's solution, and of the person's own code. Pure.

The solution itself enters neither a prompt nor a stored turn: the turn carries digests of its lines,
so a line that is repeated can be recognised and none can be read.
"""

import hashlib
import io
import keyword
import re
import tokenize
from collections.abc import Iterable, Mapping
from typing import Any, Final

from services.assistants.tutor.codelike import clean, is_signature

MIN_LINE_CHARS: Final = 12  # shorter lines (`i += 1`, `else:`) belong to nobody
MIN_SHAPE_TOKENS: Final = 7
MIN_OWN_CHARS: Final = 3
MAX_LINE_CHARS: Final = 1_000  # no longer line is shown, so none needs to be known
_TOKEN = re.compile(r"[A-Za-z_]\w*|\d+(?:\.\d+)?|\"\"|[^\w\s]")
_KEPT: Final = frozenset(keyword.kwlist) | {
    "len",
    "range",
    "enumerate",
    "sum",
    "min",
    "max",
    "sorted",
    "set",
    "dict",
    "list",
    "abs",
    "zip",
    "map",
    "any",
    "all",
    "int",
    "str",
    "print",
}


def squeeze(line: str) -> str:
    """The line without what formatting can change."""
    return re.sub(r"\s+", "", line).rstrip(":;{").strip("`")


def shape(line: str) -> str:
    """The line with its names replaced in order, so that renaming variables changes nothing."""
    names: dict[str, str] = {}
    found = _TOKEN.findall(line.rstrip().rstrip(":;{"))
    if len(found) < MIN_SHAPE_TOKENS:
        return ""
    return " ".join(
        names.setdefault(token, f"v{len(names)}") if token.isidentifier() and token not in _KEPT else token
        for token in found
    )


def fingerprints(solution: str, *, problem_id: str) -> dict[str, Any]:
    """Digests of the solution's own lines, for a turn's facts: `{salt, lines, shapes}`."""
    short = "\n".join(line for line in solution.split("\n") if len(line) <= MAX_LINE_CHARS)
    lines = [clean(line).strip() for line in _without_docstrings(short).split("\n")]
    telling = [line for line in lines if len(squeeze(line)) >= MIN_LINE_CHARS and not is_signature(line)]
    return {
        "salt": problem_id,
        "lines": sorted({_digest(squeeze(line), problem_id) for line in telling}),
        "shapes": sorted({_digest(shape(line), problem_id) for line in telling if shape(line)}),
    }


class Reference:
    """Recognises lines of the solution by their digests."""

    def __init__(self, facts: Mapping[str, Any] | None) -> None:
        self._salt = str((facts or {}).get("salt", ""))
        self._lines = frozenset((facts or {}).get("lines", ()))
        self._shapes = frozenset((facts or {}).get("shapes", ()))

    def __len__(self) -> int:
        return len(self._lines)

    def has_line(self, line: str) -> bool:
        """Whether it is a line of the solution, however it is spaced."""
        return bool(self._lines) and _digest(squeeze(line), self._salt) in self._lines

    def has_shape(self, line: str) -> bool:
        """Whether it is a line of the solution with other names in it."""
        pattern = shape(line) if self._shapes else ""
        return bool(pattern) and _digest(pattern, self._salt) in self._shapes


class OwnCode:
    """What the person has written: it may be quoted back."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._lines = frozenset(
            squeezed
            for text in texts
            for line in text.split("\n")
            if len(line) <= MAX_LINE_CHARS and len(squeezed := squeeze(clean(line))) >= MIN_OWN_CHARS
        )

    def has(self, line: str) -> bool:
        """Whether the line, or the fragment, stands in what the person wrote."""
        wanted = squeeze(line)
        return len(wanted) >= MIN_OWN_CHARS and (wanted in self._lines or any(wanted in own for own in self._lines))


def _without_docstrings(source: str) -> str:
    """Python source without its comments and docstrings; other languages as they are."""
    kept, last = [], tokenize.NEWLINE
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            is_doc = token.type == tokenize.STRING and last in (tokenize.NEWLINE, tokenize.INDENT, tokenize.NL)
            if is_doc:
                kept.append((token.start[0], token.end[0]))
            last = token.type if token.type != tokenize.COMMENT else last
    except (tokenize.TokenError, SyntaxError):
        return source
    docs = {number for start, end in kept for number in range(start, end + 1)}
    return "\n".join(line for number, line in enumerate(source.split("\n"), start=1) if number not in docs)


def _digest(text: str, salt: str) -> str:
    return hashlib.blake2b(f"{salt}\0{text}".encode(), digest_size=8).hexdigest()
