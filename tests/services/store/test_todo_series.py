"""Todos that repeat: each is one of its own, and completing one makes the next."""

from datetime import UTC, date, datetime, timedelta

import gevent
import pytest

from services import errors
from services.store.todos import Draft
from tests.services.store.lists import BERLIN, NOON, TodoList, at, day

MONTHLY = "FREQ=MONTHLY"
DAILY = "FREQ=DAILY"


@pytest.mark.slow
def test_completing_one_makes_the_next(todo_list: TodoList) -> None:
    rent = todo_list.make(
        "Pay rent",
        notes="by transfer",
        due=day("2026-12-01"),
        start=day("2026-11-28"),
        rule=MONTHLY,
        importance="high",
        tags=("Home",),
        project="Flat",
        subtasks=(Draft("look"), Draft("send", tags=("bank",))),
    )
    todo_list.make("after it")
    todo_list.complete(rent.subtasks[0])

    done = todo_list.complete(rent)

    following = done.following
    assert following is not None
    assert (done.todo.status, done.todo.following_id) == ("done", following.id)
    assert (following.due, following.start) == (day("2027-01-01"), day("2026-12-29"))
    for name in ("item", "notes", "importance", "tags", "project", "rule", "mode", "anchor", "series_id", "source"):
        assert getattr(following, name) == getattr(rent, name), name
    assert following.series_id is not None
    assert following.id != rent.id
    assert (following.status, following.completed_at, following.created_at) == ("open", None, NOON)
    assert [(part.item, part.status, part.tags) for part in following.subtasks] == [
        ("look", "open", ()),
        ("send", "open", ("bank",)),
    ]
    assert todo_list.items() == ["Pay rent", "after it"], "it stands where the other one stood"
    assert todo_list.get(following) == following


# What is due and repeats, when it is done (in UTC; the person lives in Berlin), and what comes next.
FOLLOWING = [
    ("2026-01-31", MONTHLY, "schedule", "2026-01-31", "2026-02-28"),
    ("2024-02-29", "FREQ=YEARLY", "schedule", "2024-02-29", "2025-02-28"),
    ("2026-11-20", "FREQ=WEEKLY", "schedule", "2026-11-21", "2026-11-27"),
    ("2026-11-01", DAILY, "schedule", "2026-11-21", "2026-11-22"),
    ("2026-12-24", DAILY, "schedule", "2026-11-21", "2026-12-25"),
    ("2026-11-01", "FREQ=DAILY;INTERVAL=3", "completion", "2026-11-21", "2026-11-24"),
]


@pytest.mark.parametrize(("due", "rule", "mode", "done", "following"), FOLLOWING)
def test_what_comes_next(todo_list: TodoList, due: str, rule: str, mode: str, done: str, following: str) -> None:
    todo_list.now = datetime.combine(date.fromisoformat(done), NOON.timetz())
    made = todo_list.make(due=day(due), rule=rule, mode=mode)

    found = todo_list.complete(made).following

    assert found is not None
    assert (found.due, found.anchor) == (day(following), day(due))


@pytest.mark.slow
def test_a_series_does_not_drift_and_keeps_its_time(todo_list: TodoList) -> None:
    todo_list.live_in(BERLIN)
    one = todo_list.make(due=at("2026-01-31 09:00"), rule=MONTHLY)
    dates = []
    for _ in range(4):
        todo_list.now = datetime(2026, 1, 1, tzinfo=UTC)
        following = todo_list.complete(one).following
        assert following is not None
        one = following
        dates.append(one.due.text if one.due else None)

    assert dates == ["2026-02-28 09:00:00", "2026-03-31 09:00:00", "2026-04-30 09:00:00", "2026-05-31 09:00:00"]
    assert one.anchor == at("2026-01-31 09:00")
    assert one.due is not None
    assert one.due.instant() == datetime(2026, 5, 31, 7, tzinfo=UTC), "in summer the same clocks are another moment"


@pytest.mark.slow
def test_today_is_the_persons(todo_list: TodoList) -> None:
    todo_list.now = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
    for zone, following in (("UTC", "2026-11-22"), (BERLIN, "2026-11-23"), ("America/Los_Angeles", "2026-11-22")):
        todo_list.live_in(zone)
        found = todo_list.complete(todo_list.make(due=day("2026-11-01"), rule=DAILY)).following
        assert found is not None
        assert found.due == day(following), zone


def test_a_series_ends(todo_list: TodoList) -> None:
    last = todo_list.make(due=day("2026-11-21"), rule="FREQ=DAILY;UNTIL=20261121")

    done = todo_list.complete(last)

    assert (done.following, done.todo.status) == (None, "done")
    assert todo_list.items() == []


@pytest.mark.slow
def test_completing_twice_makes_one_following_todo(todo_list: TodoList) -> None:
    made = todo_list.make(due=day("2026-11-21"), rule=DAILY)

    jobs = [gevent.spawn(todo_list.complete, made) for _ in range(6)]
    gevent.joinall(jobs, timeout=30, raise_error=True)

    assert len(todo_list.items("open")) == 1
    assert len(todo_list.items("done")) == 1
    assert sorted(job.value.change_id != "" for job in jobs) == [False] * 5 + [True]
    assert todo_list.revision == 2


@pytest.mark.slow
@pytest.mark.parametrize("back", ["reopen", "undo"])
def test_the_next_one_goes_away_again_if_nobody_touched_it(todo_list: TodoList, back: str) -> None:
    made = todo_list.make(due=day("2026-11-21"), rule=DAILY, subtasks=(Draft("part"),))
    done = todo_list.complete(made)
    assert done.following is not None
    todo_list.move(done.following, None)
    todo_list.now += timedelta(minutes=1)

    if back == "reopen":
        assert todo_list.todos.reopen(todo_list.by, made.id).todo.status == "open"
    else:
        undone = todo_list.undo(done.change_id)
        assert set(undone.gone) == {done.following.id, done.following.subtasks[0].id}

    assert list(todo_list.everything()) == [made.id]
    assert todo_list.get(made).following_id is None
    again = todo_list.complete(made).following
    assert again is not None
    assert again.due == day("2026-11-22")


TOUCHES = {
    "renamed": lambda its, it: its.change(it, item="other"),
    "completed": lambda its, it: its.complete(it),
    "a part done": lambda its, it: its.complete(it.subtasks[0]),
    "a part more": lambda its, it: its.make("more", parent_id=it.id),
    "deleted": lambda its, it: its.todos.delete(its.by, it.id),
}


@pytest.mark.slow
@pytest.mark.parametrize("back", ["reopen", "undo"])
@pytest.mark.parametrize("touch", TOUCHES)
def test_the_next_one_stays_if_somebody_touched_it(todo_list: TodoList, back: str, touch: str) -> None:
    made = todo_list.make(due=day("2026-11-21"), rule=DAILY, subtasks=(Draft("part"),))
    done = todo_list.complete(made)
    assert done.following is not None
    todo_list.now += timedelta(minutes=1)
    TOUCHES[touch](todo_list, done.following)
    before = {key: todo for key, todo in todo_list.everything().items() if key != made.id}

    if back == "reopen":
        todo_list.todos.reopen(todo_list.by, made.id)
    else:
        todo_list.undo(done.change_id)

    after = todo_list.everything()
    assert after.pop(made.id).status == "open"
    assert after == before


@pytest.mark.slow
def test_a_series_has_one_open_todo(todo_list: TodoList) -> None:
    made = todo_list.make(due=day("2026-11-21"), rule=DAILY)
    following = todo_list.complete(made).following
    assert following is not None
    todo_list.now += timedelta(minutes=1)
    todo_list.change(following, item="touched")
    todo_list.todos.reopen(todo_list.by, made.id)

    assert todo_list.complete(made).following is None
    assert todo_list.items("open") == ["touched"]


@pytest.mark.slow
def test_a_repetition_needs_a_date_and_can_be_taken_away(todo_list: TodoList) -> None:
    made = todo_list.make()
    with pytest.raises(errors.InvalidInput, match="needs a date"):
        todo_list.change(made, rule=DAILY)
    todo_list.change(made, rule=DAILY, due=day("2026-11-21"))
    with pytest.raises(errors.InvalidInput, match="needs a date"):
        todo_list.change(made, due=None)
    kept = todo_list.get(made)
    assert (kept.rule, kept.mode, kept.anchor) == (DAILY, "schedule", day("2026-11-21"))

    todo_list.change(made, mode="completion")
    assert todo_list.get(made).mode == "completion"
    todo_list.change(made, rule=None, due=None)
    bare = todo_list.get(made)
    assert (bare.rule, bare.mode, bare.anchor, bare.series_id) == (None, None, None, None)
    assert todo_list.complete(made).following is None


def test_the_first_day_of_a_series_stays_while_its_time_follows(todo_list: TodoList) -> None:
    made = todo_list.make(due=day("2026-01-31"), rule=MONTHLY)

    todo_list.change(made, due=at("2026-02-03 10:00"))
    assert todo_list.get(made).anchor == at("2026-01-31 10:00")
    todo_list.change(made, due=at("2026-02-03 10:00", "UTC"))
    assert todo_list.get(made).anchor == at("2026-01-31 10:00", "UTC")
    todo_list.change(made, rule="FREQ=WEEKLY")
    assert todo_list.get(made).anchor == at("2026-02-03 10:00", "UTC"), "another rule begins another series"


def test_what_has_come_from_elsewhere_done_makes_nothing(todo_list: TodoList) -> None:
    made = todo_list.make(due=day("2026-11-21"), rule=DAILY, status="done")

    assert (made.status, made.completed_at) == ("done", NOON)
    assert todo_list.items("all") == ["Buy milk"]
