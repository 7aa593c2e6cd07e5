"""What is not taken in, over HTTP: hostile files, too large ones, too many, and requests without any."""

# ruff: noqa: F811 (fixtures are imported, and asked for by name)

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import uploads
from tests.blueprints.conftest import bearer, personal_token
from tests.blueprints.uploading import (  # noqa: F401 (fixtures)
    CHROMIUM,
    JSON,
    NOTES,
    add,
    app,
    environ,
    kept,
    make_client,
    new_schema,
    postgresql_url,
    wrong,
)
from tests.conftest import sign_up


@pytest.mark.slow
@pytest.mark.req("D1-27", "U4")
@pytest.mark.parametrize(
    ("content", "name", "status", "says"),
    [
        (b"", "a.txt", 400, "is empty"),
        (uploads.pdf()[:300], "a.pdf", 400, "broken"),
        (uploads.image("PNG", (400, 400))[:-200], "a.png", 400, "broken"),
        (uploads.locked_pdf(), "a.pdf", 400, "password"),
        (uploads.endless_pages(), "a.pdf", 400, "pages"),
        (uploads.pixel_bomb(), "a.png", 400, "megapixels"),
        (uploads.text_bomb(), "a.png", 400, "broken"),
        (uploads.zip_bomb(), "a.zip", 415, "type"),
        (uploads.zip_bomb(), "a.pdf", 415, "type"),
        (b"MZ\x90\x00", "photo.png", 415, "type"),
        (b"no picture", "photo.png", 415, "name"),
    ],
)
def test_a_hostile_file_is_an_error_at_the_field_and_nothing_is_kept(
    signed_in: FlaskClient, content: bytes, name: str, status: int, says: str
) -> None:
    refused = add(signed_in, content, name)

    assert refused.status_code == status
    assert refused.content_type == "application/problem+json"
    field, message = wrong(refused)
    assert (field, says in message) == ("file", True), message
    assert kept(signed_in) == []


@pytest.mark.slow
@pytest.mark.req("D1-27")
@pytest.mark.parametrize("size", [1024 * 1024 + 1, 3 * 1024 * 1024])
def test_a_file_over_the_size_is_refused(make_client: Callable[..., FlaskClient], size: int) -> None:
    client = make_client(MAX_UPLOAD_MB="1")

    refused = add(client, b"x" * size, "a.txt")

    assert (refused.status_code, refused.json["code"]) == (413, "TOO_LARGE")
    assert kept(client) == []
    assert add(client, b"x" * (1024 * 1024), "a.txt").status_code == 201


@pytest.mark.slow
def test_a_page_says_how_large_a_file_may_be(make_client: Callable[..., FlaskClient]) -> None:
    client = make_client(MAX_UPLOAD_MB="3")

    refused = add(client, b"x" * (4 * 1024 * 1024), "a.txt", CHROMIUM)

    assert refused.status_code == 413
    assert refused.mimetype == "text/html"
    assert "up to 3 MB" in client.get("/media", headers=CHROMIUM).text


@pytest.mark.slow
@pytest.mark.req("D1-27")
def test_a_person_has_so_much_space_and_others_have_theirs(make_client: Callable[..., FlaskClient]) -> None:
    client = make_client(MEDIA_TOTAL_MB="1")
    picture = uploads.image() + b"\x00" * 600_000
    add(client, picture, "a.png")

    refused = add(client, picture, "b.png")

    assert (refused.status_code, refused.json["code"]) == (413, "MEDIA_FULL")
    assert (refused.json["limit"], wrong(refused)[0]) == (1024 * 1024, "file")
    assert 600_000 < refused.json["current"] < 1024 * 1024
    assert kept(client) == ["a.png"]
    other = sign_up(client.application.test_client(), "other@example.org")
    assert add(other, picture, "b.png").status_code == 201
    client.delete(client.get("/api/media").json["media"][0]["url"])
    assert add(client, picture, "b.png").status_code == 201


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "status", "field"),
    [
        ({"data": {}, "content_type": "multipart/form-data"}, 400, "file"),
        ({"data": {"file": (BytesIO(b""), "")}}, 400, "file"),
        ({"data": {"file": "text"}, "content_type": "multipart/form-data"}, 400, "file"),
        ({"data": {"other": (BytesIO(b"x"), "a.txt")}}, 400, "file"),
        ({"data": {"file": [(BytesIO(b"x"), "a.txt"), (BytesIO(b"y"), "b.txt")]}}, 400, "file"),
        ({"data": b"", "content_type": "multipart/form-data"}, 400, "file"),
        ({"json": {}}, 400, "file"),
        ({"json": {"url": 7}}, 400, "url"),
        ({"json": {"url": "http://169.254.169.254/"}}, 400, "url"),
        ({"json": {"url": "file:///etc/passwd"}}, 400, "url"),
        ({"json": {"url": "x" * 3000}}, 400, "url"),
        ({"data": b"\x89PNG", "content_type": "image/png"}, 415, None),
        ({"data": b"{", "content_type": "application/json"}, 400, "body"),
        ({"data": b'{"url": "' + b"x" * 100_000 + b'"}', "content_type": "application/json"}, 413, None),
    ],
)
def test_what_is_no_file_is_refused(
    signed_in: FlaskClient, sent: dict[str, Any], status: int, field: str | None
) -> None:
    refused = signed_in.post("/api/media", headers=JSON, **sent)

    assert refused.status_code == status, refused.text
    if field is not None:
        assert wrong(refused)[0] == field
    assert kept(signed_in) == []


@pytest.mark.slow
def test_addresses_are_asked_for_where_the_operator_allows_some(
    make_client: Callable[..., FlaskClient], signed_in: FlaskClient
) -> None:
    client = make_client(MEDIA_URL_HOSTS="127.0.0.1, *.example.org")

    refused = client.post("/api/media", json={"url": "http://127.0.0.1/secret"}, headers=JSON)

    assert wrong(refused) == ("url", "does not lead to the public network")
    assert 'name="url"' in client.get("/media", headers=CHROMIUM).text
    assert "*.example.org" in client.get("/media", headers=CHROMIUM).text
    assert 'name="url"' not in signed_in.get("/media", headers=CHROMIUM).text


@pytest.mark.slow
def test_too_many_uploads_in_a_minute_have_to_wait(signed_in: FlaskClient) -> None:
    # The same file each time: it is read once.
    statuses = [add(signed_in).status_code for _ in range(60)]

    refused = add(signed_in)

    assert set(statuses) == {201}
    assert (refused.status_code, refused.json["code"], refused.json["limit"]) == (429, "RATE_LIMITED", 60)
    assert int(refused.headers["Retry-After"]) >= 1


@pytest.mark.slow
def test_without_redis_nothing_is_taken_in_and_files_are_there(
    signed_in: FlaskClient,
    make_app: Callable[..., Flask],
    environ: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    file, me = add(signed_in).json, bearer(personal_token(signed_in))
    away = make_app(REDIS_URL=f"unix://{tmp_path_factory.mktemp('no')}/redis", **environ).test_client()

    refused = add(away, b"More", headers={**JSON, **me})

    assert (refused.status_code, refused.json["code"]) == (503, "UNAVAILABLE")
    assert away.get(file["url"], headers=me).data == NOTES
    assert [kept["id"] for kept in away.get("/api/media", headers=me).json["media"]] == [file["id"]]
