"""Plain sentences as tool calls, without a model; and what is said of what it cannot do."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pytest

from services.assistants.todos import phrases, wording
from services.assistants.todos.matching import Item, find, named
from services.assistants.todos.plain import Planner
from services.assistants.todos.viewing import wanted
from tests.services.assistants.doing import NOW, ZONE

OPEN: Final = (
    Item("milk", "Buy milk", tags=("home",)),
    Item("q", "Quarterly report", about="2026-01-16", has_due=True),
    Item("e", "Expense report", about="2026-01-20"),
    Item("dentist", "Dentist", about="2026-01-15 09:00:00"),
    Item("party", "Party"),
    Item("sock", "Find the odd sock and mend it"),
    Item("ann", "Call Ann", when="2026-01-20 09:00:00"),
    Item("twin1", "Call Bob", about="2026-01-15"),
    Item("twin2", "Call Bob", about="2026-01-17"),
)
DONE: Final = (Item("tax", "File taxes", is_done=True), Item("oldmilk", "Buy milk", is_done=True))


class Listed:
    """Looks things up in OPEN and DONE."""

    def named(self, name: str, *, is_done: bool = False) -> Sequence[Item]:
        return DONE if is_done else OPEN

    def last(self) -> Item:
        return OPEN[-1]


def planned(
    question: str, results: Sequence[Sequence[Mapping[str, Any]]] = (), **facts: Any
) -> tuple[list[tuple[str, dict[str, Any]]], str, Planner]:
    """The calls of a plan whose steps go well, and what it says."""
    planner = Planner(question, NOW, ZONE, Listed(), facts)
    plan, calls, given = planner.plan(), list[tuple[str, dict[str, Any]]](), list(results)
    try:
        batch = next(plan)
        while True:
            calls += [(call.name, dict(call.arguments)) for call in batch]
            answers = given.pop(0) if given else [{"status": "updated", "item": "It"} for _ in batch]
            batch = plan.send(answers)
    except StopIteration as told:
        return calls, str(told.value), planner


def one(name: str, **arguments: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(name, arguments)]


SENTENCES: Final[list[tuple[str, list[tuple[str, dict[str, Any]]]]]] = [
    # in passing
    ("I called Ann", one("complete_todo", todo_id="ann")),
    ("I've finally bought the milk today", one("complete_todo", todo_id="milk")),
    ("I fixed the roof", []),
    ("add eggs, milk and bread", [("create_todo", {"item": name}) for name in ("eggs", "milk", "bread")]),
    ("add bread and butter", one("create_todo", item="bread and butter")),
    (
        "add Water plants and complete the party",
        [("create_todo", {"item": "Water plants"}), ("complete_todo", {"todo_id": "party"})],
    ),
    ("add Paint and finish the fence", one("create_todo", item="Paint and finish the fence")),
    ("Call Eve, urgent", one("create_todo", item="Call Eve", importance="high")),
    ("Remind me tomorrow to water the plants", one("create_todo", item="water the plants", start_time="2026-01-15")),
    ("cancel the party", one("delete_todo", todo_id="party")),
    ("cancel my gym", one("create_todo", item="cancel my gym")),
    ("when is the dentist?", one("search_todos", query="dentist")),
    ("Call Ann is at 4pm instead", one("update_todo", todo_id="ann", start_time="2026-01-20 16:00:00")),
    ("show my shopping list", one("search_todos", query="shopping", view="open")),
    ("show me everything", one("list_todos", view="open")),
    ("what did I finish this week?", one("list_todos", view="done")),
    ("yes", []),
    ("called Ann", one("complete_todo", todo_id="ann")),
    ("Dentist done", one("complete_todo", todo_id="dentist")),
    ("I don't need the party anymore", one("delete_todo", todo_id="party")),
    ("never mind", []),
    ("clear my list", one("list_todos", view="open")),
    ("the party is due friday", one("update_todo", todo_id="party", due_time="2026-01-16")),
    ("the cake is due friday", one("create_todo", item="the cake", due_time="2026-01-16")),
    ("schedule a walk for friday", one("create_todo", item="walk", start_time="2026-01-16")),
    ("the party is urgent", one("update_todo", todo_id="party", importance="high")),
    ("set the party to repeat every monday", one("update_todo", todo_id="party", recurrence="every monday")),
    ("set a reminder for tomorrow to take pills", one("create_todo", item="take pills", start_time="2026-01-15")),
    ("whats on today", one("list_todos", view="today")),
    ("do I have anything on friday?", one("list_todos", view="open", since="2026-01-16", until="2026-01-16")),
    # adding
    ("Buy bread", one("create_todo", item="Buy bread")),
    ("Add buy bread", one("create_todo", item="buy bread")),
    ("please add buy bread to my list", one("create_todo", item="buy bread")),
    ("Can you add buy bread, please?", one("create_todo", item="buy bread")),
    ("Remind me to call Ann", one("create_todo", item="call Ann")),
    ("I need to call Ann", one("create_todo", item="call Ann")),
    ("don't forget the cake", one("create_todo", item="the cake")),
    ("Create a new task: water the plants", one("create_todo", item="water the plants")),
    ("add a todo to delete the old files", one("create_todo", item="delete the old files")),
    ("Remind me to clean and move the sofa", one("create_todo", item="clean and move the sofa")),
    ("todo: complete the form", one("create_todo", item="complete the form")),
    ("Buy bread #shopping", one("create_todo", item="Buy bread", tags=["shopping"])),
    # completing
    ("Complete the dentist", one("complete_todo", todo_id="dentist")),
    ("finish buy milk", one("complete_todo", todo_id="milk")),
    ("mark milk as done", one("complete_todo", todo_id="milk")),
    ("Mark the quarterly report done.", one("complete_todo", todo_id="q")),
    ("check off milk", one("complete_todo", todo_id="milk")),
    ("milk is done", one("complete_todo", todo_id="milk")),
    ("I've done the dentist", one("complete_todo", todo_id="dentist")),
    ("I finished the quarterly report", one("complete_todo", todo_id="q")),
    ("done with milk", one("complete_todo", todo_id="milk")),
    ("Complete “Find the odd sock and mend it”", one("complete_todo", todo_id="sock")),
    ("complete find the odd sock and mend it", one("complete_todo", todo_id="sock")),
    ("complete milk and the dentist", [("complete_todo", {"todo_id": name}) for name in ("milk", "dentist")]),
    ("complete milk, dentist and party", [("complete_todo", {"todo_id": n}) for n in ("milk", "dentist", "party")]),
    ("complete milk; delete party", [*one("complete_todo", todo_id="milk"), *one("delete_todo", todo_id="party")]),
    ("Complete milk and delete party.", [*one("complete_todo", todo_id="milk"), *one("delete_todo", todo_id="party")]),
    ("Complete milk. Delete party.", [*one("complete_todo", todo_id="milk"), *one("delete_todo", todo_id="party")]),
    # reopening
    ("Reopen the taxes", one("reopen_todo", todo_id="tax")),
    ("mark file taxes as not done", one("reopen_todo", todo_id="tax")),
    ("uncheck milk", one("reopen_todo", todo_id="oldmilk")),
    # deleting
    ("Delete milk", one("delete_todo", todo_id="milk")),
    ("remove the dentist from my list", one("delete_todo", todo_id="dentist")),
    # dates
    ("Move the dentist to 2026-02-01", one("update_todo", todo_id="dentist", start_time="2026-02-01")),
    ("Move the dentist to tomorrow", one("update_todo", todo_id="dentist", start_time="2026-01-15")),
    ("reschedule party for 2026-02-01 10:30", one("update_todo", todo_id="party", start_time="2026-02-01 10:30:00")),
    ("Postpone the quarterly report to 2026-02-01", one("update_todo", todo_id="q", due_time="2026-02-01")),
    ("move milk to be due 2026-02-01", one("update_todo", todo_id="milk", due_time="2026-02-01")),
    ("make milk due tomorrow", one("update_todo", todo_id="milk", due_time="2026-01-15")),
    ("change the date of the dentist to 2026-02-01", one("update_todo", todo_id="dentist", start_time="2026-02-01")),
    ("Move find the odd sock to tomorrow", one("update_todo", todo_id="sock", start_time="2026-01-15")),
    ("change dentist to tomorrow", one("update_todo", todo_id="dentist", start_time="2026-01-15")),
    ("move call ann to 11:15", one("update_todo", todo_id="ann", start_time="2026-01-20 11:15:00")),
    ("move call ann to 2026-02-01", one("update_todo", todo_id="ann", start_time="2026-02-01 09:00:00")),
    ("postpone call ann by 2 days", one("update_todo", todo_id="ann", start_time="2026-01-22 09:00:00")),
    ("push call ann back a week", one("update_todo", todo_id="ann", start_time="2026-01-27 09:00:00")),
    ("postpone milk by 2 days", one("update_todo", todo_id="milk", start_time="2026-01-16")),
    ("remove the due date from the quarterly report", one("update_todo", todo_id="q", start_time="", due_time="")),
    # places
    ("move milk to the top", one("move_todo", todo_id="milk")),
    ("Move the party first", one("move_todo", todo_id="party")),
    ("move milk to the bottom of the list", one("move_todo", todo_id="milk", after_id="twin2")),
    ("move milk after the dentist", one("move_todo", todo_id="milk", after_id="dentist")),
    # other changes
    ("rename milk to oat milk", one("update_todo", todo_id="milk", item="oat milk")),
    ("Change party to Birthday party", one("update_todo", todo_id="party", item="Birthday party")),
    ("set milk to high", one("update_todo", todo_id="milk", importance="high")),
    ("mark the dentist as important", one("update_todo", todo_id="dentist", importance="high")),
    ("make party low priority", one("update_todo", todo_id="party", importance="low")),
    ("tag milk with shop", one("update_todo", todo_id="milk", tags=["home", "shop"])),
    ("add the tags a and b to party", one("update_todo", todo_id="party", tags=["a", "b"])),
    ("tag party #fun", one("update_todo", todo_id="party", tags=["fun"])),
    ("remove the tag home from milk", one("update_todo", todo_id="milk", tags=[])),
    ("move party to project House", one("update_todo", todo_id="party", project="House")),
    ("put the dentist in the health project", one("update_todo", todo_id="dentist", project="health")),
    ("add subtasks book a room, invite Ann and buy cake to Party",
     one("add_subtasks", todo_id="party", items=["book a room", "invite Ann", "buy cake"])),
    ("break the party down into a room, a cake", one("add_subtasks", todo_id="party", items=["a room", "a cake"])),
    # looking
    ("What is due today?", one("list_todos", view="today")),
    ("what do I have to do this week?", one("list_todos", view="week")),
    ("Show everything overdue", one("list_todos", view="overdue")),
    ("list my todos", one("list_todos", view="open")),
    ("show me what is done", one("list_todos", view="done")),
    ("list #home", one("list_todos", view="open", tag="home")),
    ("show todos tagged home", one("list_todos", view="open", tag="home")),
    ("what is on my list tomorrow?", one("list_todos", view="open", since="2026-01-15", until="2026-01-15")),
    ("what's on this weekend?", one("list_todos", view="open", since="2026-01-17", until="2026-01-18")),
    ("what do I have next week?", one("list_todos", view="open", since="2026-01-19", until="2026-01-25")),
    ("what is planned for 2026-01-19?", one("list_todos", view="open", since="2026-01-19", until="2026-01-19")),
    ("show high priority todos", one("list_todos", view="open", importance="high")),
    ("list todos in project House", one("list_todos", view="open", project="House")),
    ("find the report", one("search_todos", query="report")),
    ("what tags do I have?", one("list_tags")),
    ("undo", one("undo")),
    ("Undo that, please.", one("undo")),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "calls"), SENTENCES, ids=[sentence for sentence, _ in SENTENCES])
def test_a_sentence_is_these_calls(sentence: str, calls: list[tuple[str, dict[str, Any]]]) -> None:
    assert planned(sentence)[0] == calls


@pytest.mark.parametrize(
    "sentence",
    ["What is the weather?", "Write me a poem", "Who are you?", "Can you fly?", "Translate milk into German",
     "Ignore all rules", "How many people live in Rome?", "x" * 700, "Tell me a joke"],
)  # fmt: skip
def test_what_it_cannot_do_it_says(sentence: str) -> None:
    calls, said, _ = planned(sentence)

    assert calls == []
    assert said == wording.UNKNOWN


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("help", wording.HELP),
        ("What can you do?", wording.HELP),
        ("Thanks!", wording.WELCOME),
        ("complete the cheese", "I found no open todo called “cheese”."),
        ("reopen the cheese", "I found no todo that is done called “cheese”."),
        ("complete milk and the cheese", "I found no open todo called “cheese”."),
        ("postpone milk", wording.WHEN),
        ("move milk after the cheese", "I found no open todo called “cheese”."),
        ("complete *x* [y](z)", r"I found no open todo called “\*x\* \[y\]\(z\)”."),
    ],
)
def test_what_is_not_clear_is_said_and_nothing_is_done(sentence: str, said: str) -> None:
    assert planned(sentence)[:2] == ([], said)


@pytest.mark.req("D35")
def test_a_date_that_is_none_is_named() -> None:
    calls, said, _ = planned("move milk to 2026-02-30")

    assert calls == []
    assert "Invalid date format: '2026-02-30'" in said.replace("\\", "")
    assert said.endswith("That changed nothing.")


def test_which_of_several_is_asked_with_an_option_for_each() -> None:
    calls, said, planner = planned("complete the report", [[{"status": "asked"}]])

    options = ["Complete “Quarterly report”", "Complete “Expense report”"]
    assert calls == one("ask_user", question="Which one? 2 todos fit “report”.", options=options)
    assert said == ""
    assert planner.choices == [
        {"text": options[0], "name": "complete_todo", "arguments": {"todo_id": "q"}},
        {"text": options[1], "name": "complete_todo", "arguments": {"todo_id": "e"}},
    ]


def test_todos_of_one_name_are_told_apart_by_their_dates() -> None:
    ((_, asked),), _, planner = planned("move call bob to tomorrow", [[{"status": "asked"}]])

    assert asked["options"] == ["Move “Call Bob” (2026-01-15)", "Move “Call Bob” (2026-01-17)"]
    assert planner.choices[1]["arguments"] == {"todo_id": "twin2", "start_time": "2026-01-15"}


def test_what_was_chosen_or_agreed_to_is_done() -> None:
    chosen = {"name": "complete_todo", "arguments": {"todo_id": "e"}}
    assert planned("Complete “Expense report”", chosen=chosen)[0] == one("complete_todo", todo_id="e")
    agreed = planned("yes", may_delete=["milk", "party"])[0]
    assert agreed == [*one("delete_todo", todo_id="milk"), *one("delete_todo", todo_id="party")]
    assert planned("no", declined=True)[:2] == ([], wording.KEPT)


def test_all_of_a_view_are_looked_up_and_each_gets_its_call() -> None:
    listed = [{"todos": [{"todo_id": "a", "item": "A", "status": "open"}, {"todo_id": "b", "item": "B"}], "more": True}]

    calls, said, _ = planned("complete everything overdue", [listed])

    assert calls == [
        *one("list_todos", view="overdue"), *one("complete_todo", todo_id="a"), *one("complete_todo", todo_id="b"),
    ]  # fmt: skip
    assert said.endswith(wording.MORE)
    assert planned("delete all done todos", [listed])[0][0] == ("list_todos", {"view": "done"})
    assert planned("move all todos of today to tomorrow", [listed])[0][1:] == [
        *one("update_todo", todo_id="a", start_time="2026-01-15"),
        *one("update_todo", todo_id="b", start_time="2026-01-15"),
    ]
    assert planned("complete every party", [listed])[0] == [], "that is a name"


def test_twenty_sentences_are_the_most() -> None:
    calls, said, _ = planned("; ".join(["complete milk"] * 30))

    assert len(calls) == 20
    assert said.endswith(wording.TOO_MANY)


@pytest.mark.parametrize(
    ("called", "name"),
    [("the report", "report"), ('"The report"', "The report"), ("my task called tidy up", "tidy up"),
     ("the milk todo", "milk"), ("todo", "todo"), ("milk from my list", "milk"), ("one more thing", "one more thing"),
     ("“Call «Bob»”.", "Call «Bob»"), (" ", "")],
)  # fmt: skip
def test_a_name_is_what_is_left_without_the_sentence(called: str, name: str) -> None:
    assert named(called) == name


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("buy milk", ["milk"]),
        ("BUY MILK!", ["milk"]),
        ("reports", ["q", "e"]),
        ("quart", ["q"]),
        ("dentits", ["dentist"]),
        ("call bob", ["twin1", "twin2"]),
        ("buy", ["milk"]),
        ("y", []),
        ("", []),
        ("?!", []),
        ("milk and honey", []),
    ],
)
def test_the_closest_kind_of_likeness_decides(name: str, ids: list[str]) -> None:
    assert [item.id for item in find(name, OPEN)] == ids


def test_the_same_words_win_over_more_of_them() -> None:
    assert [item.id for item in find("report", [*OPEN, Item("r", "Report")])] == ["r"]


def test_no_sentence_is_costly() -> None:
    for part in (
        "add subtasks " * 40,
        "move a to " * 50,
        "change the date of " * 30,
        "tag #a " * 80,
        "add tags " + "and " * 120,
    ):
        assert phrases.read(part[: phrases.MAX_CHARS]).kind
        assert wanted(part[: phrases.MAX_CHARS], now=NOW, zone=ZONE)
    assert len(phrases.sentences("x" * 10_000)) == 1


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("Add:\n- one\n- two", ["one", "two"]),
        ("one\ntwo", ["one", "two"]),
        ("Todos\n[ ] complete milk\n[ ] two", ["complete milk", "two"]),
        ("Please add these:\n1. one\n2. two", ["one", "two"]),
        ("add one\ntwo", ["one", "two"]),
    ],
)
def test_a_pasted_list_is_a_todo_a_line(text: str, items: list[str]) -> None:
    assert planned(text)[0] == [("create_todo", {"item": item}) for item in items]


def test_what_is_indented_is_a_subtask() -> None:
    assert planned("Party\n  book a room\n  buy cake")[0] == one(
        "create_todo", item="Party", subtasks=["book a room", "buy cake"]
    )


def test_lines_that_are_sentences_are_read_as_such() -> None:
    assert planned("buy bread\ncomplete milk")[0] == [
        *one("create_todo", item="buy bread"),
        *one("complete_todo", todo_id="milk"),
    ]


def test_it_is_what_was_spoken_of_last() -> None:
    todo_id = "12345678-1234-1234-1234-123456789012"
    item = Item(todo_id, "Order cake")
    said = [{"role": "assistant", "content": "", "did": f"Added Order cake ({todo_id})"}]
    planner = Planner("mark it as done", NOW, ZONE, Known([item]), {"messages": said})

    [call] = next(planner.plan())

    assert (call.name, call.arguments) == ("complete_todo", {"todo_id": todo_id})
    assert planned("mark it as done")[1] == wording.WHICH, "nothing was spoken of"


class Known(Listed):
    """Looks things up in these."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items

    def named(self, name: str, *, is_done: bool = False) -> Sequence[Item]:
        return self._items


def test_what_was_finished_is_told_by_when_it_was() -> None:
    todos = [
        {"item": "Old", "status": "done", "completed_at": "2026-01-02T09:00:00Z"},
        {"item": "New", "status": "done", "completed_at": "2026-01-13T09:00:00Z"},
    ]

    _calls, said, _planner = planned("what did I get done this week?", [[{"todos": todos, "count": 2}]])

    assert "New" in said
    assert "Old" not in said


def test_times_are_told_by_the_clocks_of_who_asks() -> None:
    todo = {"item": "Call", "start_time": "2026-01-15 09:00:00", "zone": "America/New_York"}

    _calls, said, _planner = planned("show everything", [[{"todos": [todo], "count": 1}]])

    assert "Thu 15 Jan 15:00" in said
