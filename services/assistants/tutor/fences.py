"""Fenced blocks in a stream of Markdown, and the `tests` block that becomes a card. Pure.

Source: CommonMark 0.31, section "Fenced code blocks". A `tests` fence is recognised where CommonMark sees a
fence on the page's top level: at most three spaces before it, closed by a fence at least as long, of the
same character. Inside another fence it is text.

A line of the block is `input => expected | why` or a JSON object with these names; a line that is
neither becomes `{"input": line}`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.streaming.coalesce import clean

Tests = list[dict[str, str]]

MAX_TESTS: Final = 20
MAX_FIELD_CHARS: Final = 2_000
# A block longer than this is no list of tests; it is sent as the text that it is.
MAX_BLOCK_CHARS: Final = 16_384
# An opening line longer than this opens no list of tests either; it does not wait for its end.
MAX_OPENING_CHARS: Final = 200

_OPENING = re.compile(r" {0,3}(?:(?P<ticks>`{3,})(?P<tick_info>[^`\n]*)|(?P<tildes>~{3,})(?P<tilde_info>[^\n]*))\n?\Z")
_CLOSING = re.compile(r" {0,3}(?P<marks>`{3,}|~{3,})[ \t\r]*\n?\Z")
# A line that may still turn out to open a `tests` fence, cut anywhere.
_MAY_OPEN = re.compile(
    r" {0,3}(?:`{0,2}|`{3,}[ \t]*(?:t(?:e(?:s(?:t(?:s(?:[ \t\r][^`\n]*)?)?)?)?)?)?"
    r"|~{0,2}|~{3,}[ \t]*(?:t(?:e(?:s(?:t(?:s(?:[ \t\r][^\n]*)?)?)?)?)?)?)\Z",
    re.IGNORECASE,
)
_ARROW = re.compile(r"\s*=>\s*|\s+(?:->|→)\s+")
_MARKER = re.compile(r"(?:[-*+]|\d{1,2}[.)])\s+(?=\S)")
_WHY = re.compile(r"\s+\|\s+")


@dataclass(frozen=True, slots=True)
class Fence:
    """An opening fence: its character, its length and its info string's first word."""

    mark: str
    length: int
    info: str


def opening(line: str) -> Fence | None:
    """The fence that this whole line opens, if it does."""
    match = _OPENING.match(line)
    if match is None:
        return None
    marks = match["ticks"] or match["tildes"]
    words = (match["tick_info"] or match["tilde_info"] or "").split()
    return Fence(marks[0], len(marks), words[0].lower() if words else "")


def closes(line: str, fence: Fence) -> bool:
    """Whether this whole line closes the fence."""
    match = _CLOSING.match(line)
    return match is not None and match["marks"][0] == fence.mark and len(match["marks"]) >= fence.length


class TestsFilter:
    """Takes the `tests` blocks out of a stream of text.

    Text outside of them is passed on byte for byte, and at once: only a line that may still open a
    `tests` fence waits, and the block itself until it closes.
    """

    __test__ = False  # its name looks like a test's to pytest

    def __init__(self) -> None:
        self._line = ""  # the current line, as far as it has come
        self._passed = 0  # how much of it has been passed on
        self._fence: Fence | None = None  # the fence that is open
        self._block: list[str] | None = None  # lines of the open `tests` block, its fence first
        self._block_chars = 0

    def prime(self, text: str) -> None:
        """Go on after text that has been sent already; a block that was cut there stays the text it was sent as."""
        for _ in self.feed(text):
            pass
        self._block = None
        self._passed = len(self._line)

    def feed(self, text: str) -> Iterator[str | Tests]:
        """Text to pass on and blocks that have closed, in order."""
        position = 0
        while position < len(text):
            cut = text.find("\n", position) + 1 or len(text)
            self._line += text[position:cut]
            position = cut
            if self._line.endswith("\n"):
                yield from self._end_line()
            elif self._block is not None:
                if self._block_chars + len(self._line) > MAX_BLOCK_CHARS:
                    yield from self._give_up()
            elif self._fence is not None or self._passed or not self._may_open():
                yield from self._pass_line()

    def finish(self) -> Iterator[str | Tests]:
        """The text has ended: a block that its last line closes, or what is held, as text."""
        if self._line and self._block is not None and self._fence and closes(self._line, self._fence):
            yield from self._end_block()
        elif self._block is not None:
            yield from self._give_up()
        else:
            yield from self._pass_line()
        self._line, self._passed = "", 0

    def _may_open(self) -> bool:
        return len(self._line) <= MAX_OPENING_CHARS and _MAY_OPEN.match(self._line) is not None

    def _end_line(self) -> Iterator[str | Tests]:
        line = self._line
        if self._block is not None:
            if self._fence and closes(line, self._fence):
                yield from self._end_block()
            else:
                self._block.append(line)
                self._block_chars += len(line)
                if self._block_chars > MAX_BLOCK_CHARS:
                    self._line = ""
                    yield from self._give_up()
        elif self._fence is not None:
            if closes(line, self._fence):
                self._fence = None
            yield from self._pass_line()
        else:
            self._fence = opening(line)
            if self._fence and self._fence.info == "tests" and not self._passed:
                self._block, self._block_chars = [line], len(line)
            else:
                yield from self._pass_line()
        self._line, self._passed = "", 0

    def _end_block(self) -> Iterator[Tests]:
        lines = self._block or []
        tests = parse_tests("".join(lines[1:]))
        self._block, self._fence = None, None
        if tests:
            yield tests

    def _give_up(self) -> Iterator[str]:
        """Send the held block as text; its fence stays open, as it is on the page."""
        yield "".join(self._block or [])
        self._block = None
        yield from self._pass_line()

    def _pass_line(self) -> Iterator[str]:
        fresh = self._line[self._passed :]
        self._passed = len(self._line)
        if fresh:
            yield fresh


def parse_tests(block: str) -> Tests:
    """The tests of a block's content, in order; at most MAX_TESTS."""
    try:
        whole = json.loads(block)
    except (ValueError, RecursionError):
        whole = None
    if isinstance(whole, list) and whole and all(isinstance(item, dict) for item in whole):
        found = [tests_entry(item) for item in whole]
    else:
        found = [_parse_line(line.strip()) for line in block.split("\n")]
    return [entry for entry in found if entry][:MAX_TESTS]


def tests_entry(value: object) -> dict[str, str]:
    """One test from JSON, as a model wrote it; empty if it names no input."""
    if not isinstance(value, Mapping):
        return {"input": _as_text(value)} if value not in (None, "") else {}
    entry = {name: _as_text(value[name]) for name in ("input", "expected", "why") if value.get(name) not in (None, "")}
    return entry if "input" in entry else {}


def _parse_line(line: str) -> dict[str, str]:
    if not line or line.replace(" ", "").lower() in ("input=>expected|why", "input=>expected"):
        return {}
    if line.startswith("{"):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and tests_entry(value):
            return tests_entry(value)
    arrow = _ARROW.search(line)
    if arrow is None or not line[: arrow.start()].strip() or not line[arrow.end() :].strip():
        return {"input": line[:MAX_FIELD_CHARS]}
    given = line[: arrow.start()]
    marker = _MARKER.match(given)
    expected, *why = _WHY.split(line[arrow.end() :], maxsplit=1)
    entry = {"input": given[marker.end() :] if marker else given, "expected": expected, "why": "".join(why)}
    return {name: text.strip()[:MAX_FIELD_CHARS] for name, text in entry.items() if text.strip()}


def _as_text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    # JSON's escapes bring back what the text itself has lost.
    return clean(text)[:MAX_FIELD_CHARS]
