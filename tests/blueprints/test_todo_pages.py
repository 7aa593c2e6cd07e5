"""The todo list as a person uses it whose browser runs no script, and what scripts are answered."""

import re
from collections.abc import Callable, Mapping
from datetime import date
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from services.store import users
from services.store.todos import Draft, Todo
from services.todos.actions import By, Filter, Todos
from services.when import When

HTML = {"Accept": "text/html"}
HTMX = {**HTML, "HX-Request": "true"}
HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(1)">'


class Keeper:
    """Somebody with a browser and a list."""

    def __init__(self, site: Flask, client: FlaskClient) -> None:
        self.client = client
        self.services = site.extensions["rill"]
        user = self.services.database.run(users.by_email, "ada@example.org")
        assert user is not None
        self.user_id: int = user.id

    @property
    def todos(self) -> Todos:
        found: Todos = self.services.todos
        return found

    def has(self, item: str, **values: Any) -> Todo:
        return self.todos.create(By(self.user_id, values.pop("source", "user")), Draft(item, **values)).todo

    def items(self, view: Any = "open") -> list[str]:
        return [todo.item for todo in self.todos.listing(self.user_id, Filter(view=view))]

    def see(self, path: str = "/todos", status: int = 200, headers: Mapping[str, str] = HTML) -> str:
        page = self.client.get(path, headers=headers)
        assert page.status_code == status, page.text
        return unescape(page.text)

    def send(self, path: str, status: int = 303, headers: Mapping[str, str] = HTML, **form: Any) -> TestResponse:
        sent: TestResponse = self.client.post(path, data=form, headers=headers)
        assert sent.status_code == status, sent.text
        return sent

    def follow(self, sent: TestResponse) -> str:
        return self.see(sent.headers["Location"])


@pytest.fixture
def ada(app: Flask, signed_in: FlaskClient) -> Keeper:
    return Keeper(app, signed_in)


def shown(page: str) -> list[str]:
    """What the list shows, in order, steps too."""
    return re.findall(r'class="todo__item"[^>]*>([^<]+)<', page)


def at_field(page: str, name: str) -> str:
    """What stands at a field that is marked as wrong."""
    assert re.search(rf'name="{name}"[^>]*aria-invalid="true"[^>]*aria-describedby="[^"]*wrong-{name}"', page), page
    said = re.search(rf'id="wrong-{name}">([^<]+)<', page)
    assert said
    return said[1]


@pytest.mark.slow
@pytest.mark.req("B3", "D1-23")
def test_a_todo_is_added_ticked_off_brought_back_and_undone_by_plain_forms(ada: Keeper) -> None:
    assert "Your list is empty." in ada.see()

    added = ada.follow(ada.send("/todos", line="Buy milk #home", key="k1"))
    ada.send("/todos", line="Buy milk #home", key="k1")

    assert ("Added “Buy milk”" in added, shown(added)) == (True, ["Buy milk"])
    assert ada.items() == ["Buy milk"], "a form that is sent twice adds once"
    [todo] = ada.todos.listing(ada.user_id)
    done = ada.follow(ada.send(f"/todos/{todo.id}/complete?show=today"))
    assert ("Done: “Buy milk”" in done, "Nothing for today." in done, ada.items()) == (True, True, [])
    assert shown(ada.see("/todos?show=done")) == ["Buy milk"]
    undo = re.search(r'name="change_id" value="(\w+)"', done)
    assert undo
    assert "Undid a change of “Buy milk”" in ada.follow(ada.send("/todos/undo", change_id=undo[1]))
    assert ada.items() == ["Buy milk"]
    ada.send(f"/todos/{todo.id}/complete")
    assert "Open again: “Buy milk”" in ada.follow(ada.send(f"/todos/{todo.id}/reopen"))


@pytest.mark.slow
@pytest.mark.req("B3")
def test_a_line_is_explained_before_it_is_saved_and_its_mistake_stands_at_it(ada: Keeper) -> None:
    checked = unescape(ada.send("/todos", 200, line="Buy milk #home", preview="1").text)
    wrong = unescape(ada.send("/todos", 400, line="   ").text)
    to_script = ada.send("/todos", 400, HTMX, line=" ")

    assert 'aria-label="Understood"' in checked
    assert "Buy milk #home</textarea>" in checked, "what was typed stays"
    assert at_field(wrong, "line") == "Is missing."
    assert 'id="quick-echo" hx-swap-oob' in to_script.text
    assert "Is missing." in to_script.text
    assert ada.items("all") == []


@pytest.mark.slow
def test_words_that_were_understood_wrongly_are_taken_as_they_are(ada: Keeper) -> None:
    echo = unescape(ada.send("/todos/quick", 200, HTMX, line="Say #hello to Ada").text)
    plain = unescape(ada.send("/todos/quick", 200, HTMX, line="Say #hello to Ada", plain="#hello").text)
    ada.send("/todos", line="Say #hello to Ada", plain="#hello")

    assert 'data-plain="#hello"' in echo
    assert ("Say #hello to Ada" in plain, 'data-read="#hello"' in plain) == (True, True)
    assert [(todo.item, todo.tags) for todo in ada.todos.listing(ada.user_id)] == [("Say #hello to Ada", ())]
    assert ada.send("/todos/quick", 200, HTMX, line=" ").text == ""


@pytest.mark.slow
@pytest.mark.req("B3")
def test_filters_show_what_they_say_with_how_many_there_are(ada: Keeper) -> None:
    ada.has("Late", due=When(date(2020, 1, 1)), project="Work")
    ada.has("Some day", tags=("home", "garden"))
    ada.has("Done", status="done")

    found = {
        query: shown(ada.see(f"/todos?{query}"))
        for query in (
            "",
            "show=overdue",
            "show=today",
            "show=someday",
            "show=done",
            "tag=HOME",
            "project=work",
            "q=day",
        )
    }

    assert found == {
        "": ["Late", "Some day"],
        "show=overdue": ["Late"],
        "show=today": ["Late"],
        "show=someday": ["Some day"],
        "show=done": ["Done"],
        "tag=HOME": ["Some day"],
        "project=work": ["Late"],
        "q=day": ["Some day"],
    }
    page = ada.see("/todos?tag=nothing&show=week")
    assert "Nothing here has the tag #nothing." in page
    counts = re.findall(r'data-filter[^>]*>(?:<[^>]+>[^<]*</span>)*([^<]+?) <span class="filters__count">(\d+)<', page)
    assert [(name.strip(), int(count)) for name, count in counts] == [
        ("All", 2), ("Today", 1), ("Overdue", 1), ("Someday", 1), ("Work", 1),
        ("#garden", 1), ("#home", 1), ("#nothing", 0),
    ]  # fmt: skip
    assert "Overdue: " in ada.see("/todos"), "not told by its colour alone"
    assert ("data-grip" in ada.see("/todos"), "data-grip" in ada.see("/todos?show=today")) == (True, False)


@pytest.mark.slow
def test_of_a_list_each_date_is_told_before_it_is_added(ada: Keeper) -> None:
    echo = unescape(ada.send("/todos/quick", 200, HTMX, line="Rome:\n- hotel by 2030-01-15\n- guide").text)

    assert "and 2 steps" in echo
    assert "hotel</span>: Tue 15 Jan 2030" in echo
    assert "guide" not in echo, "there is nothing to tell of it"


@pytest.mark.slow
def test_what_is_not_understood_in_an_address_means_nothing(ada: Keeper) -> None:
    ada.has("Here")

    for query in ("show=x", "shown=-1", "shown=9" * 3000, "tag=%00", "said=x", "q=" + "x" * 5000 + "&q=Here"):
        assert "Todos" in ada.see(f"/todos?{query}")
    assert shown(ada.see("/todos?show=x&shown=99999999999")) == ["Here"]


@pytest.mark.slow
def test_a_long_list_is_shown_in_parts(ada: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blueprints.todo_shown.ON_A_PAGE", 2)
    ada.todos.add(By(ada.user_id), [Draft(f"Number {number}") for number in range(5)])

    first = ada.see("/todos?shown=2")
    more = re.search(r'href="([^"]+)" data-filter>Show more of 5', first)

    assert (len(shown(first)), bool(more)) == (2, True)
    assert more
    assert len(shown(ada.see(more[1]))) > 2


@pytest.mark.slow
@pytest.mark.req("B3")
def test_everything_about_a_todo_is_changed_in_one_form(ada: Keeper) -> None:
    todo = ada.has("Report", notes="Old")
    form = {
        "item": "Write the report", "notes": "Line\r\nLine", "start_time": "2030-01-02", "due_time": "2030-01-15 14:00",
        "importance": "high", "project": "Work", "tags": "a, b", "steps": "First\nSecond", "recurrence": "",
    }  # fmt: skip

    said = ada.follow(ada.send(f"/todos/{todo.id}", **form))

    now = ada.todos.get(ada.user_id, todo.id)
    assert "Changed “Write the report”" in said
    assert (now.item, now.notes, now.importance, now.project, now.tags) == (
        "Write the report", "Line\nLine", "high", "Work", ("a", "b"),
    )  # fmt: skip
    assert (now.start.text if now.start else "", now.due.text if now.due else "") == (
        "2030-01-02",
        "2030-01-15 14:00:00",
    )
    assert [step.item for step in now.subtasks] == ["First", "Second"]
    page = ada.see(f"/todos/{todo.id}")
    assert ('value="2030-01-15 14:00"' in page, "Tue 15 Jan 2030, 14:00 (UTC)" in page) == (True, True)
    assert "A step of" in ada.see(f"/todos/{now.subtasks[0].id}")


@pytest.mark.slow
def test_what_others_changed_meanwhile_stays(ada: Keeper) -> None:
    todo = ada.has("Report", notes="Old")
    was = re.search(r'name="was" value="([^"]+)"', ada.client.get(f"/todos/{todo.id}", headers=HTML).text)
    assert was
    ada.todos.update(By(ada.user_id, "ai"), todo.id, {"notes": "By the agent"})

    ada.send(f"/todos/{todo.id}", item="The report", notes="Old", importance="medium", was=unescape(was[1]))

    now = ada.todos.get(ada.user_id, todo.id)
    assert (now.item, now.notes) == ("The report", "By the agent")


@pytest.mark.slow
@pytest.mark.req("D35")
@pytest.mark.parametrize("headers", [HTML, HTMX], ids=["page", "sheet"])
def test_mistakes_in_a_todo_stand_at_their_fields_and_nothing_is_stored(ada: Keeper, headers: dict[str, str]) -> None:
    todo = ada.has("Report")

    wrong = unescape(ada.send(f"/todos/{todo.id}", 400, headers, item=" ", due_time="31 Feb 2027", notes="typed").text)
    when = unescape(ada.send(f"/todos/{todo.id}/when", 400, headers, when="blub").text)

    assert at_field(wrong, "item") == "Is missing."
    assert at_field(wrong, "due_time").startswith("Invalid date format: '31 Feb 2027'")
    assert ('value="31 Feb 2027"' in wrong, "typed</textarea>" in wrong) == (True, True)
    assert at_field(when, "when").startswith("Invalid date format: 'blub'")
    assert 'value="blub"' in when
    assert ada.todos.get(ada.user_id, todo.id) == todo


@pytest.mark.slow
@pytest.mark.req("B3")
def test_a_day_is_given_kept_with_its_time_and_taken_away(ada: Keeper) -> None:
    todo = ada.has("Call", due=When(date(2030, 1, 1), None))
    when = f"/todos/{todo.id}/when"
    texts = []

    assert "Next Monday" in ada.see(when)
    for form in ({"when": "2030-02-03 09:30"}, {"day": "2030-03-04"}, {"none": "1"}):
        ada.send(when, **form)
        day = ada.todos.get(ada.user_id, todo.id).day
        texts.append(day.text if day else "")

    assert texts == ["2030-02-03 09:30:00", "2030-03-04 09:30:00", ""]


@pytest.mark.slow
@pytest.mark.req("B3")
def test_nothing_is_deleted_before_it_is_agreed_to_and_it_can_be_undone(ada: Keeper) -> None:
    todo = ada.has("Move", subtasks=(Draft("Boxes"), Draft("Van")))

    asked = ada.see(f"/todos/{todo.id}/delete")
    assert ("Delete this todo?" in asked, "2 steps" in asked, ada.items()) == (True, True, ["Move"])
    said = ada.follow(ada.send(f"/todos/{todo.id}/delete"))

    assert ("Deleted “Move”, with 2 steps" in said, ada.items()) == (True, [])
    changes = ada.see("/todos/changes")
    undo = re.search(r'name="change_id" value="(\w+)"', changes)
    assert undo
    ada.send("/todos/undo", change_id=undo[1])
    assert shown(ada.see()) == ["Move", "Boxes", "Van"]


@pytest.mark.slow
@pytest.mark.req("B3")
def test_todos_are_moved_by_their_sheet_and_by_scripts(ada: Keeper) -> None:
    ids = [ada.has(name).id for name in ("a", "b", "c")]

    ada.send(f"/todos/{ids[2]}/move", way="up")
    assert ada.items() == ["a", "c", "b"]
    ada.send(f"/todos/{ids[2]}/move", way="up")
    ada.send(f"/todos/{ids[1]}/move", 400, way="down")
    moved = ada.send(f"/todos/{ids[0]}/move", 200, HTMX, after=ids[1])

    assert ada.items() == ["c", "b", "a"]
    assert shown(moved.text) == ["c", "b", "a"]
    assert "Moved “a”" in moved.text


@pytest.mark.slow
@pytest.mark.req("B3")
def test_what_the_agent_did_is_marked_in_the_list_and_among_the_changes(ada: Keeper) -> None:
    todo = ada.has("By hand")
    ada.has("By machine", source="ai")
    ada.todos.update(By(ada.user_id, "ai", "answer", "call"), todo.id, {"importance": "high"})

    page, changes = ada.see(), ada.see("/todos/changes")

    assert page.count("Added by AI") == 1
    assert page.index("By hand") < page.index("By machine") < page.index("Added by AI")
    told = re.findall(r'changes__text"[^>]*>([^<]+)<', changes)
    assert told == ["Changed “By hand”: its importance", "Added “By machine”", "Added “By hand”"]
    assert changes.count("By AI") == 2


@pytest.mark.slow
def test_scripts_get_the_list_with_its_revision_and_whoever_chooses_a_filter_its_stream_too(ada: Keeper) -> None:
    todo = ada.has("Milk", tags=("home",))

    done = unescape(ada.send(f"/todos/{todo.id}/complete?tag=home", 200, HTMX).text)
    chosen = ada.see("/todos?show=done", headers=HTMX)

    assert (
        'id="todos-items" hx-swap-oob="innerMorph"' in done,
        'value="2" data-choice="?tag=home" hidden hx-swap' in done,
    ) == (True, True)
    assert ("Done: “Milk”" in done, "/todos/stream" in done) == (True, False)
    assert shown(chosen) == ["Milk"]
    assert 'hx-sse:connect="/todos/stream?show=done&view=html"' in chosen
    assert "<html" not in done + chosen


@pytest.mark.slow
def test_others_todos_are_unknown(ada: Keeper, make_signed_in: Callable[..., FlaskClient]) -> None:
    todo = ada.has("Secret")
    eve = make_signed_in("eve@example.org")

    for path in ("", "/when", "/delete"):
        assert eve.get(f"/todos/{todo.id}{path}", headers=HTML).status_code == 404
    for path in ("", "/when", "/delete", "/complete", "/reopen", "/move"):
        assert eve.post(f"/todos/{todo.id}{path}", headers=HTML).status_code == 404
    assert "Secret" not in eve.get("/todos", headers=HTML).text
    assert ada.items() == ["Secret"]


@pytest.mark.slow
def test_what_stands_in_a_todo_is_text(ada: Keeper) -> None:
    todo = ada.has(HOSTILE, notes=HOSTILE, project=HOSTILE, tags=('"><b>',))
    ada.todos.complete(By(ada.user_id), todo.id)

    for path in (
        "/todos?show=done",
        f"/todos/{todo.id}",
        f"/todos/{todo.id}/when",
        f"/todos/{todo.id}/delete",
        "/todos/changes",
    ):
        text = ada.client.get(path, headers=HTML).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert '"><b>' not in text


@pytest.mark.slow
def test_the_place_of_one_todo_leads_to_it(ada: Keeper) -> None:
    todo = ada.has("Here")

    assert ada.client.get(f"/todos?item={todo.id}", headers=HTML).headers["Location"] == f"/todos/{todo.id}"
    assert ada.client.get("/todos?item=x", headers=HTML).status_code == 404


@pytest.mark.slow
@pytest.mark.req("B3")
def test_a_list_goes_out_and_comes_in_as_a_file_and_as_a_calendar(ada: Keeper) -> None:
    assert "/api/todos/export?format=csv" in ada.see("/todos/files")

    taken = unescape(ada.send("/todos/files/import", 200, text="Buy milk\nCall Ada", format="text").text)
    refused = unescape(ada.send("/todos/files/import", 400, HTMX, text="").text)
    made = unescape(ada.send("/todos/files/feed", 200, HTMX).text)

    assert ("2 todos added." in taken, ada.items()) == (True, ["Buy milk", "Call Ada"])
    assert at_field(refused, "file") == "Has no todos in it."
    address = re.search(r'class="files__address">https?://[^/]+(/todos/feed/[^<]+)<', made)
    assert address
    assert "BEGIN:VCALENDAR" in ada.client.get(address[1]).text
    assert address[1] not in ada.see("/todos/files"), "it is shown once"
    ada.send("/todos/files/feed/revoke", 200)
    assert ada.client.get(address[1]).status_code == 404
    undo = re.search(r'name="message_id" value="([^"]+)"', taken)
    assert undo
    ada.send("/todos/undo", message_id=undo[1])
    assert ada.items() == []
