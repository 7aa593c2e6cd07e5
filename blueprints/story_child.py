"""The child's screen: its shelf, one chapter at a time, what comes next, and what a word means.

What starts a chapter is the same form as everywhere (`stories.tell`). Nothing here tells what its adult may know:
no account, no withheld words, no history.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, Response, g, jsonify, render_template, request

from blueprints import child_gate, conversations, identity, negotiate, streams
from blueprints.addresses import stream_url
from blueprints.errors import CHILD_HOME
from blueprints.extensions import services
from blueprints.stored import answers_of, settle_ended
from services.assistants.stories.input import MAX_IDEA_CHARS
from services.errors import NotFound, Unavailable
from services.llm.builtin import NAME as BUILT_IN
from services.store.base import utc_now
from services.store.chapters import Chapter
from services.store.children import Child
from services.store.story_shown import StoryShown
from services.stories import words
from services.stories.ages import band
from services.stories.bedtime import begins_in_s
from services.stories.themes import THEMES
from services.streaming.events import StreamId

blueprint = Blueprint("story_child", __name__)

ADULT_HOME: Final = "/stories"
# So many stories are looked through at once.
_ON_A_SHELF: Final = 24
SURPRISE: Final = "surprise me"
# At night everything is a little slower.
_NIGHT_PACE: Final = 0.8
# A chapter that ended so recently is still being read for the first time.
_FRESH_S: Final = 15 * 60
_PARAGRAPHS: Final = re.compile(r"\n{2,}")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’\u2010-][^\W\d_]+)*")
_MAX_WORD_CHARS: Final = 40
_UNKNOWN_WORD: Final = "Ask a grown-up about this word. It is a good one to know."


@dataclass(frozen=True, slots=True)
class Page:
    """A chapter as the child's page shows it.

    Attributes:
        paragraphs: Those that are whole.
        rest: What has come of the next one.
        live: Where more of it comes from; empty once it has ended.
        cursor: The last event that is in the text.
        is_fresh: Whether it is read for the first time, so that it is shown at the pace of reading.
    """

    chapter: Chapter
    paragraphs: Sequence[str]
    rest: str
    live: str
    cursor: str
    is_fresh: bool


@blueprint.app_template_global()
def screen_is_dimmed() -> bool:
    """For pages that know no child, such as a refusal's: whether its adult has said that it is bedtime."""
    return child_gate.is_dimmed()


@blueprint.get("/stories/child")
@identity.for_children
def shelf() -> Response:
    """The child's own shelf, what to go on with, and what a new story could be about."""
    if g.child_id is None:
        return negotiate.see_other(ADULT_HOME)
    conversations.settle_ended(_me())
    child = _child()
    before = request.args.get("before") or None
    books = services().stories.shelf(_me(), child.id, before=before, limit=_ON_A_SHELF + 1)
    unfinished = [book for book in books if not book.story.has_ended]
    return _page(
        "stories/child/shelf.html",
        child,
        books=books[:_ON_A_SHELF],
        older=books[_ON_A_SHELF - 1].story.id if len(books) > _ON_A_SHELF else None,
        go_on=unfinished[0] if unfinished and before is None else None,
        themes=THEMES,
    )


@blueprint.get("/stories/child/<story_id>")
@identity.for_children
def story(story_id: str) -> Response:
    """A chapter to read: the newest of the path, or the one that the address names."""
    if g.child_id is None:
        return negotiate.see_other(f"{ADULT_HOME}/{story_id}")
    return _chapter_page("stories/child/story.html", story_id)


@blueprint.get("/stories/child/<story_id>/next")
@identity.for_children
def next_(story_id: str) -> Response:
    """What stands below a chapter that has just been told: its choices, or its end."""
    if g.child_id is None:
        return negotiate.see_other(f"{ADULT_HOME}/{story_id}")
    return _chapter_page("stories/child/_next.html", story_id)


@blueprint.post("/stories/child/<story_id>/again")
@identity.for_children
def again(story_id: str) -> Response:
    """Go on with a chapter that broke off, or tell it from the beginning if nothing of it is there."""
    settle_ended(_me())
    _, chapter = _found(story_id, request.form.get("chapter", ""))
    # Pressed twice, or told on another device meanwhile: it goes on already.
    if chapter is not None and not chapter.is_running and not chapter.is_complete:
        streams.restarted(_me(), chapter.stream_id, from_partial=bool(chapter.text.strip()))
    return negotiate.see_other(f"{CHILD_HOME if g.child_id is not None else ADULT_HOME}/{story_id}")


@blueprint.get("/stories/words/<word>")
@identity.for_children
def meaning(word: str) -> Response:
    """What a word of a story means."""
    return _told(_checked(word))


@blueprint.post("/stories/words/<word>")
@identity.for_children
def ask_meaning(word: str) -> Response:
    """The same; the child's adult finds it on the list of words that were asked."""
    asked = _checked(word)
    if g.child_id is not None:
        found = words.meaning(asked)
        services().stories.note_word(_me(), g.child_id, found.word if found else asked.casefold())
    return _told(asked)


def _checked(word: str) -> str:
    if len(word) > _MAX_WORD_CHARS or not _WORD.fullmatch(word):
        raise NotFound("That is no word.")
    return word


def _told(word: str) -> Response:
    found = words.meaning(word)
    if found is None:
        return jsonify(word=word, meaning=_UNKNOWN_WORD, known=False)
    return jsonify(word=found.word, meaning=found.text, known=True)


def _me() -> int:
    return identity.require().user.id


def _child() -> Child:
    child: Child = services().stories.child(_me(), g.child_id)
    return child


def _chapter_page(template: str, story_id: str) -> Response:
    conversations.settle_ended(_me())
    found, chapter = _found(story_id, request.args.get("chapter", ""))
    if chapter is None:
        return negotiate.see_other(CHILD_HOME)
    at = found.path.index(chapter)
    others = found.after(chapter)
    after = found.path[at + 1] if at + 1 < len(found.path) else (others[-1] if others else None)
    return _page(
        template,
        found.child,
        story=found.story,
        theme=THEMES.get(found.story.theme),
        page=_shown(chapter, is_newest=after is None),
        is_built_in=(chapter.engine or services().engine.name) == BUILT_IN,
        chapter=chapter,
        before=found.path[at - 1] if at else None,
        after=after,
        surprise=SURPRISE,
        max_idea_chars=MAX_IDEA_CHARS,
    )


def _found(story_id: str, chapter_id: str) -> tuple[StoryShown, Chapter | None]:
    """A story, and the chapter of it that is asked for, else the newest of its path; None if none was begun."""
    found = services().stories.story(_me(), story_id, through=chapter_id or None)
    if not chapter_id:
        return found, found.last
    place = next(one.place_id for one in found.chapters if one.id == chapter_id)
    return found, next((one for one in found.path if one.place_id == place), found.last)


def _shown(chapter: Chapter, *, is_newest: bool) -> Page:
    if chapter.is_running:
        standing = _standing(chapter.stream_id)
        # What it goes on from is not among its events.
        turn = answers_of(_me(), chapter.stream_id)[-1].turn or {}
        whole, rest = _parted(str(turn.get("partial") or "") + standing["text"])
        live = stream_url(chapter.stream_id)
        return Page(chapter, whole, rest, live, standing["last_event_id"] if standing["text"] else "", True)
    whole, rest = _parted(chapter.text)
    ended = chapter.finished_at
    is_fresh = is_newest and ended is not None and (utc_now() - ended).total_seconds() < _FRESH_S
    return Page(chapter, [*whole, *([rest] if rest.strip() else [])], "", "", "", is_fresh)


def _standing(stream_id: str) -> dict[str, Any]:
    """How a chapter stands that is being told; while Redis is away nobody knows, and it comes when Redis is back."""
    try:
        return streams.standing(_me(), StreamId(stream_id))
    except Unavailable:
        return {"text": "", "last_event_id": ""}


def _parted(text: str) -> tuple[list[str], str]:
    """The paragraphs that are whole, and what came after the last of them."""
    *whole, rest = _PARAGRAPHS.split(text)
    return [part.strip() for part in whole if part.strip()], rest


def _page(template: str, child: Child, **variables: Any) -> Response:
    zone, now = identity.require().user.zone, utc_now()
    bedtime = child_gate.is_bedtime(child)
    pace = band(child.age, child.level).words_per_minute * (_NIGHT_PACE if bedtime else 1)
    day = services().stories.day(_me(), child.id, zone)
    html = render_template(
        template,
        child=child,
        bedtime=bedtime,
        bedtime_in_s=None if bedtime else begins_in_s(child.bedtime, now, zone),
        may_have_ideas=child_gate.may_have_ideas(),
        is_over_for_today=day.left == 0,
        has_read_today=day.told > 0,
        words_per_minute=round(pace),
        **variables,
    )
    return Response(html)
