"""The tutor's own routes: messages, problems and submissions."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson
from flask import Blueprint, Response, g, jsonify, request

from blueprints import answered, body, identity, negotiate, repeats, streams, tutor_pages
from blueprints import errors as error_pages
from blueprints.extensions import creation_rate, services
from blueprints.stored import answers_of
from blueprints.tutor_pages import listed, problem_of
from services import errors
from services.assistants import problem_bank, tutor
from services.assistants.problem_bank import Problem
from services.assistants.turns import Ask, Kind
from services.assistants.tutor import TutorInput
from services.errors import FieldError
from services.store import conversations, problems, progress, submissions
from services.store.database import Session
from services.streaming.events import StreamId, UserId

blueprint = Blueprint("tutor", __name__)

_TO_EXISTING: Final = "Sent to existing stream"


@blueprint.post("/v1/tutor/messages")
@creation_rate("tutor")
def ask() -> Response:
    """Ask the tutor; the answer streams at the `stream_url` that this returns."""
    user_id = identity.require().user.id
    values = body.fields(request).values
    sent = tutor.parse_message(values)
    key = repeats.key()
    problem = problem_of(user_id, sent.problem_id)
    if sent.stream_id is not None:
        _check_owner(user_id, sent.stream_id)
    asked = services().turns.ask(_question(user_id, sent, problem, key, repeats.fingerprint(values) if key else ""))
    status, payload = orjson.loads(asked.record or _record(asked.stream_id, asked.kind))
    wanted = negotiate.wants(request)
    if wanted in ("fragment", "page"):
        return tutor_pages.asked(user_id, payload["stream_id"], sent, problem, as_fragment=wanted == "fragment")
    return answered.as_json(payload, status)


@blueprint.get("/v1/tutor/stream")
@identity.subscribes
def subscribe() -> Response:
    """Follow a stream by its ticket."""
    who, stream_id = identity.for_stream(None)
    return streams.read(who.user.id, StreamId(stream_id))


@blueprint.route("/v1/tutor/stream/<stream_id>", methods=["DELETE", "POST"])
def stop(stream_id: str) -> Response:
    """Close a stream."""
    return streams.stop(stream_id)


@blueprint.get("/v1/tutor/problems")
def list_problems() -> Response:
    """The bank and my own, with how far I am."""
    user_id = identity.require().user.id
    return jsonify(problems=listed(user_id))


@blueprint.get("/v1/tutor/problems/<problem_id>")
def read_problem(problem_id: str) -> Response:
    """One problem; `?format=markdown` or `json` gives the file to keep."""
    problem = problem_of(identity.require().user.id, problem_id)
    wanted = request.args.get("format")
    if wanted is None:
        return jsonify(problem_bank.to_json(problem, reveal=False))
    if wanted not in ("markdown", "json"):
        raise errors.InvalidInput([FieldError("format", "must be markdown or json")])
    kind = "text/markdown; charset=utf-8" if wanted == "markdown" else "application/json"
    name = f"{problem.id}.{'md' if wanted == 'markdown' else 'json'}"
    shown = problem if problem.own else dataclasses.replace(problem, solution="", hidden_tests=())
    text = problem_bank.dump(shown, format="markdown" if wanted == "markdown" else "json")
    return Response(text, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@blueprint.post("/v1/tutor/problems")
def add_problem() -> Response:
    """Keep a problem of my own: fields, or a file in `file` (Markdown or JSON)."""
    values = body.fields(request).values
    return error_pages.on_page(lambda: _add(values), lambda wrong: Response(tutor_pages.not_kept(wrong, values)))


def _add(values: Mapping[str, Any]) -> Response:
    problem = sent_problem(values)
    keep_problem(identity.require().user.id, problem)
    if negotiate.wants(request) == "page":
        return negotiate.see_other(f"/tutor/{problem.id}")
    response = jsonify(problem_bank.to_json(problem, reveal=False))
    response.status_code = 201
    return response


@blueprint.delete("/v1/tutor/problems/<problem_id>")
@blueprint.post("/v1/tutor/problems/<problem_id>/delete")
def delete_problem(problem_id: str) -> Response:
    """Delete a problem of my own, with its submissions."""
    services().database.run(problems.delete, identity.require().user.id, problem_id)
    return negotiate.see_other("/tutor") if negotiate.wants(request) == "page" else Response(status=204)


@blueprint.post("/v1/tutor/submissions")
def submit() -> Response:
    """Tell how my code did on a problem's tests."""
    user_id = identity.require().user.id
    sent = tutor.parse_submission(_with_lists(body.fields(request).values))
    problem_of(user_id, sent.problem_id)
    submission_id = services().database.run(_keep_submission, user_id, sent)
    wanted = negotiate.wants(request)
    if wanted == "page":
        return negotiate.see_other(f"/tutor/{sent.problem_id}")
    if wanted == "fragment":
        return tutor_pages.submitted(user_id, sent.problem_id)
    response = jsonify(id=submission_id)
    response.status_code = 201
    return response


def sent_problem(values: Mapping[str, Any]) -> Problem:
    """A problem from a form's or a JSON body's fields, or from an uploaded file.

    Raises:
        InvalidInput: Names every bad field.
        TooLarge: The file is larger than a problem may be.
    """
    upload = request.files.get("file")
    text = values.get("source") or ""
    if upload is not None and upload.filename:
        data = upload.stream.read(problem_bank.MAX_BYTES + 1)
        if len(data) > problem_bank.MAX_BYTES:
            raise errors.TooLarge(f"A problem may have {problem_bank.MAX_BYTES} bytes.")
        text = data.decode("utf-8", "replace")
    if text and isinstance(text, str):
        kind = "json" if text.lstrip().startswith("{") else "markdown"
        return problem_bank.parse(text, format="json" if kind == "json" else "markdown", own=True)
    return problem_bank.own(values)


def keep_problem(user_id: int, problem: Problem) -> None:
    """Store a problem of a user's own.

    Raises:
        Conflict: The bank, or the user, has a problem with this id.
    """
    if problem.id in problem_bank.bundled():
        raise errors.Conflict(f"A problem of the bank has the id {problem.id!r}. Choose another.")
    data = problem_bank.to_json(problem, reveal=True)
    extra = {name: value for name, value in data.items() if name not in ("id", "title", "statement", "own")}
    services().database.run(
        problems.add, user_id, problem.id, title=problem.title, statement=problem.statement, extra=extra
    )


def _question(user_id: int, sent: TutorInput, problem: Problem, key: str, fingerprint: str) -> Ask:
    settings = services().settings
    conversation_id, messages, latest = services().database.run(_known, user_id, sent)
    return Ask(
        user_id=user_id,
        assistant="tutor",
        question=sent.message,
        facts=tutor.resolve(sent, problem, stored_messages=messages, stored_submissions=latest),
        deadline_s=settings.streaming_timeout_s,
        client_name=sent.session_id,
        conversation_id=conversation_id,
        title=f"{problem.title}: {sent.message}",
        follow=sent.stream_id,
        idle_s=settings.stream_idle_s,
        request_id=g.request_id,
        idempotency_key=key,
        fingerprint=fingerprint,
        record=_record,
        also=lambda session: progress.note_hint(session, user_id, problem.id, sent.hint_level),
    )


def _known(session: Session, user_id: int, sent: TutorInput) -> tuple[str | None, list[Any], list[Any]]:
    """What is stored for the context of a question: the conversation, its last words, the submissions."""
    conversation = conversations.by_client_name(session, user_id, "tutor", sent.session_id)
    messages = conversations.recent_messages(session, conversation.id, 10) if conversation else []
    latest = submissions.latest(session, user_id, sent.problem_id, 5)
    spoken = [message for message in messages if message.content]
    return conversation.id if conversation else None, spoken, latest[::-1]


def _record(stream_id: str, kind: Kind) -> str:
    """The answer to a question, so that a repeated request can be given the same."""
    places = answered.places("tutor", stream_id)
    if kind == "follow":
        del places["stop_url"]
        return _json([200, {"message": _TO_EXISTING, **places}])
    extra = {"message": _TO_EXISTING} if kind == "successor" else {}
    return _json([201, {**extra, **places}])


def _check_owner(user_id: int, stream_id: str) -> None:
    if services().log.state(UserId(user_id), StreamId(stream_id)) is None:
        answers_of(user_id, stream_id)


def _keep_submission(session: Session, user_id: int, sent: tutor.SubmissionInput) -> str:
    submission_id: str = submissions.add(
        session,
        user_id,
        sent.problem_id,
        client_name=sent.session_id,
        code=sent.code,
        language=sent.language,
        status=sent.status,
        visible_passed=sent.visible_passed,
        visible_total=sent.visible_total,
        hidden_passed=sent.hidden_passed,
        hidden_total=sent.hidden_total,
        categories=sent.categories,
    )
    total = sent.visible_total + sent.hidden_total
    if total and sent.visible_passed + sent.hidden_passed == total:
        progress.mark_solved(session, user_id, sent.problem_id)
    return submission_id


def _with_lists(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A form repeats a field that has several values."""
    several: Iterable[str] = request.form.getlist("categories")
    return {**values, "categories": list(several)} if request.form and several else values


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
