"""People with bases of documents, on a site where nothing is read by itself: a test says what becomes of a document."""

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from sqlalchemy.orm import Session
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import TestResponse, encode_multipart

from app import create_app
from blueprints.tickets import login_jwt
from services import settings
from services.store.base import utc_now
from services.store.documents import DocumentRow
from tests.conftest import SECRET
from tests.factories import make_user
from tests.services.store.conftest import new_schema, postgresql_url

__all__ = [
    "library_database",
    "library_site",
    "make_keeper",
    "make_library_site",
    "new_schema",
    "owner",
    "postgresql_url",
]

NOTES = b"# Light\n\nPlants make sugar of light."
JSON = {"Accept": "application/json"}
CHROMIUM = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HTMX = {"HX-Request": "true", "Accept": "text/html, text/event-stream"}


class Keeper:
    """Somebody with an account, who asks as a program does.

    Attributes:
        email: Of the account.
    """

    def __init__(self, site: Flask) -> None:
        self.site = site
        self.services = site.extensions["rill"]
        self.user = self.services.database.run(make_user)
        self.email: str = self.user.email
        with site.app_context():
            token = login_jwt(self.user)[0]
        self.client: FlaskClient = site.test_client()
        self.client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"

    def call(self, method: str, path: str, **sent: Any) -> TestResponse:
        sent.setdefault("headers", JSON)
        return self.client.open(path, method=method, buffered=True, **sent)

    def base(self, name: str = "Handbook", **more: Any) -> str:
        """A new base; its id."""
        made = self.call("POST", "/api/v1/kbs", json={"name": name, **more})
        assert made.status_code == 201, made.text
        return str(made.json["id"])

    def send(self, base_id: str, *files: tuple[str, bytes], path: str = "", headers: Any = JSON) -> TestResponse:
        """Send files, each a name and its content."""
        # Encoded here: the test client would keep a large body in a file that it does not close.
        parts = MultiDict([("file", FileStorage(BytesIO(content), name)) for name, content in files])
        boundary, body = encode_multipart(parts)
        kind = f"multipart/form-data; boundary={boundary}"
        path = path or f"/api/v1/kbs/{base_id}/documents"
        return self.call("POST", path, data=body, content_type=kind, headers=headers)

    def add(self, base_id: str, name: str = "notes.md", content: bytes = NOTES) -> str:
        """A document that is there; its id."""
        sent = self.send(base_id, (name, content))
        assert sent.status_code == 202, sent.text
        return str(sent.json[0]["id"])

    def names(self, base_id: str) -> list[str]:
        """What is in a base, the newest first."""
        return [one["name"] for one in self.call("GET", f"/api/v1/kbs/{base_id}/documents").json["documents"]]

    def let(self, base_id: str, other: "Keeper", role: str = "reader") -> None:
        """Let somebody else use a base."""
        sent = self.call("PUT", f"/api/v1/kbs/{base_id}/members", json={"email": other.email, "role": role})
        assert sent.status_code == 200, sent.text

    def becomes(self, document_id: str, state: str, **values: Any) -> None:
        """What the ingestion would say of a document."""

        def change(s: Session) -> None:
            changed = {"state": state, "updated_at": utc_now(), **values}
            s.execute(update(DocumentRow).where(DocumentRow.id == document_id).values(**changed))

        self.services.database.run(change)


@pytest.fixture(scope="session")
def library_database(postgresql_url: str | None, request: pytest.FixtureRequest) -> dict[str, str]:
    """The site's database: PostgreSQL if TEST_DATABASE_URL names one, else its own SQLite."""
    return {} if postgresql_url is None else {"DATABASE_URL": request.getfixturevalue("new_schema")()}


@pytest.fixture(scope="session")
def make_library_site(
    valkey_url: str, tmp_path_factory: pytest.TempPathFactory, library_database: dict[str, str]
) -> Iterator[Callable[..., Flask]]:
    """Sites that read no documents by themselves; keyword arguments are settings."""
    made: list[Any] = []

    def make(**environ: str) -> Flask:
        own = {"DATA_DIR": str(tmp_path_factory.mktemp("library")), "SECRET_KEY": SECRET, "REDIS_URL": valkey_url}
        site = create_app(settings.load({**own, **library_database, "INGEST_PROCESSES": "0", **environ}))
        services = site.extensions["rill"]
        made.append(services)
        services.database.migrate()
        services.start()
        # No test waits for the pace that is kind to a database.
        services.watches._tick_s = 0.02
        return site

    yield make
    for services in reversed(made):
        services.close()


@pytest.fixture(scope="session")
def library_site(make_library_site: Callable[..., Flask]) -> Flask:
    """One for all tests of a module; its people are each test's own."""
    return make_library_site()


@pytest.fixture
def make_keeper(library_site: Flask) -> Callable[[], Keeper]:
    """Newcomers."""
    return lambda: Keeper(library_site)


@pytest.fixture
def owner(make_keeper: Callable[[], Keeper]) -> Keeper:
    return make_keeper()


def wrong(refused: TestResponse) -> dict[str, str]:
    """What a refusal says of each field."""
    return {error["field"]: error["message"] for error in refused.json["errors"]}
