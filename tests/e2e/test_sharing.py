"""Tabs that show one answer share one connection for it, whatever becomes of the tab that holds it."""

from collections.abc import Callable
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import FaultProxy, Watch, sign_in, until, words
from tests.e2e.chats import answer, ask, ended, shown, shows
from tests.e2e.clients import Account
from tests.e2e.sites import Model, Site, eventually, prose
from tests.e2e.studying import STUDY

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

TEXT: Final = prose(120, seed=11)
FIRST: Final = 40
HALF: Final = words(" ".join(TEXT.split()[:30]))
# So that the tabs see a page without what only newer browsers have.
WITHOUT_LOCKS: Final = "Object.defineProperty(Navigator.prototype, 'locks', { get: () => undefined })"
# Everything that a page was ever shown of its answer, with how often the whole was put in place.
NOTE_SNAPSHOTS: Final = """() => {
  window.snapshots = 0
  document.addEventListener("htmx:sse:after:message", ({ detail }) => {
    if (/^<div id="answer-[^"-]+" hx-swap-oob="innerHTML">/.test(detail.message.data)) window.snapshots += 1
  })
}"""


@pytest.fixture
def first(make_page: Callable[..., Page], shared_site: Site, ada: Account) -> Page:
    """A tab of Ada's with the study chat."""
    page = sign_in(make_page(shared_site), ada)
    page.goto(STUDY)
    return page


def another(page: Page) -> Page:
    """A second tab of the same browser, which shows the same."""
    tab = page.context.new_page()
    tab.goto(page.url)
    return tab


def asked(page: Page, model: Model, **script: Any) -> str:
    """Ask, wait until the first words are here, and the stream's id."""
    model.play(text=TEXT, **(script or {"stall_after": FIRST}))
    ask(page, "What do you make of this?")
    shows(page, HALF)
    page.wait_for_url("**/study/*")
    return str(answer(page).get_attribute("id")).removeprefix("answer-")


def connections(site: Site, stream_id: str) -> int:
    """How often the site was asked for a stream."""
    return len([line for line in site.lines(event="stream accessed", stream_id=stream_id) if line["method"] == "GET"])


def whole(*pages: Page) -> None:
    """Each shows the whole answer, once."""
    for page in pages:
        ended(page)
        assert shown(page) == words(TEXT)
        expect(page.locator(".turn")).to_have_count(1)


@pytest.mark.req("Y29", "D1-1")
def test_two_tabs_have_one_connection(model: Model, shared_site: Site, first: Page) -> None:
    stream_id = asked(first, model)

    second, third = another(first), another(first)
    for page in (second, third):
        shows(page, HALF)
    model.release()
    whole(first, second, third)

    assert connections(shared_site, stream_id) == 1
    # And none comes once the answer has ended and the lead has been given up.
    first.wait_for_function("async () => (await navigator.locks.query()).held.length === 0")
    assert connections(shared_site, stream_id) == 1
    assert len(model.calls()) == 1


def test_a_newcomer_is_told_what_the_others_know_and_the_others_notice_nothing(model: Model, first: Page) -> None:
    watch = Watch(first)
    asked(first, model)
    first.evaluate(NOTE_SNAPSHOTS)
    second = another(first)
    shows(second, HALF)
    before = shown(first)

    assert shown(second) == before
    assert first.evaluate("snapshots") == 0
    model.release()
    whole(first, second)
    assert first.locator(".answer__blocks").inner_html() == second.locator(".answer__blocks").inner_html()
    assert watch.complaints == []


@pytest.mark.parametrize("how", ["closed", "reloaded", "gone elsewhere", "crashed"])
def test_the_lead_passes_on_in_mid_answer(how: str, model: Model, shared_site: Site, first: Page) -> None:
    stream_id = asked(first, model)
    second, third = another(first), another(first)
    for page in (second, third):
        shows(page, HALF)
    assert connections(shared_site, stream_id) == 1

    left = [second, third]
    if how == "closed":
        first.close()
    elif how == "reloaded":
        first.reload()
        left.append(first)
    elif how == "gone elsewhere":
        first.goto("/history")
    else:
        crash(first)
    eventually(lambda: connections(shared_site, stream_id) == 2, what="nobody took over")
    model.release()
    whole(*left)

    assert connections(shared_site, stream_id) == 2, shared_site.lines(event="stream accessed", stream_id=stream_id)


def crash(page: Page) -> None:
    """The tab's process dies."""
    with page.expect_event("crash"):
        page.context.new_cdp_session(page).send("Page.navigate", {"url": "chrome://crash"})


def test_a_leader_that_is_frozen_gives_the_lead_away_and_comes_back_as_one_of_the_others(
    model: Model, shared_site: Site, first: Page
) -> None:
    stream_id = asked(first, model)
    second = another(first)
    shows(second, HALF)

    # A headless browser freezes no page; this is how it would tell the page.
    first.evaluate("document.dispatchEvent(new Event('freeze'))")
    eventually(lambda: connections(shared_site, stream_id) == 2, what="nobody took over")
    model.release()
    whole(second)
    assert not shown(first).endswith(TEXT[-20:]), "a frozen page is told nothing"
    first.evaluate("document.dispatchEvent(new Event('resume'))")

    whole(first)


def test_a_leader_that_hangs_loses_the_lead(model: Model, shared_site: Site, first: Page) -> None:
    stream_id = asked(first, model)
    second = another(first)
    second.bring_to_front()
    shows(second, HALF)

    # It neither freezes by the book nor ends: it does nothing for a while.
    first.evaluate("setTimeout(() => { const until = Date.now() + 12000; while (Date.now() < until); })")
    eventually(lambda: connections(shared_site, stream_id) == 2, within_s=11, what="nobody took over")
    model.release()
    whole(second)

    whole(first)


def test_a_browser_without_locks_has_a_connection_for_each_tab(model: Model, shared_site: Site, first: Page) -> None:
    first.context.add_init_script(WITHOUT_LOCKS)
    first.reload()
    stream_id = asked(first, model)
    second = another(first)
    shows(second, HALF)
    model.release()
    whole(first, second)

    assert connections(shared_site, stream_id) == 2


@pytest.mark.req("D1-1", "T42", "R4")
def test_reload_a_second_tab_and_a_second_device(
    model: Model, shared_site: Site, ada: Account, first: Page, make_page: Callable[..., Page]
) -> None:
    asked(first, model)
    second = another(first)
    device = sign_in(make_page(shared_site), ada)
    device.goto(first.url)
    for page in (second, device):
        shows(page, HALF)
    second.reload()
    shows(second, HALF)

    model.release()

    whole(first, second, device)
    assert len(model.calls()) == 1
    for page in (first, second, device):
        page.reload()
    whole(first, second, device)


@pytest.mark.req("D1-1", "T42", "T32")
@pytest.mark.parametrize("how", ["the network breaks", "the cable is pulled"])
def test_twenty_seconds_without_a_network_cost_nothing(
    how: str, model: Model, shared_site: Site, ada: Account, make_page: Callable[..., Page]
) -> None:
    with FaultProxy(shared_site.port) as network:
        first = sign_in(make_page(shared_site, base_url=network.origin), ada)
        first.goto(STUDY)
        # It takes longer than the network is away, and some of it comes after.
        asked(first, model, pace_s=0.25)
        second = another(first)
        shows(second, HALF)
        again: list[str] = []
        first.context.on(
            "response", lambda answered: again.append(answered.url) if "view=html" in answered.url else None
        )

        if how == "the network breaks":
            network.down()
        else:
            network.freeze()
            first.context.set_offline(True)
        for page in (first, second):
            expect(page.get_by_text("Connection lost, reconnecting…")).to_be_visible()
        before = shown(first)
        first.wait_for_function(
            "(until) => Date.now() > until", arg=first.evaluate("Date.now()") + 20_000, timeout=25_000
        )
        assert shown(first) == before, "the page must not have been connected"
        network.up()
        first.context.set_offline(False)
        for page in (first, second):
            page.locator(".outcome--completed").wait_for(state="attached", timeout=30_000)
        whole(first, second)

        for page in (first, second):
            expect(page.get_by_text("Connection lost, reconnecting…")).to_be_hidden()
        # Asked of the browser: it may try a connection that is no more before it makes another.
        assert len(again) == 1
    assert len(model.calls()) == 1


def test_a_stream_that_cannot_be_shared_is_followed_alone(model: Model, shared_site: Site, first: Page) -> None:
    first.context.add_init_script(
        "navigator.locks.request = () => Promise.reject(new DOMException('no', 'SecurityError'))"
    )
    first.reload()
    stream_id = asked(first, model)
    until(first, lambda: connections(shared_site, stream_id) == 1)
    model.release()

    whole(first)
