"""The pages of stories as an adult uses them whose browser runs no script, and what scripts are answered."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from services.errors import NotFound
from services.store.child_days import DayLimit
from services.store.children import ChildDraft
from tests.blueprints.families import Family
from tests.blueprints.members import Member
from tests.blueprints.told import RUNNING, Shelf

HTML = {"Accept": "text/html"}
HTMX = {**HTML, "HX-Request": "true"}
ASK = "/api/v1/stories/generate/stream"
HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(1)">'


class Parent:
    """Somebody with a browser; with a family, if need be."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def see(self, path: str, status: int = 200) -> str:
        page = self.client.get(path, headers=HTML)
        assert page.status_code == status, page.text
        return unescape(page.text)

    def send(self, path: str, status: int = 303, headers: Mapping[str, str] = HTML, **form: Any) -> TestResponse:
        sent: TestResponse = self.client.post(path, data=form, headers=headers)
        assert sent.status_code == status, sent.text
        return sent


@pytest.fixture
def family(site: Flask, newcomer: Any) -> Family:
    return Family(site, f"family-of-{newcomer.email}")


@pytest.fixture
def parent(family: Family) -> Parent:
    return Parent(family.client)


@pytest.fixture
def shelf(family: Family) -> Shelf:
    return Shelf(family)


def at_field(page: str, name: str) -> str:
    """What stands at a field that is marked as wrong."""
    assert re.search(rf'aria-invalid="true"[^>]*aria-describedby="[^"]*wrong-{name}"', page), page
    said = re.search(rf'id="wrong-{name}">([^<]+)<', page)
    assert said
    return said[1]


def titles(page: str) -> list[str]:
    """The stories on the shelf, in order."""
    return re.findall(r'class="cover__title">([^<]+)<', page)


@pytest.mark.slow
@pytest.mark.req("B2", "Y12")
def test_who_comes_first_makes_a_profile_and_is_led_to_the_themes(newcomer: Any) -> None:
    parent = Parent(newcomer)

    first = parent.see("/stories")
    wrong = unescape(parent.send("/stories/children", 400, name="Mia", age="", pronouns="she").text)
    made = parent.send("/stories/children", name="Mia", age="7", pronouns="she", interests="whales, trains")
    after = parent.see(made.headers["Location"])

    assert "A story for somebody you know" in first
    assert 'name="theme"' not in first
    assert at_field(wrong, "age")
    assert 'value="Mia"' in wrong, "what was typed stays"
    assert "For Mia, who is the hero of it." in after
    assert len(re.findall(r'name="theme"', after)) >= 12
    assert "Nothing here yet." in after


@pytest.mark.slow
@pytest.mark.req("B2")
def test_a_profile_is_changed_and_its_mistakes_stand_at_their_fields(family: Family, parent: Parent) -> None:
    path = f"/stories/children/{family.child.id}"
    page = parent.see(path)
    full = {"name": "Mia", "age": "8", "level": "advanced", "pronouns": "they", "interests": "", "avoid": "spiders"}
    bad = unescape(parent.send(path, 400, **full | {"daily_limit": "many", "name": HOSTILE}).text)
    parent.send(path, **full, daily_limit="2", bedtime="19:30")
    child = family.services.stories.child(family.user_id, family.child.id)

    assert 'value="7" selected' in page
    assert at_field(bad, "daily_limit")
    assert at_field(bad, "name")
    assert (child.age, child.level, child.avoid, child.daily_limit, child.bedtime) == (
        8,
        "advanced",
        ("spiders",),
        2,
        "19:30",
    )
    assert "8 years · 2 chapters a day · bedtime 19:30" in parent.see("/stories")
    parent.send(path, **full, daily_limit="", bedtime="")
    assert family.services.stories.child(family.user_id, family.child.id).daily_limit is None


@pytest.mark.slow
def test_a_profile_is_deleted_with_its_stories_after_a_question(family: Family, parent: Parent, shelf: Shelf) -> None:
    told = shelf.tell()
    path = f"/stories/children/{family.child.id}"

    asked = parent.see(f"{path}/delete")
    assert family.services.stories.child(family.user_id, family.child.id), "asking deletes nothing"
    parent.send(f"{path}/delete")

    assert "One story goes with it" in asked
    with pytest.raises(NotFound):
        family.services.stories.child(family.user_id, family.child.id)
    parent.see(f"/stories/{told.story_id}", 404)


@pytest.mark.slow
@pytest.mark.req("B2")
def test_the_shelf_has_unfinished_stories_first_and_finds_them(family: Family, parent: Parent, shelf: Shelf) -> None:
    open_ = shelf.tell(title="The lost kite")
    ended = shelf.tell(title="The brave snail", theme="animals", is_last=True, choices=[])
    bens = shelf.tell(title="Ben and the fog", child=family.sibling, theme="mystery")
    parent.send(f"/api/conversations/{open_.story_id}/rename", title="The lost kite", next="/stories")

    page = parent.see("/stories")
    assert set(titles(page)[:2]) == {"The lost kite", "Ben and the fog"}
    assert titles(page)[2:] == ["The brave snail"]
    assert f'href="/stories/{open_.story_id}#chapter-1"' in page
    assert "Chapter 1 of 5" in page
    assert ended.story_id in page
    assert titles(parent.see("/stories?q=KITE")) == ["The lost kite"]
    assert titles(parent.see(f"/stories?child={family.sibling.id}")) == ["Ben and the fog"]
    assert "No story has “zebra” in it." in parent.see("/stories?q=zebra")
    assert titles(parent.see("/stories?child=999999")) == titles(page), "nobody's child filters nothing"
    assert bens.child_id == family.sibling.id


@pytest.mark.slow
@pytest.mark.req("B2", "Y18", "Y19")
def test_a_story_is_read_as_a_book_with_the_choices_made(parent: Parent, shelf: Shelf) -> None:
    first = shelf.tell(title="The Fox")
    second = shelf.tell("Up she went.", after=first, choice="Climb the tree", title="The Tree")

    page = parent.see(f"/stories/{first.story_id}")

    assert re.findall(r'chapter__title">([^<]+)<', page) == ["The Fox", "The Tree"]
    assert "<p>Mia saw a fox.</p>" in page
    assert re.search(r"We chose:</span> Climb the tree", page)
    assert "Chapter 2 of 5" in page
    assert "3 minutes to read · every passage checked" in page
    assert "the built-in storyteller" in page
    # The choices of the last chapter are asked; earlier ones wait to be opened.
    forms = re.findall(r'name="from_chapter" value="(\w+)"', page)
    assert set(forms) == {first.id, second.id}
    assert page.count("Choose otherwise here") == 1
    assert re.search(r'name="chapter_number" value="3"', page)
    assert page.count("Tell it from the start") == 0


@pytest.mark.slow
@pytest.mark.req("B2")
def test_other_ways_are_listed_and_chosen(parent: Parent, shelf: Shelf) -> None:
    first = shelf.tell()
    fox = shelf.tell("After the fox.", after=first, choice="Follow the fox", title="The Den")
    tree = shelf.tell("Up she went.", after=first, choice="Climb the tree", title="The Tree")
    url = f"/stories/{first.story_id}"

    before = parent.see(url)
    chosen = parent.send(f"/api/conversations/{first.story_id}/choose", message_id=fox.id, next=url)
    after = parent.see(chosen.headers["Location"])

    assert "Up she went." in before
    assert "After the fox." not in before
    assert re.search(rf'value="{fox.id}">\s*<button[^>]*>Follow the fox <small>The Den', before)
    assert chosen.headers["Location"] == url
    assert "After the fox." in after
    assert re.search(rf'value="{tree.id}">\s*<button[^>]*>Climb the tree <small>The Tree', after)


@pytest.mark.slow
@pytest.mark.req("Y39")
@pytest.mark.parametrize("outcome", ["stopped", "interrupted"])
def test_a_chapter_that_broke_off_is_gone_on_with(outcome: str, parent: Parent, shelf: Shelf) -> None:
    broken = shelf.tell("Mia saw", outcome=outcome)

    page = parent.see(f"/stories/{broken.story_id}")

    assert re.search(r'action="/api/streams/\w+/continue"', page)
    assert "Go on where it stopped" in page
    assert "What was told is kept." in page
    assert 'name="choice"' not in page


@pytest.mark.slow
def test_the_last_chapter_says_so_and_offers_another_story(parent: Parent, shelf: Shelf) -> None:
    last = shelf.tell(is_last=True, choices=[], choice_question="")

    page = parent.see(f"/stories/{last.story_id}")

    assert '<p class="theend">The end</p>' in page
    assert "Begin another story" in page
    assert 'name="choice"' not in page


@pytest.mark.slow
@pytest.mark.req("B2", "R12")
def test_what_was_held_back_is_shown_with_who_decided_and_marked_as_seen(
    family: Family, parent: Parent, shelf: Shelf
) -> None:
    stories = family.services.stories
    chapter = shelf.tell(
        checks=(
            {"status": "rejected", "score": 0.1, "checked_by": ["rules"], "action": "rewritten", "category": "fear"},
            {"status": "approved", "score": 0.9, "checked_by": ["rules"]},
        )
    )
    stories.withheld(family.user_id, chapter.id, 2, f"A scary {HOSTILE}", "fear", "rules", rule="fear.dark")
    stories.refused(family.user_id, family.child.id, "custom_user_input", "a bloody fight", "violence")

    shelf_page = parent.see("/stories")
    book = parent.see(f"/stories/{chapter.story_id}")
    raw = parent.client.get("/stories/review", headers=HTML).text
    ids = re.findall(r'name="id" value="([^"]+)"', raw)

    assert re.search(r'stories__count">2<', shelf_page)
    assert "1 passage was held back and told differently" in book
    assert "A scary" not in book
    assert HOSTILE not in raw
    assert "A scary &lt;script&gt;" in raw
    assert re.search(r"Decided by the site.s rules \(<code>fear.dark</code>\)", unescape(raw))
    assert "typed as an idea" in raw
    parent.send("/stories/review", id=ids[:1])
    assert stories.unseen(family.user_id) == 1
    parent.send("/stories/review", id=ids)
    assert stories.unseen(family.user_id) == 0
    assert "stories__count" not in parent.see("/stories")


@pytest.mark.slow
@pytest.mark.req("B2")
def test_the_booklet_has_a_cover_and_every_chapter(parent: Parent, shelf: Shelf) -> None:
    first = shelf.tell(title="The Fox")
    shelf.tell("Up she went.", after=first, idea="a flying bear", is_last=True, title="The Tree")

    page = parent.see(f"/stories/{first.story_id}/booklet")

    assert "A story for Mia" in page
    assert re.findall(r'booklet__heading" id="chapter-\d">([^<]+)<', page) == ["The Fox", "The Tree"]
    assert "We chose: a flying bear" in page
    assert '<p class="booklet__end">The end</p>' in page
    assert 'name="choice"' not in page


@pytest.mark.slow
@pytest.mark.req("D1-9")
def test_a_story_is_exported_as_a_text_to_read(parent: Parent, shelf: Shelf) -> None:
    first = shelf.tell(title="The Fox")
    shelf.tell("Up she went.", after=first, choice="Climb the tree", is_last=True, title="The Tree")

    text = parent.client.get(f"/api/conversations/{first.story_id}/export?format=markdown").text

    assert "## Chapter 1: The Fox\n\nMia saw a fox.\n\nIt was red.\n\n## Chapter 2: The Tree\n\n*We chose: " in text
    assert text.endswith("*We chose: Climb the tree*\n\nUp she went.\n\n*The end*\n")


@pytest.mark.slow
def test_the_history_leads_to_the_story(parent: Parent, shelf: Shelf) -> None:
    told = shelf.tell()

    at = parent.client.get(f"/conversations/{told.story_id}", headers=HTML)
    found = parent.see("/history?assistant=stories")
    fox = shelf.tell("After the fox.", after=told, choice="Follow the fox")
    shelf.tell("Up she went.", after=told, choice="Climb the tree")
    aside = parent.see(f"/stories/{told.story_id}?at={fox.id}")

    assert "After the fox." in aside
    assert "Up she went." not in aside
    assert "another way than the one that was read last" in aside
    assert re.search(r'id="at"></span>\s*<section class="turn chapter turn--meant" id="chapter-2"', aside)
    assert re.search(r"Climb the tree <small>", aside), "the other way is listed"
    assert at.headers["Location"] == f"/stories/{told.story_id}"
    assert f"/conversations/{told.story_id}" in found


@pytest.mark.slow
@pytest.mark.req("Y12", "Y33")
def test_a_start_that_is_refused_brings_the_form_back_with_what_was_typed(
    family: Family, parent: Parent, shelf: Shelf
) -> None:
    form = {
        "child_id": str(family.child.id),
        "theme": "volcanoes",
        "custom_user_input": "a polite bear",
        "chapters": "long",
    }

    page = unescape(parent.send(ASK, 400, **form).text)
    piece = unescape(parent.send(ASK, 400, HTMX, **form).text)

    for html in (page, piece):
        assert "is not a theme that there is" in at_field(html, "theme").lower()
        assert 'value="a polite bear"' in html
        assert re.search(r'name="chapters" value="long" checked', html)
    assert "<h1" in page
    assert piece.lstrip().startswith("<form")
    foreign = unescape(parent.send(ASK, 404, **form | {"child_id": "1", "theme": "forest"}).text)
    assert "Child not found" in foreign


@pytest.mark.slow
@pytest.mark.req("B2")
def test_a_day_that_is_used_up_says_why_and_leads_to_the_limit(family: Family, parent: Parent, shelf: Shelf) -> None:
    stories = family.services.stories
    draft = replace(family.child.draft(), daily_limit=1)
    stories.change_child(family.user_id, family.child.id, draft)
    first = shelf.tell()
    with pytest.raises(DayLimit):
        shelf.tell(after=first)
    next_ = {
        "child_id": family.child.id,
        "theme": "forest",
        "story_session": first.story_id,
        "from_chapter": first.id,
        "chapter_number": 2,
        "choice": "Follow the fox",
    }

    page = unescape(parent.send(ASK, 429, **next_).text)
    piece = unescape(parent.send(ASK, 429, HTMX, **next_).text)

    for html in (page, piece):
        assert "Mia has had 1 chapter today, and the limit is 1." in html
        assert f'href="/stories/children/{family.child.id}#limit"' in html
    assert "Mia saw a fox." in page, "the story's own page comes back"
    assert "<h1" not in piece


@pytest.mark.slow
@pytest.mark.req("Y33")
def test_somebody_elses_children_and_stories_are_unknown(parent: Parent, shelf: Shelf, newcomer: Any) -> None:
    told = shelf.tell()
    stranger = Parent(newcomer)

    for path in (
        f"/stories/{told.story_id}",
        f"/stories/{told.story_id}/booklet",
        f"/stories/children/{told.child_id}",
        f"/stories/children/{told.child_id}/delete",
    ):
        parent.see(path)
        assert "My stories" not in stranger.see(path, 404), "it is an adult who is told so"
    stranger.send(f"/stories/children/{told.child_id}/delete", 404)
    assert parent.see(f"/stories/{told.story_id}")


class Away:
    """A household on a site whose Redis nobody listens for, with a login token."""

    def __init__(self, site: Flask) -> None:
        member = Member(site)
        self.client, self.services, self.user_id = member.client, member.services, member.user.id
        self.child = self.services.stories.add_child(self.user_id, ChildDraft(name="Mia", age=7))


@pytest.mark.slow
@pytest.mark.req("T41")
def test_the_pages_are_there_while_redis_is_away(
    make_shared: Callable[..., Flask], tmp_path_factory: pytest.TempPathFactory
) -> None:
    away = Away(make_shared(REDIS_URL=f"unix://{tmp_path_factory.mktemp('no')}/redis"))
    shelf, parent = Shelf(away), Parent(away.client)
    told = shelf.tell(title="The Fox")
    running = shelf.tell(after=told, choice="Climb the tree", outcome=RUNNING)

    assert "being told" in parent.see("/stories")
    page = parent.see(f"/stories/{told.story_id}")
    assert "Mia saw a fox." in page
    assert f'hx-sse:connect="/api/streams/{running.stream_id}?view=html"' in page
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in page
    parent.see(f"/stories/{told.story_id}/booklet")
    start = {"child_id": away.child.id, "theme": "forest", "custom_user_input": "a polite bear"}
    refused = parent.send(ASK, 503, **start)
    assert 'value="a polite bear"' in refused.text
    assert "Nothing was begun. Try again in a moment." in refused.text
