"""The story client by itself, under node: its state and callbacks, coming back, pausing, stopping, giving up."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.programs import run_node

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

PLACE: Final = {"stream_id": "s", "stream_url": "/api/streams/s", "stop_url": "/api/streams/s/stop", "engine": "m"}
STORY: Final = {"success": True, "story_content": "Once töðø 👍.\n\nThe end.", "choices": ["a", "b"]}
FRAMES: Final[list[dict[str, Any]]] = [
    {"type": "node", "node": "workflow", "status": "started", **PLACE},
    {"type": "progress", "progress": {"stage": "write", "description": "Telling", "percent": 6}},
    {"type": "content", "chunk": "Once töðø 👍.\n\n"},
    {"type": "progress", "progress": {"stage": "write", "description": "Telling", "percent": 60}},
    {"type": "content", "chunk": "The end."},
    {"type": "safety_check", "status": "approved", "score": 1.0},
    {"type": "metadata", "estimated_reading_time": 2},
    {"type": "complete", "story": STORY},
]
# What a reader must pass over, and log.
NOISE: Final = ': \n\ndata: {not json\n\ndata: null\n\ndata: {"type": "content", "chunk": 5}\n\n'

BEGIN: Final = """
import { StoryClient } from "./story-client.js"
const request = { child_id: 1, theme: "ocean", choice: "", title: null }
const frame = (value, id) => `id: s-${id}\\ndata: ${JSON.stringify(value)}\\n\\n`
const framed = (values, from = 1) => values.map((value, at) => frame(value, from + at)).join("")
const FRAMES = JSON.parse(process.argv[2])
const [started, , one, , two, , , complete] = FRAMES
const print = (value) => console.log(JSON.stringify(value))
// Answers that come when a test lets them: a body that is written to.
const open = () => {
  let writer
  const body = new ReadableStream({ start(controller) { writer = controller } })
  const encoder = new TextEncoder()
  const write = (text) => writer.enqueue(encoder.encode(text))
  return { response: new Response(body), write, end: () => writer.close() }
}
const until = async (holds) => { while (!holds()) await new Promise((resolve) => setImmediate(resolve)) }
const NAMES = ["Content", "Progress", "Node", "SafetyCheck", "Metadata", "Complete", "Error"]
const hearing = (seen) => (name) => [`on${name}`, (...told) => seen.push([name, ...told])]
const listening = (seen) => Object.fromEntries(NAMES.map(hearing(seen)))
"""

READS: Final = (
    BEGIN
    + """
const bytes = new TextEncoder().encode(process.argv[3] + framed(FRAMES))
for (const size of [1, 2, 7, 100000]) {
  const pieces = new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size))
      controller.close()
    },
  })
  const seen = [], sent = [], states = [], logged = []
  const fetch = async (url, { headers }) => { sent.push([url, headers]); return new Response(pieces) }
  const log = (...said) => logged.push(said)
  const client = new StoryClient("https://site.example", listening(seen), { token: "t", fetch, log, maxChunks: 1 })
  const brief = (now) => [now.isStreaming, now.streamedContent.length, now.currentProgress?.percent ?? 0]
  client.subscribe((now) => states.push(brief(now)))
  const story = await client.startStreaming(request)
  const { chunks, isStreaming, streamedContent, error } = client
  print({ seen, sent, states, story, chunks, isStreaming, streamedContent, error, logged: logged.length })
}
"""
)


@pytest.mark.req("Y9", "Y10", "Y22", "Y26", "Y30", "R27", "A6-15")
def test_the_client_tells_of_everything_in_order_however_the_bytes_are_cut(tmp_path: Path) -> None:
    for seen in run_node(tmp_path, READS, json.dumps(FRAMES), NOISE):
        assert [name for name, *_ in seen["seen"]] == [
            "Node", "Progress", "Content", "Progress", "Content", "SafetyCheck", "Metadata", "Complete",
        ]  # fmt: skip
        told = {name: more for name, *more in seen["seen"]}
        # Each piece by itself, with the text so far: for animations and sounds.
        assert told["Content"] == ["The end.", STORY["story_content"]]
        assert told["Complete"] == [STORY]
        assert seen["story"] == STORY
        assert seen["streamedContent"] == STORY["story_content"]
        assert (seen["isStreaming"], seen["error"], seen["chunks"]) == (False, None, [])
        assert seen["logged"] == 3
        lengths = [length for _, length, _ in seen["states"]]
        assert lengths == sorted(lengths)
        assert [True, 0, 6] in seen["states"]
        ((url, headers),) = seen["sent"]
        assert url == "https://site.example/api/v1/stories/generate/stream?child_id=1&theme=ocean"
        assert headers["Authorization"] == "Bearer t"
        assert headers["Accept"] == "text/event-stream"


AGAIN: Final = (
    BEGIN
    + """
const whole = () => new Response(framed(FRAMES))
const problem = (status, code) => () => Response.json({ status, code, message: `${code} said` }, { status })
const lost = () => { throw new TypeError("fetch failed") }
const code = "SAFETY_REJECTED"
const error = { type: "error", message: "Told gently", error_code: code, code, retryable: true, request_id: "q" }
const anew = [{ type: "stream", verdict: "snapshot", from: "s-0" }, one, two, complete]
const exact = [{ type: "stream", verdict: "exact" }, ...FRAMES.slice(4)]
const cases = {
  away: [lost, () => new Response("", { status: 503 }), whole],
  never: [lost],
  cut: [() => new Response(framed(FRAMES.slice(0, 3))), () => new Response(framed(exact, 4))],
  snapshot: [() => new Response(framed(FRAMES.slice(0, 3))), () => new Response(framed(anew))],
  busy: [problem(429, "NO_SLOT_FREE"), whole],
  day: [problem(429, "DAY_LIMIT"), whole],
  child: [problem(404, "NOT_FOUND"), whole],
  failed: [() => new Response(framed([started, one, error])), whole],
}
const real = setTimeout
for (const [name, plan] of Object.entries(cases)) {
  const slept = [], sent = [], seen = []
  globalThis.setTimeout = (call, ms) => { slept.push(ms); return real(call, 0) }
  let at = 0
  const fetch = async (_, { headers }) => {
    sent.push([headers["Idempotency-Key"], headers["Last-Event-ID"] ?? null])
    return plan[Math.min(at++, plan.length - 1)]()
  }
  const client = new StoryClient("", listening(seen), { fetch, random: () => 0, log: () => {} })
  const story = await client.startStreaming(request)
  const { streamedContent: text, error: told } = client
  print({ name, story: story?.success ?? null, slept, sent, text, error: told, last: seen.at(-1)[0] })
}
"""
)


@pytest.mark.req("Y26", "Y37", "Y25", "R27", "A6-9")
def test_the_client_comes_back_with_growing_pauses_and_tells_kindly_when_it_cannot(tmp_path: Path) -> None:
    seen = {case.pop("name"): case for case in run_node(tmp_path, AGAIN, json.dumps(FRAMES))}

    for name, slept in (("away", [1000, 2000]), ("cut", [1000]), ("snapshot", [1000]), ("busy", [1000])):
        case = seen[name]
        assert (case["story"], case["text"], case["slept"]) == (True, STORY["story_content"], slept), name
        assert len({key for key, _ in case["sent"]}) == 1, "the same story, however often it comes back"
    assert [cursor for _, cursor in seen["cut"]["sent"]] == [None, "s-3"]
    never = seen["never"]
    assert (never["story"], never["slept"], never["last"]) == (None, [1000, 2000, 4000], "Error")
    assert never["error"]["code"] == "CONNECTION_LOST"
    assert "lost" in never["error"]["message"]
    # What would be refused again is not tried again; why is told in the site's words.
    for name, code in (("day", "DAY_LIMIT"), ("child", "NOT_FOUND")):
        case = seen[name]
        assert (case["slept"], len(case["sent"]), case["last"]) == ([], 1, "Error"), name
        assert (case["error"]["code"], case["error"]["message"]) == (code, f"{code} said")
    failed = seen["failed"]
    assert (failed["error"]["code"], failed["error"]["request_id"]) == ("SAFETY_REJECTED", "q")
    # What came before it stays to be seen.
    assert failed["text"] == FRAMES[2]["chunk"]


PAUSES: Final = (
    BEGIN
    + """
const answer = open(), seen = []
const client = new StoryClient("", listening(seen), { fetch: async () => answer.response })
const telling = client.startStreaming(request)
answer.write(framed([started, FRAMES[1], one]))
await until(() => client.streamedContent)
client.pause()
const during = seen.length
answer.write(framed([FRAMES[3], two, FRAMES[3], { type: "content", chunk: " More." }, complete], 4))
answer.end()
const early = await Promise.race([telling, new Promise((resolve) => setTimeout(() => resolve("waiting"), 50))])
const { streamedContent: text, isPaused, isStreaming } = client.getState()
print({ early, during: seen.length - during, text, isPaused, isStreaming })
client.resume()
const story = await telling
const { streamedContent, isPaused: still } = client.getState()
print({ after: seen.slice(during), text: streamedContent, isPaused: still, story: story.success })
"""
)


@pytest.mark.req("Y36", "Y30")
def test_a_pause_keeps_back_what_comes_and_loses_nothing(tmp_path: Path) -> None:
    paused, resumed = run_node(tmp_path, PAUSES, json.dumps(FRAMES))

    assert (paused["early"], paused["during"], paused["isPaused"], paused["isStreaming"]) == ("waiting", 0, True, True)
    assert paused["text"] == FRAMES[2]["chunk"]
    # Two pieces that came meanwhile are one, and of progress the last counts.
    assert [name for name, *_ in resumed["after"]] == ["Progress", "Content", "Complete"]
    assert resumed["text"] == FRAMES[2]["chunk"] + "The end. More."
    assert (resumed["isPaused"], resumed["story"]) == (False, True)


STOPS: Final = (
    BEGIN
    + """
for (const name of ["stops", "late"]) {
  const answer = open(), sent = [], seen = []
  const partial = { type: "complete", story: { success: false, story_content: one.chunk, choices: [] } }
  const fetch = async (url, { method, headers }) => {
    if (method !== "POST") return answer.response
    sent.push([url, headers.Authorization])
    if (name === "stops") answer.write(frame(partial, 9))
    return Response.json({ message: "Stream closed" })
  }
  const cancelAfterMs = name === "late" ? 200 : 0
  const client = new StoryClient("https://site.example", listening(seen), { token: "t", fetch, cancelAfterMs })
  const telling = client.startStreaming(request)
  answer.write(framed([started, one]))
  await until(() => client.streamedContent)
  if (name === "stops") await client.stopStreaming()
  const story = await telling
  print({ name, sent, story, text: client.streamedContent, error: client.error, isStreaming: client.isStreaming })
}
const first = open(), second = open(), seen = [], plan = [first, second]
const client = new StoryClient("", listening(seen), { fetch: async () => plan.shift().response })
const left = client.startStreaming(request)
const again = client.startStreaming(request)
first.write(framed([started, one, complete]))
second.write(framed([started, two, complete]))
const stories = [await left, await again]
client.resetStream()
const told = stories.map((story) => story?.success ?? null)
print({ name: "again", stories: told, heard: seen.filter(([name]) => name === "Content"), state: client.getState() })
const gone = open(), heard = []
const leaving = new StoryClient("", listening(heard), { fetch: async () => gone.response })
const unheard = leaving.startStreaming(request)
leaving.close()
gone.write(framed(FRAMES))
print({ name: "closed", story: await unheard, heard, isStreaming: leaving.isStreaming })
"""
)


@pytest.mark.req("Y9", "Y10", "Y26", "Y30")
def test_stopping_giving_up_starting_anew_and_leaving(tmp_path: Path) -> None:
    seen = {case.pop("name"): case for case in run_node(tmp_path, STOPS, json.dumps(FRAMES))}

    stopped = seen["stops"]
    assert stopped["sent"] == [["https://site.example/api/streams/s/stop", "Bearer t"]]
    assert (stopped["story"]["success"], stopped["error"], stopped["isStreaming"]) == (False, None, False)
    late = seen["late"]
    assert (len(late["sent"]), late["story"], late["error"]["code"]) == (1, None, "TOO_LONG")
    assert late["text"] == FRAMES[2]["chunk"], "what came is kept"
    again = seen["again"]
    assert again["stories"] == [None, True]
    assert again["heard"] == [["Content", "The end.", "The end."]], "nothing of the story that was left"
    assert again["state"] == {
        "isStreaming": False,
        "isPaused": False,
        "streamedContent": "",
        "currentProgress": None,
        "story": None,
        "error": None,
    }
    assert seen["closed"] == {"story": None, "heard": [], "isStreaming": False}
