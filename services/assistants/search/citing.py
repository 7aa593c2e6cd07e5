"""Numbers in square brackets, as an answer grows: made alike, numbered by first citation, never shown by half. Pure.

Understood are `[1]`, `[1, 2]`, `[1-3]`, `[[1]]`, `[1†source]`, `[Source 1]`, `【1】`, `［1］` and a number that was
made a link, which loses its address: a number leads to the passage and nowhere else. Code (fences, and spans within a
line) and escaped brackets are left as they are. What comes out does not depend on how the text was cut.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

# The longest mark; and how long an address behind one, or a code span that has not closed, is waited for.
_MARK_CHARS: Final = 80
_ADDRESS_CHARS: Final = 500
_SPAN_CHARS: Final = 2_000
_PREFIX_CHARS: Final = 40
_INFO_CHARS: Final = 200
_MAX_RANGE: Final = 20
_WORDS: Final = ("source", "sources", "passage", "passages", "document", "documents")
_CLOSES: Final = {"[": "]", "[[": "]]", "【": "】", "［": "］"}

_NUMBER = r"\d{1,3}(?!\d)(?::\d{1,3})?"
_ITEM = rf"(?:(?:{'|'.join(_WORDS)})[ \t]*)?[#^]?{_NUMBER}(?:[ \t]*[-–—][ \t]*{_NUMBER})?"
_BODY = rf"[ \t]*{_ITEM}(?:[ \t]*(?:[,;、，&]|and\b)[ \t]*{_ITEM})*[ \t]*(?:†[^\[\]【】［］\n]{{0,60}})?"
_MARK = re.compile(
    rf"\[\[(?P<double>{_BODY})\]\]|\[(?P<square>{_BODY})\]|【(?P<lens>{_BODY})】|［(?P<wide>{_BODY})］", re.IGNORECASE
)
# How a mark may begin that has not come to its end.
_HALF = re.compile(
    r"(?:\[\[?|【|［)[ \t]*(?P<word>[A-Za-z]*)[ \t]*[#^]?"
    r"(?P<rest>(?:(?<!\d)\d{1,3}(?!\d)|[ \t,;、，&\-–—:#^A-Za-z])*(?:†[^\[\]【】［］\n]{0,60})?)\]?"
)
_FIGURES = re.compile(r"(?P<first>\d{1,3})(?::\d{1,3})?(?:[ \t]*[-–—][ \t]*(?P<last>\d{1,3}))?")
_ADDRESS = re.compile(r"\([ \t]*<?[^\s()<>]{0,400}>?(?:[ \t]+\"[^\"\n]{0,60}\")?[ \t]*\)")
_HALF_ADDRESS = re.compile(rf"\([^()\n]{{0,{_ADDRESS_CHARS}}}")
# Text without anything that matters here; spaces only before more of it, since a mark that goes takes them along.
_PLAIN = re.compile(r"(?:[ \t]*[^\\`\[【［ \t\n])+")
_BLANK = re.compile(r"[ \t]*")
_TICKS = re.compile(r"`+")
_PREFIX = re.compile(rf"[ \t>*+\-\d.)]{{0,{_PREFIX_CHARS}}}")
_FENCE = re.compile(r"(?P<prefix>[ \t]*(?:(?:>|[-*+]|\d{1,9}[.)])[ \t]*)*)(?P<marks>`{3,}|~{3,})")


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

    def skip_to(self, number: int) -> None:
        """Give no number up to this one any more."""
        self._last = max(self._last, number)


class Markers:
    """Reads a text as it comes and gives it back with its marks in one form.

    Args:
        number_of: The number that a source is shown with; None: it is unknown, and its mark goes.
    """

    def __init__(self, number_of: Callable[[int], int | None]) -> None:
        self._number_of = number_of
        self._held = ""
        self._out: list[str | Cited] = []
        self._told: set[int] = set()
        # Of the marks right before, with nothing but spaces between.
        self._cluster: set[int] = set()
        self._at_line_start = True
        self._line_has_text = False
        self._fence = ""
        self._fence_line = ""
        self._span = 0

    def read(self, text: str) -> list[str | Cited]:
        """Take more of the text; gives what is certain by now."""
        self._held += text
        return self._run(final=False)

    def end(self) -> list[str | Cited]:
        """There is no more: gives what was held back, but for half a mark."""
        return self._run(final=True)

    def follow(self, text: str) -> None:
        """Go on after a text that has been shown already: only where it ends matters, as in a fence."""
        self.read(text)
        self._out.clear()
        self._held = ""

    def _run(self, *, final: bool) -> list[str | Cited]:
        while self._held and self._step(final):
            pass
        if final:
            self._held = ""
        out, self._out = self._out, []
        return _joined(out)

    def _step(self, final: bool) -> bool:
        """Take a piece from the front of what is held; False if more must come first."""
        if self._fence:
            return self._in_fence()
        if self._span:
            return self._in_span(final)
        if self._at_line_start:
            return self._start_line(final)
        plain = _PLAIN.match(self._held)
        if plain:
            return self._give(plain.end())
        blank = _BLANK.match(self._held)
        at = blank.end() if blank else 0
        if at == len(self._held):
            return final and self._give(at)
        sign = self._held[at]
        if sign == "\n":
            self._give(at + 1)
            self._at_line_start, self._line_has_text = True, False
            return True
        if sign == "\\":
            return self._escape(at, final)
        return self._ticks(at, final) if sign == "`" else self._mark(at, final)

    def _give(self, count: int) -> bool:
        text, self._held = self._held[:count], self._held[count:]
        if text.strip(" \t"):
            self._cluster.clear()
            self._line_has_text = True
        self._out.append(text)
        return True

    # -- code

    def _start_line(self, final: bool) -> bool:
        """Whether a fence begins; what stands before one (quotes, list items) is given with it."""
        prefix = _PREFIX.match(self._held)
        end = prefix.end() if prefix else 0
        if end == len(self._held) and end < _PREFIX_CHARS and not final:
            return False
        found = _FENCE.match(self._held)
        start = found.start("marks") if found else end
        run = re.compile(r"[`~]*").match(self._held, start)
        if run and run.end() == len(self._held) and run.group() and not final:
            return False
        if found and found["marks"][0] == "`":
            line_end = _first(self._held, "\n`", found.end(), _INFO_CHARS)
            if line_end < 0 and len(self._held) - found.end() < _INFO_CHARS and not final:
                return False
            found = None if line_end >= 0 and self._held[line_end] == "`" else found
        self._at_line_start = False
        if found:
            self._fence, self._fence_line = found["marks"], found["marks"] + "!"
            return self._give(found.end())
        lead = re.compile(r"[ \t]*(?:(?:>|[-*+]|\d{1,9}[.)])[ \t]+)*").match(self._held)
        if lead and lead.end():
            # A list's sign or a quote's is no text: what comes next stands at the beginning of its line.
            cut = len(lead.group().rstrip(" \t"))
            if cut:
                self._give(cut)
                self._line_has_text = False
        return True

    def _in_fence(self) -> bool:
        end = self._held.find("\n") + 1
        part = self._held[:end] if end else self._held
        self._fence_line = (self._fence_line + part)[: _INFO_CHARS + 1]
        self._give(len(part))
        if end:
            bare = self._fence_line.strip(" \t>\r\n")
            if len(bare) >= len(self._fence) and not bare.strip(self._fence[0]):
                self._fence = ""
                self._at_line_start, self._line_has_text = True, False
            self._fence_line = ""
        return True

    def _ticks(self, at: int, final: bool) -> bool:
        run = _TICKS.match(self._held, at)
        assert run is not None
        if run.end() == len(self._held) and not final:
            return False
        self._span = run.end() - at
        return self._give(run.end())

    def _in_span(self, final: bool) -> bool:
        """Within what may be code: text flows, marks wait until it closes, or until it is seen that it never does."""
        plain = _PLAIN.match(self._held)
        if plain:
            return self._give(plain.end())
        line_end = self._held.find("\n")
        within = min(line_end if line_end >= 0 else len(self._held), _SPAN_CHARS)
        for run in _TICKS.finditer(self._held, 0, within + 1 if line_end < 0 else within):
            if run.end() == len(self._held) and not final:
                return False
            if run.end() - run.start() == self._span:
                self._span = 0
                return self._give(run.end())
        if line_end < 0 and len(self._held) <= _SPAN_CHARS and not final:
            return False
        self._span = 0
        return True

    # -- marks

    def _escape(self, at: int, final: bool) -> bool:
        if at + 1 == len(self._held) and not final:
            return False
        return self._give(at + 1 if self._held[at + 1 : at + 2] == "\n" else at + 2)

    def _mark(self, at: int, final: bool) -> bool:
        found = _MARK.match(self._held, at)
        if not found or found.end() - at > _MARK_CHARS:
            if self._may_become(at):
                return final and self._drop_half(at)
            return self._give(at + 1)
        end, guard = self._after(found.end(), final)
        if end < 0:
            return False
        body = next(group for group in found.groups() if group is not None)
        self._replace(at, end, _sources(body), guard)
        return True

    def _may_become(self, at: int) -> bool:
        rest = self._held[at:]
        half = _HALF.fullmatch(rest) if len(rest) <= _MARK_CHARS else None
        if half is None:
            return False
        word = half["word"].lower()
        return any(known.startswith(word) for known in _WORDS) and (not half["rest"] or not word or word in _WORDS)

    def _drop_half(self, at: int) -> bool:
        """At the very end: `[1` was to be a mark; `[Sour` may be anything."""
        return self._give(len(self._held)) if re.search("[A-Za-z]", self._held[at:]) else bool(self._cut(0))

    def _cut(self, count: int) -> int:
        self._held = self._held[:count]
        return 1

    def _after(self, end: int, final: bool) -> tuple[int, str]:
        """Where a mark ends with the address that it may have, and what keeps it from being read as something else.

        Returns:
            -1 if more must come before that can be said.
        """
        if end == len(self._held):
            return (end if final else -1), ""
        if self._held[end] == "(":
            address = _ADDRESS.match(self._held, end)
            if address:
                return address.end(), ""
            if _HALF_ADDRESS.fullmatch(self._held, end) and not final:
                return -1, ""
            return end, " "
        # `[1]: address` at the beginning of a line would make every `[1]` of the text a link to it.
        return end, " " if self._held[end] == ":" and not self._line_has_text else ""

    def _replace(self, at: int, end: int, sources: Sequence[int], guard: str) -> None:
        blank, self._held = self._held[:at], self._held[end:]
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
            self._out.append(blank + "".join(f"[{number}]" for number in numbers) + guard)
        elif not self._line_has_text:
            self._out.append(blank)


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


def _sources(body: str) -> list[int]:
    """The numbers within a mark, ranges told one by one."""
    found: list[int] = []
    for match in _FIGURES.finditer(body.partition("†")[0]):
        first, last = int(match["first"]), int(match["last"] or match["first"])
        found += range(first, last + 1) if 0 <= last - first < _MAX_RANGE else (first, last)
    return list(dict.fromkeys(found))


def _first(text: str, signs: str, start: int, within: int) -> int:
    places = [place for sign in signs if (place := text.find(sign, start, start + within)) >= 0]
    return min(places, default=-1)


def _joined(parts: Sequence[str | Cited]) -> list[str | Cited]:
    """Neighbouring texts as one."""
    return list(_join(parts))


def _join(parts: Sequence[str | Cited]) -> Iterator[str | Cited]:
    texts: list[str] = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        if texts:
            yield "".join(texts)
            texts.clear()
        yield part
    if any(texts):
        yield "".join(texts)
