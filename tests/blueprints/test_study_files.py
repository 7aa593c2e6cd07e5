"""Files in the study chat: pages that are cited, pictures that are looked at, or said not to be."""

import base64
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from flask import Flask

from services.assistants.study import Desk
from services.media import Shelf
from services.media.fetching import Fetcher
from tests.blueprints.students import JSON, SSE, Student, text_of
from tests.model_server import ModelServer, Script
from tests.uploads import image, pdf, scan

PAGES = (
    "Chapter one. What living things share with each other.",
    "Chapter two. The mitochondria release energy from sugar.",
    "Chapter three. Ribosomes build proteins in all cells.",
)
REFUSED = {"error": {"message": "This model does not support image input.", "code": "invalid_request"}}


def upload(student: Student, name: str, content: bytes) -> str:
    """What the API says the file is called."""
    sent = student.client.post("/api/media", data={"file": (BytesIO(content), name)}, headers=JSON)
    assert sent.status_code == 201, sent.text
    media_id: str = sent.json["id"]
    return media_id


@pytest.mark.slow
@pytest.mark.req("U4", "U15")
def test_an_answer_cites_the_page_of_an_upload(student: Student) -> None:
    media_id = upload(student, "cell.pdf", pdf(PAGES))

    events = student.ask("What do mitochondria release?", media_files=[{"id": media_id}])

    assert "The mitochondria release energy from sugar. [2]" in text_of(events)
    (citation,) = [one for one in events[-1]["citations"] if one.get("media_id")]
    assert (citation["document_name"], citation["page"], citation["number"]) == ("cell.pdf", 2, 2)
    passage = student.client.get(citation["url"], headers=JSON)
    assert passage.status_code == 200
    assert "mitochondria" in passage.text


@pytest.mark.slow
@pytest.mark.req("U4")
def test_the_model_gets_the_pages_and_what_it_cites_is_told(modelled_student: Student, model: ModelServer) -> None:
    media_id = upload(modelled_student, "cell.pdf", pdf(PAGES))
    model.play(Script(text="They release energy [2]."))

    events = modelled_student.ask("What do mitochondria do?", media_files=[{"id": media_id}])

    asked = model.calls[-1].body["messages"][-1]["content"]
    assert "passage [2] of cell.pdf, page 2" in asked
    assert [citation["page"] for citation in events[-1]["citations"]] == [2]


@pytest.mark.slow
@pytest.mark.req("U4", "U7", "R31")
def test_a_picture_goes_to_the_model_and_each_file_costs(modelled_student: Student, model: ModelServer) -> None:
    media_id = upload(modelled_student, "exercise.png", image(size=(64, 48)))
    model.play(Script(text="Seven times eight is 56."))

    events = modelled_student.ask("Solve this", media_files=[{"id": media_id}])

    text, picture = model.calls[-1].body["messages"][-1]["content"]
    assert "Solve this" in text["text"]
    kind, _, data = picture["image_url"]["url"].partition(";base64,")
    assert kind.startswith("data:image/")
    assert base64.b64decode(data)
    assert "unseen" not in events[0]
    prices = modelled_student.services.points.prices
    assert events[-1]["points_cost"] == prices.cost(events[-1]["tokens_used"], 1)
    modelled_student.settle()
    assert modelled_student.points()["spent"] == events[-1]["points_cost"]


@pytest.mark.slow
def test_a_model_that_cannot_see_is_asked_without_and_the_reader_is_told(
    modelled_student: Student, model: ModelServer
) -> None:
    media_id = upload(modelled_student, "exercise.png", image(size=(64, 48)))
    model.play(Script(status=400, body=REFUSED), Script(text="I need its text."))

    events = modelled_student.ask("Solve this", media_files=[{"id": media_id}])

    assert isinstance(model.calls[-1].body["messages"][-1]["content"], str)
    assert "exercise.png" in model.calls[-1].body["messages"][-1]["content"]
    assert text_of(events).startswith("> The model of this site cannot see pictures")
    assert text_of(events).endswith("I need its text.")
    assert [event["unseen"] for event in events if event.get("unseen")] == [["exercise.png"]]
    assert (events[-1]["engine"], events[-1]["fallback"]) == ("scripted", False)


@pytest.mark.slow
def test_without_a_model_a_picture_is_said_not_to_be_looked_at(student: Student) -> None:
    media_id = upload(student, "exercise.png", image(size=(64, 48)))

    events = student.ask("Solve this", media_files=[{"id": media_id}])

    assert "nobody has looked at exercise.png" in text_of(events)


@pytest.mark.slow
def test_a_file_stays_in_its_conversation(student: Student) -> None:
    media_id = upload(student, "cell.pdf", pdf(PAGES))
    first = student.ask("What do mitochondria release?", media_files=[{"id": media_id}])

    second = student.ask("What do ribosomes build?", interaction_id=first[0]["interaction_id"])

    assert "Ribosomes build proteins in all cells. [3]" in text_of(second)
    assert second[-1]["points_cost"] == student.services.points.prices.cost(second[-1]["tokens_used"], 0)


@pytest.mark.slow
@pytest.mark.req("U13")
def test_the_same_file_is_the_same_question_and_another_is_another(student: Student) -> None:
    one = upload(student, "cell.pdf", pdf(PAGES))
    same = upload(student, "copy.pdf", pdf(PAGES))
    other = upload(student, "other.pdf", pdf(PAGES[:2]))
    student.ask("What do mitochondria release?", media_files=[{"id": one}])

    assert student.ask("What do mitochondria release?", media_files=[{"id": same}])[-1]["cached"] is True
    assert student.ask("What do mitochondria release?", media_files=[{"id": other}])[-1]["cached"] is False


@pytest.mark.req("U12", "R5")
@pytest.mark.parametrize("whose", ["unknown", "somebody else's"])
def test_a_file_that_is_not_mine_is_404_at_its_field_and_nothing_is_kept(
    student: Student, plain: Flask, whose: str
) -> None:
    media_id = "nothing" if whose == "unknown" else upload(Student(plain), "cell.pdf", pdf(PAGES))

    refused = student.post("What is this?", media_files=[{"id": media_id}])

    assert refused.status_code == 404
    assert refused.json["errors"][0]["field"] == "media_files[0]"
    assert student.client.get("/api/conversations").json["conversations"] == []
    assert student.points()["used_this_month"] == 0


@pytest.mark.req("U4")
def test_an_address_that_is_not_allowed_is_refused(student: Student) -> None:
    for address in ("http://169.254.169.254/latest", "file:///etc/passwd", "https://example.org/a.png"):
        refused = student.post("What is this?", media_files=[{"id": "theirs", "url": address}])
        assert 400 <= refused.status_code < 500
    assert student.client.get("/api/conversations").json["conversations"] == []


@pytest.mark.slow
def test_a_form_names_its_files_by_repeating_the_field(student: Student) -> None:
    media_id = upload(student, "cell.pdf", pdf(PAGES))
    form: Any = {"message": "What do ribosomes build?", "media": ["", media_id]}

    response = student.client.post("/api/stream/stream-conversation", data=form, headers=SSE)

    assert "[3]" in response.get_data(as_text=True)


@pytest.mark.slow
def test_an_edited_question_is_answered_from_the_same_files(student: Student) -> None:
    media_id = upload(student, "cell.pdf", pdf(PAGES))
    first = student.ask("What do mitochondria release?", media_files=[{"id": media_id}])
    student.settle()
    (question, _) = student.messages(first[0]["interaction_id"])

    edited = student.client.post(
        f"/api/messages/{question['id']}/edit", json={"message": "What do ribosomes build?"}, headers=JSON
    )
    assert edited.status_code == 201, edited.text
    with student.follow(edited.json["stream_id"]) as stream:
        events = [frame.json for frame in stream.rest()]

    assert "Ribosomes build proteins" in text_of(events)
    assert events[-1]["points_cost"] == student.services.points.prices.cost(events[-1]["tokens_used"], 1)


@pytest.mark.slow
def test_a_deleted_file_is_simply_no_longer_there(student: Student) -> None:
    media_id = upload(student, "cell.pdf", pdf(PAGES))
    first = student.ask("What do mitochondria release?", media_files=[{"id": media_id}])
    assert student.client.delete(f"/api/media/{media_id}").status_code in (200, 204)

    second = student.ask("What do ribosomes build?", interaction_id=first[0]["interaction_id"])

    assert "Ribosomes build" not in text_of(second)
    assert student.post("And?", media_files=[{"id": media_id}]).status_code == 404


@pytest.mark.slow
@pytest.mark.req("U4", "U13")
def test_a_known_answer_is_not_given_again_when_what_it_cites_is_gone(student: Student) -> None:
    question = "What do mitochondria release?"
    first = upload(student, "cell.pdf", pdf(PAGES))
    student.ask(question, media_files=[{"id": first}])
    assert student.ask(question, media_files=[{"id": first}])[-1]["cached"] is True, "needs a known answer"
    student.client.delete(f"/api/media/{first}")
    second = upload(student, "cell.pdf", pdf(PAGES))

    answer = student.ask(question, media_files=[{"id": second}])[-1]

    assert answer["cached"] is False
    assert {one["media_id"] for one in answer["citations"] if one.get("media_id")} == {second}


class Giving(Fetcher):
    """Gives the same text for every address, as if it had been fetched."""

    def get(self, url: str, into: Any, *, max_bytes: int) -> str:
        del url, max_bytes
        into.write(b"What came from there.")
        return "there.txt"


@pytest.mark.slow
def test_a_file_that_was_fetched_for_a_question_goes_with_its_refusal(make_site: Callable[..., Flask]) -> None:
    site = make_site(STUDY_MAX_STREAMS="1", BUILTIN_PACE_MS="10000")
    wired = site.extensions["rill"]
    shelf = Shelf(wired.settings, wired.database, fetcher=Giving(()))
    desk = Desk(wired.database, shelf, wired.points, budget_tokens=4000, engine="built-in")
    site.extensions["rill"] = replace(wired, shelf=shelf, desk=desk)
    student = Student(site)
    there = {"media_files": [{"id": "theirs", "url": "https://example.org/there.txt"}]}
    holding = student.post("What is photosynthesis?")

    assert student.post("What came?", **there).status_code == 429
    student.client.put("/api/points/cap", json={"cap": 1})
    assert student.post("What came?", **there).status_code == 402
    assert student.client.get("/api/media").json["media"] == []

    student.client.put("/api/points/cap", json={"cap": None})
    student.client.post(f"/api/streams/{holding.headers['X-Stream-Id']}/stop")
    asked = student.post("What came?", **there)
    assert asked.status_code == 200, asked.text
    assert [media["name"] for media in student.client.get("/api/media").json["media"]] == ["there.txt"]
    student.stop_all()


@pytest.mark.slow
@pytest.mark.req("U4", "D1-27")
def test_a_scan_is_shown_to_a_model_page_by_page(modelled_student: Student, model: ModelServer) -> None:
    media_id = upload(modelled_student, "scan.pdf", scan(2))
    model.play(Script(text="Two black squares."))

    events = modelled_student.ask("What is this?", media_files=[{"id": media_id}])

    _, *pictures = model.calls[-1].body["messages"][-1]["content"]
    assert [one["image_url"]["url"].partition(",")[0] for one in pictures] == ["data:image/jpeg;base64"] * 2
    assert text_of(events) == "Two black squares."


@pytest.mark.slow
def test_a_scan_that_the_model_cannot_see_is_told_of(modelled_student: Student, model: ModelServer) -> None:
    media_id = upload(modelled_student, "scan.pdf", scan(2))
    model.play(Script(status=400, body=REFUSED), Script(text="I need its text."))

    events = modelled_student.ask("What is this?", media_files=[{"id": media_id}])

    assert text_of(events).startswith("> There is no text in scan.pdf that could be read, only pictures of pages")
    assert [event["unseen"] for event in events if event.get("unseen")] == [["scan.pdf"]]
