"""Where a chapter goes: which story, after which chapter. What cannot be told there is refused before it starts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from services import errors
from services.store import chapters, children, stories
from services.store.asking import ROOT
from services.store.base import same_word
from services.store.chapters import COMPLETED, Chapter, ChapterRow
from services.store.children import Child
from services.store.paths import tree
from services.store.stories import Story, StoryRow
from services.store.threads import Conversation

# More stories of one child with one theme are not looked through for the one that goes on.
_LOOKED_THROUGH: Final = 1_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A chapter that is asked for, checked.

    Attributes:
        theme: A theme's id.
        session: A story's id, or the client's own name for it.
        from_chapter: The chapter after which it is to go on in another way.
    """

    child_id: int
    theme: str
    number: int = 1
    title: str = ""
    session: str | None = None
    from_chapter: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chapter goes.

    Attributes:
        number: The chapter's; asked for "from a chapter" it is the next one, whatever was said.
        theme: The story's where it goes on, else the one that was asked for.
        story: None: a new one.
        parent: The chapter before it, whole; None for a first one.
        conversation_id, client_name, parent_message_id: For `Ask`, as they are.
    """

    child: Child
    number: int
    theme: str
    story: Story | None = None
    parent: Chapter | None = None
    conversation_id: str | None = None
    client_name: str | None = None
    parent_message_id: str | None = None


def find(s: Session, user_id: int, wanted: Wanted) -> Place:
    """Where a chapter goes.

    Raises:
        NotFound: The child, the story or the chapter is unknown, or somebody else's, or of another child.
        Conflict: Code `CHAPTER_MISSING`, `CHAPTER_RUNNING`, `CHAPTER_UNFINISHED` or `STORY_ENDED`: the chapter before
            it. `extra` carries `story_id`, `chapter_id` and `stream_id` of the one that is meant, where there is one.
    """
    child = children.get(s, user_id, wanted.child_id)
    if wanted.from_chapter is not None:
        return _after(s, user_id, child, wanted, wanted.from_chapter)
    story = None if wanted.session is None else _named(s, user_id, child, wanted.session)
    if wanted.number == 1:
        return _first(child, wanted, story)
    if story is None and wanted.session is None:
        story = _latest(s, child, user_id, wanted)
    if story is None:
        raise _missing(wanted.number)
    return _next(s, child, story, wanted.number)


def client_name(child_id: int, session: str) -> str:
    """Under what a conversation is kept that a client calls `session`: each child's stories have their own names."""
    return f"{child_id}/{session}"


def _first(child: Child, wanted: Wanted, story: Story | None) -> Place:
    if story is not None:
        # Another beginning of it.
        return Place(child, 1, wanted.theme, story, conversation_id=story.id, parent_message_id=ROOT)
    name = None if wanted.session is None else client_name(child.id, wanted.session)
    return Place(child, 1, wanted.theme, client_name=name)


def _next(s: Session, child: Child, story: Story, number: int) -> Place:
    """After the chapter with the number before, on the path that is shown if it has one."""
    before = chapters.of_story(s, story.id, number=number - 1)
    if not before:
        raise _missing(number)
    head_id = s.scalar(select(Conversation.head_id).where(Conversation.id == story.id))
    shown = set(tree(s, story.id).path(head_id))
    on_path = [one for one in before if one.id in shown]
    there = [one for one in before if on_path and one.place_id == on_path[-1].place_id]
    return _behind(s, child, story, on_path[-1:] + there if on_path else before)


def _after(s: Session, user_id: int, child: Child, wanted: Wanted, chapter_id: str) -> Place:
    """After one chapter, or another try of it if that one is not complete."""
    said = chapters.get(s, user_id, chapter_id)
    story = stories.get(s, user_id, said.story_id)
    named = story if wanted.session is None else _named(s, user_id, child, wanted.session)
    if said.child_id != child.id or named is None or named.id != story.id:
        raise errors.NotFound(chapters.UNKNOWN)
    if wanted.number not in {1, said.number + 1}:
        raise _missing(wanted.number)
    tries = [one for one in chapters.of_story(s, story.id, number=said.number) if one.place_id == said.place_id]
    return _behind(s, child, story, [said, *tries])


def _behind(s: Session, child: Child, story: Story, candidates: Sequence[Chapter]) -> Place:
    """After the first candidate if it is complete, else after the newest that is."""
    complete = [one for one in candidates if one.is_complete]
    if not complete:
        raise _unready(candidates[-1])
    chosen = candidates[0] if candidates[0].is_complete else complete[-1]
    if chosen.is_last:
        raise errors.Conflict(
            "This story has come to its end. Begin a new one, or go back to a chapter and choose otherwise.",
            code="STORY_ENDED",
            extra=_told(chosen),
        )
    parent = chapters.wholes(s, [chosen.id])[0]
    return Place(
        child,
        parent.number + 1,
        story.theme,
        story,
        parent,
        conversation_id=story.id,
        parent_message_id=parent.id,
    )


def _named(s: Session, user_id: int, child: Child, session: str) -> Story | None:
    """The child's story with this id, or that the client calls so; None: nobody has heard of it.

    Raises:
        NotFound: It is somebody else's, or another child's.
    """
    named = stories.by_name(s, user_id, client_name(child.id, session))
    if named is not None:
        return named
    if not stories.is_somebodys(s, session):
        return None
    story = stories.get(s, user_id, session)
    if story.child_id != child.id:
        raise errors.NotFound(stories.UNKNOWN)
    return story


def _latest(s: Session, child: Child, user_id: int, wanted: Wanted) -> Story | None:
    """The child's newest story of a theme (and title) that has the chapter before, complete if any is."""
    is_complete = func.max(case((ChapterRow.outcome == COMPLETED, 1), else_=0))
    rows = s.execute(
        select(StoryRow.id, Conversation.title, is_complete)
        .join(Conversation, Conversation.id == StoryRow.id)
        .join(ChapterRow, ChapterRow.story_id == StoryRow.id)
        .where(StoryRow.child_id == child.id, StoryRow.theme == wanted.theme, ChapterRow.number == wanted.number - 1)
        .group_by(StoryRow.id, Conversation.title)
        .order_by(StoryRow.id.desc())
        .limit(_LOOKED_THROUGH)
    ).all()
    title = same_word(wanted.title)
    fitting = [(story_id, done) for story_id, named, done in rows if not title or same_word(named) == title]
    found = [story_id for story_id, done in fitting if done] or [story_id for story_id, _ in fitting]
    return stories.get(s, user_id, found[0]) if found else None


def _missing(number: int) -> errors.Conflict:
    return errors.Conflict(
        f"Chapter {number - 1} must be told before chapter {number}.",
        code="CHAPTER_MISSING",
        extra={"chapter_number": number, "missing": number - 1},
    )


def _unready(chapter: Chapter) -> errors.Conflict:
    if chapter.is_running:
        told = f"Chapter {chapter.number} is still being told. Wait for its end."
        return errors.Conflict(told, code="CHAPTER_RUNNING", extra=_told(chapter))
    told = f"Chapter {chapter.number} broke off before its end. Go on with it first, or try it again."
    return errors.Conflict(told, code="CHAPTER_UNFINISHED", extra=_told(chapter))


def _told(chapter: Chapter) -> dict[str, Any]:
    return {"story_id": chapter.story_id, "chapter_id": chapter.id, "stream_id": chapter.stream_id}
