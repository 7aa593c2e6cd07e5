"""A model's reply, read strictly: cards and a quiz, or nothing. Pure.

The reply is untrusted: the model was shown a text that may have told it anything. What does not fit to the letter
is refused as a whole; what fits is still only text, which pages and exports must treat as such.
"""

import re
import unicodedata
from typing import Any, Final

import orjson

from services.cards.made import (
    MAX_BACK_CHARS,
    MAX_CARDS,
    MAX_FRONT_CHARS,
    MAX_OPTION_CHARS,
    MAX_OPTIONS,
    MAX_QUESTIONS,
    MIN_CARDS,
    MIN_OPTIONS,
    MIN_QUESTIONS,
    Made,
    Question,
    Sides,
)

# Twelve full cards and eight full questions are less than this; what is longer is not read to its end.
MAX_REPLY_CHARS: Final = 40_000
# Some models put their JSON into a code block whatever they are told; nothing may stand around it.
_FENCED: Final = re.compile(r"\A```(?:json)?[ \t]*\n(.*)\n```\Z", re.DOTALL)
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u0085\u2028\u2029\ufeff]")
# Marks that turn text around: a card must not show another word than it holds.
_TURNING: Final = re.compile("[\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class BadReply(ValueError):
    """A reply that is not what was asked for; its text says why, in words of ours that a model may be told."""


def read(text: str) -> Made:
    """The cards and the quiz in a reply.

    Raises:
        BadReply: It is anything else than the one JSON object that was asked for.
    """
    if len(text) > MAX_REPLY_CHARS:
        raise BadReply("it is too long")
    body = text.strip()
    fenced = _FENCED.match(body)
    try:
        value = orjson.loads(fenced[1] if fenced else body)
    except orjson.JSONDecodeError:
        raise BadReply("it is not one JSON object and nothing else") from None
    fields = _object(value, "the reply", {"cards", "quiz"})
    cards = [_card(item, f"card {number}") for number, item in _items(fields["cards"], "cards", MIN_CARDS, MAX_CARDS)]
    quiz = [
        _question(item, f"question {number}")
        for number, item in _items(fields["quiz"], "quiz", MIN_QUESTIONS, MAX_QUESTIONS)
    ]
    _refuse_repeated([card.front for card in cards], "two cards have the same front")
    _refuse_repeated([question.question for question in quiz], "two questions are the same")
    return Made(cards, quiz)


def _card(value: Any, what: str) -> Sides:
    fields = _object(value, what, {"front", "back"})
    front = _text(fields["front"], f"front of {what}", MAX_FRONT_CHARS)
    back = _text(fields["back"], f"back of {what}", MAX_BACK_CHARS)
    if _same(front) == _same(back):
        raise BadReply(f"{what} has the same front and back")
    return Sides(front, back)


def _question(value: Any, what: str) -> Question:
    fields = _object(value, what, {"question", "options", "answer"}, may_have={"why"})
    options = [
        _text(option, f"option of {what}", MAX_OPTION_CHARS)
        for _, option in _items(fields["options"], f"options of {what}", MIN_OPTIONS, MAX_OPTIONS)
    ]
    _refuse_repeated(options, f"two options of {what} are the same")
    answer = fields["answer"]
    if not isinstance(answer, int) or isinstance(answer, bool) or not 0 <= answer < len(options):
        raise BadReply(f"answer of {what} must be the index of one of its options, from 0")
    why = fields.get("why")
    return Question(
        question=_text(fields["question"], what, MAX_FRONT_CHARS),
        options=tuple(options),
        right=options[answer],
        why="" if why in (None, "") else _text(why, f"why of {what}", MAX_BACK_CHARS),
    )


def _object(value: Any, what: str, must_have: set[str], *, may_have: set[str] | None = None) -> dict[str, Any]:
    if not isinstance(value, dict) or not must_have <= set(value) <= must_have | (may_have or set()):
        raise BadReply(f"{what} must be an object with {', '.join(sorted(must_have))} and nothing else")
    return value


def _items(value: Any, what: str, low: int, high: int) -> list[tuple[int, Any]]:
    if not isinstance(value, list) or not low <= len(value) <= high:
        raise BadReply(f"{what} must be a list of {low} to {high}")
    return list(enumerate(value, start=1))


def _text(value: Any, what: str, max_chars: int) -> str:
    if not isinstance(value, str):
        raise BadReply(f"{what} must be a text")
    text = plain(value)
    if not any(unicodedata.category(char)[0] in "LNS" for char in text):
        raise BadReply(f"{what} is empty")
    if len(text) > max_chars:
        raise BadReply(f"{what} must have at most {max_chars} characters")
    return text


def plain(text: str) -> str:
    """A text without control characters and marks that turn it around; line ends as LF."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return _TURNING.sub("", _CONTROLS.sub("", lines)).strip()


def _refuse_repeated(texts: list[str], why: str) -> None:
    if len({_same(text) for text in texts}) < len(texts):
        raise BadReply(why)


def _same(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
