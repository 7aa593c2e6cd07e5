"""Stories of a family that are told already, without a storyteller."""

from typing import Any, Protocol

from services.assistants.base import Turn
from services.store import chapter_books, conversations
from services.store.chapter_books import Told
from services.store.chapters import Chapter
from services.store.children import Child
from services.store.database import Session
from tests.factories import make_answer, settle

RUNNING = "running"
CHOICES = ("Follow the fox", "Climb the tree")


class Household(Protocol):
    """Whoever has children on a site, as tests.blueprints.families has them."""

    services: Any
    user_id: int
    child: Child


class Shelf:
    """Stories of a family's children."""

    def __init__(self, family: Household) -> None:
        self.family = family

    def tell(
        self,
        text: str = "Mia saw a fox.\n\nIt was red.",
        *,
        after: Chapter | None = None,
        child: Child | None = None,
        outcome: str = "completed",
        choice: str = "",
        idea: str = "",
        theme: str = "forest",
        checks: Any = ({"status": "approved", "score": 1.0, "checked_by": ["rules"]},),
        story_id: str | None = None,
        **told: Any,
    ) -> Chapter:
        """A chapter: of a new story, unless it is told `after` another one, or as another beginning of `story_id`.

        Args:
            outcome: `RUNNING` for one that has not ended.
            told: What it tells besides its words; the rest is as usual.
        """
        child = child or self.family.child
        number = after.number + 1 if after else 1
        facts = {
            "child": {"id": child.id, "name": child.name},
            "child_id": child.id,
            "theme": theme,
            "chapter_number": number,
            "chapters": 5,
            "length": "medium",
            "choice": choice,
            "idea": idea,
        }
        message = {
            "kind": "chapter",
            "title": f"Chapter name {number}",
            "number": number,
            "estimated_reading_time": 3,
            "vocabulary_level": "intermediate",
            "educational_elements": ["foxes hear well"],
            "choices": list(CHOICES),
            "choice_question": "Where to now?",
            "is_last": False,
            "recap": "There is a fox.",
            "words": 290,
            "grade": 2.0,
            **told,
        }
        extras = {"message": [message] if outcome == "completed" else [], "check": list(checks)}
        parent_id = after.id if after else conversations.ROOT if story_id else None
        place = {"conversation_id": after.story_id if after else story_id, "parent_id": parent_id}
        said = choice or idea or "Chapter 1: Forest"
        given = {"question": said, "turn": {"question": said, "facts": facts, "partial": ""}, **place}
        message_id = self.family.services.database.run(self._store, given, facts, text, outcome, extras)
        found: Chapter = self.family.services.stories.chapter(self.family.user_id, message_id)
        return found

    def _store(
        self, s: Session, given: dict[str, Any], facts: dict[str, Any], text: str, outcome: str, extras: dict[str, Any]
    ) -> str:
        row = make_answer(s, self.family.user_id, assistant="stories", **given)
        turn = Turn("stories", self.family.user_id, row.conversation_id, row.id, given["question"], facts)
        self.family.services.stories.begin(s, turn)
        if outcome == RUNNING:
            return row.id
        error_code = "INTERRUPTED" if outcome == "interrupted" else None
        settle(s, row.id, text, outcome=outcome, extras=extras, error_code=error_code)
        chapter_books.ended(s, Told(row.id, text, outcome, error_code, "built-in", False, {}, extras))
        return row.id
