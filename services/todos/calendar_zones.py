"""Time zones as calendars are told them (VTIMEZONE), from the system's own rules. Pure.

`icalendar` makes them too, but dates a change in the new time where the standard wants the old one; who goes by it
would be an hour off on such a day.

Source: RFC 5545, section 3.6.5.
"""

import functools
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from icalendar import Timezone, TimezoneDaylight, TimezoneStandard

# Until then a rule that repeats is told; no zone's law is known for longer.
LAST_YEAR: Final = 2038
_STEP: Final = timedelta(days=7)
_EXACT: Final = timedelta(minutes=1)
_NOTHING: Final = timedelta(0)


@functools.lru_cache(maxsize=256)
def vtimezone(zone: str, first_year: int) -> Timezone:
    """A zone's offsets from the beginning of a year until `LAST_YEAR`; not to be changed by who gets it."""
    rules = ZoneInfo(zone)
    told = Timezone()
    told.add("tzid", zone)
    begins = datetime(first_year, 1, 1, tzinfo=UTC)
    kinds: dict[tuple[timedelta, timedelta, str, bool], list[datetime]] = {}
    before = begins.astimezone(rules)
    kinds[_offset(before), _offset(before), before.tzname() or zone, not before.dst()] = [datetime(first_year, 1, 1)]
    for change in _changes(rules, begins, datetime(max(LAST_YEAR, first_year + 1), 1, 1, tzinfo=UTC)):
        after = change.astimezone(rules)
        old = _offset((change - _EXACT).astimezone(rules))
        kind = (old, _offset(after), after.tzname() or zone, not after.dst())
        kinds.setdefault(kind, []).append((change + old).replace(tzinfo=None))
    for (old, new, name, is_standard), onsets in kinds.items():
        part = TimezoneStandard() if is_standard else TimezoneDaylight()
        part.add("dtstart", onsets[0])
        part.add("tzoffsetfrom", old)
        part.add("tzoffsetto", new)
        part.add("tzname", name)
        if onsets[1:]:
            part.add("rdate", onsets[1:])
        told.add_component(part)
    return told


def _changes(rules: ZoneInfo, begins: datetime, ends: datetime) -> list[datetime]:
    """The moments, to the minute, at which the offset changes. No zone has changed twice within a week since 1970."""
    found = []
    at = begins
    while at < ends:
        following = at + _STEP
        if _known(rules, at) != _known(rules, following):
            low, high = at, following
            while high - low > _EXACT:
                middle = low + (high - low) / 2
                middle -= timedelta(seconds=middle.second, microseconds=middle.microsecond)
                if middle <= low:
                    break
                low, high = (middle, high) if _known(rules, middle) == _known(rules, low) else (low, middle)
            found.append(high)
        at = following
    return found


def _known(rules: ZoneInfo, at: datetime) -> tuple[timedelta, timedelta | None]:
    local = at.astimezone(rules)
    return _offset(local), local.dst()


def _offset(local: datetime) -> timedelta:
    return local.utcoffset() or _NOTHING
