"""Todos as a calendar, parsed back by the library that others use, and checked against literals."""

import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from icalendar import Calendar

from services.store.todos import Todo
from services.todos import calendar
from services.todos.calendar_zones import vtimezone
from services.when import When, parse

MADE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BERLIN = "Europe/Berlin"


def todo(item: str = "Pay rent", *, start: str = "", due: str = "", zone: str = "UTC", **changes: Any) -> Todo:
    plain = Todo(
        id="id-1", item=item, notes="", start=parse(start, zone) if start else None,
        due=parse(due, zone) if due else None, importance="medium", tags=(), project=None, parent_id=None, subtasks=(),
        status="open", rule=None, mode=None, anchor=None, series_id=None, following_id=None, position=1, source="user",
        created_at=MADE, updated_at=MADE, completed_at=None,
    )  # fmt: skip
    return replace(plain, **changes)


def repeating(rule: str, *, anchor: str = "", mode: str = "schedule", **changes: Any) -> Todo:
    made = todo(**changes)
    first = made.day if not anchor else When(date.fromisoformat(anchor), made.day.at, made.day.zone)
    return replace(made, rule=rule, mode=mode, anchor=first)


def written(*todos: Todo, zone: str = BERLIN, kind: calendar.Kind = "events") -> bytes:
    return b"".join(calendar.feed(todos, zone=zone, kind=kind))


def entries(*todos: Todo, kind: calendar.Kind = "events", **options: Any) -> list[Any]:
    name = "VEVENT" if kind == "events" else "VTODO"
    return list(Calendar.from_ical(written(*todos, kind=kind, **options)).walk(name))


def lines_of(sent: bytes, entry: str = "VEVENT") -> list[str]:
    text = sent.replace(b"\r\n ", b"").decode()
    return text.split(f"BEGIN:{entry}\r\n")[1].split(f"END:{entry}")[0].strip().split("\r\n")


def test_a_feed_of_nothing_is_a_calendar() -> None:
    parsed = Calendar.from_ical(written())

    assert parsed["VERSION"] == "2.0"
    assert parsed["X-WR-CALNAME"] == "Todos"
    assert parsed["X-WR-TIMEZONE"] == BERLIN
    assert parsed.walk("VEVENT") == []
    assert written().endswith(b"END:VCALENDAR\r\n")


def test_an_entry_is_as_the_standard_has_it() -> None:
    sent = written(todo(due="2026-01-15", importance="high", tags=("home", "money"), notes="To Ana"))

    assert sorted(lines_of(sent)) == [
        "CATEGORIES:home,money",
        "DESCRIPTION:To Ana",
        "DTSTAMP:20260102T030405Z",
        "DTSTART;VALUE=DATE:20260115",
        "LAST-MODIFIED:20260102T030405Z",
        "PRIORITY:1",
        "SUMMARY:Pay rent",
        "TRANSP:TRANSPARENT",
        "UID:id-1@rill",
    ]


@pytest.mark.parametrize(
    ("dates", "zone", "told"),
    [
        ({"start": "2026-01-15"}, BERLIN, ["DTSTART;VALUE=DATE:20260115"]),
        ({"start": "2026-01-10", "due": "2026-01-15"}, BERLIN, ["DTSTART;VALUE=DATE:20260115"]),
        ({"start": "2026-01-15 14:00"}, BERLIN, ["DTSTART:20260115T130000Z"]),
        ({"start": "2026-07-15 14:00"}, BERLIN, ["DTSTART:20260715T120000Z"]),
        ({"start": "2026-07-15 14:00"}, "America/New_York", ["DTSTART:20260715T180000Z"]),
        ({"due": "2026-03-29 02:30"}, BERLIN, ["DTSTART:20260329T013000Z"]),
        ({"due": "2026-10-25 02:30"}, BERLIN, ["DTSTART:20261025T003000Z"]),
        (
            {"start": "2026-01-15 14:00", "due": "2026-01-15 15:30"},
            BERLIN,
            ["DTSTART:20260115T130000Z", "DTEND:20260115T143000Z"],
        ),
        ({"start": "2026-01-15 16:00", "due": "2026-01-15 15:30"}, BERLIN, ["DTSTART:20260115T143000Z"]),
        ({"start": "2026-01-10 16:00", "due": "2026-01-15 15:30"}, BERLIN, ["DTSTART:20260115T143000Z"]),
        ({"start": "2026-01-10", "due": "2026-01-15 15:30"}, BERLIN, ["DTSTART:20260115T143000Z"]),
    ],
)
def test_an_event_is_on_its_todos_day(dates: dict[str, str], zone: str, told: list[str]) -> None:
    found = [line for line in lines_of(written(todo(zone=zone, **dates))) if line.startswith("DT")]

    assert [line for line in found if not line.startswith("DTSTAMP")] == told


@pytest.mark.parametrize(
    ("dates", "told"),
    [
        ({}, []),
        ({"start": "2026-01-10", "due": "2026-01-15"}, ["DTSTART;VALUE=DATE:20260110", "DUE;VALUE=DATE:20260115"]),
        ({"due": "2026-01-15"}, ["DUE;VALUE=DATE:20260115"]),
        ({"start": "2026-01-15"}, ["DTSTART;VALUE=DATE:20260115"]),
        ({"start": "2026-01-10", "due": "2026-01-15 15:00"}, ["DUE:20260115T150000Z"]),
        ({"start": "2026-01-16", "due": "2026-01-15"}, ["DUE;VALUE=DATE:20260115"]),
    ],
)
def test_a_task_has_both_dates_where_the_standard_allows_them(dates: dict[str, str], told: list[str]) -> None:
    found = lines_of(written(todo(**dates), kind="tasks"), "VTODO")

    assert [line for line in found if line.startswith(("DTSTART", "DUE"))] == told
    assert "STATUS:NEEDS-ACTION" in found


def test_events_are_of_open_todos_with_a_date_and_tasks_of_all_open_ones() -> None:
    parts = (todo("One", id="p1", parent_id="id-1", start="2026-01-16"), todo("Two", id="p2", parent_id="id-1"))
    above = todo("Move", start="2026-01-15", subtasks=(*parts, todo("Past", id="p3", status="done")))
    never, over = todo("Never", id="id-2"), todo("Over", id="id-3", start="2026-01-15", status="done")

    events = entries(above, never, over)
    tasks = entries(above, never, over, kind="tasks")

    assert [str(event["SUMMARY"]) for event in events] == ["Move", "One"]
    assert [str(task["SUMMARY"]) for task in tasks] == ["Move", "One", "Two", "Never"]
    assert str(events[0]["DESCRIPTION"]) == "☐ One\n☐ Two\n☑ Past"
    assert str(events[1]["RELATED-TO"]) == "id-1@rill"


def test_texts_come_back_as_they_were_whatever_is_in_them() -> None:
    item = 'Ä "b", c; d\\n e: BEGIN:VEVENT' + "ü" * 200
    notes = "first\nsecond, third; \\ fourth\n\nEND:VCALENDAR\n" + "漢字" * 100
    sent = written(todo(item, start="2026-01-15", notes=notes, project="A, B", tags=("a;b", "c d")))

    (event,) = Calendar.from_ical(sent).walk("VEVENT")

    assert str(event["SUMMARY"]) == item
    assert str(event["DESCRIPTION"]) == f"{notes}\n\nProject: A, B"
    assert [str(tag) for tag in event["CATEGORIES"].cats] == ["a;b", "c d"]
    assert all(len(line) <= 75 for line in sent.split(b"\r\n"))
    assert sent.replace(b"\r\n", b"").count(b"\n") == 0


# -- repetition


@pytest.mark.parametrize(
    ("made", "start", "rule"),
    [
        (repeating("FREQ=WEEKLY;BYDAY=TU", start="2026-01-13"), "VALUE=DATE:20260113", "FREQ=WEEKLY;BYDAY=TU"),
        (repeating("FREQ=WEEKLY", start="2026-01-13"), "VALUE=DATE:20260113", "FREQ=WEEKLY;BYDAY=TU"),
        (repeating("FREQ=DAILY;INTERVAL=3", due="2026-01-13"), "VALUE=DATE:20260113", "FREQ=DAILY;INTERVAL=3"),
        (
            repeating("FREQ=MONTHLY;BYMONTHDAY=-1", start="2026-01-31 08:00", zone=BERLIN),
            f"TZID={BERLIN}:20260131T080000",
            "FREQ=MONTHLY;BYMONTHDAY=-1",
        ),
        (
            repeating("FREQ=MONTHLY", start="2026-02-28", anchor="2026-01-31"),
            "VALUE=DATE:20260228",
            "FREQ=MONTHLY;BYMONTHDAY=-1",
        ),
        (
            repeating("FREQ=DAILY;UNTIL=20260120", start="2026-01-13"),
            "VALUE=DATE:20260113",
            "FREQ=DAILY;UNTIL=20260120",
        ),
        (
            repeating("FREQ=DAILY;UNTIL=20260120", start="2026-01-13 08:00", zone=BERLIN),
            f"TZID={BERLIN}:20260113T080000",
            "FREQ=DAILY;UNTIL=20260120T225959Z",
        ),
        (
            repeating("FREQ=DAILY;COUNT=5", start="2026-01-15", anchor="2026-01-13"),
            "VALUE=DATE:20260113",
            "FREQ=DAILY;COUNT=5",
        ),
    ],
)
def test_what_repeats_is_told_with_its_rule(made: Todo, start: str, rule: str) -> None:
    found = lines_of(written(made))

    assert f"DTSTART;{start}" in found
    assert f"RRULE:{rule}" in [line if "UNTIL" not in line else _ordered(line) for line in found]
    tasks = lines_of(written(made, kind="tasks"), "VTODO")
    assert f"DTSTART;{start}" in tasks
    assert not [line for line in tasks if line.startswith("DUE")]


def _ordered(line: str) -> str:
    name, _, parts = line.partition(":")
    kept = parts.split(";")
    return f"{name}:{';'.join(sorted(kept, key=lambda part: (not part.startswith('FREQ'), part)))}"


def test_what_repeats_after_it_is_done_is_told_once() -> None:
    made = repeating("FREQ=DAILY;INTERVAL=3", mode="completion", start="2026-01-13")

    (event,) = entries(made)

    assert "RRULE" not in event
    assert event["DTSTART"].dt == date(2026, 1, 13)


def test_a_series_keeps_its_time_on_the_clocks_of_its_zone() -> None:
    made = repeating("FREQ=WEEKLY;BYDAY=MO", start="2026-03-23 09:00", zone=BERLIN)

    (event,) = entries(made)
    first = event["DTSTART"].dt
    following = rrulestr(event["RRULE"].to_ical().decode(), dtstart=first)[1]

    assert first == datetime(2026, 3, 23, 9, tzinfo=ZoneInfo(BERLIN))
    assert (first.astimezone(UTC).hour, following.astimezone(UTC).hour) == (8, 7)


def test_zones_are_told_where_something_repeats_in_them_and_only_there() -> None:
    made = repeating("FREQ=DAILY", start="2026-03-23 09:00", zone=BERLIN)
    again = repeating("FREQ=DAILY", start="2027-03-23 09:00", zone=BERLIN)
    single = todo(start="2026-03-23 09:00", zone="Asia/Tokyo")
    plain = repeating("FREQ=DAILY", start="2026-03-23 09:00", zone="UTC")

    told = Calendar.from_ical(written(again, made, single, plain)).walk("VTIMEZONE")

    assert [str(zone["TZID"]) for zone in told] == [BERLIN]
    assert told[0].walk("STANDARD")[0]["DTSTART"].dt == datetime(2026, 1, 1)


@pytest.mark.parametrize(
    ("zone", "year", "kind", "old", "new", "onset"),
    [
        (BERLIN, 2026, "DAYLIGHT", 3600, 7200, datetime(2026, 3, 29, 2)),
        (BERLIN, 2026, "STANDARD", 7200, 3600, datetime(2026, 10, 25, 3)),
        ("America/New_York", 2026, "DAYLIGHT", -18000, -14400, datetime(2026, 3, 8, 2)),
        ("America/New_York", 2026, "STANDARD", -14400, -18000, datetime(2026, 11, 1, 2)),
        ("Australia/Lord_Howe", 2026, "DAYLIGHT", 37800, 39600, datetime(2026, 10, 4, 2)),
        ("Asia/Kolkata", 2026, "STANDARD", 19800, 19800, datetime(2026, 1, 1)),
    ],
)
def test_a_zones_changes_are_told_in_the_time_before_them(
    zone: str, year: int, kind: str, old: int, new: int, onset: datetime
) -> None:
    parts = [part for part in vtimezone(zone, year).walk(kind) if part["TZOFFSETFROM"].td == timedelta(seconds=old)]

    (told,) = [part for part in parts if part["TZOFFSETTO"].td == timedelta(seconds=new)]
    assert told["DTSTART"].dt == onset
    assert all(at.dt > onset for at in (told["RDATE"].dts if "RDATE" in told else []))


def test_a_zone_is_told_as_it_is_until_2038() -> None:
    told = vtimezone(BERLIN, 2026)
    onsets = {}
    for part in told.subcomponents:
        for at in [part["DTSTART"].dt, *[each.dt for each in (part["RDATE"].dts if "RDATE" in part else [])]]:
            onsets[at - part["TZOFFSETFROM"].td] = part["TZOFFSETTO"].td

    rules = ZoneInfo(BERLIN)
    moment = datetime(2026, 1, 1, 12)
    while moment.year < 2038:
        known = onsets[max(at for at in onsets if at <= moment)]
        assert known == moment.replace(tzinfo=UTC).astimezone(rules).utcoffset(), moment
        moment += timedelta(days=9, hours=5)


@pytest.mark.slow
def test_five_thousand_todos_are_told_in_pieces_that_take_no_time() -> None:
    todos = [
        repeating("FREQ=WEEKLY", id=f"id-{n}", item=f"Item {n}", start="2026-01-13 09:00", zone=BERLIN, notes="x" * 200)
        for n in range(5_000)
    ]
    pieces, begun = [], time.perf_counter()
    longest = 0.0
    for piece in calendar.feed(todos, zone=BERLIN):
        longest, begun = max(longest, time.perf_counter() - begun), time.perf_counter()
        pieces.append(piece)

    assert len(pieces) > 900
    assert longest < 2, "others wait for a piece"
    assert b"".join(pieces).count(b"BEGIN:VEVENT") == 5_000
