"""A line as words, each with its place, and the English words that dates are made of. Pure.

Everything is looked at word by word, with no pattern that spans them: no line can take long.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

DAY_NAMES: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTH_NAMES: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
WEEKDAYS: Final = {name.lower(): number for number, name in enumerate(DAY_NAMES)} | {
    **{"mon": 0, "tue": 1, "tues": 1, "wed": 2, "weds": 2, "thu": 3, "thur": 3, "thurs": 3},
    **{"fri": 4, "sat": 5, "sun": 6},
}
MONTHS: Final = {name.lower(): number for number, name in enumerate(MONTH_NAMES, 1)} | {
    **{name[:3].lower(): number for number, name in enumerate(MONTH_NAMES, 1)},
    "sept": 9,
}
UNITS: Final = (
    dict.fromkeys(("d", "day", "days"), "day")
    | dict.fromkeys(("w", "wk", "wks", "week", "weeks"), "week")
    | dict.fromkeys(("mo", "mos", "mth", "mths", "month", "months"), "month")
    | dict.fromkeys(("quarter", "quarters"), "quarter")
    | dict.fromkeys(("y", "yr", "yrs", "year", "years"), "year")
    | dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "hour")
    | dict.fromkeys(("min", "mins", "minute", "minutes"), "minute")
)
NUMBERS: Final = {
    **{"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7},
    **{"eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30},
}
ORDINALS: Final = {
    **{"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "last": -1},
    **{"1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5},
}

_COMPACT_UNITS: Final = "|".join(sorted(UNITS, key=len, reverse=True))
_ORDINAL = re.compile(r"([0-9]{1,2})(st|nd|rd|th)")
_COMPACT = re.compile(rf"([0-9]{{1,4}})({_COMPACT_UNITS})")
_DIGITS = re.compile(r"[0-9]{1,4}")

# What is in quotes or code is nobody's date; else a word is what stands between spaces.
_CHUNK = re.compile(
    r"\"[^\"]{1,500}\"(?=[\s,.;:!?)]|$)|“[^”]{1,500}”|„[^“”]{1,500}[“”]|«[^»]{1,500}»|`[^`]{1,500}`"
    r"|'[^']{1,500}'(?=[\s,.;:!?)]|$)|\S+"
)
# `\#` and `\tomorrow`: the word that follows is what it is. A path, `\a\b`, is no such word.
_ESCAPED = re.compile(r"\\(?:[#+!@\"'][^\\]{0,200}|\w[^\\]{0,200})")
_QUOTES: Final = "\"“„«`'"
_OPENS: Final = "([{"
_ENDS: Final = ",.;:!?)]}"


def names(text: str) -> frozenset[str]:
    """The words of a text, to look them up."""
    return frozenset(text.split())


class Word(NamedTuple):
    """A word of a line: as it is written, its lower-case core, its place, and the marks behind the core."""

    raw: str
    text: str
    start: int
    end: int
    ends: str
    quoted: bool

    @property
    def stops(self) -> bool:
        """Whether a sentence or a part of one ends behind it, so that nothing goes on over it."""
        return bool(self.ends) and self.ends != "," and not (self.ends == "." and self.text in _ABBREVIATED)

    @property
    def capital(self) -> bool:
        return self.raw[:1].isupper()


_ABBREVIATED: Final = (
    {name for name in (*MONTHS, *WEEKDAYS) if len(name) <= 5}
    | {"a.m", "p.m", "am", "pm"}
    | {str(number) for number in range(1, 32)}
)
NO_WORD: Final = Word("", "", 0, 0, "", False)


def cut(line: str) -> list[Word]:
    """The words of a line. What is in quotes is one word, which is never read."""
    words = []
    for found in _CHUNK.finditer(line):
        raw = found[0]
        if raw[0] in _QUOTES and len(raw) > 1 and raw[-1] in "\"”“»`'" and (raw[0] != "'" or raw[-1] == "'"):
            words.append(Word(raw, "", found.start(), found.end(), "", True))
            continue
        if raw[0] == "\\" and _ESCAPED.fullmatch(raw):
            words.append(Word(raw, "", found.start(), found.end(), "", True))
            continue
        core = raw.lstrip(_OPENS) if raw[0] in _OPENS else raw
        text = core.rstrip(_ENDS) if core and core[-1] in _ENDS else core
        ends = core[len(text) :]
        words.append(Word(raw, text.lower().replace("’", "'"), found.start(), found.end(), ends, False))
    return words


def at(words: Sequence[Word], index: int) -> str:
    """The core of the word there; nothing where there is none, or one that is in quotes."""
    return words[index].text if 0 <= index < len(words) else ""


def texts(words: Sequence[Word], index: int, count: int) -> tuple[str, ...]:
    """The cores of so many words from there on."""
    return tuple(word.text for word in words[index : index + count])


def phrase(words: Sequence[Word], start: int, end: int) -> str:
    """Those words as they were written, without the marks behind the last."""
    if start >= end:
        return ""
    written = " ".join(word.raw for word in words[start:end])
    written = written.lstrip(_OPENS)
    return written.rstrip(_ENDS) or written


def number(text: str) -> int | None:
    """`5`, `five` or `a`; at most four digits."""
    if text in NUMBERS:
        return NUMBERS[text]
    return int(text) if _DIGITS.fullmatch(text) else None


def day_number(text: str) -> int | None:
    """A day of a month in digits, `17`; None where no month has it."""
    return int(text) if len(text) <= 2 and _DIGITS.fullmatch(text) and 1 <= int(text) <= 31 else None


def ordinal(text: str) -> int | None:
    """`17th`, with the ending that its number has; None where no month has that day."""
    found = _ORDINAL.fullmatch(text)
    if found is None or not 1 <= int(found[1]) <= 31:
        return None
    named = int(found[1])
    ending = "th" if named in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(named % 10, "th")
    return named if found[2] == ending else None


def compact(text: str) -> tuple[int, str] | None:
    """`3wks` as a number and its unit."""
    found = _COMPACT.fullmatch(text)
    return None if found is None else (int(found[1]), UNITS[found[2]])


def amount(words: Sequence[Word], index: int) -> tuple[int, str, int] | None:
    """`3 weeks`, `3wks`, `a week`, `a couple of days`: how many of which unit, and where it ends."""
    text = at(words, index)
    short = compact(text)
    if short is not None:
        return (*short, index + 1)
    if texts(words, index, 3) == ("a", "couple", "of") and at(words, index + 3) in UNITS:
        return 2, UNITS[at(words, index + 3)], index + 4
    if texts(words, index, 3) in {("half", "an", "hour"), ("half", "a", "hour")}:
        return 30, "minute", index + 3
    counted = number(text)
    unit = UNITS.get(at(words, index + 1).removesuffix("'s").removesuffix("'"))
    if counted is None or unit is None or words[index].stops:
        return None
    return counted, unit, index + 2
