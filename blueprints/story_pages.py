"""Stories in an adult's browser: whose story, about what, the shelf; and what follows a form that starts a chapter.

The child's screen is `story_child`; reading a story is `story_book`, profiles are `child_pages`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flask import Blueprint, Response, g, render_template, request
from limits.errors import StorageError

from blueprints import answered, errors, identity, negotiate, story_book, transcript
from blueprints.conversations import settle_ended
from blueprints.dialects.chapters import Telling
from blueprints.extensions import services
from services import when
from services.assistants.stories.input import MAX_IDEA_CHARS, USUAL_LENGTH
from services.errors import AppError, Unavailable
from services.store.base import utc_now
from services.store.children import Child
from services.store.stories import StorySummary
from services.stories import themes
from services.stories.ages import band
from services.stories.themes import Theme

blueprint = Blueprint("story_pages", __name__)

ASK_URL: Final = "/api/v1/stories/generate/stream"
# So many stories are shown at once; a search finds the others.
SHOWN: Final = 60
_LOOKED_AT: Final = 1000
_Q_CHARS: Final = 100
_MARK_CHARS: Final = 8
_LENGTHS: Final = (("short", "Short"), ("medium", "Medium"), ("long", "Long"))
# What a form that starts a chapter can be sent again for.
_MISTAKES: Final = frozenset({400, 404, 409, 413, 429, 503})


@dataclass(frozen=True, slots=True)
class Book:
    """A story on the shelf.

    Attributes:
        theme: None if it is one that this site has no more.
        chapters: How many it is to have.
        at: When something was last done to it, in words.
    """

    summary: StorySummary
    theme: Theme | None
    chapters: int
    at: str

    @property
    def id(self) -> str:
        return self.summary.story.id

    @property
    def url(self) -> str:
        """Where it is read, at its newest chapter."""
        newest = self.summary.story.told + (1 if self.summary.running else 0)
        return f"/stories/{self.id}#chapter-{max(newest, 1)}"


@blueprint.get("/stories")
def page() -> str:
    """Begin a story, or take one from the shelf; who comes for the first time tells who the child is."""
    settle_ended(me())
    return shown()


def shown(problem: Mapping[str, Any] | None = None, typed: Mapping[str, str] | None = None) -> str:
    """The page.

    Args:
        problem: What was wrong with the form that begins a story.
        typed: What was typed there.
    """
    children = services().stories.children(me())
    q, only = request.args.get("q", "").strip()[:_Q_CHARS], child_asked(children) if len(children) > 1 else None
    books = _books(children, q, only.id if only else None) if children else []
    return render_template(
        "stories/page.html",
        user=identity.require().user,
        children=children,
        **_start(children, problem, typed),
        books=books[:SHOWN],
        more=max(len(books) - SHOWN, 0),
        q=q,
        only=only,
        unseen=services().stories.unseen(me()),
        problem=problem,
    )


def asked(user_id: int, stream_id: str, story_id: str, *, as_fragment: bool) -> Response:
    """A chapter that has been begun, for a page: the way to it, or a page that grows.

    Args:
        stream_id: The chapter's.
        story_id: The story that it belongs to, also when it has just been made.
    """
    turn = transcript.of_stream(user_id, stream_id)
    number = turn.telling.number if turn.telling else 1
    home = f"/stories/child/{story_id}" if g.get("child_id") is not None else f"/stories/{story_id}"
    place = f"{home}#chapter-{number}"
    if as_fragment:
        # A place of its own: another chapter of the page that one is on would not load it.
        fresh = f"{home}?told={stream_id[:_MARK_CHARS]}#chapter-{number}"
        return Response(headers={"HX-Redirect": fresh, "X-Stream-Id": stream_id})
    if g.get("child_id") is not None:
        # The child's own page tells it, and looks again by itself.
        return negotiate.see_other(place)
    return answered.as_page(user_id, stream_id, title="the story", question=_said(turn.telling), back_url=place)


def posted(act: Callable[[], Response]) -> Response:
    """Start a chapter as a form of these pages asks for it; its mistakes come back with what was typed.

    Programs, and a child's screen, get what they get everywhere.
    """
    if g.get("child_id") is not None:
        return act()

    def counted() -> Response:
        try:
            return act()
        except StorageError as away:
            raise Unavailable from away

    try:
        return errors.on_page(counted, lambda problem: Response(_again(problem)))
    except AppError as wrong:
        if not negotiate.is_fragment(request) or errors.status_of(wrong) not in _MISTAKES:
            raise
        response = Response(_piece(errors.problem_of(wrong)), status=errors.status_of(wrong))
        response.headers.update(errors.headers_of(wrong))
        return response


def me() -> int:
    """Whose stories they are."""
    return identity.require().user.id


def said_at(moment: datetime) -> str:
    """A moment in words, by the person's clocks: the time if it is today, else the day."""
    zone = identity.require().user.zone
    local = when.of_instant(moment, zone)
    return f"{local.at:%H:%M}" if local.day == when.today(utc_now(), zone) else when.said_day(local.day)


def child_asked(children: Sequence[Child]) -> Child | None:
    """The child that the address names; None: none, or nobody's that is known here."""
    wanted = request.args.get("child", "")
    return next((child for child in children if str(child.id) == wanted), None)


def _start(
    children: Sequence[Child], problem: Mapping[str, Any] | None, typed: Mapping[str, str] | None
) -> dict[str, Any]:
    """What templates/stories/_start.html takes."""
    usual = child_asked(children) or (children[0] if children else None)
    values = {"child_id": str(usual.id) if usual else "", "theme": "", "chapters": USUAL_LENGTH, **(typed or {})}
    return {
        "themes": list(themes.THEMES.values()),
        "lengths": _LENGTHS,
        "counts": {child.id: band(child.age, child.level).chapters for child in children},
        "values": values,
        "max_idea_chars": MAX_IDEA_CHARS,
        "has_model": services().settings.model_configured,
        "ask_url": ASK_URL,
        "start_problem": problem,
    }


def _again(problem: dict[str, Any]) -> str:
    """The page of the form that was sent, with what was wrong."""
    if request.form.get("from_chapter") and (story_id := request.form.get("story_session")):
        return story_book.again(story_id, problem)
    return shown(problem, request.form)


def _piece(problem: dict[str, Any]) -> str:
    """The same for scripts: the form, or what stands above the choices."""
    if request.form.get("from_chapter"):
        return render_template("stories/_problem.html", problem=problem, child_id=request.form.get("child_id", ""))
    children = services().stories.children(me())
    return render_template("stories/_start.html", children=children, **_start(children, problem, request.form))


def _books(children: Sequence[Child], q: str, child_id: int | None) -> list[Book]:
    """The shelf, unfinished stories first."""
    of = {child.id: child for child in children}
    words = q.casefold().split()
    found = [_book(summary, of) for summary in services().stories.shelf(me(), child_id, limit=_LOOKED_AT)]
    fit = [book for book in found if all(word in _searched(book) for word in words)]
    return sorted(fit, key=lambda book: book.summary.story.has_ended)


def _book(summary: StorySummary, children: Mapping[int, Child]) -> Book:
    story = summary.story
    child = children.get(story.child_id)
    chapters = band(child.age, child.level).chapters.get(story.length, 0) if child else 0
    return Book(summary, themes.THEMES.get(story.theme), max(chapters, story.told), said_at(story.updated_at))


def _searched(book: Book) -> str:
    theme = book.theme.title if book.theme else ""
    return f"{book.summary.story.title} {book.summary.child_name} {theme} {book.summary.story.recap}".casefold()


def _said(telling: Telling | None) -> str | None:
    """What was chosen, for the page without script."""
    return (telling.idea or telling.choice or None) if telling else None
