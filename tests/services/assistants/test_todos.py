"""The agent with a model: its steps, their order, and how its answers end."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from services.assistants.todos import wording, working
from services.errors import ModelBroken, ModelUnreachable
from services.llm.messages import Began, Delta
from services.store.database import Database
from services.streaming.answers import EmptyAnswer
from services.todos.actions import By, Draft
from tests import databases
from tests.services.assistants.doing import Model, Person, says, unreachable


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path_factory.mktemp('todos') / 'rill.sqlite3'}"
    databases.prepare(url)
    made = Database(url)
    yield made
    made.close()


def call(name: str, **arguments: Any) -> tuple[str, str]:
    return name, json.dumps(arguments)


@pytest.mark.slow
@pytest.mark.req("D9", "D10", "D6")
def test_a_call_is_told_carried_out_and_given_back_to_the_model(database: Database) -> None:
    model = Model(
        says("I will add it.", calls=[call("create_todo", item="Buy milk", start_time="2026-01-15 17:00:00")]),
        says("Added for Thursday."),
    )
    ada = Person(database, model)

    told = ada.ask("Milk tomorrow at five")

    assert [event.name for event in told.events] == [
        "metadata", "delta", "message", "tool_call", "tool_result", "delta", "message", "end",
    ]  # fmt: skip
    assert told.calls == [("create_todo", {"item": "Buy milk", "start_time": "2026-01-15 17:00:00"})]
    (made,) = ada.todos.listing(ada.id)
    (output,) = told.outputs
    assert (output["todo_id"], output["status"], output["item"]) == (made.id, "created", "Buy milk")
    assert output["start_time"] == "2026-01-15 17:00:00"
    assert made.source == "ai"
    assert made.importance == "medium"
    assert told.text == "I will add it.\n\nAdded for Thursday."
    assert [one["content"] for one in told.messages("said")] == ["I will add it.", "Added for Thursday."]
    second = model.requests[1].messages
    assert [message.role for message in second] == ["system", "user", "assistant", "tool"]
    (asked,) = second[2].tool_calls
    assert asked.id == second[3].tool_call_id == told.of("tool_call")[0]["id"]
    assert json.loads(asked.arguments) == told.calls[0][1]
    assert made.id in second[3].content
    assert told.of("end")[0] == {
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 200, "completion_tokens": 20, "total_tokens": 220, "estimated": False},
    }


def test_several_calls_of_one_reply_are_carried_out_in_order_and_all_given_back(database: Database) -> None:
    model = Model(says(calls=[call("create_todo", item="One"), call("create_todo", item="Two")]), says("Both."))
    ada = Person(database, model)

    told = ada.ask("One and two")

    assert ada.items() == ["One", "Two"]
    assert [event.name for event in told.events][1:5] == ["tool_call", "tool_result"] * 2
    assert len({one["id"] for one in told.of("tool_call")}) == 2
    assert [message.role for message in model.requests[1].messages][-3:] == ["assistant", "tool", "tool"]


@pytest.mark.req("D35")
@pytest.mark.parametrize("when", ["2026-13-45 10:00:00", "2026-02-30", "not a date"])
def test_an_invalid_date_is_a_clear_result_and_nothing_is_stored(database: Database, when: str) -> None:
    ada = Person(database, Model(says(calls=[call("create_todo", item="x", start_time=when)]), says("It failed.")))

    told = ada.ask("x on a strange day")

    assert "Invalid date format" in told.outputs[0]["error"]
    assert when[:10] in told.outputs[0]["error"]
    assert told.outputs[0]["status"] == "error"
    assert ada.items("all") == []
    assert told.text == "It failed."


def test_a_question_ends_the_answer_with_its_options(database: Database) -> None:
    model = Model(says(calls=[call("ask_user", question="Which report?", options=["The first", "The second"])]))
    ada = Person(database, model)

    told = ada.ask("Complete the report")

    assert told.text == "Which report?"
    assert told.messages("ask") == [
        {"kind": "ask", "question": "Which report?", "options": ["The first", "The second"]}
    ]
    assert len(model.requests) == 1
    assert told.of("end")[0]["finish_reason"] == "stop"


def test_a_reply_that_is_cut_by_its_length_in_a_call_says_so_and_does_nothing(database: Database) -> None:
    ada = Person(database, Model(says("Adding", finish="length", torn=True)))

    told = ada.ask("Add a lot")

    assert told.calls == []
    assert told.text == f"Adding\n\n{working.TORN}"
    assert told.of("end")[0]["finish_reason"] == "length"


def test_a_model_that_says_nothing_after_its_steps_is_spoken_for(database: Database) -> None:
    ada = Person(database, Model(says(calls=[call("create_todo", item="Milk *now*")]), says()))

    assert ada.ask("Milk").text == "- Added *Milk \\*now\\**."


def test_a_model_that_says_and_does_nothing_has_failed(database: Database) -> None:
    told = Person(database, Model(says())).ask("Milk")

    assert isinstance(told.error, EmptyAnswer)


@pytest.mark.req("D22")
def test_an_unreachable_model_is_stood_in_for_by_the_same_tools(database: Database) -> None:
    ada = Person(database, Model(unreachable()))

    told = ada.ask("Add buy milk")

    assert ada.items() == ["buy milk"]
    assert told.calls == [("create_todo", {"item": "buy milk"})]
    assert [(one["engine"], one["fallback"]) for one in told.of("metadata")] == [
        ("scripted", False), ("built-in", True),
    ]  # fmt: skip
    assert told.text == "Added *buy milk*."


def test_a_model_that_is_gone_after_its_steps_is_summed_up_and_nothing_is_done_twice(database: Database) -> None:
    ada = Person(database, Model(says("Sure.", calls=[call("create_todo", item="Milk")]), unreachable()))

    told = ada.ask("Add milk")

    assert ada.items() == ["Milk"]
    assert told.text == f"Sure.\n\n{working.GONE}\n\n- Added *Milk*."
    assert told.of("metadata")[-1]["fallback"] is True


@pytest.mark.parametrize("trouble", [ModelUnreachable(), ModelBroken()])
def test_a_model_that_breaks_off_fails_and_what_it_did_stays_and_is_told(database: Database, trouble: Any) -> None:
    reply = [Began("scripted"), Delta("No"), trouble]
    ada = Person(database, Model(says(calls=[call("create_todo", item="Milk")]), reply))

    told = ada.ask("Add milk")

    assert told.error is trouble
    assert ada.items() == ["Milk"]
    assert ada.extras(told)["tool_result"][0]["output"]["status"] == "created"


@pytest.mark.slow
def test_undo_takes_back_the_last_answer_and_never_what_the_person_did(database: Database) -> None:
    ada = Person(database, Model(says(calls=[call("create_todo", item="Milk")]), says("Added.")))
    ada.ask("Add milk")
    ada.add("By hand")
    ada.engine = Model(says(calls=[call("undo")]), says(calls=[call("undo")]), says("Undone."))

    told = ada.ask("Undo that")

    assert ada.items() == ["By hand"]
    assert [one["status"] for one in told.outputs] == ["undone", "error"]


@pytest.mark.slow
@pytest.mark.req("D30")
def test_results_are_redacted_and_cut_before_anybody_sees_them(database: Database) -> None:
    ada = Person(database)
    ada.todos.add(By(ada.id), [Draft(f"todo {number:02} " + "x" * 480) for number in range(60)])
    model = Model(says(calls=[call("list_todos")]), says("Many."))
    ada.engine = model

    told = ada.ask("What is there?")

    (output,) = told.outputs
    assert output["more"] is True
    assert output["count"] == len(output["todos"]) <= 50
    assert len(model.requests[1].messages[-1].content) < 17_000


def test_ids_of_what_was_done_go_along_with_the_history(database: Database) -> None:
    ada = Person(database, Model(says(calls=[call("create_todo", item="Milk")]), says("Added.")))
    made = ada.ask("Add milk").outputs[0]["todo_id"]
    ada.engine = Model(says("Well."))

    ada.ask("Make that two")

    history = ada.engine.requests[0].messages
    assert [message.role for message in history] == ["system", "user", "assistant", "user"]
    assert made in history[2].content


def test_nobody_is_asked_for_confirmation_of_what_is_not_there(database: Database) -> None:
    told = Person(database, Model(says(calls=[call("delete_todo", todo_id=str(uuid4()))]), says("Gone."))).ask("x")

    assert told.outputs[0]["error"] == "Todo not found"
    assert told.messages("confirm") == []
    assert wording.KEPT not in told.text


@pytest.mark.parametrize(
    ("said", "more", "whole"),
    [("It was added for", " Thursday.", "It was added for Thursday."), ("It was added.", "Anything else?",
     "It was added.\n\nAnything else?"), ("", "Added.", "Added.")],
)  # fmt: skip
def test_a_continued_answer_goes_on_in_the_sentence_that_was_cut(
    database: Database, said: str, more: str, whole: str
) -> None:
    ada = Person(database, Model(says(said, " never heard")))
    first = ada.ask("Hm", until=lambda event: event.name == ("delta" if said else "metadata"), outcome="stopped")
    ada.engine = Model(says(more))

    assert first.text + ada.go_on(first).text == whole


@pytest.mark.slow
def test_what_is_meant_is_found_in_a_long_list_by_its_words(database: Database) -> None:
    ada = Person(database)
    ada.todos.add(By(ada.id), [Draft(f"todo {number} of many") for number in range(600)])
    ada.add("Feed the cats")

    told = ada.ask("complete feed cat; move the cats to the top; move todo 5 of many to the bottom")

    assert [name for name, _ in told.calls] == ["complete_todo", "move_todo"]
    assert told.text.startswith("Completed *Feed the cats*.")
