"""What the agent did, in sentences: literal words for each kind of step, and hostile results."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from services.assistants.todos.sentences import day, tell, waiting_for

TODAY = date(2026, 1, 2)
ID = "0b9d6f0e-6b6f-4f0e-9a6b-1c2d3e4f5a6b"


def did(status: str, item: str = "Team meeting", **more: Any) -> dict[str, Any]:
    return {"todo_id": ID, "status": status, "item": item, "change_id": "01CHANGE", **more}


SAID: list[tuple[str, Mapping[str, Any], Any, str, str]] = [
    ("create_todo", {"item": "Team meeting"}, None, "running", "Adding *Team meeting*"),
    (
        "create_todo",
        {"item": "Team meeting", "start_time": "2027-01-15 14:00:00"},
        did("created", start_time="2026-01-15 14:00:00", importance="medium"),
        "done",
        "Added *Team meeting*, Thu 15 Jan 14:00",
    ),
    (
        "create_todo",
        {"item": "Pay rent"},
        did(
            "created",
            "Pay rent",
            due_time="2027-02-01",
            importance="high",
            tags=["home", "money"],
            project="Flat",
            recurrence="every month on the 1st",
        ),
        "done",
        "Added *Pay rent*, due Mon 1 Feb 2027, every month on the 1st, high importance, \\#home \\#money, in Flat",
    ),
    (
        "add_subtasks",
        {"todo_id": ID, "items": ["a", "b"]},
        did("created", "Party", subtasks=[{"todo_id": "s1", "item": "a"}, {"todo_id": "s2", "item": "b"}]),
        "done",
        "Added 2 subtasks to *Party*",
    ),
    (
        "update_todo",
        {"todo_id": ID, "start_time": "tomorrow"},
        did("updated", start_time="2026-01-03"),
        "done",
        "Moved *Team meeting* to Sat 3 Jan",
    ),
    (
        "update_todo",
        {"todo_id": ID, "due_time": "fri"},
        did("updated", due_time="2026-01-09"),
        "done",
        "Moved *Team meeting*: due Fri 9 Jan",
    ),
    (
        "update_todo",
        {"todo_id": ID, "start_time": ""},
        did("updated"),
        "done",
        "Took the date from *Team meeting*",
    ),
    ("update_todo", {"todo_id": ID, "item": "Call"}, did("updated", "Call"), "done", "Renamed a todo to *Call*"),
    (
        "update_todo",
        {"todo_id": ID, "importance": "high", "notes": "x"},
        did("updated", importance="high"),
        "done",
        "Changed *Team meeting*: high importance, new notes",
    ),
    ("complete_todo", {"todo_id": ID}, did("completed"), "done", "Completed *Team meeting*"),
    (
        "complete_todo",
        {"todo_id": ID},
        did("completed", "Rent", following={"todo_id": "n", "start_time": "2026-02-01", "due_time": None}),
        "done",
        "Completed *Rent*; next on Sun 1 Feb",
    ),
    ("reopen_todo", {"todo_id": ID}, did("reopened"), "done", "Reopened *Team meeting*"),
    ("delete_todo", {"todo_id": ID}, did("deleted"), "done", "Deleted *Team meeting*"),
    (
        "create_todo",
        {"item": "Party", "subtasks": ["a", "b"]},
        did("created", "Party", parts=[{"todo_id": "s1", "item": "a"}, {"todo_id": "s2", "item": "b"}]),
        "done",
        "Added *Party*, with 2 subtasks",
    ),
    (
        "delete_todo",
        {"todo_id": ID},
        did("deleted", parts=[{"todo_id": "s1", "item": "a"}]),
        "done",
        "Deleted *Team meeting*, with 1 subtask",
    ),
    ("move_todo", {"todo_id": ID}, did("moved"), "done", "Moved *Team meeting*"),
    ("undo", {}, {"status": "undone", "items": ["a", "b"], "count": 2}, "done", "Undid the change to *a* and *b*"),
    ("undo", {}, {"status": "undone", "items": []}, "done", "Undid the last change"),
    (
        "delete_todo",
        {"todo_id": ID},
        {"todo_id": ID, "status": "needs_confirmation", "item": "Mine"},
        "asks",
        "Asks before deleting *Mine*",
    ),
    ("list_todos", {}, {"todos": [{}, {}], "count": 2, "more": False}, "looked", "Looked at the list: 2 todos"),
    ("list_todos", {"view": "today"}, {"todos": [], "count": 0}, "looked", "Looked at the list: no todos"),
    ("search_todos", {"query": "milk"}, {"todos": [{}], "count": 1}, "looked", "Looked for “milk”: 1 todo"),
    ("list_tags", {}, {"tags": ["a"], "projects": []}, "looked", "Looked at the tags: 1 tag"),
    (
        "create_todo",
        {"item": "X", "start_time": "someday soon"},
        {"status": "error", "error": "Invalid date format: 'someday soon'."},
        "failed",
        "Could not add *X*: Invalid date format: 'someday soon'.",
    ),
    (
        "delete_todo",
        {"todo_id": "nope"},
        {"status": "error", "error": "Todo not found"},
        "failed",
        "Could not delete a todo: Todo not found",
    ),
    ("list_todos", {}, {"status": "error", "error": "no"}, "failed", "Could not look at the list: no"),
    ("rm_rf", {}, {"error": {"message": "Unknown tool"}}, "failed", "Could not do “rm\\_rf”: Unknown tool"),
    ("complete_todo", {"todo_id": ID}, "Todo not found", "failed", "Could not complete a todo: Todo not found"),
]


@pytest.mark.req("D9", "D10")
def test_each_step_is_a_sentence() -> None:
    for name, arguments, output, state, words in SAID:
        told = tell(name, arguments, output, today=TODAY)

        assert told.markdown == words
        assert told.state == state


def test_a_step_leads_to_its_item_and_to_its_undo() -> None:
    told = tell("create_todo", {}, did("created"))
    deleted = tell("delete_todo", {}, did("deleted"))
    parts = [{"item": "a", "change_id": "01A"}, {"item": "b", "change_id": "01B"}]

    assert told.url == f"/todos?item={ID}"
    assert told.change_ids == ("01CHANGE",)
    assert deleted.url == ""
    assert tell("undo", {}, did("undone")).url == ""
    assert deleted.change_ids == ("01CHANGE",)
    added = tell("add_subtasks", {}, {"todo_id": ID, "status": "created", "item": "P", "subtasks": parts})
    assert added.change_ids == ("01A", "01B")
    assert tell("list_todos", {}, {"todos": []}).change_ids == ()


def test_names_are_data() -> None:
    item = "*a* [b](javascript:x) <b>`c`\n\n# d" + "e" * 300

    told = tell("create_todo", {"item": item}, did("created", item))

    assert "\n" not in told.text
    assert len(told.text) < 140
    assert told.markdown.startswith("Added *\\*a\\* \\[b\\]\\(javascript:x\\) \\<b\\>\\`c\\` \\# d")


def test_hostile_results_are_told_all_the_same() -> None:
    ids: list[Any] = ["../../etc", 'a"b', "x" * 65, 7, None, ["a"], {"a": 1}]
    for value in ids:
        told = tell("create_todo", {"item": value}, {"status": "created", "todo_id": value, "change_id": value})
        assert told.url == ""
        assert told.change_ids == ()
    outputs: list[Any] = [[], 3, True, {"status": 7}, {"status": "created", "subtasks": "x", "items": [{}], "tags": 3}]
    for output in outputs:
        assert tell("create_todo", {}, output).text


def test_what_is_waited_for_has_the_items_name() -> None:
    assert waiting_for("create_todo", {"item": "Milk"}) == "Adding Milk"
    assert waiting_for("create_todo", {}) == "Adding a todo"
    assert waiting_for("list_todos", {}) == "Looking at the list"
    assert waiting_for("undo", {}) == "Undoing a change"
    assert waiting_for("ask_user", {}) == "Asking"
    assert waiting_for("frobnicate", {}) == "Working"


def test_days_have_their_weekday() -> None:
    assert day("2026-01-15", today=TODAY) == "Thu 15 Jan"
    assert day("2026-01-15 00:00:00", today=TODAY) == "Thu 15 Jan 00:00"
    assert day("2024-02-29 09:05:00", today=TODAY) == "Thu 29 Feb 2024 09:05"
    assert day("2026-01-15") == "Thu 15 Jan 2026"
    assert day("tomorrow") == ""
    assert day(None) == ""
