"""A story as it is read: one path of it whole, and its tree of chapters without their texts."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from services import errors
from services.store import chapters, children, conversations, stories
from services.store.chapters import Chapter
from services.store.children import Child
from services.store.paths import tree
from services.store.stories import Story
from services.store.threads import Conversation


@dataclass(frozen=True, slots=True)
class StoryShown:
    """A story with its chapters.

    Attributes:
        path: The chapters of the path that is shown, the first one first, with their texts; each as it was tried last
            on that path.
        tree: One chapter of each place, without its text, in the order in which the places were begun: the one that
            was completed last, else the one that was tried last.
        tries: The ids of all tries of a place, by its `place_id`, the oldest first.
        places: The place of every try, by its id.
    """

    story: Story
    child: Child
    path: tuple[Chapter, ...]
    tree: tuple[Chapter, ...]
    tries: Mapping[str, tuple[str, ...]]
    places: Mapping[str, str]

    @property
    def child_id(self) -> int:
        return self.story.child_id

    @property
    def last(self) -> Chapter | None:
        """The last chapter of the path; None: nothing was begun."""
        return self.path[-1] if self.path else None

    @property
    def running(self) -> Chapter | None:
        """The chapter of the path that is being told now."""
        return self.last if self.last is not None and self.last.is_running else None

    def after(self, chapter: Chapter | None) -> tuple[Chapter, ...]:
        """What was told after a chapter, one for each choice that was made there; None: the first chapters."""
        if chapter is None:
            return tuple(one for one in self.tree if one.parent_id is None)
        return tuple(
            one for one in self.tree if one.parent_id is not None and self.places.get(one.parent_id) == chapter.place_id
        )

    def beside(self, chapter: Chapter) -> tuple[Chapter, ...]:
        """The chapters that were told instead of this one, because another choice was made."""
        above = None if chapter.parent_id is None else self.places.get(chapter.parent_id)
        return tuple(
            one
            for one in self.tree
            if one.place_id != chapter.place_id
            and (None if one.parent_id is None else self.places.get(one.parent_id)) == above
        )


def get(s: Session, user_id: int, story_id: str, *, through: str | None = None) -> StoryShown:
    """One of the person's stories.

    Args:
        through: A chapter of it: the path that leads through it, and down to the newest that follows; None: the one
            that was looked at or told last.

    Raises:
        NotFound: Unknown, or somebody else's; or `through` is no chapter of it.
    """
    story = stories.get(s, user_id, story_id)
    child = children.get(s, user_id, story.child_id)
    every = chapters.of_story(s, story_id)
    hangs = tree(s, story_id)
    if through is None:
        leaf = s.scalar(select(Conversation.head_id).where(Conversation.id == story_id))
    elif through not in {one.id for one in every}:
        raise errors.NotFound(chapters.UNKNOWN)
    else:
        leaf = hangs.newest_below(through)
    on_path = set(hangs.path(leaf))
    newest = {one.place_id: one.id for one in every if one.id in on_path}
    tries: dict[str, list[Chapter]] = {}
    for one in every:
        tries.setdefault(one.place_id, []).append(one)
    return StoryShown(
        story,
        child,
        path=tuple(chapters.wholes(s, list(newest.values()))),
        tree=tuple(_told(some) for some in tries.values()),
        tries={place_id: tuple(one.id for one in some) for place_id, some in tries.items()},
        places={one.id: one.place_id for one in every},
    )


def choose(s: Session, user_id: int, story_id: str, chapter_id: str) -> None:
    """Show the path through a chapter from now on.

    Raises:
        NotFound: Unknown, or somebody else's; or it is no chapter of this story.
    """
    stories.get(s, user_id, story_id)
    if chapters.get(s, user_id, chapter_id).story_id != story_id:
        raise errors.NotFound(chapters.UNKNOWN)
    conversations.choose(s, user_id, story_id, chapter_id)


def _told(tries: list[Chapter]) -> Chapter:
    complete = [one for one in tries if one.is_complete]
    return complete[-1] if complete else tries[-1]
