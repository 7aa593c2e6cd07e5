"""What may be shown at each level: the guard's limits, and the account of what was shown. Pure.

A statement on a line of its own costs more than one in a sentence: lines of their own add up to a
program. Free are literals, simple expressions, signatures and what the person wrote themselves.
Level 3 shows snippets; there the account keeps the pieces from adding up to the whole solution.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.assistants.tutor.codelike import (
    OUTRIGHT,
    clean,
    disguised,
    is_english,
    is_literal,
    is_signature,
    looks_like_line,
    weigh,
    without_markers,
    without_maths,
)
from services.assistants.tutor.reference import OwnCode, Reference

PLAIN_FENCES: Final = frozenset({"", "text", "txt", "plain", "plaintext", "output", "console", "none", "diagram"})
MAX_OWN_LINES: Final = 10  # of the person's code quoted in one block; more is no short snippet
MIN_COVERED_LINES: Final = 2
MAX_FENCE_LINE_CHARS: Final = 1_000  # what is longer and no value is no snippet
# What looking at an answer may cost: a hundred times what a hint asks for, and half a second of everybody's time.
PATIENCE: Final = 200_000
_LOOK: Final = 50
_SLOW_FROM_CHARS: Final = 800  # patterns take up to the square of a longer text
_PARTS = re.compile(r"(?<=:)\s+|;\s*|\bthen\b|\band (?=\S+ =)")


@dataclass(frozen=True, slots=True)
class Limits:
    """One level's.

    Attributes:
        budget: What all statements of an answer may cost together.
        line_cost: What a statement on a line of its own costs; one in a sentence costs 1.
        max_fence_lines: Lines of code in one fenced block.
        max_answer_lines: Lines of code in all fenced blocks together.
        max_coverage: The part of the solution's telling lines that may appear, 0 to 1.
    """

    budget: int
    line_cost: int
    max_fence_lines: int
    max_answer_lines: int
    max_coverage: float


LIMITS: Final = {
    1: Limits(budget=1, line_cost=3, max_fence_lines=3, max_answer_lines=4, max_coverage=0.0),
    2: Limits(budget=4, line_cost=2, max_fence_lines=4, max_answer_lines=6, max_coverage=0.0),
    3: Limits(budget=14, line_cost=1, max_fence_lines=8, max_answer_lines=16, max_coverage=0.6),
}


class Account:
    """What an answer has shown so far; asked before each piece of it is passed on."""

    def __init__(self, level: int, reference: Reference, own: OwnCode) -> None:
        self.limits = LIMITS[min(max(level, 1), 3)]
        self.refused = False
        self._patience = PATIENCE
        self._spent = 0
        self._fence_lines = 0
        self._covered: set[str] = set()
        self._reference = reference
        self._own = own

    @property
    def exhausted(self) -> bool:
        """Whether the answer has asked for more looking than a hint can need; the rest of it is not looked at."""
        return self._patience < 0

    def allows_line(self, text: str) -> bool:
        """Whether a line outside of fences may be shown; table cells count each."""
        if not self._has_patience_for(text):
            return False
        cells = [text]
        if text.lstrip().startswith("|") or text.count(" | ") > 1:
            cells = [cell for cell in text.split("|") if cell.strip()]
        cost = 0
        for cell in cells:
            line = clean(without_maths(without_markers(cell)))
            whole = without_markers(line).strip()
            if disguised(cell):
                cost += OUTRIGHT
            elif looks_like_line(whole) or self._is_known(whole):
                cost += self._cost(whole, marked=False, each=self.limits.line_cost)
            else:
                cost += sum(self._cost(part.strip(), marked=False, each=1) for part in _PARTS.split(line))
        return self._charge(cost)

    def is_code_line(self, text: str) -> bool:
        """Whether a line outside of fences is one of code, not a sentence."""
        if not self._has_patience_for(text):
            return True
        return looks_like_line(without_markers(clean(without_maths(without_markers(text)))).strip())

    def allows_span(self, text: str) -> bool:
        """Whether inline code may be shown."""
        if not self._has_patience_for(text):
            return False
        if disguised(text):
            return self._charge(OUTRIGHT)
        return self._charge(self._cost(clean(text).strip(), marked=True, each=1))

    def allows_fence(self, lines: Sequence[str], info: str) -> bool:
        """Whether a fenced block with these lines of content may be shown, as a whole."""
        if not self._has_patience_for("\n".join(lines)):
            return False
        if disguised("\n".join(lines)) or disguised("".join(line.strip() for line in lines)):
            return self._charge(OUTRIGHT)
        cost = counted = quoted = 0
        for raw in lines:
            bare = re.sub(r"^[-+](?=\s|\w)", " ", raw) if info == "diff" else raw
            line = clean(re.sub(r"^\s*\d{1,3}\s*[|:]\s", "", without_quote(bare))).strip()
            if not re.search(r"\w", line) or is_literal(line):
                continue
            if quoted < MAX_OWN_LINES and self._own.has(line):
                quoted += 1
                continue
            if (
                len(line) <= MAX_FENCE_LINE_CHARS
                and info in PLAIN_FENCES
                and (is_english(line) or not weigh(line, marked=True))
                and not self._is_known(line)
            ):
                continue
            counted += 1
            if len(line) > MAX_FENCE_LINE_CHARS:
                cost += OUTRIGHT
                continue
            cost += self._cost(line, marked=True, each=self.limits.line_cost)
        too_long = counted > self.limits.max_fence_lines
        too_many = self._fence_lines + counted > self.limits.max_answer_lines
        if not self._charge(OUTRIGHT if too_long or too_many else cost):
            return False
        self._fence_lines += counted
        return True

    def allows_value(self, text: str) -> bool:
        """Whether a suggested test's field may be shown: a value, not a program."""
        if not self._has_patience_for(text):
            return False
        lines = [clean(line).strip() for line in text.split("\n")]
        weight = sum(weigh(line, marked=not is_english(line)) for line in lines if not self._own.has(line))
        heads = sum(is_signature(line) for line in lines)
        return not (weight > 0 or heads or disguised(text) or any(self._is_known(line) for line in lines))

    def _is_known(self, line: str) -> bool:
        return self._reference.has_line(line) or self._reference.has_shape(line)

    def _cost(self, line: str, *, marked: bool, each: int) -> int:
        if not line or self._own.has(line):
            return 0
        weight = weigh(line, marked=marked)
        if self._reference.has_line(line):
            if not self._may_cover(line):
                return OUTRIGHT
        elif self._reference.has_shape(line):
            if self.limits.max_coverage and not self._may_cover(line):
                return OUTRIGHT
            weight += 1
        return weight * each

    def _may_cover(self, line: str) -> bool:
        """Whether one more line of the solution keeps below the level's part of it."""
        covered = self._covered | {"".join(line.split())}
        if len(covered) > self.limits.max_coverage * max(len(self._reference), MIN_COVERED_LINES):
            return False
        self._covered = covered
        return True

    def _has_patience_for(self, text: str) -> bool:
        self._patience -= _LOOK + len(text) + len(text) ** 2 // _SLOW_FROM_CHARS
        self.refused = self.refused or self.exhausted
        return not self.exhausted

    def _charge(self, cost: int) -> bool:
        if not cost:
            return True
        if self.refused or self._spent + cost > self.limits.budget:
            # Whoever has tried once is given nothing more on credit.
            self.refused = True
            return False
        self._spent += cost
        return True


def without_quote(line: str) -> str:
    """A fence's line without the marks of a quotation around the fence."""
    return re.sub(r"^(?:\s*>)+ ?", "", line)
