"""Starts: all that a run needs, or nothing."""

from collections.abc import Callable
from typing import Any

import gevent
import pytest

from services import errors
from services.streaming import keys
from services.streaming.log import LEASE_MS
from services.streaming.producing import Run
from services.streaming.starting import Repeated, StreamClosed
from tests.clocks import within
from tests.services.streaming.nodes import USER, Node, Script, make_spec, told, until
from tests.services.streaming.proxy import Forgetful

Nodes = Callable[..., Node]


def start_many(workers: list[Node], count: int, **spec: Any) -> tuple[list[Run], list[errors.AppError]]:
    started: list[Run] = []
    refused: list[errors.AppError] = []

    def start(number: int) -> None:
        try:
            started.append(workers[number % len(workers)].start(**spec))
        except errors.AppError as problem:
            refused.append(problem)

    gevent.joinall([gevent.spawn(start, number) for number in range(count)], raise_error=True)
    return started, refused


@pytest.mark.req("T18", "T41", "R1", "A6-3")
@pytest.mark.parametrize(
    ("limits", "where"),
    [
        ({"assistant_limit": 2}, "assistant"),
        ({"assistant_limit": 2, "user_limit": 2}, "assistant"),
        ({"user_limit": 2}, "user"),
    ],
)
def test_twenty_starts_at_once_on_two_workers_give_exactly_the_limit(
    node: Node, other: Node, limits: Any, where: str
) -> None:
    started, refused = start_many([node, other], 20, **limits)

    assert (len(started), len(refused)) == (2, 18)
    for problem in refused:
        assert isinstance(problem, errors.NoSlotFree)
        assert problem.extra["limit"] == problem.extra["current"] == 2
        assert set(problem.extra["running"]) <= {run.spec.stream_id for run in started}
        assert problem.retry_after_s
    assert node.redis.zcard(keys.SITE_SLOTS) == 2, "refusals give the site's slot back"


def test_the_limit_over_all_assistants_counts_them_together(node: Node) -> None:
    for name in ("tutor", "stories"):
        node.start(assistant=name, assistant_limit=1, user_limit=2)

    with pytest.raises(errors.NoSlotFree, match="over all assistants"):
        node.start(assistant="todos", assistant_limit=1, user_limit=2)
    node.start(assistant="todos", assistant_limit=1, user_limit=2, user_id=8)


def test_a_full_site_refuses_but_tells_a_user_of_their_own_limit_first(make_node: Nodes) -> None:
    node = make_node(limit=2)
    run = node.run(Script())
    node.run(Script())

    with pytest.raises(errors.NoSlotFree):
        node.start(assistant_limit=2)
    with pytest.raises(errors.NoSlotFree, match="over all"):
        node.start(user_limit=2)
    with pytest.raises(errors.SiteFull):
        node.start(user_id=8)
    node.runs.stop(*run.key)
    until(lambda: node.redis.zcard(keys.SITE_SLOTS) == 1)
    node.start(user_id=8)


def test_a_refused_follow_up_does_not_free_the_slot_of_what_runs(make_node: Nodes) -> None:
    node = make_node(limit=1)
    run = node.run(Script())

    with pytest.raises(errors.SiteFull):
        node.start(stream_id=run.spec.stream_id, follow=True)
    roomy = make_node(limit=2)
    with pytest.raises(errors.StreamBusy):
        roomy.start(stream_id=run.spec.stream_id, follow=True)

    assert node.redis.zrange(keys.SITE_SLOTS, 0, -1) == [run.spec.run_id.encode()]
    with pytest.raises(errors.SiteFull):
        node.start()


def test_idle_streams_hold_no_slot(node: Node) -> None:
    for _ in range(3):
        node.run(told("x"), assistant_limit=1, idle_ms=60_000)
        until(lambda: node.runs.active == 0)

    until(lambda: node.redis.zcard(keys.SITE_SLOTS) == 0)
    assert node.log.running(USER) == []


def test_a_killed_workers_slots_fall_free_with_their_leases(node: Node) -> None:
    run = node.start(assistant_limit=1)
    for key in (keys.slots(USER, "tutor"), keys.user_slots(USER)):
        assert node.redis.zadd(key, {run.spec.stream_id: 1}) == 0

    assert isinstance(node.runs.start(make_spec(assistant_limit=1)), Run)


@pytest.mark.parametrize("settle", ["running", "ended"])
def test_a_repeated_start_gets_the_first_answer(node: Node, other: Node, settle: str) -> None:
    same = {"idempotency_key": "k", "record": '{"stream": 1}', "fingerprint": "f"}
    run = node.run(Script() if settle == "running" else told("x"), **same)
    if settle == "ended":
        until(lambda: node.runs.active == 0)
        until(lambda: node.redis.zcard(keys.SITE_SLOTS) == 0)
    held = node.redis.zcard(keys.SITE_SLOTS)

    again = other.runs.start(make_spec(**same))

    assert again == Repeated('{"stream": 1}')
    assert node.redis.zcard(keys.SITE_SLOTS) == held
    with pytest.raises(errors.IdempotencyMismatch):
        other.runs.start(make_spec(**{**same, "fingerprint": "g"}))
    assert node.redis.zcard(keys.SITE_SLOTS) == held
    assert isinstance(node.runs.start(make_spec(**same, user_id=8)), Run), "another user's key is another key"
    assert node.entries(run.spec), "the first run is untouched"


def test_a_start_whose_worker_dies_before_its_turn_is_stored_lets_its_key_go_with_the_lease(node: Node) -> None:
    same = {"idempotency_key": "k", "record": "{}", "fingerprint": "f"}
    node.start(**same)
    record = keys.idempotency(USER, "k")

    assert 0 < node.redis.pttl(record) <= LEASE_MS, "nothing is stored that the record could lead to"
    assert node.runs.start(make_spec(**same)) == Repeated("{}"), "it may be stored at this moment"

    node.redis.pexpire(record, 1)
    until(lambda: not node.redis.exists(record))
    assert isinstance(node.runs.start(make_spec(**same)), Run)


def test_a_key_counts_for_a_day_once_the_turn_is_stored_however_long_that_took(node: Node) -> None:
    same = {"idempotency_key": "k", "record": "{}", "fingerprint": "f"}
    run = node.start(**same)
    record = keys.idempotency(USER, "k")
    node.redis.delete(record)

    node.runs.begin(run, told("x"))

    assert node.redis.pttl(record) > 23 * 3_600_000
    assert node.runs.start(make_spec(**same)) == Repeated("{}")


def test_a_follow_up_that_could_not_be_stored_lets_its_key_go_too(node: Node) -> None:
    first = node.run(told("one"), idle_ms=60_000)
    until(lambda: node.runs.active == 0)
    run = node.start(
        stream_id=first.spec.stream_id, follow=True, idempotency_key="k", record="{}", fingerprint="f", idle_ms=60_000
    )

    node.runs.abandon(run)
    until(lambda: node.runs.active == 0)

    assert 0 < node.redis.pttl(keys.idempotency(USER, "k")) <= LEASE_MS


@pytest.mark.slow
def test_an_answer_begins_though_its_record_cannot_be_kept(make_node: Nodes, proxy: Forgetful) -> None:
    node = make_node(url=proxy.url)
    run = node.start(idempotency_key="k", record="{}", fingerprint="f")
    proxy.refuse()

    node.runs.begin(run, told("x"))

    assert run.greenlet is not None
    proxy.accept()
    until(lambda: node.runs.active == 0)


def test_a_repeated_start_is_answered_even_when_the_site_is_full(make_node: Nodes) -> None:
    node = make_node(limit=1)
    same = {"idempotency_key": "k", "record": "{}", "fingerprint": "f"}
    node.run(Script(), **same)

    assert node.runs.start(make_spec(**same)) == Repeated("{}")
    with pytest.raises(errors.IdempotencyMismatch):
        node.runs.start(make_spec(**{**same, "fingerprint": "g"}))
    with pytest.raises(errors.SiteFull):
        node.runs.start(make_spec(**{**same, "idempotency_key": "l"}))


@pytest.mark.slow
def test_many_repeats_at_once_start_one_run(node: Node, other: Node) -> None:
    same = {"idempotency_key": "k", "record": "{}", "fingerprint": "f"}
    answers: list[Any] = []

    def ask(number: int) -> None:
        answers.append((node, other)[number % 2].runs.start(make_spec(**same)))

    gevent.joinall([gevent.spawn(ask, number) for number in range(20)], raise_error=True)

    assert sum(isinstance(answer, Run) for answer in answers) == 1
    assert answers.count(Repeated("{}")) == 19


@pytest.mark.req("R16")
def test_a_follow_up_needs_a_stream_that_is_idle(node: Node) -> None:
    running = node.run(Script(), idle_ms=60_000)
    with pytest.raises(errors.StreamBusy):
        node.start(stream_id=running.spec.stream_id, follow=True)
    node.runs.stop(*running.key)
    assert isinstance(node.runs.start(make_spec(stream_id=running.spec.stream_id, follow=True)), StreamClosed)
    assert isinstance(node.runs.start(make_spec(follow=True)), StreamClosed), "gone, or never there"


def test_a_stream_past_its_idle_time_takes_no_follow_up_even_before_it_is_closed(node: Node) -> None:
    run = node.run(told("x"), idle_ms=60_000)
    until(lambda: node.runs.active == 0)
    node.redis.hset(keys.state(*run.key), "idle_until", 1)

    assert isinstance(node.runs.start(make_spec(stream_id=run.spec.stream_id, follow=True)), StreamClosed)


def test_without_redis_nothing_starts_and_that_is_told_within_two_seconds(make_node: Nodes, proxy: Forgetful) -> None:
    node = make_node(url=proxy.url)
    node.redis.ping()
    proxy.freeze()

    with within(2), pytest.raises(errors.Unavailable):
        node.runs.start(make_spec())

    assert node.runs.active == 0
    proxy.thaw()


def test_a_start_whose_answer_was_lost_is_taken_back(make_node: Nodes, redis: Any, proxy: Forgetful) -> None:
    node = make_node(url=proxy.url)
    node.run(told("warm"))
    until(lambda: node.runs.active == 0)
    spec = make_spec(idempotency_key="k", record="{}", fingerprint="f")
    proxy.lose_reply_to(spec.first.data["request_id"].encode())

    with pytest.raises(errors.Unavailable):
        node.runs.start(spec)

    assert proxy.lost.is_set(), "needs a start that Redis has taken"
    until(lambda: not redis.exists(keys.state(spec.user_id, spec.stream_id)))
    assert redis.zcard(keys.user_slots(USER)) == 0
    assert isinstance(node.runs.start(make_spec(idempotency_key="k", record="{}", fingerprint="f")), Run)


def test_a_worker_that_is_going_starts_nothing(node: Node) -> None:
    node.runs.draining = True

    with pytest.raises(errors.Unavailable) as told_so:
        node.runs.start(make_spec())

    assert told_so.value.retry_after_s == 1
