"""The facts of the agent's turns, and its books: what an answer did is known whatever became of it, and done once."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from services import errors
from services.assistants.todos import TodosInput
from services.assistants.todos.agreeing import NO, YES, agrees, refuses
from services.assistants.todos.resolving import history_of
from services.store import conversations, quotas
from services.store.database import Database
from services.todos import quick
from services.todos.actions import By
from tests import databases
from tests.services.assistants.doing import NOW, QUOTA, Model, Person, says


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path_factory.mktemp('todos') / 'rill.sqlite3'}"
    databases.prepare(url)
    made = Database(url)
    yield made
    made.close()


def call(name: str, **arguments: Any) -> tuple[str, str]:
    return name, json.dumps(arguments)


def is_call(event: Any) -> bool:
    return bool(event.name == "tool_call")


def is_result(event: Any) -> bool:
    return bool(event.name == "tool_result")


def used(person: Person) -> int:
    return person.database.run(quotas.usage, person.id, QUOTA).used


@pytest.mark.req("D4", "D17", "R6")
def test_facts_are_what_the_client_sent_where_the_session_is_new(database: Database) -> None:
    ada = Person(database)
    earlier = ({"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"})

    facts = ada.desk.facts(ada.id, TodosInput("Add milk", earlier, "test_session"), [], now=NOW)

    assert facts == {
        "messages": list(earlier),
        "zone": "Europe/Berlin",
        "now": "2026-01-14T09:00:00+00:00",
        "session_id": "test_session",
        "is_new": True,
        "answers": [],
    }
    told = ada.desk.tells({"question": "Add milk", "facts": facts})
    assert told == {"session_id": "test_session", "history": [*earlier, {"role": "user", "content": "Add milk"}]}


@pytest.mark.req("D12", "D17")
def test_a_session_goes_on_from_what_is_stored_whatever_the_client_sends(database: Database) -> None:
    ada = Person(database)
    first = ada.ask("Add milk")

    second = ada.ask("Add eggs")

    assert [one["content"] for one in second.turn.facts["messages"]] == ["Add milk", first.text]
    assert second.turn.facts["answers"] == [first.turn.message_id]
    assert second.turn.facts["is_new"] is False
    history = ada.desk.tells({"question": "Add eggs", "facts": second.turn.facts})["history"]
    assert history == [
        {"role": "user", "content": "Add milk"},
        {"role": "assistant", "content": first.text},
        {"role": "user", "content": "Add eggs"},
    ]


def test_of_a_long_session_the_newest_is_kept_and_begins_with_a_question() -> None:
    long = "x" * 9_000
    said = [
        conversations.Message(role=role, content=f"{n} {long}") for n in range(20) for role in ("user", "assistant")
    ]

    kept = history_of(said)

    assert (len(kept), kept[0]["role"], kept[-1]["content"][:3]) == (10, "user", "19 ")


@pytest.mark.parametrize(
    "text",
    ["yes", "Yes!", "ok", "OK, do it", "yes please", YES, "Sure, go ahead.", "y", "delete them", "Yes, delete it", "ja",
     "go ahead", "confirm"],
)  # fmt: skip
def test_a_yes_is_a_yes(text: str) -> None:
    assert agrees(text)
    assert not refuses(text)


@pytest.mark.parametrize(
    "text",
    ["no", NO, "please", "", "yes but keep milk", "not yes", "yes\nand add tea", "delete milk", "yes " * 40,
     "maybe yes?", "ok what else is there", "don't delete it", "Ignore that and delete everything"],
)  # fmt: skip
def test_anything_else_is_no_yes(text: str) -> None:
    assert not agrees(text)


@pytest.mark.slow
@pytest.mark.req("D14", "R7")
def test_an_answer_takes_a_unit_and_gives_it_back_if_it_fails(database: Database) -> None:
    ada = Person(database)
    ada.ask("Add milk")
    assert used(ada) == 1
    ada.ask("Add eggs", until=is_call)
    assert used(ada) == 1, "interrupted"
    ada.engine = Model([RuntimeError()])  # type: ignore[list-item]
    ada.ask("Add tea")
    assert used(ada) == 1, "failed"
    stopped = ada.ask("List", until=lambda _: False)
    assert stopped.error is not None


def test_what_cannot_be_afforded_is_refused_before_and_when_it_starts(database: Database) -> None:
    ada = Person(database)
    turn = ada.ask("Add milk").turn
    ada.desk._quota = 1

    for hook in (ada.desk.affords, ada.desk.starts):
        with pytest.raises(errors.QuotaExhausted) as refused:
            database.run(hook, turn)
    assert refused.value.extra["current_usage"] == refused.value.extra["monthly_limit"] == 1


def killed_after_commit(ada: Person, question: str) -> Any:
    """An answer whose worker died after a step was done: its log has neither the result nor, perhaps, the call."""
    return ada.ask(question, until=is_result, logged=1)


@pytest.mark.slow
@pytest.mark.req("D36")
def test_what_was_done_before_a_kill_is_told_by_the_stored_answer(database: Database) -> None:
    ada = Person(database)

    told = killed_after_commit(ada, "Add milk")

    assert ada.items() == ["milk"]
    extras = ada.extras(told)
    (called,), (result,) = extras["tool_call"], extras["tool_result"]
    assert called["id"] == result["id"]
    assert called["name"] == result["name"] == "create_todo"
    (made,) = ada.todos.listing(ada.id)
    assert (result["output"]["status"], result["output"]["todo_id"]) == ("created", made.id)
    assert ada.stored(told).outcome == "interrupted"
    assert ada.ask("Add eggs").turn.facts["messages"][1]["did"] == f"Added milk ({made.id})", "the next answer knows"


def test_a_step_that_was_not_done_before_a_kill_is_told_as_that(database: Database) -> None:
    ada = Person(database)

    told = ada.ask("Add milk", until=is_call)

    assert ada.items() == []
    extras = ada.extras(told)
    (result,) = extras["tool_result"]
    assert result["id"] == extras["tool_call"][0]["id"]
    assert result["output"]["status"] == "error"
    assert "changed nothing" in result["output"]["error"]


def test_an_answer_that_is_stopped_between_two_steps_keeps_and_tells_the_first(database: Database) -> None:
    ada = Person(database)

    told = ada.ask("Add:\none\ntwo", until=is_result, outcome="stopped")

    assert ada.items() == ["one"]
    assert ada.stored(told).outcome == "stopped"
    assert [one["output"]["item"] for one in ada.extras(told)["tool_result"]] == ["one"]
    assert used(ada) == 1, "what was stopped is spent"
    assert "Added one" in ada.ask("List").turn.facts["messages"][1]["did"]


def test_an_answer_that_told_everything_is_stored_as_it_told_it(database: Database) -> None:
    ada = Person(database)

    told = ada.ask("Add milk")

    assert [one["output"] for one in ada.extras(told)["tool_result"]] == told.outputs


def test_nothing_is_done_for_an_answer_that_has_ended(database: Database) -> None:
    ada = Person(database)
    told = ada.ask("Add milk", until=is_call)

    with pytest.raises(errors.Conflict) as refused:
        ada.todos.complete(By(ada.id, "ai", told.turn.message_id, "late"), "x")

    assert refused.value.code == "ANSWER_ENDED"


@pytest.mark.slow
@pytest.mark.parametrize(
    "question", ["Add milk tomorrow #home", "Complete tea", "Move tea to 2026-02-01", "Delete tea"]
)
def test_a_try_again_after_a_kill_does_nothing_twice(database: Database, question: str) -> None:
    ada = Person(database)
    (tea,) = ada.add("tea")
    if question == "Delete tea":
        ada.ask(question)
        question = "yes"
    first = killed_after_commit(ada, question)
    done = ada.todos.changes_of(ada.id, first.turn.message_id)
    assert len(done) == 1
    revision = ada.todos.revision(ada.id)

    again = ada.retry(first)

    assert ada.todos.revision(ada.id) == revision, "nothing was changed"
    assert again.outputs[0]["already_done"] is True
    assert again.outputs[0]["change_id"] == done[0].id
    assert "done already" in again.text
    ada.todos.undo(By(ada.id), message_id=first.turn.message_id)
    assert (tea.id, "open") in [(todo.id, todo.status) for todo in ada.todos.listing(ada.id)]
    assert [todo.item for todo in ada.todos.listing(ada.id)] == ["tea"], "undo works"


@pytest.mark.slow
def test_what_was_undone_is_done_again_by_a_try_again(database: Database) -> None:
    ada = Person(database)
    first = killed_after_commit(ada, "Add milk")
    ada.todos.undo(By(ada.id), message_id=first.turn.message_id)

    again = ada.retry(first)

    assert "already_done" not in again.outputs[0]
    assert ada.items() == ["milk"]


@pytest.mark.slow
def test_a_continued_list_adds_what_was_missing_and_nothing_twice(database: Database) -> None:
    ada = Person(database)
    results: list[Any] = []

    def is_second(event: Any) -> bool:
        results.extend([event] if is_result(event) else [])
        return len(results) == 2

    first = ada.ask("Add:\none\ntwo\nthree\nthree", until=is_second)
    assert ada.items() == ["one", "two"]

    again = ada.go_on(first)

    assert ada.items() == ["one", "two", "three", "three"]
    assert [bool(one.get("already_done")) for one in again.outputs] == [True, True, False, False]
    third = ada.go_on(again)
    assert [one.get("already_done") for one in third.outputs] == [True] * 4, "both tries before it count"


def test_a_model_is_told_what_was_done_and_its_repeated_calls_are_not_carried_out(database: Database) -> None:
    ada = Person(database, Model(says(calls=[call("create_todo", item="Milk", start_time="2026-01-15")]), says("Ok.")))
    first = killed_after_commit(ada, "Add milk for tomorrow")
    ada.engine = Model(
        says(calls=[call("create_todo", start_time="2026-01-15", item=" milk")]),
        says(calls=[call("create_todo", item="Milk", start_time="2026-01-16")]),
        says("Done."),
    )

    again = ada.retry(first)

    assert ada.items() == ["Milk", "Milk"], "the other one is another date's"
    assert again.outputs[0]["already_done"] is True
    question = ada.engine.requests[0].messages[-1].content
    assert "It is done; do not do it again" in question
    assert first.outputs[0]["todo_id"] in question


def test_a_question_that_is_edited_does_nothing_twice_and_knows_what_was_done_for_it(database: Database) -> None:
    made = [call("create_todo", item=item) for item in ("Milk", "Egs")]
    ada = Person(database, Model(says(calls=made), says("Ok.")))
    first = ada.ask("Add milk and egs")
    milk, eggs = (one["todo_id"] for one in first.outputs)
    ada.engine = Model(
        says(calls=[made[0], call("update_todo", todo_id=eggs, item="Eggs"), call("delete_todo", todo_id=milk)]),
        says("Done."),
    )

    edited = ada.edit(first, "Add milk and eggs")

    assert ada.items() == ["Milk", "Eggs"]
    assert edited.outputs[0]["already_done"] is True
    assert [one["status"] for one in edited.outputs[1:]] == ["updated", "needs_confirmation"]
    question = ada.engine.requests[0].messages[-1].content
    assert "asked this in other words before" in question
    assert milk in question
    assert "An earlier try" not in question


@pytest.mark.slow
def test_an_edited_question_may_be_about_what_was_done_for_it(database: Database) -> None:
    ada = Person(database)
    first = ada.ask("Add milk")

    edited = ada.edit(first, "Complete milk")

    assert edited.outputs[0]["status"] == "completed"
    again = ada.edit(edited, "Add milk")
    assert again.outputs[0]["already_done"] is True
    assert ada.items("all") == ["milk"]


@pytest.mark.slow
def test_the_books_of_one_session_say_nothing_of_anothers(database: Database) -> None:
    ada, bob = Person(database), Person(database)
    first = killed_after_commit(ada, "Add milk")
    bob.ask("Add milk")

    assert bob.items() == ["milk"]
    assert ada.desk.done_before(first.turn) == []
    with pytest.raises(errors.NotFound):
        bob.todos.undo(By(bob.id), message_id=first.turn.message_id)


@pytest.mark.req("D4")
def test_a_question_in_other_words_is_checked_and_keeps_its_session(database: Database) -> None:
    ada = Person(database)
    told = ada.ask("Add milk")
    turn = {"question": "Add milk", "facts": dict(told.turn.facts)}

    facts = ada.desk.resolve(ada.id, [], turn, "Add tea")

    assert facts["session_id"] == ada.session
    with pytest.raises(errors.InvalidInput, match="too long"):
        ada.desk.resolve(ada.id, [], turn, "x" * 10_001)


@pytest.mark.slow
def test_an_option_of_the_last_answer_stands_for_its_own_call(database: Database) -> None:
    ada = Person(database)
    ada.add("Report")
    (second,) = ada.add("Report")
    options = ada.ask("Complete the report").messages("ask")[0]["options"]
    assert len(set(options)) == 2

    told = ada.ask(options[1])

    assert told.calls == [("complete_todo", {"todo_id": second.id})]
    assert ada.items() == ["Report"]


LINES = (
    "Pay rent every 1st !high #home",
    "Water plants every 3 days after completion",
    "Stand-up every weekday at 9:30 +Work",
    "Report by friday 5pm !low #a #b",
    "Dentist tomorrow at 14:00",
    "Haircut every 6 weeks",
    "Backup every last friday of the month",
    "Birthday of Ann on 29 Feb every year",
    "Call Bob next monday",
    "Buy milk",
    "Tidy up every other saturday starting 2026-02-07",
    "Taxes due 2026-05-31 every year",
)


@pytest.mark.parametrize("line", LINES)
def test_the_agent_and_the_quick_line_understand_the_same(database: Database, line: str) -> None:
    ada = Person(database)

    told = ada.ask(line)

    found = quick.read(line, now=NOW, zone=ada.zone)
    (made,) = ada.todos.listing(ada.id)
    repeats = (made.rule, made.mode) if made.rule else None
    assert told.outputs[0]["status"] == "created", told.outputs
    assert (made.item, made.start, made.due) == (found.item, found.start, found.due)
    assert repeats == (found.recurrence and (found.recurrence.rule, found.recurrence.mode))
    assert (made.importance, made.tags, made.project) == (found.importance or "medium", found.tags, found.project)
