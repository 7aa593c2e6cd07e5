"""Quick add, the tools of the agent and the engine without a model read the same words as the same todo."""

from dataclasses import fields as fields_of
from typing import Any

import pytest

from blueprints import todo_quick
from services.assistants.todos.plain import Planner
from services.errors import InvalidInput
from services.store.todos import Draft
from services.todos import fields, quick
from tests.services.todos import table

LINES = [row for row in table.rows("lines.txt") if not row.meant.startswith("! ")]
REFUSED = [row for row in table.rows("lines.txt") if row.meant.startswith("! Invalid")]
PHRASES = list(table.rows("phrases.txt"))
REPETITIONS = list(table.rows("repetitions.txt"))
COMPARED = [field.name for field in fields_of(Draft) if field.name not in {"id", "anchor"}]


def by_hand(row: table.Row) -> Draft:
    return todo_quick.draft(quick.read(row.said, now=row.now, zone=row.zone))


def by_sentence(row: table.Row) -> Draft | None:
    """What the engine without a model would do for the same words; None where it does not add anything."""
    plan = Planner(f"Add {row.said}", row.now, row.zone, look=lambda _done: ()).plan()
    try:
        calls = next(plan)
    except StopIteration:
        return None
    if [call.name for call in calls] != ["create_todo"]:
        return None
    return fields.draft(calls[0].arguments, now=row.now, zone=row.zone)


def by_tool(row: table.Row, **values: Any) -> Draft:
    return fields.draft({"item": "Call Bob", **values}, now=row.now, zone=row.zone)


def differing(one: Draft, other: Draft) -> dict[str, tuple[Any, Any]]:
    return {
        name: (getattr(one, name), getattr(other, name))
        for name in COMPARED
        if getattr(one, name) != getattr(other, name)
    }


@pytest.mark.slow
@pytest.mark.req("D9")
def test_a_line_becomes_the_same_todo_by_hand_and_by_sentence() -> None:
    wrong = {}
    for row in LINES:
        sentence = by_sentence(row)
        different = {"call": (row.said, None)} if sentence is None else differing(by_hand(row), sentence)
        if different:
            wrong[f"{row.line}: {row.said}"] = different

    assert not wrong


@pytest.mark.req("D35")
def test_a_line_that_is_refused_by_hand_makes_nothing_by_sentence() -> None:
    assert len(REFUSED) > 5
    for row in REFUSED:
        with pytest.raises(InvalidInput):
            by_hand(row)
        assert by_sentence(row) is None, row.said


@pytest.mark.slow
@pytest.mark.req("D9", "D35")
def test_a_phrase_is_the_same_date_in_a_line_and_to_the_tools() -> None:
    compared = 0
    for row in PHRASES:
        if row.meant.startswith("! "):
            with pytest.raises(InvalidInput, match="Invalid date format"):
                by_tool(row, start_time=row.said)
            continue
        made = by_tool(row, start_time=row.said, due_time=row.said)
        assert made.start is not None
        assert (made.start.text, made.due) == (row.meant, made.start), row.said
        line = quick.read(f"Call Bob {row.said}", now=row.now, zone=row.zone)
        if line.item == "Call Bob" and (line.start or line.due):
            assert (line.start or line.due) == made.start, row.said
            compared += 1
    assert compared > 250


@pytest.mark.req("D9")
def test_a_repetition_is_the_same_in_a_line_and_to_the_tools() -> None:
    for row in REPETITIONS:
        if row.meant.startswith("! "):
            with pytest.raises(InvalidInput, match="Invalid repetition"):
                by_tool(row, recurrence=row.said)
            continue
        made = by_tool(row, recurrence=row.said)
        assert made.start is not None
        rule = f"{'~' if made.mode == 'completion' else ''}{made.rule}"
        assert f"{rule} {made.start.text}" == row.meant, row.said


def test_a_date_beside_a_repetition_means_the_same_in_a_line_and_to_the_tools() -> None:
    row = REPETITIONS[0]
    for start, repeats in (("tomorrow", "every friday at 9"), ("friday", "every 2 weeks"), ("1 May", "every 1st")):
        line = quick.read(f"Call Bob {start}, {repeats}", now=row.now, zone=row.zone)
        made = by_tool(row, start_time=start, recurrence=repeats)
        assert (line.start, line.recurrence and line.recurrence.rule) == (made.start, made.rule)
        due = quick.read(f"Call Bob due {start}, {repeats}", now=row.now, zone=row.zone)
        made = by_tool(row, due_time=start, recurrence=repeats)
        assert (due.start, due.due, due.recurrence and due.recurrence.rule) == (None, made.due, made.rule)
