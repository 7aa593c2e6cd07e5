"""The history of every assistant: list, read, rename and delete conversations."""

import contextlib
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, jsonify, request

from blueprints import body, identity
from blueprints.extensions import services
from services import errors
from services.errors import FieldError
from services.store import conversations
from services.store.conversations import Conversation, Message
from services.streaming.events import StreamId, UserId

blueprint = Blueprint("conversations", __name__)

_PAGE = 50
_TITLE_CHARS = 200


@blueprint.get("/api/conversations")
def listing() -> Response:
    """My conversations, the newest first; `before` is the last id of the page before."""
    assistant = request.args.get("assistant") or None
    if assistant is not None and assistant not in services().assistants:
        raise errors.InvalidInput([FieldError("assistant", f"must be one of {', '.join(services().assistants)}")])
    rows = services().database.run(
        conversations.listing,
        identity.require().user.id,
        assistant=assistant,
        q=request.args.get("q") or None,
        before=request.args.get("before") or None,
        limit=_PAGE,
    )
    return jsonify(conversations=[_summary(row) for row in rows])


@blueprint.get("/api/conversations/<conversation_id>")
def read(conversation_id: str) -> Response:
    """One conversation with its messages."""
    user_id = identity.require().user.id
    conversation, messages = load(user_id, conversation_id)
    return jsonify({**_summary(conversation), "messages": [_message(row) for row in messages]})


@blueprint.patch("/api/conversations/<conversation_id>")
def rename(conversation_id: str) -> Response:
    """Give it another title."""
    fields = body.fields(request)
    title = fields.text("title", max_chars=_TITLE_CHARS)
    fields.check()
    row = services().database.run(conversations.rename, identity.require().user.id, conversation_id, title)
    return jsonify(_summary(row))


@blueprint.delete("/api/conversations/<conversation_id>")
def delete(conversation_id: str) -> Response:
    """Delete it with its messages and what is left of their streams; an answer that runs in it is stopped first."""
    user_id = UserId(identity.require().user.id)
    _, messages = load(user_id, conversation_id)
    streams = {StreamId(row.stream_id): row.outcome is None for row in messages if row.stream_id}
    stops = [services().runs.stop(user_id, stream_id) for stream_id, is_running in streams.items() if is_running]
    services().database.run(conversations.delete, user_id, conversation_id)
    # A writer that has not confirmed might write once more; what it wrote then goes with its time to live.
    if all(stopped is None or stopped.confirmed for stopped in stops):
        with contextlib.suppress(errors.Unavailable):
            services().log.forget(user_id, list(streams))
    return Response(status=204)


def load(user_id: int, conversation_id: str) -> tuple[Conversation, list[Message]]:
    """A conversation and its messages; answers whose runs have ended without a word are settled first.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    database = services().database
    conversation = database.run(conversations.get, user_id, conversation_id)
    messages = database.run(conversations.messages, user_id, conversation_id)
    if _settle(user_id, messages):
        messages = database.run(conversations.messages, user_id, conversation_id)
    return conversation, messages


def _settle(user_id: int, messages: Sequence[Message]) -> bool:
    """Settle answers whose runs have ended; whether there were any. Without Redis they are shown as running."""
    has_settled = False
    with contextlib.suppress(errors.Unavailable):
        for row in messages:
            if row.role == "assistant" and row.outcome is None:
                has_settled = services().turns.recover(row, user_id) or has_settled
    return has_settled


def _summary(row: Conversation) -> dict[str, Any]:
    return {
        "id": row.id,
        "assistant": row.assistant,
        "session_id": row.client_name,
        "title": row.title,
        "created_at": row.created_at.isoformat(),
        "updated_at": row.updated_at.isoformat(),
    }


def _message(row: Message) -> dict[str, Any]:
    common = {"id": row.id, "role": row.role, "content": row.content, "created_at": row.created_at.isoformat()}
    if row.role == "user":
        return common
    extras = {name: value for name, value in (row.extras or {}).items() if isinstance(value, list)}
    return {
        **common,
        "outcome": row.outcome,
        "finish_reason": row.finish_reason,
        "engine": row.engine,
        "fallback": row.fallback,
        "stream_id": row.stream_id,
        "continues": row.continues_id,
        "error_code": row.error_code,
        "usage": row.usage,
        **extras,
    }
