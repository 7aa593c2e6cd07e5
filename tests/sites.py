"""Sites in the test's own process, made as `make run` makes them but quicker, and people who sign up there.

What is quicker: the database is a copy (databases.py), templates are compiled once a process, and the parts of routes
that build addresses are compiled when a test first needs them.
"""

from collections.abc import Callable, MutableMapping
from typing import Any

from flask import Flask, session
from flask.testing import FlaskClient
from flask_wtf.csrf import generate_csrf
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from werkzeug.routing import Rule

import app
from services.settings import Settings
from tests import databases

PASSWORD = "correct horse battery staple"


class _Templates(BytecodeCache):
    """Compiled templates, by their path and text."""

    def __init__(self) -> None:
        self._kept: MutableMapping[tuple[str, str], bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        kept = self._kept.get((bucket.key, bucket.checksum))
        if kept is not None:
            bucket.bytecode_from_string(kept)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key, bucket.checksum] = bucket.bytecode_to_string()


class _Rule(Rule):
    """Compiles what builds its addresses at the first use: werkzeug does at once, which is half of making a site."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        compiled: list[Callable[..., tuple[str, str]]] = []

        def build(rule: Rule, /, **values: Any) -> tuple[str, str]:
            if not compiled:
                compiled.append(super(_Rule, self)._compile_builder(append_unknown))
            return compiled[0](rule, **values)

        return build


_templates = _Templates()
Flask.url_rule_class = _Rule


def build(settings: Settings) -> Flask:
    """A site with its database; not started."""
    made = app.create_app(settings)
    made.jinja_env.bytecode_cache = _templates
    databases.prepare(settings.database)
    return made


def sign_up(client: FlaskClient, email: str, **form: str) -> FlaskClient:
    """Register through the site's own form; from then on the browser sends the session's CSRF token by itself."""
    token = session_token(client)
    sent = client.post("/register", data={"email": email, "password": PASSWORD, "csrf_token": token, **form})
    assert sent.status_code == 303, sent.text
    client.environ_base["HTTP_X_CSRF_TOKEN"] = session_token(client)
    return client


def session_token(client: FlaskClient) -> str:
    """The token that the pages of this browser's session carry."""
    with client.application.test_request_context(), client.session_transaction() as kept:
        session.update(kept)
        token = str(generate_csrf())
        kept["csrf_token"] = session["csrf_token"]
    return token
