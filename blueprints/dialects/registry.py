"""Which dialect an assistant's API speaks."""

from collections.abc import Callable

from flask import current_app, has_request_context, request

from blueprints.dialects.html import HtmlDialect
from blueprints.dialects.progressive import ProgressiveDialect
from blueprints.dialects.search import SearchDialect
from blueprints.dialects.stories import StoriesDialect
from blueprints.dialects.study import StudyDialect
from blueprints.dialects.todos import TodosDialect
from blueprints.dialects.tutor import TutorDialect
from blueprints.extensions import services
from services.streaming.views import Dialect

_PUBLISHED: dict[str, Callable[[], Dialect]] = {
    "tutor": TutorDialect,
    "stories": StoriesDialect,
    "search": SearchDialect,
    "study": lambda: StudyDialect(services().points.prices),
    "todos": lambda: todos(),
}


def published(assistant: str) -> Dialect:
    """The dialect of an assistant's own API."""
    return _PUBLISHED[assistant]()


def study_simple() -> StudyDialect:
    """The study chat's dialect without `metadata`."""
    return StudyDialect(services().points.prices, simple=True)


def todos() -> TodosDialect:
    """The todo agent's dialect in the framing that the current request asks for."""
    asked = request.args if has_request_context() else {}
    return TodosDialect(envelope=asked.get("frame") == "envelope", batch=asked.get("batch") == "1")


def html() -> HtmlDialect:
    """The dialect of pages that htmx drives."""
    return HtmlDialect(current_app.jinja_env)


def progressive() -> ProgressiveDialect:
    """The dialect of pages without script."""
    return ProgressiveDialect(current_app.jinja_env)
