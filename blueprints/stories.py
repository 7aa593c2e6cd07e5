"""The stories' own routes: a chapter that is told in the same response, the shelf, the themes.

Source: REQUIREMENTS A2 and API.md, "Stories". A story's id is its conversation's, a chapter's is its answer's.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from flask import Blueprint, Response, g, jsonify, request

from blueprints import (
    answered,
    attaching,
    body,
    child_gate,
    identity,
    negotiate,
    repeats,
    story_commands,
    story_pages,
    streams,
)
from blueprints.dialects import registry as dialects
from blueprints.extensions import count_creation, services
from blueprints.stored import answers_of, settle_ended
from services import errors
from services.assistants.stories.input import StoryInput, parse_request
from services.assistants.turns import Ask, Asked
from services.store import conversations
from services.store.base import utc_now
from services.stories import fields, themes
from services.stories.shelf import Place, Wanted

blueprint = Blueprint("stories", __name__, cli_group=None)
blueprint.cli.add_command(story_commands.stories_client)

_PATH: Final = "/api/v1/stories/generate/stream"
_ON_A_PAGE: Final = 50
_FIELDS: Final = (
    "child_id",
    "theme",
    "chapter_number",
    "title",
    "choice",
    "custom_user_input",
    "story_session",
    "from_chapter",
    "bedtime",
    "mode",
    "chapters",
)


@blueprint.get(_PATH)
@identity.starts
@identity.for_children
def generate() -> Response:
    """Tell a chapter, or come back to the one that the same request has begun; it streams in this response."""
    user_id = identity.require().user.id
    seen = attaching.looked(user_id, "stories", dialects.published("stories"))
    if seen is not None:
        return seen
    values = {name: request.args[name] for name in _FIELDS if request.args.get(name, "").strip()}

    def start(key: str, fingerprint: str) -> Asked:
        return _started(user_id, parse_request(values), key, fingerprint)

    stream_id, is_new = attaching.begun(user_id, "stories", values, start)
    return _answer(user_id, stream_id, status=201 if is_new else 200)


@blueprint.post(_PATH)
@identity.for_children
def tell() -> Response:
    """Tell a chapter, whatever was told before, unless an `Idempotency-Key` or a cursor says that it is the same."""
    user_id = identity.require().user.id
    seen = _reconnecting(user_id)
    if seen is not None:
        return streams.attached(user_id, seen, dialects.published("stories"), stays=True)
    return story_pages.posted(lambda: _told(user_id))


@blueprint.get("/api/v1/stories/themes")
@identity.for_children
def listed_themes() -> Response:
    """What stories can be about."""
    told = [
        {"id": theme.id, "title": theme.title, "emoji": theme.emoji, "description": theme.words}
        for theme in themes.THEMES.values()
    ]
    return jsonify(themes=told)


@blueprint.get("/api/v1/stories")
def shelf() -> Response:
    """My stories, the one told last first; with `child_id`, of one child. `before` is the `next` of the page before."""
    user_id, child_id = identity.require().user.id, fields.child_id(request.args.get("child_id"))
    settle_ended(user_id)
    before = request.args.get("before") or None
    found = services().stories.shelf(user_id, child_id, before=before, limit=_ON_A_PAGE + 1)
    shown, more = found[:_ON_A_PAGE], len(found) > _ON_A_PAGE
    return jsonify(stories=[fields.summary_json(story) for story in shown], next=shown[-1].story.id if more else None)


@blueprint.get("/api/v1/stories/<story_id>")
def story(story_id: str) -> Response:
    """One story: its chapters as a tree, and which of them are the path that is read now, or lead through `chapter`."""
    user_id = identity.require().user.id
    settle_ended(user_id)
    through = request.args.get("chapter") or None
    return jsonify(fields.story_json(services().stories.story(user_id, story_id, through=through)))


def _told(user_id: int) -> Response:
    """Start what was posted."""
    count_creation("stories")
    values = body.fields(request).values
    sent = parse_request(values)
    key = repeats.key()
    fingerprint = repeats.fingerprint(values) if key else ""
    places = repeats.once(user_id, key, fingerprint, lambda: _started(user_id, sent, key, fingerprint))
    return _answer(user_id, places["stream_id"], status=201)


def _started(user_id: int, asked: StoryInput, key: str, fingerprint: str) -> Asked:
    """Start a chapter, where it belongs and within the child's day.

    Raises:
        ChildScreen: A child asks for what is not for it.
        NotFound: The child, the story or the chapter is unknown or somebody else's.
        Conflict: There is no chapter that this one could come after.
        SafetyRejected, DayLimit: Nothing is started.
    """
    sent = child_gate.by_the_screen(asked)
    settle_ended(user_id)
    now, zone = utc_now(), identity.require().user.zone
    place = _placed(user_id, sent, now, zone)
    facts = services().stories_desk.facts(user_id, sent, place, zone=zone, now=now)
    child_gate.check_own_words(sent.title, str(facts["idea"]))
    story_id = place.conversation_id or conversations.new_id()
    return answered.started(
        Ask(
            user_id=user_id,
            assistant="stories",
            question=_question(facts),
            facts={**facts, "story_id": story_id},
            deadline_s=services().settings.deadline_s("stories"),
            client_name=place.client_name,
            conversation_id=place.conversation_id,
            new_conversation_id=None if place.conversation_id else story_id,
            parent_id=place.parent_message_id,
            title=_title(facts),
            request_id=g.request_id,
            idempotency_key=key,
            fingerprint=fingerprint,
        )
    )


def _placed(user_id: int, sent: StoryInput, now: datetime, zone: str) -> Place:
    """Where a chapter goes; a refusal says where the chapter before it is followed, or gone on with."""
    wanted = Wanted(
        child_id=sent.child_id,
        theme=sent.theme,
        number=sent.chapter_number,
        title=sent.title,
        session=sent.story_session,
        from_chapter=sent.from_chapter,
    )
    try:
        return services().stories.place(user_id, wanted, now, zone)
    except errors.Conflict as refused:
        stream_id = refused.extra.get("stream_id")
        if refused.code == "CHAPTER_RUNNING":
            refused.extra |= answered.places("stories", str(stream_id))
        elif refused.code == "CHAPTER_UNFINISHED":
            refused.extra["continue_url"] = f"{answered.stream_url(str(stream_id))}/continue"
        raise


def _question(facts: Mapping[str, Any]) -> str:
    """What was chosen; a first chapter is asked for by its theme."""
    said = facts["choice"] or facts["idea"]
    return str(said or f"Chapter {facts['chapter_number']}: {themes.THEMES[facts['theme']].title}")


def _title(facts: Mapping[str, Any]) -> str:
    """What a new story is called until its first chapter has a title."""
    return str(facts.get("title") or f"{facts['child']['name']}: {themes.THEMES[facts['theme']].title}")


def _answer(user_id: int, stream_id: str, *, status: int) -> Response:
    """The chapter as its client wants to have it; unless it says otherwise, as the specification's stream."""
    # A repeat is answered by what its first request began, whoever's screen it was.
    child_gate.check_stream(stream_id)
    wanted = negotiate.wants(request, "sse")
    if wanted == "sse":
        stays = request.method == "POST"
        return streams.attached(user_id, stream_id, dialects.published("stories"), stays=stays)
    answer = answers_of(user_id, stream_id)[-1]
    if wanted == "json":
        told = {"story_id": answer.conversation_id, "chapter_id": answer.id}
        return answered.as_json({**answered.places("stories", stream_id), **told}, status)
    return story_pages.asked(user_id, stream_id, answer.conversation_id, as_fragment=wanted == "fragment")


def _reconnecting(user_id: int) -> str | None:
    """The stream that a client has lost which posts its request again: its cursor names it.

    Polyfills of EventSource that can POST come back so. What is wrong with such a request is told after the rate.
    """
    place = streams.place()
    if place is None or negotiate.wants(request, "sse") != "sse":
        return None
    try:
        facts = (answers_of(user_id, place[0])[-1].turn or {}).get("facts") or {}
        sent = parse_request(body.fields(request).values)
    except (errors.NotFound, errors.InvalidInput, errors.UnsupportedType):
        return None
    is_same = (facts.get("child_id"), facts.get("theme"), facts.get("chapter_number")) == (
        sent.child_id,
        sent.theme,
        sent.chapter_number,
    )
    return place[0] if is_same else None
