"""Conversations as files."""

import io
import zipfile
from typing import Any

import pytest

from services.store import conversations, exports, feedback
from services.store.conversations import ROOT
from tests.blueprints.people import Person
from tests.factories import make_answer, settle

URL = "/api/conversations"


def said(person: Person, title: str, question: str, answer: str, **changes: Any) -> conversations.Message:
    run = person.services.database.run
    row = run(make_answer, person.user.id, title=title, question=question, **changes)
    run(settle, row.id, answer)
    return row


@pytest.mark.req("D1-9")
def test_one_conversation_is_a_text_to_read(person: Person) -> None:
    run = person.services.database.run
    first = said(person, "How\nto walk", "How do I *walk*?", "By `steps`.")
    its = first.conversation_id
    said(person, "", "Hidden", "Too", conversation_id=its, parent_id=first.parent_id)
    run(conversations.choose, person.user.id, its, first.id)
    half = run(make_answer, person.user.id, conversation_id=its, question="More?")
    run(settle, half.id, "Half a wo", outcome="stopped", finish_reason="cancelled")
    rest = run(make_answer, person.user.id, conversation_id=its, question=None, continues_id=half.id)
    cited = {"citation": [{"number": 1, "document_name": "notes.pdf", "page": 3}, {"number": 2, "document_name": "x"}]}
    run(settle, rest.id, "rd.", finish_reason="length", extras=cited)

    response = person.client.get(f"{URL}/{its}/export?format=markdown")

    assert response.content_type == "text/markdown; charset=utf-8"
    assert response.headers["Content-Disposition"].startswith('attachment; filename="how-to-walk-')
    assert response.headers["Content-Disposition"].endswith('.md"')
    title, when, *rest_of_it = response.text.split("\n\n")
    assert title == "# How to walk"
    assert when.startswith("tutor, 20")
    assert "\n\n".join(rest_of_it) == (
        "## You\n\nHow do I *walk*?\n\n## Answer (built-in)\n\nBy `steps`.\n\n"
        "## You\n\nMore?\n\n## Answer (built-in)\n\nHalf a word.\n\n*Cut off: too long.*\n\n"
        "Sources:\n\n- [1] notes.pdf, page 3\n- [2] x\n"
    )


@pytest.mark.req("D1-9")
def test_a_question_is_told_with_its_files(person: Person) -> None:
    media = [{"name": "cell\n2.pdf", "is_new": True}, {"name": "earlier.txt", "is_new": False}, {"name": "b.png"}]
    turn = {"question": "What is this?", "facts": {"media": media}, "partial": ""}
    row = said(person, "Cells", "What is this?", "A cell.", assistant="study", turn=turn)

    text = person.client.get(f"{URL}/{row.conversation_id}/export?format=markdown").text

    assert "## You\n\nWhat is this?\n\nFiles: cell 2.pdf, b.png\n\n## Answer" in text
    assert "earlier.txt" not in text


def test_the_json_of_one_has_every_path(person: Person) -> None:
    run = person.services.database.run
    first = said(person, "Walk", "A", "To A")
    its = first.conversation_id
    second = said(person, "", "Z", "To Z", conversation_id=its, parent_id=ROOT)
    run(feedback.put, person.user.id, first.id, value="up")

    response = person.client.get(f"{URL}/{its}/export?format=json")

    told = response.json
    assert response.content_type == "application/json"
    assert (told["id"], told["title"], told["head_id"]) == (its, "Walk", second.id)
    assert [message["content"] for message in told["messages"]] == ["A", "To A", "Z", "To Z"]
    assert [message["parent_id"] for message in told["messages"]][::2] == [None, None]
    assert len(told["messages"][0]["alternatives"]) == 2
    assert told["messages"][1]["alternatives"] == []
    assert told["messages"][1]["feedback"] == {"value": "up", "reason": ""}


@pytest.mark.slow
@pytest.mark.req("D1-9")
def test_all_are_one_json_file_or_a_zip_of_texts(person: Person, stranger: Person) -> None:
    made = [said(person, f"Title {number}", f"Question {number}", "Answer").conversation_id for number in range(45)]
    said(stranger, "Of another", "?", "!")

    told = person.client.get(f"{URL}/export").json
    packed = person.client.get(f"{URL}/export?format=markdown")

    assert [row["id"] for row in told["conversations"]] == sorted(made)
    assert packed.content_type == "application/zip"
    assert packed.headers["Content-Disposition"] == 'attachment; filename="rill-conversations.zip"'
    with zipfile.ZipFile(io.BytesIO(packed.data)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        texts = [archive.read(name).decode() for name in names]
    assert len(set(names)) == 45
    assert all(name.startswith("tutor/title-") and name.endswith(".md") for name in names)
    assert {text.split("\n")[0] for text in texts} == {f"# Title {number}" for number in range(45)}


def test_nothing_is_a_file_too(person: Person) -> None:
    assert person.client.get(f"{URL}/export").json == {"conversations": []}
    packed = person.client.get(f"{URL}/export?format=markdown")
    assert zipfile.ZipFile(io.BytesIO(packed.data)).namelist() == []


@pytest.mark.parametrize(
    "title", ["../../etc/passwd", "a\r\nX-Injected: 1", '"quoted"', "学習", "", "x" * 200, "\u202e"]
)
def test_no_title_makes_a_dangerous_name(person: Person, title: str) -> None:
    its = said(person, title, "?", "!").conversation_id

    response = person.client.get(f"{URL}/{its}/export")

    assert response.status_code == 200
    assert "X-Injected" not in response.headers
    name = response.headers["Content-Disposition"].removeprefix('attachment; filename="').removesuffix('"')
    assert name.replace("-", "").replace(".md", "").isalnum()
    assert len(name) < 80
    with zipfile.ZipFile(io.BytesIO(person.client.get(f"{URL}/export?format=markdown").data)) as archive:
        assert archive.namelist() == [f"tutor/{name}"]


@pytest.mark.parametrize("path", ["export?format=pdf", "{its}/export?format=xml"])
def test_another_format_is_refused(person: Person, path: str) -> None:
    its = said(person, "t", "?", "!").conversation_id

    assert person.client.get(f"{URL}/{path.format(its=its)}").status_code == 400


def test_an_answer_that_runs_is_exported_as_it_stands(person: Person) -> None:
    row = person.services.database.run(make_answer, person.user.id)

    text = person.client.get(f"{URL}/{row.conversation_id}/export").text

    assert "*Still being written.*" in text


def test_rows_that_hang_together_in_a_ring_end_all_the_same(person: Person) -> None:
    row = said(person, "Ring", "First?", "Answer.")
    one = person.services.database.run(exports.one, person.user.id, row.conversation_id)
    asked, answer = one.messages
    asked.parent_id = answer.id

    assert one.path == [asked, answer]
