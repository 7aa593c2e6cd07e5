"""Todos as files in a browser: export, import, and the calendar feed. A sheet above the list, or a page of its own."""

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, Response

from blueprints import security, todo_files
from blueprints.extensions import services
from blueprints.todo_pages import answered_by_sheet, me, sheet, zone
from services import when
from services.store import todo_feeds

blueprint = Blueprint("todo_file_pages", __name__)

_MISTAKES_SHOWN: Final = 20


@blueprint.get("/todos/files")
def files() -> str:
    """What can be done with files."""
    return _sheet()


@blueprint.post("/todos/files/import")
@security.accepts_uploads
def take() -> Response:
    """Take in a file, or a list that was pasted; the rows that are wrong are told."""
    return answered_by_sheet(
        lambda: Response(_sheet(done=todo_files.imported_json(todo_files.imported()))),
        lambda problem: _sheet(problem=problem),
    )


@blueprint.post("/todos/files/feed")
def renew() -> Response:
    """A new address of the feed, shown this once."""
    response = Response(_sheet(addresses=todo_files.renewed()))
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/todos/files/feed/revoke")
def revoke() -> Response:
    """End the feed."""
    services().database.run(todo_feeds.revoke, me())
    return Response(_sheet())


def _sheet(
    *,
    done: Mapping[str, Any] | None = None,
    addresses: Mapping[str, str] | None = None,
    problem: Mapping[str, Any] | None = None,
) -> str:
    since = services().database.run(todo_feeds.since, me())
    return sheet(
        "todos/_files.html",
        "Export, import, calendar",
        since=when.said_day(when.today(since, zone())) if since else "",
        addresses=addresses,
        done=done,
        mistakes=done["errors"][:_MISTAKES_SHOWN] if done else [],
        problem=problem,
    )
