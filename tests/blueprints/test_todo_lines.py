"""The quick line for programs: it is told in the same way before and after it is saved, and can be put right."""

from typing import Any

import pytest

from services.store import users
from tests.blueprints.doers import Doer

URL = "/api/todos"
QUICK = f"{URL}/quick"
KNOWN_BEFORE = (
    "item", "notes", "start_time", "due_time", "zone", "importance", "tags", "project", "recurrence",
)  # fmt: skip
LINES = (
    "Buy milk",
    "Buy milk #home #shop !high",
    "Pay rent every 1st !high #home",
    "Call Ana tomorrow at 9",
    "Report by friday 17:00 !low",
    "Dentist 2030-01-15 14:30",
    "Water the plants every 3 days",
    "Move house 2030-03-31 02:30",
    "Groceries #home\n  - milk\n  - bread\nCall Ben",
)


@pytest.fixture
def ada(doer: Doer) -> Doer:
    doer.services.database.run(users.update_profile, doer.user.id, language="en", zone="Europe/Berlin")
    return doer


def asked(who: Doer, line: Any, **fields: Any) -> Any:
    return who.client.post(QUICK, json={"line": line, **fields})


def understood(who: Doer, line: str, **fields: Any) -> Any:
    response = asked(who, line, **fields)
    assert response.status_code == (201 if fields.get("save") else 200), response.text
    return response.json


def both(who: Doer, line: str, **fields: Any) -> tuple[Any, Any]:
    """What is told before and after, unless a day ended in between."""
    while True:
        before, after = understood(who, line, **fields), understood(who, line, save=True, **fields)
        if understood(who, line, **fields) == before:
            return before, after


def told(todo: Any) -> Any:
    own = {name: todo[name] for name in KNOWN_BEFORE}
    if own["recurrence"]:
        # When a series begins is settled by its first todo.
        own["recurrence"] = {**own["recurrence"], "since": None}
    return {**own, "subtasks": [told(part) for part in todo.get("subtasks", ())]}


@pytest.mark.parametrize("line", LINES)
def test_a_line_means_the_same_before_and_after_it_is_saved(ada: Doer, line: str) -> None:
    before, after = both(ada, line)

    assert (before["saved"], after["saved"]) == (False, True)
    for name in ("line", "zone", "chips", "remarks"):
        assert after[name] == before[name]
    assert [told(todo) for todo in after["todos"]] == [told(todo) for todo in before["todos"]]
    for todo in after["todos"]:
        assert told(ada.client.get(f"{URL}/{todo['id']}").json) == told(todo)


@pytest.mark.parametrize("line", LINES)
def test_looking_stores_nothing(ada: Doer, line: str) -> None:
    understood(ada, line)
    understood(ada, line, save=False)

    assert ada.client.get(f"{URL}?view=all").json["todos"] == []


def test_chips_name_the_weekday_and_the_zone(ada: Doer) -> None:
    found = understood(ada, "Dentist 2030-01-15 14:30 !high #health")

    chips = {chip["kind"]: chip for chip in found["chips"]}
    assert set(chips) == {"start", "importance", "tag"}
    assert "Tue 15 Jan 2030, 14:30" in chips["start"]["said"]
    assert "Europe/Berlin" in f"{chips['start']['said']} {found['zone']}"
    assert chips["start"]["words"] == "2030-01-15 14:30"
    assert chips["tag"]["words"] == "#health"
    assert found["todos"][0]["item"] == "Dentist"


def test_words_can_be_taken_as_they_are(ada: Doer) -> None:
    before, after = both(ada, "Read 2030-01-15 #one", plain=["2030-01-15"])

    assert before["todos"][0]["item"] == after["todos"][0]["item"] == "Read 2030-01-15"
    assert (after["todos"][0]["start_time"], after["todos"][0]["tags"]) == (None, ["one"])


def test_what_was_understood_can_be_replaced(ada: Doer) -> None:
    overrides = {
        "start_time": None,
        "due_time": "2030-01-31",
        "importance": "low",
        "tags": ["work"],
        "item": "Dentist!",
    }

    before, after = both(ada, "Dentist 2030-01-15 14:30 !high #health", overrides=overrides)

    todo = after["todos"][0]
    assert told(todo) == told(before["todos"][0])
    assert (todo["item"], todo["start_time"], todo["due_time"]) == ("Dentist!", None, "2030-01-31")
    assert (todo["importance"], todo["tags"]) == ("low", ["work"])
    assert after["chips"] == before["chips"]
    assert {chip["kind"] for chip in after["chips"]} == {"due", "importance", "tag"}
    assert any("Thu 31 Jan 2030" in chip["said"] for chip in after["chips"])


def test_without_its_date_a_line_does_not_repeat(ada: Doer) -> None:
    before, after = both(ada, "Pay rent every 1st", overrides={"start_time": None})

    assert (after["todos"][0]["start_time"], after["todos"][0]["recurrence"]) == (None, None)
    assert before["chips"] == after["chips"] == []


@pytest.mark.req("D35")
@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"line": None}, "line"),
        ({"line": ""}, "line"),
        ({"line": " \n "}, "line"),
        ({"line": 5}, "line"),
        ({"line": ["a"]}, "line"),
        ({"line": "x" * 100_000}, "line"),
        ({"line": "Call Ana on 31 Feb"}, "line"),
        ({"line": "a", "save": "perhaps"}, "save"),
        ({"line": "a", "plain": 5}, "plain"),
        ({"line": "a", "overrides": []}, "overrides"),
        ({"line": "a", "overrides": {"status": "done"}}, "overrides"),
        ({"line": "a\nb", "overrides": {"item": "c"}}, "overrides"),
        ({"line": "a", "overrides": {"start_time": "2026-02-30"}}, "overrides.start_time"),
        ({"line": "a", "overrides": {"item": ""}}, "overrides.item"),
    ],
)
def test_what_cannot_be_meant_is_said_and_nothing_is_stored(ada: Doer, sent: dict[str, Any], field: str) -> None:
    response = ada.client.post(QUICK, json={"save": True, **sent})

    assert response.status_code == 400, response.text
    assert [wrong["field"] for wrong in response.json["errors"]] == [field]
    if "Feb" in str(sent) or "02-30" in str(sent):
        assert "Invalid date format" in response.json["errors"][0]["message"]
    assert ada.client.get(f"{URL}?view=all").json["todos"] == []


def test_a_line_that_is_sent_twice_with_a_key_is_one_todo(ada: Doer) -> None:
    for _ in range(2):
        sent = ada.client.post(QUICK, json={"line": "Once", "save": True}, headers={"Idempotency-Key": "k"})
        assert sent.status_code == 201

    assert [todo["item"] for todo in ada.client.get(URL).json["todos"]] == ["Once"]


def test_a_form_can_ask_too(ada: Doer) -> None:
    saved = ada.client.post(QUICK, data={"line": "Buy milk #home", "save": "1"})

    assert saved.status_code == 201
    assert saved.json["todos"][0]["tags"] == ["home"]


def test_a_hostile_line_is_a_plain_one(ada: Doer) -> None:
    todo = understood(ada, "<b>Buy</b>\x00 \u202emilk\x1b #\u202ehome", save=True)["todos"][0]

    assert not set("\x00\x1b\u202e") & set(todo["item"])
