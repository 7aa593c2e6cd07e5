"""gunicorn's configuration: what it takes from the settings, and what its logs leave out."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.config import Config

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Config]:
    """gunicorn's own reading of gunicorn.conf.py, under these environment variables."""

    def read(**environ: str) -> Config:
        for name, value in {"DATA_DIR": str(tmp_path), "SECRET_KEY": "k" * 32, **environ}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sys.argv", ["gunicorn", "-c", str(ROOT / "gunicorn.conf.py")])
        return WSGIApplication("%(prog)s").cfg

    return read


def test_what_an_operator_sets_reaches_gunicorn(configured: Callable[..., Config]) -> None:
    config = configured(BIND="::1", PORT="8123", WEB_CONCURRENCY="3", DRAIN_SECONDS="7.5")

    assert config.address == [("::1", 8123)]
    assert config.workers == 3
    assert config.graceful_timeout == 13


def test_workers_are_ours_patch_themselves_and_are_never_recycled(configured: Callable[..., Config]) -> None:
    config = configured()

    assert config.worker_class_str == "services.streaming.worker.RillWorker"
    assert not config.preload_app
    assert config.max_requests == 0


def test_there_is_no_control_socket_and_no_proxy_is_trusted(configured: Callable[..., Config]) -> None:
    config = configured()

    assert config.control_socket_disable
    assert config.forwarded_allow_ips == []


def test_a_malformed_setting_stops_the_start_with_one_line(configured: Callable[..., Config]) -> None:
    with pytest.raises(SystemExit, match=r"^PORT must be a whole number from 1 to 65535$"):
        configured(PORT="http")


def test_the_access_log_names_neither_query_nor_referrer_and_cannot_be_forged(
    configured: Callable[..., Config], caplog: pytest.LogCaptureFixture
) -> None:
    config = configured()
    log = config.logger_class(config)
    environ = {
        "REQUEST_METHOD": "GET",
        "RAW_URI": "/v1/tutor/stream?token=secret",
        "PATH_INFO": "/a\nevent=request",
        "QUERY_STRING": "token=secret",
        "HTTP_REFERER": "http://site/?token=secret",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
    }
    answer = SimpleNamespace(status="200 OK", sent=5, headers=[("X-Request-Id", "r1")])

    line = config.access_log_format % log.atoms_wrapper_class(
        log.atoms(answer, SimpleNamespace(headers=[]), environ, timedelta(milliseconds=12))
    )

    assert "secret" not in line
    assert "\n" not in line
    assert "path=/a%0Aevent%3Drequest " in line
    assert "request_id=r1" in line
    assert "duration_ms=12" in line


@pytest.mark.parametrize(
    "path", ["/todos/feed/s3cret.ics", "//Todos/feed/s3cret", "/todos/feed/s3cret/x", "/stories/words/s3cret's3cret"]
)
def test_no_log_tells_what_a_path_tells_of_somebody(configured: Callable[..., Config], path: str) -> None:
    config = configured()
    log = config.logger_class(config)
    environ = {"REQUEST_METHOD": "GET", "RAW_URI": path, "PATH_INFO": path, "SERVER_PROTOCOL": "HTTP/1.1"}
    answer = SimpleNamespace(status="404 NOT FOUND", sent=5, headers=[("X-Request-Id", "r1")])
    request = SimpleNamespace(headers=[])
    failed = logging.LogRecord("gunicorn.error", 40, "", 1, "Error handling request %s", (path,), None)
    handler = next(handler for handler in log.error_log.handlers if getattr(handler, "_gunicorn", False))

    atoms = log.atoms_wrapper_class(log.atoms(answer, request, environ, timedelta(milliseconds=12)))
    lines = [config.access_log_format % atoms, handler.format(failed)]

    assert all("/feed/..." in line or "/words/..." in line for line in lines)
    assert not any("s3cret" in line for line in lines)


def test_a_failed_request_is_logged_without_its_query(configured: Callable[..., Config]) -> None:
    config = configured()
    log = config.logger_class(config)
    record = logging.LogRecord("gunicorn.error", 40, "", 1, "Error handling request %s", ("/s?token=secret",), None)

    assert log.error_log.handlers[0].filter(record)

    assert record.getMessage() == "Error handling request /s?..."


def test_gunicorns_own_lines_are_written_as_the_sites(configured: Callable[..., Config]) -> None:
    config = configured()
    log = config.logger_class(config)
    handler = next(handler for handler in log.error_log.handlers if getattr(handler, "_gunicorn", False))
    written: list[str] = []
    handler.emit = lambda record: written.append(handler.format(record))

    log.info("Booting worker with pid: %s", 7)
    log.error('Forged\ntime=1 level=INFO event="x" %s', "/s?token=secret")

    first, second = written
    assert first.startswith("time=20")
    assert f'level=INFO pid={os.getpid()} logger=gunicorn.error event="Booting worker with pid: 7"' in first
    assert "secret" not in second
    assert "\n" not in second
    assert 'event="Forged\\ntime=1' in second


def test_the_configuration_does_not_patch(tmp_path: Path) -> None:
    look = (
        "import runpy; runpy.run_path('gunicorn.conf.py');"
        "import services.streaming.worker; from gevent import monkey; print(monkey.is_module_patched('socket'))"
    )

    done = subprocess.run(
        [sys.executable, "-c", look], cwd=ROOT, env={"DATA_DIR": str(tmp_path)}, capture_output=True, text=True
    )

    assert done.stdout == "False\n", done.stderr


@pytest.mark.req("U16")
def test_figures_of_a_worker_outlive_it_but_not_what_went_on_in_it(
    configured: Callable[..., Config], tmp_path: Path
) -> None:
    server = SimpleNamespace(figures=str(tmp_path / "figures"))
    names = ["counter_7.db", "gauge_livesum_7.db", "gauge_livesum_77.db"]
    (tmp_path / "figures").mkdir()
    for name in names:
        (tmp_path / "figures" / name).touch()

    configured().child_exit(server, SimpleNamespace(pid=7))

    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["counter_7.db", "gauge_livesum_77.db"]


@pytest.mark.req("U16")
def test_the_workers_figures_are_kept_in_one_folder_for_as_long_as_the_site_runs(
    configured: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(REDIS_URL="redis://127.0.0.1:1")
    server = SimpleNamespace(log=logging.getLogger("quiet"))
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")

    config.when_ready(server)

    assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == server.figures
    assert Path(server.figures).is_dir()
    config.on_exit(server)
    assert not Path(server.figures).exists()
