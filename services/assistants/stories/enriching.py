"""What goes with a chapter besides its text: title, choices, recap, what is to be kept in mind. Pure.

A model is asked for it by a second call; the built-in storyteller tells it with the chapter. Each value is bounded and
looked at by the rules, one by one; where it fails or is nonsense, a plain one stands in its place.
"""

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from services.assistants.base import Turn
from services.assistants.stories.asides import one_paragraph
from services.assistants.stories.checking import Judge
from services.assistants.stories.input import one_line
from services.stories import themes
from services.stories.ages import band
from services.stories.grammar import Told
from services.stories.measures import measure

_T = TypeVar("_T")

MAX_TITLE_CHARS: Final = 80
MAX_CHOICE_CHARS: Final = 100
MAX_QUESTION_CHARS: Final = 160
MAX_RECAP_CHARS: Final = 600
MAX_FACT_CHARS: Final = 140
MAX_FACTS: Final = 8
MAX_KEPT_FACTS: Final = 16
MAX_ELEMENT_CHARS: Final = 100
MAX_ELEMENTS: Final = 4
_MAX_ANSWER_CHARS: Final = 20_000
# For a story that nobody but its reader knows: whatever it is about, these can be done next.
_CHOICES: Final = (
    "Look around for a new clue",
    "Ask a friend for help",
    "Follow the quiet path",
    "Listen for a moment and think",
    "Share something and see what happens",
    "Try it in another way",
    "Peek around the next corner",
    "Make a plan together",
)
_ELEMENTS: Final = ("Reading together and imagining what comes next",)
_SENTENCE: Final = re.compile(r"[^.!?\u2026]+[.!?\u2026]+[\"'\u201d\u2019)]*")


@dataclass(frozen=True, slots=True)
class Values:
    """What goes with a chapter; nothing in it that was not looked at.

    Attributes:
        facts: What later chapters keep to, if a model told the chapter.
        replaced: The names of values that plain ones stand for.
    """

    title: str = ""
    choices: tuple[str, ...] = ()
    question: str = ""
    recap: str = ""
    elements: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    memory: Mapping[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """All that is shown of it, or told on."""
        return "\n".join([self.title, *self.choices, self.question, self.recap, *self.elements, *self.facts])


class Sieve:
    """Lets values through that are of their kind, and fit for the child."""

    def __init__(self, turn: Turn, judge: Judge) -> None:
        child = turn.facts["child"]
        self._turn = turn
        self._judge = judge
        self._age = int(child["age"])
        self._avoid = tuple(child["avoid"])
        self._name = str(child["name"])
        self._is_last = bool(turn.facts["is_last"])
        self._count = 0 if self._is_last else band(self._age, str(child["level"])).choices
        self.replaced: list[str] = []

    def of_told(self, told: Told) -> Values:
        """What the built-in storyteller told."""
        offered = {
            "title": told.title,
            "choices": list(told.choices),
            "choice_question": told.question,
            "recap": told.recap,
            "educational_elements": list(told.educational),
        }
        return self._values(offered, heading="", text=told.text, memory=dict(told.memory))

    def of_model(self, answer: str, *, heading: str, text: str) -> Values:
        """What a model answered; it may be nonsense, or empty.

        Args:
            heading: What the model wrote over the chapter, if it did.
            text: The chapter.
        """
        return self._values(_object_in(answer), heading=heading, text=text, memory=None)

    def _values(
        self, offered: Mapping[str, Any], *, heading: str, text: str, memory: Mapping[str, Any] | None
    ) -> Values:
        recap = self._line(offered.get("recap"), MAX_RECAP_CHARS) or self._missing("recap", self._plain_recap(text))
        facts = tuple(self._lines(offered.get("facts"), MAX_FACTS, MAX_FACT_CHARS))
        return Values(
            title=self._title(offered.get("title"), heading),
            choices=self._choices(offered.get("choices")),
            question=self._question(offered.get("choice_question")),
            recap=recap,
            elements=tuple(self._lines(offered.get("educational_elements"), MAX_ELEMENTS, MAX_ELEMENT_CHARS))
            or self._missing("educational_elements", _ELEMENTS),
            facts=facts,
            replaced=tuple(self.replaced),
            memory=memory if memory is not None else self._memory(recap, facts),
        )

    def _title(self, offered: Any, heading: str) -> str:
        own = str(self._turn.facts.get("title") or "")
        if own and int(self._turn.facts["chapter_number"]) == 1:
            # It was looked through when it was sent.
            return own[:MAX_TITLE_CHARS]
        found = self._line(offered, MAX_TITLE_CHARS) or self._line(heading, MAX_TITLE_CHARS)
        if found:
            return found.strip(" .\"\u201c\u201d'")
        theme = themes.THEMES.get(str(self._turn.facts["theme"]))
        return self._missing(
            "title", f"{self._name} and the {theme.title.lower()} story" if theme else f"{self._name}'s story"
        )

    def _choices(self, offered: Any) -> tuple[str, ...]:
        if not self._count:
            return ()
        found = self._lines(offered, self._count, MAX_CHOICE_CHARS)
        if len(found) < self._count:
            plain = random.Random(int(self._turn.facts["seed"])).sample(_CHOICES, len(_CHOICES))  # noqa: S311 - a story's luck
            known = {_folded(one) for one in found}
            found += [one for one in plain if _folded(one) not in known][: self._count - len(found)]
            self.replaced.append("choices")
        return tuple(found)

    def _question(self, offered: Any) -> str:
        if self._is_last:
            return ""
        found = self._line(offered, MAX_QUESTION_CHARS)
        if found and found.endswith("?"):
            return found
        plain = f"What should {self._name} do next?" if self._count else "What do you think happens next?"
        return self._missing("choice_question", plain)

    def _memory(self, recap: str, facts: Sequence[str]) -> dict[str, Any]:
        """What the next chapter is to know of one that a model told: with what was known before."""
        known = (self._turn.facts.get("memory") or {}).get("facts") or ()
        kept = list(dict.fromkeys([*(str(one) for one in known), *facts]))[-MAX_KEPT_FACTS:]
        return {"recap": recap, "facts": kept}

    def _plain_recap(self, text: str) -> str:
        """The first sentence and the last two, which are the story's own words."""
        sentences = [one_line(found) for found in _SENTENCE.findall(text.removesuffix("The end."))]
        chosen = sentences[:1] + sentences[1:][-2:]
        return " ".join(chosen)[:MAX_RECAP_CHARS]

    def _lines(self, offered: Any, most: int, limit: int) -> list[str]:
        """The good ones of a list, each once."""
        found: dict[str, str] = {}
        for value in offered[: most * 4] if isinstance(offered, list | tuple) else ():
            value = value.get("text") if isinstance(value, Mapping) else value
            if text := self._line(value, limit):
                found.setdefault(_folded(text), text)
        return list(found.values())[:most]

    def _line(self, offered: Any, limit: int) -> str:
        """A text on one line that is neither empty nor too long, and fit for the child; else nothing."""
        if not isinstance(offered, str) or len(offered) > limit * 4:
            return ""
        text = one_line(one_paragraph(offered)).strip(" -\u2022")
        if not text or len(text) > limit or not re.search(r"[^\W\d_]{2}", text):
            return ""
        verdict = self._judge(text, age=self._age, avoid=self._avoid, names=(self._name,))
        return text if verdict.allowed else ""

    def _missing(self, name: str, plain: _T) -> _T:
        self.replaced.append(name)
        return plain


def chapter(turn: Turn, text: str, values: Values) -> dict[str, Any]:
    """What a chapter tells besides its text; what can be counted is counted."""
    child = turn.facts["child"]
    counted = measure(text, int(child["age"]), str(child["level"]))
    return {
        "title": values.title,
        "number": int(turn.facts["chapter_number"]),
        "estimated_reading_time": counted.minutes,
        "vocabulary_level": counted.vocabulary_level,
        "educational_elements": list(values.elements),
        "choices": list(values.choices),
        "choice_question": values.question,
        "is_last": bool(turn.facts["is_last"]),
        "recap": values.recap,
        "words": counted.words,
        "grade": counted.grade,
    }


def _object_in(answer: str) -> Mapping[str, Any]:
    """The JSON object in an answer; empty if there is none."""
    start, end = answer.find("{"), answer.rfind("}")
    if start < 0 or end < start or len(answer) > _MAX_ANSWER_CHARS:
        return {}
    try:
        found = json.loads(answer[start : end + 1], strict=False)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, Mapping) else {}


def _folded(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
