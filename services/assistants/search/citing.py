"""Numbers in square brackets, as an answer grows: made alike, numbered by first citation, never shown by half. Pure.

`marks` says how numbers may be written. One that was made a link loses its address: a number leads to the passage and
nowhere else. Code (fences, and spans within a line) and escaped brackets are left as they are. What comes out does not
depend on how the text was cut.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from services.assistants.search.marks import address_end, mark_at, may_become_address, may_become_mark

# How long a code span that has not closed is waited for; what may stand before a fence, and after its signs.
_SPAN_CHARS: Final = 2_000
_PREFIX_CHARS: Final = 40
_INFO_CHARS: Final = 200

# Text without anything that matters here; spaces only before more of it, since a mark that goes takes them along.
_PLAIN: Final = re.compile(r"(?:[ \t]*[^\\`\[【［ \t\n])+")
_BLANK: Final = re.compile(r"[ \t]*")
_TICKS: Final = re.compile(r"`+")
_SIGNS: Final = re.compile(r"[`~]*")
_LETTER: Final = re.compile(r"[A-Za-z]")
# What may stand at the beginning of a line before a fence; and what of it is whole.
_PREFIX: Final = re.compile(rf"[ \t>*+\-\d.)]{{0,{_PREFIX_CHARS}}}")
_LEAD: Final = re.compile(r"(?:[ \t]*(?:>|[-*+]|\d{1,9}[.)]))*")
_FENCE: Final = re.compile(rf"{_LEAD.pattern}[ \t]*(?P<signs>`{{3,}}|~{{3,}})")
# Stands for the line that opened a fence, which never closes it.
_OPENING: Final = "!"
# As much of what was given as the longest mark; and what stands for a number that goes where others would close up.
_TAIL_CHARS: Final = 80
_LEFT_OUT: Final = "…"
_HALF_MARK: Final = re.compile(r"[\[【［][^\[\]【】［］\n]*\Z")


class Cited(NamedTuple):
    """A source has its number from here on: it stands in the text that comes next."""

    number: int
    source: int


class FirstCited:
    """Numbers sources from 1 on, in the order in which they are cited first.

    Args:
        count: Sources are 1 to `count`; others have no number.
        known: Numbers that sources have already: `{source: number}`.
    """

    def __init__(self, count: int, known: Mapping[int, int] | None = None) -> None:
        self._count = count
        self.numbers: dict[int, int] = dict(known or {})
        self._last = max(self.numbers.values(), default=0)

    def __call__(self, source: int) -> int | None:
        if source not in self.numbers and 1 <= source <= self._count:
            self._last += 1
            self.numbers[source] = self._last
        return self.numbers.get(source)


class Markers:
    """Reads a text as it comes and gives it back with its marks in one form.

    Args:
        number_of: The number that a source is shown with; None: it is unknown, and its mark goes.
    """

    def __init__(self, number_of: Callable[[int], int | None]) -> None:
        self._number_of = number_of
        # What is not certain yet: from `_at` on.
        self._held = ""
        self._at = 0
        self._out: list[str | Cited] = []
        self._told: set[int] = set()
        # Of the marks right before, with nothing but spaces between.
        self._cluster: set[int] = set()
        self._at_line_start = True
        self._line_has_text = False
        self._line_has_words = False
        self._tail = ""
        self._fence = ""
        self._fence_line = ""
        self._span = 0

    def read(self, text: str) -> list[str | Cited]:
        """Take more of the text; gives what is certain by now."""
        self._held = self._held[self._at :] + text
        self._at = 0
        return self._run(final=False)

    def end(self) -> list[str | Cited]:
        """There is no more: gives what was held back, but for half a mark."""
        return self._run(final=True)

    def follow(self, text: str) -> None:
        """Go on after a text that has been shown already: only where it ends matters, as in a fence."""
        number_of, self._number_of = self._number_of, lambda _source: None
        self.read(text)
        self._number_of = number_of
        self._out.clear()
        self._held, self._at = "", 0

    def _run(self, *, final: bool) -> list[str | Cited]:
        while self._at < len(self._held) and self._step(final):
            pass
        out, self._out = self._out, []
        return list(_joined(out))

    def _step(self, final: bool) -> bool:
        """Take a piece from the front of what is held; False if more must come first."""
        if self._fence:
            return self._in_fence()
        if self._span:
            return self._in_span(final)
        if self._at_line_start:
            return self._start_line(final)
        plain = _PLAIN.match(self._held, self._at)
        if plain:
            return self._give(plain.end())
        at = _end(_BLANK, self._held, self._at)
        if at == len(self._held):
            return final and self._give(at)
        sign = self._held[at]
        if sign == "\n":
            self._give(at + 1)
            self._begin_line()
            return True
        if sign == "\\":
            return self._escape(at, final)
        return self._ticks(at, final) if sign == "`" else self._mark(at, final)

    def _give(self, end: int) -> bool:
        text, self._at = self._held[self._at : end], end
        if text.strip(" \t"):
            self._cluster.clear()
            self._line_has_text = self._line_has_words = True
        self._say(text)
        return True

    def _say(self, text: str) -> None:
        self._out.append(text)
        self._tail = (self._tail + text)[-_TAIL_CHARS:]

    def _begin_line(self) -> None:
        self._at_line_start, self._line_has_text, self._line_has_words = True, False, False

    # -- code

    def _start_line(self, final: bool) -> bool:
        """Whether a fence begins; what stands before one (quotes, list items) is given with it."""
        held, whole = self._held, len(self._held)
        prefix = _end(_PREFIX, held, self._at)
        if prefix == whole and prefix - self._at < _PREFIX_CHARS and not final:
            return False
        found = _FENCE.match(held, self._at)
        if _end(_SIGNS, held, found.start("signs") if found else prefix) == whole > prefix and not final:
            return False
        if found and found["signs"][0] == "`":
            # What a line of backticks says after them is a language, unless there are more of them: then it is a span.
            line_end = _first(held, "\n`", found.end(), _INFO_CHARS)
            if line_end < 0 and whole - found.end() < _INFO_CHARS and not final:
                return False
            found = None if line_end >= 0 and held[line_end] == "`" else found
        self._at_line_start = False
        if found:
            self._fence, self._fence_line = found["signs"], _OPENING
            return self._give(found.end())
        lead = _end(_LEAD, held, self._at)
        if held[self._at : lead].strip(" \t"):
            # A list's sign or a quote's is no text: what comes next stands at the beginning of its line.
            self._give(lead)
            self._line_has_text = self._line_has_words = False
        return True

    def _in_fence(self) -> bool:
        line_end = self._held.find("\n", self._at) + 1
        end = line_end or len(self._held)
        self._fence_line = (self._fence_line + self._held[self._at : end])[: _INFO_CHARS + 1]
        self._give(end)
        if line_end:
            bare = self._fence_line.strip(" \t>\r\n")
            if len(bare) >= len(self._fence) and not bare.strip(self._fence[0]):
                self._fence = ""
                self._begin_line()
            self._fence_line = ""
        return True

    def _ticks(self, at: int, final: bool) -> bool:
        end = _end(_TICKS, self._held, at)
        if end == len(self._held) and not final:
            return False
        self._span = end - at
        return self._give(end)

    def _in_span(self, final: bool) -> bool:
        """Within what may be code: text flows, marks wait until it closes, or until it is seen that it never does."""
        plain = _PLAIN.match(self._held, self._at)
        if plain:
            return self._give(plain.end())
        limit = self._at + _SPAN_CHARS
        line_end = self._held.find("\n", self._at, limit)
        for run in _TICKS.finditer(self._held, self._at, line_end if line_end >= 0 else len(self._held)):
            if run.start() > limit:
                break
            if run.end() == len(self._held) and not final:
                return False
            if run.end() - run.start() == self._span:
                self._span = 0
                return self._give(run.end())
        if line_end < 0 and len(self._held) <= limit and not final:
            return False
        self._span = 0
        return True

    # -- marks

    def _escape(self, at: int, final: bool) -> bool:
        if at + 1 == len(self._held) and not final:
            return False
        return self._give(at + 1 if self._held[at + 1 : at + 2] == "\n" else min(at + 2, len(self._held)))

    def _mark(self, at: int, final: bool) -> bool:
        found = mark_at(self._held, at)
        if found is None:
            if may_become_mark(self._held, at):
                return final and self._drop_half(at)
            return self._give(at + 1)
        end, guard = self._after(found[0], final)
        if end < 0:
            return False
        self._replace(at, end, found[1], guard)
        return True

    def _drop_half(self, at: int) -> bool:
        """At the very end: `[1` was to be a mark; `[Sour` may be anything."""
        if _LETTER.search(self._held, at):
            return self._give(len(self._held))
        self._at = len(self._held)
        return True

    def _after(self, end: int, final: bool) -> tuple[int, str]:
        """Where a mark ends with the address that it may have, and what keeps it from being read as something else.

        Returns:
            -1 if more must come before that can be said.
        """
        if end < len(self._held) and self._held[end] == "(":
            address = address_end(self._held, end)
            if address < 0:
                return (-1, "") if may_become_address(self._held, end) and not final else (end, " ")
            end = address
        if end == len(self._held):
            return (end if final else -1), ""
        sign = self._held[end]
        if sign == "[" and mark_at(self._held, end) is None:
            # `[1][name]` would be a link to what `name` is said to be.
            return (-1, "") if may_become_mark(self._held, end) and not final else (end, " ")
        # A second address; or `[1]: address` at the beginning of a line, a link of every `[1]` in the text.
        return end, " " if sign == "(" or (sign == ":" and not self._line_has_words) else ""

    def _replace(self, at: int, end: int, sources: Sequence[int], guard: str) -> None:
        blank, self._at = self._held[self._at : at], end
        numbers: list[int] = []
        for source in sources:
            number = self._number_of(source)
            if number is None or number in self._cluster:
                continue
            self._cluster.add(number)
            numbers.append(number)
            if number not in self._told:
                self._told.add(number)
                self._out.append(Cited(number, source))
        if numbers:
            self._line_has_text = True
            self._say(blank + "".join(f"[{number}]" for number in numbers) + guard)
            return
        if not self._line_has_text and blank:
            self._say(blank)
        # What stands before and after a mark that goes must not become one, nor a link or a fence, by coming together.
        if _HALF_MARK.search(self._tail) or (
            self._tail[-1:] in ("`", "~") and self._held.startswith(self._tail[-1], end)
        ):
            self._say(_LEFT_OUT)
        elif guard and self._tail.endswith("]"):
            self._say(guard)


def extract_citations(text: str, count: int) -> tuple[str, list[int]]:
    """A whole answer with its marks in one form, and the sources that it cites: `list[n - 1]` is that of `[n]`.

    Args:
        count: Sources are 1 to `count`.
    """
    numbering = FirstCited(count)
    clean = renumbered(text, numbering)
    return clean, list(numbering.numbers)


def renumbered(text: str, number_of: Callable[[int], int | None]) -> str:
    """A whole text whose marks have other numbers; those without one go."""
    markers = Markers(number_of)
    return "".join(part for part in (*markers.read(text), *markers.end()) if isinstance(part, str))


def numbers_in(text: str) -> list[int]:
    """The numbers that stand in a text as marks, each once, in order."""
    found: dict[int, None] = {}

    def note(number: int) -> int:
        found[number] = None
        return number

    renumbered(text, note)
    return list(found)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Where a pattern ends that begins at this place; there, if it does not."""
    found = pattern.match(text, at)
    return found.end() if found else at


def _first(text: str, signs: str, start: int, within: int) -> int:
    places = [place for sign in signs if (place := text.find(sign, start, start + within)) >= 0]
    return min(places, default=-1)


def _joined(parts: Sequence[str | Cited]) -> Iterator[str | Cited]:
    """Neighbouring texts as one."""
    texts: list[str] = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        if any(texts):
            yield "".join(texts)
            texts.clear()
        yield part
    if any(texts):
        yield "".join(texts)
