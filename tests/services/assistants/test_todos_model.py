"""The agent behind the real door, to a scripted server: what goes over the wire, and what comes of it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.llm.door import Door
from services.settings import Settings
from services.store.database import Database
from tests import databases
from tests.model_server import ModelServer, Script
from tests.services.assistants.doing import Person


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path_factory.mktemp('todos') / 'rill.sqlite3'}"
    databases.prepare(url)
    made = Database(url)
    yield made
    made.close()


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as started:
        yield started


@pytest.fixture
def talk(database: Database, server: ModelServer, tmp_path: Path) -> Iterator[Callable[..., Person]]:
    doors: list[Door] = []

    def make() -> Person:
        settings = Settings(
            secret_key="a secret for tests", data_dir=tmp_path, openai_base_url=server.base_url, openai_model="scripted"
        )
        doors.append(Door(settings, pace_s=0))
        return Person(database, doors[-1])

    yield make
    for door in doors:
        door.close()


def calling(*calls: tuple[str, dict[str, Any]], **script: Any) -> Script:
    written = [(name, json.dumps(arguments)) for name, arguments in calls]
    return Script(tokens=0, tool_calls=written, **{"finish": "tool_calls", **script})


@pytest.mark.slow
@pytest.mark.req("R20", "D6")
@pytest.mark.parametrize("finish", ["tool_calls", "stop"])
def test_calls_and_their_results_go_over_the_wire_as_the_api_has_them(
    talk: Callable[..., Person], server: ModelServer, finish: str
) -> None:
    # Ollama ends its calls with "stop".
    server.play(
        calling(("create_todo", {"item": "Café 🙂"}), ("create_todo", {"item": "Tea"}), finish=finish),
        Script(text="Both are added."),
    )
    ada = talk()

    told = ada.ask("Add both")

    assert ada.items() == ["Café 🙂", "Tea"]
    assert told.text == "Both are added."
    first, second = (call.body for call in server.calls)
    assert {tool["function"]["name"] for tool in first["tools"]} == {
        tool["function"]["name"] for tool in second["tools"]
    }
    assert first["messages"] == second["messages"][:2]
    asked, *results = second["messages"][2:]
    assert asked["role"] == "assistant"
    assert [json.loads(one["function"]["arguments"])["item"] for one in asked["tool_calls"]] == ["Café 🙂", "Tea"]
    assert [one["tool_call_id"] for one in results] == [one["id"] for one in asked["tool_calls"]]
    assert {one["role"] for one in results} == {"tool"}
    assert told.of("end")[0]["usage"]["total_tokens"] == 14 + 3, "of both calls"


def test_a_server_without_tools_is_stood_in_for(talk: Callable[..., Person], server: ModelServer) -> None:
    server.play(Script(status=400, body={"error": {"message": "scripted does not support tools"}}))
    ada = talk()

    told = ada.ask("Add buy milk")

    assert ada.items() == ["buy milk"]
    assert [one["engine"] for one in told.of("metadata")] == ["scripted", "built-in"]
    assert told.of("metadata")[1]["fallback_code"] == "MODEL_REJECTED"
    assert len(server.calls) == 1, "what the built-in engine says, no model is asked for"


def test_a_call_that_is_cut_by_its_length_is_not_carried_out(talk: Callable[..., Person], server: ModelServer) -> None:
    server.play(calling(("create_todo", {"item": "Milk"}), finish="length"))
    ada = talk()

    told = ada.ask("Add milk")

    assert ada.items() == []
    assert "was not carried out" in told.text
    assert told.of("end")[0]["finish_reason"] == "length"


def test_a_reply_that_breaks_off_after_a_step_fails_and_the_step_stays(
    talk: Callable[..., Person], server: ModelServer
) -> None:
    server.play(calling(("create_todo", {"item": "Milk"})), Script(cut_after=2))
    ada = talk()

    told = ada.ask("Add milk")

    assert getattr(told.error, "code", "") == "MODEL_BROKEN"
    assert ada.items() == ["Milk"]


def test_arguments_that_are_no_json_are_told_as_none_and_sent_back_as_json(
    talk: Callable[..., Person], server: ModelServer
) -> None:
    # llama.cpp's templates fail on arguments that they cannot parse.
    server.play(
        Script(tokens=0, finish="tool_calls", tool_calls=[("create_todo", '{"item": "Mi')]), Script(text="Sorry.")
    )
    ada = talk()

    told = ada.ask("Add milk")

    assert told.calls == [("create_todo", {})]
    (asked,) = server.calls[1].body["messages"][2]["tool_calls"]
    assert json.loads(asked["function"]["arguments"]) == {}
