"""The study chat's clients as docs/clients.md has them: the code there is run, against the real site."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.clients import Account
from tests.e2e.sites import ROOT, Model, prose

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

HERE: Final = Path(__file__).parent
# Letters of several bytes, which pieces of the network cut.
TEXT: Final = prose(150, seed=11)
QUESTIONS: Final = ("What is light?", "And what is a colour?")


def code(heading: str, language: str) -> str:
    """The code that the documentation shows under a heading."""
    text = (ROOT / "docs/clients.md").read_text(encoding="utf-8")
    section = text.split(f"\n### {heading}\n", 1)[1].split("\n### ", 1)[0]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found, f"no {language} under {heading}"
    return found[1]


def run_node(tmp_path: Path, client: str, harness: str, ada: Account) -> list[Any]:
    """Run a documented module with a harness under node; the JSON lines that it prints."""
    (tmp_path / "node_modules").symlink_to(HERE / "node_modules")
    (tmp_path / "client.mjs").write_text(client, encoding="utf-8")
    (tmp_path / "harness.mjs").write_text(harness, encoding="utf-8")
    command = ["node", "harness.mjs", f"http://127.0.0.1:{ada.site.port}", ada.token, *QUESTIONS]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(model: Model, turns: list[Any]) -> None:
    """Two answers of one conversation, whole, and the second asked with the first before it."""
    assert [turn["text"] for turn in turns] == [TEXT, TEXT]
    assert [turn["complete"]["content"] for turn in turns] == [TEXT, TEXT]
    assert turns[0]["interaction_id"] == turns[1]["interaction_id"]
    assert all(turn["complete"]["points_cost"] >= 1 for turn in turns)
    first, second = model.calls()
    assert len(first["body"]["messages"]) < len(second["body"]["messages"])


@pytest.fixture(autouse=True)
def answers(model: Model) -> None:
    """Two paced answers."""
    model.reset()
    model.play(text=TEXT, pace_s=0.005, times=2)


FETCH: Final = """
import { StudyGuruStreamingClient, showIn } from "./client.mjs"
const [url, token, ...questions] = process.argv.slice(2)
const client = new StudyGuruStreamingClient(url, token)
let interactionId
for (const message of questions) {
  const shown = { textContent: "" }
  const show = showIn({ querySelectorAll: () => [{ textContent: "older" }, shown] })
  const complete = await client.streamConversation({ message, interactionId, maxTokens: 5000 }, (event) => {
    if (event.type === "metadata") interactionId = event.interaction_id
    show(event)
  })
  console.log(JSON.stringify({ text: shown.textContent, complete, interaction_id: interactionId }))
}
for (const wrong of [{ message: "" }, { message: "x", interactionId: "unknown" }]) {
  try { await client.streamConversation(wrong) } catch (error) { console.log(JSON.stringify({ status: error.status })) }
}
"""


@pytest.mark.req("U11", "R27")
def test_the_fetch_reader_reads_a_conversation(model: Model, ada: Account, tmp_path: Path) -> None:
    *turns, empty, unknown = run_node(tmp_path, code("Study in JavaScript", "js"), FETCH, ada)

    check(model, turns)
    assert (empty["status"], unknown["status"]) == (400, 404)


# What react-native-sse offers, on the EventSource of npm: it POSTs, and posts again when it has lost the connection.
POLYFILL: Final = """
import { EventSource } from "eventsource"
export default class extends EventSource {
  constructor(url, { method, headers, body }) {
    let times = 0
    super(url, {
      fetch: async (address, init) => {
        const response = await fetch(address, { ...init, method, body, headers: { ...headers, ...init.headers } })
        console.error("status", response.status)
        if (times++ > 0 || process.env.CUT !== "1") return response
        // The first connection is lost in the middle.
        let left = 3000
        const cut = new TransformStream({
          transform(piece, out) {
            out.enqueue(piece)
            if ((left -= piece.length) < 0) out.terminate()
          },
        })
        return new Response(response.body.pipeThrough(cut), { status: response.status, headers: response.headers })
      },
    })
  }
}
"""
SERVICE: Final = """
import { StudyGuruStreamingService } from "./client.mjs"
const [url, token, ...questions] = process.argv.slice(2)
const service = new StudyGuruStreamingService(url, token)
let interaction_id
for (const message of questions) {
  let text = ""
  const complete = await new Promise((resolve, reject) => {
    service.stream({ message, interaction_id }, {
      onMetadata: (event) => { interaction_id = event.interaction_id },
      onToken: (token) => { text += token },
      onComplete: resolve,
      onError: reject,
    })
  })
  console.log(JSON.stringify({ text, complete, interaction_id }))
}
"""


@pytest.mark.req("U11", "U12", "U17", "R27")
@pytest.mark.parametrize("cut", ["0", "1"], ids=["whole", "cut once"])
def test_the_eventsource_polyfill_reads_a_conversation_also_when_it_loses_the_connection(
    model: Model, ada: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    monkeypatch.setenv("CUT", cut)
    (tmp_path / "polyfill.mjs").write_text(POLYFILL, encoding="utf-8")
    client = code("Study in React Native", "js").replace('"react-native-sse"', '"./polyfill.mjs"')

    turns = run_node(tmp_path, client, SERVICE, ada)

    check(model, turns)


LINES: Final = """
import contextlib, io, json, sys
import client
url, token, *questions = sys.argv[1:]
interaction_id = None
for question in questions:
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        interaction_id, complete = client.stream_conversation(url, token, question, interaction_id)
    print(json.dumps({"text": shown.getvalue()[:-1], "complete": complete, "interaction_id": interaction_id}))
"""


@pytest.mark.req("U11")
def test_the_line_reader_reads_a_conversation(model: Model, ada: Account, tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text(code("Study in Python", "python"), encoding="utf-8")
    (tmp_path / "harness.py").write_text(LINES, encoding="utf-8")
    command = [sys.executable, "harness.py", f"http://127.0.0.1:{ada.site.port}", ada.token, *QUESTIONS]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    check(model, [json.loads(line) for line in done.stdout.splitlines()])


@pytest.mark.req("U14")
def test_the_provided_test_client_finds_everything_in_order(model: Model, ada: Account) -> None:
    command = [sys.executable, "-m", "flask", "--app", "app", "study-client", "--token", ada.token]

    done = subprocess.run(
        [*command, "--url", f"http://127.0.0.1:{ada.site.port}"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "DATA_DIR": str(ada.site.data_dir)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        "ok      health",
        "ok      simple streaming",
        "ok      full conversation",
        "ok      error handling",
    ]
