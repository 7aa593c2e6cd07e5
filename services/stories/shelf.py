"""Children, their stories and what belongs to them: one class for the API, the pages and the assistant alike.

Who is named as `user_id` sees their own only: everything else is `NotFound`. Whether words are fit for a child is not
asked here but where they come from (`fields`, the assistant's desk).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from services.store import (
    chapter_books,
    chapters,
    child_days,
    children,
    stories,
    story_places,
    story_shown,
)
from services.store.chapter_books import Told
from services.store.chapters import Chapter
from services.store.child_days import Day, DayLimit
from services.store.children import Child, ChildDraft
from services.store.database import Session
from services.store.stories import Story, StorySummary
from services.store.story_places import Place, Wanted
from services.store.story_reviews import Review
from services.store.story_shown import StoryShown
from services.store.story_words import KeptWord
from services.stories.screen import PinLocked, Screen
from services.stories.withheld import Withheld
from services.streaming.answers import Settled

__all__ = [
    "Chapter",
    "Child",
    "ChildDraft",
    "Day",
    "DayLimit",
    "KeptWord",
    "PinLocked",
    "Place",
    "Review",
    "Stories",
    "Story",
    "StoryShown",
    "StorySummary",
    "Wanted",
]

# How many of a child's latest stories a new one should not begin like.
_OPENINGS: Final = 40


class Turn(Protocol):
    """A stored turn of the assistant's (services/assistants/base.py), as far as it is needed here."""

    @property
    def user_id(self) -> int: ...
    @property
    def conversation_id(self) -> str: ...
    @property
    def message_id(self) -> str: ...
    @property
    def facts(self) -> Mapping[str, Any]: ...
    @property
    def partial(self) -> str: ...


class Stories(Screen, Withheld):
    """Everybody's children and stories."""

    # -- children

    def children(self, user_id: int) -> list[Child]:
        """The person's children, in the order in which they were added."""
        return self._database.run(children.listing, user_id)

    def child(self, user_id: int, child_id: int) -> Child:
        """One of them.

        Raises:
            NotFound: "Child not found".
        """
        return self._database.run(children.get, user_id, child_id)

    def add_child(self, user_id: int, draft: ChildDraft) -> Child:
        """Add a child, as `fields.drafted` has read it.

        Raises:
            Conflict: Code `TOO_MANY_CHILDREN`.
        """
        return self._database.run(children.add, user_id, draft, now=self._clock())

    def change_child(self, user_id: int, child_id: int, draft: ChildDraft) -> Child:
        """Give a child another profile; what is being told goes on with the one it began with.

        Raises:
            NotFound: "Child not found".
        """
        return self._database.run(children.change, user_id, child_id, draft, now=self._clock())

    def delete_child(self, user_id: int, child_id: int) -> None:
        """Delete a child with its stories; sessions that show its screen end. Stop `streams_of_child` first.

        Raises:
            NotFound: "Child not found".
        """
        self._database.run(children.delete, user_id, child_id)

    def streams_of_child(self, user_id: int, child_id: int) -> dict[str, bool]:
        """The streams of a child's chapters, and whether one is being told there."""
        return self._database.run(chapters.of_child, user_id, child_id)

    def day(self, user_id: int, child_id: int, zone: str) -> Day:
        """Where a child stands today, by the calendar of `zone`.

        Raises:
            NotFound: "Child not found".
        """
        return self._database.run(_day, user_id, child_id, self._clock(), zone)

    # -- chapters that are to be told

    def place(self, user_id: int, wanted: Wanted, now: datetime | None = None, zone: str | None = None) -> Place:
        """Where a chapter goes; `zone`, if it is given: refuse it also if the day's chapters are told.

        Raises:
            NotFound: The child, the story or the chapter is unknown, or somebody else's, or of another child.
            Conflict: Code `CHAPTER_MISSING`, `CHAPTER_RUNNING`, `CHAPTER_UNFINISHED` or `STORY_ENDED`; `extra` has
                `story_id`, `chapter_id` and `stream_id` of the chapter that is meant.
            DayLimit: Nothing is left of the child's day.
        """

        def run(s: Session) -> Place:
            found = story_places.find(s, user_id, wanted)
            if zone is not None:
                child_days.check(s, found.child, now or self._clock(), zone)
            return found

        return self._database.run(run)

    def check_day(self, session: Session, child_id: int, now: datetime, zone: str) -> None:
        """Refuse what `begin` would refuse now; counts nothing.

        Raises:
            DayLimit: The child has had its chapters of this day.
            NotFound: "Child not found".
        """
        child_days.check(session, children.by_id(session, child_id), now, zone)

    def begin(self, session: Session, turn: Turn) -> None:
        """Store a chapter as running, in the transaction that stores its turn, and count it if it is a new one.

        Of the turn's facts it reads child_id, theme, title, choice, idea, bedtime, is_last and length.

        Raises:
            DayLimit: Nothing is left of the child's day.
            NotFound: The child is no more.
        """
        chapter_books.begin(session, turn.user_id, turn.conversation_id, turn.message_id, turn.facts, now=self._clock())

    def ended(self, session: Session, settled: Settled, turn: Turn) -> None:
        """Complete a chapter, in the transaction that settles its answer.

        What it told besides its text is read from the settled extras: the last `message` of kind `chapter` (title,
        estimated_reading_time, vocabulary_level, educational_elements, choices, choice_question, is_last, recap,
        words, grade), `memory` there or in the last `message` of kind `memory`, and the `check`s.
        """
        told = Told(
            message_id=turn.message_id,
            text=turn.partial + settled.text,
            outcome=settled.outcome,
            error_code=settled.error_code,
            engine=settled.engine,
            fallback=settled.fallback,
            usage=settled.usage,
            extras=settled.extras,
        )
        chapter_books.ended(session, told, now=self._clock())

    def openings(self, user_id: int, child_id: int) -> list[str]:
        """How the child's latest stories began: `memory["signature"]` of their first chapters, the newest first."""
        memories = self._database.run(chapters.first_memories, user_id, child_id, _OPENINGS)
        signatures = [memory.get("signature") for memory in memories]
        return [one for one in signatures if isinstance(one, str) and one]

    # -- stories

    def shelf(
        self, user_id: int, child_id: int | None = None, *, before: str | None = None, limit: int = 50
    ) -> list[StorySummary]:
        """The person's stories, or one child's, the one that was told last first; `before` gives the next page.

        Raises:
            NotFound: "Child not found", or `before` is unknown.
        """

        def run(s: Session) -> list[StorySummary]:
            if child_id is not None:
                children.get(s, user_id, child_id)
            return stories.shelf(s, user_id, child_id=child_id, before=before, limit=limit)

        return self._database.run(run)

    def counts(self, user_id: int) -> dict[int, int]:
        """How many stories each child has; those without any are left out."""
        return self._database.run(stories.count, user_id)

    def story(self, user_id: int, story_id: str, *, through: str | None = None) -> StoryShown:
        """A story with the path that is shown, or the one through a chapter, whole; the rest without texts.

        Raises:
            NotFound: Unknown, or somebody else's; `through` is no chapter of it.
        """
        return self._database.run(story_shown.get, user_id, story_id, through=through)

    def about(self, user_id: int, story_id: str) -> Story:
        """A story without its chapters.

        Raises:
            NotFound: "Story not found".
        """
        return self._database.run(stories.get, user_id, story_id)

    def chapter(self, user_id: int, message_id: str) -> Chapter:
        """One chapter, whole.

        Raises:
            NotFound: "Chapter not found".
        """
        return self._database.run(chapters.get, user_id, message_id)

    def story_of_stream(self, user_id: int, stream_id: str) -> tuple[str, int] | None:
        """The story and the child that a stream tells to; None: it is no stream of a story of this person's."""
        found = self._database.run(chapters.of_stream, user_id, stream_id)
        return None if found is None else (found.story_id, found.child_id)

    def chapter_of_stream(self, user_id: int, stream_id: str) -> Chapter | None:
        """The chapter of a stream, without its text; None as `story_of_stream`."""
        return self._database.run(chapters.of_stream, user_id, stream_id)


def _day(s: Session, user_id: int, child_id: int, now: datetime, zone: str) -> Day:
    return child_days.standing(s, children.get(s, user_id, child_id), now, zone)
