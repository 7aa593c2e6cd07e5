"""Flashcards as a person uses them whose browser runs no script."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from services.store import cards, decks, points, users
from services.store.decks import Deck
from services.store.users import User
from tests.blueprints.conftest import csrf_of
from tests.decks import make_deck, make_study_answer

HTML = {"Accept": "text/html"}
HOSTILE = (
    '<script>alert(1)</script><img src=x onerror="alert(1)"> [go](javascript:alert(1)) ![x](https://evil.example/a.png)'
)


class Elements(HTMLParser):
    """What a browser makes of a page's text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]


class Reader:
    """Somebody with a browser, and what is stored about them."""

    def __init__(self, site: Flask, client: FlaskClient) -> None:
        self.client = client
        self.database = site.extensions["rill"].database
        user = self.database.run(users.by_email, client.email)
        assert user is not None
        self.user: User = user

    def see(self, path: str, status: int = 200) -> str:
        """A page's text."""
        page = self.client.get(path, headers=HTML)
        assert page.status_code == status, page.text
        assert page.content_type == "text/html; charset=utf-8"
        return page.text

    def send(self, path: str, status: int = 303, **form: str) -> Any:
        """A form, sent as a browser does."""
        del self.client.environ_base["HTTP_X_CSRF_TOKEN"]
        token = csrf_of(self.client, "/account")
        sent = self.client.post(path, data={**form, "csrf_token": token}, headers=HTML)
        self.client.environ_base["HTTP_X_CSRF_TOKEN"] = token
        assert sent.status_code == status, sent.text
        return sent

    def deck(self, **changes: Any) -> Deck:
        """A deck of theirs."""
        from services.store.base import utc_now

        made: Deck = self.database.run(make_deck, self.user.id, now=utc_now(), **changes)
        return made

    def answer(self, *args: Any, **changes: Any) -> str:
        """An answer of theirs."""
        return str(self.database.run(make_study_answer, self.user.id, *args, **changes))


@pytest.fixture
def reader(site: Flask, newcomer: FlaskClient) -> Reader:
    return Reader(site, newcomer)


def test_without_decks_the_page_says_how_to_make_one(reader: Reader) -> None:
    page = reader.see("/study/cards")

    assert "Quiz me" in page
    assert 'href="/study"' in page


@pytest.mark.slow
@pytest.mark.req("D2-2")
def test_from_an_answer_to_a_deck(reader: Reader) -> None:
    message_id = reader.answer()
    offered = reader.see(f"/study/cards/from/{message_id}")
    assert re.search(r"About \d+ points of 1,000", offered)
    assert "Photosynthesis is the process" in offered
    assert reader.database.run(decks.everything, reader.user.id) == [], "looking makes nothing"

    made = reader.send(f"/study/cards/from/{message_id}")

    page = reader.see(made.location)
    assert "What is photosynthesis?" in page
    assert "built-in engine" in page
    again = reader.client.get(f"/study/cards/from/{message_id}", headers=HTML)
    assert (again.status_code, again.location) == (303, made.location)
    assert " due today" in reader.see("/study/cards")


@pytest.mark.slow
def test_why_cards_could_not_be_made_is_said_on_the_page(reader: Reader) -> None:
    short = reader.answer("Yes.")

    refused = reader.send(f"/study/cards/from/{short}", status=409)

    assert "too little for five cards" in refused.text
    assert "Try again" in refused.text
    assert reader.see("/study/cards/from/nothing", status=404)


def test_without_points_the_page_says_so(reader: Reader) -> None:
    message_id = reader.answer()
    reader.database.run(points.set_cap, reader.user.id, 3)
    assert "you have 3 left" in reader.see(f"/study/cards/from/{message_id}")

    refused = reader.send(f"/study/cards/from/{message_id}", status=402)

    assert "points" in refused.text
    assert reader.database.run(decks.everything, reader.user.id) == []


@pytest.mark.slow
def test_a_review_goes_from_card_to_card_until_nothing_is_due(reader: Reader) -> None:
    reader.deck(count=2)
    seen = []
    for _ in range(2):
        page = reader.see("/study/cards/review")
        seen.append(re.search(r"Front \d", page)[0])
        action = re.search(r'action="(/study/cards/review/[^"]+)"', page)[1]
        reps = re.search(r'name="reps" value="(\d+)"', page)[1]
        sent = reader.send(action, rating="4", reps=reps)
        assert sent.location == "/study/cards/review"

    page = reader.see("/study/cards/review")
    assert seen == ["Front 0", "Front 1"]
    assert "Done for now." in page
    assert "The next card is due in 8 days." in page
    assert "2 reviewed today" in page


def test_what_has_been_reviewed_in_another_tab_is_not_counted_twice(reader: Reader) -> None:
    deck = reader.deck()
    card = reader.database.run(cards.listing, reader.user.id)[0]
    first = {"rating": "3", "reps": "0", "deck": deck.id}

    sent = [reader.send(f"/study/cards/review/{card.id}", **first) for _ in range(2)]

    assert [response.location for response in sent] == [f"/study/cards/review?deck={deck.id}"] * 2
    assert reader.database.run(cards.get, reader.user.id, card.id).reps == 1


def test_htmx_gets_the_next_card_and_is_told_of_the_other_tab(reader: Reader) -> None:
    reader.deck(count=2)
    card = reader.database.run(cards.listing, reader.user.id)[0]
    headers = {"HX-Request": "true", "Accept": "text/html, text/event-stream"}

    first, second = (
        reader.client.post(f"/study/cards/review/{card.id}", data={"rating": "4", "reps": "0"}, headers=headers)
        for _ in range(2)
    )

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.text.lstrip().startswith('<section class="review"')
    assert "Front 1" in first.text
    assert "reviewed already" not in first.text
    assert "reviewed already" in second.text


def test_a_card_that_was_deleted_in_another_tab_is_passed_over(reader: Reader) -> None:
    reader.deck(count=2)
    card = reader.database.run(cards.listing, reader.user.id)[0]
    reader.database.run(cards.delete, reader.user.id, card.id)
    headers = {"HX-Request": "true", "Accept": "text/html, text/event-stream"}

    sent = reader.client.post(f"/study/cards/review/{card.id}", data={"rating": "4", "reps": "0"}, headers=headers)

    assert sent.status_code == 200
    assert "There is no such card." in sent.text
    assert "Front 1" in sent.text


def test_a_card_on_its_first_steps_is_not_waited_for(reader: Reader) -> None:
    reader.deck(count=1)
    card = reader.database.run(cards.listing, reader.user.id)[0]

    reader.send(f"/study/cards/review/{card.id}", rating="3", reps="0")

    assert "Front 0" in reader.see("/study/cards/review"), "ten minutes are no reason to wait when nothing else is due"


@pytest.mark.slow
def test_a_quiz_is_handed_in_and_checked(reader: Reader) -> None:
    deck = reader.deck()
    page = reader.see(f"/study/cards/decks/{deck.id}/quiz")
    assert page.count('type="radio"') == 6
    assert page.count("<details") == 2, "answers are folded away"

    sent = reader.send(f"/study/cards/decks/{deck.id}/quiz", q0="1", q1="2")

    result = reader.see(sent.location)
    assert "<strong>1 of 2</strong> right" in result
    assert "right, your answer" in result
    assert "Because." in result
    assert "1 of 2 right" in reader.see(f"/study/cards/decks/{deck.id}")


@pytest.mark.slow
def test_an_empty_quiz_may_be_handed_in(reader: Reader) -> None:
    deck = reader.deck()

    sent = reader.send(f"/study/cards/decks/{deck.id}/quiz")

    assert "0 of 2" in reader.see(sent.location)
    assert "You left this one out." in reader.see(sent.location)
    reader.send(f"/study/cards/decks/{deck.id}/quiz", status=400, q0="9")
    reader.see(f"/study/cards/decks/{deck.id}/quiz?attempt=nothing", status=404)


@pytest.mark.req("D2-15")
def test_the_sheet_has_every_question_and_its_answer(reader: Reader) -> None:
    deck = reader.deck()

    page = reader.see(f"/study/cards/decks/{deck.id}/sheet")

    for number in range(5):
        assert f"Front {number}" in page
        assert page.count(f"Back {number}") == 2, "folded under its question, and once more for paper"


def test_a_deck_is_renamed_and_deleted(reader: Reader) -> None:
    deck = reader.deck()

    renamed = reader.send(f"/study/cards/decks/{deck.id}/rename", title="Plants & <light>")
    assert "Plants &amp; &lt;light&gt;" in reader.see(renamed.location)
    gone = reader.send(f"/study/cards/decks/{deck.id}/delete")

    assert gone.location == "/study/cards"
    reader.see(f"/study/cards/decks/{deck.id}", status=404)


@pytest.mark.slow
def test_a_card_is_changed_and_deleted(reader: Reader) -> None:
    deck = reader.deck()
    card = reader.database.run(cards.listing, reader.user.id)[0]
    path = f"/study/cards/card/{card.id}"
    assert "Front 0" in reader.see(path)

    wrong = reader.send(path, status=400, front="", back="kept as typed")
    changed = reader.send(path, front="What is $x^2$?", back="A square.")

    assert "kept as typed" in wrong.text
    assert changed.location == f"/study/cards/decks/{deck.id}"
    assert "<math" in reader.see(changed.location)
    assert reader.send(f"{path}/delete").location == changed.location
    assert "A square." not in reader.see(changed.location)


@pytest.mark.slow
@pytest.mark.req("R29")
def test_hostile_text_is_inert_on_every_page(reader: Reader) -> None:
    quiz = [{"question": HOSTILE, "options": [HOSTILE, HOSTILE + "2"], "answer": 1, "why": HOSTILE}]
    deck = reader.deck(title=HOSTILE, cards=[(HOSTILE, HOSTILE)], quiz=quiz, engine=HOSTILE)
    card = reader.database.run(cards.listing, reader.user.id)[0]
    tried = reader.send(f"/study/cards/decks/{deck.id}/quiz", q0="0")
    offer = f"/study/cards/from/{reader.answer(HOSTILE * 5, question=HOSTILE)}"
    own = f"/study/cards/decks/{deck.id}"

    for path in ("/study/cards", own, f"{own}/sheet", f"{own}/quiz", tried.location, "/study/cards/review", offer):
        page = reader.see(path)
        elements = Elements(page.split("<main", 1)[1].split("</main>", 1)[0])
        assert not elements.tags & {"script", "img", "iframe", "style"}, path
        assert not [name for name, _ in elements.attributes if name.startswith("on") or name == "style"], path
        assert all(
            value.startswith(("/", "https://")) for name, value in elements.attributes if name in ("href", "action")
        ), path
    assert "&lt;script&gt;" in reader.see(f"/study/cards/card/{card.id}")


@pytest.mark.slow
@pytest.mark.req("R5")
def test_nobody_elses_pages_are_there(reader: Reader, ana: FlaskClient) -> None:
    deck = reader.deck()
    card = reader.database.run(cards.listing, reader.user.id)[0]
    own = f"/study/cards/decks/{deck.id}"

    for path in (
        own,
        f"{own}/quiz",
        f"{own}/sheet",
        f"/study/cards/review?deck={deck.id}",
        f"/study/cards/card/{card.id}",
    ):
        assert ana.get(path, headers=HTML).status_code == 404, path
    for path in (f"{own}/rename", f"{own}/delete", f"{own}/quiz", f"/study/cards/card/{card.id}/delete"):
        assert ana.post(path, data={"title": "x"}, headers=HTML).status_code == 404, path
    sent = ana.post(f"/study/cards/review/{card.id}", data={"rating": "3"}, headers=HTML)
    assert sent.status_code == 404
    assert ana.get(f"/study/cards/from/{deck.message_id}", headers=HTML).status_code == 404
    assert reader.database.run(cards.get, reader.user.id, card.id).reps == 0


def test_a_form_without_its_token_changes_nothing(reader: Reader) -> None:
    deck = reader.deck()
    del reader.client.environ_base["HTTP_X_CSRF_TOKEN"]

    refused = reader.client.post(f"/study/cards/decks/{deck.id}/delete", headers=HTML)

    assert refused.status_code == 403
    assert reader.database.run(decks.get, reader.user.id, deck.id)
