"""Streams that are no answer's: how pages and programs follow what changes, and what they are told of a refusal."""

from collections.abc import Iterator
from typing import Any, Final

from flask import Response, current_app

from services.streaming.wire import farewell, text_frame

# When to come back: to another worker, since this one goes; and when something is away or full.
RETRY_MS: Final = 300
LATER_MS: Final = 3000
# The database or Redis is away, or there are too many viewers: that passes.
_PASSING: Final = frozenset({429, 503})


def streamed(frames: Iterator[bytes] | bytes) -> Response:
    """Frames, as they come or all at once, as a response that nobody holds back."""
    response = Response(frames, content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def refusal(template: str, problem: dict[str, Any], **variables: Any) -> Response:
    """A page reads frames only: a refusal is one, and the end; or it is told to come back."""
    if problem["status"] in _PASSING:
        return streamed(iter([farewell(LATER_MS)]))
    html = current_app.jinja_env.get_template(template).render(problem=problem, **variables)
    return streamed(iter([text_frame(html.strip()), text_frame("refused", name="close")]))
