"""What is refused of a todo, in which words, and that nothing of it is kept."""

from typing import Any

import pytest

from tests.blueprints.doers import TODOS, Doer, listed, made, problem, wrong_fields


@pytest.fixture
def ada(doer: Doer) -> Doer:
    return doer


@pytest.mark.req("D35")
@pytest.mark.parametrize("name", ["start_time", "due_time"])
@pytest.mark.parametrize(
    "phrase", ["next blursday", "2026-02-30", "2026-13-01", "25:99", "0000-00-00", "9999-01-01", "x" * 100_000]
)
def test_an_invalid_date_is_named_and_nothing_is_stored(ada: Doer, name: str, phrase: str) -> None:
    refused = problem(ada.client.post(TODOS, json={"item": "Pay rent", name: phrase}), 400, "INVALID_INPUT")

    assert [wrong["field"] for wrong in refused["errors"]] == [name]
    assert "Invalid date format" in refused["message"]
    assert "Invalid date format" in refused["errors"][0]["message"]
    assert phrase[:60] in refused["errors"][0]["message"]
    assert len(refused["errors"][0]["message"]) < 400
    assert listed(ada, view="all") == []


def test_a_date_that_is_no_text_is_said_so(ada: Doer) -> None:
    for value in (5, 1e300, True, [], ["tomorrow"], {"a": 1}):
        refused = problem(ada.client.post(TODOS, json={"item": "Pay rent", "start_time": value}), 400, "INVALID_INPUT")
        assert "Invalid date format" in refused["errors"][0]["message"]
    assert listed(ada) == []


def test_every_wrong_field_is_named_at_once(ada: Doer) -> None:
    sent = {
        "item": "", "notes": 5, "start_time": "2026-02-30", "due_time": "no", "importance": "urgent", "tags": [1],
        "project": "x" * 101, "recurrence": "every blue moon", "parent_id": [], "subtasks": ["ok", "", 5],
        "zone": "Mars/Base",
    }  # fmt: skip

    named = wrong_fields(ada.client.post(TODOS, json=sent))

    assert sorted(named) == sorted({*sent} - {"subtasks"} | {"subtasks[1].item", "subtasks[2]"})
    assert listed(ada) == []


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"item": "x" * 501}, "item"),
        ({"item": "\u200b\u202e \u2060"}, "item"),
        ({"item": ["a"]}, "item"),
        ({"item": "a", "notes": "x" * 10_001}, "notes"),
        ({"item": "a", "tags": ["x" * 51]}, "tags"),
        ({"item": "a", "tags": ["a,b"]}, "tags"),
        ({"item": "a", "tags": [f"t{n}" for n in range(101)]}, "tags"),
        ({"item": "a", "tags": {"a": 1}}, "tags"),
        ({"item": "a", "importance": 3}, "importance"),
        ({"item": "a", "recurrence": "FREQ=SECONDLY"}, "recurrence"),
        ({"item": "a", "recurrence": {"rule": 5}}, "recurrence"),
        ({"item": "a", "recurrence": {"rule": "FREQ=DAILY", "mode": "x"}, "start_time": "2030-01-01"}, "recurrence"),
        ({"item": "a", "recurrence": ["FREQ=DAILY"]}, "recurrence"),
        ({"item": "a", "subtasks": "b"}, "subtasks"),
        ({"item": "a", "subtasks": ["b"] * 201}, "subtasks"),
        ({"item": "a", "zone": "../../etc/passwd"}, "zone"),
        ({"item": "a", "zone": "x" * 100_000}, "zone"),
    ],
)
def test_what_does_not_fit_is_said_at_its_field(ada: Doer, sent: dict[str, Any], field: str) -> None:
    assert wrong_fields(ada.client.post(TODOS, json=sent)) == [field]
    assert listed(ada) == []


def test_hostile_texts_are_kept_as_plain_ones(ada: Doer) -> None:
    todo = made(ada, "a\x00b\u202egnp\u2066 <script>", notes="\x00\x1bx\u202e", tags=["\u202etag"], project="p\x00")

    assert todo["item"] == "a bgnp <script>"
    assert (todo["notes"], todo["tags"], todo["project"]) == ("x", ["tag"], "p")
    assert listed(ada, q="\x00\u202e%_<script>") in ([], ["a bgnp <script>"])


@pytest.mark.parametrize("sent", [b"[]", b"5", b"null", b"{", b'{"item": "a"', b"\xff\xfe", b'{"item": 1e999}'])
def test_a_body_of_any_shape_is_refused_in_words_of_ours(ada: Doer, sent: bytes) -> None:
    problem(ada.client.post(TODOS, data=sent, content_type="application/json"), 400, "INVALID_INPUT")
    assert listed(ada) == []


def test_a_subtask_has_none_of_its_own_and_does_not_repeat(ada: Doer) -> None:
    part = made(ada, subtasks=["One"])["subtasks"][0]

    assert wrong_fields(ada.client.post(TODOS, json={"item": "a", "parent_id": part["id"]})) == ["parent_id"]
    repeat = {"recurrence": "FREQ=DAILY", "start_time": "2030-01-01"}
    assert wrong_fields(ada.client.patch(f"{TODOS}/{part['id']}", json=repeat)) == ["recurrence"]


@pytest.mark.parametrize(("field", "value"), [("seen", "yesterday"), ("seen", 5), ("status", "later"), ("status", [])])
def test_a_bad_change_is_said_with_all_others(ada: Doer, field: str, value: Any) -> None:
    todo = made(ada)

    refused = ada.client.patch(f"{TODOS}/{todo['id']}", json={field: value, "item": "", "start_time": "no"})

    assert sorted(wrong_fields(refused)) == sorted([field, "item", "start_time"])
    assert listed(ada) == ["Pay rent"]
