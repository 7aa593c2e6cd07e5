"""The star on an answer, and where what has it is found again (REQUIREMENTS B4)."""

from typing import Any

import pytest

from tests.blueprints.people import Person
from tests.factories import make_answer, settle

HTML = {"Accept": "text/html"}
HTMX = {"HX-Request": "true", "Accept": "text/html"}


def answer(person: Person, text: str = "Plants make **sugar** of light.", **changes: Any) -> Any:
    run = person.services.database.run
    row = run(make_answer, person.user.id, assistant="study", title="Photosynthesis", **changes)
    run(settle, row.id, text)
    return row


@pytest.mark.slow
@pytest.mark.req("B4")
def test_an_answer_is_bookmarked_listed_and_taken_back(person: Person) -> None:
    row = answer(person)
    url = f"/api/messages/{row.id}/bookmark"

    put = person.client.put(url)

    assert (put.status_code, put.json) == (200, {"bookmarked": True})
    (kept,) = person.client.get("/api/bookmarks?assistant=study&q=sugar").json["bookmarks"]
    assert (kept["message_id"], kept["conversation_id"], kept["title"], kept["assistant"]) == (
        row.id, row.conversation_id, "Photosynthesis", "study",
    )  # fmt: skip
    assert kept["beginning"].startswith("Plants")
    _, told = person.client.get(f"/api/conversations/{row.conversation_id}").json["messages"]
    assert told["bookmarked"] is True
    assert person.client.delete(url).json == {"bookmarked": False}
    assert person.client.get("/api/bookmarks").json["bookmarks"] == []


@pytest.mark.slow
@pytest.mark.req("B4")
def test_a_page_has_a_star_and_the_history_lists_what_has_it(person: Person) -> None:
    row = answer(person)
    url = f"/api/messages/{row.id}/bookmark"
    page = person.client.get(f"/study/{row.conversation_id}", headers=HTML).text
    star = page[page.index(f'action="{url}"') :]
    assert 'aria-label="Bookmark"' in star
    assert 'aria-pressed="false"' in star[: star.index("</form>")]

    pressed = person.client.post(url, data={"bookmarked": "1"}, headers=HTMX)
    by_form = person.client.post(url, data={"bookmarked": "1"}, headers=HTML)

    assert 'aria-pressed="true"' in pressed.text
    assert 'value=""' in pressed.text, "pressed again takes it back"
    assert "<html" not in pressed.text
    assert by_form.status_code == 303
    listed = person.client.get("/history?bookmarked=1", headers=HTML).text
    assert f'href="/conversations/{row.conversation_id}?at={row.id}"' in listed
    assert "Plants make sugar of light." in listed
    assert 'name="bookmarked" value="1" checked' in listed
    assert "Plants" not in person.client.get("/history?bookmarked=1&q=nothing", headers=HTML).text
    person.client.post(url, data={"bookmarked": ""}, headers=HTML)
    assert "Nothing is bookmarked" in person.client.get("/history?bookmarked=1", headers=HTML).text


@pytest.mark.slow
def test_many_are_listed_by_pages(person: Person) -> None:
    rows = [answer(person, f"Answer {n}.") for n in range(31)]
    for row in rows:
        person.client.put(f"/api/messages/{row.id}/bookmark")

    first = person.client.get("/history?bookmarked=1", headers=HTML).text
    older = first[first.index('rel="next" href="') + len('rel="next" href="') :].split('"')[0].replace("&amp;", "&")
    second = person.client.get(older, headers=HTML).text

    assert first.count('class="past"') == 30
    assert second.count('class="past"') == 1
    assert "Answer 0." in second


@pytest.mark.req("B4", "D1-9")
def test_an_export_says_what_is_bookmarked(person: Person) -> None:
    row = answer(person)
    person.client.put(f"/api/messages/{row.id}/bookmark")
    url = f"/api/conversations/{row.conversation_id}/export"

    as_json = person.client.get(f"{url}?format=json").json

    assert [message.get("bookmarked") for message in as_json["messages"]] == [None, True]
    assert "★" in person.client.get(f"{url}?format=markdown").text


def test_what_cannot_be_bookmarked_is_unknown(person: Person, stranger: Person) -> None:
    row = answer(person)

    for method in ("PUT", "POST", "DELETE"):
        assert stranger.client.open(f"/api/messages/{row.id}/bookmark", method=method).status_code == 404
    assert person.client.get("/api/bookmarks?before=unknown").status_code == 404
    refused = person.client.get("/api/bookmarks?assistant=nobody")
    assert (refused.status_code, refused.json["errors"][0]["field"]) == (400, "assistant")
