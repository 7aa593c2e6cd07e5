"""What all tests share: settings of their own, one private Valkey, and the wired site."""

import app as _site  # noqa: F401 - before all others: its first line is the gevent patch

# isort: split
import gc
import importlib.util
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest
from argon2 import PasswordHasher

from services import passwords
from services import settings as site_settings
from services.settings import Settings
from services.streaming import connections
from services.streaming.embedded_valkey import private_valkey
from tests import sites
from tests.sites import PASSWORD as PASSWORD
from tests.sites import sign_up as sign_up

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from redis import Redis

# The site's own.
HASHER = passwords.hasher
SECRET = "a secret for tests only, long enough"
_CSRF_META = re.compile(r'<meta name="csrf-token" content="([^"]+)">')

# `make test` installs no browser; these modules import its driver, and run by `make e2e` only.
collect_ignore = [] if importlib.util.find_spec("playwright") else ["e2e"]


def pytest_collection_finish() -> None:
    """What was imported and collected stays: it need not be looked through for cycles again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def _cheap_hashes() -> Iterator[None]:
    """What signing up costs is shown by test_passwords.py; here it is a fiftieth."""
    passwords.hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    yield
    passwords.hasher = HASHER


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The session's server; `redis_url` is the same one, emptied."""
    with private_valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture
def redis_url(valkey_url: str) -> str:
    """The address of a Valkey that holds nothing."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as talk:
        talk.settimeout(10)
        talk.connect(unquote(urlsplit(valkey_url).path))
        talk.sendall(b"FLUSHALL\r\n")
        assert talk.recv(64) == b"+OK\r\n"
    return valkey_url


@pytest.fixture
def redis(redis_url: str) -> Iterator["Redis"]:
    """A client of the emptied server, with the settings that the site uses."""
    client = connections.client(redis_url)
    yield client
    client.close()
    client.connection_pool.disconnect()


@pytest.fixture
def make_settings(tmp_path: Path, redis_url: str) -> Callable[..., Settings]:
    """Settings of a site of one's own; keyword arguments are environment variables."""

    def make(**environ: str) -> Settings:
        own = {
            "DATA_DIR": str(tmp_path / "var"),
            "SECRET_KEY": SECRET,
            "REDIS_URL": redis_url,
            "BUILTIN_PACE_MS": "1",
        }
        return site_settings.load({**own, **environ})

    return make


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """The defaults, in a directory of the test's own."""
    return make_settings()


@pytest.fixture
def make_app(make_settings: Callable[..., Settings]) -> Iterator[Callable[..., "Flask"]]:
    """Migrated and started sites; keyword arguments are environment variables."""
    made = []

    def make(**environ: str) -> "Flask":
        flask = sites.build(make_settings(**environ))
        flask.testing = True
        services = flask.extensions["rill"]
        made.append(services)
        services.start()
        return flask

    yield make
    for services in reversed(made):
        services.close()


@pytest.fixture
def app(make_app: Callable[..., "Flask"]) -> "Flask":
    """The site with its default settings and the built-in engine."""
    return make_app()


@pytest.fixture
def client(app: "Flask") -> "FlaskClient":
    """A browser that nobody is signed in with."""
    return app.test_client()


@pytest.fixture
def make_signed_in(app: "Flask") -> Callable[..., "FlaskClient"]:
    """Browsers that are signed in with an account of their own and send its CSRF token with every request."""

    def make(email: str = "ada@example.org") -> "FlaskClient":
        return sign_up(app.test_client(), email)

    return make


@pytest.fixture
def signed_in(make_signed_in: Callable[..., "FlaskClient"]) -> "FlaskClient":
    """A browser that is signed in as ada@example.org, the site's first account."""
    return make_signed_in()


def csrf_token(client: "FlaskClient", path: str) -> str:
    """The token that a page carries for its own writes."""
    page = client.get(path, headers={"Accept": "text/html"})
    found = _CSRF_META.search(page.text)
    assert found, f"no CSRF token in {path}: {page.status}"
    return found[1]
