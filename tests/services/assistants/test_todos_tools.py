"""Tools as models are shown them, what they send checked, and results without what must not be seen."""

import json
from typing import Annotated, Any, Literal

import pytest

from services.assistants.todos import schema
from services.assistants.todos.redact import redacted
from services.assistants.todos.schema import BadArguments
from services.assistants.todos.steps import MAX_RESULT_CHARS, digest_in, digest_of, within
from services.assistants.todos.tools import SCHEMAS, TOOLS


def tool(
    self: object,
    by: object,
    item: Annotated[str, "What."],
    count: Annotated[int | None, "How many."] = None,
    late: Annotated[bool | None, "Whether."] = None,
    size: Annotated[Literal["low", "high"] | None, "Which."] = None,
    tags: Annotated[list[str] | None, "Tags."] = None,
) -> dict[str, Any]:
    """Do
    something."""
    raise NotImplementedError


def test_a_typed_function_is_a_json_schema() -> None:
    assert schema.schema(tool) == {
        "type": "function",
        "function": {
            "name": "tool",
            "description": "Do something.",
            "parameters": {
                "type": "object",
                "properties": {
                    "item": {"type": "string", "description": "What."},
                    "count": {"type": "integer", "description": "How many."},
                    "late": {"type": "boolean", "description": "Whether."},
                    "size": {"type": "string", "enum": ["low", "high"], "description": "Which."},
                    "tags": {"type": "array", "items": {"type": "string"}, "description": "Tags."},
                },
                "required": ["item"],
                "additionalProperties": False,
            },
        },
    }


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        ({"item": "x"}, {"item": "x"}),
        ({"item": 5, "count": "3", "late": "true", "size": "HIGH", "tags": "home"},
         {"item": "5", "count": 3, "late": True, "size": "high", "tags": ["home"]}),
        ({"item": "x", "count": None, "tags": []}, {"item": "x", "tags": []}),
        ({"item": "x", "count": 2.0, "late": False}, {"item": "x", "count": 2, "late": False}),
    ],
)  # fmt: skip
def test_arguments_are_forgiven_what_is_certain(sent: dict[str, Any], taken: dict[str, Any]) -> None:
    assert schema.checked(tool, sent) == taken


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({}, "'item' is missing"),
        ({"item": None}, "'item' is missing"),
        ({"item": ["x"]}, "'item' must be a text"),
        ({"item": True}, "'item' must be a text"),
        ({"item": "x", "count": "many"}, "'count' must be a whole number"),
        ({"item": "x", "count": 1.5}, "'count' must be a whole number"),
        ({"item": "x", "count": 1e400}, "'count' must be a whole number"),
        ({"item": "x", "count": float("nan")}, "'count' must be a whole number"),
        ({"item": "x", "count": True}, "'count' must be a whole number"),
        ({"item": "x", "late": "perhaps"}, "'late' must be true or false"),
        ({"item": "x", "size": "huge"}, "'size' must be one of low, high"),
        ({"item": "x", "tags": [{}]}, "'tags' must be a text"),
        ({"item": "x", "self": 1, "by": 2}, "'self' is no argument of this tool; 'by' is no argument"),
    ],
)
def test_what_is_wrong_with_arguments_is_named(sent: dict[str, Any], said: str) -> None:
    with pytest.raises(BadArguments) as wrong:
        schema.checked(tool, sent)

    assert said in str(wrong.value)
    assert "item, count, late, size, tags" in str(wrong.value)


@pytest.mark.req("D6")
def test_the_agent_has_these_tools_and_none_says_whose_list_it_is() -> None:
    assert set(TOOLS) == {
        "create_todo", "update_todo", "complete_todo", "reopen_todo", "delete_todo", "list_todos", "search_todos",
        "list_tags", "move_todo", "add_subtasks", "undo", "ask_user",
    }  # fmt: skip
    for one in SCHEMAS:
        function = one["function"]
        assert function["description"]
        assert all(given["description"] for given in function["parameters"]["properties"].values())
        assert not {"user_id", "user", "owner"} & set(function["parameters"]["properties"])
    create = SCHEMAS[0]["function"]["parameters"]
    assert create["required"] == ["item"]
    assert create["properties"]["importance"]["enum"] == ["low", "medium", "high"]
    assert json.loads(json.dumps(SCHEMAS)) == list(SCHEMAS)


@pytest.mark.req("D30")
def test_what_keys_call_secret_is_redacted_at_any_depth() -> None:
    output = {
        "item": "ok",
        "password": "p",
        "Access_Token": ["a", "b"],
        "inner": [{"API_KEY": {"x": 1}, "api-key": 1, "my_secret_thing": None, "fine": 5}],
    }

    assert redacted(output) == {
        "item": "ok",
        "password": "[REDACTED]",
        "Access_Token": "[REDACTED]",
        "inner": [{"API_KEY": "[REDACTED]", "api-key": "[REDACTED]", "my_secret_thing": "[REDACTED]", "fine": 5}],
    }


@pytest.mark.req("D30")
def test_long_texts_are_cut_and_said_to_be() -> None:
    assert redacted({"notes": ["x" * 5_000, "y" * 5_001]}) == {"notes": ["x" * 5_000, "y" * 5_000 + "... [truncated]"]}


def test_what_is_made_to_be_deep_ends() -> None:
    deep: Any = "x"
    for _ in range(5_000):
        deep = [deep]

    assert "[truncated]" in json.dumps(redacted(deep))


def test_a_result_that_is_too_long_loses_its_last_entries() -> None:
    told = within({"todos": [{"item": f"{n} " + "x" * 400} for n in range(50)], "count": 50, "more": False})

    assert len(json.dumps(told)) <= MAX_RESULT_CHARS
    assert told["todos"][0]["item"].startswith("0 ")
    assert told["more"] is True
    assert told["count"] == len(told["todos"])
    assert within({"status": "created", "item": "x" * 20_000})["error"]
    assert within({"status": "created", "item": "x"}) == {"status": "created", "item": "x"}


def test_steps_are_the_same_whatever_their_case_and_spaces() -> None:
    one = digest_of("create_todo", {"item": "Buy  milk", "tags": ["Home"], "notes": None})

    assert one == digest_of("create_todo", {"tags": ["home"], "item": " buy milk "})
    assert one != digest_of("create_todo", {"item": "Buy milk"})
    assert one != digest_of("update_todo", {"item": "Buy milk", "tags": ["Home"]})
    assert digest_in(f"call_3_{one}") == one
    assert digest_in("add") == ""
