"""How gunicorn serves the site: `gunicorn -c gunicorn.conf.py`. It does not patch: that is the worker's.

Everything that an operator changes is a setting (docs/configuration.md); the numbers here have reasons.
"""

import logging
import math
import os
import re
import resource
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dotenv import dotenv_values
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker

from services.logs import KeyValueFormatter, withheld
from services.settings import load
from services.streaming.embedded_valkey import EmbeddedValkey

chdir = str(Path(__file__).resolve().parent)
os.chdir(chdir)
_kept = {name: value for name, value in dotenv_values(".env").items() if value is not None}
_settings = load({**_kept, **os.environ})

wsgi_app = "app:create_app()"
worker_class = "services.streaming.worker.RillWorker"
workers = _settings.web_concurrency
_host = f"[{_settings.bind}]" if ":" in _settings.bind else _settings.bind
bind = f"{_host}:{_settings.port}"

# The application is imported by the worker, after its patch; a preloaded one would be imported before.
preload_app = False
# Only a silent event loop is killed: requests may last for an hour, and notify once a second.
timeout = 60
# The worker's own drain ends before the master kills without unwinding.
graceful_timeout = math.ceil(_settings.drain_s) + 5
# A worker at its limit would close its door and leave only when its last stream ends.
max_requests = 0
# A greenlet for each viewer; above the cap on viewers, so that health checks and stops get through.
worker_connections = 6000
# Longer than a page takes to ask for the next thing, shorter than proxies keep an idle connection.
keepalive = 10
# What the kernel holds while a deploy's reconnects come at once.
backlog = 2048
# The master's heartbeat files in memory: a disk that stalls must not look like a worker that does.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - gunicorn unlinks them at once
# A cursor, a ticket and a story's parameters fit many times; longer ones are mistakes.
limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 8190
# The application alone trusts proxies, as many as PROXY_HOPS says; gunicorn trusts none.
forwarded_allow_ips = ""
# An open door to the master that nothing here uses.
control_socket_disable = True

accesslog = errorlog = "-"
# No query string: it may hold a ticket or a question. No referrer, for the same reason.
access_log_format = (
    "time=%(t)s pid=%(p)s event=request request_id=%({x-request-id}o)s address=%(h)s "
    "method=%(m)s path=%(U)s status=%(s)s bytes=%(B)s duration_ms=%(M)s"
)

# Each viewer is a descriptor; a shell's usual 1,024 would be the site's limit. Valkey inherits it.
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
_wanted = 65536 if _hard == resource.RLIM_INFINITY else min(65536, _hard)
if _soft != resource.RLIM_INFINITY and _soft < _wanted:
    resource.setrlimit(resource.RLIMIT_NOFILE, (_wanted, _hard))


class logger_class(Logger):  # noqa: N801 - gunicorn's name for the setting
    """gunicorn's logger, in the lines that the site writes, and kept from query strings."""

    def setup(self, cfg: Config) -> None:
        """Configure, then write as the site does, and let no failed request's query string pass."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.addFilter(_without_query)
            handler.setFormatter(KeyValueFormatter())

    def atoms(self, resp: object, req: object, environ: dict[str, Any], request_time: timedelta) -> dict[str, Any]:
        """What the access log's format may name; the path as it was sent, in one word, without its secret."""
        known = super().atoms(resp, req, environ, request_time)
        sent = datetime.now(UTC).isoformat(timespec="milliseconds")
        path = withheld(quote(environ.get("PATH_INFO", ""), encoding="latin-1"))
        return {**known, "U": path, "t": sent, "p": os.getpid()}


def _without_query(record: logging.LogRecord) -> bool:
    record.msg, record.args = re.sub(r"\?[^\s'\"]+", "?...", record.getMessage()), None
    return True


def when_ready(server: Arbiter) -> None:
    """Start what the workers need, before there are any, and say where to go."""
    # Each worker keeps its figures in a file here, so that any of them can tell the figures of all.
    server.figures = os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="rill-figures-")
    if not _settings.redis_url:
        # Kept on the server: a reload makes this module anew.
        server.valkey = EmbeddedValkey(_settings.data_dir)
        server.valkey.start()
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(_settings.bind, _host)  # noqa: S104 - compared with
    engine = _settings.openai_model if _settings.model_configured else "the built-in engine, no model is set"
    server.log.info("Open http://%s:%s - answers come from %s", host, _settings.port, engine)


def on_reload(server: Arbiter) -> None:
    """Let the old workers serve until the new ones do. Valkey lives on; if its keeper was killed, bring it back."""
    server.worker_class.handover.begin(server.worker_age)
    if hasattr(server, "valkey"):
        server.valkey.start()


def child_exit(server: Arbiter, worker: Worker) -> None:
    """What a worker had counted stays counted; what went on in it does not go on."""
    for file in Path(server.figures).glob(f"gauge_live*_{worker.pid}.db"):
        file.unlink(missing_ok=True)


def on_exit(server: Arbiter) -> None:
    """End Valkey after the last worker, and wait for it."""
    if hasattr(server, "figures"):
        shutil.rmtree(server.figures, ignore_errors=True)
    if hasattr(server, "valkey"):
        server.valkey.stop()
