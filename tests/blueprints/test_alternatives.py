"""Questions asked again, answers tried again, and the path that is shown (API.md, "History")."""

from typing import Any

import pytest

from services.store import conversations
from tests.blueprints.people import Person, text_of
from tests.factories import make_answer, settle
from tests.model_server import ModelServer

URL = "/api/conversations"
HTML = {"Accept": "text/html"}


def messages(person: Person) -> list[dict[str, Any]]:
    """Those that are shown of the only conversation."""
    (listed,) = person.client.get(URL).json["conversations"]
    return person.client.get(f"{URL}/{listed['id']}").json["messages"]


def prompt(model: ModelServer) -> str:
    """What the model was last sent."""
    return "\n".join(message["content"] for message in model.calls[-1].body["messages"])


def said(person: Person) -> list[str]:
    return [message["content"] for message in messages(person) if message["role"] == "user"]


def edit(person: Person, message_id: str, message: str = "Asked better", **headers: str) -> Any:
    return person.client.post(f"/api/messages/{message_id}/edit", json={"message": message}, headers=headers)


def edited(person: Person, message_id: str, message: str = "Asked better") -> str:
    """The stream of an edited question whose answer is complete."""
    response = edit(person, message_id, message)
    assert response.status_code == 201, response.text
    with person.streams.open(response.json["stream_url"]) as stream:
        stream.until("message.end")
    return str(response.json["stream_id"])


@pytest.mark.slow
@pytest.mark.req("D1-10")
def test_an_edited_question_is_answered_for_its_place_and_the_old_one_is_kept(
    person: Person, model: ModelServer
) -> None:
    person.answered("The first question")
    person.answered("The second question")
    old = messages(person)

    stream_id = edited(person, old[2]["id"], "The second, better")

    new = messages(person)
    assert said(person) == ["The first question", "The second, better"]
    assert new[:2] == old[:2]
    assert new[2]["alternatives"] == [old[2]["id"], new[2]["id"]]
    assert new[2]["parent_id"] == new[1]["id"]
    assert (new[3]["stream_id"], new[3]["outcome"]) == (stream_id, "completed")
    sent = prompt(model)
    assert "The first question" in sent
    assert "The second, better" in sent
    assert "The second question" not in sent


@pytest.mark.slow
def test_an_edited_question_has_lines_as_a_new_one_has(person: Person) -> None:
    person.answered("The first question")

    edited(person, messages(person)[0]["id"], "One line\r\nand another\rand a third")

    assert said(person) == ["One line\nand another\nand a third"]


@pytest.mark.slow
@pytest.mark.req("D1-10")
def test_the_first_question_can_be_edited(person: Person, model: ModelServer) -> None:
    person.answered("The first question")
    person.answered("The second question")
    first = messages(person)[0]

    edited(person, first["id"], "All anew")

    assert said(person) == ["All anew"]
    assert messages(person)[0]["alternatives"] == [first["id"], messages(person)[0]["id"]]
    assert "The first question" not in prompt(model)


@pytest.mark.slow
def test_a_path_is_chosen_and_gone_on_from(person: Person) -> None:
    person.answered("The first question")
    old = messages(person)
    edited(person, old[0]["id"], "All anew")
    (listed,) = person.client.get(URL).json["conversations"]

    chosen = person.client.post(f"{URL}/{listed['id']}/choose", json={"message_id": old[0]["id"]})

    assert (chosen.status_code, chosen.json["head_id"]) == (200, old[1]["id"])
    assert said(person) == ["The first question"]
    person.answered("And then?")
    assert said(person) == ["The first question", "And then?"]
    person.client.post(f"{URL}/{listed['id']}/choose", json={"message_id": messages(person)[0]["alternatives"][1]})
    assert said(person) == ["All anew"]


@pytest.mark.slow
@pytest.mark.req("D1-10")
def test_another_try_is_an_alternative_to_the_answer(person: Person) -> None:
    stream_id, frames = person.answered("The first question")
    answer = messages(person)[1]

    again = person.client.post(f"/api/streams/{stream_id}/retry").json
    with person.streams.open(again["stream_url"]) as stream:
        told = text_of(stream.until("message.end"))

    shown = messages(person)
    assert len(shown) == 2
    assert shown[1]["alternatives"] == [answer["id"], shown[1]["id"]]
    assert shown[1]["content"] == told
    assert text_of(frames) == answer["content"]


@pytest.mark.slow
def test_a_continued_answer_stands_after_its_first_part_and_is_tried_again_as_a_whole(person: Person) -> None:
    stream_id, _ = person.stopped()
    going_on = person.client.post(f"/api/streams/{stream_id}/continue").json
    with person.streams.open(going_on["stream_url"]) as stream:
        stream.until("message.end")
    question, first, second = messages(person)
    assert second["parent_id"] == first["id"]

    again = person.client.post(f"/api/streams/{going_on['stream_id']}/retry").json
    with person.streams.open(again["stream_url"]) as stream:
        stream.until("message.end")

    shown = messages(person)
    assert len(shown) == 2
    assert shown[1]["parent_id"] == question["id"]
    assert shown[1]["alternatives"] == [first["id"], shown[1]["id"]]


@pytest.mark.slow
def test_an_edit_that_is_repeated_with_its_key_happens_once(person: Person) -> None:
    person.answered("The first question")
    asked = messages(person)[0]

    one = edit(person, asked["id"], "Better", **{"Idempotency-Key": "k"})
    two = edit(person, asked["id"], "Better", **{"Idempotency-Key": "k"})
    other = edit(person, asked["id"], "Worse", **{"Idempotency-Key": "k"})

    assert (one.status_code, two.json["stream_id"], other.status_code) == (201, one.json["stream_id"], 409)
    assert len(messages(person)[0]["alternatives"]) == 2
    person.stop_all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "message"), ({"message": ""}, "message"), ({"message": " \n"}, "message"), ({"message": 5}, "message"),
     ({"message": "x" * 10_001}, "message"), ([], "body")],
)  # fmt: skip
def test_an_edit_without_a_question_is_refused_at_its_field(person: Person, body: Any, field: str) -> None:
    person.answered("The first question")
    asked = messages(person)[0]

    refused = person.client.post(f"/api/messages/{asked['id']}/edit", json=body)

    assert refused.status_code == 400
    assert [wrong["field"] for wrong in refused.json["errors"]] == [field]
    assert len(messages(person)) == 2


@pytest.mark.slow
@pytest.mark.req("D1-6")
def test_nothing_of_anothers_can_be_edited_chosen_seen_or_judged(person: Person, stranger: Person) -> None:
    stranger.answered("The first question")
    asked, answer = messages(stranger)
    (theirs,) = stranger.client.get(URL).json["conversations"]
    mine = person.services.database.run(make_answer, person.user.id)

    for response in (
        edit(person, asked["id"]),
        edit(person, answer["id"]),
        edit(person, "unknown"),
        edit(person, mine.id),
        person.client.post(f"{URL}/{theirs['id']}/choose", json={"message_id": asked["id"]}),
        person.client.post(f"{URL}/{mine.conversation_id}/choose", json={"message_id": asked["id"]}),
        person.client.post(f"{URL}/{theirs['id']}/seen"),
        person.client.post(f"{URL}/{theirs['id']}/rename", json={"title": "x"}),
        person.client.post(f"{URL}/{theirs['id']}/delete"),
        person.client.get(f"{URL}/{theirs['id']}/export"),
        person.client.put(f"/api/messages/{answer['id']}/feedback", json={"value": "up"}),
        person.client.delete(f"/api/messages/{answer['id']}/feedback"),
        person.client.put("/api/messages/unknown/feedback", json={"value": "up"}),
    ):
        assert response.status_code == 404, response.text
    assert len(messages(stranger)) == 2
    assert theirs["title"] == stranger.client.get(URL).json["conversations"][0]["title"]


@pytest.mark.slow
def test_an_edit_counts_as_a_start(make_app: Any, model: ModelServer) -> None:
    site = make_app(TUTOR_RATE_LIMIT="2/minute", OPENAI_BASE_URL=model.base_url, OPENAI_MODEL="scripted")
    person = Person(site, model)
    person.answered("The first question")
    asked = messages(person)[0]
    edited(person, asked["id"])

    refused = edit(person, asked["id"])

    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0


@pytest.mark.slow
def test_for_htmx_an_edit_is_the_turn_that_connects_itself(person: Person) -> None:
    person.answered("The first question")
    asked = messages(person)[0]

    fragment = edit(person, asked["id"], "Better <b>", **{"HX-Request": "true", "Accept": "text/html"})

    assert fragment.status_code == 200
    stream_id = fragment.headers["X-Stream-Id"]
    assert f'id="answer-{stream_id}"' in fragment.text
    assert "Better &lt;b&gt;" in fragment.text
    assert "<html" not in fragment.text
    person.stop_all()


@pytest.mark.slow
def test_without_script_an_edit_is_a_page_that_grows(person: Person) -> None:
    person.answered("The first question")
    asked = messages(person)[0]

    page = person.client.post(f"/api/messages/{asked['id']}/edit", data={"message": "Better"}, headers=HTML)

    assert page.status_code == 200
    assert "text/html" in page.content_type
    assert "Better" in page.text
    assert said(person) == ["Better"]


@pytest.mark.slow
def test_without_script_every_write_leads_back_to_its_page(person: Person) -> None:
    person.answered("The first question")
    asked, answer = messages(person)
    (listed,) = person.client.get(URL).json["conversations"]
    its = f"{URL}/{listed['id']}"
    back = {**HTML, "Referer": "http://localhost/study/abc"}

    for path, form in (
        (f"{its}/choose", {"message_id": asked["id"]}),
        (f"{its}/seen", {}),
        (f"{its}/rename", {"title": "New"}),
        (f"/api/messages/{answer['id']}/feedback", {"value": "down", "reason": "wrong"}),
        (f"/api/messages/{answer['id']}/feedback", {"value": ""}),
    ):
        response = person.client.post(path, data=form, headers=back)
        assert (response.status_code, response.location) == (303, "/study/abc"), path
    assert person.client.get(its).json["title"] == "New"

    named = person.client.post(f"{its}/seen", data={"next": "//evil.example"}, headers=back)
    assert named.location in ("/", "/account")
    gone = person.client.post(f"{its}/delete", headers={**HTML, "Referer": f"http://localhost/study/{listed['id']}"})
    assert (gone.status_code, gone.location) == (303, "/history")
    assert person.client.get(its).status_code == 404


@pytest.mark.slow
def test_feedback_is_kept_with_its_reason_and_taken_back(person: Person) -> None:
    person.answered("The first question")
    url = f"/api/messages/{messages(person)[1]['id']}/feedback"

    told = person.client.put(url, json={"value": "down", "reason": " The sign is wrong. "})

    assert (told.status_code, told.json) == (200, {"value": "down", "reason": "The sign is wrong."})
    assert messages(person)[1]["feedback"] == told.json
    assert person.client.put(url, json={"value": "up"}).json == {"value": "up", "reason": ""}
    assert person.client.delete(url).json == {"value": None, "reason": ""}
    assert messages(person)[1]["feedback"] is None


@pytest.mark.slow
@pytest.mark.parametrize("body", [{}, {"value": "sideways"}, {"value": 1}, {"value": "up", "reason": "x" * 501}])
def test_feedback_that_says_nothing_is_refused(person: Person, body: dict[str, Any]) -> None:
    person.answered("The first question")
    url = f"/api/messages/{messages(person)[1]['id']}/feedback"

    assert person.client.put(url, json=body).status_code == 400
    assert messages(person)[1]["feedback"] is None


@pytest.mark.slow
def test_a_finished_answer_is_unread_until_it_is_seen(person: Person) -> None:
    person.answered("The first question")
    messages(person)
    listed = person.client.get(URL).json
    (row,) = listed["conversations"]
    assert (row["unread"], listed["unread"]) == (True, 1)

    seen = person.client.post(f"{URL}/{row['id']}/seen")

    assert (seen.status_code, seen.json["unread"]) == (200, False)
    listed = person.client.get(URL).json
    assert (listed["conversations"][0]["unread"], listed["unread"]) == (False, 0)
    assert person.client.get(f"{URL}?assistant=tutor").json["unread"] == 0


@pytest.mark.slow
def test_an_answer_seen_to_its_end_stays_seen_however_late_it_is_stored(person: Person) -> None:
    person.answered("The first question")
    (row,) = person.client.get(URL).json["conversations"]

    person.client.post(f"{URL}/{row['id']}/seen")

    assert messages(person)[1]["outcome"] == "completed"
    assert person.client.get(URL).json["unread"] == 0


@pytest.mark.req("D1-9")
def test_what_is_found_is_shown_with_its_words(person: Person) -> None:
    run = person.services.database.run
    answer = run(make_answer, person.user.id, title="About trees", question="How do I walk?")
    run(settle, answer.id, "Depth first, <b>recursively</b>.")

    (found,) = person.client.get(f"{URL}?q=recursive+tree").json["conversations"]

    assert found["title"] == "About trees"
    assert found["snippet"] == "Depth first, <b>\x02recursively\x03</b>."
    assert "snippet" not in person.client.get(URL).json["conversations"][0]
    assert run(conversations.get, person.user.id, found["id"]).title == "About trees"
