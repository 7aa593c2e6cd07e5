"""Whether it is a child's bedtime, by the clocks of its adult's zone. Pure."""

from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

__all__ = ["MORNING", "begins_in_s", "is_bedtime"]

# From then on it is day again.
MORNING: Final = time(6)


def is_bedtime(begins: str | None, now: datetime, zone: str) -> bool:
    """Whether the bedtime that begins at this time of day, as `19:30`, has begun, and the night is not over.

    Args:
        begins: None: it never does by itself. At an hour of the night it is bedtime from then until the morning.
    """
    if begins is None:
        return False
    local, start = now.astimezone(ZoneInfo(zone)).time(), time.fromisoformat(begins)
    if start < MORNING:
        return start <= local < MORNING
    return local >= start or local < MORNING


def begins_in_s(begins: str | None, now: datetime, zone: str) -> int | None:
    """How many seconds it is until the bedtime begins, today or tomorrow; None: it does not, or has begun."""
    if begins is None or is_bedtime(begins, now, zone):
        return None
    local = now.astimezone(ZoneInfo(zone))
    start = local.replace(hour=int(begins[:2]), minute=int(begins[3:]), second=0, microsecond=0)
    if start <= local:
        start += timedelta(days=1)
    return max(1, int((start.astimezone(ZoneInfo("UTC")) - now).total_seconds()))
