"""Figures: counted here, and added up over all workers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from services.streaming.metrics import Metrics

WORKER = """
from services.streaming.metrics import Metrics
metrics = Metrics()
metrics.started("tutor")
metrics.observe(runs=2, viewers=3)
print(metrics.expose(runs=2, viewers=3).decode())
"""


@pytest.mark.req("T41")
def test_everything_is_counted() -> None:
    metrics = Metrics()
    metrics.started("tutor")
    metrics.ended("completed")
    metrics.first_text("tutor", 0.2)
    metrics.resumed("exact")
    metrics.refused("site")
    metrics.viewed("search", "left", 0.7)
    metrics.chapter(shown=5, withheld=2, by_rules_alone=1, check_s=0.3)
    metrics.chapter(shown=0, withheld=0, by_rules_alone=0, check_s=0.0)

    text = metrics.expose(runs=1, viewers=4).decode()

    for line in (
        'rill_runs_started_total{assistant="tutor"} 1.0',
        'rill_runs_ended_total{outcome="completed"} 1.0',
        'rill_first_text_seconds_bucket{assistant="tutor",le="0.25"} 1.0',
        'rill_resumes_total{verdict="exact"} 1.0',
        'rill_refusals_total{limit="site"} 1.0',
        'rill_views_ended_total{assistant="search",how="left"} 1.0',
        'rill_view_seconds_bucket{assistant="search",le="1.0"} 1.0',
        'rill_story_pieces_total{status="approved"} 4.0',
        'rill_story_pieces_total{status="approved_by_rules_alone"} 1.0',
        'rill_story_pieces_total{status="withheld"} 2.0',
        "rill_story_check_seconds_count 2.0",
        "rill_runs_active 1.0",
        "rill_viewers 4.0",
    ):
        assert line in text


@pytest.mark.slow
def test_workers_are_added_up(tmp_path: Path) -> None:
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    command = [sys.executable, "-c", WORKER]
    root = Path(__file__).resolve().parents[3]

    for _ in range(2):
        said = subprocess.run(command, env=environ, cwd=root, capture_output=True, text=True, check=True).stdout

    assert 'rill_runs_started_total{assistant="tutor"} 2.0' in said


def test_any_worker_tells_the_figures_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    root = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", WORKER], env=environ, cwd=root, capture_output=True, check=True)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))

    said = Metrics().expose(runs=0, viewers=0).decode()

    assert 'rill_runs_started_total{assistant="tutor"} 1.0' in said
