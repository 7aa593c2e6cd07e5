"""The pages of bases: everything works as plain forms, and a mistake stands where it was made."""

# ruff: noqa: F811 (fixtures are imported, and asked for by name)

import re
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests import uploads
from tests.blueprints.libraries import (  # noqa: F401 (fixtures)
    CHROMIUM,
    HTMX,
    NOTES,
    Keeper,
    library_database,
    library_site,
    make_keeper,
    make_library_site,
    new_schema,
    owner,
    postgresql_url,
)

INDEX = "/search/bases"


def opened(keeper: Keeper, path: str) -> str:
    page = keeper.call("GET", path, headers=CHROMIUM)
    assert page.status_code == 200, page.text
    return page.text


def filled(keeper: Keeper, path: str, headers: Any = CHROMIUM, **form: str) -> TestResponse:
    return keeper.call("POST", path, data=form, headers=headers)


def at_field(page: str, name: str) -> str:
    """What stands at a field that is marked as wrong."""
    marked = re.search(rf'name="{name}"[^>]*aria-invalid="true"[^>]*aria-describedby="[^"]*wrong-{name}"', page)
    assert marked, f"{name} is not marked"
    said = re.search(rf'id="wrong-{name}">([^<]+)<', page)
    assert said
    return said[1]


@pytest.mark.slow
@pytest.mark.req("B5")
def test_a_newcomer_is_told_what_a_base_is_and_makes_one(owner: Keeper) -> None:
    assert "Your first base" in opened(owner, INDEX)

    made = filled(owner, INDEX, name="Hand <b>book", shared="true")

    assert made.status_code == 303
    page = opened(owner, made.headers["Location"])
    assert "Hand &lt;b&gt;book" in page
    assert "shared with everybody here" in page
    assert 'type="file" name="file" multiple' in page
    assert made.headers["Location"] in opened(owner, INDEX)
    filled(owner, made.headers["Location"], name="Handbook")
    assert "shared with everybody here" not in opened(owner, made.headers["Location"])


@pytest.mark.slow
def test_a_base_without_a_name_is_explained_at_the_field(owner: Keeper) -> None:
    refused = filled(owner, INDEX, name=" ", shared="true")

    assert refused.status_code == 400
    assert at_field(refused.text, "name") == "Is missing."
    assert "checked" in refused.text, "what was chosen stays"


@pytest.mark.slow
@pytest.mark.req("B5")
def test_files_come_in_by_a_plain_form(owner: Keeper) -> None:
    place = f"{INDEX}/{owner.base()}"

    sent = owner.send("", ("a.md", b"A"), ("b.pdf", uploads.pdf()), path=f"{place}/documents", headers=CHROMIUM)

    assert (sent.status_code, sent.headers["Location"]) == (303, f"{place}#documents")
    page = opened(owner, place)
    assert ("a.md" in page, "b.pdf" in page) == (True, True)
    assert "2 documents, 2 on their way" in page
    assert "Waiting for its turn" in page
    assert "hx-sse:connect=" in page
    assert "Look again" in page


@pytest.mark.req("B5")
def test_of_several_files_the_refused_are_named_with_their_reasons(owner: Keeper) -> None:
    base_id = owner.base()
    files = [("good.md", NOTES), ("bad <i>.exe", b"MZ\x90\x00"), ("twin.md", NOTES)]

    sent = owner.send("", *files, path=f"{INDEX}/{base_id}/documents", headers=CHROMIUM)

    assert sent.status_code == 415
    assert "2 files were not taken in." in sent.text
    assert "<strong>bad &lt;i&gt;.exe</strong> The file is of a type" in sent.text
    assert "<strong>twin.md</strong> This base has the same document already" in sent.text
    assert owner.names(base_id) == ["good.md"]
    assert "good.md" in sent.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "field", "says"),
    [
        ({"name": "", "text": "Words"}, "name", "Is missing."),
        ({"name": "Notes", "text": " "}, "text", "Is missing."),
        ({"url": "http://localhost/"}, "url", "Is not on a host that files may be fetched from"),
    ],
)
def test_a_text_or_an_address_that_is_wrong_is_explained_at_its_field(
    make_library_site: Callable[..., Any], form: dict[str, str], field: str, says: str
) -> None:
    keeper = Keeper(make_library_site(MEDIA_URL_HOSTS="example.org"))
    base_id = keeper.base()

    refused = filled(keeper, f"{INDEX}/{base_id}/documents", **form)

    assert refused.status_code == 400
    assert at_field(refused.text, field).startswith(says)
    assert len(re.findall(r'aria-invalid="true"', refused.text)) == 1
    for name, value in form.items():
        assert value.strip() in refused.text, f"{name} is typed again"
    assert keeper.names(base_id) == []


def test_without_allowed_hosts_no_address_is_asked_for(owner: Keeper) -> None:
    assert "Fetch an address" not in opened(owner, f"{INDEX}/{owner.base()}")


def test_a_text_is_pasted_by_a_plain_form(owner: Keeper) -> None:
    base_id = owner.base()

    sent = filled(owner, f"{INDEX}/{base_id}/documents", name="Notes", text="# Light")

    assert sent.status_code == 303
    assert owner.names(base_id) == ["Notes.md"]


@pytest.mark.req("B5")
def test_a_body_of_500_mb_is_refused_on_the_page(owner: Keeper) -> None:
    base_id = owner.base()

    class Nothing:
        def read(self, size: int = -1) -> bytes:
            raise AssertionError("nothing of it is read")

    refused = owner.call(
        "POST",
        f"{INDEX}/{base_id}/documents",
        content_type="multipart/form-data; boundary=x",
        headers=CHROMIUM,
        environ_overrides={"wsgi.input": Nothing(), "CONTENT_LENGTH": str(500 * 1024 * 1024)},
    )

    assert (refused.status_code, refused.mimetype) == (413, "text/html")
    assert "too large" in refused.text
    assert owner.names(base_id) == []


@pytest.mark.slow
@pytest.mark.req("B5")
def test_a_failed_document_has_its_reason_and_a_way_on(owner: Keeper) -> None:
    base_id = owner.base()
    document_id = owner.add(base_id)
    owner.becomes(document_id, "failed", error="is locked with a password")
    page = opened(owner, f"{INDEX}/{base_id}")
    assert "is locked with a password" in page
    assert "1 failed" in page

    again = filled(owner, f"/search/documents/{document_id}/retry")

    assert (again.status_code, again.headers["Location"]) == (303, f"{INDEX}/{base_id}#documents")
    assert owner.call("GET", f"/api/v1/documents/{document_id}").json["status"] == "queued"
    gone = filled(owner, f"/search/documents/{document_id}/remove")
    assert (gone.status_code, owner.names(base_id)) == (303, [])
    assert filled(owner, f"/search/documents/{document_id}/remove").status_code == 404


@pytest.mark.slow
def test_htmx_is_answered_without_a_page(owner: Keeper) -> None:
    base_id = owner.base()

    sent = filled(owner, f"{INDEX}/{base_id}/documents", HTMX, name="Notes", text="# Light")
    document_id = owner.call("GET", f"/api/v1/kbs/{base_id}/documents").json["documents"][0]["id"]
    again = filled(owner, f"/search/documents/{document_id}/retry", HTMX)
    twin = filled(owner, f"{INDEX}/{base_id}/documents", HTMX, name="Copy", text="# Light")
    gone = filled(owner, f"/search/documents/{document_id}/remove", HTMX)

    assert [(one.status_code, one.data) for one in (sent, again, gone)] == [(202, b""), (202, b""), (200, b"")]
    assert (twin.status_code, "same document already" in twin.text, "<html" in twin.text) == (409, True, False)
    assert owner.names(base_id) == []


@pytest.mark.slow
@pytest.mark.req("B5")
def test_people_are_invited_given_roles_and_taken_out(make_keeper: Callable[[], Keeper]) -> None:
    ada, rex = make_keeper(), make_keeper()
    place = f"{INDEX}/{ada.base()}"

    wrong = filled(ada, f"{place}/members", email="nobody@example.org", role="editor")
    assert wrong.status_code == 400
    assert at_field(wrong.text, "email") == "Has no account here."
    assert 'value="nobody@example.org"' in wrong.text
    assert filled(ada, f"{place}/members", email=rex.email, role="editor").status_code == 303
    assert rex.email in opened(ada, place)
    assert "Add documents" in opened(rex, place)
    filled(ada, f"{place}/members", email=rex.email, role="reader")
    page = opened(rex, place)
    assert ("Add documents" in page, "People" in page, "Leave this base" in page) == (False, False, True)
    assert ada.email not in page

    assert filled(rex, f"{place}/leave").headers["Location"] == INDEX
    assert rex.call("GET", place, headers=CHROMIUM).status_code == 404
    filled(ada, f"{place}/members", email=rex.email, role="reader")
    filled(ada, f"{place}/members/remove", email=rex.email)
    assert rex.call("GET", place, headers=CHROMIUM).status_code == 404


def test_a_base_is_deleted_with_its_documents(owner: Keeper) -> None:
    base_id = owner.base()
    document_id = owner.add(base_id)

    assert filled(owner, f"{INDEX}/{base_id}/delete").headers["Location"] == INDEX

    assert owner.call("GET", f"/api/v1/documents/{document_id}").status_code == 404
    assert owner.call("GET", f"{INDEX}/{base_id}", headers=CHROMIUM).status_code == 404


@pytest.mark.slow
def test_older_documents_have_a_page_of_their_own(owner: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("base_pages", "base_documents", "base_progress"):
        monkeypatch.setattr(f"blueprints.{module}.ON_A_PAGE", 2)
    base_id = owner.base()
    for number in range(3):
        owner.add(base_id, f"{number}.md", str(number).encode())

    first = opened(owner, f"{INDEX}/{base_id}")
    older = re.search(r'href="([^"]+before=[^"]+)#documents">Older', first)
    assert older
    rest = opened(owner, older[1])

    assert ("2.md" in first, "0.md" in first) == (True, False)
    assert ("2.md" in rest, "0.md" in rest) == (False, True)
    assert f"progress?view=html&amp;before={older[1].rpartition('=')[2]}" in rest
    assert "Newest" in rest


def test_strangers_and_forgeries_are_refused(owner: Keeper) -> None:
    from tests.conftest import sign_up

    stranger = owner.site.test_client()
    assert stranger.get(INDEX, headers=CHROMIUM).headers["Location"].startswith("/login")
    browser = sign_up(owner.site.test_client(), "forged@example.org")
    del browser.environ_base["HTTP_X_CSRF_TOKEN"]

    assert browser.post(INDEX, data={"name": "x"}, headers=CHROMIUM).status_code == 403
    assert browser.post("/api/v1/kbs", json={"name": "x"}).json["code"] == "CSRF"
