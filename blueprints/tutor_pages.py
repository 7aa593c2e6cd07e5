"""The tutor in a browser: the list of problems, a problem with its chat, and answers as HTML."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from flask import Blueprint, Response, render_template, request
from markupsafe import Markup

from blueprints import answered, identity, transcript
from blueprints.dialects.markdown import render_markdown
from blueprints.extensions import creation_allowance, services
from services.assistants import problem_bank
from services.assistants.problem_bank import Problem
from services.assistants.tutor import TutorInput
from services.assistants.tutor.input import MAX_CODE_CHARS, MAX_MESSAGE_CHARS
from services.store import conversations, problems, progress, submissions
from services.store.database import Session
from services.store.progress import Progress
from services.store.submissions import Submission

blueprint = Blueprint("tutor_pages", __name__)

# How long the next rung waits without an attempt, in seconds.
HINT_PAUSE_S: Final = 45
# Problems on one page of the list.
_PAGE: Final = 100


@blueprint.app_template_filter("markdown")
def markdown(text: str) -> Markup:
    """Markdown of a problem, rendered and sanitised."""
    return render_markdown(text)


@blueprint.get("/tutor")
def index() -> str:
    """The problems, filtered by a plain GET form."""
    user = identity.require().user
    own, steps = services().database.run(_own_and_progress, user.id)
    everything = [_row(problem, steps.get(problem["id"])) for problem in [*own, *_bank()]]
    filters = {name: request.args.get(name, "").strip() for name in ("q", "difficulty", "tag", "progress")}
    found = [row for row in everything if _passes(row, filters)]
    number = request.args.get("page", "")
    start = (int(number) - 1) * _PAGE if number.isdecimal() and 0 < len(number) < 5 and int(number) else 0
    return render_template(
        "tutor/index.html",
        user=user,
        problems=found[start : start + _PAGE],
        previous_url=_page_url(filters, start // _PAGE) if start else None,
        next_url=_page_url(filters, start // _PAGE + 2) if start + _PAGE < len(found) else None,
        filters=filters,
        tags=sorted({tag for row in everything for tag in row["tags"]}),
        total=len(everything),
        solved=sum(row["solved"] for row in everything),
    )


@blueprint.get("/tutor/new")
def new() -> str:
    """Bring a problem of one's own."""
    return render_template("tutor/new.html", user=identity.require().user, problem=None, form={})


@blueprint.get("/tutor/<problem_id>")
def page(problem_id: str) -> str:
    """A problem with its statement, my code, the ladder and the conversation."""
    user = identity.require().user
    problem = problem_of(user.id, problem_id)
    conversation_id, latest, step = services().database.run(_known, user.id, problem_id)
    highest = step.highest_hint if step else 0
    return render_template(
        "tutor/problem.html",
        user=user,
        problem=_shown(problem),
        session_id=session_of(problem_id),
        turns=transcript.of_conversation(user.id, conversation_id)[1] if conversation_id else [],
        composer=_composer(problem_id),
        max_code_chars=MAX_CODE_CHARS,
        submission=latest,
        code=latest.code if latest else "",
        language=latest.language if latest else "",
        highest_hint=highest,
        hint_level=max(highest, 1),
        hint_pause_s=HINT_PAUSE_S,
        allowance=creation_allowance("tutor"),
    )


def _composer(problem_id: str) -> dict[str, Any]:
    return {
        "action": "/v1/tutor/messages",
        "fields": {"session_id": session_of(problem_id), "problem_id": problem_id},
        "keep": problem_id,
        "placeholder": "Ask, or say what you tried…",
        "max_chars": MAX_MESSAGE_CHARS,
        "facts": "tutor/_facts.html",
    }


def asked(user_id: int, stream_id: str, sent: TutorInput, problem: Problem, *, as_fragment: bool) -> Response:
    """A question's answer for a page: the element that connects itself, or a page that grows."""
    if as_fragment:
        turn = transcript.of_stream(user_id, stream_id)
        return answered.as_fragment("tutor/_answer.html", stream_id, turn=turn, allowance=creation_allowance("tutor"))
    back_url = f"/tutor/{problem.id}"
    return answered.as_page(user_id, stream_id, title=problem.title, question=sent.message, back_url=back_url)


def submitted(user_id: int, problem_id: str) -> Response:
    """A submission's panel, for htmx."""
    latest = services().database.run(submissions.latest, user_id, problem_id, 1)
    return Response(render_template("tutor/_submitted.html", submission=latest[0] if latest else None))


def not_kept(problem: Mapping[str, Any], form: Mapping[str, Any]) -> str:
    """The form for a problem of one's own again, with what was wrong with it."""
    return render_template("tutor/new.html", user=identity.require().user, problem=problem, form=form)


def problem_of(user_id: int, problem_id: str) -> Problem:
    """A bundled problem, or one of this user's own.

    Raises:
        NotFound: Unknown, or somebody else's.
    """
    bundled = problem_bank.bundled().get(problem_id)
    return bundled or _own(services().database.run(problems.get, user_id, problem_id))


def session_of(problem_id: str) -> str:
    """The page's own name for the conversation about a problem."""
    return f"page-{problem_id}"


def _own(row: problems.Problem) -> Problem:
    return problem_bank.own({**row.extra, "id": row.id, "title": row.title, "statement": row.statement})


def listed(user_id: int) -> list[dict[str, Any]]:
    """This user's own problems, the newest first, then the bank's."""
    return [*services().database.run(_own_listed, user_id), *_bank()]


def _bank() -> list[dict[str, Any]]:
    return [problem_bank.summary(problem) for problem in problem_bank.bundled().values()]


def _own_listed(session: Session, user_id: int) -> list[dict[str, Any]]:
    return [{**row._asdict(), "own": True} for row in problems.for_user(session, user_id)]


def _own_and_progress(session: Session, user_id: int) -> tuple[list[dict[str, Any]], dict[str, Progress]]:
    return _own_listed(session, user_id), progress.for_user(session, user_id)


def _page_url(filters: Mapping[str, str], number: int) -> str:
    return f"/tutor?{urlencode({**{name: value for name, value in filters.items() if value}, 'page': number})}"


def _known(session: Session, user_id: int, problem_id: str) -> tuple[str | None, Submission | None, Progress | None]:
    conversation = conversations.by_client_name(session, user_id, "tutor", session_of(problem_id))
    latest = submissions.latest(session, user_id, problem_id, 1)
    step = progress.of_problem(session, user_id, problem_id)
    return conversation.id if conversation else None, latest[0] if latest else None, step


def _row(problem: Mapping[str, Any], step: Progress | None) -> dict[str, Any]:
    return {
        **problem,
        "solved": bool(step and step.solved),
        "highest_hint": step.highest_hint if step else 0,
    }


def _passes(row: Mapping[str, Any], filters: Mapping[str, str]) -> bool:
    words = filters["q"].casefold().split()
    text = f"{row['title']} {' '.join(row['tags'])}".casefold()
    state = "solved" if row["solved"] else "begun" if row["highest_hint"] else "new"
    return (
        all(word in text for word in words)
        and filters["difficulty"] in ("", row["difficulty"])
        and filters["tag"] in ("", *row["tags"])
        and filters["progress"] in ("", state)
    )


def _shown(problem: Problem) -> dict[str, Any]:
    """A problem with its values as text."""
    shown, shown_input = problem_bank.shown, problem_bank.shown_input
    return {
        **problem_bank.for_prompt(problem),
        "examples": [
            {**case, "input": shown_input(case["input"]), "output": shown(case["output"])} for case in problem.examples
        ],
        "tests": [
            {**case, "input": shown_input(case["input"]), "expected": shown(case["expected"])} for case in problem.tests
        ],
    }
