"""The search in a browser: a new question, a thread that there is, and answers as HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, Response, render_template, request

from blueprints import answered, identity, transcript
from blueprints.extensions import services
from services.errors import NotFound
from services.knowledge.query import MAX_CHARS
from services.store import bases, conversations
from services.store.conversations import Conversation

blueprint = Blueprint("search_pages", __name__)

ASK_URL: Final = "/search"
# What can be typed besides words, each with what it asks for (services.knowledge.query).
SYNTAX: Final = (
    ('"notice period"', "these words, one after the other"),
    ("+deposit", "the word must be there"),
    ("-draft", "the word must not be there"),
    ("file:handbook", "only documents with this in their name"),
    ("dt>=2024-01-01", "only documents added since; also <, <=, > and ="),
)


@dataclass(frozen=True, slots=True)
class Scope:
    """A base that can be searched. `is_chosen`: the page begins with it, or its thread went on in it."""

    id: str
    name: str
    ready: int
    is_chosen: bool


@blueprint.get("/search")
def new() -> str:
    """A thread that has not begun."""
    return _page(None, [], request.args.getlist("kb"))


@blueprint.get("/search/<conversation_id>")
def page(conversation_id: str) -> str:
    """A thread along its chosen path."""
    conversation, turns = transcript.of_conversation(identity.require().user.id, conversation_id)
    if conversation.assistant != "search":
        raise NotFound
    return _page(conversation, turns, turns[-1].base_ids if turns else ())


def asked(user_id: int, stream_id: str, conversation_id: str, *, question: str | None, as_fragment: bool) -> Response:
    """A question's answer for a page: the turn that connects itself, or a page that grows.

    Args:
        stream_id: The answer's.
        conversation_id: The thread that it belongs to, also when it has just been made.
        question: What was asked, for the page without script.
    """
    if as_fragment:
        conversation = services().database.run(conversations.get, user_id, conversation_id)
        turn = transcript.of_stream(user_id, stream_id)
        return answered.as_fragment("search/_answer.html", stream_id, turn=turn, conversation=conversation)
    back_url = f"/search/{conversation_id}"
    return answered.as_page(user_id, stream_id, title="the search", question=question, back_url=back_url)


def _page(conversation: Conversation | None, turns: list[transcript.TurnView], chosen: Sequence[str]) -> str:
    user = identity.require().user
    known = services().database.run(bases.listing, user.id)
    return render_template(
        "search/page.html",
        user=user,
        conversation=conversation,
        turns=turns,
        scopes=[Scope(base.id, base.name, base.ready, base.id in chosen) for base in known],
        ready=sum(base.ready for base in known),
        waiting=sum(base.documents - base.ready - base.failed for base in known),
        syntax=SYNTAX,
        composer=_composer(conversation.id if conversation else ""),
    )


def _composer(conversation_id: str) -> dict[str, Any]:
    return {
        "action": ASK_URL,
        "name": "query",
        "label": "Your question",
        "fields": {"conversation_id": conversation_id},
        "keep": f"search.{conversation_id or 'new'}",
        # A question that another page hands over, as a document's does.
        "text": request.args.get("q", "")[:MAX_CHARS],
        "placeholder": "Ask a follow-up…" if conversation_id else "Ask your documents…",
        "at_once": not conversation_id,
        "max_chars": MAX_CHARS,
        "above": "search/_tools.html",
        "facts": "search/_facts.html",
    }
