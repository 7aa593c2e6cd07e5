"""The history of every assistant: list, read, rename and delete conversations."""

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, Response, jsonify, request

from blueprints import body, identity, negotiate, stored
from blueprints.extensions import services
from blueprints.referrer import came_from
from blueprints.removing import removed
from services import errors
from services.errors import FieldError
from services.store import bookmarks, conversations, feedback, search
from services.store.conversations import Conversation, Message
from services.store.database import Session
from services.store.feedback import Feedback
from services.store.windows import Place, Window, window

blueprint = Blueprint("conversations", __name__)

_PAGE = 50
_TITLE_CHARS = 200
_ID_CHARS = 26
_MAX_TURNS: Final = 500
_TURNS_DIGITS: Final = 3
# More turns than any conversation has.
_ALL: Final = 1_000_000_000


@blueprint.get("/api/conversations")
def listing() -> Response:
    """My conversations, the newest first, and in how many an answer waits to be seen.

    `before` is the last id of the page before. With `q` the best match is first, and each has a `snippet`, its
    matching words between U+0002 and U+0003, and the `message_id` that it is from, null for the title.
    """
    user_id = identity.require().user.id
    assistant = request.args.get("assistant") or None
    if assistant is not None and assistant not in services().assistants:
        raise errors.InvalidInput([FieldError("assistant", f"must be one of {', '.join(services().assistants)}")])
    asked = {"assistant": assistant, "before": request.args.get("before") or None, "limit": _PAGE}
    q = request.args.get("q", "").strip()
    rows, unread = services().database.run(_page, user_id, q, asked)
    return jsonify(conversations=rows, unread=unread)


@blueprint.get("/api/conversations/<conversation_id>")
def read(conversation_id: str) -> Response:
    """One conversation with the messages of the path that is shown, each with the alternatives in its place.

    `turns`: only so many turns, the last ones, or those before the message `before`; `earlier` and `later` say how
    many there are besides.
    """
    user_id = identity.require().user.id
    part = load(user_id, conversation_id, *_asked(), facts=False)
    told = [part.told(row) for row in part.messages]
    around = {"earlier": part.window.earlier, "later": part.window.later} if "turns" in request.args else {}
    return jsonify({**summary(part.conversation), **around, "messages": told})


@blueprint.patch("/api/conversations/<conversation_id>")
@blueprint.post("/api/conversations/<conversation_id>/rename")
def rename(conversation_id: str) -> Response:
    """Give it another title."""
    fields = body.fields(request)
    title = fields.text("title", max_chars=_TITLE_CHARS)
    fields.check()
    row = services().database.run(conversations.rename, identity.require().user.id, conversation_id, title)
    return _done(summary(row))


@blueprint.post("/api/conversations/<conversation_id>/choose")
def choose(conversation_id: str) -> Response:
    """Show the path through one of its messages, down to the newest that follows it."""
    user_id = identity.require().user.id
    fields = body.fields(request)
    message_id = fields.text("message_id", max_chars=_ID_CHARS)
    fields.check()
    return _done(summary(services().database.run(conversations.choose, user_id, conversation_id, message_id)))


@blueprint.post("/api/conversations/<conversation_id>/seen")
def seen(conversation_id: str) -> Response:
    """Note that I have looked at it."""
    user_id = identity.require().user.id
    # Who has seen an answer to its end may be faster than its being stored, which would make it news again.
    settle_ended(user_id)
    return _done(summary(services().database.run(conversations.seen, user_id, conversation_id)))


@blueprint.delete("/api/conversations/<conversation_id>")
@blueprint.post("/api/conversations/<conversation_id>/delete")
def delete(conversation_id: str) -> Response:
    """Delete it with its messages and what is left of their streams; an answer that runs in it is stopped first."""
    user_id = identity.require().user.id
    settle_ended(user_id)
    kept = services().database.run(conversations.streams_in, user_id, conversation_id)
    removed(user_id, kept, lambda: services().database.run(conversations.delete, user_id, conversation_id))
    if negotiate.wants(request) == "page":
        # Not to the page of what is no more.
        back = came_from()
        return negotiate.see_other("/history" if conversation_id in back else back)
    return Response(status=204)


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a conversation's messages, the oldest first, with what there is about each.

    Attributes:
        families: The alternatives in the place of a message, itself included, if there are any.
    """

    conversation: Conversation
    window: Window
    messages: Sequence[Message]
    families: Mapping[str, Sequence[str]]
    opinions: Mapping[str, Feedback]
    bookmarked: Collection[str]

    def told(self, row: Message) -> dict[str, Any]:
        """One of its messages as the API tells it."""
        family, opinion = self.families.get(row.id, []), self.opinions.get(row.id)
        return message_of(row, family, opinion, is_bookmarked=row.id in self.bookmarked)


def load(user_id: int, conversation_id: str, place: Place, turns: int, *, facts: bool = True) -> Part:
    """So many turns at a place of a conversation; answers whose runs have ended without a word are settled first.

    Args:
        user_id: Whose.
        conversation_id: Which.
        place: Where in it.
        turns: How many.
        facts: Whether `turn` of the messages is read.

    Raises:
        NotFound: The conversation or the place is unknown, or somebody else's.
    """
    part = services().database.run(_part, user_id, conversation_id, place, turns, facts)
    if _settle(user_id, part.messages):
        part = services().database.run(_part, user_id, conversation_id, place, turns, facts)
    return part


def settle_ended(user_id: int) -> None:
    """As `stored.settle_ended`; without Redis what has ended is swept later."""
    with contextlib.suppress(errors.Unavailable):
        stored.settle_ended(user_id)


def summary(row: Conversation) -> dict[str, Any]:
    """A conversation as the API tells it."""
    return {
        "id": row.id,
        "assistant": row.assistant,
        "session_id": row.client_name,
        "title": row.title,
        "created_at": row.created_at.isoformat(),
        "updated_at": row.updated_at.isoformat(),
        "answered_at": row.answered_at.isoformat() if row.answered_at else None,
        "unread": row.unread,
        "head_id": row.head_id,
    }


def _page(session: Session, user_id: int, q: str, asked: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int]:
    unread = conversations.unread_count(session, user_id, asked["assistant"])
    if not q:
        return [summary(row) for row in conversations.listing(session, user_id, **asked)], unread
    found = search.find(session, user_id, q, **asked)
    told = [{**summary(one.conversation), "snippet": one.snippet, "message_id": one.message_id} for one in found]
    return told, unread


def _asked() -> tuple[Place, int]:
    """The part of a conversation that a program asks for; without `turns` all of it."""
    turns = request.args.get("turns", "")
    if not turns:
        return Place(), _ALL
    if not turns.isdecimal() or len(turns) > _TURNS_DIGITS or not 1 <= int(turns) <= _MAX_TURNS:
        raise errors.InvalidInput([FieldError("turns", f"must be a whole number from 1 to {_MAX_TURNS}")])
    return Place("before", request.args.get("before", "")), int(turns)


def _part(session: Session, user_id: int, conversation_id: str, place: Place, turns: int, facts: bool) -> Part:
    conversation = conversations.get(session, user_id, conversation_id)
    tree = conversations.tree(session, conversation_id)
    shown = window(tree, conversation.head_id, place, turns)
    opinions, kept = feedback.of_messages(session, shown.ids), bookmarks.of_messages(session, shown.ids)
    messages = conversations.rows(session, shown.ids, turns=facts)
    return Part(conversation, shown, messages, tree.families(), opinions, kept)


def _done(told: Mapping[str, Any]) -> Response:
    """To a browser's form the page that it came from, to others what is kept now."""
    if negotiate.wants(request) == "page":
        return negotiate.see_other(came_from())
    return jsonify(told)


def _settle(user_id: int, messages: Sequence[Message]) -> bool:
    """Settle answers whose runs have ended; whether there were any. Without Redis they are shown as running."""
    has_settled = False
    with contextlib.suppress(errors.Unavailable):
        for row in messages:
            if row.role == "assistant" and row.outcome is None:
                has_settled = services().turns.recover(row, user_id) or has_settled
    return has_settled


def message_of(
    row: Message, family: Sequence[str], opinion: Feedback | None, *, is_bookmarked: bool = False
) -> dict[str, Any]:
    """A message as the API tells it; `family` are the alternatives in its place, itself included, if there are any."""
    common = {
        "id": row.id,
        "role": row.role,
        "content": row.content,
        "created_at": row.created_at.isoformat(),
        "parent_id": row.parent_id,
        "alternatives": list(family),
    }
    if row.role == "user":
        return common
    # Lists are what an answer showed besides its text; of the rest a client is told what it cost.
    kept = (row.extras or {}).items()
    extras = {name: value for name, value in kept if isinstance(value, list) or name in ("points_cost", "cached")}
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
        "feedback": {"value": opinion.value, "reason": opinion.reason} if opinion else None,
        "bookmarked": is_bookmarked,
        **extras,
    }
