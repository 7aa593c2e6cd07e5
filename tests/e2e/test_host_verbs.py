"""Other people's pages with htmx, on the site's own origin: an answer is gone on with and tried again in its place."""

from collections.abc import Callable
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import SCRIPTS, sign_in, words
from tests.e2e.clients import Account
from tests.e2e.sites import Model, Site, prose

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

TEXT: Final = prose(60, seed=5)
# docs/clients.md asks for the element of class `turn` around the answer's, and the token for whoever has a cookie.
_HTML: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Host</title>{config}
<script src="/htmx{version}.js"></script><script src="/sse{version}.js"></script>
<body {headers}><div class="turn">
<article id="answer-{stream_id}" {connect} hx-swap="none"></article></div></body></html>"""
HTMX_2: Final = {
    "version": "2",
    "config": "",
    "headers": """hx-ext="sse" hx-headers='{{"HX-Version": "2", "X-CSRF-Token": "{token}"}}'""",
    "connect": 'sse-connect="/api/streams/{stream_id}?view=html" sse-swap="message" sse-close="close"',
}
HTMX_4: Final = {
    "version": "4",
    "config": """<meta name="htmx-config" content='{"extensions": "sse"}'>""",
    "headers": """hx-headers:inherited='{{"X-CSRF-Token": "{token}"}}'""",
    "connect": 'hx-sse:connect="/api/streams/{stream_id}?view=html" hx-sse:close="close"',
}


@pytest.fixture
def host(
    request: pytest.FixtureRequest, model: Model, shared_site: Site, ada: Account, make_page: Callable[..., Page]
) -> Page:
    """A page of somebody's that shows an answer which was cut off."""
    page = sign_in(make_page(shared_site), ada)
    page.goto("/account")
    token = page.locator('meta[name="csrf-token"]').get_attribute("content")
    for path, script in SCRIPTS.items():
        page.route(
            f"**{path}", lambda route, *, script=script: route.fulfill(path=script, content_type="text/javascript")
        )
    model.play(text=TEXT, cut_after=30)
    asked = ada.call("POST", "/api/stream/stream-conversation", {"message": "Why is the sky blue?"})
    ada.stored(asked.json["stream_id"])
    htmx: dict[str, Any] = request.param
    filled = {name: value.format(token=token, **asked.json) for name, value in htmx.items() if name != "config"}
    html = _HTML.format(stream_id=asked.json["stream_id"], config=htmx["config"], **filled)
    page.route("**/host", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto("/host")
    page.get_by_role("button", name="Continue").wait_for()
    return page


BOTH = pytest.mark.parametrize("host", [HTMX_2, HTMX_4], ids=["htmx-2.0.11", "htmx-4.0.1"], indirect=True)


def ended(page: Page) -> str:
    """The text of the one answer, once it is complete."""
    page.locator(".outcome--completed").wait_for(state="attached", timeout=30_000)
    expect(page.locator(".turn")).to_have_count(1)
    expect(page.locator(".answer__body")).to_have_count(1)
    return words(page.locator(".answer__body").inner_text())


@BOTH
def test_a_cut_off_answer_is_gone_on_with_in_its_place(host: Page, model: Model) -> None:
    before = words(host.locator(".answer__body").inner_text())
    model.play(text=" and so it goes on.")

    host.get_by_role("button", name="Continue").click()

    assert ended(host) == f"{before} and so it goes on."


@BOTH
def test_a_cut_off_answer_is_tried_again_in_its_place(host: Page, model: Model) -> None:
    model.play(text="Another answer.")
    host.get_by_role("button", name="Try again").click()
    assert ended(host) == "Another answer."

    model.play(text="A third one.")
    host.get_by_role("button", name="Try again").click()

    expect(host.locator(".answer__body")).to_contain_text("A third one.")
    assert ended(host) == "A third one."
