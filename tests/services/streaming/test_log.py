"""The log and its scripts: what is kept, for how long, and what is said when Redis is away."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from services import errors
from services.streaming import census, connections, keys
from services.streaming.events import Entry, Event, RunId, StreamId, UserId
from services.streaming.payload import decode, encode, plain
from tests.services.streaming.nodes import USER, Node, Script, make_spec, told, until
from tests.services.streaming.proxy import Forgetful

Nodes = Callable[..., Node]


def ttl_s(node: Node, run: Any) -> tuple[float, float]:
    return node.redis.pttl(keys.log(*run.key)) / 1000, node.redis.pttl(keys.state(*run.key)) / 1000


@pytest.mark.req("T19", "R8", "R9")
def test_a_log_lives_as_long_as_its_run_and_then_its_time(node: Node) -> None:
    script = Script().say("x")
    run = node.run(script, deadline_ms=300_000, ttl_ms=3_600_000, idle_ms=60_000)
    for seconds in ttl_s(node, run):
        assert 300 + 3600 + 60 < seconds <= 300 + 3600 + 60 + 60
    script.end()
    until(lambda: node.runs.active == 0)

    for seconds in ttl_s(node, run):
        assert 3600 + 50 < seconds <= 3600 + 60
    node.runs.stop(*run.key)

    for seconds in ttl_s(node, run):
        assert 3590 < seconds <= 3600


def test_every_key_has_an_end(node: Node, other: Node) -> None:
    running = node.run(Script().say("x"), idempotency_key="k", record="{}", fingerprint="f")
    ended = node.run(told("x"), idle_ms=60_000)
    for run in (running, ended):
        other.watch(run.spec).wait_for("delta")
    until(lambda: node.runs.active == 1)
    until(lambda: node.redis.exists(keys.viewers(*running.key)))
    node.runs._leases.renew([running])

    names = list(node.redis.scan_iter("rill:*"))

    assert len(names) >= 8
    assert [name for name in names if node.redis.pttl(name) < 0] == []


@pytest.mark.req("T20", "T43")
def test_a_stream_is_its_owners(node: Node) -> None:
    run = node.run(Script().say("x"))

    assert node.log.state(USER, run.spec.stream_id) is not None
    assert node.log.state(UserId(8), run.spec.stream_id) is None
    assert node.log.read(UserId(8), run.spec.stream_id) == []
    assert node.log.running(USER) == [run.spec.stream_id]
    assert node.log.running(UserId(8)) == []


def test_a_repeated_or_older_entry_is_refused(node: Node) -> None:
    run = node.run(told("x"))
    until(lambda: node.runs.active == 0)
    last = node.entries(run.spec)[-1]

    for entry_id in ("1-1", "1-99", f"{last.fence}-{last.seq}"):
        with pytest.raises(connections.ResponseError):
            node.redis.xadd(keys.log(*run.key), {"e": "x"}, id=entry_id)


def test_reading_begins_where_it_is_asked_to(node: Node) -> None:
    run = node.run(told("a"))
    until(lambda: node.runs.active == 0)
    entries = node.entries(run.spec)

    assert node.log.read(*run.key, after=3) == entries[3:]
    assert node.log.read(*run.key, first="(1-2") == entries[2:]


@pytest.mark.parametrize(
    "data",
    [
        {"text": "é\ud800\udc00x"},
        {"n": 2**64, "m": -(2**63) - 1, "big": 2**64 - 1},
        {"when": datetime(2026, 1, 2), 5: ("a", {"b"})},
        {"bytes": b"x", "none": None, "float": 1.5},
    ],
)
def test_a_plain_event_is_what_comes_back_from_the_log(data: Any) -> None:
    event = plain(Event("x", data))

    assert decode(b"3-7", encode(event)) == Entry(3, 7, event)


def test_what_json_cannot_hold_at_all_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(400):
        deep = [deep]

    with pytest.raises((TypeError, RecursionError)):
        plain(Event("x", {"deep": deep}))


@pytest.mark.req("T41")
def test_without_redis_everything_says_so(make_node: Nodes, proxy: Forgetful) -> None:
    node = make_node(url=proxy.url, started=False)
    proxy.refuse()
    log, stream, run = node.log, StreamId("s"), RunId("r")
    calls: list[Callable[[], Any]] = [
        lambda: log.start(make_spec()),
        lambda: log.abandon(make_spec()),
        lambda: log.seal(USER, stream, outcome="stopped"),
        lambda: log.seal_orphan(USER, stream),
        lambda: log.close_idle(USER, stream),
        lambda: log.confirm(USER, stream, run),
        lambda: log.state(USER, stream),
        lambda: log.read(USER, stream),
        lambda: log.held(USER, "tutor"),
        lambda: log.running(USER),
        lambda: log.recorded(USER, "k"),
        lambda: log.forget(USER, [stream]),
        lambda: list(census.streams(node.redis)),
    ]

    for call in calls:
        with pytest.raises(errors.Unavailable):
            call()


def test_what_is_kept_of_streams_can_be_deleted(node: Node) -> None:
    run = node.run(told("x"))
    until(lambda: node.runs.active == 0)

    node.log.forget(USER, [])
    node.log.forget(USER, [run.spec.stream_id])

    assert node.entries(run.spec) == []
    assert node.log.state(*run.key) is None


def test_an_abandoned_start_that_another_has_replaced_is_left(node: Node) -> None:
    run = node.start()

    node.log.abandon(make_spec(stream_id=run.spec.stream_id))

    assert node.log.state(*run.key) is not None


def test_all_streams_of_the_site_are_found(node: Node) -> None:
    runs = [node.start(user_id=user) for user in (7, 8)]
    node.redis.set("rill:{u9}:state:NOT-ONE", "x")

    assert set(census.streams(node.redis)) == {run.key for run in runs}


def test_a_stop_is_confirmed_for_the_run_that_it_was_about_only(node: Node) -> None:
    run = node.start()

    node.log.confirm(*run.key, RunId("r0"))
    assert not node.log.state(*run.key).confirmed  # type: ignore[union-attr]
    node.log.confirm(*run.key, run.spec.run_id)
    assert node.log.state(*run.key).confirmed  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("url", "known"),
    [
        ("valkey://h:1/0", "redis://h:1/0"),
        ("valkeys://h", "rediss://h"),
        ("unix:///s", "unix:///s"),
    ],
)
def test_valkeys_own_addresses_are_known(url: str, known: str) -> None:
    assert connections.normal_url(url) == known
