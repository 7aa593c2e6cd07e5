"""The sessions of the todo agent: list, read, rename, delete. A session is a conversation by its client's name.

Source: REQUIREMENTS D17, D24 and R6. They are rows in the database: nothing of them is kept in a worker's memory, so
that none is dropped from there, and any worker goes on with any of them.
"""

from typing import Any, Final

from flask import Blueprint, Response, jsonify, request

from blueprints import body, conversations, identity
from blueprints.extensions import services
from services import errors
from services.assistants.todos.input import client_name
from services.assistants.todos.resolving import ASSISTANT, history_of
from services.store import conversations as kept
from services.store.conversations import Conversation
from services.store.database import Session

blueprint = Blueprint("todo_sessions", __name__, url_prefix="/api/todos/sessions")

_PAGE: Final = 50
_TITLE_CHARS: Final = 200
_UNKNOWN: Final = "Session not found"


@blueprint.get("")
def listing() -> Response:
    """My sessions, the one used last first; `before` is the last session of the page before."""
    user_id = identity.require().user.id
    rows = services().database.run(_page, user_id, request.args.get("before") or None)
    more = rows[_PAGE - 1].id if len(rows) > _PAGE else None
    shown = [_summary(row) for row in rows[:_PAGE]]
    return jsonify(sessions=shown, next=shown[-1]["session_id"] if more else None)


@blueprint.get("/<session_id>")
def read(session_id: str) -> Response:
    """One session."""
    return jsonify(_summary(_found(session_id)))


@blueprint.get("/<session_id>/history")
def history(session_id: str) -> Response:
    """What was said in it, as the `history` event tells it: a bare array, the oldest first."""
    user_id, row = identity.require().user.id, _found(session_id)
    conversations.settle_ended(user_id)
    path = services().database.run(kept.path, user_id, row.id)
    return jsonify([{"role": one["role"], "content": one["content"]} for one in history_of(path)])


@blueprint.patch("/<session_id>")
def rename(session_id: str) -> Response:
    """Give it another title; its name is the client's and stays."""
    row = _found(session_id)
    fields = body.fields(request)
    title = fields.text("title", max_chars=_TITLE_CHARS)
    fields.check()
    return jsonify(_summary(services().database.run(kept.rename, identity.require().user.id, row.id, title)))


@blueprint.delete("/<session_id>")
def delete(session_id: str) -> Response:
    """Delete it with its messages, after stopping what runs in it. What the agent did to the list stays."""
    return conversations.delete(_found(session_id).id)


def _found(session_id: str) -> Conversation:
    """A session of the current user's by its name, with or without their prefix, or by its conversation's id.

    Raises:
        Forbidden: The name has somebody else's prefix.
        NotFound: There is no such session.
    """
    user_id = identity.require().user.id
    return services().database.run(_get, user_id, session_id)


def _get(session: Session, user_id: int, session_id: str) -> Conversation:
    row = kept.by_client_name(session, user_id, ASSISTANT, client_name(user_id, session_id))
    if row is None:
        try:
            row = kept.get(session, user_id, session_id)
        except errors.NotFound:
            raise errors.NotFound(_UNKNOWN) from None
    if row.assistant != ASSISTANT:
        raise errors.NotFound(_UNKNOWN)
    return row


def _page(session: Session, user_id: int, before: str | None) -> list[Conversation]:
    before_id = _get(session, user_id, before).id if before else None
    return kept.listing(session, user_id, assistant=ASSISTANT, before=before_id, limit=_PAGE + 1)


def _summary(row: Conversation) -> dict[str, Any]:
    """A session as the API tells it: `name` is what its client calls it, `session_id` the same with its owner."""
    name = (row.client_name or row.id).removeprefix(f"user_{row.user_id}_")
    told = conversations.summary(row)
    return {
        "session_id": row.client_name or row.id,
        "name": name,
        "conversation_id": row.id,
        **{field: told[field] for field in ("title", "created_at", "updated_at", "answered_at", "unread")},
    }
