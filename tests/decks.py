"""Answers of the study chat and decks made from them, for tests. Each takes an open `Session` first."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from services.store import cards, decks
from services.store.base import new_id
from services.store.cards import Card
from services.store.decks import Deck
from tests.factories import make_answer, settle

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ANSWER = """Photosynthesis is the process by which green plants make sugar from light, water and carbon dioxide [1].
It takes place in the **chloroplasts** of the leaf cells.

The light reactions happen in the thylakoid membranes and release oxygen. The Calvin cycle takes place in the stroma
and needs 6 molecules of carbon dioxide for one molecule of glucose.

- **Chlorophyll**: the green pigment that absorbs mostly red and blue light.
- **Stomata**: small openings through which gases enter and leave the leaf.

Jan Ingenhousz showed in 1779 that plants need light to produce oxygen.
"""


def make_study_answer(s: Session, user_id: int, text: str = ANSWER, **changes: Any) -> str:
    """A complete answer of the study chat; gives its id."""
    question = changes.pop("question", "What is photosynthesis?")
    turn = {"question": question, "facts": {}, "partial": changes.pop("partial", "")}
    outcome = changes.pop("outcome", "completed")
    answer = make_answer(s, user_id, **{"assistant": "study", "question": question, "turn": turn, **changes})
    if outcome is not None:
        settle(s, answer.id, text, outcome=outcome)
    return answer.id


def make_deck(
    s: Session, user_id: int, *, count: int = 5, title: str = "Photosynthesis", now: datetime = NOON, **changes: Any
) -> Deck:
    """A deck with so many new cards, due at once, and a quiz of two questions."""
    deck_id = new_id()
    message_id = changes.pop("message_id", None) or make_study_answer(s, user_id)
    decks.begin(s, user_id, message_id, deck_id=deck_id, title=title, now=now)
    values: dict[str, Any] = {
        "cards": [(f"Front {number}", f"Back {number}") for number in range(count)],
        "quiz": [
            {"question": f"Question {number}?", "options": ["no", "yes", "perhaps"], "answer": 1, "why": "Because."}
            for number in range(2)
        ],
        "engine": "built-in",
        "fallback": False,
        "points": 7,
    }
    deck = decks.finish(s, deck_id, **{**values, **changes}, now=now)
    assert deck is not None
    return deck


def cards_of(s: Session, deck: Deck) -> list[Card]:
    """A deck's cards in order."""
    return cards.listing(s, deck.user_id, deck_id=deck.id)


def reply(*, card_count: int = 6, question_count: int = 3, **changes: Any) -> dict[str, Any]:
    """What a model should reply, as an object."""
    value: dict[str, Any] = {
        "cards": [{"front": f"What is fact {n}?", "back": f"It is thing {n}."} for n in range(card_count)],
        "quiz": [
            {"question": f"Which is thing {n}?", "options": [f"a{n}", f"b{n}", f"c{n}"], "answer": n % 3, "why": "So."}
            for n in range(question_count)
        ],
    }
    return {**value, **changes}


def reply_text(**changes: Any) -> str:
    """The same, as a model writes it."""
    return json.dumps(reply(**changes), ensure_ascii=False)


def later(**span: float) -> datetime:
    """A time after `NOON`."""
    return NOON + timedelta(**span)
