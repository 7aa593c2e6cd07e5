"""The todo agent's clients as docs/clients.md has them, and the modules that it names, against the real site."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Page

from tests.e2e.browsing import HostPages
from tests.e2e.clients import Account
from tests.e2e.sites import ROOT, Model, Site, prose

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

TEXT: Final = prose(80, seed=17)
ARGUMENTS: Final = {"item": "Team meeting", "start_time": "2027-01-15 14:00:00", "importance": "high"}
CALLS: Final = [["create_todo", json.dumps(ARGUMENTS)]]


def code(heading: str, language: str) -> str:
    """The code that the documentation shows under a heading."""
    text = (ROOT / "docs/clients.md").read_text(encoding="utf-8")
    section = text.split(f"\n### {heading}\n", 1)[1].split("\n### ", 1)[0].split("\n## ", 1)[0]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found, f"no {language} under {heading}"
    return found[1]


def run_node(tmp_path: Path, harness: str, *arguments: str, **files: str) -> list[Any]:
    """Run a harness beside the modules; the JSON lines that it prints."""
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for name in ("todo-client.js", "event-batcher.js"):
        shutil.copy(ROOT / "static/js" / name, tmp_path / name)
    for name, text in {"harness": harness, **files}.items():
        (tmp_path / f"{name}.js").write_text(text, encoding="utf-8")
    command = ["node", "harness.js", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def at(account: Account) -> tuple[str, str]:
    """Where somebody asks, and their token."""
    return f"http://127.0.0.1:{account.site.port}", account.token


# -- the specification's client test


FRAMES: Final = [
    ("session_initialized", {"session_id": "test_session"}),
    ("message_delta", {"content": "Creating your töðø 👍"}),
    ("tool_result", {"output": {"todo_id": "123", "status": "created", "item": "a\n\nb"}}),
    ("history", [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Creating"}]),
]
JEST: Final = """
import { StreamingTodoClient } from "./todo-client.js"
const { body } = JSON.parse(process.argv[2])
const bytes = new TextEncoder().encode(body)
for (const size of [1, 2, 3, 7, 50, 100000]) {
  const pieces = new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size))
      controller.close()
    },
  })
  const sent = []
  const fetch = async (url, { method, headers, body }) => {
    sent.push([url, method, headers, JSON.parse(body)])
    return new Response(pieces)
  }
  const events = []
  const client = new StreamingTodoClient("https://site.example", "token", { fetch })
  const messages = [{ role: "user", content: "Hi" }]
  const history = await client.createTodos(messages, "test_session", (event) => events.push(event))
  console.log(JSON.stringify({ events, history, sent }))
}
"""


def framed(framing: str) -> str:
    """Four frames as the site sends them, with what a reader must pass over."""
    noise = ": \n\ndata: {not json\n\n"
    if framing == "named":
        return noise + "".join(f"id: s-1\nevent: {name}\ndata: {json.dumps(data)}\n\n" for name, data in FRAMES)
    events = [{"event": name, "data": data} for name, data in FRAMES]
    if framing == "envelope":
        return noise + "".join(f"id: s-1\ndata: {json.dumps(event)}\n\n" for event in events)
    return noise + f"event: batch\ndata: {json.dumps(events[:3])}\n\nevent: batch\ndata: {json.dumps(events[3:])}\n\n"


@pytest.mark.req("D33", "D18", "D19", "R3", "A6-10", "A6-15")
@pytest.mark.parametrize("framing", ["named", "envelope", "batch"])
def test_handles_streaming_response_correctly(tmp_path: Path, framing: str) -> None:
    for seen in run_node(tmp_path, JEST, json.dumps({"body": framed(framing)})):
        events = seen["events"]
        assert len(events) == 4
        assert [event["type"] for event in events] == [name for name, _ in FRAMES]
        assert events[0]["data"]["session_id"] == "test_session"
        assert events[1]["data"]["content"] == "Creating your töðø 👍"
        assert events[2]["data"]["output"]["todo_id"] == "123"
        assert events[3]["data"] == seen["history"] == FRAMES[3][1]
        ((url, method, headers, body),) = seen["sent"]
        assert (url, method) == ("https://site.example/api/todos/agent-create/stream", "POST")
        assert headers["Authorization"] == "Bearer token"
        assert body == {"messages": [{"role": "user", "content": "Hi"}], "session_id": "test_session"}


# -- trying again, and the quota


AGAIN: Final = """
import { QuotaError, StreamingTodoClient } from "./todo-client.js"
const frame = (name, data, id) => `id: s-${id}\\nevent: ${name}\\ndata: ${JSON.stringify(data)}\\n\\n`
const limit = (left) => new Date(Date.now() + left).toISOString()
const told = (left) => frame("rate_limit_exceeded", { message: "200 of 200", reset_date: limit(left) }, 0)
const rate = { status: 429, headers: { "Retry-After": "7" } }
const failed = { status: "error", message: "Streaming failed: x", code: "X", retryable: true }
const whole = () => new Response(frame("message_delta", { content: "b" }, 2) + frame("history", [], 3))
const cases = {
  away: [() => { throw new TypeError("fetch failed") }, () => new Response("", { status: 503 }), whole],
  never: Array(9).fill(() => { throw new TypeError("fetch failed") }),
  cut: [() => new Response(frame("message_delta", { content: "a" }, 1)), whole],
  rate: [() => Response.json({ code: "RATE_LIMITED", message: "Wait" }, rate), whole],
  refused: [() => Response.json({ code: "NOT_SIGNED_IN", message: "Sign in" }, { status: 401 }), whole],
  error: [() => new Response(frame("error", failed, 1)), whole],
  quota: [() => new Response(told(-1000)), whole],
  waits: [() => new Response(told(40 * 86400e3)), whole],
}
for (const [name, plan] of Object.entries(cases)) {
  const slept = [], sent = [], seen = []
  let at = 0
  const fetch = async (_, { headers }) => {
    sent.push([headers["Idempotency-Key"], headers["Last-Event-ID"] ?? null])
    return plan[Math.min(at++, plan.length - 1)]()
  }
  const now = Date.now
  const sleep = async (ms) => {
    slept.push(ms)
    const then = Date.now() + ms
    if (ms > 60000) Date.now = () => then
  }
  const client = new StreamingTodoClient("", "t", { fetch, sleep })
  const outcome = await client.createTodos([], "s", ({ type }) => seen.push(type), { waitForReset: name === "waits" })
    .then(() => "history", (error) => [error instanceof QuotaError ? "quota" : "failed", error.code ?? error.message])
  Date.now = now
  console.log(JSON.stringify({ name, outcome, slept, sent, seen }))
}
const abort = new AbortController()
const hanging = (_, { signal }) => new Promise((_, reject) => {
  signal.addEventListener("abort", () => reject(signal.reason))
})
const { signal } = abort
const reading = new StreamingTodoClient("", "t", { fetch: hanging }).createTodos([], "s", () => {}, { signal })
abort.abort()
console.log(JSON.stringify({ name: "aborted", outcome: await reading.catch((error) => error.name) }))
"""


@pytest.mark.req("D23", "D19", "D14", "A6-14")
def test_a_client_tries_three_times_and_waits_at_the_quota_only_if_told(tmp_path: Path) -> None:
    seen = {case.pop("name"): case for case in run_node(tmp_path, AGAIN)}

    assert (seen["away"]["outcome"], seen["away"]["slept"]) == ("history", [1000, 2000])
    assert (seen["never"]["outcome"], seen["never"]["slept"]) == (["failed", "fetch failed"], [1000, 2000, 4000])
    # The same request by its key, from the last id that came.
    cut = seen["cut"]
    assert (cut["outcome"], cut["slept"], cut["seen"]) == ("history", [1000], ["message_delta"] * 2 + ["history"])
    assert len({key for key, _ in cut["sent"]}) == 1
    assert [cursor for _, cursor in cut["sent"]] == [None, "s-1"]
    assert (seen["rate"]["outcome"], seen["rate"]["slept"]) == ("history", [7000])
    assert (seen["refused"]["outcome"], seen["refused"]["slept"]) == (["failed", "NOT_SIGNED_IN"], [])
    assert (seen["error"]["outcome"], seen["error"]["slept"]) == (["failed", "X"], [])
    assert (seen["quota"]["outcome"][0], seen["quota"]["slept"]) == ("quota", [])
    # Forty days are more than a timer takes at once; then it is a new request.
    waits = seen["waits"]
    assert waits["outcome"] == "history"
    assert len(waits["slept"]) >= 2
    assert max(waits["slept"]) < 2**31
    assert len({key for key, _ in waits["sent"]}) == 2
    assert seen["aborted"]["outcome"] == "AbortError"


BATCHER: Final = """
import { EventBatcher } from "./event-batcher.js"
const seen = []
const batcher = new EventBatcher((event) => seen.push(event))
const delta = (content) => ({ type: "message_delta", data: { content } })
for (let at = 0; at < 10; at += 1) batcher.push(delta(`${at}`))
const full = seen.splice(0)
batcher.push(delta("a"))
batcher.push({ type: "tool_call", data: { tool_name: "x" } })
batcher.push(delta("b"))
batcher.push(delta("c"))
const early = seen.splice(0)
const began = performance.now()
while (!seen.length) await new Promise((resolve) => setTimeout(resolve, 1))
const later = seen.splice(0), ms = performance.now() - began
batcher.push(delta("d"))
batcher.push({ type: "history", data: [] })
console.log(JSON.stringify({ full, early, later, ms, last: seen }))
"""


@pytest.mark.req("D26")
def test_events_are_gathered_ten_at_a_time_or_for_a_tenth_of_a_second(tmp_path: Path) -> None:
    (seen,) = run_node(tmp_path, BATCHER)

    def delta(content: str) -> dict[str, Any]:
        return {"type": "message_delta", "data": {"content": content}}

    assert seen["full"] == [delta("0123456789")]
    assert seen["early"] == []
    assert seen["later"] == [delta("a"), {"type": "tool_call", "data": {"tool_name": "x"}}, delta("bc")]
    assert seen["ms"] > 50
    assert [event["type"] for event in seen["last"]] == ["message_delta", "history"]


# -- against the real site


READ: Final = """
import { StreamingTodoClient } from "./todo-client.js"
const [url, token, query, cut] = process.argv.slice(2)
let times = 0
const cutting = async (address, init) => {
  const response = await globalThis.fetch(address, init)
  if (times++ > 0 || cut === "0") return response
  // The first connection is lost in the middle.
  let left = Number(cut)
  const lossy = new TransformStream({
    transform(piece, out) {
      out.enqueue(piece.slice(0, left))
      if ((left -= piece.length) <= 0) out.terminate()
    },
  })
  return new Response(response.body.pipeThrough(lossy), { status: response.status, headers: response.headers })
}
const client = new StreamingTodoClient(url, token, { fetch: cutting, sleep: async () => {}, query })
const events = []
const messages = [{ role: "user", content: "Team meeting on the 15th" }]
const history = await client.createTodos(messages, "node", (event) => events.push(event))
console.log(JSON.stringify({ events, history, times }))
"""


@pytest.mark.req("D18", "D23", "D33", "R3", "R27", "A6-15")
@pytest.mark.parametrize("query", ["", "frame=envelope", "batch=1"])
@pytest.mark.parametrize("cut", [0, 900])
def test_the_class_client_reads_an_answer_also_when_it_loses_the_connection(
    model: Model, ada: Account, tmp_path: Path, query: str, cut: int
) -> None:
    model.play(tokens=0, finish="tool_calls", tool_calls=CALLS)
    model.play(text=TEXT, pace_s=0.005)

    (seen,) = run_node(tmp_path, READ, *at(ada), query, str(cut))

    assert seen["times"] == (2 if cut else 1)
    events = seen["events"]
    assert [event["type"] for event in events if event["type"] not in ("message_delta", "stream")] == [
        "session_initialized", "agent_updated", "tool_call", "tool_result", "message", "completed", "history",
    ]  # fmt: skip
    by_type = {event["type"]: event["data"] for event in events}
    assert by_type.get("stream", {"verdict": "exact"})["verdict"] == "exact"
    assert "".join(event["data"]["content"] for event in events if event["type"] == "message_delta") == TEXT
    assert by_type["completed"]["final_message"] == seen["history"][-1]["content"] == TEXT
    assert by_type["tool_call"]["arguments"] == ARGUMENTS
    assert [todo["item"] for todo in ada.call("GET", "/api/todos").json["todos"]] == ["Team meeting"]
    assert len(model.calls()) == 2


BROWSER: Final = """async ([url, token]) => {
  const { StreamingTodoClient } = await import("/todo-client.js")
  let times = 0
  const cutting = async (address, init) => {
    const response = await fetch(address, init)
    if (times++) return response
    const reader = response.body.getReader()
    const { value } = await reader.read()
    await reader.cancel()
    return new Response(value, { status: response.status })
  }
  const client = new StreamingTodoClient(url, token, { fetch: cutting, sleep: async () => {} })
  const events = []
  const messages = [{ role: "user", content: "Hello" }]
  const history = await client.createTodos(messages, "browser", ({ type, data }) => events.push([type, data]))
  return { events, history, times }
}"""


@pytest.mark.req("D18", "D19", "R5", "R27")
def test_the_class_client_works_in_a_page_of_another_origin(
    model: Model, shared_site: Site, ada: Account, hosts: HostPages, make_page: Callable[..., Page]
) -> None:
    model.play(text=TEXT, pace_s=0.02)
    page = make_page(shared_site)
    script = ROOT / "static/js/todo-client.js"
    page.route("**/todo-client.js", lambda route: route.fulfill(path=script, content_type="text/javascript"))
    page.goto(hosts.page("<!doctype html>", foreign=True))

    seen = page.evaluate(BROWSER, list(at(ada)))

    assert seen["times"] == 2
    assert "".join(data["content"] for name, data in seen["events"] if name == "message_delta") == TEXT
    assert seen["history"][-1]["content"] == TEXT
    assert len(model.calls()) == 1


# As much of React as the hook uses: state that is kept between two calls of it.
REACT: Final = """
let kept = [], at = 0
export const begin = () => { at = 0 }
const slot = (initial) => { const place = at++; if (!(place in kept)) kept[place] = initial; return place }
export const useState = (initial) => {
  const place = slot(initial)
  return [kept[place], (value) => { kept[place] = typeof value === "function" ? value(kept[place]) : value }]
}
export const useRef = (initial) => { const place = slot({ current: initial }); return kept[place] }
export const useCallback = (call) => call
"""
USED: Final = """
import { QuotaError, StreamingTodoClient } from "./todo-client.js"
import { begin } from "./react.js"
import { useTodoAgent } from "./hook.js"
const [url, token] = process.argv.slice(2)
const client = new StreamingTodoClient(url, token)
const render = () => { begin(); return useTodoAgent(client, "react") }
const settled = (promise) => promise.then(render)
const whole = await settled(render().send("Hello"))
console.log(JSON.stringify(whole))
const sending = render().send("And again")
while (!render().streaming.includes("one")) await new Promise((resolve) => setTimeout(resolve, 5))
console.log(JSON.stringify(render()))
render().stop()
console.log(JSON.stringify(await settled(sending)))
client.createTodos = async () => { throw new QuotaError("Used up", { reset_date: "2027-01-01" }) }
console.log(JSON.stringify(await settled(render().send("More"))))
client.createTodos = async () => { throw new Error("The connection was lost.") }
console.log(JSON.stringify(await settled(render().send("More"))))
"""


@pytest.mark.req("D19", "D23", "R27")
def test_the_react_hook_shows_stops_and_tells(model: Model, ada: Account, tmp_path: Path) -> None:
    model.play(text="Hello to you")
    model.play(text="This is one that never ends", stall_after=4)
    hook = code("Todos in React", "js").replace('"react"', '"./react.js"')

    whole, during, stopped, limited, failed = run_node(tmp_path, USED, *at(ada), react=REACT, hook=hook)

    said = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello to you"}]
    assert whole == {"messages": said, "streaming": "", "isStreaming": False, "problem": None}
    assert during["isStreaming"]
    assert "one" in during["streaming"]
    # A stop is no failure; what came is kept, here and there.
    assert (stopped["isStreaming"], stopped["problem"]) == (False, None)
    assert stopped["messages"][-1]["content"].startswith("This is one")
    assert limited["problem"] == {"message": "Used up", "until": "2027-01-01T00:00:00.000Z"}
    assert failed["problem"] == {"message": "The connection was lost.", "until": None}
    answers = ada.call("GET", "/api/todos/sessions/react/history").json
    assert answers[-1]["content"].startswith("This is one")


PYTHON: Final = """
import json, sys
import httpx
source = open("client.py", encoding="utf-8").read().split("\\nfor name, data in ask_agent(")[0]
exec(source)
real, calls = httpx.stream, []
class Cut:
    def __init__(self, *given, **more): self.inner = real(*given, **more)
    def __enter__(self):
        response = self.inner.__enter__()
        calls.append(str(response.request.method))
        if len(calls) == 1:
            lines = response.iter_lines
            def some():
                for number, line in enumerate(lines()):
                    if number == 14: raise httpx.ReadError("cut")
                    yield line
            response.iter_lines = some
        return response
    def __exit__(self, *error): return self.inner.__exit__(*error)
httpx.stream = Cut
time.sleep = lambda seconds: None
for name, data in ask_agent(sys.argv[1], sys.argv[2], "Team meeting on the 15th", "python"):
    print(json.dumps([name, data]))
print(json.dumps(["calls", calls]))
"""


@pytest.mark.req("D18", "D23")
def test_the_documented_python_client_takes_up_an_answer_where_it_broke(
    model: Model, ada: Account, tmp_path: Path
) -> None:
    model.play(tokens=0, finish="tool_calls", tool_calls=CALLS)
    model.play(text=TEXT, pace_s=0.005)
    (tmp_path / "client.py").write_text(code("Todos in Python", "python"), encoding="utf-8")
    (tmp_path / "harness.py").write_text(PYTHON, encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "harness.py", *at(ada)], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    events: list[Any] = [json.loads(line) for line in done.stdout.splitlines()]
    assert events.pop() == ["calls", ["POST", "GET"]]
    assert "".join(data["content"] for name, data in events if name == "message_delta") == TEXT
    assert events[-1][0] == "history"
    assert events[-1][1][-1]["content"] == TEXT
    assert len(ada.call("GET", "/api/todos").json["todos"]) == 1


@pytest.mark.req("D1", "D18", "D34")
def test_the_provided_test_client_finds_everything_in_order(site: Site) -> None:
    account = Account(site)
    command = [sys.executable, "-m", "flask", "--app", "app", "todos-client", "--token", account.token]

    done = subprocess.run(
        [*command, "--url", f"http://127.0.0.1:{site.port}"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "DATA_DIR": str(site.data_dir)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        "ok      streaming",
        "ok      envelopes and batches",
        "ok      coming back",
        "ok      sessions",
        "ok      error handling",
    ]
