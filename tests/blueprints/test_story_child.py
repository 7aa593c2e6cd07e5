"""The child's screen: its shelf, its chapters, what comes next, and what it never tells."""

import html
import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session

from services.store import sessions
from services.store.chapters import ChapterRow
from services.store.children import ChildDraft
from services.stories.themes import THEMES
from tests.blueprints.families import PAGE, Family
from tests.blueprints.members import Member
from tests.blueprints.streams import Streams
from tests.blueprints.told import RUNNING, Shelf

# Each tells whole chapters, in the site's own time.
pytestmark = pytest.mark.slow

JSON = {"Accept": "application/json"}


@pytest.fixture(scope="session")
def telling(make_shared: Callable[..., Flask]) -> Flask:
    """A site where the built-in storyteller tells."""
    return make_shared(STORIES_RATE_LIMIT="100000/minute")


@pytest.fixture
def family(telling: Flask) -> Family:
    """A family whose browser is Mia's screen."""
    made = Family(telling, f"{secrets.token_hex(6)}@example.org")
    made.hand_over()
    return made


def buttons(page: str) -> list[str]:
    return [text.strip() for text in re.findall(r"<button[^>]*type=\"submit\"[^>]*>([^<]*)</button>", page)]


@pytest.mark.req("D1-22")
def test_the_shelf_greets_by_name_and_offers_every_theme(family: Family) -> None:
    page = family.page("/stories/child")

    assert "Hello, Mia!" in page
    assert page.count('name="theme"') >= 12
    assert "Ben" not in page


def test_an_adults_browser_has_no_childs_pages(family: Family) -> None:
    family.leave()

    assert family.client.get("/stories/child", headers=PAGE).headers["Location"] == "/stories"
    assert family.client.get("/stories/child/x", headers=PAGE).headers["Location"] == "/stories/x"


@pytest.mark.req("D1-20")
def test_a_chapter_is_told_read_and_gone_on_with(family: Family) -> None:
    story = family.begin()
    first = family.told(story)
    title = family.services.stories.about(family.user_id, story).title
    page = family.page(f"/stories/child/{story}")
    paragraphs = re.findall(r'<p class="story__p" data-p>([^<]+)</p>', page)

    assert first.is_complete
    assert len(paragraphs) > 2
    assert f"{THEMES['forest'].emoji}</span> {html.escape(title)}" in page
    assert first.choices
    assert [*first.choices, "Surprise me!"] == [
        text.replace("&#39;", "'") for text in buttons(page) if text not in ("Read to me", "Wait", "Show all", "Close")
    ]
    again = family.begin(story_session=story, from_chapter=first.id, chapter_number=2, choice=first.choices[1])

    second = family.told(story)

    assert again == story
    assert (second.number, second.choice) == (2, first.choices[1])
    before = family.page(f"/stories/child/{story}?chapter={first.id}")
    assert "Read on: chapter 2" in before
    assert "You chose: " in before
    assert "Or choose another way" in before


def test_the_end_is_the_end(family: Family) -> None:
    story = family.begin(bedtime="1")
    last = family.told(story)

    page = family.page(f"/stories/child/{story}")

    assert last.is_last
    assert "The end" in page
    assert 'name="from_chapter"' not in page
    fragment = family.client.get(
        f"/stories/child/{story}/next?chapter={last.id}", headers={**PAGE, "HX-Request": "true"}
    )
    assert "The end" in fragment.text
    assert "<html" not in fragment.text


@pytest.mark.req("D1-22")
def test_what_an_adult_knows_is_not_told(family: Family) -> None:
    story = family.begin()
    chapter = family.told(story)
    family.services.stories.withheld(family.user_id, chapter.id, 0, "a withheld passage", "violence", "rules")

    family.services.database.run(_withheld_in, chapter.id)
    assert "was told another way, so that it stays kind" in family.page(f"/stories/child/{story}")

    pages = [family.page(path) for path in ("/stories/child", f"/stories/child/{story}", "/stories/leave")]

    for page in pages:
        for fact in (
            family.email,
            "withheld passage",
            "violence",
            "/history",
            "/account",
            "/tutor",
            "/stories/children",
            "Ben",
        ):
            assert fact not in page, fact


def _withheld_in(s: Session, chapter_id: str) -> None:
    """As a chapter is stored that had a passage withheld."""
    s.execute(update(ChapterRow).where(ChapterRow.id == chapter_id).values(withheld=1))


@pytest.mark.req("Y4", "D1-22")
def test_a_story_of_a_sibling_is_another_childs(family: Family) -> None:
    family.leave()
    sent = family.client.post(
        "/api/v1/stories/generate/stream", json={"child_id": family.sibling.id, "theme": "forest"}, headers=JSON
    )
    story, stream = sent.json["story_id"], sent.json["stream_id"]
    family.told(story)
    chapter = family.services.stories.story(family.user_id, story).last
    family.hand_over()

    for path in (
        f"/stories/child/{story}",
        f"/stories/child/{story}?chapter={chapter.id}",
        f"/stories/child/{story}/next",
    ):
        assert family.client.get(path, headers=PAGE).headers["Location"] == "/stories/child", path
    assert family.client.post(f"/stories/child/{story}/again", headers=PAGE).status_code == 303
    assert family.client.get(f"/api/streams/{stream}", headers=JSON).json["code"] == "CHILD_SCREEN"
    seen = {"Last-Event-ID": f"{stream}-1", **JSON}
    asked = {"child_id": str(family.child.id), "theme": "forest"}
    assert family.client.get("/api/v1/stories/generate/stream", query_string=asked, headers=seen).status_code == 403
    body = {**asked, "story_session": story, "chapter_number": "2", "from_chapter": chapter.id}
    assert family.client.post("/api/v1/stories/generate/stream", json=body, headers=JSON).status_code == 404


def test_own_ideas_only_where_they_are_allowed(family: Family) -> None:
    story = family.begin()
    first = family.told(story)
    idea = {"story_session": story, "from_chapter": first.id, "chapter_number": 2}
    assert "custom_user_input" not in family.page(f"/stories/child/{story}")

    for words in ({"custom_user_input": "We bake a cake."}, {"choice": "We bake a cake."}):
        sent = family.client.post(
            "/api/v1/stories/generate/stream",
            data={"child_id": family.child.id, "theme": "forest", **idea, **words},
            headers=JSON,
        )
        assert (sent.status_code, sent.json["code"]) == (403, "CHILD_SCREEN"), words

    family.leave()
    family.hand_over(ideas="1")
    assert "custom_user_input" in family.page(f"/stories/child/{story}")
    assert family.begin(**idea, custom_user_input="We bake a cake.") == story
    assert family.told(story).idea == "We bake a cake."


@pytest.mark.req("D1-18", "Y33")
def test_words_that_are_not_for_children_are_refused_gently(family: Family) -> None:
    family.leave()
    family.hand_over(ideas="1")
    story = family.begin()
    first = family.told(story)

    sent = family.client.post(
        "/api/v1/stories/generate/stream",
        data={
            "child_id": family.child.id,
            "theme": "forest",
            "story_session": story,
            "from_chapter": first.id,
            "chapter_number": 2,
            "custom_user_input": "Then he kills everybody with a gun and there is blood.",
        },
        headers=PAGE,
    )

    assert sent.status_code == 400
    assert "Let&#39;s think of something kinder." in sent.text
    assert f'href="/stories/child/{story}"' in sent.text
    assert "kills" not in sent.text
    assert family.services.stories.story(family.user_id, story).last.id == first.id


@pytest.mark.req("D1-22")
def test_when_the_day_is_over_it_says_so_gently(family: Family) -> None:
    family.services.stories.change_child(family.user_id, family.child.id, ChildDraft(name="Mia", age=7, daily_limit=1))
    story = family.begin()
    first = family.told(story)

    shelf, chapter = family.page("/stories/child"), family.page(f"/stories/child/{story}")

    for page in (shelf, chapter):
        assert "That was a lot of reading today." in page
        assert 'name="theme"' not in page
    sent = family.client.post(
        "/api/v1/stories/generate/stream",
        data={
            "child_id": family.child.id,
            "theme": "forest",
            "story_session": story,
            "from_chapter": first.id,
            "chapter_number": 2,
        },
        headers=PAGE,
    )
    assert sent.status_code == 429
    assert "That was a lot of reading today." in sent.text
    assert int(sent.headers["Retry-After"]) > 0


@pytest.mark.req("D2-4")
def test_bedtime_by_the_adult_dims_the_screen_and_ends_the_story(family: Family) -> None:
    family.leave()
    family.hand_over(bedtime="1")

    shelf = family.page("/stories/child")
    story = family.begin()
    last = family.told(story)
    page = family.page(f"/stories/child/{story}")

    assert "Good evening, Mia!" in shelf
    assert (last.is_last, last.bedtime) == (True, True)
    for shown in (shelf, page, family.page("/stories/leave")):
        assert "data-bedtime>" in shown
    assert "Good night, Mia." in page
    slow, usual = (
        int(re.findall(r'data-words-per-minute="(\d+)"', text)[0]) for text in (page, _at_noon(family, story))
    )
    assert slow < usual


def _at_noon(family: Family, story: str) -> str:
    family.leave()
    family.hand_over()
    return family.page(f"/stories/child/{story}")


@pytest.mark.req("D2-4")
def test_bedtime_by_the_clock(family: Family) -> None:
    now = f"{datetime.now(UTC):%H:%M}"
    family.services.stories.change_child(family.user_id, family.child.id, ChildDraft(name="Mia", age=7, bedtime=now))

    assert "data-bedtime>" in family.page("/stories/child")


@pytest.mark.req("D2-5")
def test_a_word_is_told_and_noted(family: Family) -> None:
    asked = family.client.post("/stories/words/lanterns", headers=JSON)
    unknown = family.client.post("/stories/words/Xylqzt", headers=JSON)

    assert (asked.status_code, asked.json["known"]) == (200, True)
    assert asked.json["meaning"]
    assert unknown.json["known"] is False
    assert family.client.get("/stories/words/forest", headers=JSON).json["known"] is True
    kept = {one.word for one in family.services.stories.words_of(family.user_id, family.child.id)}
    assert kept == {asked.json["word"], "xylqzt"}


def test_what_is_no_word_is_not_noted(family: Family) -> None:
    for word in ("a%20b", "<b>", "x" * 41, "1234", "it's--", "%00"):
        assert family.client.post(f"/stories/words/{word}", headers=JSON).status_code in (403, 404), word

    assert family.services.stories.words_of(family.user_id, family.child.id) == []


def test_a_chapter_that_is_named_but_unknown_is_told_gently(family: Family) -> None:
    story = family.begin()
    family.told(story)

    found = family.client.get(f"/stories/child/{story}?chapter=nothing", headers=PAGE)

    assert found.status_code == 404
    assert "That page is not in this book." in found.text
    assert family.email not in found.text


def test_a_start_that_was_anothers_is_not_repeated_for_a_child(family: Family) -> None:
    family.leave()
    key = {"Idempotency-Key": secrets.token_hex(8), **JSON}
    asked = {"child_id": family.sibling.id, "theme": "forest"}
    first = family.client.post("/api/v1/stories/generate/stream", json=asked, headers=key)
    assert first.status_code == 201
    family.told(first.json["story_id"])
    family.hand_over()

    again = family.client.post("/api/v1/stories/generate/stream", json=asked, headers=key)

    assert (again.status_code, again.json["code"]) == (403, "CHILD_SCREEN")


def test_a_chapter_that_broke_off_goes_on(make_shared: Callable[..., Flask]) -> None:
    slow = make_shared(STORIES_RATE_LIMIT="100000/minute", BUILTIN_PACE_MS="6")
    family = Family(slow, f"{secrets.token_hex(6)}@example.org")
    family.hand_over()
    story = family.begin()
    stream = family.services.stories.story(family.user_id, story).last.stream_id
    with Streams(family.client).open(f"/api/streams/{stream}") as followed:
        next(frame for frame in iter(lambda: followed.until("message")[-1], None) if frame.json["type"] == "content")
    family.services.runs.stop(family.user_id, stream)
    broken = family.told(story)
    assert broken.text, "needs a beginning"
    page = family.page(f"/stories/child/{story}")
    assert "The story stopped for a moment." in page
    form = {"chapter": broken.id}

    sent = family.client.post(f"/stories/child/{story}/again", data=form, headers=PAGE)

    assert (sent.status_code, sent.headers["Location"]) == (303, f"/stories/child/{story}")
    opening = re.split(r"\n{2,}", broken.text)[0].strip()
    assert opening in html.unescape(family.page(f"/stories/child/{story}")), "what it goes on from is there at once"
    whole = family.told(story)
    assert whole.is_complete
    assert whole.text.startswith(broken.text)
    # Pressed twice: it is told already.
    family.client.post(f"/stories/child/{story}/again", data=form, headers=PAGE)
    assert family.services.stories.story(family.user_id, story).last.id == whole.id


class Lent:
    """A browser that shows a child's screen, on a site where no form can hand it over."""

    def __init__(self, site: Flask) -> None:
        member = Member(site)
        self.client, self.services, self.user_id = site.test_client(), member.services, member.user.id
        stories = self.services.stories
        self.child = stories.add_child(self.user_id, ChildDraft(name="Mia", age=7))
        opened = self.services.database.run(sessions.open, self.user_id, user_agent="", address="")
        stories.set_pin(self.user_id, "4071")
        stories.hand_over(self.user_id, opened.id, self.child.id)
        with self.client.session_transaction() as kept:
            kept["_user_id"] = opened.id

    def see(self, path: str) -> str:
        found = self.client.get(path, headers=PAGE)
        assert found.status_code == 200, (path, found.status)
        return found.text


@pytest.mark.req("T41")
def test_what_there_is_can_be_read_while_redis_is_away(
    make_shared: Callable[..., Flask], tmp_path_factory: pytest.TempPathFactory
) -> None:
    lent = Lent(make_shared(REDIS_URL=f"unix://{tmp_path_factory.mktemp('no')}/redis"))
    shelf = Shelf(lent)
    told = shelf.tell(title="The Fox")
    running = shelf.tell(after=told, choice="Climb the tree", outcome=RUNNING)

    assert "Hello, Mia!" in lent.see("/stories/child")
    assert "It was red." in lent.see(f"/stories/child/{told.story_id}?chapter={told.id}")
    assert f'data-stream="/api/streams/{running.stream_id}"' in lent.see(f"/stories/child/{told.story_id}")
    lent.see(f"/stories/child/{told.story_id}/next")
