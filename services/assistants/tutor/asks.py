"""What a message to the tutor asks for, and what a statement says, by their words. Pure, English only.

Used by the authored answers alone: a model reads for itself.
"""

import re
from typing import Final

GREETING: Final = "greeting"
THANKS: Final = "thanks"
DEMAND: Final = "demand"
COMPLEXITY: Final = "complexity"
EDGES: Final = "edges"
TESTS: Final = "tests"
APPROACH: Final = "approach"
STUCK: Final = "stuck"
OTHER: Final = "other"

# The first that fits; what presses for the code comes before all else.
_ASKS: Final = tuple(
    (ask, re.compile(pattern, re.IGNORECASE))
    for ask, pattern in (
        (
            DEMAND,
            r"\b(?:give|show|send|tell|write|post|print|paste)\b[^.?!]{0,40}"
            r"\b(?:code|solution|answer|implementation|function|program)\b"
            r"|\b(?:just|only) the (?:code|solution|answer)\b"
            r"|\bsolve it for me\b|\b(?:full|complete|whole) (?:code|solution|answer)\b"
            r"|\b(?:ignore|forget|disregard)\b[^.?!]{0,30}\b(?:instructions|rules|prompt)\b",
        ),
        (
            COMPLEXITY,
            r"\bcomplexit|\bbig[- ]?o\b|\bo\(|\btoo slow\b|\btime ?limit\b|\btle\b|\bfast(?:er)?\b"
            r"|\befficien|\boptimi[sz]",
        ),
        (EDGES, r"\b(?:edge|corner|special) cases?\b|\bwhat if\b|\bempty\b|\bduplicates?\b"),
        (TESTS, r"\btests?\b(?! (?:fail|pass))|\binputs? (?:to|should|can) (?:i )?try\b"),
        (
            APPROACH,
            r"\b(?:right|correct|good) (?:track|approach|idea|way|direction)\b|\bam i on\b"
            r"|\bis (?:my|this|that|it)\b[^.?!]{0,40}\b(?:right|correct|ok|okay|fine|good|work)\b"
            r"|\bdoes (?:my|this)\b|\bwhat do you think\b",
        ),
        (
            STUCK,
            r"\bstuck\b|\bno (?:idea|clue)\b|\b(?:don'?t|do not) (?:know|understand|get)\b|\blost\b"
            r"|\bwhere (?:do|should) i (?:start|begin)\b",
        ),
        (THANKS, r"^\W*(?:thanks?|thank you|thx|cheers|great|got it)\b"),
        (GREETING, r"^\W*(?:hi|hello|hey|good (?:morning|afternoon|evening)|greetings)\b[^.?!]{0,30}\W*$"),
    )
)
_BOUND = re.compile(r"10\s*\^\s*\{?\s*(\d{1,2})\s*\}?|10\*\*(\d{1,2})|\b(\d{1,3}(?:[ ,_]\d{3})+|\d{2,9})\b")
_RELATION = re.compile(r"\\leq?\b|<=|≤|\bat most\b|\bup to\b|\bno more than\b")
_SIZE = re.compile(
    r"\b(?:n|m|k|len|length|size|number of|elements|items|nodes|characters|long|parts|rows)\b", re.IGNORECASE
)


def ask_of(question: str) -> str:
    """What the message asks for."""
    return next((ask for ask, pattern in _ASKS if pattern.search(question)), OTHER)


def largest_size(statement: str) -> int | None:
    """The largest size of an input that the constraints name."""
    found = []
    for line in statement.split("\n"):
        if _RELATION.search(line) and _SIZE.search(line):
            for match in _BOUND.finditer(line):
                power = match[1] or match[2]
                found.append(10 ** min(int(power), 18) if power else int(re.sub(r"\D", "", match[3])))
            if found:
                break
    return max(found, default=None)


def constraint_lines(statement: str) -> list[str]:
    """The lines of the statement that bound its input, without their list marks."""
    lines = [line.strip().lstrip("-*+ ") for line in statement.split("\n")]
    return [line for line in lines if _RELATION.search(line) and len(line) <= 200]


def first_words(text: str, count: int) -> str:
    """The text's first words, for naming it without repeating it."""
    return " ".join(text.split()[:count]).rstrip(".,;:!?")
