"""Which words of a line may be a date or a repetition, and which only look like one. Pure.

Each date says where it may be one (`Hold`): at the end of a line is also before what else was read at its end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from services.todos import clocks, dates, repeating
from services.todos.dates import Found
from services.todos.repeated import Found as Repeated
from services.todos.words import MONTHS, NUMBERS, UNITS, WEEKDAYS, Word, at, names, phrase
from services.todos.written import Hold, Said

# Behind these, what looks like a date belongs to the words: "the monday email", "chapter 5/6", "about tomorrow".
_BLOCKING: Final = names(
    "the a an my our your his her their its of about since after than per last black cyber good easter ash palm holy "
    "super chapter page version v step room size no nr number level part episode season unit score ratio and or not "
    "every each psalm genesis exodus romans john matthew mark luke acts highway route issue"
)
_BEGINNINGS: Final = names(
    "on for from within starting @ by due until till til 'til before deadline no at over around today tomorrow tmr "
    "tmrw tonight yesterday eod eow eoww eom eoq eoy sow som soq soy first second third fourth fifth last end start "
    "beginning this coming the day next weekend in noon midday midnight half quarter every each ev daily weekly "
    "fortnightly monthly quarterly yearly annually biweekly bimonthly semiweekly hourly once twice thrice"
) | {*WEEKDAYS, *MONTHS}
_BEHIND_NUMBERS: Final = (
    names("past to o'clock oclock am pm a.m p.m times time in at couple quarter fortnight fortnights half")
    | {*UNITS, *MONTHS}
    | {unit + "'s" for unit in UNITS}
    | {unit + "'" for unit in UNITS}
)
JOINED: Final = names("and or to through - – vs")
_GOES_ON: Final = names("on about with for to and in at")


# No date has more words than this, in front of another one.
_LONGEST: Final = 8
# A start, a time, a due date and a repetition: no line ends with more.
_ROUNDS: Final = 4


@dataclass(slots=True)
class Seen:
    """The words of a line, without its marks, and what was found among them.

    Attributes:
        last: Where the words end behind which all was read.
    """

    words: list[Word]
    said: Said
    last: int
    starts: list[Found] = field(default_factory=list)
    dues: list[Found] = field(default_factory=list)
    repeat: Repeated | None = None
    notes: list[str] = field(default_factory=list)


def look(words: list[Word], said: Said) -> Seen:
    """Find what may be a date or a repetition.

    Raises:
        InvalidDate: Words that are clearly meant as one are none.
    """
    line = Seen(words, said, len(words))
    index = 0
    while index < len(words):
        index = _step(line, index)
    for _ in range(_ROUNDS):
        if not _look_again(line):
            break
    line.starts.sort(key=lambda found: found.start)
    line.dues.sort(key=lambda found: found.start)
    return line


def _step(line: Seen, index: int) -> int:
    """Look at what begins at a word; where to go on."""
    words = line.words
    if not _may_begin(words, index):
        return index + 1
    run = _several_days(words, index)
    if run is not None:
        line.notes.append(f"“{phrase(words, index, run)}” is more than one date, so it stays in the words.")
        return run
    return _taken(line, words, index) or index + 1


def _taken(line: Seen, words: Sequence[Word], index: int, *, until: int | None = None) -> int | None:
    """Take what begins there, if it is one, and ends at `until` where that is given; where it ends."""
    repeated = repeating.match(words, index, line.said) if line.repeat is None else None
    if repeated is not None and until in {None, repeated.end} and _is_held(line, repeated.hold, repeated, led=False):
        line.repeat = repeated
        return repeated.end
    found = None if _is_blocked(line, index) else dates.match(words, index, line.said)
    found = _with_its_end(words, found)
    if found is None or until not in {None, found.end} or not _is_date(line, found):
        return None
    (line.dues if found.due else line.starts).append(found)
    return found.end


def _with_its_end(words: Sequence[Word], found: Found | None) -> Found | None:
    """`friday eod` is no more than `friday`: a day without a time lasts until its end."""
    if found is None or found.day is None or found.clock is not None or found.last is not None:
        return found
    if words[found.end - 1].stops or at(words, found.end - 1) == "eod":
        return found
    if at(words, found.end) == "eod":
        return replace(found, end=found.end + 1)
    if [at(words, found.end + each) for each in range(3)] == ["end", "of", "day"]:
        return replace(found, end=found.end + 3)
    return found


def _look_again(line: Seen) -> bool:
    """Look for what ends where all behind it was read: `friday, every 2 weeks`."""
    taken = [(one.start, one.end) for one in (*line.starts, *line.dues, line.repeat) if one is not None]
    begins = {end: start for start, end in taken}
    last = line.last
    while last in begins:
        last = begins[last]
    if last == line.last or last == 0:
        return False
    line.last = last
    before = line.words[:last]
    for index in range(max(0, last - _LONGEST), last):
        free = not any(start <= index < end for start, end in taken)
        if free and _may_begin(before, index) and _taken(line, before, index, until=last):
            return True
    return False


def _may_begin(words: Sequence[Word], index: int) -> bool:
    """Whether it is worth looking at that word: most words of a line begin nothing."""
    text = words[index].text
    if text.isdecimal() or text in NUMBERS:
        return at(words, index + 1) in _BEHIND_NUMBERS
    return text in _BEGINNINGS or text[:1].isdecimal() or text[:1] == "@" or text.endswith(("days", "!"))


def _several_days(words: Sequence[Word], index: int) -> int | None:
    """Where `mon wed fri 7am` ends: without an `every` it is no date, and its time is none either."""
    end = index
    while at(words, end) in WEEKDAYS and not words[end].stops:
        end += 1
    end += 1 if end > index and at(words, end) in WEEKDAYS else 0
    if end < index + 2:
        return None
    clock = clocks.match(words, end)
    return end if clock is None else clock.end


def _is_blocked(line: Seen, index: int) -> bool:
    """Whether the word before makes it part of the words; "today and tomorrow" is looked at, to be refused."""
    before = line.words[index - 1] if index else None
    at_before = index if line.words[index].text == "before" else index - 1
    if at(line.words, at_before) == "before" and at(line.words, at_before - 1) in UNITS:
        return True
    if before is None or before.ends or before.text not in _BLOCKING:
        return False
    joins = before.text in JOINED and any(found.end == index - 1 for found in (*line.starts, *line.dues))
    return not joins


def _is_held(line: Seen, hold: Hold, found: Found | Repeated, *, led: bool) -> bool:
    ends = found.end == line.last
    if hold == Hold.SURE:
        return True
    if hold == Hold.WHOLE:
        return False
    return led or (hold >= Hold.END and ends) or (hold >= Hold.EDGE and found.start == 0)


def _is_date(line: Seen, found: Found) -> bool:
    """Whether those words are a date in this line, and not words that look like one."""
    words, hold = line.words, found.hold
    lead = at(words, found.start) if found.led else ""
    if hold == Hold.WHOLE:
        return False
    if lead in {"from", "for"} and hold < Hold.SURE and found.last is None:
        return found.end == line.last
    if found.clock is not None and found.clock.weak and found.day is None:
        said_at = at(words, found.start) in {"at", "@", "around"}
        return found.end == line.last or found.led or (said_at and at(words, found.end) in _GOES_ON)
    return _is_held(line, hold, found, led=found.led)
