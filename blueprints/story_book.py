"""A story as a book, in an adult's browser: its chapters, the choices made, other ways from there, and on paper."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, render_template

from blueprints import identity, transcript
from blueprints.conversations import settle_ended
from blueprints.extensions import services
from services.stories import themes
from services.stories.shelf import StoryShown

blueprint = Blueprint("story_book", __name__)


@dataclass(frozen=True, slots=True)
class Way:
    """Another way that the story took from a chapter, or another beginning of it.

    Attributes:
        message_id: Of a chapter there: what to choose, to read on.
        said: The choice that led there; empty if there was none.
        title: What the chapter is called there.
    """

    message_id: str
    said: str
    title: str


@blueprint.get("/stories/<story_id>")
def page(story_id: str) -> str:
    """The story along the path that was read last."""
    settle_ended(_me())
    return again(story_id, None)


@blueprint.get("/stories/<story_id>/booklet")
def booklet(story_id: str) -> str:
    """The story for paper: a cover, large type, each chapter on a page of its own."""
    settle_ended(_me())
    shown = services().stories.story(_me(), story_id)
    _, turns = transcript.of_conversation(_me(), story_id)
    return render_template(
        "stories/booklet.html",
        user=identity.require().user,
        story=shown.story,
        child=shown.child,
        about=themes.THEMES.get(shown.story.theme),
        chapters=[turn for turn in turns if turn.answer is not None and turn.answer.blocks],
    )


def again(story_id: str, problem: Mapping[str, Any] | None) -> str:
    """The page of a story.

    Args:
        problem: What was wrong with the choice that was sent from it.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    services().stories.about(_me(), story_id)
    conversation, turns = transcript.of_conversation(_me(), story_id)
    # A link to what was found may lead to another way than the one that is read now.
    through = turns[-1].answer_id if turns and turns[-1].is_aside else None
    shown = services().stories.story(_me(), story_id, through=through)
    return render_template(
        "stories/story.html",
        user=identity.require().user,
        story=shown.story,
        child=shown.child,
        conversation=conversation,
        about=themes.THEMES.get(shown.story.theme),
        turns=turns,
        ways=_ways(shown),
        is_running=any(turn.live for turn in turns),
        unseen=services().stories.unseen(_me()),
        problem=problem,
    )


def _me() -> int:
    return identity.require().user.id


def _ways(shown: StoryShown) -> dict[str, list[Way]]:
    """Ways that were taken besides those of the path, by the chapter that they follow ("": from the beginning)."""
    path = {chapter.place_id for chapter in shown.path}
    return {
        chapter.id if chapter else "": [
            Way(other.id, other.idea or other.choice, other.title)
            for other in shown.after(chapter)
            if other.place_id not in path
        ]
        for chapter in (None, *shown.path)
    }
