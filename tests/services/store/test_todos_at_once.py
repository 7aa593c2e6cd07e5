"""Many processes at one list and one quota."""

from collections.abc import Callable

import pytest

from services.store import quotas, users
from services.store.base import utc_now
from services.store.database import Database
from tests.services.store.lists import TodoList, day
from tests.services.store.payers import Payer


@pytest.mark.slow
@pytest.mark.req("D14")
def test_of_twenty_at_once_exactly_the_five_that_are_left_are_counted(
    database: Database, user: users.User, payers: Callable[..., list[Payer]]
) -> None:
    now = utc_now()
    for number in range(5):
        database.run(quotas.reserve, user.id, f"before {number}", 10, now)
    crowd = payers(4, "quota", 5, 10)

    for payer in crowd:
        payer.begin()
    counted = [used for payer in crowd for used in payer.result()]

    assert len(counted) == 20
    assert sorted(used for used in counted if used is not None) == [6, 7, 8, 9, 10]
    assert database.run(quotas.usage, user.id, 10, now).left == 0


@pytest.mark.slow
def test_completing_in_several_processes_makes_one_following_todo(
    todo_list: TodoList, payers: Callable[..., list[Payer]]
) -> None:
    made = todo_list.make(due=day("2026-11-21"), rule="FREQ=DAILY", tags=("t",))
    crowd = payers(3, "complete", made.id, 4)

    for payer in crowd:
        payer.begin()
    changes = [change_id for payer in crowd for change_id in payer.result()]

    assert len(changes) == 12
    assert len([change_id for change_id in changes if change_id]) == 1
    assert (todo_list.items("open"), todo_list.items("done")) == (["Buy milk"], ["Buy milk"])
    assert todo_list.revision == 2
