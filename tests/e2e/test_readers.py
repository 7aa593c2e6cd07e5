"""Other people's clients read the tutor's streams whole, from other origins too, over a network that fails."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import connect_sse
from playwright.sync_api import Page

from tests.e2e.browsing import SCRIPTS, FaultProxy, HostPages, Watch, sign_in, until, words
from tests.e2e.clients import Account
from tests.e2e.host_pages import HTMX_2, HTMX_4, HTMX_4_LEGACY, closed, host_page, shown_by_host
from tests.e2e.sites import Model, Site, prose

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

Event = tuple[str, str, Any]
TEXT = prose(90, seed=3)
# Cuts a stream of fragments, or of events, after its first frames and before its end.
CUT = 2500
TESTS = '\n\n```tests\n[{"input": "[1, 2]", "expected": "3", "why": "two of them"}]\n```\n'

NATIVE = """async ({ url, withCredentials, until }) => new Promise((resolve) => {
  const source = new EventSource(url, { withCredentials })
  const seen = []
  const done = () => { source.close(); resolve({ seen }) }
  for (const name of ["stream.start", "message.start", "message.delta", "tool.suggested_tests", "message.end",
                      "stream.close"]) {
    source.addEventListener(name, ({ data, lastEventId }) => {
      seen.push([name, lastEventId, JSON.parse(data)])
      if (name === until) done()
    })
  }
  source.onerror = () => { if (source.readyState === EventSource.CLOSED) done() }
})"""

BOTH = pytest.mark.parametrize("htmx", [HTMX_2, HTMX_4], ids=["htmx-2.0.11", "htmx-4.0.1"])


@pytest.fixture
def ask(model: Model, ada: Account) -> Callable[..., tuple[str, str]]:
    """Start an answer of the scripted model; the stream's id and its URL with a ticket."""

    def start(text: str = TEXT, pace_s: float = 0.01) -> tuple[str, str]:
        model.play(text=text, pace_s=pace_s)
        asked = ada.ask()
        assert asked.status == 201, asked
        return asked.json["stream_id"], asked.json["stream_url"]

    return start


def prove(events: Sequence[Event], stored: str) -> None:
    """Each event once, in order, and the text that the database holds."""
    logged = [(name, event_id) for name, event_id, _ in events if name != "stream.start"]
    seqs = [int(event_id.rpartition("-")[2]) for _, event_id in logged]
    text = "".join(data["content"] for name, _, data in events if name == "message.delta")
    end = next(data for name, _, data in events if name == "message.end")
    assert seqs == sorted(set(seqs))
    assert text == stored
    assert (end["content_length"], end["content_sha256"]) == (len(text), hashlib.sha256(text.encode()).hexdigest())
    assert [name for name, _ in logged][:1] == ["message.start"]


def native(page: Page, url: str, *, until: str = "message.end", with_credentials: bool = False) -> list[Event]:
    """What the browser's own EventSource sees of a stream."""
    seen = page.evaluate(NATIVE, {"url": url, "withCredentials": with_credentials, "until": until})
    return [(name, event_id, data) for name, event_id, data in seen["seen"]]


# -- htmx 2 on a page of the site's own origin

PAGE_WITH_HTMX_2 = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Host</title>
<script src="/htmx2.js"></script><script src="/sse2.js"></script>
<body hx-headers='{{"HX-Version": "2", "X-CSRF-Token": "{token}"}}'>
<form hx-post="/v1/tutor/messages" hx-target="#out" hx-vals='{{"session_id": "s2", "problem_id": "{problem}"}}'>
<input name="message" value="How?"><button>Ask</button></form><main id="out"></main></body></html>"""


def test_a_page_with_htmx_2_asks_and_shows_the_answer(
    model: Model, shared_site: Site, ada: Account, make_page: Callable[..., Page]
) -> None:
    page = sign_in(make_page(shared_site), ada)
    page.goto("/account")
    token = page.locator('meta[name="csrf-token"]').get_attribute("content")
    for path, script in SCRIPTS.items():
        page.route(
            f"**{path}", lambda route, *, script=script: route.fulfill(path=script, content_type="text/javascript")
        )
    html = PAGE_WITH_HTMX_2.format(token=token, problem="odd-sock")
    page.route("**/host-with-htmx-2", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto("/host-with-htmx-2")
    model.play(text=TEXT, pace_s=0.01)

    page.get_by_role("button", name="Ask").click()

    page.locator("#out .outcome, #out .actions").first.wait_for(timeout=30_000)
    assert words(page.locator("#out .answer__body").inner_text()) == words(TEXT)


# -- the browser's own


@pytest.mark.req("T8", "T11", "T12", "T13", "T14", "T15", "T42")
def test_native_eventsource_reads_a_stream_with_the_cookie(
    shared_site: Site, ada: Account, ask: Callable[..., tuple[str, str]], make_page: Callable[..., Page]
) -> None:
    page = sign_in(make_page(shared_site), ada)
    page.goto("/")

    stream_id, _ = ask(TEXT + TESTS)
    events = native(page, f"/api/streams/{stream_id}", until="stream.close")

    by_name = {name: data for name, _, data in events}
    prove(events, ada.stored(stream_id)["content"])
    assert by_name["stream.start"]["stream_id"] == by_name["message.start"]["stream_id"] == stream_id
    assert by_name["message.start"]["metadata"]["engine"] == "scripted"
    assert by_name["message.delta"]["type"] == "markdown"
    assert by_name["tool.suggested_tests"]["tests"] == [{"input": "[1, 2]", "expected": "3", "why": "two of them"}]
    assert by_name["message.end"]["finish_reason"] == "stop"
    assert by_name["stream.close"] == {"reason": "idle"}


@pytest.mark.req("R5", "T8")
@pytest.mark.parametrize("with_cookie", [True, False], ids=["cookie", "ticket"])
def test_native_eventsource_reads_a_stream_from_another_origin(
    with_cookie: bool,
    shared_site: Site,
    hosts: HostPages,
    ada: Account,
    ask: Callable[..., tuple[str, str]],
    make_page: Callable[..., Page],
) -> None:
    page = make_page(shared_site)
    if with_cookie:
        sign_in(page, ada)
    page.goto(hosts.page("<!doctype html>", foreign=not with_cookie))

    stream_id, stream_url = ask()
    path = f"/api/streams/{stream_id}" if with_cookie else stream_url
    events = native(page, f"http://127.0.0.1:{shared_site.port}{path}", with_credentials=with_cookie)

    prove(events, ada.stored(stream_id)["content"])


@pytest.mark.req("R5")
def test_an_origin_that_is_not_named_reads_nothing(
    shared_site: Site, ask: Callable[..., tuple[str, str]], make_page: Callable[..., Page]
) -> None:
    page = make_page(shared_site)
    with HostPages() as stranger:
        page.goto(stranger.page("<!doctype html>"))
        _, stream_url = ask()

        assert native(page, f"http://127.0.0.1:{shared_site.port}{stream_url}") == []


@pytest.mark.req("A6-9", "A6-1", "T17")
def test_native_eventsource_goes_on_after_a_drop_and_stops_at_204(
    model: Model, shared_site: Site, ada: Account, ask: Callable[..., tuple[str, str]], proxy: FaultProxy, page: Page
) -> None:
    proxy.plan[:] = [CUT]
    page.goto(proxy.origin + "/login")

    stream_id, stream_url = ask()
    events = native(page, proxy.origin + stream_url, until="never")

    prove(events, ada.stored(stream_id)["content"])
    assert events[-1][0] == "stream.close"
    assert [seen.status for seen in proxy.streams] == [200, 200, 204]
    assert [data["verdict"] for name, _, data in events if name == "stream.start"] == ["exact"] * 2
    assert len(model.calls()) == 1


# -- other programs


@pytest.mark.req("T8", "T40")
def test_npm_eventsource_reads_a_stream_over_a_drop(
    ada: Account, ask: Callable[..., tuple[str, str]], proxy: FaultProxy
) -> None:
    proxy.plan[:] = [CUT]
    node = shutil.which("node")
    assert node, "node is missing: make e2e says how to get it"

    stream_id, stream_url = ask()
    script = Path(__file__).with_name("read_stream.mjs")
    read = subprocess.run(
        [node, str(script), proxy.origin + stream_url, "message.end"], capture_output=True, text=True, timeout=30
    )

    assert read.returncode == 0, read.stderr
    prove([tuple(json.loads(line)) for line in read.stdout.splitlines()], ada.stored(stream_id)["content"])
    assert len(proxy.streams) == 2
    assert proxy.streams[1].headers["last-event-id"].startswith(stream_id)


@pytest.mark.req("T8", "T40")
def test_httpx_sse_reads_a_stream(shared_site: Site, ada: Account, ask: Callable[..., tuple[str, str]]) -> None:
    stream_id, _ = ask()
    events: list[Event] = []
    url = f"http://127.0.0.1:{shared_site.port}/api/streams/{stream_id}"
    headers = {"Authorization": f"Bearer {ada.token}"}
    with httpx.Client() as client, connect_sse(client, "GET", url, headers=headers) as source:
        events.extend((event.event, event.id, event.json()) for event in source.iter_sse())

    prove(events, ada.stored(stream_id)["content"])
    assert events[-1][0] == "stream.close"


# -- htmx, on pages of another origin


@pytest.mark.req("T38", "T3", "R29")
@pytest.mark.parametrize(
    "htmx", [HTMX_2, HTMX_4, HTMX_4_LEGACY], ids=["htmx-2.0.11", "htmx-4.0.1", "htmx-4.0.1-legacy-attributes"]
)
def test_case_a_htmx_shows_the_whole_answer_over_one_connection(
    htmx: dict[str, str],
    shared_site: Site,
    hosts: HostPages,
    ada: Account,
    ask: Callable[..., tuple[str, str]],
    proxy: FaultProxy,
    make_page: Callable[..., Page],
) -> None:
    page = make_page(shared_site)

    stream_id, stream_url = ask(TEXT + TESTS)
    page.goto(host_page(hosts, htmx, stream_id, f"{proxy.origin}{stream_url}&view=html"))
    closed(page)

    assert shown_by_host(page, stream_id) == words(ada.stored(stream_id)["content"]) == words(TEXT)
    assert "two of them" in page.locator(f"#answer-{stream_id}-tests").inner_text()
    assert len(proxy.streams) == 1


@BOTH
@pytest.mark.req("T42", "A6-9")
def test_case_d_htmx_shows_the_answer_once_after_a_drop(
    htmx: dict[str, str],
    model: Model,
    shared_site: Site,
    hosts: HostPages,
    ada: Account,
    ask: Callable[..., tuple[str, str]],
    proxy: FaultProxy,
    make_page: Callable[..., Page],
) -> None:
    page = make_page(shared_site)
    proxy.plan[:] = [CUT]

    stream_id, stream_url = ask()
    page.goto(host_page(hosts, htmx, stream_id, f"{proxy.origin}{stream_url}&view=html"))
    closed(page)

    assert shown_by_host(page, stream_id) == words(ada.stored(stream_id)["content"])
    assert [seen.status for seen in proxy.streams] == [200, 200]
    assert len(model.calls()) == 1


@BOTH
@pytest.mark.req("T42", "A6-9")
def test_cases_e_and_f_htmx_shows_the_answer_once_after_a_drop_and_a_503(
    htmx: dict[str, str],
    model: Model,
    shared_site: Site,
    hosts: HostPages,
    ada: Account,
    ask: Callable[..., tuple[str, str]],
    proxy: FaultProxy,
    make_page: Callable[..., Page],
) -> None:
    page = make_page(shared_site)
    proxy.plan[:] = [CUT, "503"]

    stream_id, stream_url = ask()
    page.goto(host_page(hosts, htmx, stream_id, f"{proxy.origin}{stream_url}&view=html"))
    closed(page)

    assert shown_by_host(page, stream_id) == words(ada.stored(stream_id)["content"])
    assert [seen.status for seen in proxy.streams] == [200, 503, 200]
    # Case E: htmx 2 has lost its cursor by then, htmx 4 has not. Case F: neither needs it.
    assert ("last-event-id" in proxy.streams[2].headers) == (htmx is HTMX_4)
    snapshot = f'<div id="answer-{stream_id}" hx-swap-oob="innerHTML">'.encode()
    assert [seen.body.count(snapshot) for seen in proxy.streams] == [1, 0, 1]
    assert proxy.streams[2].body.partition(b"data: ")[2].startswith(snapshot)
    assert len(model.calls()) == 1


@BOTH
@pytest.mark.req("T31", "R5")
@pytest.mark.parametrize(
    ("path", "signed_in", "said"),
    [
        ("/api/streams/{unknown}?view=html", True, "not found"),
        ("/api/streams/{unknown}?view=html", False, "sign in"),
    ],
    ids=["unknown stream", "no login"],
)
def test_case_g_htmx_shows_a_refusal_and_closes(
    path: str,
    signed_in: bool,
    said: str,
    htmx: dict[str, str],
    shared_site: Site,
    hosts: HostPages,
    ada: Account,
    proxy: FaultProxy,
    make_page: Callable[..., Page],
) -> None:
    page = make_page(shared_site)
    if signed_in:
        sign_in(page, ada)
    unknown = "01UNKNOWNUNKNOWNUNKNOWNUNK"
    # htmx 4 sends cookies to its own origin only, unless asked.
    inclusive = """hx-config='{"credentials": "include"}'"""

    url = proxy.origin + path.format(unknown=unknown)
    page.goto(host_page(hosts, htmx, unknown, url, more=inclusive))
    closed(page)

    assert said in page.locator(f"#answer-{unknown} [role=alert]").inner_text().lower()
    assert [seen.status for seen in proxy.streams] == [200]


@BOTH
@pytest.mark.req("T31")
def test_case_g_htmx_shows_that_a_ticket_is_no_good_and_closes(
    htmx: dict[str, str], shared_site: Site, hosts: HostPages, proxy: FaultProxy, make_page: Callable[..., Page]
) -> None:
    page = make_page(shared_site)

    page.goto(host_page(hosts, htmx, "x", f"{proxy.origin}/v1/tutor/stream?token=no-good&view=html", swap="innerHTML"))
    closed(page)

    assert "not found" in page.locator("#answer-x [role=alert]").inner_text().lower()
    assert [seen.status for seen in proxy.streams] == [200]


# -- our own page


@pytest.mark.req("T38", "T42", "A6-16")
def test_our_own_page_shows_the_answer_once_after_a_drop_and_a_503(
    model: Model, shared_site: Site, ada: Account, proxy: FaultProxy, make_page: Callable[..., Page]
) -> None:
    page = make_page(shared_site, base_url=proxy.origin)
    watch = Watch(page)
    sign_in(page, ada)
    page.goto("/tutor/odd-sock")
    model.play(text=TEXT, pace_s=0.01)
    proxy.plan[:] = [CUT, "503"]

    page.get_by_label("Your message").fill("Where do I begin?")
    page.get_by_role("button", name="Send").click()
    page.locator(".outcome--completed").wait_for(state="attached")

    assert words(page.locator(".answer__body").inner_text()) == words(TEXT)
    assert [seen.status for seen in proxy.streams] == [200, 503, 200]
    assert all("text/html, text/event-stream" in seen.headers["accept"] for seen in proxy.streams)
    assert len(model.calls()) == 1
    until(page, lambda: any("503" in said for said in watch.refusals), what="the 503 did not reach the page")
