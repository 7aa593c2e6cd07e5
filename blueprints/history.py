"""All conversations of a person, with every assistant: the page, the panel beside a chat, the palette, what is new."""

import zoneinfo
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from flask import Blueprint, Response, current_app, jsonify, render_template, request

from blueprints import identity, negotiate, transcript, tutor_pages
from blueprints.dialects.plain import plain
from blueprints.extensions import services
from services import errors
from services.store import bookmarks, conversations, search
from services.store.conversations import Conversation
from services.store.database import Session
from services.store.search import Found
from services.store.words import CLOSE, OPEN
from services.streaming.events import UserId

blueprint = Blueprint("history", __name__)

NAMES: Final = {"tutor": "Tutor", "stories": "Stories", "todos": "Todos", "study": "Study chat", "search": "Search"}
_PAGE: Final = 30
_PANEL: Final = 40
_FOUND: Final = 12
# What is shown of a bookmarked answer.
_BEGINNING: Final = 240
_Q_CHARS: Final = 200
# How far back the way to the conversation before is looked for.
_NEAR: Final = 200
# What a page of the tutor calls the conversation about a problem.
_OF_PAGE: Final = "page-"

Piece = tuple[str, bool]


@dataclass(frozen=True, slots=True)
class Row:
    """A conversation in a list.

    Attributes:
        title, snippet: Pieces of text, each with whether it was looked for; a snippet may be empty.
        at: When it was last used, in its person's zone.
        url: Where it is read, at the message that was found.
    """

    id: str
    assistant: str
    plain_title: str
    title: Sequence[Piece]
    snippet: Sequence[Piece]
    unread: bool
    at: datetime
    url: str


@blueprint.app_context_processor
def _for_layout() -> dict[str, Any]:
    """What the scripts of every page need to know of streams."""
    settings = services().settings
    facts = {"retry_attempts": settings.stream_retry_attempts, "heartbeat_s": settings.stream_heartbeat_s}
    return {"streams": facts}


@blueprint.get("/history")
def page() -> str:
    """All my conversations, searched and filtered by a plain GET form."""
    user = identity.require().user
    asked = _asked()
    if request.args.get("bookmarked"):
        return _bookmarked(asked)
    rows = _rows(asked, limit=_PAGE + 1)
    # Where a form on the page leads back to: the list as it stands.
    here = request.full_path.rstrip("?")
    older = rows[_PAGE - 1].id if len(rows) > _PAGE else ""
    return render_template(
        "history/page.html", user=user, rows=rows[:_PAGE], older=older, here=here, names=_names(), **asked
    )


def _bookmarked(asked: Mapping[str, str]) -> str:
    """The answers that I keep in mind, each with the way to where it stands."""
    user = identity.require().user
    only: dict[str, Any] = {**asked, "assistant": asked["assistant"] or None, "before": asked["before"] or None}
    found = services().database.run(bookmarks.listing, user.id, limit=_PAGE + 1, **only)
    zone, rows = _zone(user.zone), found[:_PAGE]
    kept = [
        {
            "url": f"/conversations/{row.conversation_id}?at={row.message_id}",
            "title": row.title,
            "assistant": row.assistant,
            "beginning": plain(row.beginning)[:_BEGINNING],
            "message_id": row.message_id,
            "at": row.created_at.astimezone(zone),
        }
        for row in rows
    ]
    older = rows[-1].message_id if len(found) > _PAGE else ""
    return render_template(
        "history/page.html", user=user, rows=[], kept=kept, bookmarked=True, older=older, names=_names(), **asked
    )


@blueprint.get("/history/panel")
def panel() -> str:
    """The latest conversations with one assistant, for the side of its pages."""
    asked = {**_asked(), "before": "", "q": ""}
    rows = _rows(asked, limit=_PANEL)
    return render_template(
        "history/_latest.html", rows=rows, current=request.args.get("current", ""), names=_names(), **asked
    )


@blueprint.get("/history/find")
def find() -> str:
    """What the palette shows for some words: pages of the site, and conversations with whichever assistant."""
    q = _q()
    rows = _rows({"q": q, "assistant": "", "before": ""}, limit=_FOUND)
    words = q.casefold().split()
    places = [(path, name) for path, name in _places() if all(word in name.casefold() for word in words)]
    return render_template("history/_found.html", q=q, rows=rows, places=places, names=NAMES)


@blueprint.get("/history/unread")
def unread() -> Response:
    """In how many conversations an answer waits to be seen, and whether one is on its way."""
    user_id = UserId(identity.require().user.id)
    count = services().database.run(conversations.unread_count, user_id)
    is_running = False
    with suppress(errors.Unavailable):
        is_running = bool(services().log.running(user_id))
    return jsonify(unread=count, running=is_running)


@blueprint.get("/history/beside")
def beside() -> Response:
    """On to the conversation before or after another one with the same assistant, in the order of the list."""
    user_id, current = identity.require().user.id, request.args.get("current", "")
    found = services().database.run(_beside, user_id, current, back=request.args.get("way") == "previous")
    return negotiate.see_other(f"/conversations/{found}" if found else "/history")


@blueprint.get("/conversations/<conversation_id>")
def conversation(conversation_id: str) -> Response | str:
    """On to the page where a conversation goes on; one that no page holds is shown here."""
    user = identity.require().user
    row = services().database.run(conversations.get, user.id, conversation_id)
    place = _PLACE_OF.get(row.assistant, _nowhere)(user.id, row)
    if place:
        at = request.args.get("at", "")
        mark = "&" if "?" in place else "?"
        return negotiate.see_other(f"{place}{mark}{urlencode({'at': at})}#at" if at else place)
    _, turns = transcript.of_conversation(user.id, conversation_id)
    return render_template("history/conversation.html", user=user, conversation=row, turns=turns, names=NAMES)


@blueprint.get("/conversations/<conversation_id>/turns")
def turns(conversation_id: str) -> str:
    """Turns of a conversation before or after those that a page shows, to be put in beside them."""
    user = identity.require().user
    _, found = transcript.of_conversation(user.id, conversation_id)
    return render_template("components/_turns.html", user=user, turns=found)


def pieces(text: str) -> list[Piece]:
    """A text of which some words stand between \\x02 and \\x03, in pieces: each with whether it stood there."""
    found = []
    for part in text.split(OPEN):
        marked, is_marked, rest = part.partition(CLOSE)
        found += [(marked, True), (rest, False)] if is_marked else [(part, False)]
    return [piece for piece in found if piece[0]]


def _q() -> str:
    return request.args.get("q", "").strip()[:_Q_CHARS]


def _asked() -> dict[str, str]:
    """What the list is to hold; an assistant that there is not counts for any."""
    assistant = request.args.get("assistant", "")
    return {
        "q": _q(),
        "assistant": assistant if assistant in _names() else "",
        "before": request.args.get("before", ""),
    }


def _names() -> dict[str, str]:
    return {name: NAMES[name] for name in services().assistants}


def _rows(asked: Mapping[str, str], *, limit: int) -> list[Row]:
    user = identity.require().user
    zone = _zone(user.zone)
    return [_row(found, zone) for found in services().database.run(_listed, user.id, asked, limit)]


def _listed(session: Session, user_id: int, asked: Mapping[str, str], limit: int) -> list[Found]:
    only: dict[str, Any] = {"assistant": asked["assistant"] or None, "before": asked["before"] or None, "limit": limit}
    if asked["q"]:
        return search.find(session, user_id, asked["q"], **only)
    return [Found(row, "") for row in conversations.listing(session, user_id, **only)]


def _row(found: Found, zone: zoneinfo.ZoneInfo) -> Row:
    row, snippet = found.conversation, found.snippet
    title, shown = [(row.title, False)], pieces(snippet)
    if "".join(text for text, _ in shown) == row.title:
        # It is the title that has been found.
        title, shown = shown, []
    else:
        shown = pieces(plain(snippet))
    url = f"/conversations/{row.id}" + (f"?at={found.message_id}" if found.message_id else "")
    return Row(row.id, row.assistant, row.title, title, shown, row.unread, row.updated_at.astimezone(zone), url)


def _zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return zoneinfo.ZoneInfo("UTC")


def _places() -> Iterator[tuple[str, str]]:
    """Pages that the palette leads to; those that this site has."""
    has = {rule.rule for rule in current_app.url_map.iter_rules()}
    for path, name in (
        ("/study", "New study conversation"),
        ("/tutor", "Tutor: problems"),
        ("/stories", "Stories: the shelf, and a new one"),
        ("/stories/review", "Stories: what was held back"),
        ("/todos", "Todos"),
        ("/study/cards", "Flashcards"),
        ("/search", "New search in your documents"),
        ("/search/bases", "Documents to search"),
        ("/media", "Files"),
        ("/points", "Points"),
        ("/history", "History: all conversations"),
        ("/account", "Account"),
    ):
        if path in has:
            yield path, name


def _beside(session: Session, user_id: int, current: str, *, back: bool) -> str | None:
    """The neighbour of a conversation, or itself at the end of the list; of one that is unknown the newest of all."""
    try:
        row = conversations.get(session, user_id, current)
    except errors.NotFound:
        return next((one.id for one in conversations.listing(session, user_id, limit=1)), None)
    of_it: dict[str, Any] = {"assistant": row.assistant}
    if not back:
        older = [one.id for one in conversations.listing(session, user_id, before=row.id, limit=1, **of_it)]
        return older[0] if older else row.id
    newer = [one.id for one in conversations.listing(session, user_id, limit=_NEAR, **of_it)]
    place = newer.index(row.id) if row.id in newer else 0
    return newer[max(place - 1, 0)]


def _nowhere(user_id: int, row: Conversation) -> str:
    del user_id, row
    return ""


def _in_study(user_id: int, row: Conversation) -> str:
    del user_id
    return f"/study/{row.id}"


def _in_search(user_id: int, row: Conversation) -> str:
    del user_id
    return f"/search/{row.id}"


def _in_book(user_id: int, row: Conversation) -> str:
    del user_id
    return f"/stories/{row.id}"


def _at_list(user_id: int, row: Conversation) -> str:
    del user_id
    return f"/todos?session={row.id}"


def _at_problem(user_id: int, row: Conversation) -> str:
    """The page of the problem, for a conversation that was begun there, while there is that problem."""
    name = row.client_name or ""
    if not name.startswith(_OF_PAGE):
        return ""
    problem_id = name.removeprefix(_OF_PAGE)
    try:
        tutor_pages.problem_of(user_id, problem_id)
    except errors.NotFound:
        return ""
    return f"/tutor/{problem_id}"


_PLACE_OF: Final[Mapping[str, Callable[[int, Conversation], str]]] = {
    "study": _in_study,
    "search": _in_search,
    "stories": _in_book,
    "todos": _at_list,
    "tutor": _at_problem,
}
