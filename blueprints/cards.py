"""Flashcards and quizzes for programs: make, list, review, change, export. The pages are card_pages.py's."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from flask import Blueprint, Response, jsonify, request

from blueprints import identity
from blueprints.card_fields import sent_answers, sent_review, sent_sides, sent_title, whole_number
from blueprints.extensions import creation_rate, services
from services import errors
from services.cards import anki, reviewing, schedule, table
from services.cards.schedule import Day
from services.errors import FieldError
from services.store import cards, decks
from services.store.base import utc_now
from services.store.cards import Card, Standing
from services.store.database import Session
from services.store.decks import Attempt, Deck, Listed

blueprint = Blueprint("cards", __name__)

DECKS_ON_A_PAGE: Final = 50
_CARDS_ON_A_PAGE: Final = 200
_STATES: Final = {1: "learning", 2: "review", 3: "relearning"}


@blueprint.post("/api/cards/from/<message_id>")
@creation_rate("study")
def make(message_id: str) -> Response:
    """Flashcards and a quiz from one of my answers; 200 if there were some already."""
    user_id = identity.require().user.id
    deck, is_new = services().cards.make(user_id, message_id)
    response = _shown(user_id, deck.id)
    response.status_code = 201 if is_new else 200
    return response


@blueprint.get("/api/cards")
def listing() -> Response:
    """My cards: all, or with `due=1` those to review now; of one `deck` if named; `after` is the last id before."""
    now, day = today()
    deck_id, after = request.args.get("deck") or None, request.args.get("after") or None
    limit = whole_number(request.args.get("limit", ""), 1, _CARDS_ON_A_PAGE) or _CARDS_ON_A_PAGE
    only_due = request.args.get("due", "") in ("1", "true")
    if only_due:
        found, stands = services().database.run(_due, identity.require().user.id, deck_id, limit, now, day)
    else:
        found, stands = services().database.run(_all, identity.require().user.id, deck_id, limit, now, day, after)
    return jsonify(
        cards=[card_json(card) for card in found],
        due=stands.due,
        total=stands.total,
        reviewed_today=stands.reviewed,
        next_due=stands.next_due.isoformat() if stands.next_due else None,
        next=found[-1].id if len(found) == limit and not only_due else None,
    )


@blueprint.post("/api/cards/<card_id>/review")
def review(card_id: str) -> Response:
    """Say how well I knew a card; with `reps` as I saw it, so that the same review never counts twice."""
    user_id = identity.require().user.id
    rating, reps = sent_review()
    card = services().database.run(reviewing.review, user_id, card_id, rating=rating, reps=reps, now=utc_now())
    return jsonify(card_json(card))


@blueprint.patch("/api/cards/<card_id>")
def edit(card_id: str) -> Response:
    """Change what a card says."""
    front, back = sent_sides()
    card = services().database.run(cards.edit, identity.require().user.id, card_id, front=front, back=back)
    return jsonify(card_json(card))


@blueprint.delete("/api/cards/<card_id>")
def delete(card_id: str) -> Response:
    """Delete a card with its reviews."""
    services().database.run(cards.delete, identity.require().user.id, card_id)
    return Response(status=204)


@blueprint.get("/api/cards/export")
def export() -> Response:
    """My cards as a file, for Anki (`format=apkg`) or as a table (`csv`); of one `deck` if named."""
    wanted = request.args.get("format", "apkg")
    if wanted not in ("apkg", "csv"):
        raise errors.InvalidInput([FieldError("format", "must be apkg or csv")])
    found = services().database.run(reviewing.by_deck, identity.require().user.id, request.args.get("deck") or None)
    if not found:
        raise errors.NotFound("You have no cards to export yet.")
    data, mime = (
        (table.table(found), table.MIME) if wanted == "csv" else (anki.package(found, now=utc_now()), anki.MIME)
    )
    response = Response(data, content_type=mime)
    response.headers["Content-Disposition"] = f'attachment; filename="rill-cards.{wanted}"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


@blueprint.get("/api/cards/decks")
def list_decks() -> Response:
    """My decks, the newest first; `before` is the last id of the page before."""
    found = own_decks(request.args.get("before") or None)
    more = found[-1].deck.id if len(found) == DECKS_ON_A_PAGE else None
    return jsonify(decks=[deck_json(row) for row in found], next=more)


@blueprint.get("/api/cards/decks/<deck_id>")
def read_deck(deck_id: str) -> Response:
    """A deck with its cards and its quiz."""
    return _shown(identity.require().user.id, deck_id)


@blueprint.patch("/api/cards/decks/<deck_id>")
def rename_deck(deck_id: str) -> Response:
    """Give a deck another title."""
    user_id, title = identity.require().user.id, sent_title()
    services().database.run(decks.rename, user_id, deck_id, title)
    return _shown(user_id, deck_id)


@blueprint.delete("/api/cards/decks/<deck_id>")
def delete_deck(deck_id: str) -> Response:
    """Delete a deck with everything in it; its answer stays."""
    services().database.run(decks.delete, identity.require().user.id, deck_id)
    return Response(status=204)


@blueprint.post("/api/cards/decks/<deck_id>/quiz")
def answer_quiz(deck_id: str) -> Response:
    """Hand in a quiz: `answers`, the index of the chosen option for each question, or null."""
    user_id = identity.require().user.id
    deck = services().database.run(decks.get, user_id, deck_id)
    attempt = services().database.run(reviewing.try_quiz, user_id, deck_id, sent_answers(deck), now=utc_now())
    response = jsonify(_attempt_json(attempt, deck))
    response.status_code = 201
    return response


def today() -> tuple[datetime, Day]:
    """Now, and the current user's day."""
    now = utc_now()
    return now, schedule.day_of(now, identity.require().user.zone)


def own_decks(before: str | None) -> Sequence[Listed]:
    """A page of the current user's decks."""
    now, day = today()
    user_id = identity.require().user.id
    return services().database.run(
        decks.listing, user_id, now=now, day_end=day.end, before=before, limit=DECKS_ON_A_PAGE
    )


def card_json(card: Card) -> dict[str, Any]:
    """A card, as programs read it."""
    return {
        "id": card.id,
        "deck_id": card.deck_id,
        "front": card.front,
        "back": card.back,
        "state": _STATES[card.state] if card.reps else "new",
        "due": card.due.isoformat(),
        "last_review": card.last_review.isoformat() if card.last_review else None,
        "reps": card.reps,
        "lapses": card.lapses,
        "stability": card.stability,
        "difficulty": card.difficulty,
    }


def deck_json(row: Listed) -> dict[str, Any]:
    """A deck, as programs read it."""
    deck = row.deck
    return {
        "id": deck.id,
        "title": deck.title,
        "message_id": deck.message_id,
        "engine": deck.engine,
        "fallback": deck.fallback,
        "points_cost": deck.points,
        "card_count": row.cards,
        "due": row.due,
        "question_count": len(deck.quiz),
        "created_at": deck.created_at.isoformat(),
    }


def _attempt_json(attempt: Attempt, deck: Deck) -> dict[str, Any]:
    results = [
        {"chosen": choice, "answer": question["answer"], "right": choice == question["answer"]}
        for choice, question in zip(attempt.chosen, deck.quiz, strict=True)
    ]
    told = {"id": attempt.id, "right": attempt.right, "total": attempt.total, "results": results}
    return {**told, "created_at": attempt.created_at.isoformat()}


def _shown(user_id: int, deck_id: str) -> Response:
    now, day = today()
    return jsonify(services().database.run(_whole, user_id, deck_id, now, day))


def _whole(s: Session, user_id: int, deck_id: str, now: datetime, day: Day) -> dict[str, Any]:
    deck = decks.get(s, user_id, deck_id)
    own = cards.listing(s, user_id, deck_id=deck_id)
    stands = reviewing.standing(s, user_id, now=now, day=day, deck_id=deck_id)
    return {
        **deck_json(Listed(deck, stands.total, stands.due)),
        "cards": [card_json(card) for card in own],
        "quiz": deck.quiz,
        "attempts": [_attempt_json(attempt, deck) for attempt in decks.attempts(s, user_id, deck_id)],
    }


def _due(
    s: Session, user_id: int, deck_id: str | None, limit: int, now: datetime, day: Day
) -> tuple[list[Card], Standing]:
    stands = _standing(s, user_id, deck_id, now, day)
    return cards.due(s, user_id, now=now, day_end=day.end, deck_id=deck_id, limit=limit), stands


def _all(
    s: Session, user_id: int, deck_id: str | None, limit: int, now: datetime, day: Day, after: str | None
) -> tuple[list[Card], Standing]:
    stands = _standing(s, user_id, deck_id, now, day)
    return cards.listing(s, user_id, deck_id=deck_id, after=after, limit=limit), stands


def _standing(s: Session, user_id: int, deck_id: str | None, now: datetime, day: Day) -> Standing:
    if deck_id is not None:
        decks.get(s, user_id, deck_id)
    return reviewing.standing(s, user_id, now=now, day=day, deck_id=deck_id)
