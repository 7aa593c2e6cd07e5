"""What is sent about cards, in JSON or a form: ratings, sides, titles, answers to a quiz."""

from typing import Any, Final

from flask import request

from blueprints import body
from services.cards.made import MAX_BACK_CHARS, MAX_FRONT_CHARS
from services.cards.reply import plain
from services.cards.schedule import RATINGS
from services.errors import FieldError, InvalidInput
from services.store.decks import Deck

MAX_TITLE_CHARS: Final = 200
_BY_NAME: Final = {name: number for number, name in RATINGS.items()}


def sent_review() -> tuple[int, int | None]:
    """The rating, sent as a number or a word, and the `reps` that were seen, if told.

    Raises:
        InvalidInput: Names what is wrong.
    """
    sent = body.fields(request)
    said, seen = sent.values.get("rating"), sent.values.get("reps")
    rating = _BY_NAME.get(said) if isinstance(said, str) else None
    rating = rating or whole_number(said, min(RATINGS), max(RATINGS))
    reps = whole_number(seen, 0, 10**9)
    if rating is None:
        sent.wrong("rating", "must be 1 (again), 2 (hard), 3 (good) or 4 (easy)")
    if reps is None and seen not in (None, ""):
        sent.wrong("reps", "must be a whole number")
    sent.check()
    return rating or 0, reps


def sent_sides() -> tuple[str, str]:
    """The two sides of a card.

    Raises:
        InvalidInput: One is missing or too long.
    """
    sent = body.fields(request)
    front, back = _plain(sent, "front", MAX_FRONT_CHARS), _plain(sent, "back", MAX_BACK_CHARS)
    sent.check()
    return front, back


def sent_title() -> str:
    """A deck's new title.

    Raises:
        InvalidInput: It is missing or too long.
    """
    sent = body.fields(request)
    title = " ".join(_plain(sent, "title", MAX_TITLE_CHARS).split())
    sent.check()
    return title


def sent_answers(deck: Deck) -> list[int | None]:
    """The options that were chosen in a deck's quiz: a JSON list, or the fields `q0`, `q1` and so on of a form.

    Raises:
        InvalidInput: They do not fit the quiz.
    """
    values = body.fields(request).values
    answers = values.get("answers")
    if "answers" not in values and request.form:
        answers = [values.get(f"q{number}") for number in range(len(deck.quiz))]
    wrong = f"must be a list of {len(deck.quiz)} indexes of options, with null where none is chosen"
    if not isinstance(answers, list) or len(answers) != len(deck.quiz):
        raise InvalidInput([FieldError("answers", wrong)])
    chosen = []
    for answer, question in zip(answers, deck.quiz, strict=True):
        chosen.append(whole_number(answer, 0, len(question["options"]) - 1))
        if chosen[-1] is None and answer is not None:
            raise InvalidInput([FieldError("answers", wrong)])
    return chosen


def whole_number(value: Any, low: int, high: int) -> int | None:
    """A whole number within bounds, also as digits; None for everything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high else None


def _plain(sent: body.Fields, name: str, max_chars: int) -> str:
    text = sent.text(name, max_chars=max_chars)
    kept = plain(text)
    if text and not kept:
        sent.wrong(name, "is missing")
    return kept
