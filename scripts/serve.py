from gevent import monkey; monkey.patch_all()  # noqa: E702  # fmt: skip

# `make run`: bring the database up to date, then become gunicorn. The patch is for the database's connections.

import os
import sys
from pathlib import Path

from dotenv import dotenv_values

from services import settings
from services.errors import AppError
from services.store.database import Database

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Migrate, then execute gunicorn in this process, so that it gets the signals."""
    os.chdir(ROOT)
    kept = {name: value for name, value in dotenv_values(".env").items() if value is not None}
    site_settings = settings.load({**kept, **os.environ})
    database = Database(site_settings.database)
    try:
        database.migrate()
    except AppError as problem:
        sys.exit(problem.message)
    database.close()
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", *sys.argv[1:]])  # noqa: S606 - our own


if __name__ == "__main__":
    main()
