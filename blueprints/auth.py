"""Registering, signing in and out, and the tokens of API clients."""

import functools
import re
import threading
import zoneinfo
from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from flask import Blueprint, Response, render_template, request, url_for

from blueprints import body, errors, identity, tickets
from blueprints.extensions import count_failed_sign_in, count_registration, refuse_sign_in_if_limited, services
from blueprints.negotiate import see_other
from services import passwords
from services.errors import FieldError, Forbidden, InvalidInput, NotSignedIn
from services.store import invites, tokens, users
from services.store.tokens import TokenRow
from services.store.users import User

blueprint = Blueprint("auth", __name__)

MIN_PASSWORD_CHARS: Final = 8
# Hashing cost grows with length; nobody types more.
MAX_PASSWORD_CHARS: Final = 1000
MAX_EMAIL_CHARS: Final = 254
MAX_TOKEN_NAME_CHARS: Final = 100
# With few checked at a time, a burst of guesses overshoots the limits by no more than that.
_GUESSES: Final = threading.BoundedSemaphore(2)
_WRONG: Final = "The e-mail address or the password is wrong."
# What a mail server would refuse is found out by writing to it; this finds typing errors only.
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
# Browsers drop tabs and newlines from addresses and read a backslash as a slash.
_UNSAFE_IN_PATH: Final = re.compile(r"[\x00-\x1f\x7f\\]")


@blueprint.get("/login")
@identity.public
def login_form() -> Response:
    """The form; who is signed in already goes on."""
    if identity.optional() is not None:
        return see_other(_next())
    return _form("auth/login.html")


@blueprint.post("/login")
@identity.public
def login() -> Response:
    """Sign in and go where the person wanted to go."""
    return errors.on_page(_login, partial(_form, "auth/login.html"))


@blueprint.get("/register")
@identity.public
def register_form() -> Response:
    """The form, if the site takes new people."""
    if identity.optional() is not None:
        return see_other("/")
    if services().settings.registration == "closed":
        raise Forbidden("This site takes no new accounts. Ask its admin for one.")
    return _form("auth/register.html")


@blueprint.post("/register")
@identity.public
def register() -> Response:
    """Make an account and sign it in."""
    return errors.on_page(_register, partial(_form, "auth/register.html"))


@blueprint.post("/logout")
@identity.public
def logout() -> Response:
    """End this browser's session."""
    identity.sign_out()
    return see_other(url_for("auth.login_form"))


@blueprint.post("/api/auth/token")
@identity.public
def token() -> Response:
    """A login JWT for an e-mail address and a password."""
    user = _checked_user()
    access_token, expires_in = tickets.login_jwt(user)
    return _json({"access_token": access_token, "token_type": "Bearer", "expires_in": expires_in})


@blueprint.get("/api/auth/tokens")
def list_tokens() -> Response:
    """My personal tokens, without their text."""
    rows = services().database.run(tokens.for_user, identity.require().user.id)
    return _json([_token_facts(row) for row in rows])


@blueprint.post("/api/auth/tokens")
def create_token() -> Response:
    """A new personal token; the only time that it is shown."""
    sent = body.fields(request)
    name = sent.text("name", max_chars=MAX_TOKEN_NAME_CHARS)
    sent.check()
    row, plain = services().database.run(tokens.create, identity.require().user.id, name)
    return _json({**_token_facts(row), "token": plain}, status=201)


@blueprint.delete("/api/auth/tokens/<int:token_id>")
def revoke_token(token_id: int) -> Response:
    """End a personal token."""
    services().database.run(tokens.revoke, identity.require().user.id, token_id)
    return Response(status=204)


def safe_path(wanted: str | None) -> str:
    """The path to go on to: one of this site's, or `/`."""
    if not wanted or not wanted.startswith("/") or wanted.startswith("//") or _UNSAFE_IN_PATH.search(wanted):
        return "/"
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return "/"
    return "/" if parts.scheme or parts.netloc else wanted


def new_password(sent: body.Fields, name: str) -> str:
    """A password that is about to be set, with the rules for new ones."""
    return sent.secret(name, min_chars=MIN_PASSWORD_CHARS, max_chars=MAX_PASSWORD_CHARS)


def new_credentials(values: Mapping[str, Any]) -> tuple[str, str]:
    """(e-mail address, password) for an account, checked by the rules for new ones.

    Raises:
        InvalidInput: One of them is missing or malformed.
    """
    sent = body.Fields(values)
    email = _email(sent)
    password = new_password(sent, "password")
    sent.check()
    return email, password


def verify(email: str, password: str) -> User:
    """The account, if this is its password. Takes as long for an account that does not exist.

    Raises:
        NotSignedIn: It is wrong; counted against the account and the address.
        RateLimited: Too many were; the password has not been looked at.
        Unavailable: The database is away; limits' `StorageError`: Redis is.
    """
    address = request.remote_addr or ""
    refuse_sign_in_if_limited(email, address)
    with _GUESSES:
        # Again, now that it is our turn: guesses sent all at once were let in together.
        refuse_sign_in_if_limited(email, address)
        user, password_hash = services().database.run(_account, email)
        if user is not None and passwords.matches(password_hash, password):
            return user
        if user is None:
            passwords.matches(None, password)
        count_failed_sign_in(email, address)
    raise NotSignedIn(_WRONG, code="WRONG_CREDENTIALS")


def _login() -> Response:
    identity.sign_in(_checked_user())
    return see_other(_next())


def _register() -> Response:
    settings = services().settings
    if settings.registration == "closed":
        raise Forbidden("This site takes no new accounts. Ask its admin for one.")
    sent = body.fields(request)
    email = _email(sent)
    password = new_password(sent, "password")
    needs_invite = settings.registration == "invite"
    code = sent.text("invite", max_chars=100) if needs_invite else None
    # What the browser says unasked: without it, or with one that nobody knows, the account begins in UTC.
    zone = request.form.get("zone", "")
    sent.check()
    count_registration(request.remote_addr or "")
    user = services().database.run(_create, email, passwords.make(password), code, zone if zone in zones() else "UTC")
    identity.sign_in(user)
    return see_other(_next())


@functools.cache
def zones() -> tuple[str, ...]:
    """The time zones that an account may have. Read once: it walks through hundreds of files."""
    return tuple(sorted(zoneinfo.available_timezones()))


def _create(s: Any, email: str, password_hash: str, code: str | None, zone: str) -> User:
    if code is not None and not invites.use(s, code):
        raise InvalidInput([FieldError("invite", "is unknown, used or expired")])
    return users.create(s, email, password_hash, zone=zone)


def _checked_user() -> User:
    sent = body.fields(request)
    email = _email(sent)
    password = sent.secret("password", max_chars=MAX_PASSWORD_CHARS)
    sent.check()
    return verify(email, password)


def _account(s: Any, email: str) -> tuple[User | None, str | None]:
    user = users.by_email(s, email)
    return user, None if user is None else users.password_hash(s, user.id)


def _email(sent: body.Fields) -> str:
    email = sent.text("email", max_chars=MAX_EMAIL_CHARS)
    if email and not _EMAIL.fullmatch(email):
        sent.wrong("email", "must be an e-mail address")
    return email


def _form(template: str, problem: dict[str, Any] | None = None) -> Response:
    settings = services().settings
    # Asked for no mistake's form: the mistake may be that the database is away.
    is_new = problem is None and settings.registration == "open" and services().database.run(users.count) == 0
    html = render_template(
        template,
        problem=problem,
        email=request.form.get("email", ""),
        next=_next(),
        invite=request.values.get("invite", ""),
        is_new_site=is_new,
        registration=settings.registration,
        min_password_chars=MIN_PASSWORD_CHARS,
    )
    return Response(html)


def _next() -> str:
    return safe_path(request.values.get("next"))


def _json(value: Any, status: int = 200) -> Response:
    response = Response(orjson.dumps(value), status=status, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def _token_facts(row: TokenRow) -> dict[str, Any]:
    return {"id": row.id, "name": row.name, "created_at": row.created_at, "last_used_at": row.last_used_at}
