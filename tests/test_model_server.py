"""The scripted model as a process of its own, as browser tests and benchmarks use it."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.llm.client import OpenAIEngine
from services.llm.messages import Delta, Finish, Message, Request
from services.settings import Settings
from tests.clocks import LATE_S

REQUEST = Request([Message("user", "Help!")], "authored")


@pytest.fixture
def address() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.model_server", "--script", "reply-2"],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait(timeout=10)
        process.stdout.close()


@pytest.fixture
def engine(address: str, tmp_path: Path) -> Iterator[OpenAIEngine]:
    made = OpenAIEngine(
        Settings(secret_key="for tests", data_dir=tmp_path, openai_base_url=f"{address}/v1", openai_model="any")
    )
    yield made
    made.close()


def ask(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(url, data, timeout=5) as answer:
        return json.load(answer)


def spoken(engine: OpenAIEngine) -> str:
    return "".join(part.text for part in engine.stream(REQUEST) if isinstance(part, Delta))


def test_it_is_scripted_and_read_from_another_process(address: str, engine: OpenAIEngine) -> None:
    ask(f"{address}/__script", {"text": "as told"})
    ask(f"{address}/__script", {"name": "echo"})

    assert spoken(engine) == "as told"
    assert json.loads(spoken(engine)) == [{"role": "user", "content": "Help!"}]
    assert spoken(engine) == "word0 word1 "
    assert [call["outcome"] for call in ask(f"{address}/__log")] == ["whole"] * 3


def test_it_tells_when_the_client_left(address: str, engine: OpenAIEngine) -> None:
    ask(f"{address}/__script", {"name": "stall-after-1"})
    reply = engine.stream(REQUEST)
    next(reply)

    reply.close()

    log = ask(f"{address}/__log")
    while log[0]["outcome"] == "open" and log[0]["now_s"] - log[0]["started_s"] < 5:
        log = ask(f"{address}/__log")
    assert log[0]["outcome"] == "closed by client"
    assert log[0]["closed_s"] - log[0]["started_s"] < LATE_S
    assert log[0]["tokens_sent"] == 1


def test_stalls_end_when_they_are_released(address: str, engine: OpenAIEngine) -> None:
    ask(f"{address}/__script", {"name": "stall-first"})
    ask(f"{address}/__release", {})

    assert list(engine.stream(REQUEST))[-1] == Finish("stop")

    ask(f"{address}/__reset", {})
    assert ask(f"{address}/__log") == []


@pytest.mark.parametrize(
    ("path", "body"), [("__script", {"name": "sing"}), ("__script", {"volume": 3}), ("__sing", {})]
)
def test_what_it_does_not_know_is_refused(path: str, body: Any, address: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as raised:
        ask(f"{address}/{path}", body)

    raised.value.close()
    assert raised.value.code == 400
