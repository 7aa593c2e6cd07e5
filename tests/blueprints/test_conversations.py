"""The history of every assistant (API.md, "History")."""

import pytest
from flask.testing import FlaskClient

from services.streaming.answers import folded
from tests.blueprints.people import PROBLEM, Person, text_of
from tests.clocks import PATIENCE_S
from tests.factories import make_answer, make_conversation, settle
from tests.model_server import ModelServer

URL = "/api/conversations"


def titles(client: FlaskClient, query: str = "") -> list[str]:
    response = client.get(f"{URL}{query}")
    assert response.status_code == 200, response.text
    return [row["title"] for row in response.json["conversations"]]


@pytest.mark.slow
@pytest.mark.req("T30")
def test_a_conversation_is_made_on_first_use_and_keeps_its_messages(person: Person) -> None:
    person.answered("The first question", session_id="mine")
    stream_id, frames = person.answered("The second question", session_id="mine")

    (listed,) = person.client.get(URL).json["conversations"]
    read = person.client.get(f"{URL}/{listed['id']}").json

    assert (listed["assistant"], listed["session_id"]) == ("tutor", "mine")
    assert "The first question" in listed["title"]
    assert {
        name: read[name] for name in ("id", "assistant", "session_id", "title", "created_at")
    }.items() <= listed.items()
    assert [message["role"] for message in read["messages"]] == ["user", "assistant"] * 2
    assert len({message["id"] for message in read["messages"]}) == 4
    asked, answer = read["messages"][2:]
    assert asked["content"] == "The second question"
    assert answer["content"] == text_of(frames)
    assert (answer["outcome"], answer["finish_reason"]) == ("completed", "stop")
    assert (answer["engine"], answer["fallback"]) == ("scripted", False)
    assert answer["stream_id"] == stream_id
    assert answer["id"] == frames[1].json["message_id"]
    assert answer["usage"]["total_tokens"] == frames[-1].json["total_tokens"]


@pytest.mark.slow
def test_a_stopped_and_a_failed_answer_keep_what_came_and_say_how_they_ended(
    person: Person, model: ModelServer
) -> None:
    _, stopped = person.stopped()
    model.play("cut-after-9")
    _, failed = person.answered()
    conversation_id = person.client.get(URL).json["conversations"][0]["id"]

    answers = person.client.get(f"{URL}/{conversation_id}").json["messages"][1::2]

    assert [answer["outcome"] for answer in answers] == ["stopped", "failed"]
    assert [answer["content"] for answer in answers] == [text_of(stopped), text_of(failed)]
    assert [answer["error_code"] for answer in answers] == [None, "MODEL_BROKEN"]


def test_an_answer_that_runs_has_no_outcome_yet(person: Person, model: ModelServer) -> None:
    model.play("stall-after-6")
    stream_id = person.asked()["stream_id"]
    conversation_id = person.client.get(URL).json["conversations"][0]["id"]

    answer = person.client.get(f"{URL}/{conversation_id}").json["messages"][-1]

    assert (answer["outcome"], answer["stream_id"]) == (None, stream_id)


@pytest.mark.slow
def test_a_continued_answer_names_the_one_it_goes_on_from(person: Person) -> None:
    stream_id, _ = person.stopped()
    again = person.client.post(f"/api/streams/{stream_id}/continue").json["stream_id"]
    with person.follow(again) as stream:
        stream.until("message.end")
    conversation_id = person.client.get(URL).json["conversations"][0]["id"]

    messages = person.client.get(f"{URL}/{conversation_id}").json["messages"]

    assert [message["role"] for message in messages] == ["user", "assistant", "assistant"]
    assert messages[2]["continues"] == messages[1]["id"]


@pytest.mark.slow
def test_the_list_is_mine_newest_first_and_can_be_searched(person: Person, stranger: Person) -> None:
    run = person.services.database.run
    for number, title in enumerate(("Alpha", "Beta 100%", "Gamma_x")):
        answer = run(make_answer, person.user.id, title=title, question=f"needle{number} Ärger")
        run(settle, answer.id, text=f"hay{number}")
    run(make_conversation, stranger.user.id, title="Alpha of somebody else")

    assert titles(person.client) == ["Gamma_x", "Beta 100%", "Alpha"]
    assert titles(person.client, "?q=alpha") == ["Alpha"]
    assert titles(person.client, "?q=needle1") == ["Beta 100%"]
    assert titles(person.client, "?q=hay2") == ["Gamma_x"]
    assert titles(person.client, "?q=%25") == ["Beta 100%"]
    assert titles(person.client, "?q=_x") == ["Gamma_x"]
    assert titles(person.client, "?q=nothing") == []
    assert titles(person.client, "?q=a%00b") == []
    assert titles(person.client, "?assistant=tutor&q=hay") == ["Gamma_x", "Beta 100%", "Alpha"]


@pytest.mark.slow
def test_pages_follow_each_other_without_gap_or_overlap(person: Person) -> None:
    run = person.services.database.run
    made = [run(make_conversation, person.user.id).id for _ in range(120)]

    seen: list[str] = []
    while page := person.client.get(URL, query_string={"before": seen[-1]} if seen else {}).json["conversations"]:
        assert len(page) <= 50
        seen += [row["id"] for row in page]

    assert seen == made[::-1]


@pytest.mark.parametrize(
    ("query", "status"), [("assistant=nobody", 400), ("before=unknown", 404), ("before=%00", 404), ("before=", 200)]
)
def test_a_list_that_cannot_be_made_says_why(person: Person, query: str, status: int) -> None:
    assert person.client.get(f"{URL}?{query}").status_code == status


@pytest.mark.slow
def test_a_title_can_be_changed_within_limits(person: Person) -> None:
    conversation_id = person.services.database.run(make_conversation, person.user.id).id
    url = f"{URL}/{conversation_id}"

    renamed = person.client.patch(url, json={"title": "  A <b>better</b>\x07 title "})

    assert renamed.status_code == 200
    assert renamed.json["title"] == "A <b>better</b> title"
    assert titles(person.client) == ["A <b>better</b> title"]
    for wrong in ({}, {"title": ""}, {"title": "   "}, {"title": 7}, {"title": "x" * 201}, {"title": None}):
        refused = person.client.patch(url, json=wrong)
        assert refused.status_code == 400, wrong
        assert [error["field"] for error in refused.json["errors"]] == ["title"]
    assert titles(person.client) == ["A <b>better</b> title"]


@pytest.mark.slow
def test_a_conversation_is_deleted_with_its_messages(person: Person) -> None:
    stream_id, _ = person.answered()
    conversation_id = person.client.get(URL).json["conversations"][0]["id"]

    gone = person.client.delete(f"{URL}/{conversation_id}")

    assert (gone.status_code, gone.data) == (204, b"")
    assert titles(person.client) == []
    assert person.client.get(f"{URL}/{conversation_id}").status_code == 404
    assert person.client.delete(f"{URL}/{conversation_id}").status_code == 404
    assert person.client.get(f"/api/streams/{stream_id}").status_code == 404, "its words went with it"
    assert not any(stream_id in key for key in person.kept)


@pytest.mark.slow
def test_deleting_a_conversation_stops_what_runs_in_it(person: Person, model: ModelServer) -> None:
    model.play("stall-after-6")
    stream_id = person.asked()["stream_id"]
    call = model.wait_for_call()
    with person.follow(stream_id) as stream:
        person.read_words(stream, 3)
        conversation_id = person.client.get(URL).json["conversations"][0]["id"]

        assert person.client.delete(f"{URL}/{conversation_id}").status_code == 204

        assert stream.rest()[-1].name == "stream.close"
    assert call.closed.wait(PATIENCE_S)
    assert person.client.get("/api/streams").json == {"streams": []}
    assert person.client.get(f"{URL}/{conversation_id}").status_code == 404
    assert person.client.get(f"/api/streams/{stream_id}").status_code == 404


@pytest.mark.slow
def test_a_session_whose_conversation_was_deleted_begins_anew(person: Person) -> None:
    person.answered()
    person.client.delete(f"{URL}/{person.client.get(URL).json['conversations'][0]['id']}")

    person.answered("Once more")

    (listed,) = person.client.get(URL).json["conversations"]
    assert "Once more" in listed["title"]


@pytest.mark.req("T43")
def test_somebody_elses_conversation_is_404(person: Person, stranger: Person) -> None:
    conversation_id = person.services.database.run(make_conversation, person.user.id, title="Mine").id
    url = f"{URL}/{conversation_id}"

    assert stranger.client.get(url).status_code == 404
    assert stranger.client.patch(url, json={"title": "Theirs"}).status_code == 404
    assert stranger.client.delete(url).status_code == 404
    assert stranger.client.get(f"{URL}?before={conversation_id}").status_code == 404
    assert titles(person.client) == ["Mine"]
    assert person.site.test_client().get(url).status_code == 401


@pytest.mark.slow
def test_one_session_name_is_two_conversations_of_two_people(person: Person, stranger: Person) -> None:
    person.answered("Mine", session_id="same")
    stranger.answered("Theirs", session_id="same")

    assert len(titles(person.client)) == len(titles(stranger.client)) == 1


@pytest.mark.slow
@pytest.mark.req("T26", "T30")
def test_the_last_messages_reach_the_model_unless_a_context_is_sent(person: Person, model: ModelServer) -> None:
    person.answered("Stored question")
    person.answered("Second question")
    sent = {"messages": [{"role": "user", "content": "Sent question"}], "submissions": []}
    person.answered("Third question", context=sent)

    stored, wins = ("\n".join(m["content"] for m in call.body["messages"]) for call in model.calls[1:])
    assert "Stored question" in stored
    assert "Sent question" in wins
    assert "Stored question" not in wins


@pytest.mark.req("T26")
def test_a_kept_submission_reaches_the_model(person: Person, model: ModelServer) -> None:
    submission = {
        "problem_id": PROBLEM,
        "code": "def solve(): pass",
        "language": "python",
        "status": "wrong answer",
        "visible_passed": 1,
        "visible_total": 4,
        "hidden_passed": 2,
        "hidden_total": 6,
        "categories": ["empty input"],
    }
    kept = person.client.post("/v1/tutor/submissions", json=submission)

    person.answered()

    assert kept.status_code == 201
    assert set(kept.json) == {"id"}
    prompt = model.calls[0].body["messages"][-1]["content"] + model.calls[0].body["messages"][0]["content"]
    assert "1/4" in prompt
    assert "2/6" in prompt
    assert "empty input" in prompt


def test_the_stored_answer_is_what_its_log_adds_up_to(person: Person) -> None:
    stream_id, _ = person.answered()
    entries = person.services.log.read(person.user.id, stream_id)
    conversation_id = person.client.get(URL).json["conversations"][0]["id"]

    answer = person.client.get(f"{URL}/{conversation_id}").json["messages"][-1]

    assert answer["content"] == folded(entries).text
