from gevent import monkey; monkey.patch_all()  # noqa: E702, I001  # fmt: skip

# The site as a WSGI application: `create_app` is what gunicorn, `flask --app app ...` and the tests
# call. The patch stands first because commands and tests have no worker class that would do it.

import os
from collections.abc import Mapping

from dotenv import dotenv_values
from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

import blueprints
from services import logs, settings, wiring

# Room for any form or question; routes that take files raise it for themselves.
MAX_BODY_BYTES = 1024 * 1024


def create_app(site_settings: settings.Settings | None = None) -> Flask:
    """Build the site. Connects to nothing: `app.extensions["rill"].start()` does, in the worker.

    Args:
        site_settings: Read from the environment over `.env` unless given.

    Raises:
        BadSetting: A setting cannot be used; ends the process with one line.
    """
    site_settings = site_settings or settings.load(_environment())
    logs.configure(site_settings)
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=site_settings.secret_key,
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_BODY_BYTES,
        SESSION_COOKIE_NAME="rill_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_REFRESH_EACH_REQUEST=False,
        # Templates are reloaded by a restart, in development too.
        TEMPLATES_AUTO_RELOAD=False,
    )
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.extensions["rill"] = wiring.build(site_settings)
    blueprints.register(app)
    if site_settings.proxy_hops:
        hops = site_settings.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    return app


def _environment() -> Mapping[str, str]:
    kept = {name: value for name, value in dotenv_values(".env").items() if value is not None}
    return {**kept, **os.environ}
