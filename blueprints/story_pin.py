"""Handing a browser to a child and getting it back: by the PIN, by the account's password, or from another device.

The only pages of the child's screen that are meant for adults; none of them tells who the adult is.
"""

import re
from typing import Any, Final

from flask import Blueprint, Response, g, jsonify, render_template, request, session, url_for

from blueprints import auth, body, errors, identity, negotiate
from blueprints.child_gate import SCREEN
from blueprints.errors import CHILD_HOME
from blueprints.extensions import services
from services.errors import FieldError, InvalidInput, NotSignedIn
from services.store import sessions
from services.stories import fields

blueprint = Blueprint("story_pin", __name__)

ADULT_HOME: Final = "/stories"
_CHILD_ID: Final = re.compile(r"[0-9]{1,15}")
_PIN: Final = re.compile(r"[0-9]{4,8}")
_RUNS: Final = ("01234567890", "09876543210")
_NOT_IT: Final = "That was not it. Nothing has changed."


@blueprint.get("/stories/hand-over")
def hand_over_form() -> Response:
    """The form: to whom, whether it is bedtime, and a PIN where there is none yet."""
    return _hand_over_page()


@blueprint.post("/stories/hand-over")
def hand_over() -> Response:
    """Make this browser a child's screen until the PIN, or the password, makes it the adult's again."""
    return errors.on_page(_hand_over, _hand_over_page)


@blueprint.get("/stories/leave")
@identity.for_children
def leave_form() -> Response:
    """Asks for the PIN; an adult's browser has nothing to leave."""
    return _leave_page() if g.child_id is not None else negotiate.see_other(ADULT_HOME)


@blueprint.post("/stories/leave")
@identity.for_children
def leave() -> Response:
    """Make this browser the adult's again."""
    return errors.on_page(_leave, _leave_page)


@blueprint.get("/stories/pin")
def pin_form() -> Response:
    """The PIN, and the devices that are handed over."""
    return _pin_page()


@blueprint.post("/stories/pin")
def set_pin() -> Response:
    """Set the PIN, or another one; the account's password is asked for if there is one already."""
    return errors.on_page(_set_pin, _pin_page)


@blueprint.post("/stories/take-back/<session_id>")
def take_back(session_id: str) -> Response:
    """Make another device of the account the adult's again."""
    services().database.run(sessions.take_back, identity.require().user.id, session_id)
    return negotiate.see_other(url_for(".pin_form"))


def _hand_over() -> Response:
    user_id = identity.require().user.id
    sent = body.fields(request)
    child_id = _child_id(sent)
    pin = None if services().stories.has_pin(user_id) else _new_pin(sent)
    sent.check()
    child = services().stories.child(user_id, fields.known_id(child_id))
    session_id = identity.current_session_id()
    if session_id is None:
        raise InvalidInput([FieldError("child_id", "can be given a browser only, not a program")])
    if pin is not None:
        services().stories.set_pin(user_id, pin)
    services().stories.hand_over(user_id, session_id, child.id)
    g.child_id = child.id
    # In the signed cookie, so that it changes: browsers that keep pages for their Back button drop them then.
    session[SCREEN] = {"bedtime": _is_ticked(sent, "bedtime"), "ideas": _is_ticked(sent, "ideas")}
    response = _shaped({"child_id": child.id, "url": CHILD_HOME}, CHILD_HOME)
    # What was shown before is not this reader's. Heeded by browsers over TLS and on the same machine.
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


def _leave() -> Response:
    if g.child_id is None:
        return _shaped({"url": ADULT_HOME}, ADULT_HOME)
    user = identity.require().user
    sent = body.fields(request)
    pin, password = (sent.text(name, max_chars=auth.MAX_PASSWORD_CHARS, required=False) for name in ("pin", "password"))
    if not pin and not password:
        sent.wrong("pin", "is missing")
    sent.check()
    if password:
        _check_password(str(sent.values["password"]))
        services().stories.unlock_pin(user.id)
    else:
        _check_pin(pin)
    session_id = identity.current_session_id()
    assert session_id is not None, "only a browser's session is handed over"
    services().stories.leave(user.id, session_id)
    session.pop(SCREEN, None)
    g.child_id = None
    return _shaped({"url": ADULT_HOME}, ADULT_HOME)


def _set_pin() -> Response:
    user = identity.require().user
    sent = body.fields(request)
    pin = _new_pin(sent)
    has_one = services().stories.has_pin(user.id)
    password = sent.secret("password", max_chars=auth.MAX_PASSWORD_CHARS) if has_one else ""
    sent.check()
    if has_one:
        _check_password(password)
    services().stories.set_pin(user.id, pin)
    return _shaped({"message": "The PIN is set."}, url_for(".pin_form", done=1))


def _check_pin(pin: str) -> None:
    if not services().stories.check_pin(identity.require().user.id, pin):
        raise InvalidInput([FieldError("pin", "was not right")], _NOT_IT)


def _check_password(password: str) -> None:
    try:
        auth.verify(identity.require().user.email, password)
    except NotSignedIn:
        # Signed in all the same: this is a mistake in a form, and leads to no sign-in page.
        raise InvalidInput([FieldError("password", "was not right")], _NOT_IT) from None


def _child_id(sent: body.Fields) -> str:
    value = str(sent.values.get("child_id") or "")
    if not _CHILD_ID.fullmatch(value):
        sent.wrong("child_id", "must be a child's number" if value else "is missing")
    return value


def _new_pin(sent: body.Fields) -> str:
    """A PIN of 4 to 8 digits, typed twice."""
    pin, again = (str(sent.values.get(name) or "") for name in ("pin", "pin_again"))
    if not _PIN.fullmatch(pin):
        sent.wrong("pin", "must have 4 to 8 digits")
    elif len(set(pin)) == 1 or any(pin in run for run in _RUNS):
        sent.wrong("pin", "is the first that a child would try; choose another")
    elif pin != again:
        sent.wrong("pin_again", "must be the same PIN once more")
    return pin


def _is_ticked(sent: body.Fields, name: str) -> bool:
    return sent.values.get(name) in (True, "true", "1", "on", "yes")


def _shaped(facts: dict[str, Any], url: str) -> Response:
    """Where to go on, for pages; the facts, for programs."""
    return jsonify(facts) if negotiate.wants(request, "page") == "json" else negotiate.see_other(url)


def _hand_over_page(problem: dict[str, Any] | None = None) -> Response:
    user = identity.require().user
    stories = services().stories
    return Response(
        render_template(
            "stories/child/hand_over.html",
            user=user,
            children=stories.children(user.id),
            chosen=request.values.get("child_id", ""),
            needs_pin=not stories.has_pin(user.id),
            problem=problem,
        )
    )


def _leave_page(problem: dict[str, Any] | None = None) -> Response:
    return Response(render_template("stories/child/leave.html", problem=problem))


def _pin_page(problem: dict[str, Any] | None = None) -> Response:
    user = identity.require().user
    rows = services().database.run(sessions.for_user, user.id)
    names = {child.id: child.name for child in services().stories.children(user.id)}
    return Response(
        render_template(
            "stories/child/pin.html",
            user=user,
            has_pin=services().stories.has_pin(user.id),
            handed=[(row, names.get(row.child_id, "")) for row in rows if row.child_id is not None],
            is_done=bool(request.args.get("done")) and problem is None,
            problem=problem,
        )
    )
