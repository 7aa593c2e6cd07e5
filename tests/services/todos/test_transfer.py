"""Todos as files: what is written is read again, and what others write is understood or named."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from services.errors import InvalidInput
from services.store.todos import Draft
from services.todos import importing, lists, transfer
from services.todos.transfer import Mistake, Parsed, Reader
from services.when import When, parse
from tests.services.todos.test_calendar import todo

NOW = datetime(2026, 1, 14, 9, tzinfo=UTC)
BERLIN = "Europe/Berlin"
Read = Callable[[str, Reader], None]


def read(reading: Read, text: str, zone: str = "UTC") -> Parsed:
    reader = Reader(now=NOW, zone=zone)
    reading(text, reader)
    return reader.parsed()


def drafts(reading: Read, text: str, zone: str = "UTC") -> list[Draft]:
    parsed = read(reading, text, zone)
    assert parsed.mistakes == ()
    return [row.draft for row in parsed.rows]


def refused(reading: Read, text: str) -> list[str]:
    with pytest.raises(InvalidInput) as raised:
        read(reading, text)
    return [wrong.field for wrong in raised.value.errors]


WHOLE = replace(
    todo("Move", start="2026-01-31 08:00", due="2026-01-31 09:30", zone=BERLIN, notes="a\n\n'b", importance="low"),
    tags=("home", "a;b"), project="House", rule="FREQ=MONTHLY", mode="schedule",
    anchor=When(date(2025, 12, 31), parse("2026-01-31 08:00", BERLIN).at, BERLIN),
    subtasks=(
        todo("=One", id="p1", parent_id="id-1", due="2026-01-15"),
        todo("'=Two", id="p2", parent_id="id-1", status="done", completed_at=datetime(2026, 1, 3, 4, 5, 6, 7, UTC)),
    ),
)  # fmt: skip
OTHERS = [
    todo('-1, "x"\nÄ', id="id-2", status="done", completed_at=datetime(2026, 1, 3, tzinfo=UTC)),
    todo("+cmd|' /C calc'!A0", id="id-3", notes="@SUM(1)\n=2", project="=P", tags=("=t",)),
    todo("''=x", id="id-4", notes="' =y"),
]


@pytest.mark.parametrize(
    ("write", "reading"), [(transfer.as_lines, transfer.read_json), (transfer.as_table, transfer.read_table)]
)
def test_what_is_written_is_read_again(write: Any, reading: Read) -> None:
    text = importing.decoded(b"".join(write([WHOLE, *OTHERS])))

    found = drafts(reading, text)

    first = found[0]
    assert [draft.item for draft in found] == [" ".join(each.item.split()) for each in (WHOLE, *OTHERS)]
    assert (first.start, first.due, first.anchor) == (WHOLE.start, WHOLE.due, WHOLE.anchor)
    assert (first.rule, first.mode, first.importance) == ("FREQ=MONTHLY", "schedule", "low")
    assert (first.tags, first.project, first.notes) == (("home", "a;b"), "House", "a\n\n'b")
    assert [(part.item, part.id, part.status) for part in first.subtasks] == [
        ("=One", "p1", "open"),
        ("'=Two", "p2", "done"),
    ]
    assert first.subtasks[0].due == When(date(2026, 1, 15))
    assert first.subtasks[1].completed_at == datetime(2026, 1, 3, 4, 5, 6, 7, UTC)
    assert [(draft.id, draft.status) for draft in found] == [
        ("id-1", "open"), ("id-2", "done"), ("id-3", "open"), ("id-4", "open"),
    ]  # fmt: skip
    assert found[2].notes == "@SUM(1)\n=2"
    assert (found[2].project, found[2].tags) == ("=P", ("=t",))
    assert found[3].notes == "' =y"


def test_no_cell_of_a_table_is_a_formula() -> None:
    text = b"".join(transfer.as_table([WHOLE, *OTHERS])).decode("utf-8-sig")

    rows = list(csv.DictReader(io.StringIO(text, newline="")))

    assert [row["item"] for row in rows] == [
        "Move", "'=One", "''=Two", "'-1, \"x\"\nÄ", "'+cmd|' /C calc'!A0", "'''=x",
    ]  # fmt: skip
    assert rows[1]["parent_id"] == "id-1"
    assert all(not cell.lstrip().startswith(("=", "+", "-", "@", "|", "%")) for row in rows for cell in row.values())
    assert rows[0]["recurrence"] == "FREQ=MONTHLY"


def test_an_empty_list_is_a_file_too() -> None:
    assert json.loads(b"".join(transfer.as_lines([])))["todos"] == []
    assert b"".join(transfer.as_table([])).decode("utf-8-sig").startswith("id,parent_id,item,")


# -- JSON


def test_json_may_be_a_list_an_object_or_one_todo() -> None:
    for text in ('[{"item": "A"}]', '{"todos": [{"item": "A"}]}', '{"item": "A"}'):
        assert drafts(transfer.read_json, text) == [Draft("A")]


def test_a_bad_row_of_json_is_named_and_spoils_no_other() -> None:
    rows = [
        {"item": "A", "start_time": "2026-02-30"}, {"item": "B"}, 5, {"item": "", "id": 5, "status": "later"},
        {"item": "C", "subtasks": [{"item": "ok"}, {"item": "", "completed_at": "never"}]},
    ]  # fmt: skip

    parsed = read(transfer.read_json, json.dumps(rows))

    assert [(row.place, row.draft.item) for row in parsed.rows] == [(2, "B")]
    assert [(wrong.place, wrong.field) for wrong in parsed.mistakes] == [
        (1, "start_time"), (3, "todos"), (4, "item"), (4, "id"), (4, "status"),
        (5, "subtasks[1].item"), (5, "subtasks[1].completed_at"),
    ]  # fmt: skip
    assert "Invalid date format: '2026-02-30'" in parsed.mistakes[0].message


def test_rows_of_json_may_hang_together_by_their_ids() -> None:
    rows = [
        {"item": "Two", "parent_id": "1"}, {"item": "One", "id": "1", "subtasks": ["Zero"]},
        {"item": "Lost", "parent_id": "9"}, {"item": "Odd", "parent_id": ["1"]},
    ]  # fmt: skip

    parsed = read(transfer.read_json, json.dumps(rows))

    assert [(row.draft.item, [part.item for part in row.draft.subtasks]) for row in parsed.rows] == [
        ("One", ["Zero", "Two"]),
    ]
    assert [(wrong.place, wrong.field) for wrong in parsed.mistakes] == [(3, "parent_id"), (4, "parent_id")]


@pytest.mark.parametrize("text", ["{", "5", '"a"', "null", "{}", '{"todos": 5}', '{"todos": {"a": 1}}', "[" * 5000])
def test_other_json_is_refused(text: str) -> None:
    assert refused(transfer.read_json, text) in (["file"], ["todos"])


# -- tables


@pytest.mark.parametrize(
    "text",
    [
        "item,due_time,tags\nPay rent,2026-01-15,home\n",
        "\ufeffTitle;Due Date;Labels\r\nPay rent;2026-01-15;home\r\n",
        "Task\tDeadline\tTag\nPay rent\t2026-01-15\thome",
        '"content","due","label"\r\n"Pay rent","2026-01-15","home"\r\n\r\n,,\r\n',
    ],
)
def test_tables_of_other_programs_are_understood(text: str) -> None:
    assert drafts(transfer.read_table, text) == [Draft("Pay rent", due=When(date(2026, 1, 15)), tags=("home",))]


def test_a_tables_rows_hang_together_by_their_ids_in_any_order() -> None:
    text = "id,parent_id,item,status\n2,1,Two,yes\n1,,One,\n3,1,Three,open\n4,,Four,done\n"

    one, four = drafts(transfer.read_table, text)

    assert [(part.item, part.status) for part in one.subtasks] == [("Two", "done"), ("Three", "open")]
    assert (four.item, four.status) == ("Four", "done")


def test_a_bad_row_of_a_table_is_named_by_its_line() -> None:
    text = 'id,parent_id,item,start_time\n1,,"A\nb",\n2,,B,2026-02-30\n3,9,C,\n4,1,D,never\n5,3,E,\n'

    parsed = read(transfer.read_table, text)

    assert [(row.place, row.draft.item, row.draft.subtasks) for row in parsed.rows] == [(3, "A b", ())]
    assert [(wrong.place, wrong.field) for wrong in parsed.mistakes] == [
        (4, "start_time"), (5, "parent_id"), (6, "start_time"), (7, "parent_id"),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "x" * 200_000, 'item\n"' + "x" * 200_000, "\x00", "notes\nx"])
def test_what_is_no_table_is_refused(text: str) -> None:
    assert refused(transfer.read_table, text) == ["file"]


# -- texts


def test_a_plain_list_is_a_todo_a_line_with_its_indented_lines_below() -> None:
    text = (
        "Buy paint\n\n- [ ] Buy milk #home\n    * [x] the good one\n\t- two litres\n1. Call Ana\n2) [X] Write\n☑ Done\n"
    )

    found = drafts(lists.read_text, text)

    assert [(draft.item, draft.status, [part.item for part in draft.subtasks]) for draft in found] == [
        ("Buy paint", "open", []),
        ("Buy milk", "open", ["the good one", "two litres"]),
        ("Call Ana", "open", []),
        ("Write", "done", []),
        ("Done", "done", []),
    ]
    assert found[1].tags == ("home",)
    assert [part.status for part in found[1].subtasks] == ["done", "open"]


def test_a_line_without_words_is_named() -> None:
    parsed = read(lists.read_text, "One\n- [ ]  \u200b\n  - below\nTwo\n  Three\n  \u202e\n\nHouse:\n- tidy\n\tup")

    assert [row.draft.item for row in parsed.rows] == ["One", "House"]
    assert [part.item for part in parsed.rows[1].draft.subtasks] == ["tidy", "up"]
    assert [row.place for row in parsed.rows] == [1, 8]
    assert [(wrong.place, wrong.field) for wrong in parsed.mistakes] == [(2, "line"), (6, "line")]


# -- calendars

CALENDAR = """BEGIN:VCALENDAR
VERSION:2.0
{}
END:VCALENDAR
"""


def entry(*lines: str, name: str = "VTODO") -> str:
    return "\r\n".join([f"BEGIN:{name}", *lines, f"END:{name}"])


def calendar(*entries: str) -> str:
    return CALENDAR.format("\n".join(entries))


def test_a_calendars_entries_become_todos() -> None:
    text = calendar(
        entry(
            "UID:a", "SUMMARY:Pay\\, rent and a long", "  line", "DESCRIPTION:a\\nb", "DTSTART;VALUE=DATE:20260110",
            "DUE;VALUE=DATE:20260115", "CATEGORIES:home,money", "CATEGORIES:c", "PRIORITY:1", "X-OTHER;A=b:{}",
            "BEGIN:VALARM", "SUMMARY:Alarm", "TRIGGER:-PT5M", "END:VALARM",
        ),
        entry("UID:b", "SUMMARY:Meet", "DTSTART;TZID=America/New_York:20260701T093000", "PRIORITY:9", name="VEVENT"),
        entry("UID:c", "SUMMARY:Call", "DTSTART:20260701T093000Z", name="VEVENT"),
        entry("UID:d", "SUMMARY:Float", "DUE:20260701T093000", "STATUS:COMPLETED", "COMPLETED:20260702T100000Z"),
        entry("UID:e", "SUMMARY:Step", "RELATED-TO:a"),
        entry("UID:f", "SUMMARY:Repeat", "DTSTART:20260105T080000Z", "RRULE:FREQ=WEEKLY;UNTIL=20260301T235959Z"),
        entry("SUMMARY:Nobody knows its zone", "DTSTART;TZID=/x/Own:20260701T093000"),
    )  # fmt: skip

    pay, meet, call, floating, repeat, own = drafts(lists.read_calendar, text, zone=BERLIN)

    assert pay == Draft(
        "Pay, rent and a long line", notes="a\nb", start=When(date(2026, 1, 10)), due=When(date(2026, 1, 15)),
        importance="high", tags=("home", "money", "c"), id="a", subtasks=(Draft("Step", id="e"),),
    )  # fmt: skip
    assert (meet.start, meet.importance) == (parse("2026-07-01 09:30", "America/New_York"), "low")
    assert call.start == parse("2026-07-01 11:30", BERLIN)
    assert (floating.due, floating.status) == (parse("2026-07-01 09:30", BERLIN), "done")
    assert floating.completed_at == datetime(2026, 7, 2, 10, tzinfo=UTC)
    assert (repeat.rule, repeat.start) == ("FREQ=WEEKLY;UNTIL=20260302", parse("2026-01-05 09:00", BERLIN))
    assert own.start == parse("2026-07-01 09:30", BERLIN)


def test_a_bad_entry_of_a_calendar_is_named_and_spoils_no_other() -> None:
    text = calendar(
        entry("UID:a", "SUMMARY:A", "DTSTART:2026"),
        entry("UID:b", "SUMMARY:B", "DTSTART;VALUE=DATE:20260115"),
        entry("UID:c", "DUE;VALUE=DATE:20260115"),
        entry("UID:d", "SUMMARY:D", "DTSTART;VALUE=DATE:20260115", "RRULE:FREQ=HOURLY"),
        entry("UID:e", "SUMMARY:E", "STATUS:CANCELLED"),
        entry("UID:f", "SUMMARY:F", "DTSTART;VALUE=DATE:18000101"),
        entry("UID:g", "SUMMARY;=:G", "PRIORITY:high"),
        entry("UID:b", "SUMMARY:B moved", "RECURRENCE-ID;VALUE=DATE:20260116", "DTSTART;VALUE=DATE:20260117"),
    )

    parsed = read(lists.read_calendar, text)

    assert [row.draft.item for row in parsed.rows] == ["B"]
    assert [(wrong.place, wrong.field) for wrong in parsed.mistakes] == [
        (1, "start_time"), (3, "item"), (4, "recurrence"), (5, "status"), (6, "start_time"),
        (7, "item"), (7, "importance"),
    ]  # fmt: skip
    assert "Invalid date format: '2026'" in parsed.mistakes[0].message


@pytest.mark.parametrize(
    "line",
    [
        "CATEGORIES;VALUE=DATE:x", "PRIORITY;VALUE=DATE:20260115", "DUE;VALUE=PERIOD:", "DTSTART;VALUE=PERIOD:x/y",
        "CATEGORIES;VALUE=PERIOD:20260115T140000,20260116T140000", "RRULE;VALUE=DATE:20260101",
        "DUE;VALUE=DURATION:P1D", "RRULE:FREQ=DAILY;UNTIL=00010101", "COMPLETED;VALUE=TIME:1",
        "PRIORITY:99999999999999999999999", "UID;VALUE=DATE:x",
    ],
)  # fmt: skip
def test_a_value_of_another_kind_spoils_its_own_entry_at_most(line: str) -> None:
    found = read(lists.read_calendar, calendar(entry("SUMMARY:One", "DTSTART:20260101", line), entry("SUMMARY:Two")))

    assert found.rows[-1].draft.item == "Two"
    assert len(found.rows) + len({wrong.place for wrong in found.mistakes}) == 2


def test_entries_that_belong_to_each_other_in_a_circle_or_deep_are_all_taken() -> None:
    text = calendar(
        *(
            entry(f"UID:{key}", f"SUMMARY:{key}", f"RELATED-TO:{above}")
            for key, above in ("ab", "ba", "cc", "db", "e?")
        ),
        entry("UID:top", "SUMMARY:top"),
        entry("UID:mid", "SUMMARY:mid", "RELATED-TO:top"),
        entry("UID:low", "SUMMARY:low", "RELATED-TO:mid"),
    )

    found = drafts(lists.read_calendar, text)

    assert sorted(draft.item for draft in found) == ["a", "b", "c", "d", "e", "top"]
    assert [part.item for part in found[-1].subtasks] == ["mid", "low"]


@pytest.mark.parametrize(
    "text",
    [
        "BEGIN:VCALENDAR\n" + "BEGIN:VTODO\n" * 50_000,
        "BEGIN:VTODO\n" + "BEGIN:VALARM\n" * 50_000 + "END:VALARM\n" * 50_000,
        calendar(entry("SUMMARY:" + "x;,\\" * 50_000)),
        calendar(entry("SUMMARY;" + ";".join(f'A{n}="x"' for n in range(5_000)) + ":y")),
        calendar(entry("SUMMARY;X=" + '"' * 20_001 + ":y")),
        calendar(entry(*["CATEGORIES:x"] * 2_000)),
    ],
)
def test_a_hostile_calendar_ends_soon(text: str) -> None:
    assert not [row for row in read(lists.read_calendar, text).rows if len(row.draft.item) > 500]


def test_one_todo_does_not_get_thousands_of_steps() -> None:
    steps = [entry(f"SUMMARY:Step {n}", "RELATED-TO:top") for n in range(201)]

    for found in (
        read(lists.read_calendar, calendar(entry("UID:top", "SUMMARY:Top"), *steps, entry("SUMMARY:Other"))),
        read(lists.read_text, "Top\n" + "  Step\n" * 201 + "Other\n"),
    ):
        assert [row.draft.item for row in found.rows] == ["Other"]
        assert [(wrong.place, wrong.field) for wrong in found.mistakes] == [(1, "subtasks")]


# -- what a file is


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ('{"todos": []}', "", "json"),
        (' [{"item": "a"}]', "x.txt", "json"),
        ("BEGIN:VCALENDAR\nEND:VCALENDAR", "", "ics"),
        ("item\nx", "list.CSV", "csv"),
        ("item\tx", "list.tsv", "csv"),
        ("Buy milk", "", "text"),
        ("[ ] Buy milk\n[x] Call", "", "text"),
        ("[x] Call", "list.md", "text"),
        ("id,parent_id,item\n,,x", "", "csv"),
    ],
)
def test_a_file_is_known_by_how_it_begins_and_what_it_is_called(text: str, name: str, kind: str) -> None:
    assert importing.kind_of(text, name) == kind


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_file_may_be_written_as_spreadsheets_do(encoding: str) -> None:
    assert importing.decoded("item\nÄpfel – 5 €".encode(encoding)) == "item\nÄpfel – 5 €"


def test_places_are_sorted() -> None:
    reader = Reader(now=NOW, zone="UTC")
    reader.take(2, {"item": ""})
    reader.take(1, {"item": ""})

    assert reader.parsed().mistakes == (Mistake(1, "item", "is missing"), Mistake(2, "item", "is missing"))
