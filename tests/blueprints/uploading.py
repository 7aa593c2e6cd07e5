"""Clients that upload, at a site on PostgreSQL if TEST_DATABASE_URL names one, else on its own SQLite."""

from collections.abc import Callable
from io import BytesIO

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from tests.conftest import sign_up
from tests.services.store.conftest import new_schema, postgresql_url

__all__ = ["app", "environ", "make_client", "new_schema", "postgresql_url"]

NOTES = b"# Light\n\nPlants make sugar of light."
JSON = {"Accept": "application/json"}
CHROMIUM = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HTMX = {"HX-Request": "true", "Accept": "text/html"}


@pytest.fixture
def environ(postgresql_url: str | None, request: pytest.FixtureRequest) -> dict[str, str]:
    """The site's database: PostgreSQL if TEST_DATABASE_URL names one, else its own SQLite."""
    return {} if postgresql_url is None else {"DATABASE_URL": request.getfixturevalue("new_schema")()}


@pytest.fixture
def app(make_app: Callable[..., Flask], environ: dict[str, str]) -> Flask:
    return make_app(**environ)


@pytest.fixture
def make_client(make_app: Callable[..., Flask], environ: dict[str, str]) -> Callable[..., FlaskClient]:
    """Somebody who is signed in at a site with settings of the test's own."""
    return lambda **settings: sign_up(make_app(**environ, **settings).test_client(), "eve@example.org")


def add(
    client: FlaskClient, content: bytes = NOTES, name: str = "notes.md", headers: dict[str, str] = JSON
) -> TestResponse:
    # Encoded here: the test client would keep a large body in a file that it does not close.
    boundary, body = encode_multipart({"file": FileStorage(BytesIO(content), name)})
    kind = f"multipart/form-data; boundary={boundary}"
    return client.post("/api/media", data=body, content_type=kind, headers=headers)


def kept(client: FlaskClient) -> list[str]:
    return [file["name"] for file in client.get("/api/media").json["media"]]


def wrong(refused: TestResponse) -> tuple[str, str]:
    (error,) = refused.json["errors"]
    return error["field"], error["message"]
