"""Uploads over HTTP: what programs, htmx and plain forms get, and what nobody else does."""

# ruff: noqa: F811 (fixtures are imported, and asked for by name)

from collections.abc import Callable
from io import BytesIO

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import uploads
from tests.blueprints.conftest import bearer, login_token, personal_token
from tests.blueprints.uploading import (  # noqa: F401 (fixtures)
    CHROMIUM,
    HTMX,
    JSON,
    NOTES,
    add,
    app,
    environ,
    kept,
    make_client,
    new_schema,
    postgresql_url,
)
from tests.conftest import csrf_token


@pytest.mark.slow
@pytest.mark.req("U4", "D1-27")
def test_a_file_is_taken_in(signed_in: FlaskClient) -> None:
    added = add(signed_in, uploads.pdf(["One.", "Two."]), "homework.pdf")

    assert added.status_code == 201
    told = added.json
    assert {name: told[name] for name in ("kind", "pages", "name", "mime", "chars")} == {
        "kind": "pdf",
        "pages": 2,
        "name": "homework.pdf",
        "mime": "application/pdf",
        "chars": 8,
    }
    assert told["bytes"] == len(uploads.pdf(["One.", "Two."]))
    assert added.headers["Location"] == told["url"] == f"/api/media/{told['id']}"
    assert signed_in.get(told["thumbnail_url"]).mimetype == "image/webp"


@pytest.mark.slow
def test_a_picture_has_no_pages_and_a_text_no_picture(signed_in: FlaskClient) -> None:
    picture = add(signed_in, uploads.image(), "a.png").json
    text = add(signed_in).json

    assert "pages" not in picture
    assert "chars" not in picture
    assert "pages" not in text
    assert "thumbnail_url" not in text
    assert signed_in.get(f"/api/media/{text['id']}/thumbnail").status_code == 404


@pytest.mark.slow
def test_the_files_are_listed_with_what_they_take_up(signed_in: FlaskClient) -> None:
    first, second = add(signed_in).json, add(signed_in, b"Others", "others.txt").json

    listed = signed_in.get("/api/media").json

    assert [file["id"] for file in listed["media"]] == [second["id"], first["id"]]
    assert listed["media"][1] == first
    assert (listed["count"], listed["limit_bytes"], listed["next"]) == (2, 200 * 1024 * 1024, None)
    assert listed["used_bytes"] >= first["bytes"] + second["bytes"]
    assert [file["id"] for file in signed_in.get(f"/api/media?before={second['id']}").json["media"]] == [first["id"]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "name", "kind", "shown"),
    [
        (uploads.image(), "a.png", "image/png", "inline; filename=a.png"),
        (uploads.pdf(), "a b.pdf", "application/pdf", 'attachment; filename="a b.pdf"'),
        (NOTES, "ü.md", "text/markdown; charset=utf-8", "attachment; filename=u.md; filename*=UTF-8''%C3%BC.md"),
        (
            NOTES,
            "笔记.md",
            "text/markdown; charset=utf-8",
            "attachment; filename=.md; filename*=UTF-8''%E7%AC%94%E8%AE%B0.md",
        ),
        (b"<script>alert(1)</script>", "x.html", "text/plain; charset=utf-8", "attachment; filename=x.html"),
    ],
)
def test_a_file_comes_back_as_it_was_and_can_run_nothing(
    signed_in: FlaskClient, content: bytes, name: str, kind: str, shown: str
) -> None:
    response = signed_in.get(add(signed_in, content, name).json["url"])

    assert response.data == content
    assert response.headers["Content-Type"] == kind
    assert response.headers["Content-Disposition"] == shown
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert response.content_length == len(content)
    assert "public" not in response.headers["Cache-Control"]


@pytest.mark.slow
def test_a_large_file_comes_back_whole(signed_in: FlaskClient) -> None:
    content = uploads.image("PNG") + bytes(range(256)) * 12_000

    assert signed_in.get(add(signed_in, content, "a.png").json["url"]).data == content


@pytest.mark.slow
def test_a_browser_that_has_a_file_is_told_so(signed_in: FlaskClient) -> None:
    url = add(signed_in, uploads.image(), "a.png").json["url"]
    for path in (url, f"{url}/thumbnail"):
        first = signed_in.get(path)

        again = signed_in.get(path, headers={"If-None-Match": first.headers["ETag"]})

        assert (again.status_code, again.data) == (304, b"")
        assert signed_in.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
        assert signed_in.head(path).data == b""


@pytest.mark.slow
def test_the_text_of_a_page_is_json_for_programs_and_a_page_for_people(signed_in: FlaskClient) -> None:
    file = add(signed_in, uploads.pdf(["One.", "<b>Two</b>", ""]), "'><script>.pdf").json
    url = f"{file['url']}/pages/2"

    assert signed_in.get(url, headers=JSON).json == {
        "media_id": file["id"],
        "name": "'><script>.pdf",
        "number": 2,
        "count": 3,
        "text": "<b>Two</b>",
    }
    page = signed_in.get(url, headers=CHROMIUM)
    assert page.mimetype == "text/html"
    assert "&lt;b&gt;Two&lt;/b&gt;" in page.text
    assert '"><script>' not in page.text
    assert "Page 2 of 3" in page.text
    assert f"{file['url']}/pages/1" in page.text
    assert f"{file['url']}/pages/3" in page.text
    assert "No text was found" in signed_in.get(f"{file['url']}/pages/3", headers=CHROMIUM).text
    for number in ("0", "4", "999999999999999999999999", "-1", "x"):
        assert signed_in.get(f"{file['url']}/pages/{number}", headers=JSON).status_code == 404


@pytest.mark.slow
def test_a_file_is_deleted_for_good(signed_in: FlaskClient) -> None:
    for headers, status in ((JSON, 204), (HTMX, 200)):
        url = add(signed_in).json["url"]

        gone = signed_in.delete(url, headers=headers)

        assert (gone.status_code, gone.data) == (status, b"")
        assert signed_in.get(url).status_code == 404
        assert signed_in.delete(url).status_code == 404
    assert kept(signed_in) == []


@pytest.mark.slow
def test_htmx_gets_a_chip_that_goes_with_the_message(signed_in: FlaskClient) -> None:
    added = add(signed_in, uploads.image(), "a'b<i>.png", HTMX)
    (media,) = signed_in.get("/api/media").json["media"]

    assert added.status_code == 201
    assert f'<input type="hidden" name="media" value="{media["id"]}">' in added.text
    assert f'src="/api/media/{media["id"]}/thumbnail"' in added.text
    assert "<i>" not in added.text
    assert "a'b" not in added.text
    refused = add(signed_in, b"\x00", "a.bin", HTMX)
    assert (refused.status_code, refused.mimetype) == (415, "text/html")
    assert "is of a type that is not taken" in refused.text
    assert "<html" not in refused.text


@pytest.mark.slow
def test_a_plain_form_leads_to_the_page_of_files(signed_in: FlaskClient) -> None:
    added = add(signed_in, headers=CHROMIUM)
    assert (added.status_code, added.headers["Location"]) == (303, "/media")
    page = signed_in.get("/media", headers=CHROMIUM)
    (media,) = signed_in.get("/api/media").json["media"]
    assert "notes.md" in page.text
    assert 'enctype="multipart/form-data"' in page.text

    gone = signed_in.post(f"/api/media/{media['id']}/delete", headers=CHROMIUM)

    assert (gone.status_code, gone.headers["Location"]) == (303, "/media")
    assert "None yet." in signed_in.get("/media", headers=CHROMIUM).text


@pytest.mark.slow
def test_a_plain_forms_mistake_stands_on_the_page_of_files(signed_in: FlaskClient) -> None:
    refused = add(signed_in, uploads.locked_pdf(), "a.pdf", CHROMIUM)

    assert refused.status_code == 400
    assert "is locked with a password" in refused.text
    assert 'role="alert"' in refused.text
    assert "<h1" in refused.text


@pytest.mark.slow
def test_a_page_of_files_has_the_older_ones_behind_it(signed_in: FlaskClient, app: Flask) -> None:
    from tests.factories import make_media

    for number in range(51):
        app.extensions["rill"].database.run(make_media, 1, name=f"file {number}.txt")

    first = signed_in.get("/media", headers=CHROMIUM).text
    before = signed_in.get("/api/media").json["next"]
    rest = signed_in.get(f"/media?before={before}", headers=CHROMIUM).text

    assert f'href="/media?before={before}#files"' in first
    assert "file 0.txt" not in first
    assert "file 0.txt" in rest
    assert "Newest" in rest


@pytest.mark.slow
@pytest.mark.req("D1-27")
def test_somebody_elses_file_is_not_there(make_signed_in: Callable[..., FlaskClient]) -> None:
    ada, ben = make_signed_in(), make_signed_in("ben@example.org")
    url = add(ada, uploads.pdf(), "a.pdf").json["url"]

    for path in (url, f"{url}/thumbnail", f"{url}/pages/1"):
        assert ben.get(path).status_code == 404
        assert ada.get(path).status_code == 200
    assert ben.delete(url).status_code == 404
    assert ben.post(f"{url}/delete").status_code == 404
    assert kept(ben) == []
    assert kept(ada) == ["a.pdf"]


@pytest.mark.slow
def test_strangers_and_forgeries_are_refused(app: Flask, signed_in: FlaskClient) -> None:
    url = add(signed_in).json["url"]
    nobody = app.test_client()
    for path in ("/api/media", url, f"{url}/thumbnail", f"{url}/pages/1"):
        assert nobody.get(path, headers=JSON).status_code == 401
    assert add(nobody).status_code == 401

    del signed_in.environ_base["HTTP_X_CSRF_TOKEN"]

    assert add(signed_in).json["code"] == "CSRF"
    assert signed_in.delete(url).status_code == 403
    form = {"file": (BytesIO(b"Mine"), "mine.txt"), "csrf_token": csrf_token(signed_in, "/media")}
    assert signed_in.post("/api/media", data=form, headers=CHROMIUM).status_code == 303


@pytest.mark.slow
@pytest.mark.req("U3", "U4")
def test_a_program_uploads_with_a_token(app: Flask, signed_in: FlaskClient) -> None:
    program = app.test_client()
    for token in (login_token(app, "ada@example.org"), personal_token(signed_in)):
        added = add(program, headers={**bearer(token)})

        assert added.status_code == 201
        assert program.get(added.json["url"], headers=bearer(token)).data == NOTES


@pytest.mark.slow
def test_an_account_exports_its_files_and_takes_them_along(signed_in: FlaskClient) -> None:
    file = add(signed_in).json

    exported = signed_in.get("/account/export").json

    assert exported["media"][0]["id"] == file["id"]
    assert exported["media_pages"][0]["text"] == NOTES.decode()
