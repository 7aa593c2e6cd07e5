from datetime import UTC, datetime

import pytest

from services.todos import dates
from services.when import InvalidDate
from tests.services.todos import table

ROWS = list(table.rows("phrases.txt"))


def told(row: table.Row) -> str:
    try:
        return dates.read(row.said, now=row.now, zone=row.zone).when.text
    except InvalidDate as refused:
        return f"! {refused.message}"


def as_meant(row: table.Row) -> bool:
    """Whether a phrase is read as the table says; of a refusal the table holds a part."""
    return row.meant[2:] in told(row) if row.meant.startswith("! ") else told(row) == row.meant


@pytest.mark.req("D35")
def test_every_phrase_means_what_the_table_says() -> None:
    wrong = {f"{row.line}: {row.said}": (row.meant, told(row)) for row in ROWS if not as_meant(row)}

    assert not wrong
    assert len(ROWS) > 300
    assert len({row.zone for row in ROWS}) >= 3


def test_a_phrase_means_the_same_in_capitals_and_with_spaces() -> None:
    plain = [row for row in ROWS if not row.meant.startswith("! ") and "/" not in row.said and "UTC" not in row.said]

    for row in plain:
        shouted = row._replace(said=f"  {row.said.upper().replace(' ', '   ')} ")
        assert told(shouted) == row.meant, row.said


@pytest.mark.parametrize(
    ("phrase", "note"),
    [
        ("monday", "Today is Monday: “monday” is read as the next one, Mon 23 Mar 2026."),
        ("next friday", "“next Friday” is that of next week: Fri 27 Mar 2026."),
        ("5/6", "“5/6” is read as 5 Jun, with the day first."),
        ("29 march at 2:30", "Clocks go forward: there is no 02:30 on Sun 29 Mar 2026, so 03:30."),
        ("25 october at 2:30", "Clocks go back: 02:30 comes twice on Sun 25 Oct 2026; this is the first."),
        ("at 9", "09:00 is over today, so this is tomorrow's."),
        ("at 5", "5:00 is read as 17:00; write 5:00am for the night."),
        ("today at 9", "Mon 16 Mar 2026, 09:00 is over."),
        ("last friday", "Fri 13 Mar 2026 is over."),
        ("friday at midnight", "Midnight is the one at the end of Fri 20 Mar 2026."),
        ("friday 14:00 UTC", "Fri 20 Mar 2026, 14:00 (UTC) is Fri 20 Mar 2026, 15:00 (Europe/Berlin)."),
        ("before friday", "“before” is read as the day before."),
        ("next month", "“next month” is read as its first day, Wed 1 Apr 2026."),
        ("Feb 29", "The next 29 February is Tue 29 Feb 2028."),
    ],
)
def test_what_was_decided_is_said(phrase: str, note: str) -> None:
    read = dates.read(phrase, now=datetime(2026, 3, 16, 9, tzinfo=UTC), zone="Europe/Berlin")

    assert read.notes == (note,)


def test_what_needs_no_decision_is_read_without_a_note() -> None:
    now = datetime(2026, 3, 16, 9, tzinfo=UTC)

    for phrase in ("tomorrow", "17 feb", "friday", "in 5 days", "tomorrow 14:00", "2026-03-20 14:00:00", "17th"):
        assert dates.read(phrase, now=now, zone="Europe/Berlin").notes == ()


def test_a_moment_that_falls_into_the_hour_that_comes_twice_is_said_to_be_the_first() -> None:
    now = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)

    read = dates.read("in 2 hours", now=now, zone="Europe/Berlin")

    assert read.when.text == "2026-10-25 02:30:00"
    assert read.notes == ("Clocks go back: 02:30 comes twice on Sun 25 Oct 2026; this is the first.",)
