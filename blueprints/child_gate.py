"""What stands between a browser that is handed over to a child and everything that is not the child's.

The state is the session's, on the server: a cookie that was kept from before changes nothing. Closed by default:
a route is open to children only if its view is marked by `identity.for_children`, and what its address names (a
child, a story, a stream) must be this child's. See docs/decisions/0016.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from flask import Response, g, request, session

from blueprints import identity
from blueprints.extensions import services
from services.errors import ChildScreen, NotFound
from services.store.base import utc_now
from services.store.children import Child
from services.stories import bedtime
from services.streaming.wire import parse_event_id

if TYPE_CHECKING:
    from services.assistants.stories.input import StoryInput

# What ids look like; anything else names nothing.
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
# What the signed cookie says of the screen: {bedtime, ideas}.
SCREEN: Final = "story_screen"
# Tells the scripts of pages that are still open, and nobody else, that the browser was handed over.
_MARK: Final = "rill_screen"


def guard() -> None:
    """Let an adult pass, and a child where it may go. Sets `g.child_id`: None unless the browser is a child's.

    Raises:
        ChildScreen: The browser is handed over, and this is not for the child: 303 to its shelf, or 403.
        Unavailable: The database is away.
    """
    g.child_id = None
    is_open = identity.is_for_children(request.endpoint)
    # The same for everybody, such as a style sheet: no need to know who asks.
    if is_open and identity.access_of(request.endpoint) == "public":
        return
    g.child_id = identity.child_of_session()
    if g.child_id is None:
        return
    # A child has no tokens: whoever sends one beside this cookie gets no further by it.
    if not is_open or identity.sends_credentials() or _asks_for_an_adults_view():
        raise ChildScreen
    _check_named({**request.args.to_dict(), **(request.view_args or {})})
    # A cursor names a stream too, and wins over all else where a GET starts or follows one.
    for sent in (request.headers.get("Last-Event-ID"), request.args.get("last_event_id")):
        place = parse_event_id(sent or "")
        if place is not None:
            check_stream(place[0])


def check_child(child_id: object) -> None:
    """Refuse another child's things, where a request's body names whose they are. Adults pass.

    Raises:
        ChildScreen: It is not the child whose screen this is.
    """
    if g.child_id is not None and str(child_id) != str(g.child_id):
        raise ChildScreen


def check_story(story_id: str) -> None:
    """Refuse a story that is not this child's. Adults pass.

    Raises:
        ChildScreen: Unknown, or not the story of the child whose screen this is.
        Unavailable: The database is away.
    """
    if g.child_id is None:
        return
    if not _ID.fullmatch(story_id):
        raise ChildScreen
    try:
        story = services().stories.about(identity.require().user.id, story_id)
    except NotFound:
        raise ChildScreen from None
    check_child(story.child_id)


def check_stream(stream_id: str) -> None:
    """Refuse a stream that is not one of this child's stories. Adults pass.

    Raises:
        ChildScreen: Unknown, or not a story of the child whose screen this is.
        Unavailable: The database is away.
    """
    if g.child_id is None:
        return
    is_named = _ID.fullmatch(stream_id)
    found = services().stories.story_of_stream(identity.require().user.id, stream_id) if is_named else None
    if found is None:
        raise ChildScreen
    check_child(found[1])


def by_the_screen(sent: "StoryInput") -> "StoryInput":
    """A chapter as it may be asked for here: on a child's screen for this child, and calmly at bedtime. Adults pass.

    Raises:
        ChildScreen: It is for another child.
    """
    check_child(sent.child_id)
    return replace(sent, bedtime=True) if is_dimmed() else sent


def check_own_words(*texts: str) -> None:
    """Refuse words of one's own where the adult has not allowed them. Adults pass.

    Raises:
        ChildScreen: A child sends some, and may not.
    """
    if g.child_id is not None and any(texts) and not may_have_ideas():
        raise ChildScreen


def may_have_ideas() -> bool:
    """Whether whoever reads may say in own words what is to happen next."""
    return g.child_id is None or _has("ideas")


def is_dimmed() -> bool:
    """Whether its adult handed the screen over for bedtime. Asks nobody."""
    return _has("bedtime")


def is_bedtime(child: Child) -> bool:
    """Whether this screen is in its night mode: its adult said so, or the child's bedtime has begun."""
    return is_dimmed() or bedtime.is_bedtime(child.bedtime, utc_now(), identity.require().user.zone)


def dress(response: Response) -> None:
    """Keep the mark that open pages look at as the session has it (static/js/handed.js)."""
    found = g.get("identity")
    if found is None or found.kind != "cookie":
        return
    is_child, is_marked = g.get("child_id") is not None, _MARK in request.cookies
    if is_child and not is_marked:
        response.set_cookie(_MARK, "child", samesite="Lax", secure=request.is_secure)
    elif is_marked and not is_child:
        response.delete_cookie(_MARK, samesite="Lax", secure=request.is_secure)


def _has(name: str) -> bool:
    """What the adult chose when the browser was handed over."""
    return g.get("child_id") is not None and bool((session.get(SCREEN) or {}).get(name))


def _asks_for_an_adults_view() -> bool:
    """The HTML flavour of a stream is made for the pages of adults; a child's page reads the events."""
    return identity.access_of(request.endpoint) == "stream" and request.args.get("view") == "html"


def _check_named(names: Mapping[str, Any]) -> None:
    """Whatever an address names must be this child's."""
    if "child_id" in names:
        check_child(names["child_id"])
    if "story_id" in names:
        check_story(names["story_id"])
    if "stream_id" in names:
        check_stream(names["stream_id"])
