"""Which todos are listed, in which order, in whose zone."""

from datetime import UTC, date, datetime

import pytest

from services.store.todo_filters import Filter
from services.store.todos import Draft
from tests.services.store.lists import BERLIN, TodoList, at, day

AUCKLAND = "Pacific/Auckland"
LOS_ANGELES = "America/Los_Angeles"

# What is due, and in which views it is at noon UTC of Saturday, 21 November 2026, for somebody in Berlin (13:00).
VIEWS_IN_BERLIN = [
    (None, {"someday"}),
    (day("2026-11-20"), {"today", "overdue"}),
    (day("2026-11-21"), {"today", "week"}),
    (day("2026-11-22"), {"week"}),
    (day("2026-11-27"), {"week"}),
    (day("2026-11-28"), set()),
    (at("2026-11-20 23:59"), {"today", "overdue"}),
    (at("2026-11-21 00:00"), {"today", "overdue", "week"}),
    (at("2026-11-21 12:59"), {"today", "overdue", "week"}),
    (at("2026-11-21 13:00"), {"today", "week"}),
    (at("2026-11-21 23:59"), {"today", "week"}),
    (at("2026-11-22 00:00"), {"week"}),
    (at("2026-11-27 23:59"), {"week"}),
    (at("2026-11-28 00:00"), set()),
    # The same clocks elsewhere are other moments: 21 November, 23:30 in Los Angeles is the 22nd in Berlin.
    (at("2026-11-21 14:30", LOS_ANGELES), {"today", "week"}),
    (at("2026-11-21 23:30", LOS_ANGELES), {"week"}),
    (at("2026-11-22 08:00", AUCKLAND), {"today", "week"}),
    (at("2026-11-21 22:00", AUCKLAND), {"today", "overdue", "week"}),
]
VIEWS = ("today", "week", "overdue", "someday")


@pytest.mark.slow
@pytest.mark.req("D35")
def test_a_day_is_listed_where_it_belongs(todo_list: TodoList) -> None:
    todo_list.live_in(BERLIN)
    for number, (due, _) in enumerate(VIEWS_IN_BERLIN):
        todo_list.make(str(number), due=due)

    found = {view: set(todo_list.items(view)) for view in VIEWS}

    for number, (due, views) in enumerate(VIEWS_IN_BERLIN):
        assert {view for view in VIEWS if str(number) in found[view]} == views, due
    assert set(todo_list.items("open")) == set(todo_list.items("all")) == set(map(str, range(len(VIEWS_IN_BERLIN))))


ZONES = [
    # What a day is: Saturday noon in London is still Saturday in Los Angeles, and Sunday in Auckland.
    ("UTC", day("2026-11-21"), {"today", "week"}),
    (LOS_ANGELES, day("2026-11-21"), {"today", "week"}),
    (AUCKLAND, day("2026-11-21"), {"today", "overdue"}),
    (AUCKLAND, day("2026-11-22"), {"today", "week"}),
    (LOS_ANGELES, day("2026-11-22"), {"week"}),
    (AUCKLAND, at("2026-11-22 10:59", "UTC"), {"today", "week"}),
    (AUCKLAND, at("2026-11-22 11:00", "UTC"), {"week"}),
    (LOS_ANGELES, at("2026-11-22 07:59", "UTC"), {"today", "week"}),
    (LOS_ANGELES, at("2026-11-22 08:00", "UTC"), {"week"}),
]


@pytest.mark.parametrize(("zone", "due", "views"), ZONES)
def test_days_are_those_of_the_persons_zone(todo_list: TodoList, zone: str, due: object, views: set[str]) -> None:
    todo_list.live_in(zone)
    todo_list.make("it", due=due)

    assert {view for view in VIEWS if todo_list.items(view)} == views


# The days on which Berlin's clocks change have 23 and 25 hours; the moments are those at which the days end.
DST = [
    (datetime(2026, 3, 29, 21, 59, tzinfo=UTC), "2026-03-29"),
    (datetime(2026, 3, 29, 22, 0, tzinfo=UTC), "2026-03-30"),
    (datetime(2026, 10, 25, 22, 59, tzinfo=UTC), "2026-10-25"),
    (datetime(2026, 10, 25, 23, 0, tzinfo=UTC), "2026-10-26"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("now", "today"), DST)
def test_today_ends_when_the_day_does_where_clocks_change(todo_list: TodoList, now: datetime, today: str) -> None:
    todo_list.live_in(BERLIN)
    todo_list.now = now
    todo_list.make("the day", due=day(today))
    todo_list.make("its last minute", due=at(f"{today} 23:59"))
    todo_list.make("midnight", due=at(f"{today} 00:00"))

    assert sorted(todo_list.items("today")) == ["its last minute", "midnight", "the day"]
    assert todo_list.items("overdue", order="hand") == (["midnight"] if now != at(f"{today} 00:00").instant() else [])


def test_what_starts_is_listed_by_its_start_unless_it_is_due(todo_list: TodoList) -> None:
    todo_list.make("starts", start=day("2026-11-21"))
    todo_list.make("due later", start=day("2026-11-21"), due=day("2026-12-24"))
    todo_list.make("due earlier", start=day("2026-12-24"), due=day("2026-11-21"))

    assert todo_list.items("today") == ["starts", "due earlier"]


@pytest.mark.slow
def test_what_is_done_is_over(todo_list: TodoList) -> None:
    first, second = (todo_list.make(item, due=day("2026-11-20")) for item in ("first", "second"))
    todo_list.make("open")
    todo_list.complete(second)
    todo_list.now = todo_list.now.replace(minute=1)
    todo_list.complete(first)

    assert todo_list.items("overdue") == todo_list.items("today") == []
    assert todo_list.items("open") == ["open"]
    assert todo_list.items("done") == ["first", "second"], "the latest first"
    assert todo_list.items("all") == ["first", "second", "open"]


CONDITIONS = [
    ({"tag": "home"}, ["rent"]),
    ({"tag": "HOME"}, ["rent"]),
    ({"tag": "hom"}, []),
    ({"project": "flat"}, ["rent"]),
    ({"project": "FLAT"}, ["rent"]),
    ({"importance": "high"}, ["milk"]),
    ({"source": "ai"}, ["lamp"]),
    ({"text": "rent"}, ["rent"]),
    ({"text": "ÉCLAIR"}, ["milk"]),
    ({"text": "flat home"}, ["rent"]),
    ({"text": "éclair rent"}, []),
    ({"text": "100%"}, ["lamp"]),
    ({"text": "%"}, ["lamp"]),
    ({"text": "_"}, []),
    ({"text": "'"}, []),
    ({"text": ""}, ["rent", "milk", "lamp"]),
    ({"text": "%_" * 50_000}, []),
    ({"since": date.min, "until": date.max}, ["rent", "milk"]),
    ({"since": date.max}, []),
    ({"until": date.min}, []),
    ({"since": date(2026, 11, 22)}, ["milk"]),
    ({"until": date(2026, 11, 21)}, ["rent"]),
    ({"since": date(2026, 11, 21), "until": date(2026, 11, 22)}, ["rent", "milk"]),
    ({"tag": "home", "view": "today"}, ["rent"]),
    ({"tag": "home", "view": "week", "text": "nothing"}, []),
    ({"limit": 2}, ["rent", "milk"]),
    ({"limit": 2, "offset": 2}, ["lamp"]),
    ({"order": "newest"}, ["lamp", "milk", "rent"]),
    ({"order": "day"}, ["rent", "milk", "lamp"]),
]


@pytest.mark.slow
def test_every_condition_has_to_hold(todo_list: TodoList) -> None:
    todo_list.make("rent", due=day("2026-11-21"), tags=("Home", "money"), project="Flat")
    todo_list.now = todo_list.now.replace(minute=1)
    todo_list.make("milk", notes="and an Éclair", due=day("2026-11-22"), importance="high", tags=("home made",))
    todo_list.now = todo_list.now.replace(minute=2)
    todo_list.make("lamp", notes="100% of it", by=todo_list.call("m", "c"))

    for conditions, items in CONDITIONS:
        wanted = Filter(**conditions)
        assert todo_list.items(**conditions) == items, conditions
        if not {"limit", "offset"} & conditions.keys():
            assert todo_list.todos.count(todo_list.user_id, wanted) == len(items), conditions


@pytest.mark.slow
def test_days_come_before_their_times_and_in_their_order(todo_list: TodoList) -> None:
    for zone in (BERLIN, AUCKLAND, LOS_ANGELES):
        todo_list.live_in(zone)
        items = [
            todo_list.make(f"{zone} {text}", due=due, project=zone).item
            for text, due in (
                ("21", day("2026-11-21")),
                ("21 at 00:00", at("2026-11-21 00:00", zone)),
                ("21 at 23:59", at("2026-11-21 23:59", zone)),
                ("22", day("2026-11-22")),
                ("22 at 9", at("2026-11-22 09:00", zone)),
                ("never", None),
            )
        ]
        assert todo_list.items(order="day", project=zone) == items


@pytest.fixture
def family(todo_list: TodoList) -> TodoList:
    todo_list.make("move", subtasks=(Draft("boxes", due=day("2026-11-21"), tags=("shop",)), Draft("van")))
    todo_list.make("paint", due=day("2026-11-21"), subtasks=(Draft("brush", due=day("2026-11-21")),))
    return todo_list


@pytest.mark.slow
def test_subtasks_stand_in_their_todo_or_by_themselves(family: TodoList) -> None:
    assert family.items("open") == ["move", "paint"]
    assert family.items("today") == ["boxes", "paint"], "what is due of a todo that is not, and no other"
    assert family.items(tag="shop") == ["boxes"]
    (paint,) = [todo for todo in family.todos.listing(family.user_id, Filter(view="today")) if todo.item == "paint"]
    assert [part.item for part in paint.subtasks] == ["brush"]
    (boxes,) = family.todos.listing(family.user_id, Filter(tag="shop"))
    family.complete(boxes)
    assert family.items("done") == ["boxes"], "a subtask that is done of a todo that is not"
    move = family.todos.get(family.user_id, boxes.parent_id or "")
    assert [(part.item, part.status) for part in move.subtasks] == [("boxes", "done"), ("van", "open")]
    family.complete(move)
    assert family.items("done") == ["move"]


@pytest.mark.slow
def test_views_are_counted(family: TodoList) -> None:
    assert family.todos.counts(family.user_id) == {
        "all": 2,
        "open": 2,
        "done": 0,
        "today": 2,
        "week": 2,
        "overdue": 0,
        "someday": 1,
    }


@pytest.mark.slow
def test_tags_and_projects_are_those_of_open_todos(todo_list: TodoList) -> None:
    todo_list.make(tags=("Home", "shop"), project="Flat")
    todo_list.make(tags=("home",), project="flat")
    todo_list.make(tags=("apple",), project="Garden")
    done = todo_list.make(tags=("gone",), project="Gone")
    todo_list.complete(done)

    assert todo_list.todos.tags(todo_list.user_id) == [("Home", 2), ("apple", 1), ("shop", 1)]
    assert todo_list.todos.projects(todo_list.user_id) == [("Flat", 2), ("Garden", 1)]


@pytest.mark.slow
def test_nobody_sees_what_is_somebody_elses(todo_list: TodoList, foreign_list: TodoList) -> None:
    foreign_list.make("secret", tags=("hidden",), project="Hidden", due=day("2026-11-21"))

    for view in ("all", "open", "done", *VIEWS):
        assert todo_list.items(view) == []
    assert todo_list.items(tag="hidden") == todo_list.items(project="Hidden") == todo_list.items(text="secret") == []
    assert todo_list.todos.tags(todo_list.user_id) == todo_list.todos.projects(todo_list.user_id) == []
