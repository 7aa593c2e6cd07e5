"""Leases and the grace: a run lives while its worker does, and while somebody may still come."""

import time
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from services.streaming import keys
from services.streaming.leases import FIRST_VIEWER_S, Leases
from tests.clocks import LATE_S, PATIENCE_S
from tests.services.streaming.nodes import USER, Node, Script, check_log, until
from tests.services.streaming.proxy import Forgetful

Nodes = Callable[..., Node]


def outcome_of(node: Node, run: Any) -> str | None:
    state = node.log.state(*run.key)
    return state.outcome if state else None


def age(node: Node, run: Any, seconds: float) -> None:
    """Let a run have begun, and have been left, so much earlier."""
    key = keys.state(*run.key)
    for name in ("started", "unwatched"):
        kept = node.redis.hget(key, name)
        if kept is not None:
            node.redis.hset(key, name, int(kept) - int(1000 * seconds))
    if run.left_s is not None:
        run.left_s -= seconds


def test_renewing_moves_the_lease_and_all_slots(node: Node) -> None:
    run = node.run(Script())
    for key in (keys.slots(USER, "tutor"), keys.user_slots(USER)):
        node.redis.zadd(key, {run.spec.stream_id: 1})
    node.redis.zadd(keys.SITE_SLOTS, {run.spec.run_id: 1})
    node.redis.hset(keys.state(*run.key), "lease", 1)

    node.runs._leases.renew([run])

    now_ms = 1000 * int(node.redis.time()[0])
    assert node.log.state(*run.key).lease_ms > now_ms + 8000  # type: ignore[union-attr]
    for key, member in ((keys.slots(USER, "tutor"), run.spec.stream_id), (keys.SITE_SLOTS, run.spec.run_id)):
        assert node.redis.zscore(key, member) > now_ms + 8000


@pytest.mark.slow
def test_leases_are_renewed_by_themselves(node: Node) -> None:
    run = node.run(Script())
    node.redis.hset(keys.state(*run.key), "lease", 1)

    run.renewed_s -= 100

    until(lambda: node.log.state(*run.key).lease_ms > 1)  # type: ignore[union-attr]
    until(lambda: time.monotonic() - run.renewed_s < 5)


def test_a_run_that_is_no_longer_ours_is_given_up_at_its_next_renewal(node: Node, other: Node) -> None:
    script = Script().say("x")
    run = node.run(script)
    until(lambda: run.writer.committed == 3)
    node.redis.hincrby(keys.state(*run.key), "fence", 1)

    node.runs._leases.renew([run])

    assert script.closed.wait(PATIENCE_S)
    assert run.writer.lost


def test_a_renewal_that_fails_leaves_the_run_alone(make_node: Nodes, proxy: Forgetful) -> None:
    node = make_node(url=proxy.url)
    run = node.run(Script())
    renewed_s = run.renewed_s
    proxy.refuse()

    node.runs._leases.renew([run])
    assert run.renewed_s == renewed_s, "tried again at the next tick"
    assert not run.writer.lost
    proxy.accept()
    node.redis.set(keys.viewers(*run.key), "not a zset")
    node.runs._leases.renew([run])

    assert not run.writer.lost


@pytest.mark.req("R24")
@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_without_grace_the_last_viewer_who_leaves_ends_the_run_wherever_it_watched(
    make_node: Nodes, where: str
) -> None:
    node, other = make_node(grace_s=0), make_node(grace_s=0)
    script = Script().say("x")
    run = node.run(script)
    first, last = node.watch(run.spec), other.watch(run.spec)
    if where == "here":
        first, last = last, first
    first.wait_for_text("x")
    last.wait_for_text("x")
    until(lambda: node.redis.zcard(keys.viewers(*run.key)) == 1)

    first.leave()
    until(lambda: (other if where == "here" else node).hub.viewers == 0)
    node.runs._leases.renew([run])
    assert not script.closed.wait(0.2), "somebody watches still"
    last.leave()

    assert script.closed.wait(PATIENCE_S)
    until(lambda: outcome_of(node, run) == "stopped")
    check_log(node.entries(run.spec))


@pytest.mark.req("R24")
def test_within_the_grace_a_run_goes_on_and_a_reader_who_comes_back_saves_it(make_node: Nodes) -> None:
    node = make_node(grace_s=100)
    script = Script().say("x")
    run = node.run(script)
    reader = node.watch(run.spec)
    reader.wait_for_text("x")
    reader.leave()
    until(lambda: node.redis.hexists(keys.state(*run.key), "unwatched"))

    age(node, run, 99)
    node.runs._leases.renew([run])
    back = node.watch(run.spec)
    node.runs._leases.renew([run])
    assert not node.redis.hexists(keys.state(*run.key), "unwatched")
    back.leave()
    until(lambda: node.redis.hexists(keys.state(*run.key), "unwatched"))
    assert not script.closed.wait(0.1)
    age(node, run, 101)
    node.runs._leases.renew([run])

    assert script.closed.wait(PATIENCE_S)
    until(lambda: outcome_of(node, run) == "stopped")


def test_a_short_grace_ends_when_it_ends_and_not_at_some_renewal(make_node: Nodes) -> None:
    node = make_node(grace_s=0.3)
    script = Script().say("x")
    run = node.run(script)
    reader = node.watch(run.spec)
    reader.wait_for_text("x")
    began = time.monotonic()

    reader.leave()

    assert script.closed.wait(PATIENCE_S)
    assert 0.25 < time.monotonic() - began < 0.3 + LATE_S


@pytest.mark.req("R24")
def test_a_run_that_nobody_has_watched_yet_is_given_time_to_be_found(make_node: Nodes) -> None:
    node = make_node(grace_s=0)
    script = Script().say("x")
    run = node.run(script)
    node.runs._leases.renew([run])
    age(node, run, FIRST_VIEWER_S - 1)
    node.runs._leases.renew([run])
    assert not script.closed.wait(0.1)

    age(node, run, 2)
    node.runs._leases.renew([run])

    assert script.closed.wait(PATIENCE_S)
    until(lambda: outcome_of(node, run) == "stopped")


def test_a_dead_workers_viewers_do_not_keep_a_run(make_node: Nodes) -> None:
    node = make_node(grace_s=0)
    script = Script()
    run = node.run(script)
    assert script.asked.wait(PATIENCE_S)
    node.redis.hset(keys.state(*run.key), "watched", 1)
    node.redis.zadd(keys.viewers(*run.key), {"dead": 1})

    node.runs._leases.renew([run])

    assert script.closed.wait(PATIENCE_S)


def test_a_run_that_ended_while_it_was_renewed_takes_no_slot_again(node: Node) -> None:
    run = node.run(Script().say("x").end())
    until(lambda: node.runs.active == 0 and node.redis.zcard(keys.SITE_SLOTS) == 0)

    node.runs._leases.renew([run])
    node.runs._leases._look_again(run)

    assert node.redis.zcard(keys.SITE_SLOTS) == node.redis.zcard(keys.user_slots(USER)) == 0


class Faulty:
    """A run whose lease cannot even be asked for."""

    renewed_s = -100.0
    left_s = None
    asked = 0

    @property
    def spec(self) -> Any:
        self.asked += 1
        raise ValueError("a fault of ours")


@pytest.mark.slow
def test_renewing_goes_on_after_a_failure_that_nobody_foresaw(node: Node) -> None:
    run: Any = Faulty()
    leases = Leases(node.redis, node.site, node.hub, runs=lambda: [run], grace_s=300, on_unwatched=lambda _spec: None)

    renewing = gevent.spawn(leases.renew_for_ever)

    until(lambda: run.asked >= 2)
    assert not renewing.dead
    renewing.kill()


def test_a_run_that_ends_while_its_lease_is_renewed_holds_no_slot_of_the_site(node: Node) -> None:
    run = node.run(Script().say("x"))
    current = [[run], []]
    leases = Leases(
        node.redis, node.site, node.hub, runs=lambda: current.pop(0), grace_s=300, on_unwatched=lambda _spec: None
    )
    assert node.redis.zscore(keys.SITE_SLOTS, run.spec.run_id), "needs a slot that could be left behind"

    leases.renew([run])

    assert node.redis.zscore(keys.SITE_SLOTS, run.spec.run_id) is None
