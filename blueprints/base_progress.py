"""How far a base's documents are, as a stream: named `document` events for programs, fragments for our pages.

Every frame says how things stand, so that one who comes back needs nothing of what was missed. It ends with `done`
(`close` for pages) when all is at rest.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from flask import Blueprint, Response, current_app, request
from jinja2 import Environment

from blueprints import errors, following, identity
from blueprints.base_documents import ON_A_PAGE, state_json
from blueprints.extensions import services
from services.errors import AppError, NotFound
from services.knowledge.bases import Document, Library
from services.knowledge.watching import Ended, News, Viewer
from services.store.pulses import Pulse
from services.streaming.wire import HEARTBEAT, farewell, frame, text_frame

blueprint = Blueprint("base_progress", __name__)

_CURSOR: Final = re.compile(r"[0-9A-Za-z]{1,40}-([0-9]{1,18})")
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


@blueprint.get("/api/v1/kbs/<base_id>/progress")
def progress(base_id: str) -> Response:
    """Follow a base's documents until all are at rest; `view=html` for our pages, which is always answered by 200."""
    library, me = services().library, identity.require().user.id
    base = library.get(me, base_id)
    if services().hub.draining:
        return following.streamed(iter([farewell(following.RETRY_MS)]))
    if request.args.get("view") == "html":
        shows: _Html | _Json = _Html(
            library, current_app.jinja_env, me, base_id, request.args.get("before") or None, base.role != "reader"
        )
    else:
        shows = _Json(library, me, base_id, _cursor())
        if shows.has_seen_all():
            return Response(status=204)
    viewer = services().watches.join(me, base_id)
    news = viewer.news(
        heartbeat_s=services().settings.stream_heartbeat_s, connection=request.environ.get("gunicorn.socket")
    )
    response = following.streamed(_frames(viewer, shows, news))
    # Also when the client leaves before the first frame.
    response.call_on_close(viewer.leave)
    return response


def refusal(problem: dict[str, Any]) -> Response:
    """What a page is told that may not follow."""
    return following.refusal("bases/refusal.html", problem, base_id=(request.view_args or {}).get("base_id", ""))


errors.refuses_in_html(progress, refusal)


class _Json:
    """Named `document` events, then `done`."""

    def __init__(self, library: Library, user_id: int, base_id: str, since: datetime | None) -> None:
        self._library, self._user_id, self._base_id, self._since = library, user_id, base_id, since

    def has_seen_all(self) -> bool:
        """Whether somebody who comes back has nothing to come back for."""
        if self._since is None:
            return False
        pulse = self._library.pulse(self._base_id, self._since)
        return not pulse.moving and not pulse.changed

    def greeting(self) -> tuple[bytes, bool]:
        """What a newcomer gets, and whether that is all."""
        pulse = self._library.pulse(self._base_id, self._since or _EPOCH)
        return self._events(pulse) + (self.end(pulse) if not pulse.moving else b""), not pulse.moving

    def news(self, news: News) -> bytes:
        """What happened."""
        return news.once("json", partial(self._events, news.pulse))

    def end(self, pulse: Pulse | None) -> bytes:
        """Nothing follows."""
        if pulse is None:
            return frame({"reason": "gone"}, name="done")
        counts = {"total": pulse.total, "ready": pulse.ready, "failed": pulse.failed}
        return frame({"reason": "rest", **counts}, name="done", event_id=self._id(pulse.latest or self._since))

    def _events(self, pulse: Pulse) -> bytes:
        # The oldest change first: the last id that a reader has covers all before it.
        return b"".join(
            frame(state_json(document), name="document", event_id=self._id(document.updated_at))
            for document in sorted(pulse.changed, key=lambda document: document.updated_at)
        )

    def _id(self, at: datetime | None) -> str | None:
        return None if at is None else f"{self._base_id}-{(at - _EPOCH) // timedelta(microseconds=1)}"


class _Html:
    """Fragments for the page of a base; what is shown depends on which page of its list that is, and on the role."""

    def __init__(
        self, library: Library, templates: Environment, user_id: int, base_id: str, before: str | None, can_edit: bool
    ) -> None:
        self._library, self._templates, self._user_id = library, templates, user_id
        self._base_id, self._before, self._can_edit = base_id, before, can_edit

    def greeting(self) -> tuple[bytes, bool]:
        """The list as it is, and whether that is all."""
        pulse = self._library.pulse(self._base_id, None)
        whole = self._whole(pulse)
        return whole + (self.end(pulse) if not pulse.moving else b""), not pulse.moving

    def news(self, news: News) -> bytes:
        """What happened: the documents that changed, or the whole list if some came or went."""
        if news.is_whole:
            return news.once(("list", self._before, self._can_edit), partial(self._whole, news.pulse))
        return news.once(("changed", self._can_edit), partial(self._changed, news.pulse))

    def end(self, pulse: Pulse | None) -> bytes:
        """Nothing follows."""
        return text_frame("rest" if pulse else "gone", name="close")

    def _whole(self, pulse: Pulse) -> bytes:
        found = self._library.documents(self._user_id, self._base_id, self._before, ON_A_PAGE)
        return self._frame("bases/listed.html", found, pulse, announced=not pulse.moving)

    def _changed(self, pulse: Pulse) -> bytes:
        return self._frame("bases/progress.html", pulse.changed, pulse, announced=False)

    def _frame(self, name: str, documents: Sequence[Document], pulse: Pulse, *, announced: bool) -> bytes:
        html = self._templates.get_template(name).render(
            base_id=self._base_id,
            documents=documents,
            can_edit=self._can_edit,
            counts=pulse,
            announced=announced,
        )
        return text_frame(html.strip())


def _frames(viewer: Viewer, shows: _Html | _Json, told: Iterator[News | Ended | None]) -> Iterator[bytes]:
    """All that a viewer gets. Runs outside of the request."""
    pulse: Pulse | None = None
    try:
        greeting, is_all = shows.greeting()
        # Something at once: a page knows that it is connected.
        yield greeting or HEARTBEAT
        if is_all:
            return
        for news in told:
            if news is None:
                yield HEARTBEAT
            elif isinstance(news, News):
                pulse = news.pulse
                yield shows.news(news)
            else:
                yield _last(news, shows, pulse)
                return
    except NotFound:
        yield shows.end(None)
    except AppError:
        # The database is away: it comes back, and then the viewer.
        yield farewell(following.LATER_MS)
    finally:
        viewer.leave()


def _last(ended: Ended, shows: _Html | _Json, pulse: Pulse | None) -> bytes:
    if ended.reason == "away":
        return farewell(following.RETRY_MS)
    return shows.end(pulse if ended.reason == "rest" else None)


def _cursor() -> datetime | None:
    """Up to when a reader who comes back has seen everything."""
    sent = request.headers.get("Last-Event-ID") or request.args.get("last_event_id") or ""
    found = _CURSOR.fullmatch(sent)
    try:
        return _EPOCH + timedelta(microseconds=int(found[1])) if found else None
    except OverflowError:
        return None
