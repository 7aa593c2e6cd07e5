"""What a reader should see of a paragraph that is still being written. Pure.

Half a link or half a formula is never shown, markers that stand at the very end wait for what
follows them, and emphasis or code that has been opened is shown as such before it is closed.
"""

import re
from typing import Final

from blueprints.dialects.formulas import CLOSERS, SINGLE, cannot_be_money

# Beyond this an opened `*`, `_` or `$` is taken for the character itself.
_PATIENCE_CHARS: Final = 200
_FORMULA_PATIENCE_CHARS: Final = 60
_TRAILING_MARKERS: Final = re.compile(r"(?:[*_~`$!\[\\]|\]\(?|<[A-Za-z/:.@-]*)+$")
# A last line of nothing but these may still become a list, a rule, a heading, a fence or a table.
_UNDECIDED_LINE: Final = re.compile(r"^[ \t]*(?:[-=*_+#>~`|:.$\\\[ \t]+|\d{1,9}[.)]?|\|.*)$")
_CITE: Final = re.compile(r"\[(\d{1,3})\]", re.ASCII)
_HALF_CITE: Final = re.compile(r" ?\[\d{0,3}$", re.ASCII)
# Out of the way of what looks for brackets; these characters have no meaning of their own.
_PUT_BY: Final = re.compile("\ue000(\\d{1,3})\ue001", re.ASCII)
_RUN: Final = re.compile(r"\\.|`+|\*+|_+|~~+|\$\$?|\\[(\[]|!?\[|\]\(?|<", re.DOTALL)


def without_undecided_line(source: str) -> str:
    """The source without a last, unfinished line that does not yet say what it will be."""
    head, newline, last = source.rpartition("\n")
    if last and not _UNDECIDED_LINE.match(last):
        return source
    lines = head.split("\n")
    rows = [line.lstrip().startswith("|") for line in lines[-2:]]
    if rows[-1] and rows != [True, True]:
        # A table's head: without the line below it, it is a paragraph with bars in it.
        return "\n".join([*lines[:-1], ""])
    return head + newline


def settled(text: str) -> str:
    """Complete or hold back what is left open at the end of a paragraph's Markdown source."""
    text = _TRAILING_MARKERS.sub("", text)
    return _Scan(text).result()


def settled_with_cites(text: str) -> str:
    """As `settled`, for a text in which a number in brackets is a source: it is shown whole, or not at all."""
    text = _HALF_CITE.sub("", text)
    return _PUT_BY.sub(r"[\1]", settled(_CITE.sub("\ue000\\1\ue001", text)))


class _Scan:
    """One pass over a paragraph's source, from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._emphasis: list[tuple[int, str]] = []
        self._brackets: list[tuple[int, int]] = []

    def result(self) -> str:
        position = 0
        while match := _RUN.search(self._text, position):
            step = self._step(match)
            if step is None:
                return self._with_closers(self._text[: match.start()].rstrip())
            if isinstance(step, str):
                return step
            position = step
        return self._with_closers(self._without_brackets())

    def _step(self, match: re.Match[str]) -> int | str | None:
        """Where to go on; None if all from here on is held back; a text if that is the result."""
        run, start = match[0], match.start()
        if run in ("\\(", "\\[", "$$"):
            end = self._text.find(CLOSERS[run], match.end())
            return None if end < 0 else end + 2
        if run == "$":
            return self._dollar(start)
        if run.startswith("`"):
            return self._code(match)
        if run in ("[", "!["):
            self._brackets.append((start, match.end()))
        elif run == "](":
            return self._link(match)
        elif run == "]" and self._brackets:
            self._brackets.pop()
        elif run[0] in "*_~" and not run.startswith("\\"):
            self._emphasise(match)
        return match.end()

    def _dollar(self, start: int) -> int | None:
        if formula := SINGLE.match(self._text, start):
            return formula.end()
        rest = self._text[start + 1 :]
        before = self._text[start - 1 : start]
        opens = rest[:1].strip() and not (before.isalnum() or before == "$")
        waits = opens and len(rest) <= _FORMULA_PATIENCE_CHARS and "$" not in rest and "\n" not in rest
        if waits and not rest[0].isdigit() and cannot_be_money(rest):
            return None
        return start + 1

    def _code(self, match: re.Match[str]) -> int | str:
        run = match[0]
        closer = re.compile(rf"(?<!`){run}(?!`)").search(self._text, match.end())
        if closer:
            return closer.end()
        inside = self._text[match.end() :].rstrip("`")
        if not inside.strip() or "\n\n" in inside:
            return self._with_closers(self._text[: match.start()].rstrip())
        return self._with_closers(self._text[: match.end()] + inside + run)

    def _link(self, match: re.Match[str]) -> int | str:
        """A link whose address has not ended is shown as its words alone."""
        end = _address_end(self._text, match.end())
        if not self._brackets:
            return match.end()
        start, words = self._brackets.pop()
        if end is not None:
            return end
        return self._with_closers(self._text[:start] + self._text[words : match.start()])

    def _emphasise(self, match: re.Match[str]) -> None:
        run, start, end = match[0], match.start(), match.end()
        before, after = self._text[start - 1 : start], self._text[end : end + 1]
        if run[0] == "_" and before.isalnum() and after.isalnum():
            return
        may_close = bool(before.strip())
        if may_close and self._emphasis and self._emphasis[-1][1] == run:
            self._emphasis.pop()
        elif after.strip():
            self._emphasis.append((start, run))

    def _without_brackets(self) -> str:
        if not self._brackets:
            return self._text
        start, words = self._brackets[-1]
        return self._text[:start] + self._text[words:]

    def _with_closers(self, text: str) -> str:
        patient = [run for start, run in self._emphasis if start >= len(text) - _PATIENCE_CHARS or len(run) > 1]
        if any(start >= len(text) for start, _ in self._emphasis):
            patient = [run for start, run in self._emphasis if start < len(text)]
        return text.rstrip() + "".join(reversed(patient)) if patient else text


def _address_end(text: str, start: int) -> int | None:
    depth = 1
    for position in range(start, len(text)):
        if text[position] == "\n":
            return position
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        if depth == 0:
            return position + 1
    return None
