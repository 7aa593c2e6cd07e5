"""Figures for operators, in the Prometheus text format, correct across workers.

Under gunicorn each worker writes its values to files in PROMETHEUS_MULTIPROC_DIR (gunicorn.conf.py
sets it); whichever worker is asked adds them up. Without it, as in tests, one process counts alone.
"""

import os
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
_FIRST_TEXT_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60)
_VIEW_BUCKETS: Final = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600)


class Metrics:
    """What is counted."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self._runs = Gauge("rill_runs_active", "Runs that go on now", multiprocess_mode="livesum", registry=registry)
        self._viewers = Gauge(
            "rill_viewers", "Open responses that follow a stream", multiprocess_mode="livesum", registry=registry
        )
        self._started = Counter("rill_runs_started", "Runs that began", ["assistant"], registry=registry)
        self._outcomes = Counter("rill_runs_ended", "Runs that ended", ["outcome"], registry=registry)
        self._first = Histogram(
            "rill_first_text_seconds",
            "From a run's start to its first text",
            ["assistant"],
            buckets=_FIRST_TEXT_BUCKETS,
            registry=registry,
        )
        self._views = Histogram(
            "rill_view_seconds",
            "How long a response followed a stream",
            ["assistant"],
            buckets=_VIEW_BUCKETS,
            registry=registry,
        )
        self._viewed = Counter(
            "rill_views_ended",
            "Responses that followed a stream, by how they ended",
            ["assistant", "how"],
            registry=registry,
        )
        self._resumes = Counter("rill_resumes", "Subscribes with a cursor", ["verdict"], registry=registry)
        self._refusals = Counter("rill_refusals", "Requests over a limit", ["limit"], registry=registry)
        self._of_assistants(registry)

    def _of_assistants(self, registry: CollectorRegistry) -> None:
        """What only one assistant has: the search its documents, the stories their checks."""
        self._documents = Counter(
            "rill_documents_ingested", "Documents that came to their end", ["outcome"], registry=registry
        )
        self._chunks = Counter("rill_chunks_ingested", "Chunks of documents that are ready", registry=registry)
        self._pieces = Counter(
            "rill_story_pieces", "Pieces of stories, by what their check came to", ["status"], registry=registry
        )
        self._checks = Histogram(
            "rill_story_check_seconds",
            "How long the checks of one chapter took, all together",
            buckets=_FIRST_TEXT_BUCKETS,
            registry=registry,
        )

    def started(self, assistant: str) -> None:
        self._started.labels(assistant).inc()

    def ended(self, outcome: str) -> None:
        self._outcomes.labels(outcome).inc()

    def first_text(self, assistant: str, seconds: float) -> None:
        self._first.labels(assistant).observe(seconds)

    def viewed(self, assistant: str, how: str, seconds: float) -> None:
        """A response on a stream has ended: `whole`, because its client `left`, or sent `away` to come back."""
        self._views.labels(assistant).observe(seconds)
        self._viewed.labels(assistant, how).inc()

    def resumed(self, verdict: str) -> None:
        self._resumes.labels(verdict).inc()

    def ingested(self, outcome: str, chunks: int) -> None:
        self._documents.labels(outcome).inc()
        self._chunks.inc(chunks)

    def chapter(self, *, shown: int, withheld: int, by_rules_alone: int, check_s: float) -> None:
        """A chapter has been told, or has broken off.

        Args:
            shown, withheld: Pieces of it.
            by_rules_alone: Of those shown, the ones that the model gave no clear answer about.
        """
        for status, count in (
            ("approved", shown - by_rules_alone),
            ("approved_by_rules_alone", by_rules_alone),
            ("withheld", withheld),
        ):
            if count > 0:
                self._pieces.labels(status).inc(count)
        self._checks.observe(check_s)

    def refused(self, limit: str) -> None:
        self._refusals.labels(limit).inc()

    def expose(self, *, runs: int, viewers: int) -> bytes:
        """The figures of all workers.

        Args:
            runs, viewers: Of this worker, now.
        """
        self.observe(runs=runs, viewers=viewers)
        directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if not directory:
            return generate_latest(self._registry)
        everyone = CollectorRegistry()
        MultiProcessCollector(everyone, path=directory)  # type: ignore[no-untyped-call]  # the package has no hints
        return generate_latest(everyone)

    def observe(self, *, runs: int, viewers: int) -> None:
        """Note this worker's present state, for whichever worker is asked next."""
        self._runs.set(runs)
        self._viewers.set(viewers)
