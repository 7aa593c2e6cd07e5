"""Other people's pages that show an answer with htmx, with nothing but its element."""

from typing import Final

from playwright.sync_api import Page

from tests.e2e.browsing import HostPages, words

# What API.md asks of a host page is the element; what is told to `seen` is for the tests.
_HTML: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Host</title>{config}
<script>
  window.seen = []
  window.sources = []
  window.EventSource = class extends EventSource {{ constructor(...all) {{ super(...all); sources.push(this) }} }}
  for (const name of ["htmx:sseClose", "htmx:sse:close"])
    document.addEventListener(name, ({{ detail }}) => seen.push([name, detail.type ?? detail.reason]))
</script>{scripts}
<body {body}><article id="answer-{stream_id}" {attributes} hx-swap="{swap}"></article></body></html>"""
HTMX_2: Final = {
    "config": "",
    "scripts": '<script src="/htmx2.js"></script><script src="/sse2.js"></script>',
    "body": 'hx-ext="sse"',
    "attributes": 'sse-connect="{url}" sse-swap="message" sse-close="close"',
}
HTMX_4: Final = {
    "config": """<meta name="htmx-config" content='{"mode": "cors", "extensions": "sse"}'>""",
    "scripts": '<script src="/htmx4.js"></script><script src="/sse4.js"></script>',
    "body": "",
    "attributes": 'hx-sse:connect="{url}" hx-sse:close="close"',
}
HTMX_4_LEGACY: Final = {**HTMX_4, "attributes": 'sse-connect="{url}" sse-close="close"'}


def host_page(
    hosts: HostPages, htmx: dict[str, str], stream_id: str, url: str, *, swap: str = "none", more: str = ""
) -> str:
    """The address of a page for this stream; `more` goes among its element's attributes."""
    attributes = f"{htmx['attributes'].format(url=url.replace('&', '&amp;'))} {more}"
    return hosts.page(_HTML.format(**{**htmx, "attributes": attributes}, stream_id=stream_id, swap=swap))


def closed(page: Page) -> None:
    """Wait until the page has closed its stream because it was told to."""
    page.wait_for_function("seen.length > 0", timeout=30_000)
    assert page.evaluate("seen.map(([, why]) => why)") == ["message"]
    assert page.evaluate("sources.every((source) => source.readyState === EventSource.CLOSED)")


def shown_by_host(page: Page, stream_id: str) -> str:
    """The answer's text as the page shows it; no id may be there twice."""
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((element) => element.id)")
    assert len(ids) == len(set(ids))
    assert all(name.startswith(f"answer-{stream_id}") for name in ids)
    return words(page.locator(f"#answer-{stream_id}-body").inner_text())
