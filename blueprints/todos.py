"""The todo agent's own route: a request whose answer streams in the same response, or at the places that it names.

Source: REQUIREMENTS A3 and API.md, "Todos". Whoever would be streamed to is refused in the stream (R25): one `error`,
or `rate_limit_exceeded`, with status 200 and without an id. Everybody else gets the status and a problem document.
"""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, g, request

from blueprints import (
    answered,
    body,
    following,
    identity,
    negotiate,
    repeats,
    security,
    streams,
    todo_commands,
    todo_panel,
)
from blueprints.dialects import registry as dialects
from blueprints.dialects.todos import LIMIT, refused
from blueprints.extensions import count_creation, services
from blueprints.stored import answers_of, settle_ended
from services import errors
from services.assistants.todos.input import TodosInput, client_name, parse_todos
from services.assistants.todos.resolving import path_of
from services.assistants.turns import Ask, Asked

blueprint = Blueprint("todos", __name__, cli_group=None)
blueprint.cli.add_command(todo_commands.todos_client)

# 50 messages of 10,000 characters (D28), of which JSON may write each as a pair of escaped surrogates (R26).
_BODY_BYTES = 8 * 1024 * 1024
# What `rate_limit_exceeded` says (D14), as the specification names it.
_QUOTA = ("current_usage", "monthly_limit", "remaining_quota", "reset_date")


@blueprint.post("/api/todos/agent-create/stream")
@security.takes(_BODY_BYTES)
def agent_create_todo_stream() -> Response:
    """Ask the agent; the answer streams in this response, unless the request says otherwise."""
    user_id = identity.require().user.id
    seen = _reconnecting(user_id)
    if seen is not None:
        return streams.attached(user_id, seen, dialects.todos(), stays=True)
    count_creation("todos")
    values, key = body.fields(request).values, repeats.key()
    try:
        sent = parse_todos(values)
        if sent.session_id is not None:
            client_name(user_id, sent.session_id)
        fingerprint = repeats.fingerprint(values) if key else ""
        places = repeats.once(user_id, key, fingerprint, lambda: _started(user_id, sent, key, fingerprint))
    except (errors.InvalidInput, errors.Forbidden, errors.QuotaExhausted) as error:
        if negotiate.wants(request, "sse") != "sse":
            raise
        return _in_band(error)
    return _answer(user_id, sent, places)


def _started(user_id: int, sent: TodosInput, key: str, fingerprint: str) -> Asked:
    """Start the answer, within the month's quota."""
    settle_ended(user_id)
    path = services().database.run(path_of, user_id, sent.session_id)
    facts = services().todos_desk.facts(user_id, sent, path)
    return answered.started(
        Ask(
            user_id=user_id,
            assistant="todos",
            question=sent.question,
            facts=facts,
            deadline_s=services().settings.deadline_s("todos"),
            client_name=client_name(user_id, facts["session_id"]),
            request_id=g.request_id,
            idempotency_key=key,
            fingerprint=fingerprint,
        )
    )


def _answer(user_id: int, sent: TodosInput, places: Mapping[str, str]) -> Response:
    """The answer as its client wants to have it; unless it says otherwise, as the specification's stream."""
    wanted, stream_id = negotiate.wants(request, "sse"), places["stream_id"]
    if wanted == "sse":
        return streams.attached(user_id, stream_id, dialects.todos(), stays=True)
    row = answers_of(user_id, stream_id)[-1]
    if wanted == "json":
        session_id = str(((row.turn or {}).get("facts") or {}).get("session_id") or "")
        return answered.as_json({**places, "session_id": session_id, "conversation_id": row.conversation_id})
    return todo_panel.asked(
        user_id, stream_id, row.conversation_id, question=sent.question, as_fragment=wanted == "fragment"
    )


def _in_band(error: errors.AppError) -> Response:
    """A refusal told as an event of a stream that never was."""
    g.problem_code = error.code
    name, said = "error", refused(error.message, error.code, g.request_id, retryable=error.retryable)
    if isinstance(error, errors.QuotaExhausted):
        name, said = LIMIT, {"message": error.message, **{field: error.extra[field] for field in _QUOTA}}
    return following.streamed(dialects.todos().written([(name, said, None)]))


def _reconnecting(user_id: int) -> str | None:
    """The stream that a client has lost which posts its request again: its cursor names it.

    What was done is not done twice, and coming back is no start that a rate would count. What is wrong with such a
    request is told after the rate.
    """
    place = streams.place()
    if place is None or negotiate.wants(request, "sse") != "sse":
        return None
    try:
        turn = answers_of(user_id, place[0])[-1].turn or {}
        sent = parse_todos(body.fields(request).values)
    except (errors.NotFound, errors.InvalidInput, errors.UnsupportedType):
        return None
    is_same = turn.get("question") == sent.question
    return place[0] if is_same and _names_session(turn.get("facts") or {}, sent) else None


def _names_session(facts: Mapping[str, Any], sent: TodosInput) -> bool:
    """Whether a request is about the session of a stored turn; one that named none was given one."""
    return "session_id" in facts and sent.session_id in (None, facts["session_id"])
