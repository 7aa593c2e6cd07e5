"""The clients in static/js, in Chromium, against bodies cut anywhere and a server that fails on the way."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route

STATIC = Path(__file__).resolve().parents[2] / "static"

READ = """async (sizes) => {
  const { frames } = await import("/static/js/frames.js")
  const text = "\\uFEFF: hi\\r\\nid: s-1\\r\\nevent: a\\r\\ndata: {\\"t\\": \\"né🙂\\"}\\r\\n\\r\\ndata: 1\\r" +
    "data: 2\\r\\rretry: 70\\n\\nid\\ndata\\n\\nevent: b\\ndata: 数\\n\\ndata: never finished"
  const bytes = new TextEncoder().encode(text)
  const read = []
  for (const size of sizes) {
    const chunks = []
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.slice(at, at + size))
    const found = []
    for await (const { id, event, data, retry } of frames(chunks)) found.push([id ?? null, event, data, retry ?? null])
    read.push(found)
  }
  return read
}"""

FOLLOW = """async ({ plan, ends, attempts }) => {
  if (attempts !== null) document.body.dataset.retryAttempts = attempts
  const { StreamClient } = await import("/static/js/stream-client.js")
  const asked = [], heard = []
  const fake = async (url, { headers, signal }) => {
    asked.push(headers["Last-Event-ID"] ?? null)
    const step = plan[Math.min(asked.length, plan.length) - 1]
    if (step.status) return new Response(step.status === 204 ? null : "", { status: step.status })
    return new Response(step.body, { status: 200 })
  }
  let failed = null
  const client = new StreamClient("/x", {
    onEvent: (name, data) => heard.push([name, data]),
    onFail: (error) => { failed = error.message },
  }, { fetch: fake, random: () => -3.3, ends: new Set(ends) })
  await client.open()
  return { asked, heard, failed }
}"""

TUTOR = """async (body) => {
  const { TutorClient } = await import("/static/js/tutor-client.js")
  const element = document.createElement("div")
  const seen = []
  const client = new TutorClient("/x", element, {
    onTyping: (isTyping) => seen.push(isTyping),
    onToolSuggestedTests: ({ tests }) => seen.push(tests.length),
    onMessage: (text) => seen.push(text),
  }, { fetch: async () => new Response(body) })
  await client.open()
  return { seen, text: element.textContent, children: element.children.length }
}"""


AGAIN = """async () => {
  const { Connection } = await import("/static/js/connection.js")
  const asked = [], states = []
  const silent = (url, { signal }) => {
    asked.push(url)
    if (asked.length === 3) return Promise.resolve(new Response("event: close\\ndata: ended\\n\\n"))
    const body = new ReadableStream({ start(controller) {
      signal.addEventListener("abort", () => controller.error(signal.reason))
    } })
    if (asked.length === 2) for (const ms of [0, 1100]) setTimeout(() => connection.again(), ms)
    return Promise.resolve(new Response(body))
  }
  const take = ({ event }) => event === "close"
  const options = { fetch: silent, random: () => -3.3, quietMs: 2000 }
  const connection = new Connection("/x", take, { onState: (state) => states.push(state) }, options)
  await connection.open()
  return { asked: asked.length, states }
}"""

KEPT = """async (frames) => {
  const { Kept } = await import("/static/js/kept.js")
  const kept = new Kept()
  const part = (name, swap, text) => `<div id="answer-s-${name}" hx-swap-oob="${swap}">${text}</div>`
  for (const [isWhole, ...parts] of frames) {
    const data = parts.map((one) => part(...one)).join("\\n")
    kept.take({ event: data ? "message" : "close", data: data || "ended" }, isWhole)
  }
  const words = (html) => html.replace(/<[^>]+>/g, " ").split(/\\s+/).filter(Boolean).join(" ")
  return kept.frames.map(({ event, data }) => event === "close" ? "close" : words(data))
}"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page beside the site's static files; no site runs."""

    def serve(route: Route) -> None:
        _, found, path = route.request.url.partition("/static/")
        if found:
            route.fulfill(path=STATIC / path, content_type="text/javascript")
        else:
            route.fulfill(body="<!doctype html>", content_type="text/html")

    context = browser.new_context()
    context.route("**/*", serve)
    page = context.new_page()
    page.goto("http://rill.test/")
    yield page
    context.close()


def follow(
    page: Page, *plan: dict[str, Any], ends: tuple[str, ...] = ("done",), attempts: str | None = None
) -> dict[str, Any]:
    result: dict[str, Any] = page.evaluate(FOLLOW, {"plan": list(plan), "ends": list(ends), "attempts": attempts})
    return result


def frame(name: str, data: str, event_id: str) -> str:
    return f"id: {event_id}\nevent: {name}\ndata: {data}\n\n"


@pytest.mark.req("A6-15", "R27")
def test_frames_are_the_same_wherever_the_body_is_cut(page: Page) -> None:
    read = page.evaluate(READ, [1, 2, 3, 5, 7, 11, 1000])

    assert read[0] == [
        ["s-1", "a", '{"t": "né🙂"}', None],
        [None, "message", "1\n2", None],
        [None, "message", "", 70],
        ["", "message", "", None],
        [None, "b", "数", None],
    ]
    assert all(other == read[0] for other in read), "the cuts show"


@pytest.mark.req("R27")
def test_a_lost_connection_goes_on_from_the_last_id(page: Page) -> None:
    result = follow(
        page,
        {"body": frame("token", '{"text": "a"}', "s-1") + frame("token", '{"te', "s-2").rstrip()},
        {"status": 503},
        {"body": frame("token", '{"text": "b"}', "s-2") + frame("done", "{}", "s-3")},
    )

    assert result["asked"] == [None, "s-1", "s-1"]
    assert [data for name, data in result["heard"] if name == "token"] == [{"text": "a"}, {"text": "b"}]
    assert result["failed"] is None


@pytest.mark.req("R27")
def test_three_attempts_that_bring_nothing_are_enough(page: Page) -> None:
    result = follow(page, {"status": 503})

    assert len(result["asked"]) == 1 + 3
    assert result["failed"] == "status 503"


@pytest.mark.req("R27")
@pytest.mark.parametrize(("said", "asked"), [("0", 1), ("1", 2), ("5", 6), ("", 4), ("many", 4)])
def test_the_page_says_how_many_attempts_are_enough(page: Page, said: str, asked: int) -> None:
    result = follow(page, {"status": 503}, attempts=said)

    assert len(result["asked"]) == asked
    assert result["failed"] == "status 503"


@pytest.mark.parametrize(("status", "failed"), [(404, "status 404"), (401, "status 401"), (204, None)])
def test_an_answer_that_will_not_change_is_not_asked_for_again(page: Page, status: int, failed: str | None) -> None:
    result = follow(page, {"status": status})

    assert len(result["asked"]) == 1
    assert result["failed"] == failed


def test_a_frame_that_is_not_json_is_passed_over(page: Page) -> None:
    result = follow(page, {"body": frame("token", "{oops", "s-1") + frame("done", "{}", "s-2")})

    assert [name for name, _ in result["heard"]] == ["done"]


def test_the_type_in_the_json_names_an_unnamed_event(page: Page) -> None:
    result = follow(page, {"body": 'id: s-1\ndata: {"type": "done", "x": 1}\n\n'})

    assert result["heard"] == [["done", {"type": "done", "x": 1}]]


@pytest.mark.req("T38")
def test_the_tutors_client_shows_text_as_text_and_whether_somebody_types(page: Page) -> None:
    body = (
        frame("stream.start", '{"verdict": "exact", "from": "s-0"}', "s-0")
        + frame("message.start", "{}", "s-1")
        + frame("message.delta", '{"content": "<b>Hel"}', "s-2")
        + frame("message.delta", '{"content": "lo</b>"}', "s-3")
        + frame("tool.suggested_tests", '{"tests": [{"input": "1"}]}', "s-4")
        + frame("message.end", "{}", "s-5")
        + frame("stream.close", '{"reason": "idle"}', "s-6")
    )

    result = page.evaluate(TUTOR, body)

    assert result == {"seen": [True, 1, False, "<b>Hello</b>"], "text": "<b>Hello</b>", "children": 0}


def test_a_connection_that_is_silent_or_suspected_is_made_anew(page: Page) -> None:
    result = page.evaluate(AGAIN)

    assert result["asked"] == 3
    assert result["states"] == ["connecting", "open", "reconnecting", "open", "reconnecting", "open"]


def test_a_newcomer_is_shown_what_is_needed_and_no_more(page: Page) -> None:
    tail = ("tail", "innerHTML")
    frames = [
        [True, ["", "innerHTML", "old"]],
        [True, ["", "innerHTML", "whole"]],
        [False, [*tail, "t1"]],
        [False, [*tail, "t2"]],
        [False, ["blocks", "beforeend", "b1"], [*tail, "t3"]],
        [False, ["status", "innerHTML", "s1"], [*tail, "t4"]],
        [False, ["blocks", "beforeend", "b2"], [*tail, "t5"]],
        [False, ["status", "innerHTML", "s2"]],
        [False],
    ]

    assert page.evaluate(KEPT, frames) == ["whole", "b1 t3", "b2 t5", "s2", "close"]
