"""The todo agent's JavaScript modules by themselves: frames cut anywhere, trying again, gathering events."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.programs import run_node

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

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
