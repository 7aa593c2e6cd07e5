"""The study chat in a browser: a new conversation, one that there is, and answers as HTML."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from flask import Blueprint, Response, render_template, request, url_for

from blueprints import answered, errors, identity, media, negotiate, points, security, transcript
from blueprints.extensions import services
from services.assistants.study.input import LENGTHS, MAX_MEDIA, MAX_MESSAGE_CHARS, USUAL_LENGTH, WAYS
from services.errors import AppError, FieldError, InvalidInput, NotFound
from services.store import conversations
from services.store.conversations import Conversation

blueprint = Blueprint("study_pages", __name__)

ASK_URL: Final = "/api/stream/stream-conversation"
_LENGTH_WORDS: Final = {"short": "Short", "medium": "Normal", "long": "Long"}
# Each is answered without a model too, from the notes that the site brings along.
_STARTERS: Final = ("What is photosynthesis?", "How do I solve a quadratic equation?", "Why did Rome fall?")
_WAY_WORDS: Final = {"simpler": "Simpler", "deeper": "Deeper", "example": "An example", "another": "Another way"}


@blueprint.get("/study")
def new() -> str:
    """A conversation that has not begun."""
    return _page(None, [])


@blueprint.get("/study/<conversation_id>")
def page(conversation_id: str) -> str:
    """A conversation along its chosen path."""
    conversation, turns = transcript.of_conversation(identity.require().user.id, conversation_id)
    if conversation.assistant != "study":
        raise NotFound
    return _page(conversation, turns)


@blueprint.post("/study/files")
@security.accepts_uploads
def attach() -> Response:
    """Take a file in for the next message; for browsers without script, which cannot send it beside the message."""
    user_id = identity.require().user.id
    conversation_id = request.form.get("interaction_id", "")
    files = request.form.getlist("media")
    try:
        _room_for_one_more(files)
        files.append(media.taken().id)
    except AppError as wrong:
        conversation, turns = transcript.of_conversation(user_id, conversation_id) if conversation_id else (None, [])
        html = _page(conversation, turns, files=_files(files), file_problem=errors.problem_of(wrong))
        return Response(html, status=errors.status_of(wrong))
    place = url_for(".page", conversation_id=conversation_id) if conversation_id else url_for(".new")
    return negotiate.see_other(f"{place}?{urlencode([('file', file) for file in files])}")


def _room_for_one_more(files: Sequence[str]) -> None:
    if len(files) >= MAX_MEDIA:
        raise InvalidInput([FieldError("file", f"is one too many: a message takes at most {MAX_MEDIA}")])


def _files(ids: Sequence[str]) -> list[dict[str, Any]]:
    """Those of the person's files that go with the next message."""
    kept = []
    for media_id in ids[:MAX_MEDIA]:
        with contextlib.suppress(NotFound):
            kept.append(media.shown(services().shelf.get(identity.require().user.id, media_id)))
    return kept


def asked(user_id: int, stream_id: str, conversation_id: str, *, question: str | None, as_fragment: bool) -> Response:
    """A question's answer for a page: the turn that connects itself, or a page that grows.

    Args:
        stream_id: The answer's.
        conversation_id: The conversation that it belongs to, also when it has just been made.
        question: What was asked, for the page without script.
    """
    if as_fragment:
        conversation = services().database.run(conversations.get, user_id, conversation_id)
        turn = transcript.of_stream(user_id, stream_id)
        return answered.as_fragment("study/_answer.html", stream_id, turn=turn, conversation=conversation)
    back_url = f"/study/{conversation_id}"
    return answered.as_page(user_id, stream_id, title="the conversation", question=question, back_url=back_url)


def _page(
    conversation: Conversation | None,
    turns: list[transcript.TurnView],
    *,
    files: Sequence[Mapping[str, Any]] | None = None,
    file_problem: Mapping[str, Any] | None = None,
) -> str:
    settings = services().settings
    return render_template(
        "study/page.html",
        user=identity.require().user,
        conversation=conversation,
        turns=turns,
        composer=_composer(conversation.id if conversation else ""),
        lengths=[(name, _LENGTH_WORDS[name]) for name in LENGTHS],
        usual_length=USUAL_LENGTH,
        ways=[(name, _WAY_WORDS[name], words) for name, words in WAYS.items()],
        max_media=MAX_MEDIA,
        max_upload_mb=settings.max_upload_mb,
        points=points.balance(),
        starters=_STARTERS,
        files=_files(request.args.getlist("file")) if files is None else files,
        file_problem=file_problem,
    )


def _composer(conversation_id: str) -> dict[str, Any]:
    return {
        "action": ASK_URL,
        "fields": {"interaction_id": conversation_id},
        "keep": f"study.{conversation_id or 'new'}",
        # A question that another page hands over, as the search does.
        "text": request.args.get("q", "")[:MAX_MESSAGE_CHARS],
        "placeholder": "Ask a question…",
        "at_once": not conversation_id,
        "max_chars": MAX_MESSAGE_CHARS,
        "behavior": "upload estimate",
        "above": "study/_tools.html",
        "facts": "study/_facts.html",
    }
