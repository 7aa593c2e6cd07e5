"""The todo agent on two workers: limits that hold for both, and sessions that belong to neither."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import pytest

from tests.e2e.clients import Account, Answer, at_once
from tests.e2e.sites import Site
from tests.sse import Frame, frames

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]

ASK: Final = "/api/todos/agent-create/stream"
SSE: Final = "text/event-stream"
QUOTA: Final = 5
ADMITTED: Final = 10
AT_ONCE: Final = 20


def said(text: str, session_id: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "session_id": session_id}


def on_both(account: Account, count: int, send: Callable[[int, Any], Answer]) -> list[Answer]:
    """Requests at the same moment, each on a connection of its own, to the workers in turn."""
    workers = sorted(account.site.workers())
    assert len(workers) == 2, "needs two workers"
    ways = [account.reach(workers[at % 2]) for at in range(count)]
    try:
        answers: list[Answer] = at_once(count, lambda at: send(at, ways[at]))
    finally:
        for way in ways:
            way.close()
    return answers


def told(answer: Answer) -> list[Frame]:
    assert answer.status == 200, answer
    return list(frames([answer.body]))


@pytest.mark.req("D14", "D29", "R7", "A6-3", "A6-11")
def test_quota_and_window_hold_over_both_workers(make_site: Callable[..., Site]) -> None:
    more = {"TODOS_RATE_LIMIT": "1000/minute", "TODOS_MAX_STREAMS": "30", "USER_MAX_STREAMS": "30"}
    account = Account(make_site(TODOS_MONTHLY_QUOTA=str(QUOTA), **more))

    answers = on_both(
        account,
        AT_ONCE,
        lambda at, way: account.call("POST", ASK, said(f"Add item {at}", f"s{at}"), connection=way, Accept=SSE),
    )

    last = Counter(told(answer)[-1].name for answer in answers)
    assert last == {"history": QUOTA, "rate_limit_exceeded": AT_ONCE - QUOTA}
    assert len(account.call("GET", "/api/todos").json["todos"]) == QUOTA
    refused = told(account.call("POST", ASK, said("Add more", "s"), Accept=SSE))[0].json
    assert (refused["current_usage"], refused["monthly_limit"], refused["remaining_quota"]) == (QUOTA, QUOTA, 0)


@pytest.mark.req("D29", "D24", "D17", "D28", "A6-3", "A6-11")
def test_ten_in_a_minute_on_both_workers_and_a_session_goes_on_on_the_other(make_site: Callable[..., Site]) -> None:
    site = make_site(TODOS_RATE_LIMIT=f"{ADMITTED}/minute")
    account = Account(site)
    one, other = sorted(site.workers())

    first = told(account.call("POST", ASK, said("Add Bread", "work"), pid=one, Accept=SSE))
    second = told(account.call("POST", ASK, said("Add Milk", "work"), pid=other, Accept=SSE))

    history = [message["content"] for message in second[-1].json]
    assert history[:3] == ["Add Bread", json.loads(first[-2].data)["final_message"], "Add Milk"]
    assert account.call("GET", "/api/todos/sessions/work/history", pid=one).json == second[-1].json
    # Two of ten are gone; what is refused for what it says is counted, too.
    answers = on_both(account, AT_ONCE, lambda _, way: account.call("POST", ASK, {"messages": []}, connection=way))
    assert Counter(answer.status for answer in answers) == {400: ADMITTED - 2, 429: AT_ONCE - ADMITTED + 2}
