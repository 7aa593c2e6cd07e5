"""Who sends this request: session cookie, bearer token or stream ticket -> user. Nobody else reads credentials.

Every route needs a login unless its view says otherwise with one of the decorators below; the check
stands before every view (`security.py`), so that a forgotten one fails closed.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from flask import current_app, g, request, session
from flask_login import current_user, login_user, logout_user

from blueprints import tickets
from blueprints.extensions import login_manager, services
from services.errors import NotFound, NotSignedIn
from services.store import sessions, tokens, users
from services.store.users import User

Kind = Literal["cookie", "jwt", "token", "ticket"]
Access = Literal["login", "public", "stream", "start"]
View = TypeVar("View", bound=Callable[..., Any])

UNKNOWN_STREAM: Final = "Stream not found"
_MARK: Final = "rill_access"
_CHILDREN: Final = "rill_for_children"
_BEARER: Final = "bearer"
# A stream's bare id in `?token=`; nothing that looks like a signed token passes for one.
_STREAM_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody, and how they showed it.

    Attributes:
        kind: A cookie travels by itself, so that its writes need a CSRF token; the others do not.
        ticket_stream: The only stream that a ticket opens; None for all other kinds.
    """

    user: User
    kind: Kind
    ticket_stream: str | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A browser's session as flask-login wants it; its id is the row in `sessions`.

    Attributes:
        child_id: To whom the browser has been handed over; None while it is an adult's.
    """

    user: User
    session_id: str
    child_id: int | None = None
    is_authenticated: bool = True
    is_active: bool = True
    is_anonymous: bool = False

    def get_id(self) -> str:
        return self.session_id


def public(view: View) -> View:
    """Mark a view that anybody may call."""
    return _mark(view, "public")


def subscribes(view: View) -> View:
    """Mark a GET view that reads a stream; it calls `for_stream` and takes `?token=`."""
    return _mark(view, "stream")


def starts(view: View) -> View:
    """Mark a GET view that may start a run: `?token=` takes a login JWT, cross-site requests are refused."""
    return _mark(view, "start")


def for_children(view: View) -> View:
    """Mark a view that a browser may call while it is handed over to a child; all others are closed to it then.

    What of the family's things the view may show is checked by `child_gate`: `g.child_id` says whose screen it is.
    """
    setattr(view, _CHILDREN, True)
    return view


def is_for_children(endpoint: str | None) -> bool:
    """Whether a route may be called from a child's screen."""
    return bool(getattr(current_app.view_functions.get(endpoint or ""), _CHILDREN, False))


def access_of(endpoint: str | None) -> Access:
    """What a route asks of its callers."""
    view = current_app.view_functions.get(endpoint or "")
    access: Access = getattr(view, _MARK, "login")
    return access


def require() -> Identity:
    """Who sends this request.

    Raises:
        NotSignedIn: Nobody, or a bearer token that is no longer good.
        Unavailable: The database is away.
    """
    found = optional()
    if found is None:
        raise NotSignedIn
    return found


def optional() -> Identity | None:
    """Who sends this request, or None for nobody. Looked up once for each request.

    Raises:
        NotSignedIn: A bearer token was sent that is not good: a cookie beside it does not count then.
        Unavailable: The database is away.
    """
    if "identity" not in g:
        g.identity = _resolve()
    found: Identity | None = g.identity
    return found


def for_stream(stream_id: str | None) -> tuple[Identity, str]:
    """Who reads which stream, on a GET route that streams.

    Args:
        stream_id: From the path; None where `?token=` names the stream (the tutor's `/v1/tutor/stream`).

    Returns:
        The reader and the stream's id. That the stream is theirs is for the caller to check, except
        for a ticket, which has been.

    Raises:
        NotSignedIn: No credentials that count.
        NotFound: An unknown, expired or ended token where it must name the stream, or a ticket that does not
            fit its bearer or the path.
        Unavailable: The database is away.
    """
    if g.get("stream_asked", ()) != (stream_id,):
        g.stream_found = _reader(stream_id)
        g.stream_asked = (stream_id,)
    found: tuple[Identity, str] = g.stream_found
    return found


def sign_in(user: User) -> None:
    """Open a browser session for the user and put it into the response's cookie.

    Raises:
        Unavailable: The database is away; nothing has changed then.
    """
    agent = request.user_agent.string[:300]
    row = services().database.run(sessions.open, user.id, user_agent=agent, address=request.remote_addr or "")
    # Whatever the cookie held belonged to nobody, or to somebody else: a new CSRF secret included.
    session.clear()
    session.permanent = True
    login_user(SignedIn(user, row.id))
    g.identity = Identity(user, "cookie")
    g.session_id = row.id


def sign_out() -> None:
    """End this browser's session, in the database and in the cookie.

    Raises:
        Unavailable: The database is away; nothing has changed then.
    """
    found = optional()
    if found is not None and found.kind == "cookie":
        with suppress(NotFound):  # ended from another device at this moment
            services().database.run(sessions.close, found.user.id, g.session_id)
    logout_user()
    session.clear()
    g.identity = None


def current_session_id() -> str | None:
    """The row of this browser's session, if that is how the request identified itself."""
    found = optional()
    return g.session_id if found is not None and found.kind == "cookie" else None


def child_of_session() -> int | None:
    """To whom the browser of this request has been handed over, whatever else it sends; None for an adult or nobody.

    Raises:
        Unavailable: The database is away.
    """
    return current_user.child_id if current_user.is_authenticated else None


def sends_credentials() -> bool:
    """Whether the request names somebody by other means than its cookie."""
    scheme = request.headers.get("Authorization", "").partition(" ")[0]
    return scheme.lower() == _BEARER or "token" in request.args


@login_manager.user_loader  # type: ignore[untyped-decorator]
def _signed_in(session_id: str) -> SignedIn | None:
    found = services().database.run(_used_session, session_id, request.remote_addr or "")
    return None if found is None else SignedIn(found[0], session_id, found[1])


def _used_session(s: Any, session_id: str, address: str) -> tuple[User, int | None] | None:
    found = sessions.user_of(s, session_id)
    if found is None:
        return None
    sessions.touch(s, session_id, address=address)
    return found[1], found[0].child_id


def _resolve() -> Identity | None:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    # Other schemes are not for us: a proxy in front of the site may ask for a password of its own.
    if scheme.lower() == _BEARER:
        return _by_bearer(credentials.strip())
    query = request.args.get("token", "") if access_of(request.endpoint) in {"stream", "start"} else ""
    from_query = _by_login_jwt(query) if query else None
    if from_query is not None:
        return from_query
    if not current_user.is_authenticated:
        return None
    g.session_id = current_user.session_id
    return Identity(current_user.user, "cookie")


def _reader(stream_id: str | None) -> tuple[Identity, str]:
    token = request.args.get("token", "")
    ticket = tickets.read_stream_ticket(token)
    if ticket is not None:
        return _by_ticket(ticket, stream_id)
    if stream_id is not None:
        return require(), stream_id
    if optional() is None and not token:
        raise NotSignedIn
    if optional() is None or not _STREAM_ID.fullmatch(token):
        raise NotFound(UNKNOWN_STREAM)
    return require(), token


def _by_bearer(text: str) -> Identity:
    found = _by_login_jwt(text)
    if found is None and text:
        user = services().database.run(tokens.user_of, text)
        found = Identity(user, "token") if user is not None else None
    if found is None:
        raise NotSignedIn
    return found


def _by_login_jwt(text: str) -> Identity | None:
    claims = tickets.read_login_jwt(text)
    if claims is None:
        return None
    user = _of_epoch(*claims)
    return None if user is None else Identity(user, "jwt")


def _of_epoch(user_id: int, epoch: int) -> User | None:
    """The account, if it has not been signed out everywhere since."""
    user = services().database.run(users.by_id, user_id)
    return user if user is not None and user.epoch == epoch else None


def _by_ticket(ticket: tuple[int, int, str], stream_id: str | None) -> tuple[Identity, str]:
    user_id, epoch, ticket_stream = ticket
    other = optional()
    if stream_id not in (None, ticket_stream) or (other is not None and other.user.id != user_id):
        raise NotFound(UNKNOWN_STREAM)
    user = _of_epoch(user_id, epoch)
    if user is None:
        raise NotFound(UNKNOWN_STREAM)
    return Identity(user, "ticket", ticket_stream), ticket_stream


def _mark(view: View, access: Access) -> View:
    setattr(view, _MARK, access)
    return view
