"""What stands between a browser that is handed over to a child and everything that is not the child's.

The state is the session's, on the server: a cookie that was kept from before changes nothing. Closed by default:
a route is open to children only if its view is marked by `identity.for_children`, and what its address names (a
child, a story, a stream) must be this child's. See docs/decisions/0016.
"""

from collections.abc import Mapping
from typing import Any

from flask import g, request

from blueprints import identity
from blueprints.extensions import services
from services.errors import ChildScreen, NotFound
from services.streaming.wire import parse_event_id


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
    try:
        story = services().stories.story(identity.require().user.id, story_id)
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
    found = services().stories.story_of_stream(identity.require().user.id, stream_id)
    if found is None:
        raise ChildScreen
    check_child(found[1])


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
