"""A browser that is handed over reaches the child's screen and nothing else, however it asks."""

import re
import secrets

import pytest
from flask import Flask
from werkzeug.routing import Rule

from blueprints import identity
from tests.blueprints.conftest import bearer, login_token, same_person
from tests.blueprints.families import PAGE, PIN, Family

METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
# All that is open to a child. A route that is added is closed; whoever opens one adds it here, and says what of the
# family's it shows.
OPEN = {
    "static",
    "pages.health",
    "pages.ready",
    "study.health",
    "stories.generate",
    "stories.listed_themes",
    "stories.tell",
    "story_child.shelf",
    "story_child.story",
    "story_child.next_",
    "story_child.again",
    "story_child.meaning",
    "story_child.ask_meaning",
    "story_pin.leave_form",
    "story_pin.leave",
    "streams.subscribe",
}
JSON = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def handed(site: Flask) -> Family:
    """A family whose browser is Mia's screen."""
    family = Family(site, f"{secrets.token_hex(6)}@example.org")
    family.hand_over()
    return family


@pytest.fixture
def family(site: Flask) -> Family:
    """A family of the test's own; its browser is the adult's."""
    return Family(site, f"{secrets.token_hex(6)}@example.org")


def path_of(rule: Rule) -> str:
    return re.sub(r"<int:\w+>", "1", re.sub(r"<(?!int:)[^>]+>", "x", rule.rule))


@pytest.mark.req("D1-22")
def test_only_what_is_listed_is_open_to_children(site: Flask) -> None:
    with site.app_context():
        marked = {name for name in site.view_functions if identity.is_for_children(name)}

    assert marked == OPEN


@pytest.mark.slow
@pytest.mark.req("D1-22")
def test_every_other_route_is_closed_to_pages_programs_and_fragments(handed: Family) -> None:
    client = handed.client
    asked = 0

    for rule in handed.site.url_map.iter_rules():
        if rule.endpoint in OPEN:
            continue
        for method in sorted((rule.methods or set()) & METHODS):
            asked += 1
            as_json = client.open(path_of(rule), method=method, headers=JSON)
            assert (as_json.status_code, as_json.json["code"]) == (403, "CHILD_SCREEN"), (rule.rule, method)
            as_page = client.open(path_of(rule), method=method, headers=PAGE)
            assert as_page.status_code in (303, 403), (rule.rule, method)
            if as_page.status_code == 303:
                assert as_page.headers["Location"] == "/stories/child", (rule.rule, method)
            assert handed.email not in as_page.text

    assert asked > 100, "needs the whole site"


@pytest.mark.slow
@pytest.mark.req("D1-22")
def test_pages_lead_back_to_the_shelf(handed: Family) -> None:
    for path in ("/", "/login", "/register", "/account", "/history", "/tutor", "/stories", "/no/such/page", "/study/x"):
        found = handed.client.get(path, headers=PAGE)
        assert (found.status_code, found.headers.get("Location")) == (303, "/stories/child"), path


def test_the_way_out_by_signing_out_is_closed(handed: Family) -> None:
    for path in ("/logout", "/login", "/register", "/account/sessions/delete-all"):
        assert handed.client.post(path, headers=PAGE).status_code == 303, path
    assert handed.client.get("/stories/child", headers=PAGE).status_code == 200


@pytest.mark.slow
@pytest.mark.req("D1-22")
def test_the_api_is_closed_whatever_its_client_takes(handed: Family) -> None:
    for path in (
        "/api/conversations",
        "/api/streams",
        "/api/auth/tokens",
        "/api/v1/children",
        "/api/v1/stories",
        "/v1/tutor/problems",
    ):
        for accept in ("application/json", "*/*", "text/event-stream", PAGE["Accept"]):
            found = handed.client.get(path, headers={"Accept": accept})
            assert found.status_code == 403, (path, accept)
    assert handed.client.post("/api/auth/token", json={}, headers=JSON).json["code"] == "CHILD_SCREEN"


def test_fragments_and_restored_pages_are_closed(handed: Family) -> None:
    fragment = handed.client.get("/history", headers={**PAGE, "HX-Request": "true"})
    restored = handed.client.get(
        "/history", headers={**PAGE, "HX-Request": "true", "HX-History-Restore-Request": "true"}
    )

    assert fragment.status_code == 403
    assert "HX-Redirect" not in fragment.headers
    assert (restored.status_code, restored.headers["Location"]) == (303, "/stories/child")


@pytest.mark.slow
def test_other_childrens_things_and_foreign_streams_are_closed(handed: Family) -> None:
    other = handed.sibling.id

    assert handed.client.get(f"/stories/children/{other}", headers=PAGE).status_code == 303
    assert handed.client.get(f"/api/v1/children/{other}", headers=JSON).status_code == 403
    assert handed.client.get("/stories/child/unknown", headers=PAGE).headers["Location"] == "/stories/child"
    for strange in ("%00", "a" * 200, "%F0%9F%A6%8A", "..%2f"):
        assert handed.client.get(f"/stories/child/{strange}", headers=PAGE).status_code == 303, strange
        assert handed.client.get(f"/api/streams/{strange}", headers=JSON).status_code == 403, strange
    for path in ("/api/streams/abc", "/api/streams/abc?view=html"):
        assert "CHILD_SCREEN" in (found := handed.client.get(path, headers=JSON)).text or "grown-ups" in found.text
    assert handed.client.delete("/api/streams/abc", headers=JSON).status_code == 403
    asked = {"child_id": str(other), "theme": "forest"}
    assert handed.client.get("/api/v1/stories/generate/stream", query_string=asked).status_code == 403
    assert handed.client.post("/api/v1/stories/generate/stream", json=asked, headers=JSON).status_code == 403


def test_a_token_sent_beside_the_childs_cookie_opens_nothing(handed: Family, site: Flask) -> None:
    token = login_token(site, handed.email)

    assert handed.client.get("/api/conversations", headers={**JSON, **bearer(token)}).status_code == 403
    assert handed.client.get(f"/api/streams/x?token={token}", headers=JSON).status_code == 403
    assert site.test_client().get("/api/conversations", headers={**JSON, **bearer(token)}).status_code == 200


def test_a_cookie_kept_from_before_is_handed_over_too(family: Family) -> None:
    kept = same_person(family.site, family.client)
    assert kept.get("/account", headers=PAGE).status_code == 200

    family.hand_over()

    assert kept.get("/account", headers=PAGE).headers["Location"] == "/stories/child"


def test_another_device_stays_the_adults(family: Family, site: Flask) -> None:
    tablet = site.test_client()
    token = login_token(site, family.email)
    family.hand_over()

    assert tablet.get("/api/conversations", headers=bearer(token)).status_code == 200


@pytest.mark.slow
def test_pages_of_an_account_are_not_kept_for_the_back_button(family: Family) -> None:
    for path in ("/", "/account", "/history", "/stories/hand-over"):
        assert "no-store" in family.client.get(path, headers=PAGE).headers["Cache-Control"], path

    sent = family.client.post(
        "/stories/hand-over", data={"child_id": family.child.id, "pin": PIN, "pin_again": PIN}, headers=PAGE
    )

    assert sent.headers["Clear-Site-Data"] == '"cache"'
    # A changed cookie is what makes browsers drop the pages that they keep whole.
    assert any(cookie.startswith("rill_session=") for cookie in sent.headers.getlist("Set-Cookie"))
    assert any(cookie.startswith("rill_screen=child") for cookie in sent.headers.getlist("Set-Cookie"))


def test_a_deleted_child_opens_nothing(family: Family) -> None:
    family.hand_over()

    family.services.stories.delete_child(family.user_id, family.child.id)

    assert family.client.get("/account", headers=PAGE).headers["Location"].startswith("/login")
