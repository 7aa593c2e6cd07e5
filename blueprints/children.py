"""Children for programs: the profiles that stories are told by. Pages are story_pages.py's.

Source: API.md, "Stories". A foreign child is 404, as an unknown one.
"""

from typing import Any

from flask import Blueprint, Response, jsonify, request

from blueprints import body, identity
from blueprints.extensions import services
from blueprints.removing import removed
from blueprints.stored import settle_ended
from services.stories import fields
from services.stories.shelf import Child

blueprint = Blueprint("children", __name__)


@blueprint.get("/api/v1/children")
def listing() -> Response:
    """My children, the one added first first."""
    return jsonify(children=[fields.child_json(child) for child in services().stories.children(_me())])


@blueprint.post("/api/v1/children")
def create() -> Response:
    """Add a child: `name` and `age`; `interests`, `avoid`, `level`, `pronouns`, `daily_limit`, `bedtime` if wanted."""
    child = services().stories.add_child(_me(), fields.drafted(body.fields(request).values))
    response = jsonify(_shown(child))
    response.status_code = 201
    response.location = f"/api/v1/children/{child.id}"
    return response


@blueprint.get("/api/v1/children/<child_id>")
def read(child_id: str) -> Response:
    """One of my children."""
    return jsonify(_shown(services().stories.child(_me(), fields.known_id(child_id))))


@blueprint.put("/api/v1/children/<child_id>")
def change(child_id: str) -> Response:
    """Give a child another profile; what is not sent stays as it is."""
    found = services().stories.child(_me(), fields.known_id(child_id))
    draft = fields.drafted(body.fields(request).values, now=found)
    return jsonify(_shown(services().stories.change_child(_me(), found.id, draft)))


@blueprint.delete("/api/v1/children/<child_id>")
def delete(child_id: str) -> Response:
    """Delete a child with its stories; a chapter that is being told is stopped first."""
    forget(_me(), fields.known_id(child_id))
    return Response(status=204)


def forget(user_id: int, child_id: int) -> None:
    """Delete a child with all that was told to it.

    Raises:
        NotFound: "Child not found".
        Unavailable: Redis is away, and a chapter is being told.
    """
    settle_ended(user_id)
    stories = services().stories
    stories.child(user_id, child_id)
    streams = stories.streams_of_child(user_id, child_id)
    removed(user_id, streams, lambda: stories.delete_child(user_id, child_id))


def _me() -> int:
    return identity.require().user.id


def _shown(child: Child) -> dict[str, Any]:
    """A child, and where it stands today."""
    today = services().stories.day(_me(), child.id, identity.require().user.zone)
    return fields.child_json(child, today)
