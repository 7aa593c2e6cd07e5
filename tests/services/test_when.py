from datetime import UTC, date, datetime, time

import pytest

from services import when
from services.when import InvalidDate, When

BERLIN = "Europe/Berlin"


@pytest.mark.req("D35")
def test_a_day_stays_a_day() -> None:
    day = when.parse("2026-01-15", BERLIN)

    assert day == When(date(2026, 1, 15))
    assert day.text == "2026-01-15"
    assert day.instant() is None
    assert day.said(zone="America/New_York") == "Thu 15 Jan 2026"


def test_a_time_is_that_of_the_clocks_of_its_zone() -> None:
    exact = when.parse("2026-07-15 14:00:00", BERLIN)

    assert exact == When(date(2026, 7, 15), time(14), BERLIN)
    assert exact.text == "2026-07-15 14:00:00"
    assert exact.instant() == datetime(2026, 7, 15, 12, tzinfo=UTC)
    assert exact.said(zone=BERLIN) == "Wed 15 Jul 2026, 14:00"
    assert exact.said(zone="UTC") == "Wed 15 Jul 2026, 14:00 (Europe/Berlin)"
    assert exact.said(zone="") == "Wed 15 Jul 2026, 14:00 (Europe/Berlin)"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-01-15T14:00", "2026-01-15 14:00:00"),
        ("2026-01-15 14:00:30", "2026-01-15 14:00:30"),
        ("2026-01-15T14:00:30.5Z", "2026-01-15 15:00:30"),
        ("2026-01-15T14:00:00-0500", "2026-01-15 20:00:00"),
        ("2026-01-15T23:30:00Z", "2026-01-16 00:30:00"),
        (" 2026-01-15 ", "2026-01-15"),
        ("2028-02-29", "2028-02-29"),
    ],
)
def test_what_machines_write_is_read(text: str, meant: str) -> None:
    assert when.parse(text, BERLIN).text == meant
    assert when.parse(when.parse(text, BERLIN).text, BERLIN).text == meant


@pytest.mark.req("D35")
@pytest.mark.parametrize(
    "text",
    [
        *("tomorrow", "", "2026", "2026-1-5", "15.01.2026", "2026-02-29", "2026-00-10", "2026-13-01", "0000-00-00"),
        *("2026-01-15 24:00:00", "2026-01-15 12:60:00", "2026-01-15 14", "2026-01-15T14:00:00+25:00", "1899-12-31"),
        *(
            "2026-01-15\x00",
            "٢٠٢٦-٠١-١٥",
            "2026-01-15; DROP TABLE todos",
            "9999-12-31",
            "-2026-01-15",
            "2026-01-15" * 9,
        ),
    ],
)
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidDate) as refused:
        when.parse(text, BERLIN)

    assert refused.value.message.startswith(f"Invalid date format: '{text[:60]}" if "\x00" not in text else "Invalid")
    assert len(refused.value.message) < 250
    assert refused.value.errors[0].message == refused.value.message


def test_a_time_that_clocks_leave_out_is_moved_on_by_what_they_leave_out() -> None:
    berlin, note = when.settled(date(2026, 3, 29), time(2, 30), BERLIN)
    howe, _ = when.settled(date(2026, 10, 4), time(2, 15), "Australia/Lord_Howe")

    assert berlin.text == "2026-03-29 03:30:00"
    assert note == "Clocks go forward: there is no 02:30 on Sun 29 Mar 2026, so 03:30."
    assert howe.text == "2026-10-04 02:45:00"


def test_a_time_that_comes_twice_is_the_first() -> None:
    exact, note = when.settled(date(2026, 10, 25), time(2, 30), BERLIN)

    assert exact.instant() == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert note == "Clocks go back: 02:30 comes twice on Sun 25 Oct 2026; this is the first."


def test_a_time_that_is_kept_though_clocks_leave_it_out_is_said_as_they_show_it() -> None:
    kept = When(date(2026, 3, 29), time(2, 30), BERLIN)

    assert kept.said(zone=BERLIN) == "Sun 29 Mar 2026, 03:30"
    assert kept.instant() == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_a_time_without_a_zone_or_the_reverse_is_no_when() -> None:
    with pytest.raises(ValueError, match="a time has a zone"):
        When(date(2026, 1, 1), time(9))
    with pytest.raises(ValueError, match="a time has a zone"):
        When(date(2026, 1, 1), None, BERLIN)


def test_today_is_that_of_the_zone() -> None:
    now = datetime(2026, 1, 31, 10, 30, tzinfo=UTC)

    assert when.today(now, "Pacific/Apia") == date(2026, 1, 31)
    assert when.today(now, "Pacific/Honolulu") == date(2026, 1, 31)
    assert when.today(now.replace(hour=12), "Pacific/Apia") == date(2026, 2, 1)
