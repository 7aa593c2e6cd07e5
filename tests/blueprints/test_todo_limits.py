"""The todo agent's limits under concurrency: the month's quota and the sliding window. REQUIREMENTS D14, D21, D29."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

import gevent
import pytest
from flask import Flask

from services.store import quotas
from services.store.database import Session
from services.store.points import month_of
from tests.blueprints.doers import ASK, JSON, SSE, Doer, names
from tests.blueprints.streams import Stream
from tests.model_scripts import Script
from tests.model_server import ModelServer
from tests.sse import frames

LIMIT = 200
ADMITTED = 10
FIELDS = {"message", "current_usage", "monthly_limit", "remaining_quota", "reset_date"}


@pytest.fixture(scope="module")
def roomy(make_shared: Callable[..., Flask]) -> Flask:
    """A site on which only the month's quota is in the way."""
    rates = {"TODOS_RATE_LIMIT": "100000/minute", "TODOS_MAX_STREAMS": "30", "USER_MAX_STREAMS": "30"}
    return make_shared(**rates, TODOS_MONTHLY_QUOTA=str(LIMIT))


@pytest.fixture(scope="module")
def strict(make_shared: Callable[..., Flask]) -> Flask:
    """A site with the usual rate."""
    return make_shared()


def use(doer: Doer, units: int) -> None:
    """Spend so many of this month's requests."""
    month = month_of(quotas.utc_now())

    def spend(session: Session) -> None:
        session.add(quotas.QuotaMonth(user_id=doer.user.id, month=month, used=units))

    doer.services.database.run(spend)


def at_once(sends: Iterable[Callable[[], Any]]) -> list[Any]:
    """What requests that are sent at the same moment are answered with, read to the end."""
    sending = [gevent.spawn(send) for send in sends]
    gevent.joinall(sending, timeout=20)
    return [greenlet.get() for greenlet in sending]


def first_of_next_month(today: date) -> date:
    return date(today.year + today.month // 12, today.month % 12 + 1, 1)


@pytest.mark.slow
@pytest.mark.req("D14", "D21", "R7", "A6-11")
def test_of_twenty_requests_at_once_with_five_left_exactly_five_run(roomy: Flask) -> None:
    doer = Doer(roomy)
    use(doer, LIMIT - 5)

    def ask(number: int) -> list[str]:
        with Stream(doer.post(f"Add item {number}", session_id=f"s{number}")) as stream:
            return names(stream.rest())

    told = at_once([lambda number=number: ask(number) for number in range(20)])

    ran = [events for events in told if events[0] == "session_initialized"]
    assert [events[-1] for events in ran] == ["history"] * 5
    assert sorted(events for events in told if events not in ran) == [["rate_limit_exceeded"]] * 15
    assert len(doer.todos()) == 5
    assert doer.used() == LIMIT
    assert doer.client.get("/api/streams").json["streams"] == []


@pytest.mark.slow
@pytest.mark.req("D14", "D21", "D1-26", "R7", "R25", "A6-12", "A6-14")
def test_the_201st_is_refused_as_200_of_200_with_the_day_of_new_ones(roomy: Flask) -> None:
    doer = Doer(roomy)
    use(doer, LIMIT - 1)

    assert names(doer.ask())[-1] == "history"
    before = quotas.utc_now().date()
    response = doer.post()
    with Stream(response) as stream:
        (frame,) = stream.rest()
    refused = doer.post(headers=JSON)
    after = quotas.utc_now().date()

    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/event-stream")
    assert (frame.name, frame.own_id) == ("rate_limit_exceeded", None)
    assert set(frame.json) == FIELDS
    assert (frame.json["current_usage"], frame.json["monthly_limit"], frame.json["remaining_quota"]) == (200, 200, 0)
    assert date.fromisoformat(frame.json["reset_date"]) in {first_of_next_month(before), first_of_next_month(after)}
    assert "200 of your 200" in frame.json["message"]
    assert refused.status_code == 429
    assert {name: refused.json[name] for name in FIELDS} == frame.json
    assert 0 < int(refused.headers["Retry-After"]) <= 31 * 24 * 3600
    # Refused ones are not counted, and leave nothing.
    assert doer.used() == LIMIT
    assert len(doer.client.get("/api/todos/sessions").json["sessions"]) == 1


@pytest.mark.req("D14", "R3")
def test_the_quota_is_told_in_the_framing_that_was_asked_for(roomy: Flask) -> None:
    doer = Doer(roomy)
    use(doer, LIMIT)

    (enveloped,) = frames([doer.post(query="?frame=envelope").data])
    (batched,) = frames([doer.post(query="?batch=1").data])

    assert enveloped.json["event"] == batched.json[0]["event"] == "rate_limit_exceeded"
    assert set(enveloped.json["data"]) == set(batched.json[0]["data"]) == FIELDS


@pytest.mark.slow
@pytest.mark.req("D21")
def test_what_is_left_is_never_below_zero_and_try_again_is_counted_too(make_shared: Callable[..., Flask]) -> None:
    doer = Doer(make_shared(TODOS_RATE_LIMIT="100000/minute", TODOS_MONTHLY_QUOTA="1"))
    use(doer, 3)

    (frame,) = frames([doer.post().data])

    assert (frame.json["current_usage"], frame.json["remaining_quota"]) == (3, 0)


@pytest.mark.slow
def test_trying_again_takes_one_of_the_month_and_is_refused_without_one(roomy: Flask) -> None:
    doer = Doer(roomy)
    use(doer, LIMIT - 2)
    stream_id = doer.ask("What is due today?")[0].json["stream_id"]
    doer.settle()

    again = doer.client.post(f"/api/streams/{stream_id}/retry", headers=JSON)
    with doer.follow(again.json["stream_id"]) as stream:
        stream.rest()
    doer.settle()
    refused = doer.client.post(f"/api/streams/{stream_id}/retry", headers=JSON)

    assert again.status_code == 201
    assert (refused.status_code, refused.json["remaining_quota"]) == (429, 0)


@pytest.mark.slow
@pytest.mark.req("D29", "R7", "A6-11")
def test_of_many_requests_at_once_exactly_ten_are_admitted_in_any_minute(strict: Flask) -> None:
    doer, other = Doer(strict), Doer(strict)
    redis, refused = doer.services.redis, 400

    def statuses(count: int) -> list[int]:
        send = lambda: doer.client.post(ASK, json={"messages": []}, headers=JSON).status_code  # noqa: E731
        return sorted(at_once([send] * count))

    # What is admitted is refused for what it says, so that nothing runs.
    assert statuses(25) == [refused] * ADMITTED + [429] * 15
    assert statuses(5) == [429] * 5
    (key,) = [key for key in redis.scan_iter("*") if f"stream_rate_limit:{doer.user.id}/".encode() in key]
    # A minute passes for the three oldest of them, and no more than three others are admitted.
    moments = [float(moment) for moment in redis.lrange(key, 0, -1)]
    assert len(moments) == ADMITTED
    for place in (-1, -2, -3):
        redis.lset(key, place, str(moments[place] - 61))
    assert statuses(20) == [refused] * 3 + [429] * 17
    # Somebody else's window is another one.
    assert other.client.post(ASK, json={"messages": []}, headers=JSON).status_code == refused


@pytest.mark.slow
@pytest.mark.req("D29", "R7", "D34")
def test_the_rate_is_refused_before_any_stream_and_says_when(strict: Flask) -> None:
    doer = Doer(strict)
    for _ in range(ADMITTED):
        doer.client.post(ASK, json={"messages": []}, headers=JSON)

    refused = doer.post(headers=SSE)

    assert (refused.status_code, refused.headers["Content-Type"]) == (429, "application/problem+json")
    assert (refused.json["code"], refused.json["limit"], refused.json["current"]) == ("RATE_LIMITED", 10, 10)
    assert 0 < int(refused.headers["Retry-After"]) <= 60


@pytest.mark.slow
@pytest.mark.req("D36", "R1")
def test_more_answers_at_once_than_allowed_are_refused_by_status_and_the_slots_come_back(
    modelled_doer: Doer, model: ModelServer
) -> None:
    model.play(Script(stall_after=1), Script(stall_after=1))
    first, second = modelled_doer.start(session_id="a"), modelled_doer.start(session_id="b")

    refused = modelled_doer.post(session_id="c")

    assert (refused.status_code, refused.json["code"]) == (429, "NO_SLOT_FREE")
    assert {run["stream_id"] for run in refused.json["running"]} == {first["stream_id"], second["stream_id"]}
    modelled_doer.stop_all()
    model.release()
    assert names(modelled_doer.ask(session_id="c"))[-1] == "history"
    # The refused one left no session.
    listed = modelled_doer.client.get("/api/todos/sessions").json["sessions"]
    assert [row["name"] for row in listed] == ["c", "b", "a"]


@pytest.mark.slow
@pytest.mark.req("D14", "R7")
def test_who_has_none_left_is_told_so_before_they_are_told_to_wait_for_a_slot(
    modelled_doer: Doer, model: ModelServer
) -> None:
    use(modelled_doer, LIMIT - 2)
    model.play(Script(stall_after=1), Script(stall_after=1))
    modelled_doer.start(session_id="a")
    modelled_doer.start(session_id="b")

    (frame,) = frames([modelled_doer.post(session_id="c").data])

    assert frame.name == "rate_limit_exceeded"
    # What runs is counted already.
    assert frame.json["current_usage"] == LIMIT
    modelled_doer.stop_all()
    model.release()
    assert modelled_doer.used() == LIMIT
