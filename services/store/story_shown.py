"""A story as it is read: one path of it whole, and its tree of chapters without their texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from services import errors
from services.store import chapters, children, stories
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
        chapters: All that was ever begun, every try of every place, in that order; with their texts only those of the
            path.
        tree: One of each place: the one that was completed last, else the one that was tried last.
        places: The place of every try, by its id.
        ways: Those of the tree by the place that they follow; None: the first ones.
    """

    story: Story
    child: Child
    path: tuple[Chapter, ...]
    chapters: tuple[Chapter, ...]
    tree: tuple[Chapter, ...]
    places: Mapping[str, str]
    ways: Mapping[str | None, Sequence[Chapter]]

    @property
    def id(self) -> str:
        return self.story.id

    @property
    def title(self) -> str:
        return self.story.title

    @property
    def theme(self) -> str:
        return self.story.theme

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
        return tuple(self.ways.get(None if chapter is None else chapter.place_id, ()))

    def beside(self, chapter: Chapter) -> tuple[Chapter, ...]:
        """The chapters that were told instead of this one, because another choice was made."""
        above = None if chapter.parent_id is None else self.places.get(chapter.parent_id)
        return tuple(one for one in self.ways.get(above, ()) if one.place_id != chapter.place_id)

    def tries(self, chapter: Chapter) -> tuple[Chapter, ...]:
        """All tries of a chapter, itself included, the oldest first."""
        return tuple(one for one in self.chapters if one.place_id == chapter.place_id)


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
    shown = {one.place_id: one.id for one in every if one.id in on_path}
    whole = {one.id: one for one in chapters.wholes(s, list(shown.values()))}
    every = [whole.get(one.id, one) for one in every]
    tries: dict[str, list[Chapter]] = {}
    for one in every:
        tries.setdefault(one.place_id, []).append(one)
    places = {one.id: one.place_id for one in every}
    ways: dict[str | None, list[Chapter]] = {}
    for one in map(_told, tries.values()):
        ways.setdefault(None if one.parent_id is None else places.get(one.parent_id), []).append(one)
    return StoryShown(
        story,
        child,
        path=tuple(sorted(whole.values(), key=lambda one: one.number)),
        chapters=tuple(every),
        tree=tuple(map(_told, tries.values())),
        places=places,
        ways=ways,
    )


def _told(tries: list[Chapter]) -> Chapter:
    complete = [one for one in tries if one.is_complete]
    return complete[-1] if complete else tries[-1]
