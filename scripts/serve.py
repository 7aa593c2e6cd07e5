from gevent import monkey; monkey.patch_all()  # noqa: E702  # fmt: skip

# `make run`: bring the database up to date, then become gunicorn. The patch is for the database's connections.

import signal; signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E702  # fmt: skip

# Ctrl-C ends this at once, without a traceback: a migration is one transaction.

import errno
import os
import socket
import sys
import time
from pathlib import Path

from dotenv import dotenv_values

from services import settings
from services.errors import AppError
from services.store.database import Database

ROOT = Path(__file__).resolve().parents[1]
# What was killed a moment ago may still be letting go of the port.
_PATIENCE_S = 2.0


def main() -> None:
    """Migrate, then execute gunicorn in this process, so that it gets the signals."""
    os.chdir(ROOT)
    kept = {name: value for name, value in dotenv_values(".env").items() if value is not None}
    site_settings = settings.load({**kept, **os.environ})
    _check_address(site_settings.bind, site_settings.port)
    database = Database(site_settings.database)
    try:
        database.migrate()
    except AppError as problem:
        sys.exit(f"{'DATABASE_URL' if site_settings.database_url else 'DATA_DIR'}: {problem.message}")
    database.close()
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", *sys.argv[1:]])  # noqa: S606 - our own


def _check_address(host: str, port: int) -> None:
    """End with one line if nobody could listen there; gunicorn would say it many times, without the remedy."""
    until_s = time.monotonic() + _PATIENCE_S
    while True:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as problem:
                if problem.errno == errno.EADDRINUSE and time.monotonic() < until_s:
                    time.sleep(0.1)
                    continue
                sys.exit(f"Cannot listen on {host}, port {port}: {problem.strerror}. Set another PORT (or BIND).")
        return


if __name__ == "__main__":
    main()
