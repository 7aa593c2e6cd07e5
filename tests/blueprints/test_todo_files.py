"""Todos as files: export, import, and the calendar feed behind its secret address."""

import csv
import io
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from icalendar import Calendar

from services.store import todo_feeds, users
from services.todos import importing
from tests.blueprints.doers import TODOS, Doer, made, problem

IMPORT = f"{TODOS}/import"
EXPORT = f"{TODOS}/export"
FEED = f"{TODOS}/feed"
BERLIN = "Europe/Berlin"


@pytest.fixture
def ada(doer: Doer) -> Doer:
    doer.services.database.run(users.update_profile, doer.user.id, language="en", zone=BERLIN)
    return doer


@pytest.fixture
def ben(keeping: Flask) -> Doer:
    return Doer(keeping)


def exported(who: Doer, kind: str = "json") -> bytes:
    response = who.client.get(f"{EXPORT}?format={kind}")
    assert response.status_code == 200, response.text
    data: bytes = response.data
    return data


def sent(who: Doer, content: bytes | str, name: str = "list", **form: str) -> Any:
    data = content.encode() if isinstance(content, str) else content
    return who.client.post(IMPORT, data={"file": (io.BytesIO(data), name), **form})


def taken(who: Doer, content: bytes | str, name: str = "list", **form: str) -> Any:
    response = sent(who, content, name, **form)
    assert response.status_code in (200, 201), response.text
    return response.json


def told(who: Doer) -> list[Any]:
    """All that the person has, without what is given anew: ids, places, moments."""
    anew = {"id", "parent_id", "position", "series_id", "created_at", "updated_at"}
    todos = json.loads(exported(who))["todos"]
    for part in [part for todo in todos for part in (todo, *todo["subtasks"])]:
        for name in anew:
            part.pop(name)
    return list(todos)


def items(who: Doer) -> list[str]:
    return [todo["item"] for todo in told(who)]


def fill(who: Doer) -> None:
    repeats = {"start_time": "2030-01-31 08:00", "recurrence": "FREQ=MONTHLY;BYMONTHDAY=-1"}
    made(who, "=Move", **repeats, notes="a\nb", tags=["home", "a;b"], subtasks=["One", {"item": "Two"}])
    over = made(who, "Over", due_time="2030-01-15", importance="low", project="House")
    who.client.post(f"{TODOS}/{over['id']}/complete")
    made(who, "'Plain'", start_time="2030-03-31 02:30", zone="America/New_York")


# -- export


@pytest.mark.slow
def test_an_export_is_a_file_of_everything(ada: Doer) -> None:
    fill(ada)

    response = ada.client.get(EXPORT)
    table = ada.client.get(f"{EXPORT}?format=csv")

    assert response.content_type == "application/json"
    assert response.headers["Content-Disposition"] == 'attachment; filename="rill-todos.json"'
    assert response.headers["Cache-Control"] == "no-store"
    assert [todo["item"] for todo in response.json["todos"]] == ["=Move", "Over", "'Plain'"]
    assert response.json["todos"][0] == ada.client.get(f"{TODOS}/{response.json['todos'][0]['id']}").json
    rows = list(csv.DictReader(io.StringIO(table.data.decode("utf-8-sig"), newline="")))
    assert [row["item"] for row in rows] == ["'=Move", "One", "Two", "Over", "'Plain'"]
    assert rows[1]["parent_id"] == rows[0]["id"]
    assert rows[2]["parent_id"] == rows[0]["id"]


@pytest.mark.slow
def test_what_cannot_be_exported_is_said(ada: Doer) -> None:
    refused = problem(ada.client.get(f"{EXPORT}?format=pdf"), 400, "INVALID_INPUT")

    assert [wrong["field"] for wrong in refused["errors"]] == ["format"]
    assert json.loads(exported(ada))["todos"] == []


# -- import


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["json", "csv"])
def test_a_list_survives_being_given_to_somebody_else(ada: Doer, ben: Doer, kind: str) -> None:
    fill(ada)

    first = taken(ben, exported(ada, kind), f"x.{kind}")
    again = taken(ben, exported(ada, kind), f"x.{kind}")

    assert (first["added"], first["skipped"], first["errors"]) == (5, [], [])
    assert told(ben) == told(ada)
    assert (again["added"], len(again["skipped"]), again["message_id"]) == (0, 3, None)
    assert told(ben) == told(ada)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["json", "csv"])
def test_what_is_there_already_is_skipped_and_what_was_deleted_comes_back(ada: Doer, kind: str) -> None:
    fill(ada)
    before, file = told(ada), exported(ada, kind)
    gone = ada.client.get(TODOS).json["todos"][0]
    ada.client.delete(f"{TODOS}/{gone['id']}")

    done = taken(ada, file, f"x.{kind}")

    assert (done["added"], len(done["skipped"])) == (3, 2)
    assert sorted(map(str, told(ada))) == sorted(map(str, before))
    assert len(taken(ada, file)["skipped"]) == 3


@pytest.mark.parametrize(
    ("todos", "changes"), [(3, 1), pytest.param(110, 2, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_an_import_is_undone_as_a_whole(ada: Doer, todos: int, changes: int) -> None:
    made(ada, "Mine")
    rows = [{"item": f"Item {n}", "subtasks": ["One"]} for n in range(todos)]

    done = taken(ada, json.dumps(rows), "x.json")
    undone = ada.client.post(f"{TODOS}/undo", json={"message_id": done["message_id"]})

    assert (done["added"], len(done["change_ids"])) == (2 * todos, changes)
    assert undone.status_code == 200
    assert len(undone.json["gone"]) == 2 * todos
    assert items(ada) == ["Mine"]
    problem(ada.client.post(f"{TODOS}/undo", json={"message_id": done["message_id"]}), 404, "NOT_FOUND")


@pytest.mark.slow
def test_what_has_been_worked_on_is_not_undone_with_its_import(ada: Doer) -> None:
    done = taken(ada, "One\nTwo")
    todo = ada.client.get(TODOS).json["todos"][0]
    ada.client.patch(f"{TODOS}/{todo['id']}", json={"item": "Mine"})

    problem(ada.client.post(f"{TODOS}/undo", json={"message_id": done["message_id"]}), 409, "TODO_CHANGED")

    assert items(ada) == ["Mine", "Two"]


def test_bad_rows_are_told_and_all_others_taken(ada: Doer) -> None:
    text = "item,start_time,importance\nGood,2030-01-15,\nBad,2026-02-30,huge\n,,\nAlso good,,low\n"

    done = sent(ada, text, "x.csv")

    assert done.status_code == 201
    assert done.json["added"] == 2
    assert [(wrong["row"], wrong["field"]) for wrong in done.json["errors"]] == [(3, "start_time"), (3, "importance")]
    assert "Invalid date format: '2026-02-30'" in done.json["errors"][0]["message"]
    assert items(ada) == ["Good", "Also good"]


@pytest.mark.req("D35")
def test_a_file_without_a_good_row_is_refused_by_its_rows(ada: Doer) -> None:
    refused = problem(sent(ada, "item,start_time\nBad,2026-02-30\n\nWorse,never\n", "x.csv"), 400, "INVALID_INPUT")

    assert [wrong["field"] for wrong in refused["errors"]] == ["row 2: start_time", "row 4: start_time"]
    assert items(ada) == []


@pytest.mark.slow
def test_a_list_may_come_as_json_as_text_or_as_a_calendar(ada: Doer) -> None:
    ics = "BEGIN:VCALENDAR\nBEGIN:VTODO\nUID:a\nSUMMARY:From afar\nDUE;VALUE=DATE:20300115\nEND:VTODO\nEND:VCALENDAR\n"

    for response in (
        ada.client.post(IMPORT, json={"todos": [{"item": "A"}]}),
        ada.client.post(IMPORT, json=[{"item": "B"}]),
        ada.client.post(IMPORT, json={"text": "- [ ] C\n  - D"}),
        ada.client.post(IMPORT, json={"text": "item;tags\nE;x", "format": "csv"}),
        ada.client.post(IMPORT, data=ics, content_type="text/calendar"),
        sent(ada, '{"item": "F"}', "x.csv", format="text"),
    ):
        assert response.status_code == 201, response.text

    assert items(ada) == ["A", "B", "C", "E", "From afar", '{"item": "F"}']
    assert [part["item"] for part in told(ada)[2]["subtasks"]] == ["D"]
    assert taken(ada, ics, "x.ics")["skipped"] == [{"row": 1, "id": "a"}]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        *(({}, "file"), ({"text": 5}, "text"), ({"text": "a", "format": "xml"}, "format"), ({"text": ""}, "file")),
        *(({"todos": 5}, "todos"), ({"todos": []}, "file"), ({"text": " \n\u00a0\n"}, "file")),
    ],
)
def test_what_is_no_list_is_said(ada: Doer, body: Any, field: str) -> None:
    refused = problem(ada.client.post(IMPORT, json=body), 400, "INVALID_INPUT")

    assert [wrong["field"] for wrong in refused["errors"]] == [field]


def test_a_form_without_a_file_and_other_types_are_refused(ada: Doer) -> None:
    refused = problem(ada.client.post(IMPORT, data={"format": "csv"}), 400, "INVALID_INPUT")
    two = {"file": [(io.BytesIO(b"a"), "a"), (io.BytesIO(b"b"), "b")]}

    assert [wrong["field"] for wrong in refused["errors"]][-1] == "file"
    problem(ada.client.post(IMPORT, data=two), 400, "INVALID_INPUT")
    problem(ada.client.post(IMPORT, data=b"x", content_type="image/png"), 415, "UNSUPPORTED_TYPE")
    problem(ada.client.post(IMPORT, data=b"{", content_type="application/json"), 400, "INVALID_INPUT")


@pytest.mark.slow
def test_a_file_over_the_size_is_refused(ada: Doer) -> None:
    large = b"a\n" * (importing.MAX_BYTES // 2 + 1)
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
    form = {"data": head + large + b"\r\n--x--\r\n", "content_type": "multipart/form-data; boundary=x"}

    problem(ada.client.post(IMPORT, **form), 413, "TOO_LARGE")
    problem(ada.client.post(IMPORT, data=large, content_type="text/plain"), 413, "TOO_LARGE")
    assert items(ada) == []


def test_hostile_files_end_in_words_of_ours(ada: Doer) -> None:
    for content in (b"\x00" * 1000, b"\xff" * 1000, b"BEGIN:VCALENDAR\n" * 1000, b"[" * 100_000, b'{"todos":'):
        response = sent(ada, content, "x.bin")
        assert response.status_code in (201, 400), response.text
        assert "Traceback" not in response.text


@pytest.mark.slow
def test_an_import_is_its_persons_alone(ada: Doer, ben: Doer) -> None:
    fill(ada)
    done = taken(ada, "One")
    rows = json.loads(exported(ada))["todos"]

    copied = taken(ben, json.dumps(rows))

    assert copied["skipped"] == [], "that there is such an id is not told"
    problem(ben.client.post(f"{TODOS}/undo", json={"message_id": done["message_id"]}), 404, "NOT_FOUND")
    assert not {todo["id"] for todo in rows} & {
        todo["id"] for todo in ben.client.get(f"{TODOS}?view=all").json["todos"]
    }


@pytest.mark.slow
def test_imports_have_a_rate(ada: Doer) -> None:
    statuses = {ada.client.post(IMPORT, json={}).status_code for _ in range(20)}

    refused = problem(ada.client.post(IMPORT, json={"text": "One"}), 429, "RATE_LIMITED")

    assert statuses == {400}
    assert refused["limit"] == 20
    assert items(ada) == []


# -- the feed


def opened(who: Doer) -> str:
    response = who.client.post(FEED)
    assert response.status_code == 201, response.text
    return "/" + str(response.json["url"]).split("/", 3)[3]


@pytest.mark.slow
def test_a_feed_is_read_by_whoever_knows_its_address(ada: Doer) -> None:
    fill(ada)

    path = opened(ada)
    feed = ada.site.test_client().get(path)
    tasks = ada.site.test_client().get(f"{path}?as=tasks")

    assert feed.status_code == 200
    assert feed.content_type == "text/calendar; charset=utf-8"
    events = Calendar.from_ical(feed.data).walk("VEVENT")
    assert [str(event["SUMMARY"]) for event in events] == ["=Move", "'Plain'"]
    assert events[0]["RRULE"].to_ical() == b"FREQ=MONTHLY;BYMONTHDAY=-1"
    assert b"TZID=Europe/Berlin:20300131T080000" in feed.data
    assert b"DTSTART:20300331T063000Z" in feed.data
    assert len(Calendar.from_ical(tasks.data).walk("VTODO")) == 4


@pytest.mark.slow
def test_a_feed_that_has_not_changed_is_not_sent_again(ada: Doer) -> None:
    made(ada, start_time="2030-01-15")
    path, visitor = opened(ada), ada.site.test_client()
    first = visitor.get(path)
    known = {"If-None-Match": first.headers["ETag"]}

    same = visitor.get(path, headers=known)
    made(ada, "More", start_time="2030-01-16")
    other = visitor.get(path, headers=known)

    assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert other.status_code == 200
    assert visitor.get(f"{path}?as=tasks", headers={"If-None-Match": other.headers["ETag"]}).status_code == 200
    ada.services.database.run(users.update_profile, ada.user.id, language="en", zone="Asia/Tokyo")
    assert visitor.get(path, headers={"If-None-Match": other.headers["ETag"]}).status_code == 200
    uids = [{str(event["UID"]) for event in Calendar.from_ical(sent.data).walk("VEVENT")} for sent in (first, other)]
    assert uids[0] < uids[1]


@pytest.mark.slow
def test_an_address_is_told_once_renewed_and_revoked(ada: Doer, ben: Doer) -> None:
    visitor = ada.site.test_client()
    assert ada.client.get(FEED).json == {"active": False, "created_at": None}
    first = opened(ada)
    theirs = opened(ben)
    second = opened(ada)

    assert visitor.get(first).status_code == 404
    assert visitor.get(second).status_code == 200
    standing = ada.client.get(FEED).json
    assert standing["active"] is True
    assert second.split("/")[-1].removesuffix(".ics") not in str(standing)
    assert [ada.client.delete(FEED).status_code for _ in range(2)] == [204, 204]
    assert visitor.get(second).status_code == 404
    assert visitor.get(theirs).status_code == 200


@pytest.mark.slow
def test_a_secret_is_kept_as_a_hash_and_leaves_with_no_export(ada: Doer) -> None:
    secret = opened(ada).split("/")[-1].removesuffix(".ics")

    kept = ada.services.database.run(users.export, ada.user.id)

    assert len(secret) >= 43
    assert len(kept["todo_feeds"]) == 1
    assert "secret_hash" not in kept["todo_feeds"][0]
    assert secret not in str(kept)
    assert ada.services.database.run(todo_feeds.owner, secret) is None


def test_an_unknown_address_is_a_line_and_no_log_tells_it(ada: Doer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    path = opened(ada)

    for asked in (path, "/todos/feed/guessed-secret.ics", f"/todos/feed/{'x' * 3000}.ics", "/todos/feed/%00.ics"):
        response = ada.site.test_client().get(asked)
        assert response.status_code == (200 if asked == path else 404)
        assert "guessed-secret" not in response.text
    assert response.content_type.startswith("text/plain")
    assert ada.site.test_client().get("/todos/feed/.ics").status_code == 404
    assert path.split("/")[-1].removesuffix(".ics") not in caplog.text
    assert "guessed-secret" not in caplog.text


@pytest.mark.slow
def test_asking_for_feeds_is_limited_by_the_network_it_comes_from(make_app: Callable[..., Flask]) -> None:
    site = make_app(TODOS_FEED_RATE_LIMIT="2/minute")
    visitor, other = site.test_client(), {"REMOTE_ADDR": "192.0.2.7"}

    statuses = [visitor.get("/todos/feed/guess.ics").status_code for _ in range(3)]

    assert statuses == [404, 404, 429]
    refused = visitor.get("/todos/feed/guess.ics", headers={"Accept": "application/json"})
    assert int(refused.headers["Retry-After"]) >= 1
    assert visitor.get("/todos/feed/guess.ics", environ_overrides=other).status_code == 404


@pytest.mark.slow
def test_the_feed_itself_can_be_imported_and_changes_nothing(ada: Doer) -> None:
    fill(ada)
    feed = ada.site.test_client().get(opened(ada)).data

    done = taken(ada, feed, "todos.ics")

    assert (done["added"], len(done["skipped"]), done["errors"]) == (0, 2, [])


@pytest.mark.slow
def test_an_address_is_the_sites_public_one(make_app: Callable[..., Flask]) -> None:
    somebody = Doer(make_app(PUBLIC_URL="https://todos.example.org"))

    told_url = somebody.client.post(FEED).json

    assert told_url["url"].startswith("https://todos.example.org/todos/feed/")
    assert told_url["webcal_url"] == "webcal" + told_url["url"].removeprefix("https")
