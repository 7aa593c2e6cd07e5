"""Points: balance, history, own cap, and what a question would cost before it is sent. Pages and API."""

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import click
import orjson
from flask import Blueprint, Response, render_template, request, url_for

from blueprints import body, errors, identity, negotiate
from blueprints.extensions import services
from blueprints.stored import settle_ended
from services.assistants.study.input import StudyInput, parse_message
from services.assistants.study.resolving import path_of
from services.errors import AppError, Unavailable
from services.store import ledger, points
from services.store.database import Session
from services.store.points import Balance, Line

blueprint = Blueprint("points", __name__, cli_group="points")

_PAGE: Final = 50
_MAX_CAP: Final = 10_000_000
# What the page tells of; what is held for answers that run stands beside the balance.
_TOLD: Final = (ledger.GRANT, ledger.SETTLE, ledger.RELEASE)


@blueprint.get("/points")
def page() -> Response:
    """Where I stand, what I spent, and my cap."""
    return _page()


@blueprint.post("/points/cap")
def set_cap_by_form() -> Response:
    """Set my cap, or take it away with an empty field."""
    try:
        _set_cap()
    except AppError as error:
        if errors.shape() != "page":
            raise
        response = _page(problem=errors.problem_of(error))
        response.status_code = errors.status_of(error)
        return response
    return negotiate.see_other(url_for("points.page"))


@blueprint.get("/points/meter")
def meter() -> str:
    """The meter in the header, for htmx."""
    return render_template("points/_meter.html", points=_balance_now())


@blueprint.get("/api/points")
def read() -> Response:
    """Where I stand this month."""
    return _json(_shown(_balance_now()))


@blueprint.get("/api/points/history")
def history() -> Response:
    """My ledger, the newest entry first; `before` is the last id of the page before."""
    limit = _limit(request.args.get("limit", ""))
    before = request.args.get("before") or None
    lines = services().database.run(points.history, identity.require().user.id, before, limit)
    return _json({"entries": [_entry(line) for line in lines], "next": _next(lines, limit)})


@blueprint.put("/api/points/cap")
def set_cap() -> Response:
    """Set my cap; null takes it away."""
    _set_cap()
    return _json(_shown(balance()))


@blueprint.post("/api/points/estimate")
def estimate() -> Response:
    """What a question will probably cost, or at most. Starts and holds nothing."""
    sent = parse_message(_sent())
    # What is in a file that is not here is not known.
    at_most = services().desk.knows_answers and not any(ref.url for ref in sent.media)
    amount, is_cached = _estimated(identity.require().user.id, sent)
    now = balance()
    if negotiate.is_fragment(request):
        told = {"amount": amount, "at_most": at_most, "cached": is_cached, "points": now}
        return Response(render_template("points/_estimate.html", **told))
    told = {"points": amount, "at_most": at_most, "cached": is_cached, "enough": amount <= now.left}
    return _json({**told, **_shown(now)})


@blueprint.cli.command("audit")
def audit() -> None:
    """Compare the ledger with the accounts and what they hold; fails if they differ."""
    found = services().database.run(ledger.audit)
    for row in found:
        click.echo(f"user_id={row.user_id} month={row.month} {row.what}: account {row.account}, ledger {row.ledger}")
    if found:
        raise SystemExit(1)
    click.echo("The books agree.")


def balance() -> Balance:
    """Where the current user stands, for any page that shows the meter."""
    return services().database.run(services().points.balance, identity.require().user.id)


def _balance_now() -> Balance:
    """As `balance`, for whoever has just read an answer to its end: that may be faster than its being paid."""
    with contextlib.suppress(Unavailable):
        settle_ended(identity.require().user.id)
    return balance()


def _estimated(user_id: int, sent: StudyInput) -> tuple[int, bool]:
    """What would be reserved for the question, and whether its answer is known. Fetches nothing."""
    wired = services()
    its_id = sent.interaction_id
    path = wired.database.run(path_of, user_id, its_id, sent.message) if its_id else []
    elsewhere = [ref for ref in sent.media if ref.url]
    here = replace(sent, media=tuple(ref for ref in sent.media if not ref.url))
    facts = wired.desk.facts(user_id, here, path)
    if elsewhere:
        facts = {**facts, "cached": None, "media_count": facts["media_count"] + len(elsewhere)}
    return wired.desk.estimate(sent.message, facts), bool(facts["cached"])


def _sent() -> Mapping[str, Any]:
    values = body.fields(request).values
    repeated = request.form.getlist("media")
    return {**values, "media": [item for item in repeated if item]} if repeated else values


def _set_cap() -> None:
    sent = body.fields(request)
    cap = _whole(sent.values.get("cap"))
    if cap is not None and not 0 <= cap <= _MAX_CAP:
        sent.wrong("cap", f"must be a whole number from 0 to {_MAX_CAP:,}, or empty for none")
    if "cap" not in sent.values:
        sent.wrong("cap", "is missing")
    sent.check()
    services().database.run(points.set_cap, identity.require().user.id, cap)


def _whole(value: Any) -> int | None:
    """A whole number, None for nothing, -1 for everything else."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) <= 12:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def _limit(text: str) -> int:
    return min(max(int(text), 1), _PAGE) if text.isascii() and text.isdigit() and len(text) < 9 else _PAGE


def _page(problem: Mapping[str, Any] | None = None) -> Response:
    user = identity.require().user
    now, lines = services().database.run(_standing, user.id, request.args.get("before") or None)
    html = render_template(
        "points/page.html",
        user=user,
        points=now,
        lines=lines,
        older=_next(lines, _PAGE),
        is_first=not request.args.get("before"),
        prices=services().points.prices,
        problem=problem,
        max_cap=_MAX_CAP,
    )
    response = Response(html)
    response.headers["Cache-Control"] = "no-store"
    return response


def _standing(s: Session, user_id: int, before: str | None) -> tuple[Balance, list[Line]]:
    return services().points.balance(s, user_id), points.history(s, user_id, before, _PAGE, kinds=_TOLD)


def _next(lines: list[Line], limit: int) -> str | None:
    return lines[-1].id if len(lines) == limit else None


def _shown(now: Balance) -> dict[str, Any]:
    return {
        "granted": now.granted,
        "spent": now.spent,
        "reserved": now.reserved,
        "left": now.left,
        "cap": now.cap,
        "used_this_month": now.used_this_month,
        "resets_at": now.resets_at.isoformat(),
    }


def _entry(line: Line) -> dict[str, Any]:
    return {
        "id": line.id,
        "kind": line.kind,
        "month": line.month,
        "granted": line.granted,
        "reserved": line.reserved,
        "spent": line.spent,
        "message_id": line.message_id,
        "conversation_id": line.conversation_id,
        "assistant": line.assistant,
        "title": line.title,
        "created_at": line.created_at.isoformat(),
    }


def _json(value: dict[str, Any]) -> Response:
    response = Response(orjson.dumps(value), content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
