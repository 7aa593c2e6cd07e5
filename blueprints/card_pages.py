"""Flashcards and quizzes in a browser: decks, reviews, quizzes and the study sheet. All of it works without script."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from flask import Blueprint, Response, render_template, request, url_for

from blueprints import errors as error_pages
from blueprints import identity, negotiate
from blueprints.card_fields import MAX_TITLE_CHARS, sent_answers, sent_review, sent_sides, sent_title
from blueprints.cards import DECKS_ON_A_PAGE, own_decks, today
from blueprints.dialects.plain import plain
from blueprints.extensions import count_creation, services
from blueprints.points import balance
from services import errors
from services.cards import reviewing, schedule
from services.cards.made import MAX_BACK_CHARS, MAX_FRONT_CHARS
from services.cards.statements import cleaned
from services.store import cards, decks
from services.store.base import utc_now
from services.store.cards import Card, Standing
from services.store.database import Session
from services.store.decks import Attempt, Deck

blueprint = Blueprint("card_pages", __name__, url_prefix="/study/cards")

_EXCERPT_CHARS: Final = 400
_RATINGS: Final = (
    (1, "Again", "I did not know it"),
    (2, "Hard", "I had to think hard"),
    (3, "Good", "I knew it"),
    (4, "Easy", "I knew it at once"),
)


@blueprint.get("")
def index() -> str:
    """My decks, and what is due today."""
    now, day = today()
    user = identity.require().user
    found = own_decks(request.args.get("before") or None)
    return render_template(
        "cards/index.html",
        user=user,
        decks=found,
        older=found[-1].deck.id if len(found) == DECKS_ON_A_PAGE else None,
        standing=services().database.run(reviewing.standing, user.id, now=now, day=day),
        now=now,
    )


@blueprint.get("/from/<message_id>")
def offer(message_id: str) -> Response:
    """What cards from an answer will cost, before they are made; the deck, if it has one already."""
    offered = services().cards.offer(identity.require().user.id, message_id)
    if offered.deck is not None and offered.deck.made_at is not None:
        return negotiate.see_other(url_for("card_pages.deck", deck_id=offered.deck.id))
    return _offer(message_id)


@blueprint.post("/from/<message_id>")
def make(message_id: str) -> Response:
    """Make them, and go to the deck."""
    user_id = identity.require().user.id
    try:
        count_creation("study")
        made, _ = services().cards.make(user_id, message_id)
    except errors.AppError as wrong:
        if error_pages.shape() != "page" or isinstance(wrong, errors.NotFound | errors.NotSignedIn):
            raise
        response = _offer(message_id, problem=error_pages.problem_of(wrong))
        response.status_code = error_pages.status_of(wrong)
        response.headers.update(error_pages.headers_of(wrong))
        return response
    return negotiate.see_other(url_for("card_pages.deck", deck_id=made.id))


@blueprint.get("/decks/<deck_id>")
def deck(deck_id: str) -> str:
    """A deck's cards, and what can be done with them."""
    found, own, tries, stands = _deck(deck_id)
    return render_template(
        "cards/deck.html",
        user=identity.require().user,
        deck=found,
        cards=own,
        attempts=tries,
        standing=stands,
        max_title_chars=MAX_TITLE_CHARS,
    )


@blueprint.get("/decks/<deck_id>/sheet")
def sheet(deck_id: str) -> str:
    """The deck to print: questions first, the answers folded away or at the end."""
    found, own, _, _ = _deck(deck_id)
    return render_template("cards/sheet.html", user=identity.require().user, deck=found, cards=own)


@blueprint.post("/decks/<deck_id>/rename")
def rename(deck_id: str) -> Response:
    """Give a deck another title."""
    services().database.run(decks.rename, identity.require().user.id, deck_id, sent_title())
    return negotiate.see_other(url_for("card_pages.deck", deck_id=deck_id))


@blueprint.post("/decks/<deck_id>/delete")
def delete(deck_id: str) -> Response:
    """Delete a deck."""
    services().database.run(decks.delete, identity.require().user.id, deck_id)
    return negotiate.see_other(url_for("card_pages.index"))


@blueprint.get("/decks/<deck_id>/quiz")
def quiz(deck_id: str) -> str:
    """A deck's quiz; with `attempt`, how that try went."""
    found, _, tries, _ = _deck(deck_id)
    wanted = request.args.get("attempt")
    attempt = next((row for row in tries if row.id == wanted), None)
    if wanted and attempt is None:
        raise errors.NotFound("There is no such try at this quiz.")
    return render_template("cards/quiz.html", user=identity.require().user, deck=found, attempt=attempt)


@blueprint.post("/decks/<deck_id>/quiz")
def answer_quiz(deck_id: str) -> Response:
    """Hand the quiz in, and see how it went."""
    user_id = identity.require().user.id
    found = services().database.run(decks.get, user_id, deck_id)
    attempt = services().database.run(reviewing.try_quiz, user_id, deck_id, sent_answers(found), now=utc_now())
    return negotiate.see_other(url_for("card_pages.quiz", deck_id=deck_id, attempt=attempt.id))


@blueprint.get("/review")
def review() -> str:
    """The next card to review, of one `deck` if named."""
    return render_template("cards/review.html", user=identity.require().user, **_review())


@blueprint.post("/review/<card_id>")
def rate(card_id: str) -> Response:
    """Say how well I knew a card, and go on to the next."""
    deck_id = request.form.get("deck") or None
    rating, reps = sent_review()
    user_id, notice = identity.require().user.id, ""
    try:
        services().database.run(reviewing.review, user_id, card_id, rating=rating, reps=reps, now=utc_now())
    except (errors.Conflict, errors.NotFound) as changed:
        # Reviewed, or deleted, in another tab: a page that shows it goes on to the next.
        if isinstance(changed, errors.NotFound) and not negotiate.is_fragment(request):
            raise
        notice = changed.message
    if negotiate.is_fragment(request):
        return Response(render_template("cards/_review.html", **_review(deck_id), notice=notice))
    return negotiate.see_other(url_for("card_pages.review", deck=deck_id))


@blueprint.get("/card/<card_id>")
def card(card_id: str) -> str:
    """Change a card."""
    found = services().database.run(cards.get, identity.require().user.id, card_id)
    return _card(found, {"front": found.front, "back": found.back})


@blueprint.post("/card/<card_id>")
def edit(card_id: str) -> Response:
    """Change what a card says."""
    user_id = identity.require().user.id
    found = services().database.run(cards.get, user_id, card_id)
    try:
        front, back = sent_sides()
    except errors.InvalidInput as wrong:
        if error_pages.shape() != "page":
            raise
        return Response(_card(found, request.form, problem=error_pages.problem_of(wrong)), status=400)
    services().database.run(cards.edit, user_id, card_id, front=front, back=back)
    return negotiate.see_other(url_for("card_pages.deck", deck_id=found.deck_id))


@blueprint.post("/card/<card_id>/delete")
def delete_card(card_id: str) -> Response:
    """Delete a card."""
    deck_id = services().database.run(cards.delete, identity.require().user.id, card_id)
    return negotiate.see_other(url_for("card_pages.deck", deck_id=deck_id))


def _offer(message_id: str, problem: Mapping[str, Any] | None = None) -> Response:
    user = identity.require().user
    offered = services().cards.offer(user.id, message_id)
    html = render_template(
        "cards/offer.html",
        user=user,
        source=offered.source,
        excerpt=_excerpt(offered.source.text),
        estimate=offered.estimate,
        points=balance(),
        engine=services().engine.name,
        problem=problem,
    )
    return Response(html)


def _excerpt(text: str) -> str:
    """How an answer begins, without its marks, formulas' too, and citations."""
    shown = cleaned(plain(text[: 4 * _EXCERPT_CHARS]))
    return shown if len(shown) <= _EXCERPT_CHARS else shown[:_EXCERPT_CHARS].rstrip() + "…"


def _card(found: Card, form: Mapping[str, str], problem: Mapping[str, Any] | None = None) -> str:
    return render_template(
        "cards/card.html",
        user=identity.require().user,
        card=found,
        form=form,
        problem=problem,
        max_front_chars=MAX_FRONT_CHARS,
        max_back_chars=MAX_BACK_CHARS,
    )


def _review(deck_id: str | None = None) -> dict[str, Any]:
    """What cards/_review.html takes."""
    now, day = today()
    deck_id = deck_id or request.args.get("deck") or None
    coming = services().database.run(reviewing.next_card, identity.require().user.id, now=now, day=day, deck_id=deck_id)
    intervals = schedule.intervals(coming.card, now) if coming.card else {}
    waits = schedule.in_words(coming.standing.next_due - now) if coming.standing.next_due else ""
    return {
        "card": coming.card,
        "deck": coming.deck,
        "only_deck": deck_id,
        "standing": coming.standing,
        "ratings": [(*rating, intervals.get(rating[0], "")) for rating in _RATINGS],
        "waits": waits,
    }


def _deck(deck_id: str) -> tuple[Deck, list[Card], list[Attempt], Standing]:
    now, day = today()
    return services().database.run(_read_deck, identity.require().user.id, deck_id, now, day)


def _read_deck(
    s: Session, user_id: int, deck_id: str, now: datetime, day: schedule.Day
) -> tuple[Deck, list[Card], list[Attempt], Standing]:
    found = decks.get(s, user_id, deck_id)
    stands = reviewing.standing(s, user_id, now=now, day=day, deck_id=deck_id)
    return found, cards.listing(s, user_id, deck_id=deck_id), decks.attempts(s, user_id, deck_id), stands
