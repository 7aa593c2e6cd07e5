"""What was withheld from children, and what their adult has seen of it."""

from collections.abc import Sequence

from services.store import story_reviews
from services.store.story_reviews import Review
from services.stories.kept import Kept


class Withheld(Kept):
    """A part of `shelf.Stories`."""

    def withheld(
        self, user_id: int, message_id: str, index: int, text: str, category: str, decided_by: str, *, rule: str = ""
    ) -> bool:
        """Keep a piece of a chapter that was refused, once; False if it is kept already, or the chapter is no more."""
        return self._database.run(
            story_reviews.withhold,
            user_id,
            message_id,
            index,
            text,
            category,
            decided_by,
            rule=rule,
            now=self._clock(),
        )

    def refused(self, user_id: int, child_id: int, field: str, text: str, category: str, *, rule: str = "") -> None:
        """Keep words that were sent for a child's story and refused.

        Raises:
            NotFound: "Child not found".
        """
        self._database.run(story_reviews.refuse, user_id, child_id, field, text, category, rule=rule, now=self._clock())

    def reviews(
        self,
        user_id: int,
        *,
        child_id: int | None = None,
        story_id: str | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> list[Review]:
        """What was withheld, the newest first; `before` gives the next page.

        Raises:
            NotFound: "Child not found".
        """
        return self._database.run(
            story_reviews.listing, user_id, child_id=child_id, story_id=story_id, before=before, limit=limit
        )

    def seen(self, user_id: int, ids: Sequence[str] | None = None) -> int:
        """Note that the person has looked at some, or at all; how many were new."""
        return self._database.run(story_reviews.seen, user_id, ids, now=self._clock())

    def unseen(self, user_id: int) -> int:
        """How many the person has not looked at."""
        return self._database.run(story_reviews.unseen, user_id)
