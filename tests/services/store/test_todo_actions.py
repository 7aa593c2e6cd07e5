"""What can be done to todos, by hand and by the agent, one after the other and at once."""

from datetime import timedelta

import pytest

from services import errors
from services.store.todos import Draft
from tests.services.store.lists import BERLIN, NOON, TodoList, at, at_once, day

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.mark.req("D35")
def test_a_todo_is_kept_as_it_was_written(todo_list: TodoList) -> None:
    made = todo_list.make(
        "Pay rent",
        notes="by transfer\nnot cash",
        start=day("2026-11-30"),
        due=at("2026-12-01 09:30"),
        importance="high",
        tags=("Home", "money"),
        project="Flat",
        subtasks=(Draft("look up the sum"), Draft("send it", tags=("bank",))),
    )

    kept = todo_list.get(made)

    assert kept == made
    assert len(kept.id) == 36
    assert (kept.item, kept.notes, kept.importance) == ("Pay rent", "by transfer\nnot cash", "high")
    assert (kept.start, kept.due, kept.zone) == (day("2026-11-30"), at("2026-12-01 09:30"), BERLIN)
    assert (kept.tags, kept.project, kept.status, kept.source) == (("Home", "money"), "Flat", "open", "user")
    assert [(part.item, part.tags, part.parent_id) for part in kept.subtasks] == [
        ("look up the sum", (), kept.id),
        ("send it", ("bank",), kept.id),
    ]
    assert (kept.created_at, kept.updated_at, kept.completed_at) == (NOON, NOON, None)
    assert (kept.rule, kept.series_id, kept.parent_id) == (None, None, None)


def test_a_day_stays_a_day_and_has_no_zone(todo_list: TodoList) -> None:
    made = todo_list.make(start=day("2026-01-15"), due=day("2026-01-16"))

    assert (made.zone, made.start, made.due, made.day) == (None, day("2026-01-15"), day("2026-01-16"), made.due)


def test_times_of_two_zones_are_kept_in_that_of_the_later(todo_list: TodoList) -> None:
    made = todo_list.make(start=at("2026-01-15 09:00", "UTC"), due=at("2026-01-15 18:00", BERLIN))

    assert (made.start, made.due, made.zone) == (at("2026-01-15 10:00"), at("2026-01-15 18:00"), BERLIN)


@pytest.mark.slow
def test_each_field_is_changed_by_itself(todo_list: TodoList) -> None:
    made = todo_list.make(notes="n", start=day("2026-01-15"), tags=("a",), project="p")
    todo_list.now += timedelta(minutes=1)

    for name, value in (
        ("item", "Buy oats"),
        ("notes", ""),
        ("start", at("2026-01-16 10:00")),
        ("due", day("2026-01-17")),
        ("importance", "low"),
        ("tags", ("b", "a")),
        ("project", None),
        ("start", None),
        ("tags", ()),
    ):
        before = todo_list.get(made)
        done = todo_list.change(made, **{name: value})
        after = todo_list.get(made)
        assert getattr(after, name) == value
        assert done.todo == after
        assert done.change_id
        assert after.updated_at == todo_list.now
        others = {"item", "notes", "start", "due", "importance", "tags", "project", "position"} - {name}
        assert {key: getattr(before, key) for key in others} == {key: getattr(after, key) for key in others}


@pytest.mark.slow
def test_what_changes_nothing_is_no_change(todo_list: TodoList) -> None:
    made = todo_list.make(tags=("a",), due=day("2026-01-15"))
    revision = todo_list.revision
    todo_list.now += timedelta(minutes=1)

    for changes in ({}, {"item": made.item}, {"tags": ("a",), "due": made.due}, {"tags": ["a", "A"]}):
        done = todo_list.change(made, **changes)
        assert (done.change_id, done.todo, done.revision) == ("", made, revision)
    todo_list.complete(made)
    assert todo_list.complete(made).change_id == ""
    todo_list.todos.reopen(todo_list.by, made.id)
    assert todo_list.todos.reopen(todo_list.by, made.id).change_id == ""
    assert todo_list.revision == revision + 2


WRONG = [
    ({"item": ""}, "item"),
    ({"item": " \n"}, "item"),
    ({"item": "\x00"}, "item"),
    ({"item": "x" * 501}, "item"),
    ({"notes": "x" * 10_001}, "notes"),
    ({"project": "x" * 101}, "project"),
    ({"tags": ("x" * 51,)}, "tags"),
    ({"tags": ("",)}, "tags"),
    ({"tags": tuple(map(str, range(101)))}, "tags"),
    ({"importance": "urgent"}, "importance"),
    ({"rule": "FREQ=DAILY"}, "recurrence"),
]


@pytest.mark.slow
def test_what_does_not_fit_is_refused_and_nothing_stored(todo_list: TodoList) -> None:
    kept = todo_list.make()
    for changes, field in WRONG:
        for refused in (
            lambda changes=changes: todo_list.make(**{"item": "x", **changes}),
            lambda changes=changes: todo_list.change(kept, **changes),
        ):
            with pytest.raises(errors.InvalidInput) as error:
                refused()
            assert [each.field for each in error.value.errors] == [field], changes
    assert todo_list.everything() == {kept.id: kept}
    assert todo_list.revision == 1
    with pytest.raises(ValueError, match="not to be changed"):
        todo_list.change(kept, position=1)


def test_the_longest_that_fits_is_kept(todo_list: TodoList) -> None:
    longest = {"item": "ü" * 500, "notes": "🙂" * 10_000, "project": "p" * 100}
    made = todo_list.make(**longest, tags=tuple(f"{n:050}" for n in range(100)))

    assert (made.item, made.notes, made.project, len(made.tags)) == (*longest.values(), 100)


@pytest.mark.slow
def test_text_that_no_database_keeps_is_cleaned_and_can_be_undone(todo_list: TodoList) -> None:
    made = todo_list.make("a\x00b\ud800", notes="\x00", tags=("t\x00",), project="p\udfff")

    assert (made.item, made.notes, made.tags, made.project) == ("ab\ufffd", "", ("t",), "p\ufffd")
    todo_list.change(made, item="c\x00\ud800")
    todo_list.undo()
    assert todo_list.get(made).item == "ab\ufffd"
    todo_list.undo()
    assert todo_list.everything() == {}


@pytest.mark.slow
def test_somebody_elses_is_not_found(todo_list: TodoList, foreign_list: TodoList) -> None:
    own, foreign = todo_list.make(), foreign_list.make("secret")
    change = foreign_list.todos.changes(foreign_list.user_id)[0]
    by, actions = todo_list.by, todo_list.todos

    for todo_id in (foreign.id, NOBODY, "", "\x00", "x" * 10_000, "' OR 1=1"):
        for call in (
            lambda it=todo_id: actions.get(by.user_id, it),
            lambda it=todo_id: actions.update(by, it, {"item": "mine"}),
            lambda it=todo_id: actions.complete(by, it),
            lambda it=todo_id: actions.reopen(by, it),
            lambda it=todo_id: actions.delete(by, it),
            lambda it=todo_id: actions.move(by, it, after_id=None),
            lambda it=todo_id: actions.move(by, own.id, after_id=it),
            lambda it=todo_id: actions.update(by, own.id, {"parent_id": it}),
            lambda it=todo_id: actions.create(by, Draft("x", parent_id=it)),
        ):
            with pytest.raises(errors.NotFound) as error:
                call()
            assert error.value.message == "Todo not found"
    for call in (lambda: actions.undo(by, change.id), lambda: actions.undo(by, NOBODY)):
        with pytest.raises(errors.NotFound):
            call()
    assert foreign_list.get(foreign) == foreign
    assert todo_list.everything() == {own.id: own}
    assert (todo_list.revision, foreign_list.revision) == (1, 1)


@pytest.mark.slow
def test_subtasks_have_none_of_their_own_and_do_not_repeat(todo_list: TodoList) -> None:
    above = todo_list.make("above", subtasks=(Draft("part"),))
    (part,) = above.subtasks
    other = todo_list.make("other")
    daily = todo_list.make("daily", due=day("2026-11-21"), rule="FREQ=DAILY")

    for call in (
        lambda: todo_list.make("x", parent_id=part.id),
        lambda: todo_list.make("x", parent_id=above.id, subtasks=(Draft("y"),)),
        lambda: todo_list.make("x", subtasks=(Draft("y", subtasks=(Draft("z"),)),)),
        lambda: todo_list.make("x", subtasks=(Draft("y", due=day("2026-11-21"), rule="FREQ=DAILY"),)),
        lambda: todo_list.make("x", parent_id=above.id, due=day("2026-11-21"), rule="FREQ=DAILY"),
        lambda: todo_list.change(part, due=day("2026-11-21"), rule="FREQ=DAILY"),
        lambda: todo_list.change(daily, parent_id=other.id),
        lambda: todo_list.change(other, parent_id=part.id),
        lambda: todo_list.change(above, parent_id=other.id),
        lambda: todo_list.change(above, parent_id=above.id),
    ):
        with pytest.raises(errors.InvalidInput):
            call()
    assert todo_list.items("all") == ["above", "other", "daily"]

    todo_list.change(other, parent_id=above.id)
    assert [each.item for each in todo_list.get(above).subtasks] == ["part", "other"]
    todo_list.change(part, parent_id=None)
    assert todo_list.items() == ["above", "part", "daily"]


def test_what_is_done_gets_no_open_subtasks(todo_list: TodoList) -> None:
    above, other = todo_list.make("above"), todo_list.make("other")
    todo_list.complete(above)

    for call in (lambda: todo_list.make("x", parent_id=above.id), lambda: todo_list.change(other, parent_id=above.id)):
        with pytest.raises(errors.Conflict, match="“above” is done") as error:
            call()
        assert error.value.code == "TODO_DONE"


@pytest.mark.slow
def test_subtasks_are_done_with_their_todo_and_come_back_with_it(todo_list: TodoList) -> None:
    above = todo_list.make("above", subtasks=(Draft("done before"), Draft("with it")))
    todo_list.complete(above.subtasks[0])
    todo_list.now += timedelta(minutes=1)

    done = todo_list.complete(above).todo

    assert (done.status, done.completed_at) == ("done", todo_list.now)
    assert [(part.status, part.completed_at) for part in done.subtasks] == [("done", NOON), ("done", todo_list.now)]
    opened = todo_list.todos.reopen(todo_list.by, above.id).todo
    assert (opened.status, opened.completed_at) == ("open", None)
    assert [part.status for part in opened.subtasks] == ["done", "open"]

    todo_list.complete(above)
    todo_list.todos.reopen(todo_list.by, above.subtasks[0].id)
    assert [part.status for part in todo_list.get(above).subtasks] == ["open", "done"]
    assert todo_list.get(above).status == "open", "a subtask that is open is seen in an open todo"


@pytest.mark.slow
def test_a_deleted_todo_takes_its_subtasks_along(todo_list: TodoList) -> None:
    above, other = todo_list.make("above", tags=("t",), subtasks=(Draft("part", tags=("u",)),)), todo_list.make("other")

    done = todo_list.todos.delete(todo_list.by, above.id)

    assert done.todo == above
    assert todo_list.everything() == {other.id: other}
    assert todo_list.todos.tags(todo_list.user_id) == []
    with pytest.raises(errors.NotFound):
        todo_list.todos.delete(todo_list.by, above.id)


@pytest.mark.slow
def test_many_are_made_by_one_change(todo_list: TodoList) -> None:
    by = todo_list.call("m", "import")
    drafts = [Draft("a", subtasks=(Draft("b"),)), Draft("c", status="done", completed_at=NOON - timedelta(days=3))]

    added = todo_list.todos.add(by, drafts)

    assert [(todo.item, todo.status, todo.source) for todo in added.todos] == [("a", "open", "ai"), ("c", "done", "ai")]
    assert added.todos[1].completed_at == NOON - timedelta(days=3)
    assert [part.item for part in added.todos[0].subtasks] == ["b"]
    again = todo_list.todos.add(by, drafts)
    assert (again.repeated, again.todos, again.change_id) == (True, added.todos, added.change_id)
    todo_list.undo(added.change_id)
    assert todo_list.everything() == {}
    assert todo_list.todos.add(todo_list.by, []).todos == ()
    with pytest.raises(errors.InvalidInput):
        todo_list.todos.add(todo_list.by, [Draft("fine"), Draft("")])
    assert todo_list.everything() == {}


@pytest.mark.slow
def test_two_tabs_change_the_same_todo_field_by_field(todo_list: TodoList) -> None:
    made = todo_list.make(notes="old")

    done = at_once(
        lambda: todo_list.change(made, item="renamed"),
        lambda: todo_list.change(made, by=todo_list.call("m", "c"), due=day("2026-11-22")),
        lambda: todo_list.change(made, tags=("t",)),
        lambda: todo_list.complete(made),
        lambda: todo_list.move(made, None),
    )

    assert not [each for each in done if isinstance(each, BaseException)]
    kept = todo_list.get(made)
    assert (kept.item, kept.due, kept.tags, kept.status) == ("renamed", day("2026-11-22"), ("t",), "done")
    assert len({each.revision for each in done}) == 5
    assert todo_list.revision == 6


def test_a_form_that_was_filled_in_before_another_change_can_be_refused(todo_list: TodoList) -> None:
    made = todo_list.make()
    todo_list.now += timedelta(seconds=1)
    todo_list.change(made, notes="meanwhile")

    with pytest.raises(errors.Conflict, match="changed meanwhile") as error:
        todo_list.todos.update(todo_list.by, made.id, {"notes": "mine"}, seen=made.updated_at)
    assert error.value.code == "TODO_CHANGED"
    todo_list.todos.update(todo_list.by, made.id, {"notes": "mine"}, seen=todo_list.now)
    assert todo_list.get(made).notes == "mine"


@pytest.mark.slow
def test_one_deletes_while_the_other_changes(todo_list: TodoList) -> None:
    made = todo_list.make()

    deleted, changed = at_once(
        lambda: todo_list.todos.delete(todo_list.by, made.id), lambda: todo_list.change(made, item="renamed")
    )

    assert deleted.todo.id == made.id
    assert isinstance(changed, errors.NotFound) or changed.todo.item == "renamed"
    assert todo_list.everything() == {}
