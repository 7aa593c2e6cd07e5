import random
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr

from services import when
from services.todos import recurrence
from services.todos.recurrence import InvalidRepetition, Recurrence, following
from services.when import InvalidDate, When
from tests.services.todos import table

ROWS = list(table.rows("repetitions.txt"))
BERLIN = "Europe/Berlin"
ZONES = (BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")


def told(row: table.Row) -> str:
    try:
        read = recurrence.read(row.said, now=row.now, zone=row.zone)
    except InvalidDate as refused:
        return f"! {refused.message}"
    mark = "~" if read.recurrence.mode == "completion" else ""
    return f"{mark}{read.recurrence.rule} {read.first.text}"


def as_meant(row: table.Row) -> bool:
    return row.meant[2:] in told(row) if row.meant.startswith("! ") else told(row) == row.meant


def series(kept: Recurrence, anchor: When, times: int) -> list[When]:
    """What comes after the anchor, each done on its own day."""
    found = [anchor]
    for _ in range(times):
        after = following(kept, anchor=anchor, day=found[-1], today=found[-1].day)
        assert after is not None
        found.append(after)
    return found


@pytest.mark.req("B3")
def test_every_repetition_means_what_the_table_says() -> None:
    wrong = {f"{row.line}: {row.said}": (row.meant, told(row)) for row in ROWS if not as_meant(row)}

    assert not wrong
    assert len(ROWS) > 140


@pytest.mark.slow
def test_what_is_said_of_a_repetition_means_the_same_when_it_is_read() -> None:
    for row in ROWS:
        if row.meant.startswith("! "):
            continue
        read = recurrence.read(row.said, now=row.now, zone=row.zone).recurrence
        again = recurrence.read(recurrence.said(read), now=row.now, zone=row.zone).recurrence
        assert again == read, row.said


@pytest.mark.parametrize(
    ("rule", "mode", "words"),
    [
        ("FREQ=DAILY", "schedule", "every day"),
        ("FREQ=DAILY;INTERVAL=3", "completion", "every 3 days after it is completed"),
        ("FREQ=WEEKLY;BYDAY=MO,WE,FR", "schedule", "every Monday, Wednesday and Friday"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=FR", "schedule", "every 2 weeks on Friday"),
        ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "schedule", "every weekday"),
        ("FREQ=MONTHLY;BYMONTHDAY=1", "schedule", "every month on the 1st"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", "schedule", "every month on the last day"),
        ("FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1", "schedule", "every month on the 30th"),
        ("FREQ=MONTHLY;BYDAY=-1FR", "schedule", "every month on the last Friday"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=28,29;BYSETPOS=-1", "schedule", "every year on 29 February"),
        ("FREQ=YEARLY;BYMONTH=1;BYDAY=1MO", "schedule", "every year on the first Monday of January"),
        ("FREQ=WEEKLY;BYDAY=FR;UNTIL=20260501", "schedule", "every Friday until 2026-05-01"),
    ],
)
def test_a_rule_is_said_in_words(rule: str, mode: str, words: str) -> None:
    assert recurrence.said(recurrence.checked(rule, mode)) == words


@pytest.mark.parametrize(
    ("text", "anchor", "days"),
    [
        ("every month", "2026-01-31", ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
        ("every month on the 30th", "2026-01-30", ["2026-02-28", "2026-03-30", "2026-04-30", "2026-05-30"]),
        ("every month", "2028-01-30", ["2028-02-29", "2028-03-30", "2028-04-30", "2028-05-30"]),
        ("every year", "2024-02-29", ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
        ("every 15th and 30th", "2026-01-30", ["2026-02-15", "2026-02-28", "2026-03-15", "2026-03-30"]),
        ("every quarter", "2025-11-30", ["2026-02-28", "2026-05-30", "2026-08-30", "2026-11-30"]),
        ("every other friday", "2026-03-20", ["2026-04-03", "2026-04-17", "2026-05-01", "2026-05-15"]),
        ("every 2 weeks on mon and fri", "2026-03-20", ["2026-03-30", "2026-04-03", "2026-04-13", "2026-04-17"]),
        ("every last friday", "2026-03-27", ["2026-04-24", "2026-05-29", "2026-06-26", "2026-07-31"]),
        ("every last workday of the month", "2026-03-31", ["2026-04-30", "2026-05-29", "2026-06-30", "2026-07-31"]),
        ("every weekday", "2026-03-19", ["2026-03-20", "2026-03-23", "2026-03-24", "2026-03-25"]),
        ("every first monday of january", "2027-01-04", ["2028-01-03", "2029-01-01", "2030-01-07", "2031-01-06"]),
    ],
)
def test_the_days_of_a_series(text: str, anchor: str, days: list[str]) -> None:
    begin = when.parse(anchor, BERLIN)
    kept = recurrence.read(text, now=datetime(2026, 1, 1, tzinfo=UTC), zone=BERLIN, start=begin).recurrence

    assert [day.text for day in series(kept, begin, len(days))[1:]] == days


@pytest.mark.parametrize(
    ("zone", "anchor", "moved"),
    [
        (BERLIN, "2026-03-28 02:30:00", ["2026-03-29 03:30:00", "2026-03-30 02:30:00"]),
        (BERLIN, "2026-10-24 02:30:00", ["2026-10-25 02:30:00", "2026-10-26 02:30:00"]),
        ("America/New_York", "2026-03-07 02:30:00", ["2026-03-08 03:30:00", "2026-03-09 02:30:00"]),
        ("America/New_York", "2026-10-31 09:00:00", ["2026-11-01 09:00:00", "2026-11-02 09:00:00"]),
        ("Australia/Lord_Howe", "2026-10-03 02:15:00", ["2026-10-04 02:45:00", "2026-10-05 02:15:00"]),
    ],
)
def test_wall_time_is_kept_over_days_on_which_clocks_change(zone: str, anchor: str, moved: list[str]) -> None:
    found = series(Recurrence("FREQ=DAILY"), when.parse(anchor, zone), 2)

    assert [day.text for day in found[1:]] == moved


def test_completing_on_the_day_clocks_change_makes_no_second_one_of_that_day() -> None:
    for zone, day in (
        (BERLIN, date(2026, 3, 29)),
        (BERLIN, date(2026, 10, 25)),
        ("America/New_York", date(2026, 3, 8)),
    ):
        anchor = When(day, time(0, 30), zone)

        after = following(Recurrence("FREQ=DAILY"), anchor=anchor, day=anchor, today=day)

        assert after == When(day + timedelta(days=1), time(0, 30), zone)


def test_what_was_missed_is_left_out() -> None:
    anchor = When(date(2026, 3, 1))

    monthly = following(Recurrence("FREQ=MONTHLY"), anchor=anchor, day=anchor, today=date(2026, 6, 20))
    early = following(Recurrence("FREQ=MONTHLY"), anchor=anchor, day=anchor, today=date(2026, 2, 10))

    assert monthly == When(date(2026, 7, 1))
    assert early == When(date(2026, 4, 1))


@pytest.mark.parametrize(
    ("rule", "today", "expected"),
    [
        ("FREQ=DAILY;INTERVAL=3", "2026-03-20", "2026-03-23 09:00:00"),
        ("FREQ=WEEKLY;INTERVAL=2", "2026-03-20", "2026-04-03 09:00:00"),
        ("FREQ=MONTHLY", "2026-01-31", "2026-02-28 09:00:00"),
        ("FREQ=YEARLY", "2028-02-29", "2029-02-28 09:00:00"),
        ("FREQ=WEEKLY;BYDAY=MO", "2026-03-18", "2026-03-23 09:00:00"),
        ("FREQ=MONTHLY;BYMONTHDAY=1", "2026-03-18", "2026-04-01 09:00:00"),
        ("FREQ=DAILY", "2026-03-28", "2026-03-29 09:00:00"),
    ],
)
def test_from_completion_the_interval_counts_from_the_day_it_was_done(rule: str, today: str, expected: str) -> None:
    anchor = When(date(2025, 1, 7), time(9), BERLIN)

    found = following(Recurrence(rule, "completion"), anchor=anchor, day=anchor, today=date.fromisoformat(today))

    assert found is not None
    assert found.text == expected


def test_a_series_ends_with_its_last_day_or_its_number() -> None:
    anchor = When(date(2026, 4, 24))
    until, counted = Recurrence("FREQ=WEEKLY;UNTIL=20260501"), Recurrence("FREQ=WEEKLY;COUNT=2")

    for kept in (until, counted):
        second = following(kept, anchor=anchor, day=anchor, today=anchor.day)
        assert second == When(date(2026, 5, 1))
        assert following(kept, anchor=anchor, day=second, today=second.day) is None
    late = Recurrence("FREQ=WEEKLY;UNTIL=20260501", "completion")
    assert following(late, anchor=anchor, day=anchor, today=date(2026, 4, 30)) is None


def test_what_other_calendars_get_names_its_days() -> None:
    def pinned(rule: str, anchor: str) -> str:
        return recurrence.pinned(Recurrence(rule), date.fromisoformat(anchor))

    assert pinned("FREQ=WEEKLY", "2026-03-16") == "FREQ=WEEKLY;BYDAY=MO"
    assert pinned("FREQ=MONTHLY", "2026-03-16") == "FREQ=MONTHLY;BYMONTHDAY=16"
    assert pinned("FREQ=MONTHLY", "2026-03-31") == "FREQ=MONTHLY;BYMONTHDAY=-1"
    assert pinned("FREQ=MONTHLY", "2026-03-30") == "FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1"
    assert pinned("FREQ=YEARLY", "2026-03-31") == "FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=31"
    assert pinned("FREQ=YEARLY", "2024-02-29") == "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=28,29;BYSETPOS=-1"
    assert pinned("FREQ=DAILY", "2026-03-16") == "FREQ=DAILY"


@pytest.mark.slow
def test_ten_years_of_any_rule_do_not_drift() -> None:
    chance = random.Random(20260316)

    for _ in range(24):
        zone, rule = chance.choice(ZONES), any_rule(chance)
        anchor_day = date(2024, 1, 1) + timedelta(days=chance.randrange(1500))
        at = time(chance.randrange(24), chance.choice((0, 15, 30, 59)))
        begin = recurrence.first(Recurrence(rule), start=When(anchor_day))
        assert begin is not None, rule
        anchor = When(begin.day, at, zone)
        end = anchor_day + timedelta(days=3653)
        seen = [anchor]
        while seen[-1].day < end and len(seen) < 40:
            jump = timedelta(days=chance.choice((0, 0, 0, 40, 400)))
            after = following(Recurrence(rule), anchor=anchor, day=seen[-1], today=seen[-1].day + jump)
            assert after is not None, rule
            assert after.day > seen[-1].day + jump, (rule, anchor)
            seen.append(after)
        assert_none_drifted(seen, Recurrence(rule), anchor)


def any_rule(chance: random.Random) -> str:
    every = chance.choice(("", "", f";INTERVAL={chance.randrange(2, 7)}"))
    days = sorted(chance.sample(range(7), chance.randrange(1, 4)))
    codes = ",".join(("MO", "TU", "WE", "TH", "FR", "SA", "SU")[day] for day in days)
    return chance.choice(
        (
            f"FREQ=DAILY{every}",
            f"FREQ=WEEKLY{every}",
            f"FREQ=WEEKLY{every};BYDAY={codes}",
            f"FREQ=MONTHLY{every}",
            f"FREQ=MONTHLY{every};BYMONTHDAY={chance.randrange(1, 29)}",
            f"FREQ=MONTHLY{every};BYDAY={chance.choice((1, 2, 3, 4, -1))}{codes[:2]}",
            f"FREQ=YEARLY{every}",
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=28,29;BYSETPOS=-1",
        )
    )


def assert_none_drifted(seen: list[When], kept: Recurrence, anchor: When) -> None:
    """Each is the one that the anchor gives directly, at the anchor's time but where clocks leave that out."""
    assert anchor.at is not None
    assert anchor.zone is not None
    for one in seen[1:]:
        direct = following(kept, anchor=anchor, day=When(one.day - timedelta(days=1)), today=anchor.day)
        assert direct is not None
        assert direct.day == one.day, (kept.rule, anchor, one)
        nominal = datetime.combine(one.day, anchor.at, tzinfo=ZoneInfo(anchor.zone))
        exists = nominal.astimezone(UTC).astimezone(nominal.tzinfo).replace(tzinfo=None) == nominal.replace(tzinfo=None)
        assert one.at == anchor.at or not exists, (kept.rule, anchor, one)


def test_counting_from_completion_never_comes_before_it() -> None:
    chance = random.Random(7)

    for _ in range(300):
        unit, many = chance.choice(("DAILY", "WEEKLY", "MONTHLY", "YEARLY")), chance.randrange(1, 20)
        today = date(2020, 1, 1) + timedelta(days=chance.randrange(8000))
        anchor = When(today - timedelta(days=chance.randrange(2000)))
        kept = Recurrence(f"FREQ={unit};INTERVAL={many}", "completion")
        after = following(kept, anchor=anchor, day=anchor, today=today)
        least = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 28, "YEARLY": 365}[unit] * many
        most = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 31, "YEARLY": 366}[unit] * many
        assert after is not None
        assert least <= (after.day - today).days <= most, (kept, today)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;INTERVAL=12;BYMONTHDAY=31;BYSETPOS=2",
        "FREQ=MONTHLY;BYDAY=1MO;BYMONTHDAY=20",
        "FREQ=SECONDLY",
        "FREQ=DAILY;BYHOUR=1,2,3",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;COUNT=5;UNTIL=20300101",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;INTERVAL=99999",
        "FREQ=DAILY;UNTIL=20261399",
        "FREQ=DAILY;UNTIL=00010101",
        "FREQ=MONTHLY;BYDAY=-1SU,TU",
        "FREQ=MONTHLY;BYDAY=5MO,5TH;BYSETPOS=2",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=25",
        "FREQ=MONTHLY;BYDAY=MO,MO,MO;BYSETPOS=12",
        "FREQ=MONTHLY;BYMONTHDAY=1,2;BYMONTH=1,3;BYSETPOS=3",
        "FREQ=DAILY;FREQ=WEEKLY",
        "FREQ=WEEKLY;BYDAY=2MO",
        "FREQ=YEARLY;BYMONTHDAY=1",
        "FREQ=MONTHLY;BYMONTHDAY=" + ",".join(["1"] * 100),
        "FREQ=DAILY;" * 1000,
        "FREQ",
        "",
        ";",
        "\x00",
    ],
)
def test_a_rule_that_no_todo_can_mean_is_refused(rule: str) -> None:
    with pytest.raises(InvalidRepetition, match=r"^Invalid repetition: "):
        recurrence.checked(rule)


def test_a_series_of_a_hundred_years_is_not_walked() -> None:
    anchor = When(date(1900, 1, 1))

    for rule in ("FREQ=DAILY", "FREQ=WEEKLY;INTERVAL=3;BYDAY=TU", "FREQ=MONTHLY;BYDAY=5MO", "FREQ=YEARLY;INTERVAL=7"):
        begun = datetime.now(UTC)
        assert following(Recurrence(rule), anchor=anchor, day=anchor, today=date(2026, 3, 16)) is not None
        assert datetime.now(UTC) - begun < timedelta(seconds=0.25)


@pytest.mark.slow
def test_moving_on_by_whole_intervals_finds_what_walking_from_the_anchor_finds() -> None:
    chance = random.Random(3)

    for _ in range(100):
        kept, anchor = Recurrence(any_rule(chance)), date(2000, 1, 1) + timedelta(days=chance.randrange(9000))
        day = anchor + timedelta(days=chance.randrange(2000))
        walked = rrulestr(recurrence.pinned(kept, anchor), dtstart=datetime.combine(anchor, time()))

        found = following(kept, anchor=When(anchor), day=When(day), today=anchor)

        after = walked.after(datetime.combine(day, time()))
        assert found == (When(after.date()) if after else None), (kept.rule, anchor, day)
