"""Times of day in English: `17:00`, `5pm`, `half past 9`, `noon`, `at 9`, `at 14:00 UTC`. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import time
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.todos.words import Word, at, names, number, phrase, texts
from services.when import InvalidDate

PARTS: Final = {"morning": time(9), "afternoon": time(15), "evening": time(19), "night": time(21)}
# Before this hour, a bare "at 5" is one of the afternoon: nobody plans for 5 in the night without saying so.
_FIRST_BARE_HOUR: Final = 7

_COLON = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?(am|pm|a\.m|p\.m|h)?")
_HALF = re.compile(r"([0-9]{1,2})(am|pm|a\.m|p\.m)")
_FRENCH = re.compile(r"([0-9]{1,2})h([0-9]{2})?")
_DOTTED = re.compile(r"([0-9]{1,2})\.([0-9]{2})(am|pm|a\.m|p\.m)?")
_ZONE = re.compile(r"[A-Z][A-Za-z]{1,20}(?:/[A-Za-z_-]{2,30}){1,2}")
_HALVES: Final = {"am": "am", "pm": "pm", "a.m": "am", "p.m": "pm"}
_AT: Final = names("at @ around")
_TO: Final = ("-", "–", "to", "until", "till")
_UNCLEAR_ZONES: Final = names(
    "est edt cst cdt mst mdt pst pdt akst akdt hst bst ist cet cest eet eest wet west msk jst kst aest aedt acst awst "
    "nzst nzdt sast brt art clt sgt hkt pkt et ct pt"
)


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day, from words `start` to `end`.

    Attributes:
        at: What the clocks show; None is midnight at the end of the day.
        until: The end of a range, `14:00-16:00`.
        bare: It could be of the morning or of the evening as well.
        weak: In a line, only its end, `at` or a date beside it makes it a time.
        doubtful: In a line, only `at` or a date does: `1:10` may be a ratio, `3:16` a verse.
        zone: The zone that was named; None for that of who speaks.
        note: What is to be said of it, if nothing beside it decides.
    """

    end: int
    at: time | None
    until: time | None = None
    bare: bool = False
    weak: bool = False
    doubtful: bool = False
    zone: str | None = None
    note: str = ""


def match(words: Sequence[Word], index: int) -> Clock | None:
    """The time of day that begins at that word, if one does.

    Raises:
        InvalidDate: It is said to be a time (`at 25:00`) and is none.
    """
    said_at = at(words, index) in _AT
    begin = index + 1 if said_at else index
    if begin >= len(words) or words[begin].quoted or (said_at and words[index].stops):
        return None
    found = _clock(words, begin, said_at=said_at)
    if found is None:
        return None
    found = _ranged(words, found)
    return _zoned(words, index, _with_part(words, found))


def _clock(words: Sequence[Word], index: int, *, said_at: bool) -> Clock | None:
    text = at(words, index)
    if text[:1] == "@" and len(text) > 1:
        text, said_at = text[1:], True
    if not text[:1].isdigit():
        found = _worded(words, index)
        return found if found is None or not said_at else replace(found, weak=False)
    if "-" in text or "–" in text:
        return _range(text, index)
    found = _written(text, words, index, said_at=said_at)
    if found is not None:
        return found
    hour = number(text)
    if hour is None or words[index].ends not in {"", ","}:
        return _hour(hour, index, said_at=said_at)
    following = at(words, index + 1)
    if following in _HALVES and 1 <= hour <= 12:
        return Clock(index + 2, _halved(hour, 0, 0, _HALVES[following]))
    if following in {"o'clock", "oclock"} and 0 <= hour <= 24:
        return replace(_bare(hour, 0, index + 2), weak=False)
    if at(words, index - 1) == "from" and following in _TO:
        return _from_hour(words, index, hour)
    if following in {"past", "to"}:
        found = _past(words, index, is_doubtful=not said_at)
        return found if found is not None else _hour(hour, index, said_at=said_at)
    in_a_part = following in {"in", "at"} and _part_behind(words, index + 1) is not None
    return _hour(hour, index, said_at=said_at or in_a_part)


def _hour(hour: int | None, index: int, *, said_at: bool) -> Clock | None:
    """`at 9`: nothing but its `at` makes it a time."""
    if not said_at or hour is None or hour > 24:
        return None
    return replace(_bare(hour, 0, index + 1), weak=True)


def _written(text: str, words: Sequence[Word], index: int, *, said_at: bool) -> Clock | None:
    """A time in one word: 17:00, 5pm, 17h30; 17.30 after `at`."""
    colon = _COLON.fullmatch(text)
    if colon is not None:
        half = at(words, index + 1) if not colon[4] and not words[index].stops else ""
        end = index + 2 if half in _HALVES else index + 1
        named = _HALVES.get(colon[4] or half, "")
        return _exact(words, index, end, (colon[1], colon[2], colon[3] or "0"), named, said_at=said_at)
    short = _HALF.fullmatch(text)
    if short is not None:
        return _exact(words, index, index + 1, (short[1], "0", "0"), _HALVES[short[2]], said_at=said_at)
    dotted = _DOTTED.fullmatch(text)
    if dotted is not None and (said_at or dotted[3]):
        half = _HALVES.get(dotted[3] or "", "")
        return _exact(words, index, index + 1, (dotted[1], dotted[2], "0"), half, said_at=said_at)
    french = _FRENCH.fullmatch(text)
    if french is not None and (said_at or french[2]):
        return _exact(words, index, index + 1, (french[1], french[2] or "0", "0"), "", said_at=said_at)
    return None


def _exact(
    words: Sequence[Word], index: int, end: int, digits: tuple[str, str, str], half: str, *, said_at: bool
) -> Clock | None:
    hour, minute, second = (int(part) for part in digits)
    wrong = minute > 59 or second > 59 or hour > (12 if half else 24) or (bool(half) and hour == 0)
    if wrong or (hour == 24 and (minute or second)):
        if said_at or half:
            begin = index - 1 if said_at and at(words, index - 1) in _AT else index
            raise InvalidDate(phrase(words, begin, end), "There is no such time of day.")
        return None
    if half:
        return Clock(end, _halved(hour, minute, second, half))
    if hour == 24:
        return Clock(end, None)
    doubtful = not said_at and hour < _FIRST_BARE_HOUR and len(digits[0]) == 1
    return Clock(end, time(hour, minute, second), bare=1 <= hour <= 12, doubtful=doubtful)


def _halved(hour: int, minute: int, second: int, half: str) -> time:
    return time(hour % 12 + (12 if half == "pm" else 0), minute, second)


def _bare(hour: int, minute: int, end: int) -> Clock:
    """An hour in words: from one to half past six it is one of the afternoon."""
    if hour == 24:
        return Clock(end, None)
    if 1 <= hour < _FIRST_BARE_HOUR:
        meant = time(hour + 12, minute)
        note = _bare_note(hour, minute, meant, to=False)
        return Clock(end, meant, bare=True, note=note)
    return Clock(end, time(hour, minute), bare=1 <= hour <= 12)


def _bare_note(hour: int, minute: int, meant: time | None, *, to: bool) -> str:
    hour, minute = (hour - 1 or 12, 60 - minute) if to else (hour, minute)
    return f"{hour}:{minute:02} is read as {meant:%H:%M}; write {hour}:{minute:02}am for the night."


def _worded(words: Sequence[Word], index: int) -> Clock | None:
    text, following = at(words, index), at(words, index + 1)
    if text in {"noon", "midday"}:
        return Clock(index + 1, time(12), weak=True)
    if text == "midnight":
        return Clock(index + 1, None, weak=True)
    if text in {"half", "quarter", "five", "ten", "twenty"} and following in {"past", "to"}:
        return _past(words, index)
    if text == "a" and following == "quarter" and at(words, index + 2) in {"past", "to"}:
        return _past(words, index + 1)
    hour = number(text) if text not in {"a", "an"} else None
    if hour is not None and hour <= 12 and following in {"o'clock", "oclock"}:
        return _bare(hour, 0, index + 2)
    return None


def _from_hour(words: Sequence[Word], index: int, hour: int) -> Clock | None:
    """`from 10 to 11`, which a day beside it makes a time: "count from 1 to 10"."""
    exact = _ending(at(words, index + 2))
    if exact is not None and hour <= 23 and not words[index + 1].ends:
        return Clock(index + 3, time(hour), until=exact) if time(hour) < exact else None
    last = number(at(words, index + 2))
    if last is None or hour > 23 or last > 23 or words[index + 1].ends:
        return None
    first, second = _bare(hour, 0, index + 3), _bare(last, 0, index + 3)
    if first.at is None or second.at is None:
        return None
    until = second.at
    if until <= first.at and last <= 11:
        until = time(last + 12)
    return replace(first, until=until, weak=True, doubtful=True, bare=False)


def _past(words: Sequence[Word], index: int, *, is_doubtful: bool = False) -> Clock | None:
    """`half past 9`, `quarter to 5`, `10 past 3pm`."""
    said = at(words, index)
    minutes = {"half": 30, "quarter": 15}.get(said) or number(said)
    to = at(words, index + 1) == "to"
    if minutes is None or not 1 <= minutes <= 30 or (to and minutes == 30):
        return None
    whole = at(words, index + 2)
    half = _HALF.fullmatch(whole)
    hour = int(half[1]) if half else number(whole)
    if hour is None or not 1 <= hour <= 12 or whole in {"a", "an"}:
        return None
    named = _HALVES.get(half[2] if half else at(words, index + 3), "")
    end = index + 4 if named and not half else index + 3
    meant = Clock(end, _halved(hour, 0, 0, named)) if named else _bare(hour, 0, end)
    if meant.at is None or (is_doubtful and to and not named):  # "pick 5 to 10 apples"
        return None
    # The hour that is named decides: a quarter to seven is in the morning, as seven is.
    total = (meant.at.hour * 60 + (-minutes if to else minutes)) % (24 * 60)
    exact = replace(meant, at=time(total // 60, total % 60), doubtful=is_doubtful and not named)
    return exact if not exact.note else replace(exact, note=_bare_note(hour, minutes, exact.at, to=to))


def _with_part(words: Sequence[Word], found: Clock) -> Clock:
    """`9 in the morning`, `8 at night`."""
    part = None if words[found.end - 1].ends or not found.bare else _part_behind(words, found.end)
    return found if part is None else replace(in_part(found, part[0]), end=part[1], weak=False)


def _part_behind(words: Sequence[Word], index: int) -> tuple[str, int] | None:
    """The part of a day that is named there, and where it ends."""
    said = texts(words, index, 3)
    if said[:2] == ("in", "the") and said[2:] and said[2] in PARTS:
        return said[2], index + 3
    return ("night", index + 2) if said[:2] == ("at", "night") else None


def in_part(found: Clock, part: str) -> Clock:
    """That time, in the part of a day that was named beside it."""
    if not found.bare or found.at is None:
        return found
    hour = found.at.hour % 12
    if part == "morning":
        return replace(found, at=found.at.replace(hour=hour), note="", bare=False)
    if part == "night" and hour == 0 and not found.at.minute:
        return replace(found, at=None, note="", bare=False)
    return replace(found, at=found.at.replace(hour=hour + 12), note="", bare=False)


def _range(text: str, index: int) -> Clock | None:
    """`14:00-16:00`, `2pm-4pm`, `2-4pm`."""
    begin, _, end = text.replace("–", "-").partition("-")
    last = _ending(end)
    if last is None:
        return None
    named = end[-2:] if end[-2:] in _HALVES else ""
    first = _ending(begin) or _ending(begin + (named or ":00") if begin.isdecimal() else begin)
    return Clock(index + 1, first, until=last) if first is not None else None


def _ending(text: str) -> time | None:
    colon, half = _COLON.fullmatch(text), _HALF.fullmatch(text)
    parts = (colon[1], colon[2], colon[4]) if colon else (half[1], "0", half[2]) if half else None
    if parts is None:
        return None
    hour, minute, named = int(parts[0]), int(parts[1]), _HALVES.get(parts[2] or "", "")
    if minute > 59 or hour > (12 if named else 23) or (named and not hour):
        return None
    return _halved(hour, minute, 0, named) if named else time(hour, minute)


def _ranged(words: Sequence[Word], found: Clock) -> Clock:
    """`2pm to 4pm`, as words of their own."""
    if found.until is None and found.at and at(words, found.end) in _TO and not words[found.end - 1].ends:
        last = _ending(at(words, found.end + 1))
        if last is not None:
            return replace(found, until=last, end=found.end + 2)
    return found


def _zoned(words: Sequence[Word], index: int, found: Clock) -> Clock:
    """The zone behind a time: UTC, or an IANA name. Letters that several zones share are refused."""
    if found.end >= len(words) or words[found.end - 1].ends or words[found.end].quoted:
        return found
    word = words[found.end]
    core = word.raw.rstrip(",.;:!?)")
    if core in {"UTC", "GMT", "Z"}:
        return replace(found, zone="UTC", end=found.end + 1, weak=False)
    if _ZONE.fullmatch(core) and _is_zone(core):
        return replace(found, zone=core, end=found.end + 1, weak=False)
    if core.isupper() and core.lower() in _UNCLEAR_ZONES:
        why = f"{core} is not clear; name the zone as Europe/Berlin or as UTC."
        raise InvalidDate(phrase(words, index, found.end + 1), why)
    return found


@lru_cache(maxsize=64)
def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
