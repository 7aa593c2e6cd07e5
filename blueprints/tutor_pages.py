"""The tutor in a browser: the list of problems, a problem with its chat, and answers as HTML."""

from flask import Blueprint, Response, render_template

from services.assistants.problem_bank import Problem
from services.assistants.tutor import TutorInput

blueprint = Blueprint("tutor_pages", __name__)


def answered(stream_id: str, sent: TutorInput, problem: Problem, *, as_fragment: bool) -> Response:
    """A question's answer for a page: the connected element, or a page that grows."""
    return Response(render_template("tutor/_answer.html", stream_id=stream_id, sent=sent, problem=problem))
