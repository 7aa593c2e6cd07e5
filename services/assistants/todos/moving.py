"""To when a todo is moved, by words that may lean on when it is now. Pure.

"to 6pm" keeps its day, "to Friday" keeps its time, and "by two days" counts from its day.
"""

import re
from datetime import UTC, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from services.todos import dates
from services.when import When, parse

_TIME: Final = re.compile(
    r"(?:at\s+)?(?:\d{1,2}(?::\d{2})?\s*(?:am|pm|h|o'clock)|\d{1,2}:\d{2}|noon|midnight)", re.IGNORECASE
)
_LATER: Final = re.compile(
    r"(?:by\s+|back\s+)?(?P<count>\d{1,3}|an?|one|two|three|four|five|six)\s+(?P<unit>days?|weeks?|months?)(?:\s+later)?",
    re.IGNORECASE,
)
_NUMBERS: Final = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
_NOON: Final = time(12)


def moved(phrase: str, current: str, *, now: datetime, zone: str) -> str:
    """The new date, as `When.text`.

    Args:
        phrase: What was said, without its preposition.
        current: The todo's day as it is, as `When.text`; empty if it has none.

    Raises:
        InvalidDate: The phrase is no date.
    """
    text = " ".join(phrase.split())
    before = parse(current, zone) if current else None
    if later := _LATER.fullmatch(text):
        count = later["count"].casefold()
        text = f"in {_NUMBERS.get(count) or count} {later['unit']}"
        if before is not None:
            now = datetime.combine(before.day, _NOON, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    read = dates.read(text, now=now, zone=zone).when
    if before is None:
        return read.text
    if read.at is not None and _TIME.fullmatch(text):
        return When(before.day, read.at, zone).text
    if read.at is None and before.at is not None:
        return When(read.day, before.at, zone).text
    return read.text
