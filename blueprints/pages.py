"""Home, and what machines ask of a site: is it up, is it ready, how is it doing."""

import threading
import uuid
from collections.abc import Callable
from typing import Any, Final

import orjson
from flask import Blueprint, Response, copy_current_request_context, render_template

from blueprints import identity
from blueprints.extensions import limiter, services
from services.errors import AppError, Forbidden
from services.store import users
from services.streaming.metrics import CONTENT_TYPE

blueprint = Blueprint("pages", __name__)

# The whole answer comes within 2 s; what hangs longer is not ready.
READY_WITHIN_S: Final = 1.5


@blueprint.app_template_global()
def new_key() -> str:
    """For a form that starts an answer: sent again, as by a reload, it starts none (blueprints.repeats)."""
    return uuid.uuid4().hex


@blueprint.get("/")
@identity.public
def home() -> str:
    """What there is here; the first visitor of a new site is led to the first account."""
    who = identity.optional()
    is_new = who is None and services().database.run(users.count) == 0
    return render_template(
        "home/page.html",
        user=who.user if who else None,
        is_new_site=is_new,
        registration=services().settings.registration,
        assistants=list(services().assistants),
    )


@blueprint.get("/healthz")
@identity.public
@identity.for_children
def health() -> Response:
    """This process answers. Asks nobody else."""
    return _json({"status": "ok"})


@blueprint.get("/readyz")
@identity.public
@identity.for_children
def ready() -> Response:
    """Whether people can be served: Redis and the database answer. Says who would speak, too."""
    parts = standing()
    is_ready = all(parts.values())
    report = {name: "ok" if is_up else "away" for name, is_up in parts.items()}
    settings = services().settings
    report["model"] = "configured" if settings.model_configured else "built-in"
    response = _json({"status": "ready" if is_ready else "not ready", **report})
    if not is_ready:
        response.status_code = 503
        response.headers["Retry-After"] = "2"
    return response


@blueprint.get("/metrics")
def metrics() -> Response:
    """Figures for Prometheus; for admins."""
    if not identity.require().user.is_admin:
        raise Forbidden
    wired = services()
    figures = wired.metrics.expose(runs=wired.runs.active, viewers=wired.hub.viewers)
    return Response(figures, content_type=CONTENT_TYPE)


def standing() -> dict[str, bool]:
    """What people are served from, and whether it answers in time."""
    return _checked({"redis": limiter().storage.check, "database": _database_answers})


def _database_answers() -> bool:
    try:
        services().database.run(users.by_id, 0)
    except AppError:
        return False
    return True


def _checked(checks: dict[str, Callable[[], bool]]) -> dict[str, bool]:
    """Ask all at once. A part that has not answered in time counts as away; its asking ends by itself."""
    answers: dict[str, bool] = {}

    def ask(name: str, check: Callable[[], bool]) -> None:
        answers[name] = check()

    asking = [
        threading.Thread(target=copy_current_request_context(ask), args=item, daemon=True) for item in checks.items()
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(READY_WITHIN_S / len(asking))
    return {name: answers.get(name, False) for name in checks}


def _json(value: dict[str, Any]) -> Response:
    return Response(orjson.dumps(value), content_type="application/json")
