"""A person's own account: password, tokens, sessions, language, zone, export, deletion."""

import contextlib
import json
from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, Response, render_template, request, url_for

from blueprints import agents, auth, body, errors, identity
from blueprints.auth import safe_path
from blueprints.extensions import services
from blueprints.negotiate import see_other
from services import passwords
from services.errors import FieldError, InvalidInput, NotSignedIn, Unavailable
from services.store import conversations, sessions, tokens, users
from services.store.users import User
from services.streaming.events import StreamId, UserId

blueprint = Blueprint("account", __name__, url_prefix="/account")

# Those that are offered, in their own words; tags of BCP 47, as a page's lang attribute takes them.
_LANGUAGES: Final[Mapping[str, str]] = {
    "en": "English", "ar": "العربية", "cs": "Čeština", "da": "Dansk", "de": "Deutsch", "de-CH": "Deutsch (Schweiz)",
    "el": "Ελληνικά", "en-GB": "English (UK)", "es": "Español", "fi": "Suomi", "fr": "Français", "he": "עברית",
    "hi": "हिन्दी", "hu": "Magyar", "id": "Bahasa Indonesia", "it": "Italiano", "ja": "日本語", "ko": "한국어",
    "nb": "Norsk bokmål", "nl": "Nederlands", "pl": "Polski", "pt": "Português", "pt-BR": "Português (Brasil)",
    "ro": "Română", "ru": "Русский", "sv": "Svenska", "tr": "Türkçe", "uk": "Українська", "vi": "Tiếng Việt",
    "zh-Hans": "简体中文", "zh-Hant": "繁體中文",
}  # fmt: skip
_MAX_ZONE_CHARS: Final = 64


@blueprint.get("")
def page() -> Response:
    """Everything about the account on one page."""
    return _page()


@blueprint.post("/password")
def change_password() -> Response:
    """Change the password: ends every session and login token but this browser's."""
    return errors.on_page(_change_password, _page)


@blueprint.post("/profile")
def change_profile() -> Response:
    """Change language and zone."""
    return errors.on_page(_change_profile, _page)


@blueprint.post("/zone")
def change_zone() -> Response:
    """Take the zone of this browser's clock, from the page where days and times matter; then back to it."""
    return errors.on_page(_change_zone, _page)


@blueprint.post("/tokens")
def create_token() -> Response:
    """Make a personal token and show it, once."""
    return errors.on_page(_create_token, _page)


@blueprint.post("/tokens/<int:token_id>/delete")
def revoke_token(token_id: int) -> Response:
    """End a personal token."""
    services().database.run(tokens.revoke, identity.require().user.id, token_id)
    return _done()


@blueprint.post("/sessions/<session_id>/delete")
def end_session(session_id: str) -> Response:
    """Sign out one browser; this one too."""
    if session_id == identity.current_session_id():
        identity.sign_out()
        return see_other(url_for("auth.login_form"))
    services().database.run(sessions.close, identity.require().user.id, session_id)
    return _done()


@blueprint.post("/sessions/delete-others")
def end_other_sessions() -> Response:
    """Sign out everywhere but in this browser; login tokens of API clients end too."""
    user = services().database.run(users.raise_epoch, identity.require().user.id)
    _stay_signed_in(user)
    return _done()


@blueprint.post("/sessions/delete-all")
def end_all_sessions() -> Response:
    """Sign out everywhere; login tokens of API clients end too, personal tokens stay."""
    services().database.run(users.raise_epoch, identity.require().user.id)
    identity.sign_out()
    return see_other(url_for("auth.login_form"))


@blueprint.get("/export")
def export() -> Response:
    """Everything that is kept about the person, as one JSON file."""
    found = services().database.run(users.export, identity.require().user.id)
    response = Response(json.dumps(found, ensure_ascii=False, indent=2), content_type="application/json")
    response.headers["Content-Disposition"] = 'attachment; filename="rill-export.json"'
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/delete")
def delete() -> Response:
    """Delete the account and everything that is kept about it."""
    return errors.on_page(_delete, _page)


def _change_password() -> Response:
    user = identity.require().user
    sent = body.fields(request)
    current = sent.secret("current_password", max_chars=auth.MAX_PASSWORD_CHARS)
    new = auth.new_password(sent, "new_password")
    sent.check()
    _check_current(user, "current_password", current)
    _stay_signed_in(services().database.run(users.set_password, user.id, passwords.make(new)))
    return _done()


def _change_profile() -> Response:
    sent = body.fields(request)
    user = identity.require().user
    language = sent.text("language", max_chars=35)
    zone = sent.text("zone", max_chars=_MAX_ZONE_CHARS)
    if language and language not in _offered(user):
        sent.wrong("language", "must be one of those that are offered, such as en or de-CH")
    if zone and zone not in auth.zones():
        sent.wrong("zone", "must be a time zone such as Europe/Zurich")
    sent.check()
    services().database.run(users.update_profile, user.id, language=language, zone=zone)
    return _done()


def _change_zone() -> Response:
    sent = body.fields(request)
    user = identity.require().user
    zone = sent.text("zone", max_chars=_MAX_ZONE_CHARS)
    if zone and zone not in auth.zones():
        sent.wrong("zone", "must be a time zone such as Europe/Zurich")
    sent.check()
    services().database.run(users.update_profile, user.id, language=user.language, zone=zone)
    return see_other(safe_path(request.values.get("next")))


def _create_token() -> Response:
    sent = body.fields(request)
    name = sent.text("name", max_chars=auth.MAX_TOKEN_NAME_CHARS)
    sent.check()
    _row, plain = services().database.run(tokens.create, identity.require().user.id, name)
    return _page(new_token=plain)


def _delete() -> Response:
    user = identity.require().user
    sent = body.fields(request)
    password = sent.secret("password", max_chars=auth.MAX_PASSWORD_CHARS)
    sent.check()
    _check_current(user, "password", password)
    _stop_answers(UserId(user.id))
    streams = [StreamId(stream_id) for stream_id in services().database.run(conversations.streams_of, user.id)]
    services().database.run(users.delete, user.id)
    # Otherwise the words of the last hour would go with their time to live only.
    with contextlib.suppress(Unavailable):
        services().log.forget(UserId(user.id), streams)
    identity.sign_out()
    return see_other(url_for("pages.home"))


def _stop_answers(user_id: UserId) -> None:
    # Nothing goes on for somebody who is gone, and nobody is left to stop it.
    for stream_id in services().log.running(user_id):
        services().runs.stop(user_id, stream_id)


def _check_current(user: User, field: str, password: str) -> None:
    try:
        auth.verify(user.email, password)
    except NotSignedIn:
        raise InvalidInput([FieldError(field, "is wrong")]) from None


def _stay_signed_in(user: User) -> None:
    if identity.require().kind == "cookie":
        identity.sign_in(user)


def _done() -> Response:
    return see_other(url_for("account.page"))


def _page(problem: dict[str, Any] | None = None, *, new_token: str | None = None) -> Response:
    user, open_sessions, own_tokens = services().database.run(_everything, identity.require().user.id)
    if user is None:
        raise NotSignedIn
    html = render_template(
        "account/page.html",
        user=user,
        sessions=open_sessions,
        current_session_id=identity.current_session_id(),
        tokens=own_tokens,
        new_token=new_token,
        zones=auth.zones(),
        languages=list(_offered(user).items()),
        min_password_chars=auth.MIN_PASSWORD_CHARS,
        problem=problem,
    )
    response = Response(html)
    response.headers["Cache-Control"] = "no-store"
    return response


def _offered(user: User) -> Mapping[str, str]:
    """The languages to choose from; what somebody has from elsewhere stays one of theirs."""
    return _LANGUAGES if user.language in ("", *_LANGUAGES) else {**_LANGUAGES, user.language: user.language}


@blueprint.app_template_filter("browser")
def _browser(user_agent: str) -> str:
    return agents.told(user_agent)


def _everything(s: Any, user_id: int) -> tuple[User | None, list[sessions.SessionRow], list[tokens.TokenRow]]:
    return users.by_id(s, user_id), sessions.for_user(s, user_id), tokens.for_user(s, user_id)
