"""What is sent about a todo, read: the same for the API, the agent's tools and files."""

from datetime import UTC, date, datetime, time
from typing import Any

import pytest

from services.errors import InvalidInput
from services.store.todos import Draft
from services.todos import fields
from services.when import When, parse
from tests.services.todos.test_calendar import repeating, todo

# A Wednesday, in Berlin still the 14th.
NOW = datetime(2026, 1, 14, 9, tzinfo=UTC)
BERLIN = "Europe/Berlin"


def read(**values: Any) -> Draft:
    return fields.draft(values, now=NOW, zone=BERLIN)


def mistakes(**values: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as raised:
        read(**values)
    return {wrong.field: wrong.message for wrong in raised.value.errors}


def test_what_is_not_sent_is_as_of_a_new_todo() -> None:
    assert read(item="Pay rent") == Draft("Pay rent")
    nothing = dict.fromkeys(("notes", "start_time", "due_time", "importance", "tags", "project", "parent_id"))
    assert read(item="Pay rent", **nothing, recurrence=None, subtasks=None, zone=None, unknown=5) == Draft("Pay rent")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("tomorrow", When(date(2026, 1, 15))),
        ("tomorrow at 9", When(date(2026, 1, 15), time(9), BERLIN)),
        ("2026-01-15", When(date(2026, 1, 15))),
        ("2026-01-15 14:00:00", When(date(2026, 1, 15), time(14), BERLIN)),
        ("2026-01-15T14:00", When(date(2026, 1, 15), time(14), BERLIN)),
        ("2026-01-15T13:00:00Z", When(date(2026, 1, 15), time(14), BERLIN)),
        ("  2026-01-15  ", When(date(2026, 1, 15))),
        ("", None),
        (None, None),
    ],
)
def test_dates_are_words_or_machine_formats_alike(said: str | None, meant: When | None) -> None:
    assert read(item="A", start_time=said).start == meant
    assert read(item="A", due_time=said).due == meant
    assert fields.changes({"due_time": said}, now=NOW, zone=BERLIN) == {"due": meant}


def test_a_zone_of_its_own_is_that_of_both_dates() -> None:
    made = read(item="A", start_time="2026-01-15 09:00", due_time="tomorrow at 17:00", zone="America/New_York")

    assert made.start == parse("2026-01-15 09:00", "America/New_York")
    assert made.due == parse("2026-01-15 17:00", "America/New_York")


@pytest.mark.parametrize(
    ("sent", "rule", "mode", "start"),
    [
        ({"recurrence": "FREQ=WEEKLY;BYDAY=MO"}, "FREQ=WEEKLY;BYDAY=MO", "schedule", date(2026, 1, 19)),
        ({"recurrence": "every month on the 1st"}, "FREQ=MONTHLY;BYMONTHDAY=1", "schedule", date(2026, 2, 1)),
        (
            {"recurrence": "every month on the 1st", "start_time": "2026-01-15"},
            "FREQ=MONTHLY;BYMONTHDAY=1",
            "schedule",
            date(2026, 2, 1),
        ),
        (
            {"recurrence": {"rule": "freq=daily;interval=3", "mode": "completion"}, "start_time": "2026-01-15"},
            "FREQ=DAILY;INTERVAL=3",
            "completion",
            date(2026, 1, 15),
        ),
    ],
)
def test_a_repetition_is_words_or_a_rule_and_has_a_first_date(
    sent: dict[str, Any], rule: str, mode: str, start: date
) -> None:
    made = read(item="A", **sent)

    assert (made.rule, made.mode) == (rule, mode)
    assert made.start == When(start)


def test_when_a_series_began_is_given_back() -> None:
    made = repeating("FREQ=MONTHLY", start="2026-02-28 09:00", zone=BERLIN, anchor="2026-01-31")
    told = fields.as_json(made)

    again = read(**{name: told[name] for name in ("item", "start_time", "zone", "recurrence")})

    assert told["recurrence"] == {
        "rule": "FREQ=MONTHLY", "mode": "schedule", "text": told["recurrence"]["text"], "since": "2026-01-31",
    }  # fmt: skip
    assert again.anchor == When(date(2026, 1, 31), time(9), BERLIN)
    late = {"rule": "FREQ=DAILY", "since": "2030-01-01"}
    assert read(item="A", start_time="2026-01-15", recurrence=late).anchor == When(date(2026, 1, 15))
    assert "recurrence" in mistakes(item="A", start_time="2026-01-15", recurrence={**late, "since": "no"})
    assert "recurrence" in mistakes(item="A", recurrence={"rule": "FREQ=DAILY"})


def test_null_takes_away_and_what_is_not_sent_stays() -> None:
    sent = {"start_time": None, "project": "", "recurrence": None, "notes": None, "tags": None, "parent_id": None}

    assert fields.changes(sent, now=NOW, zone=BERLIN) == {
        "start": None, "project": None, "rule": None, "mode": None, "notes": "", "tags": (), "parent_id": None,
    }  # fmt: skip
    assert fields.changes({}, now=NOW, zone=BERLIN) == {}
    with pytest.raises(InvalidInput):
        fields.changes({"importance": None}, now=NOW, zone=BERLIN)
    with pytest.raises(InvalidInput):
        fields.changes({"item": None}, now=NOW, zone=BERLIN)


def test_a_mistake_in_a_date_is_what_the_message_says() -> None:
    with pytest.raises(InvalidInput, match="Invalid date format: 'blursday'"):
        read(item="", start_time="blursday")


@pytest.mark.parametrize("value", [5, 5.5, True, [], {}, ["a"], 10**400, float("inf")])
@pytest.mark.parametrize("name", ["item", "notes", "start_time", "due_time", "project", "zone", "importance"])
def test_what_is_no_text_is_said_at_its_field(name: str, value: Any) -> None:
    assert name in mistakes(**{"item": "A", name: value})


def test_subtasks_may_be_texts_and_neither_repeat_nor_have_any() -> None:
    part = {"item": "Two", "due_time": "2026-01-15", "recurrence": "every day", "parent_id": "x", "subtasks": ["no"]}

    made = read(item="A", subtasks=["One", part])

    assert made.subtasks == (Draft("One"), Draft("Two", due=When(date(2026, 1, 15))))
    found = mistakes(item="A", subtasks=["", {"item": "b", "start_time": "no"}, None])
    assert list(found) == ["subtasks[0].item", "subtasks[1].start_time", "subtasks[2]"]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("a\x00b", "a b"),
        ("  a \n\t b\u2028c ", "a b c"),
        ("\u202eabc\u2069", "abc"),
        ("שלום \u200fעולם", "שלום \u200fעולם"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("\u200b\u200f\u2060", ""),
        ("\ud800", ""),
    ],
)
def test_a_line_shows_what_it_holds(sent: str, kept: str) -> None:
    assert fields.one_line(sent) == kept


def test_notes_keep_their_lines() -> None:
    assert fields.many_lines(" a\r\n\r\n  b\x00\u202e\rc \n") == "a\n\n  b\nc"


def test_a_draft_is_told_as_the_todo_it_becomes() -> None:
    made = read(item="A", due_time="2026-01-15 14:00", tags="home, b", recurrence="FREQ=DAILY", subtasks=["One"])

    told = fields.draft_json(made)

    whole = fields.as_json(todo("A", due="2026-01-15 14:00", zone=BERLIN, tags=("home", "b")))
    same = ("item", "notes", "start_time", "due_time", "zone", "importance", "tags", "project")
    assert {name: told[name] for name in same} == {name: whole[name] for name in same}
    assert told["recurrence"]["rule"] == "FREQ=DAILY"
    assert [part["item"] for part in told["subtasks"]] == ["One"]
