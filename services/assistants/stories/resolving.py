"""From a checked request to the facts of its chapter, and the books of it.

Words that were sent are looked through before anything starts; what is withheld of a chapter is written down before
it is told that something was.
"""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from services.assistants.base import Turn
from services.assistants.stories.choosing import chosen
from services.assistants.stories.input import (
    MAX_CHAPTER,
    MAX_CHOICE_CHARS,
    MAX_IDEA_CHARS,
    SafetyRejected,
    StoryInput,
    one_line,
)
from services.errors import FieldError, InvalidInput
from services.store.chapters import Chapter
from services.store.children import Child
from services.store.conversations import Message
from services.store.database import Session
from services.store.stories import Story
from services.stories.ages import band
from services.stories.bedtime import is_bedtime
from services.stories.safety import Kind, Verdict, judge_input
from services.streaming.answers import Settled

# How much of the chapter before goes along word for word.
TAIL_CHARS: Final = 1_200
_GENTLY: Final = "does not fit this story"


class Place(Protocol):
    """Where a chapter goes (services/store/story_places.py): what there is of its story, and the chapter before it."""

    @property
    def child(self) -> Child: ...
    @property
    def number(self) -> int: ...
    @property
    def theme(self) -> str: ...
    @property
    def story(self) -> Story | None: ...
    @property
    def parent(self) -> Chapter | None: ...
    @property
    def conversation_id(self) -> str | None: ...


class Books(Protocol):
    """Who keeps children and their stories (services/stories/shelf.py)."""

    def child(self, user_id: int, child_id: int) -> Child:
        """One of the person's children. Raises NotFound."""
        ...

    def openings(self, user_id: int, child_id: int) -> list[str]:
        """How the child's latest stories began, as `memory["signature"]` of their first chapters."""
        ...

    def check_day(self, session: Session, child_id: int, now: datetime, zone: str) -> None:
        """Raises DayLimit."""
        ...

    def begin(self, session: Session, turn: Turn) -> None:
        """Store a chapter as running, and count it for the child's day if it is a new one. Raises DayLimit."""
        ...

    def ended(self, session: Session, settled: Settled, turn: Turn) -> None:
        """Complete a chapter; what it told besides its text is in the settled answer's extras."""
        ...

    def withheld(
        self, user_id: int, message_id: str, index: int, text: str, category: str, decided_by: str, *, rule: str = ""
    ) -> bool:
        """Keep a piece that was refused, once, in a transaction of its own."""
        ...

    def refused(self, user_id: int, child_id: int, field: str, text: str, category: str, *, rule: str = "") -> None:
        """Keep words that were sent for a story and refused, in a transaction of its own."""
        ...


class Desk:
    """Makes the facts of chapters, and keeps the books about them.

    Args:
        chunk_words: How many words a piece may have.
    """

    def __init__(self, books: Books, *, chunk_words: int) -> None:
        self._books = books
        self._chunk_words = chunk_words

    def facts(
        self,
        user_id: int,
        sent: StoryInput,
        place: Place,
        *,
        zone: str = "UTC",
        now: datetime | None = None,
        seed: int | None = None,
    ) -> dict[str, Any]:
        """The facts of a chapter.

        Args:
            place: Where it goes; `story_id` is its conversation's id, which a new one is given by the caller.
            zone: The account's.
            now, seed: For tests.

        Raises:
            SafetyRejected: A field's words are not for a child; a review row tells the adult.
        """
        child, before = place.child, place.parent
        drawn = random.SystemRandom().getrandbits(53) if seed is None else seed
        choices = before.choices if before else ()
        choice, own = chosen(sent.choice, choices, drawn)
        self._look_through(user_id, child, sent, own)
        length = place.story.length if place.story else sent.chapters
        chapters = band(child.age, child.level).chapters.get(length, MAX_CHAPTER)
        bedtime = sent.bedtime or is_bedtime(child.bedtime, now or datetime.now(UTC), zone)
        return {
            "child_id": child.id,
            "child": _profile(child),
            "theme": place.theme,
            "chapter_number": place.number,
            "title": sent.title or (place.story.title if place.story and before else ""),
            "choice": choice,
            "idea": "; ".join(text for text in (own, sent.idea) if text),
            "choices_before": list(choices),
            "seed": drawn,
            "chapters": chapters,
            "length": length,
            "is_last": bedtime or place.number >= chapters,
            "bedtime": bedtime,
            "mode": sent.mode,
            "chunk_words": self._chunk_words,
            "memory": dict(before.memory or {}) if before else {"shelf": self._books.openings(user_id, child.id)},
            "recap": before.recap if before else "",
            "tail": _tail(before.text) if before else "",
            "story_id": place.conversation_id,
            "zone": zone,
            "is_new": place.conversation_id is None,
        }

    def resolve(
        self,
        user_id: int,
        before: Sequence[Message],  # noqa: ARG002 - the facts have what is needed of it
        turn: Mapping[str, Any],
        question: str,
    ) -> dict[str, Any]:
        """The facts of a stored chapter that is asked for in other words (`base.Resolver`).

        Raises:
            InvalidInput: Too long, or not for a child.
        """
        facts = dict(turn.get("facts") or {})
        text = one_line(question)
        if len(text) > MAX_IDEA_CHARS:
            raise InvalidInput([FieldError("content", f"must have at most {MAX_IDEA_CHARS} characters")])
        child = self._books.child(user_id, int(facts["child_id"]))
        choice, own = chosen(text[:MAX_CHOICE_CHARS], facts.get("choices_before") or (), int(facts["seed"]))
        if not choice:
            self._allow(user_id, child, "content", text, "idea")
        return {**facts, "child": _profile(child), "choice": choice, "idea": "" if choice else own and text}

    def tells(self, turn: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the first frames say (`base.Tells`)."""
        facts = turn.get("facts") or {}
        return {name: facts[name] for name in ("story_id", "child_id", "chapter_number") if facts.get(name)}

    # -- the books

    def affords(self, session: Session, turn: Turn) -> None:
        """Refuse what `starts` would refuse now; counts nothing (`base.Starts`).

        Raises:
            DayLimit: The child has had its chapters of this day.
        """
        self._books.check_day(session, int(turn.facts["child_id"]), datetime.now(UTC), str(turn.facts["zone"]))

    def starts(self, session: Session, turn: Turn) -> None:
        """Store the chapter as running, and count it (`base.Starts`).

        Raises:
            DayLimit: Nothing is started.
        """
        self._books.begin(session, turn)

    def ends(self, session: Session, settled: Settled, turn: Turn) -> Mapping[str, Any] | None:
        """Complete the chapter (`base.Ends`)."""
        self._books.ended(session, settled, turn)
        return None

    def withheld(self, turn: Turn, index: int, text: str, verdict: Verdict, decided_by: str) -> None:
        """Keep a piece that was refused, for the adult.

        Raises:
            Unavailable: The database is away; then nothing more is told.
        """
        self._books.withheld(
            turn.user_id, turn.message_id, index, text, verdict.category, decided_by, rule=verdict.rule
        )

    def _look_through(self, user_id: int, child: Child, sent: StoryInput, own: str) -> None:
        """Check what somebody says in own words; a choice that was offered was checked before it was shown."""
        self._allow(user_id, child, "title", sent.title, "title")
        self._allow(user_id, child, "choice", own, "choice")
        self._allow(user_id, child, "custom_user_input", sent.idea, "idea")

    def _allow(self, user_id: int, child: Child, field: str, text: str, kind: Kind) -> None:
        if not text:
            return
        verdict = judge_input(text, age=child.age, avoid=child.avoid, kind=kind)
        if verdict.allowed:
            return
        self._books.refused(user_id, child.id, field, text, verdict.category, rule=verdict.rule)
        raise SafetyRejected([FieldError(field, verdict.reason or _GENTLY)], verdict.reason or None)


def _profile(child: Child) -> dict[str, Any]:
    """What a chapter needs to know of its child."""
    return {
        "id": child.id,
        "name": child.name,
        "age": child.age,
        "level": child.level,
        "pronouns": child.pronouns,
        "interests": list(child.interests),
        "avoid": list(child.avoid),
    }


def _tail(text: str) -> str:
    """The end of a chapter, from the beginning of a sentence."""
    if len(text) <= TAIL_CHARS:
        return text.strip()
    cut = text[-TAIL_CHARS:]
    return cut[min((at for mark in (". ", "! ", "? ", "\n") if (at := cut.find(mark)) >= 0), default=-1) + 1 :].strip()
