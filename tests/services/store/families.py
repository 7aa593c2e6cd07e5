"""One adult with children and stories, for tests of the store: short words for what is told, and a clock that moves."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from services.store import conversations, users
from services.store.chapters import Chapter
from services.store.children import Child, ChildDraft
from services.store.database import Database, Session
from services.store.story_places import Place, Wanted
from services.store.story_shown import StoryShown
from services.stories.shelf import Stories

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Family:
    """An adult, and what is kept of their children."""

    def __init__(self, database: Database, user: users.User) -> None:
        self.database = database
        self.user_id = user.id
        self.now = NOON
        self.stories = Stories(database, clock=lambda: self.now)
        self._streams = 0

    def live_in(self, zone: str) -> None:
        self.database.run(users.update_profile, self.user_id, language="en", zone=zone)

    def child(self, name: str = "Mira", age: int = 7, **more: Any) -> Child:
        return self.stories.add_child(self.user_id, ChildDraft(name, age, **more))

    def place(self, child: Child, number: int = 1, **more: Any) -> Place:
        return self.stories.place(self.user_id, Wanted(child.id, more.pop("theme", "dragons"), number, **more))

    def begin(self, place: Place, **facts: Any) -> str:
        """Begin a chapter at a place; the message's id."""
        return self._begun(
            place.child.id,
            {"child_id": place.child.id, "theme": place.theme, **facts},
            client_name=place.client_name,
            conversation_id=place.conversation_id,
            parent_id=place.parent_message_id,
            question=facts.get("choice") or "Tell me a story.",
        )

    def again(self, chapter: Chapter, *, from_partial: bool) -> str:
        """Try a chapter again, or go on where it stopped, as `Turns.go_on` does; the message's id."""
        asked = self.database.run(conversations.question_of, chapter.id)
        assert asked is not None, "a chapter follows a choice"
        return self._begun(
            chapter.child_id,
            {"child_id": chapter.child_id, "theme": chapter.theme},
            conversation_id=chapter.story_id,
            question=None,
            parent_id=chapter.id if from_partial else asked.id,
            continues_id=chapter.id if from_partial else None,
            partial=chapter.text if from_partial else "",
        )

    def end(self, message_id: str, text: str = "Once upon a time.", outcome: str = "completed", **told: Any) -> Chapter:
        """Settle a chapter as `Endings` does: what it told besides is `told`."""
        chapter = {"kind": "chapter", "title": "The Egg", "choices": ["Go up", "Go down"], "recap": "So far.", **told}
        extras = {
            "message": [chapter] if outcome == "completed" else [],
            "check": [{"status": "approved", "score": 0.9, "checked_by": ["rules"]}],
        }
        self.settle(message_id, text=text, outcome=outcome, extras=told.pop("extras", extras))
        return self.stories.chapter(self.user_id, message_id)

    def tell(self, child: Child, number: int = 1, **more: Any) -> Chapter:
        """Tell a chapter to its end; `told` is what it tells besides."""
        told = more.pop("told", {})
        facts = more.pop("facts", {})
        return self.end(self.begin(self.place(child, number, **more), **facts), **told)

    def settle(self, message_id: str, *, text: str, outcome: str, extras: Mapping[str, Any], **more: Any) -> bool:
        values = {"engine": "built-in", "fallback": False, "usage": {"first_token_s": 0.25}, "error_code": None, **more}

        def run(s: Session) -> bool:
            ended = conversations.settle(
                s, message_id, text=text, outcome=outcome, finish_reason="stop", extras=extras, now=self.now, **values
            )
            if ended is None:
                return False
            partial = ended.turn.get("partial") or ""
            turn = SimpleNamespace(user_id=self.user_id, message_id=message_id, facts=ended.turn["facts"])
            turn.conversation_id, turn.partial = ended.conversation_id, partial
            settled = SimpleNamespace(text=text, outcome=outcome, extras=extras, **values)
            self.stories.ended(s, settled, turn)  # type: ignore[arg-type]  # as much of both as it reads
            return True

        return self.database.run(run)

    def story(self, story_id: str, **more: Any) -> StoryShown:
        return self.stories.story(self.user_id, story_id, **more)

    def _begun(
        self,
        child_id: int,
        facts: Mapping[str, Any],
        *,
        question: str | None,
        conversation_id: str | None,
        parent_id: str | None,
        client_name: str | None = None,
        continues_id: str | None = None,
        partial: str = "",
    ) -> str:
        message_id = conversations.new_id()
        turn = {"question": question or "", "facts": dict(facts), "partial": partial}

        def run(s: Session) -> None:
            held = conversations.begin(
                s,
                user_id=self.user_id,
                assistant="stories",
                client_name=client_name,
                conversation_id=conversation_id,
                title="A story for a child",
                question=question,
                turn=turn,
                stream_id=f"stream-{message_id}",
                run_id=f"run-{message_id}",
                message_id=message_id,
                continues_id=continues_id,
                parent_id=parent_id,
                now=self.now,
            )
            begun = SimpleNamespace(user_id=self.user_id, message_id=message_id, facts=facts, partial=partial)
            begun.conversation_id = held.id
            self.stories.begin(s, begun)  # type: ignore[arg-type]

        self.database.run(run)
        return message_id
