"""The todo list as others change it: fragments for the pages that show it, whenever its revision has risen.

Every frame holds all that a tab shows of the list, so that one who comes back needs nothing of what was missed.
"""

import time
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any, Final

from flask import Blueprint, Response, current_app, request
from jinja2 import Environment

from blueprints import errors, following, identity
from blueprints.extensions import services
from blueprints.todo_shown import Board, Choice, read
from services.errors import AppError
from services.store.base import utc_now
from services.store.database import Database
from services.store.users import User
from services.streaming.wire import HEARTBEAT, farewell, text_frame
from services.todos.watching import News, Viewer
from services.watching import Ended

blueprint = Blueprint("todo_stream", __name__)

# Who is signed out meanwhile learns it when coming back.
MAX_AGE_S: Final = 600.0


@blueprint.get("/todos/stream")
def stream() -> Response:
    """Follow my list as this address filters it; for pages, so that it is always answered by 200."""
    user = identity.require().user
    if services().hub.draining:
        return following.streamed(iter([farewell(following.RETRY_MS)]))
    viewer = services().todo_watches.join(user.id, str(user.id))
    shows = _Shows(services().database, current_app.jinja_env, user, Choice.of(request.args))
    news = viewer.news(
        heartbeat_s=services().settings.stream_heartbeat_s, connection=request.environ.get("gunicorn.socket")
    )
    response = following.streamed(_frames(viewer, shows, news))
    # Also when the client leaves before the first frame.
    response.call_on_close(viewer.leave)
    return response


def refusal(problem: dict[str, Any]) -> Response:
    """What a page is told that may not follow."""
    return following.refusal("todos/refusal.html", problem)


errors.refuses_in_html(stream, refusal)


class _Shows:
    """What one tab shows of the list."""

    def __init__(self, database: Database, templates: Environment, user: User, choice: Choice) -> None:
        self._database, self._templates, self._user, self._choice = database, templates, user, choice

    def greeting(self) -> bytes:
        """The list as it is."""
        return self._frame(utc_now())

    def news(self, news: News) -> bytes:
        """The list as it has become; made once for all tabs that show the same of it."""
        return news.once((self._user.zone, self._choice), partial(self._frame, utc_now()))

    def _frame(self, now: datetime) -> bytes:
        found = self._database.run(read, self._user.id, self._choice, now=now, zone=self._user.zone)
        board = Board(self._choice, found, now, self._user.zone)
        html = self._templates.get_template("todos/listed.html").render(board=board, said=None, is_new_way=False)
        return text_frame(html.strip())


def _frames(viewer: Viewer, shows: _Shows, told: Iterator[News | Ended | None]) -> Iterator[bytes]:
    """All that a viewer gets. Runs outside of the request."""
    until_s = time.monotonic() + MAX_AGE_S
    try:
        yield (last := shows.greeting())
        for news in told:
            if news is None:
                yield HEARTBEAT
            elif isinstance(news, News):
                frame = shows.news(news)
                if frame != last:
                    yield (last := frame)
            if isinstance(news, Ended) or time.monotonic() > until_s:
                yield farewell(following.RETRY_MS)
                return
    except AppError:
        # The database is away: it comes back, and then the viewer.
        yield farewell(following.LATER_MS)
    finally:
        viewer.leave()
