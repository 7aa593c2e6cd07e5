"""Which dialect an assistant's API speaks."""

from flask import current_app

from blueprints.dialects.html import HtmlDialect
from blueprints.dialects.progressive import ProgressiveDialect
from blueprints.dialects.tutor import TutorDialect
from services.streaming.views import Dialect

_PUBLISHED: dict[str, Dialect] = {"tutor": TutorDialect()}


def published(assistant: str) -> Dialect:
    """The dialect of an assistant's own API."""
    return _PUBLISHED[assistant]


def html() -> HtmlDialect:
    """The dialect of pages that htmx drives."""
    return HtmlDialect(current_app.jinja_env)


def progressive() -> ProgressiveDialect:
    """The dialect of pages without script."""
    return ProgressiveDialect(current_app.jinja_env)
