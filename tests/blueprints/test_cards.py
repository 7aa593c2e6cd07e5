"""Flashcards as programs use them."""

import csv
import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from services.store import cards, decks, ledger
from services.store.cards import Card
from services.store.decks import Deck
from tests.blueprints.people import Person
from tests.decks import ANSWER, make_deck, make_study_answer, reply_text
from tests.model_scripts import Script
from tests.model_server import ModelServer

MAKE = "/api/cards/from/"


@pytest.fixture(scope="session")
def built_in(make_shared: Callable[..., Flask]) -> Flask:
    """A site without a model."""
    return make_shared(STUDY_RATE_LIMIT="100000/minute")


@pytest.fixture
def ada(built_in: Flask, make_person: Callable[[Flask], Person]) -> Person:
    return make_person(built_in)


@pytest.fixture
def ben(built_in: Flask, make_person: Callable[[Flask], Person]) -> Person:
    return make_person(built_in)


def answer(person: Person, text: str = ANSWER, **changes: Any) -> str:
    return str(person.services.database.run(make_study_answer, person.user.id, text, **changes))


def made(person: Person) -> Any:
    response = person.client.post(MAKE + answer(person))
    assert response.status_code == 201, response.text
    return response.json


def problem(response: Any, status: int, code: str) -> Any:
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    assert response.json["code"] == code
    return response.json


# -- making


@pytest.mark.slow
@pytest.mark.req("D2-2")
def test_an_answer_becomes_a_deck_and_a_quiz(ada: Person) -> None:
    message_id = answer(ada)

    first = ada.client.post(MAKE + message_id)
    second = ada.client.post(MAKE + message_id)

    deck = first.json
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json == deck
    assert deck["message_id"] == message_id
    assert deck["engine"] == "built-in"
    assert deck["fallback"] is False
    assert deck["card_count"] == deck["due"] == len(deck["cards"])
    assert 5 <= len(deck["cards"]) <= 12
    assert {"front", "back", "due", "state", "reps"} <= set(deck["cards"][0])
    assert all(question["options"][question["answer"]] for question in deck["quiz"])


@pytest.mark.slow
@pytest.mark.req("R31")
def test_it_costs_what_it_says_and_once(ada: Person) -> None:
    before = ada.client.get("/api/points").json

    deck = made(ada)
    ada.client.post(MAKE + deck["message_id"])

    after = ada.client.get("/api/points").json
    assert deck["points_cost"] > 0
    assert before["left"] - after["left"] == deck["points_cost"]
    assert after["reserved"] == 0
    assert ada.services.database.run(ledger.audit, ada.user.id) == []


def test_the_model_makes_them_where_there_is_one(person: Person) -> None:
    person.model.play(Script(text=reply_text()))

    deck = made(person)

    assert (deck["engine"], deck["fallback"]) == ("scripted", False)
    assert [card["front"] for card in deck["cards"]] == [f"What is fact {number}?" for number in range(6)]


def test_a_hostile_reply_ends_in_cards_of_the_answers_own_words(person: Person) -> None:
    person.model.play(*[Script(text='<script>alert("x")</script>' * 100)] * 2)

    deck = made(person)

    assert (deck["engine"], deck["fallback"]) == ("built-in", True)
    assert "<script>" not in str(deck)


@pytest.mark.slow
def test_points_are_asked_for_first(make_app: Callable[..., Flask], make_person: Callable[[Flask], Person]) -> None:
    poor = make_person(make_app(STUDY_POINTS="3"))
    message_id = answer(poor)

    refused = problem(poor.client.post(MAKE + message_id), 402, "POINTS_EXHAUSTED")

    assert refused["needed"] > refused["limit"] == 3
    assert poor.client.get("/api/cards/decks").json["decks"] == []
    assert poor.client.get("/api/points").json["left"] == 3


@pytest.mark.slow
@pytest.mark.req("R7")
def test_making_is_limited_as_asking_is(make_app: Callable[..., Flask], make_person: Callable[[Flask], Person]) -> None:
    hasty = make_person(make_app(STUDY_RATE_LIMIT="2/minute"))
    message_id = answer(hasty)

    statuses = [hasty.client.post(MAKE + message_id).status_code for _ in range(3)]

    assert statuses == [201, 200, 429]
    refused = hasty.client.post(MAKE + message_id)
    problem(refused, 429, "RATE_LIMITED")
    assert int(refused.headers["Retry-After"]) >= 1


def test_nothing_is_made_of_what_is_not_mine_or_no_answer(ada: Person, ben: Person) -> None:
    of_tutor = answer(ada, assistant="tutor")
    conversation_id = ada.services.database.run(decks.source, ada.user.id, of_tutor).conversation_id
    question = ada.client.get(f"/api/conversations/{conversation_id}").json["messages"][0]["id"]

    for who, message_id in ((ben, answer(ada)), (ada, "x"), (ada, of_tutor), (ada, question)):
        problem(who.client.post(MAKE + message_id), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("text", "changes", "code"),
    [("No.", {}, "TOO_SHORT"), ("", {"outcome": "failed"}, "TOO_SHORT"), ("", {"outcome": None}, "STILL_RUNNING")],
)
def test_an_answer_that_is_not_enough_is_a_clear_conflict(
    ada: Person, text: str, changes: dict[str, Any], code: str
) -> None:
    problem(ada.client.post(MAKE + answer(ada, text, **changes)), 409, code)

    assert ada.client.get("/api/points").json["reserved"] == 0


def test_switched_off_answers_mean_no_new_cards(
    make_app: Callable[..., Flask], make_person: Callable[[Flask], Person]
) -> None:
    person = make_person(make_app(STREAMING_ENABLED="off"))

    problem(person.client.post(MAKE + answer(person)), 503, "STREAMING_OFF")


# -- reviewing


def test_a_review_moves_a_card_and_counts_once(ada: Person) -> None:
    card = made(ada)["cards"][0]

    first = ada.client.post(f"/api/cards/{card['id']}/review", json={"rating": 4, "reps": 0})
    again = ada.client.post(f"/api/cards/{card['id']}/review", json={"rating": 4, "reps": 0})

    assert first.status_code == 200
    assert (card["state"], first.json["state"]) == ("new", "review")
    assert first.json["reps"] == 1
    assert first.json["due"] > card["due"]
    problem(again, 409, "CARD_CHANGED")
    listed = ada.client.get("/api/cards").json
    assert (listed["reviewed_today"], listed["due"]) == (1, listed["total"] - 1)


@pytest.mark.parametrize(
    ("rating", "state"), [(1, "learning"), ("2", "learning"), ("good", "learning"), ("easy", "review")]
)
def test_ratings_may_be_numbers_or_words(ada: Person, rating: Any, state: str) -> None:
    card = made(ada)["cards"][0]

    assert ada.client.post(f"/api/cards/{card['id']}/review", json={"rating": rating}).json["state"] == state
    form = ada.client.post(f"/api/cards/{card['id']}/review", data={"rating": str(rating)})
    assert form.json["reps"] == 2


@pytest.mark.parametrize(
    "body",
    [{}, {"rating": 0}, {"rating": 5}, {"rating": True}, {"rating": 3.0}, {"rating": "best"}, {"rating": [3]}]
    + [{"rating": 3, "reps": reps} for reps in (-1, "x", 1.5, True, [0])],
)
def test_a_bad_review_is_said_at_its_field(ada: Person, body: dict[str, Any]) -> None:
    card = made(ada)["cards"][0]

    refused = problem(ada.client.post(f"/api/cards/{card['id']}/review", json=body), 400, "INVALID_INPUT")

    assert refused["errors"][0]["field"] in ("rating", "reps")
    assert ada.client.get("/api/cards").json["reviewed_today"] == 0


@pytest.mark.slow
def test_what_is_due_comes_in_order_and_per_deck(ada: Person) -> None:
    first, second = made(ada), made(ada)
    ada.client.post(f"/api/cards/{first['cards'][0]['id']}/review", json={"rating": "easy"})

    due = ada.client.get(f"/api/cards?due=1&deck={first['id']}").json
    everything = ada.client.get("/api/cards?limit=7").json
    rest = ada.client.get(f"/api/cards?after={everything['next']}").json

    assert [card["id"] for card in due["cards"]] == [card["id"] for card in first["cards"][1:]]
    assert (due["due"], due["total"]) == (len(first["cards"]) - 1, len(first["cards"]))
    assert len(everything["cards"]) == 7
    assert len(rest["cards"]) == len(first["cards"]) + len(second["cards"]) - 7
    assert rest["next"] is None


# -- changing


@pytest.mark.slow
def test_decks_are_listed_read_renamed_and_deleted(ada: Person) -> None:
    first, second = made(ada), made(ada)

    listed = ada.client.get("/api/cards/decks").json
    renamed = ada.client.patch(f"/api/cards/decks/{first['id']}", json={"title": "  Plants \n and light "})
    gone = ada.client.delete(f"/api/cards/decks/{second['id']}")

    assert [deck["id"] for deck in listed["decks"]] == [second["id"], first["id"]]
    assert listed["next"] is None
    assert renamed.json["title"] == "Plants and light"
    assert gone.status_code == 204
    problem(ada.client.get(f"/api/cards/decks/{second['id']}"), 404, "NOT_FOUND")
    assert ada.client.get(f"/api/cards/decks/{first['id']}").json["title"] == "Plants and light"


@pytest.mark.slow
def test_a_deck_can_be_made_again_once_it_is_deleted(ada: Person) -> None:
    deck = made(ada)
    ada.client.delete(f"/api/cards/decks/{deck['id']}")

    again = ada.client.post(MAKE + deck["message_id"])

    assert again.status_code == 201
    assert again.json["id"] != deck["id"]


@pytest.mark.slow
def test_a_card_is_changed_and_deleted(ada: Person) -> None:
    deck = made(ada)
    card = deck["cards"][0]

    changed = ada.client.patch(f"/api/cards/{card['id']}", json={"front": "What\u202e now?", "back": "This."})
    gone = ada.client.delete(f"/api/cards/{deck['cards'][1]['id']}")

    assert (changed.json["front"], changed.json["back"]) == ("What now?", "This.")
    assert gone.status_code == 204
    assert ada.client.get(f"/api/cards/decks/{deck['id']}").json["card_count"] == deck["card_count"] - 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"front": "", "back": "b"}, "front"),
        ({"front": "\u202e", "back": "b"}, "front"),
        ({"front": "a" * 401, "back": "b"}, "front"),
        ({"front": "a", "back": 7}, "back"),
        ({"front": "a", "back": "b" * 1001}, "back"),
    ],
)
def test_bad_sides_are_said_at_their_field(ada: Person, body: dict[str, Any], field: str) -> None:
    card = made(ada)["cards"][0]

    refused = problem(ada.client.patch(f"/api/cards/{card['id']}", json=body), 400, "INVALID_INPUT")

    assert [wrong["field"] for wrong in refused["errors"]] == [field]


@pytest.mark.parametrize("title", ["", "   ", "\u202e", 5, "x" * 201])
def test_a_bad_title_is_said_at_its_field(ada: Person, title: Any) -> None:
    deck = made(ada)

    refused = problem(ada.client.patch(f"/api/cards/decks/{deck['id']}", json={"title": title}), 400, "INVALID_INPUT")

    assert refused["errors"][0]["field"] == "title"


# -- the quiz


@pytest.mark.req("D2-2")
def test_a_quiz_is_checked_and_kept(ada: Person) -> None:
    deck = made(ada)
    right = [question["answer"] for question in deck["quiz"]]
    answers = [None, (right[1] + 1) % len(deck["quiz"][1]["options"]), *right[2:]]

    tried = ada.client.post(f"/api/cards/decks/{deck['id']}/quiz", json={"answers": answers})

    assert tried.status_code == 201
    assert (tried.json["right"], tried.json["total"]) == (len(right) - 2, len(right))
    assert [result["right"] for result in tried.json["results"]] == [False, False, *[True] * (len(right) - 2)]
    assert ada.client.get(f"/api/cards/decks/{deck['id']}").json["attempts"] == [tried.json]


@pytest.mark.parametrize("answers", [None, [], "01", [0], {"0": 1}, [99] * 20, [-1], [True], ["a"]])
def test_a_bad_quiz_is_said_at_its_field(ada: Person, answers: Any) -> None:
    deck = made(ada)
    if isinstance(answers, list) and len(answers) == 1:
        answers = answers * len(deck["quiz"]) if answers != [0] else answers

    refused = problem(
        ada.client.post(f"/api/cards/decks/{deck['id']}/quiz", json={"answers": answers}), 400, "INVALID_INPUT"
    )

    assert refused["errors"][0]["field"] == "answers"


# -- files


@pytest.mark.slow
@pytest.mark.req("D2-2")
def test_cards_leave_as_a_package_for_anki(ada: Person) -> None:
    deck = made(ada)

    sent = ada.client.get(f"/api/cards/export?format=apkg&deck={deck['id']}")

    assert sent.headers["Content-Disposition"] == 'attachment; filename="rill-cards.apkg"'
    assert sent.headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in sent.headers["Cache-Control"]
    with zipfile.ZipFile(io.BytesIO(sent.data)) as archive:
        assert archive.testzip() is None
        assert archive.read("collection.anki2").startswith(b"SQLite format 3")


@pytest.mark.slow
def test_cards_leave_as_a_table(ada: Person) -> None:
    decks_made = [made(ada), made(ada)]

    sent = ada.client.get("/api/cards/export?format=csv")

    assert sent.content_type == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(sent.data.decode("utf-8-sig"), newline="")))
    assert len(rows) == sum(deck["card_count"] for deck in decks_made)
    assert rows[0]["front"] == decks_made[0]["cards"][0]["front"]


@pytest.mark.slow
def test_what_cannot_be_exported_is_said(ada: Person, ben: Person) -> None:
    problem(ada.client.get("/api/cards/export"), 404, "NOT_FOUND")
    deck = made(ada)

    problem(ada.client.get("/api/cards/export?format=pdf"), 400, "INVALID_INPUT")
    problem(ben.client.get(f"/api/cards/export?deck={deck['id']}"), 404, "NOT_FOUND")


# -- whose


@pytest.mark.slow
def test_nobody_elses_cards_are_there(ada: Person, ben: Person) -> None:
    deck = made(ada)
    card, path = deck["cards"][0]["id"], f"/api/cards/decks/{deck['id']}"

    for method, where, body in (
        ("GET", path, None),
        ("PATCH", path, {"title": "Mine"}),
        ("DELETE", path, None),
        ("POST", f"{path}/quiz", {"answers": []}),
        ("GET", f"/api/cards?deck={deck['id']}", None),
        ("GET", f"/api/cards?due=1&deck={deck['id']}", None),
        ("POST", f"/api/cards/{card}/review", {"rating": 3}),
        ("PATCH", f"/api/cards/{card}", {"front": "a", "back": "b"}),
        ("DELETE", f"/api/cards/{card}", None),
        ("GET", f"/api/cards/export?format=csv&deck={deck['id']}", None),
    ):
        problem(ben.client.open(where, method=method, json=body), 404, "NOT_FOUND")
    assert ben.client.get("/api/cards").json["cards"] == []
    assert ben.client.get("/api/cards/decks").json["decks"] == []
    assert ada.client.get(path).json == deck


@pytest.mark.slow
def test_without_redis_nothing_is_made_and_reviews_go_on(make_app: Callable[..., Flask], model: ModelServer) -> None:
    person = Person(make_app(REDIS_URL="unix:///nowhere/at/all.sock"), model)
    deck: Deck = person.services.database.run(make_deck, person.user.id)
    card: Card = person.services.database.run(cards.listing, person.user.id)[0]

    problem(person.client.post(MAKE + answer(person)), 503, "UNAVAILABLE")

    assert person.client.post(f"/api/cards/{card.id}/review", json={"rating": 3}).status_code == 200
    assert [row["id"] for row in person.client.get("/api/cards/decks").json["decks"]] == [deck.id]
