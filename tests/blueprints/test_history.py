"""The history as pages: the list, the panel, the palette's answers, and the way to a conversation."""

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from blueprints.history import pieces
from services.store import users
from services.store.base import utc_now
from services.store.threads import Conversation
from tests.factories import make_conversation, settle

HTML = {"Accept": "text/html"}
_TITLE = re.compile(r'class="past__title">(.*?)</span>')


class Past:
    """Somebody with conversations that nobody had to be asked for."""

    def __init__(self, site: Flask, client: FlaskClient) -> None:
        self.client = client
        self.database = site.extensions["rill"].database
        user = self.database.run(users.by_email, client.email)
        assert user is not None
        self.id = user.id

    def made(self, title: str, text: str = "An answer.", **changes: Any) -> Conversation:
        """A conversation whose answer has come and has been seen."""
        return self.database.run(_made, self.id, title, text, is_seen=True, **changes)

    def unseen(self, title: str) -> Conversation:
        return self.database.run(_made, self.id, title, "An answer.", is_seen=False)

    def titles(self, path: str) -> list[str]:
        """The titles that a page lists."""
        page = self.client.get(path, headers=HTML)
        assert page.status_code == 200, page.text
        return [re.sub("<[^>]+>", "", title) for title in _TITLE.findall(page.text)]

    def leads_to(self, path: str) -> str:
        answered = self.client.get(path, headers=HTML)
        assert answered.status_code == 303, answered.text
        return answered.headers["Location"]


def _made(s: Session, user_id: int, title: str, text: str, *, is_seen: bool, **changes: Any) -> Conversation:
    row = make_conversation(s, user_id, title=title, **{"assistant": "study", **changes})
    assert row.head_id
    settle(s, row.head_id, text)
    if is_seen:
        s.execute(update(Conversation).where(Conversation.id == row.id).values(seen_at=utc_now()))
    return row


@pytest.fixture
def past(site: Flask, newcomer: FlaskClient) -> Past:
    return Past(site, newcomer)


@pytest.mark.slow
@pytest.mark.req("D1-9")
def test_the_page_lists_everything_newest_first_and_narrows_it_down(past: Past) -> None:
    past.made("Magnets")
    past.made("Stacks", assistant="tutor", text="Push and pop.")

    assert past.titles("/history") == ["Stacks", "Magnets"]
    assert past.titles("/history?assistant=study") == ["Magnets"]
    assert past.titles("/history?assistant=nobody") == ["Stacks", "Magnets"]
    assert past.titles("/history?q=pop+push") == ["Stacks"]
    assert past.titles("/history?q=pop&assistant=study") == []
    assert "Nothing fits" in past.client.get("/history?q=zzz", headers=HTML).text


@pytest.mark.req("D1-9")
def test_what_was_looked_for_is_marked_and_everything_else_is_text(past: Past) -> None:
    past.made("<b>Magnets</b>", text="A <i>magnet</i> has two poles.")

    in_answer = past.client.get("/history?q=poles", headers=HTML).text
    in_title = past.client.get("/history?q=magnets", headers=HTML).text

    assert "A &lt;i&gt;magnet&lt;/i&gt; has two <mark>poles</mark>." in in_answer
    assert "&lt;b&gt;<mark>Magnets</mark>&lt;/b&gt;" in in_title
    assert "past__snippet" not in in_title, "a title is not shown twice"


@pytest.mark.req("D1-9")
def test_a_snippet_has_no_marks_of_markdown_or_tex(past: Past) -> None:
    past.made("Magnets", text="## Poles\n\nThe **north pole** and $a \\le b$.")

    for path in ("/history?q=pole", "/history/find?q=pole"):
        shown = past.client.get(path, headers=HTML).text
        assert "<mark>Poles</mark> The north <mark>pole</mark> and a ≤ b." in shown


def test_pieces_of_a_snippet() -> None:
    assert pieces("a \x02b\x03 c") == [("a ", False), ("b", True), (" c", False)]
    assert pieces("\x02b\x03\x02c\x03") == [("b", True), ("c", True)]
    assert pieces("\x02cut off") == [("cut off", False)]
    assert pieces("") == []


@pytest.mark.slow
@pytest.mark.req("D1-9")
def test_pages_follow_each_other_without_gap_or_repeat(past: Past) -> None:
    made = [past.made(f"Number {number}").title for number in range(65)][::-1]

    seen, path = [], "/history"
    for _ in range(5):
        page = past.client.get(path, headers=HTML).text
        seen += _TITLE.findall(page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        if not older:
            break
        path = older[1].replace("&amp;", "&")

    assert seen == made
    assert "To the first" in past.client.get(path, headers=HTML).text


@pytest.mark.req("D1-9")
def test_the_forms_rename_and_delete_and_come_back_to_the_list(past: Past) -> None:
    row = past.made("Magnets")
    here = "/history?q=magnets"

    renamed = past.client.post(
        f"/api/conversations/{row.id}/rename", data={"title": "Poles", "next": here}, headers=HTML
    )
    assert (renamed.status_code, renamed.headers["Location"]) == (303, here)
    assert past.titles("/history") == ["Poles"]
    deleted = past.client.post(f"/api/conversations/{row.id}/delete", data={"next": here}, headers=HTML)

    assert (deleted.status_code, deleted.headers["Location"]) == (303, here)
    assert past.titles("/history") == []


def test_the_panel_has_one_assistants_conversations_and_marks_the_one_shown(past: Past) -> None:
    row = past.made("Magnets")
    past.made("Stacks", assistant="tutor")

    page = past.client.get(f"/history/panel?assistant=study&current={row.id}", headers=HTML).text

    assert past.titles("/history/panel?assistant=study") == ["Magnets"]
    assert f'href="/conversations/{row.id}" aria-current="page"' in page


@pytest.mark.req("D2-10")
def test_the_palette_finds_conversations_with_every_assistant_and_pages(past: Past) -> None:
    past.made("Magnets")
    past.made("Stacks", assistant="tutor", text="Like magnets on a pole.")

    everything = past.client.get("/history/find", headers=HTML).text
    found = past.client.get("/history/find?q=magnet", headers=HTML).text
    place = past.client.get("/history/find?q=flash", headers=HTML).text

    assert everything.count('role="option"') > 4
    assert found.count('role="option"') == 2
    assert "Tutor ·" in found
    assert 'href="/study/cards"' in place
    assert "Nothing fits" in past.client.get("/history/find?q=zzzz", headers=HTML).text


@pytest.mark.slow
@pytest.mark.req("D2-8")
def test_an_answer_that_nobody_has_seen_is_counted_until_somebody_looks(past: Past) -> None:
    past.made("Magnets")
    row = past.unseen("Poles")

    assert past.client.get("/history/unread").json == {"unread": 1, "running": False}
    assert past.client.get("/history", headers=HTML).text.count("past--unread") == 1
    assert past.client.get(f"/study/{row.id}", headers=HTML).status_code == 200

    assert past.client.get("/history/unread").json == {"unread": 0, "running": False}


def test_a_conversation_leads_to_its_page(past: Past) -> None:
    study = past.made("Magnets")
    tutor = past.made("Socks", assistant="tutor", client_name="page-odd-sock")
    api = past.made("Stacks", assistant="tutor", client_name="mine", text="Push and pop.")
    gone = past.made("A problem of mine", assistant="tutor", client_name="page-gone")

    assert past.leads_to(f"/conversations/{study.id}") == f"/study/{study.id}"
    assert past.leads_to(f"/conversations/{tutor.id}") == "/tutor/odd-sock"
    for row, title in ((api, "Stacks"), (gone, "A problem of mine")):
        page = past.client.get(f"/conversations/{row.id}", headers=HTML)
        assert page.status_code == 200
        assert title in page.text
    assert past.client.get("/conversations/unknown", headers=HTML).status_code == 404


def test_what_is_somebody_elses_is_not_there(past: Past, ana: FlaskClient) -> None:
    row = past.made("Secret magnets")

    assert ana.get(f"/conversations/{row.id}", headers=HTML).status_code == 404
    assert ana.get(f"/history?before={row.id}", headers=HTML).status_code == 404
    for path in ("/history?q=magnets", "/history/find?q=magnets", "/history/panel?assistant=study"):
        assert "Secret" not in ana.get(path, headers=HTML).text
    assert row.id not in ana.get(f"/history/beside?current={row.id}", headers=HTML).headers["Location"]


def test_the_way_to_the_neighbours(past: Past) -> None:
    assert past.leads_to("/history/beside") == "/history"
    oldest, middle, newest = [past.made(title).id for title in ("One", "Two", "Three")]
    past.made("Stacks", assistant="tutor")

    beside = "/history/beside?current="
    assert past.leads_to(f"{beside}{middle}&way=next") == f"/conversations/{oldest}"
    assert past.leads_to(f"{beside}{middle}&way=previous") == f"/conversations/{newest}"
    assert past.leads_to(f"{beside}{newest}&way=previous") == f"/conversations/{newest}"
    assert past.leads_to(f"{beside}{oldest}&way=next") == f"/conversations/{oldest}"


def test_times_are_those_of_the_persons_zone(past: Past) -> None:
    past.made("Magnets")
    past.database.run(users.update_profile, past.id, language="en", zone="Pacific/Kiritimati")

    assert "+14:00" in past.client.get("/history", headers=HTML).text


@pytest.mark.req("R27")
def test_pages_tell_the_scripts_how_often_to_try_again(past: Past) -> None:
    page = past.client.get("/history", headers=HTML).text

    assert 'data-retry-attempts="3"' in page
    assert 'data-heartbeat="15.0"' in page
