"""The tutor in a browser: the list of problems, a problem with its chat, and answers as HTML."""

from flask import Blueprint, Response, render_template

from services.assistants.problem_bank import Problem
from services.assistants.turns import Asked
from services.assistants.tutor import TutorInput

blueprint = Blueprint("tutor_pages", __name__)


def answered(asked: Asked, sent: TutorInput, problem: Problem, *, as_fragment: bool) -> Response:
    """A question's answer for a page: the connected element, or a page that grows."""
    return Response(render_template("tutor/_answer.html", asked=asked, sent=sent, problem=problem))
