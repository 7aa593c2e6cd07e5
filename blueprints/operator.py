"""The operator's page: what runs, how answers went, who uses how much, what is stored. For admins; shows no content."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from flask import Blueprint, Response, render_template
from prometheus_client.parser import text_string_to_metric_families

from blueprints import identity
from blueprints.extensions import services
from blueprints.pages import standing
from services.errors import Forbidden, Unavailable
from services.store import operations, users
from services.store.base import utc_now
from services.store.operations import Running
from services.streaming.events import StreamId, UserId

blueprint = Blueprint("operator", __name__)

_PERIODS: Final = (("Last day", timedelta(days=1)), ("Last week", timedelta(days=7)))
_LIMITS: Final = {
    "rate": "Questions a minute, or tries to sign in",
    "assistant": "Answers at once, one person and assistant",
    "user": "Answers at once, one person",
    "site": "Answers at once, the whole site",
}
_VERDICTS: Final = {
    "exact": "went on where they stood",
    "snapshot": "were shown the answer so far",
    "finished": "had read it all",
    "gone": "read a stored answer, as its stream had expired",
}


@dataclass(frozen=True, slots=True)
class Figures:
    """What all workers of this machine have counted since they were started.

    Attributes:
        returns: How often a reader came back to a stream that was not over.
        resumes, refusals: By verdict, and by limit; each with words for it.
    """

    runs: int
    viewers: int
    started: int
    returns: int
    resumes: list[tuple[str, int]]
    refusals: list[tuple[str, int]]


@blueprint.get("/admin")
def page() -> Response:
    """How the site is doing."""
    user = identity.require().user
    if not user.is_admin:
        raise Forbidden
    wired, now = services(), utc_now()
    run = wired.database.run
    running = run(operations.running)
    html = render_template(
        "operator/page.html",
        user=user,
        now=now,
        settings=wired.settings,
        engine=wired.engine.name,
        standing=standing(),
        figures=_figures(),
        running=[(row, _state(row), _seconds(now, row.created_at)) for row in running],
        is_cut=len(running) >= operations.MAX_RUNNING,
        periods=[(name, run(operations.period, now - length)) for name, length in _PERIODS],
        most=operations.MAX_ANSWERS,
        use=run(operations.use, now),
        people=run(users.count),
        stored=run(operations.stored),
    )
    response = Response(html)
    response.headers["Cache-Control"] = "no-store"
    return response


def _state(row: Running) -> str:
    """What Redis says of an answer that is stored as running."""
    if row.stream_id is None:
        return "unknown"
    try:
        state = services().log.state(UserId(row.user_id), StreamId(row.stream_id))
    except Unavailable:
        return "Redis is away"
    if state is None or state.run_id != row.run_id:
        return "waits to be settled"
    return {"running": "running", "sealed": "being ended"}.get(state.status, "being stored")


def _seconds(now: datetime, then: datetime) -> float:
    return max(0.0, (now - then).total_seconds())


def _figures() -> Figures:
    """The figures of `/metrics`, in numbers."""
    wired = services()
    text = wired.metrics.expose(runs=wired.runs.active, viewers=wired.hub.viewers).decode()
    families = list(text_string_to_metric_families(text))
    samples = [sample for family in families for sample in family.samples]

    def total(name: str, **labels: str) -> int:
        fitting = (of for of in samples if of.name == name and labels.items() <= of.labels.items())
        return round(sum(of.value for of in fitting))

    return Figures(
        runs=total("rill_runs_active"),
        viewers=total("rill_viewers"),
        started=total("rill_runs_started_total"),
        returns=sum(total("rill_resumes_total", verdict=verdict) for verdict in ("exact", "snapshot")),
        resumes=[(words, total("rill_resumes_total", verdict=verdict)) for verdict, words in _VERDICTS.items()],
        refusals=[(words, total("rill_refusals_total", limit=limit)) for limit, words in _LIMITS.items()],
    )
