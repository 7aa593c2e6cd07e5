from datetime import UTC, datetime, timedelta

from services.stories.bedtime import begins_in_s, is_bedtime

ZURICH = "Europe/Zurich"
# An hour ahead of UTC.
WINTER = datetime(2026, 1, 15, tzinfo=UTC)


def at(hour: int, minute: int = 0) -> datetime:
    return WINTER + timedelta(hours=hour - 1, minutes=minute)


def test_bedtime_is_from_its_hour_to_the_morning_by_the_zones_clocks() -> None:
    cases = [
        (19, 29, False),
        (19, 30, True),
        (23, 59, True),
        (24, 1, True),
        (29, 59, True),
        (30, 0, False),
        (12, 0, False),
    ]
    for hour, minute, expected in cases:
        assert is_bedtime("19:30", at(hour, minute), ZURICH) is expected, (hour, minute)
    assert is_bedtime("19:30", WINTER.replace(hour=18, minute=45), "UTC") is False


def test_a_bedtime_after_midnight_begins_then() -> None:
    for hour, expected in ((0, False), (1, True), (5, True), (6, False), (23, False)):
        assert is_bedtime("00:30", at(hour), ZURICH) is expected, hour


def test_without_one_it_never_comes() -> None:
    assert not is_bedtime(None, at(23), ZURICH)
    assert begins_in_s(None, at(12), ZURICH) is None


def test_how_long_it_is_until_bedtime() -> None:
    assert begins_in_s("19:30", at(19), ZURICH) == 30 * 60
    assert begins_in_s("19:30", at(20), ZURICH) is None
    assert begins_in_s("19:30", at(7), ZURICH) == 12 * 3600 + 1800
    assert begins_in_s("00:30", at(23), ZURICH) == 90 * 60


def test_the_night_in_which_clocks_are_put_forward_is_an_hour_shorter() -> None:
    morning = datetime(2026, 3, 29, 0, 0, tzinfo=UTC)  # 01:00 there; at 02:00 it becomes 03:00

    assert begins_in_s("19:00", morning.replace(hour=5), ZURICH) == 12 * 3600
    assert begins_in_s("05:59", morning.replace(hour=4), ZURICH) == 23 * 3600 + 59 * 60
