"""Todos for programs: every operation, whose they are, and what is refused."""

import pytest
from flask import Flask

from services.store import users
from services.store.todo_filters import VIEWS
from tests.blueprints.doers import TODOS, Doer, listed, made, problem, wrong_fields

UNKNOWN = "00000000-0000-4000-8000-000000000000"
FIELDS = {
    "id", "item", "notes", "start_time", "due_time", "zone", "importance", "tags", "project", "parent_id", "subtasks",
    "status", "recurrence", "position", "source", "series_id", "created_at", "updated_at", "completed_at",
}  # fmt: skip


@pytest.fixture
def ada(doer: Doer) -> Doer:
    return doer


@pytest.fixture
def ben(keeping: Flask) -> Doer:
    return Doer(keeping)


# -- making and changing


@pytest.mark.req("D35")
def test_a_todo_is_made_and_told_whole(ada: Doer) -> None:
    sent = {
        "item": "  Pay\n rent ", "notes": "To\r\nAna", "start_time": "2030-01-15 14:00", "due_time": "2030-01-31",
        "importance": "HIGH", "tags": ["#Home", "home", "money"], "project": "House",
        "recurrence": "FREQ=MONTHLY;BYMONTHDAY=-1", "subtasks": ["One", {"item": "Two", "importance": "low"}],
    }  # fmt: skip

    response = ada.client.post(TODOS, json=sent)

    todo = response.json
    assert response.status_code == 201
    assert response.headers["Location"] == f"{TODOS}/{todo['id']}"
    assert set(todo) == FIELDS | {"change_id", "revision"}
    told = {name: todo[name] for name in ("item", "notes", "start_time", "due_time", "zone", "importance", "tags")}
    assert told == {
        "item": "Pay rent", "notes": "To\nAna", "start_time": "2030-01-15 14:00:00", "due_time": "2030-01-31",
        "zone": "UTC", "importance": "high", "tags": ["Home", "money"],
    }  # fmt: skip
    assert (todo["status"], todo["source"], todo["completed_at"], todo["parent_id"]) == ("open", "user", None, None)
    assert todo["recurrence"]["rule"] == "FREQ=MONTHLY;BYMONTHDAY=-1"
    assert todo["recurrence"]["mode"] == "schedule"
    assert [(part["item"], part["importance"], part["parent_id"]) for part in todo["subtasks"]] == [
        ("One", "medium", todo["id"]),
        ("Two", "low", todo["id"]),
    ]
    same = ada.client.get(f"{TODOS}/{todo['id']}").json
    assert same == {name: todo[name] for name in FIELDS}


def test_a_form_makes_one_too(ada: Doer) -> None:
    response = ada.client.post(TODOS, data={"item": "Buy milk", "tags": "home, shop", "start_time": "2030-01-15"})

    assert response.status_code == 201
    assert (response.json["tags"], response.json["start_time"]) == (["home", "shop"], "2030-01-15")


def test_a_date_stays_a_date_and_a_time_is_of_its_persons_clocks(ada: Doer) -> None:
    ada.services.database.run(users.update_profile, ada.user.id, language="en", zone="America/New_York")

    day = made(ada, start_time="2030-07-01")
    wall = made(ada, start_time="2030-07-01 09:30:00")
    moment = made(ada, start_time="2030-07-01T13:30:00Z")
    elsewhere = made(ada, start_time="2030-07-01 09:30", zone="Europe/Berlin")

    assert (day["start_time"], day["zone"]) == ("2030-07-01", None)
    assert (wall["start_time"], wall["zone"]) == ("2030-07-01 09:30:00", "America/New_York")
    assert (moment["start_time"], moment["zone"]) == (wall["start_time"], wall["zone"])
    assert (elsewhere["start_time"], elsewhere["zone"]) == ("2030-07-01 09:30:00", "Europe/Berlin")


def test_what_clocks_leave_out_is_said(ada: Doer) -> None:
    todo = made(ada, start_time="2030-03-31 02:30", zone="Europe/Berlin")

    assert todo["start_time"] == "2030-03-31 03:30:00"
    assert len(todo["remarks"]) == 1
    assert "02:30" in todo["remarks"][0]


def test_only_what_is_sent_changes(ada: Doer) -> None:
    todo = made(ada, notes="Cash", start_time="2030-01-15", tags=["home"], project="House")

    changed = ada.client.patch(f"{TODOS}/{todo['id']}", json={"item": "Pay Ana", "start_time": None, "tags": []}).json

    assert (changed["item"], changed["start_time"], changed["tags"]) == ("Pay Ana", None, [])
    assert (changed["notes"], changed["project"], changed["id"]) == ("Cash", "House", todo["id"])
    assert changed["updated_at"] > todo["updated_at"]


def test_a_todo_that_was_read_can_be_sent_back(ada: Doer) -> None:
    todo = made(ada, start_time="2030-01-15 14:00", recurrence="FREQ=WEEKLY;BYDAY=TU", subtasks=["One"])
    whole = ada.client.get(f"{TODOS}/{todo['id']}").json

    same = ada.client.patch(f"{TODOS}/{todo['id']}", json=whole)

    assert same.status_code == 200
    assert same.json["change_id"] == "", "nothing had to be done"
    assert {name: same.json[name] for name in FIELDS} == whole


def test_a_change_that_was_not_seen_is_a_conflict_that_tells_it(ada: Doer) -> None:
    todo = made(ada)
    first = ada.client.patch(f"{TODOS}/{todo['id']}", json={"item": "Pay Ana", "seen": todo["updated_at"]})

    second = ada.client.patch(f"{TODOS}/{todo['id']}", json={"item": "Pay Ben", "seen": todo["updated_at"]})

    assert first.status_code == 200
    refused = problem(second, 409, "TODO_CHANGED")
    assert refused["todo"]["item"] == "Pay Ana"
    assert listed(ada) == ["Pay Ana"]


@pytest.mark.slow
def test_completing_makes_the_next_one_and_reopening_takes_it_back(ada: Doer) -> None:
    todo = made(ada, start_time="2030-01-31", recurrence="FREQ=MONTHLY;BYMONTHDAY=-1", subtasks=["One"])

    done = ada.client.post(f"{TODOS}/{todo['id']}/complete").json
    again = ada.client.post(f"{TODOS}/{todo['id']}/complete").json

    assert (done["status"], done["subtasks"][0]["status"]) == ("done", "done")
    assert done["completed_at"] is not None
    following = done["following"]
    assert (following["start_time"], following["series_id"]) == ("2030-02-28", todo["series_id"])
    assert [part["status"] for part in following["subtasks"]] == ["open"]
    assert again["change_id"] == ""
    assert len(listed(ada)) == 1
    opened = ada.client.post(f"{TODOS}/{todo['id']}/reopen").json
    assert (opened["status"], opened["completed_at"]) == ("open", None)
    assert [each["id"] for each in ada.client.get(TODOS).json["todos"]] == [todo["id"]]


@pytest.mark.parametrize("status", ["done", "open"])
def test_a_status_can_be_changed_with_the_rest(ada: Doer, status: str) -> None:
    todo = made(ada)

    changed = ada.client.patch(f"{TODOS}/{todo['id']}", json={"item": "Pay Ana", "status": status}).json

    assert (changed["item"], changed["status"]) == ("Pay Ana", status)


@pytest.mark.slow
def test_todos_are_put_in_order_by_hand(ada: Doer) -> None:
    one, two, three = (made(ada, item) for item in ("One", "Two", "Three"))

    ada.client.post(f"{TODOS}/{three['id']}/move", json={"after_id": one["id"]})
    assert listed(ada) == ["One", "Three", "Two"]
    ada.client.post(f"{TODOS}/{two['id']}/move", json={"after_id": None})
    assert listed(ada) == ["Two", "One", "Three"]
    refused = ada.client.post(f"{TODOS}/{two['id']}/move", json={"after_id": two["id"]})
    assert wrong_fields(refused) == ["after_id"]


def test_a_deleted_todo_is_gone_with_its_subtasks_and_comes_back(ada: Doer) -> None:
    todo = made(ada, subtasks=["One"])

    gone = ada.client.delete(f"{TODOS}/{todo['id']}")

    assert gone.status_code == 200
    assert (gone.json["todo_id"], gone.json["status"]) == (todo["id"], "deleted")
    for its in (todo["id"], todo["subtasks"][0]["id"]):
        problem(ada.client.get(f"{TODOS}/{its}"), 404, "NOT_FOUND")
    ada.client.post(f"{TODOS}/undo", json={"change_id": gone.json["change_id"]})
    back = ada.client.get(f"{TODOS}/{todo['id']}").json
    assert back["subtasks"][0]["id"] == todo["subtasks"][0]["id"]


def test_the_same_key_makes_one_todo(ada: Doer) -> None:
    sent = [ada.client.post(TODOS, json={"item": "Once"}, headers={"Idempotency-Key": "k1"}) for _ in range(2)]

    assert [response.status_code for response in sent] == [201, 201]
    assert sent[0].json["id"] == sent[1].json["id"]
    assert listed(ada) == ["Once"]


# -- looking


@pytest.mark.slow
def test_the_list_is_narrowed_down(ada: Doer) -> None:
    made(ada, "Past", start_time="2020-01-15", tags=["Home"])
    made(ada, "Far", due_time="2099-01-15", project="House")
    made(ada, "Never", notes="about the garden")
    ada.client.post(f"{TODOS}/{made(ada, 'Over')['id']}/complete")

    assert listed(ada) == listed(ada, view="open") == ["Past", "Far", "Never"]
    assert listed(ada, view="all") == ["Past", "Far", "Never", "Over"]
    assert listed(ada, view="done") == ["Over"]
    assert listed(ada, view="overdue") == listed(ada, view="today") == ["Past"]
    assert listed(ada, view="someday") == ["Never"]
    assert listed(ada, view="week") == []
    assert listed(ada, tag="home") == listed(ada, tag="#HOME") == ["Past"]
    assert listed(ada, project="house") == ["Far"]
    assert listed(ada, q="GARDEN about") == ["Never"]
    assert listed(ada, q="garden", view="done") == listed(ada, tag="none") == []


@pytest.mark.slow
def test_pages_follow_each_other(ada: Doer) -> None:
    for number in range(5):
        made(ada, f"Item {number}")
    items, cursor, pages = [], "", 0
    while cursor is not None:
        page = ada.client.get(TODOS, query_string={"limit": 2, "cursor": cursor}).json
        items += [todo["item"] for todo in page["todos"]]
        cursor, pages = page["next"], pages + 1

    assert items == [f"Item {number}" for number in range(5)]
    assert pages == 3


def test_tags_and_projects_are_counted(ada: Doer) -> None:
    made(ada, tags=["Home", "money"], project="House")
    made(ada, tags=["home"])

    told = ada.client.get(f"{TODOS}/tags").json

    assert [(tag["name"].casefold(), tag["count"]) for tag in told["tags"]] == [("home", 2), ("money", 1)]
    assert told["projects"] == [{"name": "House", "count": 1}]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        *(("view=x", "view"), ("limit=0", "limit"), ("limit=1e3", "limit"), ("cursor=-1", "cursor")),
        *((f"cursor={'9' * 40}", "cursor"), (f"q={'x' * 201}", "q"), (f"tag={'x' * 60}", "tag")),
    ],
)
def test_a_bad_question_is_said_at_its_field(ada: Doer, query: str, field: str) -> None:
    refused = problem(ada.client.get(f"{TODOS}?{query}"), 400, "INVALID_INPUT")

    assert [wrong["field"] for wrong in refused["errors"]] == [field]
    if field == "view":
        assert all(view in refused["errors"][0]["message"] for view in VIEWS)


# -- undoing


@pytest.mark.slow
def test_changes_are_told_and_undone_and_done_again(ada: Doer) -> None:
    todo = made(ada)
    ada.client.patch(f"{TODOS}/{todo['id']}", json={"item": "Pay Ana"})

    undone = ada.client.post(f"{TODOS}/undo").json
    assert listed(ada) == ["Pay rent"]
    assert (undone["status"], [change["kind"] for change in undone["undone"]]) == ("undone", ["updated"])
    assert [each["item"] for each in undone["todos"]] == ["Pay rent"]
    again = ada.client.post(f"{TODOS}/undo", json={"change_id": undone["change_id"]})
    assert again.status_code == 200
    assert listed(ada) == ["Pay Ana"]
    changes = ada.client.get(f"{TODOS}/changes?limit=3").json
    assert [change["kind"] for change in changes["changes"]] == ["undone", "undone", "updated"]
    assert changes["revision"] == changes["changes"][0]["revision"] == 4
    after = ada.client.get(f"{TODOS}/changes", query_string={"after": 3}).json["changes"]
    assert [change["id"] for change in after] == [again.json["change_id"]]


def test_what_has_been_changed_since_is_not_undone_but_told(ada: Doer) -> None:
    todo = made(ada)
    first = ada.client.patch(f"{TODOS}/{todo['id']}", json={"item": "Pay Ana"}).json
    ada.client.patch(f"{TODOS}/{todo['id']}", json={"item": "Pay Ben"})

    refused = problem(ada.client.post(f"{TODOS}/undo", json={"change_id": first["change_id"]}), 409, "TODO_CHANGED")

    assert refused["changed"] == ["item"]
    assert refused["todo_id"] == todo["id"]
    assert listed(ada) == ["Pay Ben"]


def test_there_may_be_nothing_to_undo(ada: Doer) -> None:
    for sent in ({}, {"change_id": "x"}, {"message_id": "x"}, {"message_id": "import-x"}):
        problem(ada.client.post(f"{TODOS}/undo", json=sent), 404, "NOT_FOUND")
    assert wrong_fields(ada.client.post(f"{TODOS}/undo", json={"change_id": "a", "message_id": "b"})) == ["message_id"]
    assert wrong_fields(ada.client.post(f"{TODOS}/undo", json={"change_id": ["a"]})) == ["change_id"]


# -- whose


@pytest.mark.slow
def test_nobody_elses_todos_are_there(ada: Doer, ben: Doer) -> None:
    todo = made(ada, tags=["secret"], subtasks=["One"])
    path, part = f"{TODOS}/{todo['id']}", todo["subtasks"][0]["id"]

    for method, where, sent in (
        ("GET", path, None),
        ("PATCH", path, {"item": "Mine"}),
        ("DELETE", path, None),
        ("DELETE", f"{TODOS}/{part}", None),
        ("POST", f"{path}/complete", None),
        ("POST", f"{path}/reopen", None),
        ("POST", f"{path}/move", {}),
        ("POST", f"{TODOS}/{made(ben)['id']}/move", {"after_id": todo["id"]}),
        ("POST", TODOS, {"item": "Mine", "parent_id": todo["id"]}),
        ("POST", f"{TODOS}/undo", {"change_id": todo["change_id"]}),
    ):
        problem(ben.client.open(where, method=method, json=sent), 404, "NOT_FOUND")
    assert listed(ben, view="all") == ["Pay rent"]
    assert ben.client.get(f"{TODOS}/tags").json["tags"] == []
    assert all(change["todo_id"] != todo["id"] for change in ben.client.get(f"{TODOS}/changes").json["changes"])
    assert ada.client.get(path).json == {name: todo[name] for name in FIELDS}


@pytest.mark.parametrize("todo_id", [UNKNOWN, "x", "%00", "..", "a" * 5000, "1e9", "\u202e", "tags%2F"])
def test_an_unknown_todo_is_not_there(ada: Doer, todo_id: str) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        response = ada.client.open(f"{TODOS}/{todo_id}", method=method, json={} if method == "PATCH" else None)
        assert response.status_code == 404, response.text
