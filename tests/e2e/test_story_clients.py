"""The stories' clients as docs/clients.md has them, and browsers' own EventSource, against the real site."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Page, Route

from tests.e2e.browsing import HostPages, sign_in
from tests.e2e.clients import Account
from tests.e2e.programs import at, code, run_node
from tests.e2e.sites import ROOT, Model, Site, eventually
from tests.e2e.story_readers import GENERATE, Family, tale

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

TEXT: Final = tale(240)
MODULES: Final = ("story-client.js", "held-back.js", "observed.js", "stream-client.js", "connection.js", "frames.js")


@pytest.fixture
def family(model: Model, ada: Account) -> Family:
    """A child, to whom the model tells the text."""
    model.play(text=TEXT, pace_s=0.004)
    return Family(ada)


def told_once(family: Family) -> None:
    """However often it was asked for, it is one story."""
    (chapter,) = family.story()["chapters"]
    assert chapter["outcome"] == "completed"
    assert family.told_today() == 1


# -- a browser's console (Y24)

NATIVE: Final = """async ([url, closes]) => new Promise((resolve) => {
  const seen = []
  const source = new EventSource(url)
  source.onmessage = ({ data, lastEventId }) => {
    const event = JSON.parse(data)
    seen.push({ ...event, id: lastEventId })
    if (closes && event.type === "complete") { source.close(); resolve(seen) }
  }
  source.onerror = () => {
    if (closes) source.close()
    if (source.readyState === EventSource.CLOSED) resolve(seen)
  }
})"""


@pytest.mark.req("Y3", "Y4", "Y5", "Y13", "Y21", "Y24", "Y31", "A6-9", "R4")
@pytest.mark.parametrize("closes", [True, False], ids=["closes at the end", "is closed by 204"])
def test_an_eventsource_with_a_token_in_its_address_is_told_one_story(
    family: Family, hosts: HostPages, shared_site: Site, make_page: Callable[..., Page], closes: bool
) -> None:
    page = make_page(shared_site)
    page.goto(hosts.page("<!doctype html>", foreign=True))
    url, token = at(family.account)

    seen = page.evaluate(NATIVE, [f"{url}{family.query()}&token={token}", closes])

    types = [event["type"] for event in seen]
    assert (types[0], types[-1]) == ("node", "complete")
    assert "".join(event["chunk"] for event in seen if event["type"] == "content") == seen[-1]["story"]["story_content"]
    assert len({event["id"] for event in seen}) == len(seen)
    told_once(family)


@pytest.mark.req("Y24", "Y44")
def test_the_documented_lines_for_a_console_tell_a_story(
    family: Family, hosts: HostPages, shared_site: Site, make_page: Callable[..., Page]
) -> None:
    page = make_page(shared_site)
    page.goto(hosts.page("<!doctype html>", foreign=True))
    url, token = at(family.account)
    shown = code("Stories in a browser's console", "js")
    shown = shown.replace("https://site.example", url).replace("child_id=1", f"child_id={family.child_id}")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))

    page.add_script_tag(content=f"const token = {json.dumps(token)}\n{shown}")

    def is_over() -> bool:
        page.wait_for_timeout(20)
        return any(text.startswith("complete") for text in said)

    eventually(is_over, within_s=30, what="it was not told to its end")
    assert not any("error" in text.lower() for text in said), said
    told_once(family)


# -- Python


PYTHON: Final = """
import json, sys
import httpx
source = open("client.py", encoding="utf-8").read().split("\\nfor event in tell(")[0]
exec(source)
real, cursors = httpx.stream, []
class Cut:
    def __init__(self, *given, **more):
        cursors.append(more["headers"].get("Last-Event-ID"))
        self.inner = real(*given, **more)
    def __enter__(self):
        response = self.inner.__enter__()
        if len(cursors) == 1:
            lines = response.iter_lines
            def some():
                for number, line in enumerate(lines()):
                    if number == 24: raise httpx.ReadError("cut")
                    yield line
            response.iter_lines = some
        return response
    def __exit__(self, *error): return self.inner.__exit__(*error)
httpx.stream = Cut
time.sleep = lambda seconds: None
for event in tell(sys.argv[1], sys.argv[2], child_id=int(sys.argv[3]), theme="ocean"):
    print(json.dumps(event))
print(json.dumps({"type": "cursors", "cursors": cursors}))
"""


@pytest.mark.req("Y23", "Y26", "Y37", "A6-9")
def test_the_documented_python_client_takes_up_a_story_where_it_broke(family: Family, tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text(code("Stories in Python", "python"), encoding="utf-8")
    (tmp_path / "harness.py").write_text(PYTHON, encoding="utf-8")
    command = [sys.executable, "harness.py", *at(family.account), str(family.child_id)]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    events: list[Any] = [json.loads(line) for line in done.stdout.splitlines()]
    cursors = events.pop()["cursors"]
    assert (len(cursors), cursors[0]) == (2, None)
    assert cursors[1] is not None
    story = events[-1]["story"]
    assert "".join(event["chunk"] for event in events if event["type"] == "content") == story["story_content"]
    told_once(family)


# -- JavaScript


LIVE: Final = """
import { StoryClient } from "./story-client.js"
const [url, token, child_id, cut] = process.argv.slice(2)
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
const heard = []
const client = new StoryClient(url, { onContent: (chunk) => heard.push(chunk) }, { token, fetch: cutting })
const story = await client.startStreaming({ child_id, theme: "ocean" })
const { streamedContent: text, currentProgress: { percent } } = client
console.log(JSON.stringify({ story, heard, text, percent, times }))
const refused = await client.startStreaming({ child_id, theme: "nonsense" })
console.log(JSON.stringify({ refused, error: client.error }))
"""


@pytest.mark.req("Y9", "Y26", "Y37", "Y12", "R27", "A6-9", "A6-15")
@pytest.mark.parametrize("cut", [0, 1200])
def test_the_story_client_is_told_a_story_also_when_it_loses_the_connection(
    family: Family, tmp_path: Path, cut: int
) -> None:
    told, refused = run_node(tmp_path, LIVE, *at(family.account), str(family.child_id), str(cut))

    assert told["times"] == (2 if cut else 1)
    assert told["text"] == "".join(told["heard"]) == told["story"]["story_content"]
    assert (told["percent"], told["story"]["success"]) == (100, True)
    assert refused["refused"] is None
    assert refused["error"]["code"] == "INVALID_INPUT"
    assert "ocean" in refused["error"]["themes"]
    told_once(family)


BROWSER: Final = """async ([url, token, child_id]) => {
  const { StoryClient } = await import("/story-client.js")
  const client = new StoryClient(url, {}, { token })
  const telling = client.startStreaming({ child_id, theme: "ocean" })
  while (!client.streamedContent) await new Promise((resolve) => setTimeout(resolve, 5))
  client.pause()
  const paused = client.streamedContent.length
  await new Promise((resolve) => setTimeout(resolve, 100))
  const still = client.streamedContent.length
  client.resume()
  const story = await telling
  return { paused, still, text: client.streamedContent, story }
}"""


@pytest.mark.req("Y9", "Y24", "Y36", "R5", "R27")
def test_the_story_client_works_in_a_page_of_another_origin(
    family: Family, shared_site: Site, hosts: HostPages, make_page: Callable[..., Page]
) -> None:
    page = make_page(shared_site)

    def serve(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        route.fulfill(path=ROOT / "static/js" / name, content_type="text/javascript")

    for name in MODULES:
        page.route(f"**/{name}", serve)
    page.goto(hosts.page("<!doctype html>", foreign=True))

    seen = page.evaluate(BROWSER, [*at(family.account), family.child_id])

    assert seen["paused"] == seen["still"]
    assert seen["text"] == seen["story"]["story_content"]
    told_once(family)


STOPPING: Final = """async (child_id) => {
  const { StoryClient } = await import("/static/js/story-client.js")
  const client = new StoryClient()
  const telling = client.startStreaming({ child_id, theme: "ocean" })
  while (!client.streamedContent) await new Promise((resolve) => setTimeout(resolve, 5))
  await client.stopStreaming()
  const story = await telling
  return { story, text: client.streamedContent, error: client.error }
}"""


@pytest.mark.req("Y9", "Y31", "Y36", "R5")
def test_the_story_client_stops_a_story_in_a_page_of_the_site_by_its_cookie(
    model: Model, ada: Account, shared_site: Site, make_page: Callable[..., Page]
) -> None:
    model.play(text=TEXT, stall_after=130)
    family = Family(ada)
    page = sign_in(make_page(shared_site), ada)
    page.goto("/account")

    seen = page.evaluate(STOPPING, family.child_id)

    assert (seen["story"]["success"], seen["error"]) == (False, None)
    assert seen["text"] == seen["story"]["story_content"] != ""
    (chapter,) = family.story()["chapters"]
    assert (chapter["outcome"], chapter["story_content"]) == ("stopped", seen["text"])


# As much of React as the hook uses.
REACT: Final = """
let kept = []
export const effects = []
export const useCallback = (call) => call
export const useEffect = (run) => { effects.push(run) }
export const useSyncExternalStore = (subscribe, get) => { kept = [subscribe, get]; return get() }
export const watch = (listener) => kept[0](listener)
"""
HOOKED: Final = """
import { StoryClient } from "./story-client.js"
import { effects, watch } from "./react.js"
import { useStoryStreaming } from "./hook.js"
const [url, token, child_id] = process.argv.slice(2)
const client = new StoryClient(url, {}, { token })
const render = () => useStoryStreaming(client)
const before = render()
const renders = []
const leave = watch(() => renders.push(render()))
const telling = before.startStreaming({ child_id, theme: "ocean" })
while (!render().streamedContent) await new Promise((resolve) => setTimeout(resolve, 5))
const during = render()
await telling
leave()
const ended = render()
console.log(JSON.stringify({ before, during, ended, renders: renders.length }))
// The component goes: what it reads is left.
const again = ended.startStreaming({ child_id, theme: "space" })
while (!render().isStreaming) await new Promise((resolve) => setTimeout(resolve, 5))
effects[0]()()
console.log(JSON.stringify({ left: await again, isStreaming: render().isStreaming }))
"""


@pytest.mark.req("Y9", "Y22", "Y30", "R27")
def test_the_documented_hook_shows_a_story_and_cleans_up(family: Family, tmp_path: Path) -> None:
    hook = code("Stories in React", "js").replace('"react"', '"./react.js"')

    arguments = (*at(family.account), str(family.child_id))
    seen, left = run_node(tmp_path, HOOKED, *arguments, react=REACT, hook=hook)

    assert (seen["before"]["isStreaming"], seen["before"]["streamedContent"]) == (False, "")
    assert seen["during"]["isStreaming"] is True
    assert 0 < seen["during"]["currentProgress"]["percent"] <= 100
    assert (seen["ended"]["isStreaming"], seen["ended"]["error"]) == (False, None)
    assert seen["ended"]["streamedContent"] == seen["ended"]["story"]["story_content"]
    assert seen["renders"] > 4
    assert left == {"left": None, "isStreaming": False}


STORED: Final = """
import { storyStore } from "./store.js"
const [url, token, child_id] = process.argv.slice(2)
let state = {}
const seen = []
const set = (change) => {
  state = { ...state, ...change }
  seen.push([state.isStreaming, state.streamedContent.length])
}
state = storyStore({ baseUrl: url, token })(set, () => state)
const chunks = []
const story = await state.generateStoryStreaming({ child_id, theme: "ocean" }, (chunk) => chunks.push(chunk))
const { isStreaming, streamedContent, streamProgress, stories } = state
console.log(JSON.stringify({ story, chunks, seen, isStreaming, streamedContent, streamProgress, stories }))
const failed = await state.generateStoryStreaming({ child_id: 999999999, theme: "ocean" }).catch((error) => error.code)
console.log(JSON.stringify({ failed, isStreaming: state.isStreaming, stories: state.stories.length }))
"""


@pytest.mark.req("Y10", "Y22", "Y30")
def test_the_documented_store_builds_the_story_and_empties_itself(family: Family, tmp_path: Path) -> None:
    store = code("A store for stories", "js")

    seen, refused = run_node(tmp_path, STORED, *at(family.account), str(family.child_id), store=store)

    assert "".join(seen["chunks"]) == seen["story"]["story_content"]
    assert seen["stories"] == [seen["story"]]
    assert (seen["isStreaming"], seen["streamedContent"], seen["streamProgress"]) == (False, "", None)
    assert [True, len(seen["story"]["story_content"])] in seen["seen"]
    assert refused == {"failed": "NOT_FOUND", "isStreaming": False, "stories": 1}


# -- the command


@pytest.mark.req("Y13", "Y42", "Y44")
def test_the_provided_test_client_finds_everything_in_order(site: Site) -> None:
    account = Account(site)
    command = [sys.executable, "-m", "flask", "--app", "app", "stories-client", "--token", account.token]

    done = subprocess.run(
        [*command, "--url", f"http://127.0.0.1:{site.port}"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "DATA_DIR": str(site.data_dir)},
        capture_output=True,
        text=True,
        timeout=80,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        "ok      streaming",
        "ok      coming back",
        "ok      chapters",
        "ok      shelf",
        "ok      error handling",
    ]
    assert account.call("GET", "/api/v1/children").json["children"] == [], "it leaves nothing behind"


@pytest.mark.req("Y33", "Y4")
def test_what_is_asked_for_and_the_token_are_in_no_line_of_the_log(family: Family, shared_site: Site) -> None:
    url = f"{family.query(custom_user_input='a xylophone that snores')}&token={family.account.token}"
    begun = family.account.call("GET", url, Authorization=None)
    assert begun.status == 201, begun
    family.account.stored(begun.json["stream_id"])

    said = shared_site.log_path.read_text("utf-8", "replace")

    assert begun.json["stream_id"] in said
    assert "xylophone" not in said
    assert family.account.token not in said
    assert "Mia" not in said


@pytest.mark.req("Y41", "Y44")
def test_the_documentation_tells_where_to_look_when_a_story_does_not_come() -> None:
    text = (ROOT / "docs/clients.md").read_text(encoding="utf-8")
    section = text.split("\n### When a story does not come\n", 1)[1].split("\n## ", 1)[0]

    topics = (
        "CORS", "content type", "proxy", "empty line", "STREAMING_CHUNK_SIZE", "first_token_s", "STREAM_HEARTBEAT",
        "STREAMING_TIMEOUT", "changes networks", "come back", "curl -N", "network tab", "log", "six connections",
        "HTTP/2",
    )  # fmt: skip
    assert [topic for topic in topics if topic not in section] == []
    assert GENERATE in text
