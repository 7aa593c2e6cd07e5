"""The agent's panel on the todo page: what templates/todos/_agent.html takes, and its answers as HTML."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from flask import Blueprint, Response, render_template, request

from blueprints import answered, body, identity, negotiate, todo_undoing, transcript
from blueprints.conversations import settle_ended
from blueprints.dialects.answers import Answer
from blueprints.extensions import services
from blueprints.pages import new_key
from services import errors
from services.assistants.todos.input import MAX_CHARS
from services.store import conversations, quotas
from services.store.base import utc_now
from services.store.conversations import Conversation
from services.store.database import Session
from services.store.quotas import Usage

blueprint = Blueprint("todo_panel", __name__)

ASSISTANT: Final = "todos"
ASK_URL: Final = "/api/todos/agent-create/stream"
# What the page's address says for a session that has not begun.
NEW: Final = "new"
# One that was left longer ago is not gone on with by itself (REQUIREMENTS D24).
_GOES_ON_FOR: Final = timedelta(hours=24)
_WARNS_AT: Final = 0.8
_ID_CHARS: Final = 64
# Each is understood without a model, too.
STARTERS: Final = ("Call the dentist tomorrow at 9", "Pay rent every 1st !high #home", "What is due this week?")


def shown() -> dict[str, Any]:
    """What the page gives to the panel as `agent`; reads the request, whose `session` names a conversation.

    Without one the latest session is gone on with; `new` is one that has not begun.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    user_id = identity.require().user.id
    wanted = request.args.get("session", "")
    conversation_id = services().database.run(_latest, user_id) if not wanted else "" if wanted == NEW else wanted
    conversation, turns = transcript.of_conversation(user_id, conversation_id) if conversation_id else (None, [])
    if conversation is not None and conversation.assistant != ASSISTANT:
        raise errors.NotFound
    return {
        "conversation": conversation,
        "turns": turns,
        "composer": _composer(conversation),
        "starters": STARTERS,
        "has_model": services().settings.model_configured,
        "quota": _quota(),
    }


def asked(user_id: int, stream_id: str, conversation_id: str, *, question: str | None, as_fragment: bool) -> Response:
    """A question's answer for a page: the turn that connects itself, or a page that grows.

    Args:
        stream_id: The answer's.
        conversation_id: The session that it belongs to, also when it has just been made.
        question: What was asked, for the page without script.
    """
    if as_fragment:
        conversation = services().database.run(conversations.get, user_id, conversation_id)
        turn = transcript.of_stream(user_id, stream_id)
        return answered.as_fragment("todos/_agent_answer.html", stream_id, turn=turn, conversation=conversation)
    back_url = f"/todos?session={conversation_id}#latest"
    return answered.as_page(user_id, stream_id, title="the list", question=question, back_url=back_url)


@blueprint.get("/todos/agent/quota")
def quota() -> str:
    """The meter, for htmx."""
    settle_ended(identity.require().user.id)
    return render_template("todos/_agent_quota.html", quota=_quota())


@blueprint.post("/todos/agent/undo")
def undo() -> Response:
    """Take back a step of an answer (`message_id`, `call_id`), or, without the call, all that it did."""
    return _changed(todo_undoing.undo)


@blueprint.post("/todos/agent/redo")
def redo() -> Response:
    """Do again what was taken back so."""
    return _changed(todo_undoing.redo)


def _changed(act: Callable[[int, Answer, str], str]) -> Response:
    user_id = identity.require().user.id
    sent = body.fields(request)
    message_id = sent.text("message_id", max_chars=_ID_CHARS)
    call_id = sent.text("call_id", max_chars=_ID_CHARS, required=False)
    sent.check()
    # Who has seen an answer to its end may be faster than its being stored.
    settle_ended(user_id)
    answer = _answer(user_id, message_id)
    wrong = act(user_id, answer, call_id)
    if not negotiate.is_fragment(request):
        if wrong:
            raise errors.Conflict(wrong, code="NOT_UNDONE")
        return negotiate.see_other(f"/todos?session={answer.conversation_id}&at={message_id}#at")
    answer = _answer(user_id, message_id)
    return Response(render_template("streams/_steps.html", answer=answer, focus=call_id or "all", wrong=wrong))


def _answer(user_id: int, message_id: str) -> Answer:
    row, conversation = services().database.run(conversations.message, user_id, message_id)
    if row.role != "assistant" or conversation.assistant != ASSISTANT:
        raise errors.NotFound("There is no such answer.")
    return todo_undoing.known(user_id, [transcript.answer_of(conversation, row)])[0]


def _quota() -> dict[str, Any]:
    """Where the person stands, as templates/todos/_agent_quota.html takes it."""
    limit = services().settings.todos_monthly_quota
    usage: Usage = services().database.run(quotas.usage, identity.require().user.id, limit)
    return {
        "used": usage.used,
        "limit": usage.limit,
        "left": usage.left,
        "resets": f"{usage.reset_date.day} {usage.reset_date:%B}",
        "is_low": usage.used >= _WARNS_AT * usage.limit,
    }


def _latest(session: Session, user_id: int) -> str:
    """The session that was used last, if that is not long ago; empty: none."""
    found = conversations.listing(session, user_id, assistant=ASSISTANT, limit=1)
    return found[0].id if found and utc_now() - found[0].updated_at < _GOES_ON_FOR else ""


def _composer(conversation: Conversation | None) -> dict[str, Any]:
    return {
        "action": ASK_URL,
        # A new session has its name from the first: what is sent twice, or by two tabs of it, comes into the same one.
        "fields": {"session_id": (conversation.client_name if conversation else None) or f"page-{new_key()}"},
        "keep": f"todos.{conversation.id if conversation else 'new'}",
        "text": request.args.get("say", "")[:MAX_CHARS],
        "placeholder": "Tell the agent…",
        "label": "Your message to the agent",
        "at_once": False,
        "max_chars": MAX_CHARS,
        "end_url": f"?session={conversation.id}" if conversation else "?",
    }
