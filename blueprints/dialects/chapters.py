"""What a story's events tell besides its text: how far the telling is, its checks, and what can happen next. Pure.

Source: docs/assistants.md, "Stories".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from services.streaming.events import CHECK, MESSAGE

KIND: Final = "chapter"
_WAITING: Final = "Opening the book…"
# What each step is called where a child reads along, by the names that it has as a step and as a stage.
_WORDS: Final[Mapping[str, str]] = {
    "plan": "Dreaming up what happens…",
    "generate_content": "Telling the story…",
    "write": "Telling the story…",
    "safety_check": "Reading it over once more…",
    "check": "Reading it over once more…",
    "enrich": "Thinking about what could happen next…",
    "finish": "Closing the chapter…",
}
_MAX_CHOICES: Final = 6
_MAX_FACTS: Final = 12
_MAX_CHARS: Final = 300


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter besides its words.

    Attributes:
        waiting_for: What is being done, in friendly words.
        percent: How far the telling is; it never falls.
        is_told: Whether all below is known: it comes when the text is whole.
        minutes: How long it takes to read.
        level: Of its words: beginner, intermediate or advanced.
        grade: The school year whose readers can read it; None: not told.
        choices: What can happen next; none in the last chapter, or where the story only goes on.
        approved, withheld: How many checks let a passage through, and how many did not.
        checked_by: Who looked: `rules`, `model`.
        unanswered: Of how many passages the model was asked, and gave no clear answer.
        is_cut: Whether the chapter was brought to its end because of a check.
    """

    waiting_for: str = _WAITING
    percent: int = 0
    is_told: bool = False
    title: str = ""
    number: int = 0
    minutes: int = 0
    level: str = ""
    grade: float | None = None
    words: int = 0
    educational: Sequence[str] = ()
    choices: Sequence[str] = ()
    question: str = ""
    recap: str = ""
    is_last: bool = False
    approved: int = 0
    withheld: int = 0
    checked_by: Sequence[str] = ()
    unanswered: int = 0
    is_cut: bool = False

    def stepped(self, data: Mapping[str, Any]) -> "Chapter":
        """This, at a step of the telling or somewhere within it."""
        name = str(data.get("stage") or data.get("name") or "")
        is_over = data.get("status") == "completed"
        words = self.waiting_for if is_over else _WORDS.get(name, self.waiting_for)
        percent = data.get("percent")
        far = max(self.percent, min(percent, 100)) if isinstance(percent, int | float) else self.percent
        return replace(self, waiting_for=words, percent=int(far))

    def checked(self, data: Mapping[str, Any]) -> "Chapter":
        """This, after a check."""
        is_approved = data.get("status") == "approved"
        by = data.get("checked_by")
        checked_by = [str(one) for one in by] if isinstance(by, list | tuple) else []
        return replace(
            self,
            approved=self.approved + is_approved,
            withheld=self.withheld + (not is_approved),
            checked_by=tuple(dict.fromkeys((*self.checked_by, *checked_by))),
            unanswered=self.unanswered + _count(data.get("by_rules_alone")),
            is_cut=self.is_cut or data.get("action") == "ended",
        )

    def told(self, data: Mapping[str, Any]) -> "Chapter":
        """This, with what is told of it when its text is whole; other messages change nothing."""
        if data.get("kind") != KIND:
            return self
        grade = data.get("grade")
        return replace(
            self,
            is_told=True,
            title=_text(data.get("title")) or self.title,
            number=_count(data.get("number")) or self.number,
            minutes=_count(data.get("estimated_reading_time")),
            level=_text(data.get("vocabulary_level")),
            grade=float(grade) if isinstance(grade, int | float) else None,
            words=_count(data.get("words")),
            educational=_texts(data.get("educational_elements"), _MAX_FACTS),
            choices=_texts(data.get("choices"), _MAX_CHOICES),
            question=_text(data.get("choice_question")),
            recap=_text(data.get("recap")),
            is_last=bool(data.get("is_last")),
        )


@dataclass(frozen=True, slots=True)
class Telling:
    """What a chapter was asked for with.

    Attributes:
        choice: What was chosen at the end of the chapter before.
        idea: What was wished for in own words.
        chapters: How many the story is to have; 0: nobody has said.
    """

    child_id: int
    child_name: str
    theme: str
    number: int
    choice: str = ""
    idea: str = ""
    chapters: int = 0
    is_last: bool = False
    bedtime: bool = False


def telling_of(facts: Mapping[str, Any]) -> Telling | None:
    """What the stored facts of a turn say; None if it is no chapter's."""
    child = facts.get("child")
    child = child if isinstance(child, Mapping) else {}
    child_id = facts.get("child_id", child.get("id"))
    if not isinstance(child_id, int) or not facts.get("theme"):
        return None
    return Telling(
        child_id=child_id,
        child_name=_text(child.get("name")),
        theme=_text(facts["theme"]),
        number=_count(facts.get("chapter_number")) or 1,
        choice=_text(facts.get("choice")),
        idea=str(facts.get("idea") or ""),
        chapters=_count(facts.get("chapters")),
        is_last=bool(facts.get("is_last")),
        bedtime=bool(facts.get("bedtime")),
    )


def stored_chapter(extras: Mapping[str, Any]) -> Chapter:
    """What an answer that is stored had told; `extras`: its events other than text, by name."""
    found = Chapter()
    for data in _events(extras, CHECK):
        found = found.checked(data)
    for data in _events(extras, MESSAGE):
        found = found.told(data)
    return found


def _events(extras: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    return [data for data in extras.get(name) or () if isinstance(data, Mapping)]


def _text(value: object) -> str:
    return " ".join(value.split())[:_MAX_CHARS] if isinstance(value, str) else ""


def _texts(value: object, most: int) -> list[str]:
    found = [_text(one) for one in value] if isinstance(value, list | tuple) else []
    return [one for one in found if one][:most]


def _count(value: object) -> int:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return max(int(value), 0) if is_number else 0  # type: ignore[call-overload]
