"""Children and stories as JSON: what is kept becomes what is told. Pure. What is sent is read by drafts.py."""

from datetime import UTC, datetime
from typing import Any

from services.store.chapters import Chapter
from services.store.child_days import Day
from services.store.children import Child
from services.store.stories import Story, StorySummary
from services.store.story_shown import StoryShown
from services.stories.drafts import child_id, drafted, known_id

__all__ = [
    "chapter_json",
    "child_id",
    "child_json",
    "drafted",
    "known_id",
    "moment",
    "story_json",
    "summary_json",
]


def child_json(child: Child, today: Day | None = None) -> dict[str, Any]:
    """A child's profile as its adult is told of it."""
    told: dict[str, Any] = {
        "id": child.id,
        "name": child.name,
        "age": child.age,
        "level": child.level,
        "pronouns": child.pronouns,
        "interests": list(child.interests),
        "avoid": list(child.avoid),
        "daily_limit": child.daily_limit,
        "bedtime": None if child.bedtime is None else {"from": child.bedtime},
        "created_at": moment(child.created_at),
    }
    if today is not None:
        told["today"] = {"told": today.told, "left": today.left, "resets_at": moment(today.resets_at)}
    return told


def summary_json(summary: StorySummary) -> dict[str, Any]:
    """A story as a shelf shows it."""
    return {
        **_story(summary.story),
        "child_name": summary.child_name,
        "running": summary.running,
        "unread": summary.unread,
    }


def story_json(shown: StoryShown) -> dict[str, Any]:
    """A story with its chapters: all of them without texts as a tree, those of the path that is shown with theirs."""
    return {
        **_story(shown.story),
        "child_name": shown.child.name,
        "running": shown.running.stream_id if shown.running else None,
        "path": [chapter.id for chapter in shown.path],
        "chapters": [_in_tree(shown, chapter) for chapter in shown.tree],
    }


def chapter_json(chapter: Chapter) -> dict[str, Any]:
    """A chapter; `story_content` is null where its text was not asked for."""
    return {
        "id": chapter.id,
        "story_id": chapter.story_id,
        "child_id": chapter.child_id,
        "parent_id": chapter.parent_id,
        "chapter_number": chapter.number,
        "theme": chapter.theme,
        "title": chapter.title,
        "choice": chapter.choice or None,
        "custom_user_input": chapter.idea or None,
        "choices": list(chapter.choices),
        "choice_question": chapter.choice_question,
        "is_last": chapter.is_last,
        "bedtime": chapter.bedtime,
        "recap": chapter.recap,
        "educational_elements": list(chapter.educational_elements),
        "estimated_reading_time": chapter.reading_minutes,
        "vocabulary_level": chapter.vocabulary_level,
        "grade": chapter.grade,
        "words": chapter.words,
        "safety_score": chapter.safety_score,
        "checked_by": list(chapter.checked_by),
        "withheld": chapter.withheld,
        "engine": chapter.engine,
        "fallback": chapter.fallback,
        "outcome": chapter.outcome,
        "error_code": chapter.error_code,
        "stream_id": chapter.stream_id,
        "first_chunk_ms": chapter.first_chunk_ms,
        "duration_ms": chapter.duration_ms,
        "created_at": moment(chapter.created_at),
        "finished_at": None if chapter.finished_at is None else moment(chapter.finished_at),
        "story_content": None if chapter.memory is None else chapter.text,
    }


def moment(at: datetime) -> str:
    """A moment as it is told: `2026-01-15T13:00:00.123456Z`."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _story(story: Story) -> dict[str, Any]:
    return {
        "id": story.id,
        "child_id": story.child_id,
        "title": story.title,
        "theme": story.theme,
        "length": story.length,
        "chapters_told": story.told,
        "recap": story.recap,
        "has_ended": story.has_ended,
        "created_at": moment(story.created_at),
        "updated_at": moment(story.updated_at),
    }


def _in_tree(shown: StoryShown, chapter: Chapter) -> dict[str, Any]:
    on_path = next((one for one in shown.path if one.place_id == chapter.place_id), None)
    told = chapter_json(on_path or chapter)
    return {
        **told,
        "is_shown": on_path is not None,
        "tries": [one.id for one in shown.tries(chapter)],
        "next": [one.id for one in shown.after(chapter)],
    }
