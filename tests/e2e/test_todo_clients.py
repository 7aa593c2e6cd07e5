"""The todo agent's clients as docs/clients.md has them, and the modules that it names, against the real site."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from httpx_sse import connect_sse
from playwright.sync_api import Page

from tests.e2e.browsing import HostPages, sign_in
from tests.e2e.clients import Account
from tests.e2e.programs import at, code, run_node
from tests.e2e.sites import ROOT, Model, Site, prose

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

ASK: Final = "/api/todos/agent-create/stream"
TEXT: Final = prose(80, seed=17)
ARGUMENTS: Final = {"item": "Team meeting", "start_time": "2027-01-15 14:00:00", "importance": "high"}
CALLS: Final = [["create_todo", json.dumps(ARGUMENTS)]]

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


NATIVE: Final = """async ([url, names]) => new Promise((resolve) => {
  const source = new EventSource(url)
  const seen = []
  for (const name of names) {
    source.addEventListener(name, ({ data, lastEventId }) => seen.push([name, lastEventId, JSON.parse(data)]))
  }
  source.onerror = () => { if (source.readyState === EventSource.CLOSED) resolve(seen) }
})"""


@pytest.mark.req("D33", "D12", "R10")
def test_native_eventsource_reads_an_answer_and_stops_at_its_end(
    model: Model, shared_site: Site, ada: Account, make_page: Callable[..., Page]
) -> None:
    model.play(text=TEXT, pace_s=0.005)
    page = sign_in(make_page(shared_site), ada)
    begun = ada.call("POST", ASK, {"messages": [{"role": "user", "content": "Hello"}], "session_id": "native"})
    page.goto("/account")

    # It comes back by itself when the stream has ended; that there is nothing more is what ends it.
    names = ["session_initialized", "message_delta", "completed", "history"]
    seen = page.evaluate(NATIVE, [begun.json["stream_url"], names])

    assert [name for name, _, _ in seen if name != "message_delta"] == ["session_initialized", "completed", "history"]
    assert "".join(data["content"] for name, _, data in seen if name == "message_delta") == TEXT
    assert len({event_id for _, event_id, _ in seen}) == len(seen)


@pytest.mark.req("D18", "D33", "D32")
def test_httpx_sse_reads_the_response_to_the_request_itself(model: Model, ada: Account) -> None:
    model.play(tokens=0, finish="tool_calls", tool_calls=CALLS)
    model.play(text=TEXT, pace_s=0.005)
    url, token = at(ada)
    body = {"messages": [{"role": "user", "content": "Team meeting on the 15th"}], "session_id": "httpx"}
    headers = {"Authorization": f"Bearer {token}"}

    with (
        httpx.Client(timeout=60) as client,
        connect_sse(client, "POST", url + ASK, json=body, headers=headers) as source,
    ):
        assert source.response.headers["Content-Type"] == "text/event-stream"
        assert source.response.headers["Connection"] == "keep-alive"
        assert "Content-Encoding" not in source.response.headers
        events = [(event.event, event.json()) for event in source.iter_sse()]

    assert [name for name, _ in events if name != "message_delta"] == [
        "session_initialized", "agent_updated", "tool_call", "tool_result", "message", "completed", "history",
    ]  # fmt: skip
    assert events[-1][1][-1]["content"] == TEXT


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
