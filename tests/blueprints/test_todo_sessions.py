"""The todo agent's sessions: listed, read, renamed, deleted, and whose they are. REQUIREMENTS D17, D24, D27, R6."""

from typing import Any

import pytest
from flask import Flask

from services.store import conversations
from tests.blueprints.doers import JSON, SESSIONS, Doer, names, text_of
from tests.blueprints.streams import Stream
from tests.model_scripts import Script
from tests.model_server import ModelServer


@pytest.fixture
def stranger(keeping: Flask) -> Doer:
    """Somebody else on that site."""
    return Doer(keeping)


def listed(doer: Doer, query: str = "") -> Any:
    response = doer.client.get(f"{SESSIONS}{query}")
    assert response.status_code == 200, response.text
    return response.json


@pytest.mark.slow
@pytest.mark.req("D17", "R6", "D1-26")
def test_a_session_is_listed_read_renamed_and_deleted(doer: Doer) -> None:
    first = doer.ask("Add Bread", session_id="work")
    doer.ask("Add Milk", session_id="home")
    own = f"user_{doer.user.id}_work"

    rows = listed(doer)["sessions"]
    assert [(row["session_id"], row["name"], row["title"]) for row in rows] == [
        (f"user_{doer.user.id}_home", "home", "Add Milk"),
        (own, "work", "Add Bread"),
    ]
    for name in ("work", own, rows[1]["conversation_id"]):
        assert doer.client.get(f"{SESSIONS}/{name}").json["session_id"] == own
        history = doer.client.get(f"{SESSIONS}/{name}/history").json
        assert history == first[-1].json, "as the event told it"
    renamed = doer.client.patch(f"{SESSIONS}/work", json={"title": "Things at work"})
    assert (renamed.status_code, renamed.json["title"], renamed.json["session_id"]) == (200, "Things at work", own)
    assert doer.client.delete(f"{SESSIONS}/work").status_code == 204
    assert [row["name"] for row in listed(doer)["sessions"]] == ["home"]
    assert doer.client.get(f"{SESSIONS}/work").status_code == 404
    # What the agent did stays; the name may be used anew.
    assert sorted(todo["item"] for todo in doer.todos()) == ["Bread", "Milk"]
    again = doer.ask("Add Tea", session_id="work")
    assert len(again[-1].json) == 2


@pytest.mark.slow
@pytest.mark.req("D17")
def test_deleting_a_session_stops_what_runs_in_it(modelled_doer: Doer, model: ModelServer) -> None:
    model.play(Script(stall_after=1))
    begun = modelled_doer.start(session_id="work")

    assert modelled_doer.client.delete(f"{SESSIONS}/work").status_code == 204

    assert modelled_doer.client.get("/api/streams").json["streams"] == []
    assert modelled_doer.client.get(begun["stream_url"], headers=JSON).status_code == 404


@pytest.mark.slow
@pytest.mark.req("D27", "R6", "D1-6")
def test_nobody_reaches_somebody_elses_session(doer: Doer, stranger: Doer) -> None:
    frames = doer.ask("Add Bread", session_id="work")
    row = listed(doer)["sessions"][0]

    for path in ("", "/history"):
        for name, status in ((row["session_id"], 403), ("work", 404), (row["conversation_id"], 404)):
            refused = stranger.client.get(f"{SESSIONS}/{name}{path}")
            assert refused.status_code == status, name
            if status == 403:
                assert refused.json["message"] == "Access denied: Invalid session"
    for name in (row["session_id"], row["conversation_id"], "work"):
        assert stranger.client.delete(f"{SESSIONS}/{name}").status_code in (403, 404)
        assert stranger.client.patch(f"{SESSIONS}/{name}", json={"title": "Mine"}).status_code in (403, 404)
    assert listed(stranger)["sessions"] == []
    assert stranger.client.get(f"/api/streams/{frames[0].json['stream_id']}", headers=JSON).status_code == 404
    # The same alias is another session for another person.
    assert stranger.ask("Add Milk", session_id="work")[-1].json[0]["content"] == "Add Milk"
    assert doer.client.get(f"{SESSIONS}/work/history").json == frames[-1].json


def test_a_conversation_with_another_assistant_is_no_session(doer: Doer) -> None:
    asked = doer.client.post("/api/stream/stream-conversation", json={"message": "What is light?"}, headers=JSON)
    conversation_id = asked.json["interaction_id"]
    doer.stop_all()

    assert listed(doer)["sessions"] == []
    for method in ("get", "delete"):
        assert getattr(doer.client, method)(f"{SESSIONS}/{conversation_id}").status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "title"), ({"title": " "}, "title"), ({"title": "x" * 201}, "title"), ({"title": 5}, "title")],
)
def test_a_bad_title_is_refused_and_changes_nothing(doer: Doer, body: Any, field: str) -> None:
    doer.ask("Add Bread", session_id="work")

    refused = doer.client.patch(f"{SESSIONS}/work", json=body)

    assert (refused.status_code, refused.json["errors"][0]["field"]) == (400, field)
    assert listed(doer)["sessions"][0]["title"] == "Add Bread"


@pytest.mark.slow
@pytest.mark.req("D24", "D36")
def test_sessions_are_rows_by_the_page_and_none_is_kept_in_memory(doer: Doer) -> None:
    def make(session: Any) -> None:
        for number in range(60):
            conversations.begin(
                session,
                user_id=doer.user.id,
                assistant="todos",
                client_name=f"user_{doer.user.id}_s{number:02}",
                conversation_id=None,
                title=f"Session {number}",
                question="Hi",
                turn={},
                stream_id=f"st{doer.user.id}x{number}",
                run_id=f"r{doer.user.id}x{number}",
                message_id=conversations.new_id(),
            )

    doer.services.database.run(make)

    first = listed(doer)
    second = listed(doer, f"?before={first['next']}")

    found = [row["name"] for row in first["sessions"] + second["sessions"]]
    assert found == [f"s{number:02}" for number in range(60)][::-1]
    assert (len(first["sessions"]), second["next"]) == (50, None)
    assert doer.client.get(f"{SESSIONS}?before=unknown").status_code == 404


@pytest.mark.slow
@pytest.mark.req("D24", "D17")
def test_a_session_left_long_ago_is_gone_on_with_where_it_was(modelled_doer: Doer, model: ModelServer) -> None:
    model.play(Script(text="Bread it is."), Script(text="And milk."))
    modelled_doer.ask("Add Bread", session_id="old")

    def age(session: Any) -> None:
        row = conversations.listing(session, modelled_doer.user.id)[0]
        row.updated_at = row.updated_at.replace(year=row.updated_at.year - 1)

    modelled_doer.services.database.run(age)
    frames = modelled_doer.ask("And milk?", session_id="old")

    assert [one["content"] for one in frames[-1].json] == ["Add Bread", "Bread it is.", "And milk?", "And milk."]
    sent = [message["content"] for message in model.calls[-1].body["messages"]]
    assert any("Add Bread" in str(content) for content in sent)


@pytest.mark.slow
@pytest.mark.req("D17")
def test_two_requests_at_once_in_a_new_session_share_it(doer: Doer) -> None:
    with (
        Stream(doer.post("Add Bread", session_id="both")) as one,
        Stream(doer.post("Add Milk", session_id="both")) as two,
    ):
        first, second = one.rest(), two.rest()

    assert names(first)[-1] == names(second)[-1] == "history"
    assert text_of(first)
    assert len(listed(doer)["sessions"]) == 1
    assert sorted(todo["item"] for todo in doer.todos()) == ["Bread", "Milk"]
