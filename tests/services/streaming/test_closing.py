"""Stops and orphans: one end whoever writes it, and the text that came is kept."""

import random
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import gevent
import pytest
from gevent.event import Event as Signal

from services import errors
from services.streaming import keys
from services.streaming.answers import Settled, of_run
from services.streaming.events import CLOSE, END, SEAL, Entry, Event, delta
from services.streaming.producing import MAX_ANSWER_BYTES
from services.streaming.state import Sealed, Started
from services.streaming.writer import Writer
from tests.clocks import PATIENCE_S, within
from tests.services.streaming.nodes import USER, Node, Script, check_log, lapse, make_spec, told, until
from tests.services.streaming.proxy import Forgetful

Nodes = Callable[..., Node]


def ends(node: Node, spec: Any) -> list[Any]:
    return [entry.event.data for entry in node.entries(spec) if entry.event.name == END]


@pytest.mark.slow
@pytest.mark.req("T20", "A6-2", "A6-3")
def test_a_stop_from_the_other_worker_closes_the_call_to_the_model_within_a_second(node: Node, other: Node) -> None:
    script = Script().say("partial")
    run = node.run(script)
    reader = node.watch(run.spec)
    reader.wait_for_text("partial")

    with within(1):
        stopped = other.runs.stop(*run.key)

    assert stopped is not None
    assert (stopped.outcome, stopped.confirmed) == ("stopped", True)
    assert script.closed.is_set()
    assert reader.wait_for(END).json["finish_reason"] == "cancelled"
    assert reader.wait_for(CLOSE).json == {"reason": "stopped"}
    assert reader.ended.wait(PATIENCE_S)
    assert ends(node, run.spec)[0]["content_sha256"] == sha256(b"partial").hexdigest()
    until(lambda: node.runs.active == 0)
    assert [each.text for each in other.settled] == ["partial"]
    check_log(node.entries(run.spec))


@pytest.mark.slow
def test_ten_stops_at_once_and_more_after_it_write_one_end(node: Node, other: Node) -> None:
    run = node.run(Script().say("x"))
    until(lambda: run.writer.committed >= 3)
    answers: list[Any] = []

    def stop(number: int) -> None:
        answers.append((node, other)[number % 2].runs.stop(*run.key))

    gevent.joinall([gevent.spawn(stop, number) for number in range(10)], raise_error=True)
    stop(0)
    stop(1)

    assert {(answer.outcome, answer.confirmed) for answer in answers} == {("stopped", True)}
    check_log(node.entries(run.spec))
    until(lambda: len(node.settled) + len(other.settled) == 1)
    until(lambda: node.redis.zcard(keys.SITE_SLOTS) == node.redis.zcard(keys.user_slots(USER)) == 0)


def test_a_stop_of_nobodys_stream_is_told_apart(node: Node) -> None:
    run = node.run(Script())

    assert node.runs.stop(run.spec.user_id, make_spec().stream_id) is None
    assert node.runs.stop(8, run.spec.stream_id) is None  # type: ignore[arg-type]
    assert ends(node, run.spec) == []


@pytest.mark.slow
def test_stops_and_natural_ends_at_the_same_moment_leave_one_end(node: Node, other: Node) -> None:
    dice = random.Random(20)
    seen = set()
    for _ in range(200):
        turns = dice.randrange(12)

        def quick(turns: int = turns) -> Iterator[Event]:
            try:
                yield delta("a")
                for _ in range(turns):
                    gevent.sleep(0)
                yield delta("b")
            finally:
                gevent.sleep(0)  # as a response takes to close

        run = node.run(quick)
        for _ in range(dice.randrange(12)):
            gevent.sleep(0)
        stopped = dice.choice((node, other)).runs.stop(*run.key)
        assert stopped is not None
        until(lambda: node.runs.active == 0)
        entries = node.entries(run.spec)
        check_log(entries)
        end = next(entry.event.data for entry in entries if entry.event.name == END)
        assert end["outcome"] == stopped.outcome
        seen.add(stopped.outcome)
    until(lambda: len(node.settled) + len(other.settled) == 200)
    assert len({each.run_id for each in [*node.settled, *other.settled]}) == 200
    assert seen == {"stopped", "completed"}, "needs both ways to win"
    until(lambda: node.redis.zcard(keys.SITE_SLOTS) == node.redis.zcard(keys.user_slots(USER)) == 0)


@pytest.mark.parametrize("ends_by", ["deadline", "itself", "us"])
def test_a_stop_while_the_model_is_being_closed_does_not_lose_the_run(node: Node, ends_by: str) -> None:
    closing, go_on, closed = Signal(), Signal(), Signal()

    def slow_to_close() -> Iterator[Event]:
        try:
            yield delta("x")
            if ends_by == "deadline":
                Signal().wait()
            elif ends_by == "us":
                yield delta("y" * MAX_ANSWER_BYTES)
        finally:
            closing.set()
            go_on.wait(5)
            closed.set()

    run = node.run(slow_to_close, deadline_ms=50 if ends_by == "deadline" else 60_000)
    assert closing.wait(PATIENCE_S)
    stopping = gevent.spawn(node.runs.stop, *run.key)
    until(lambda: run.writer.lost)
    go_on.set()

    stopped = stopping.get(timeout=PATIENCE_S)

    assert (stopped.outcome, stopped.confirmed) == ("stopped", True)
    assert closed.is_set() or ends_by != "us", "what we close is closed to the end"
    until(lambda: node.runs.active == 0)
    check_log(node.entries(run.spec))


def test_a_stop_before_a_run_has_begun_ends_it(node: Node) -> None:
    run = node.start()
    stopping = gevent.spawn(node.runs.stop, *run.key)
    until(lambda: run.writer.lost)
    script = Script()

    node.runs.begin(run, script)

    assert stopping.get(timeout=PATIENCE_S).confirmed
    assert not script.asked.is_set()
    check_log(node.entries(run.spec))


def test_a_stop_that_names_another_run_leaves_this_one_alone(node: Node) -> None:
    run = node.run(Script())

    assert node.runs.stop(*run.key, run_id="r0").outcome == ""  # type: ignore[arg-type, union-attr]
    assert run.key in [each.key for each in node.runs._runs.values()]


def test_the_older_writers_entries_are_refused_after_a_seal_and_its_wake_ups_ignored(node: Node, other: Node) -> None:
    run = node.start()
    reader = other.watch(run.spec)
    other.hub.flusher.put(run.writer, delta("mine"))
    reader.wait_for_text("mine")
    sealed = other.log.seal(*run.key, outcome="stopped")
    assert isinstance(sealed, Sealed)
    lost: list[bool] = []
    older = Writer(*run.key, Started(run.writer.fence, run.writer.seq), on_lost=lambda: lost.append(True))

    node.redis.publish(older.channel, b'1-3 ["delta",{"text":"never accepted"}]')
    node.redis.publish(older.channel, b'1-4 ["delta",{"text":"never accepted"}]')
    other.hub.flusher.put(older, delta("too late"))

    until(lambda: lost)
    other.runs._closer._close(*run.key, sealed)
    reader.wait_for(CLOSE)
    assert reader.text == "mine"
    check_log(node.entries(run.spec))


@pytest.mark.req("R24", "T20")
def test_an_orphan_is_closed_by_whoever_follows_it(node: Node, other: Node) -> None:
    run = node.run(Script().say("partial"))
    reader = other.watch(run.spec)
    reader.wait_for_text("partial")
    lapse(node.redis, run.spec)

    other.hub.remote.tell_watched([other.hub._follows[run.key]])

    end = reader.wait_for(END).json
    assert (end["outcome"], end["finish_reason"], end["error"]["code"]) == (
        "interrupted",
        "interrupted",
        "INTERRUPTED",
    )
    assert reader.wait_for("error").json["retryable"]
    until(lambda: [(each.text, each.outcome) for each in other.settled] == [("partial", "interrupted")])
    check_log(node.entries(run.spec))
    until(lambda: node.redis.zcard(keys.user_slots(USER)) == 0)


def test_an_orphan_found_by_two_workers_at_once_gets_one_end(node: Node, other: Node, make_node: Nodes) -> None:
    dead = make_node(started=False)
    for _ in range(20):
        run = dead.start()
        lapse(node.redis, run.spec)
        finders = [gevent.spawn(each.runs._closer.orphan_found, *run.key) for each in (node, other, node, other)]
        gevent.joinall(finders, raise_error=True)
        check_log(node.entries(run.spec))
    assert len(node.settled) + len(other.settled) == 20


def test_a_run_that_lives_is_no_orphan(node: Node, other: Node) -> None:
    run = node.run(Script())

    other.runs.close_orphan(*run.key)

    assert ends(node, run.spec) == []
    assert other.runs.close_orphan(USER, make_spec().stream_id) is None


def test_a_sealer_that_died_before_the_end_is_followed_by_the_next(node: Node) -> None:
    run = node.start()
    for outcome, text in (("stopped", ""), ("interrupted", "")):
        run = node.start()
        assert isinstance(node.log.seal(*run.key, outcome=outcome), Sealed), text
        lapse(node.redis, run.spec)

        node.runs.close_orphan(*run.key)

        entries = node.entries(run.spec)
        check_log(entries)
        assert [entry.event.name for entry in entries].count(SEAL) == 1
        assert ends(node, run.spec)[0]["outcome"] == outcome


def test_what_became_of_a_run_is_told_from_its_log(node: Node, make_node: Nodes) -> None:
    dead = make_node(started=False)
    spec = make_spec()
    ended, living, died = node.run(told("ended")), node.run(Script()), dead.start()
    until(lambda: node.runs.active == 1)
    lapse(node.redis, died.spec)

    def recovered(spec: Any) -> Settled | None:
        return node.runs.recover(spec.user_id, spec.stream_id, spec.run_id, spec.message_id)

    assert recovered(living.spec) is None
    found = recovered(ended.spec)
    assert found is not None
    assert (found.text, found.outcome, found.last) == ("ended", "completed", 4)
    assert found == node.settled[0]
    found = recovered(died.spec)
    assert found is not None
    assert (found.text, found.outcome, found.error_code) == ("", "interrupted", "INTERRUPTED")
    found = recovered(spec)
    assert found is not None
    assert (found.outcome, found.last) == ("interrupted", 0)


def test_an_earlier_run_of_a_stream_is_recovered_while_another_goes_on(node: Node) -> None:
    first = node.run(told("one"), idle_ms=60_000)
    until(lambda: node.runs.active == 0)
    node.run(Script().say("two"), stream_id=first.spec.stream_id, follow=True)

    found = node.runs.recover(USER, first.spec.stream_id, first.spec.run_id, first.spec.message_id)

    assert found is not None
    assert (found.text, found.outcome) == ("one", "completed")


@pytest.mark.req("R16")
def test_an_idle_stream_is_closed_once_by_whoever_meets_it_first(node: Node, other: Node) -> None:
    run = node.run(told("x"), idle_ms=60_000)
    readers = [node.watch(run.spec), other.watch(run.spec)]
    for reader in readers:
        reader.wait_for(END)
    until(lambda: node.runs.active == 0)
    assert not node.log.close_idle(*run.key), "not yet"
    node.redis.hset(keys.state(*run.key), "idle_until", 1)

    calls = [gevent.spawn(each.log.close_idle, *run.key) for each in (node, other) * 5]
    gevent.joinall(calls, raise_error=True)

    assert [call.value for call in calls].count(True) == 1
    for reader in readers:
        assert reader.wait_for(CLOSE).json == {"reason": "idle"}
        assert reader.ended.wait(PATIENCE_S)
    check_log(node.entries(run.spec))


def test_the_poll_closes_a_stream_that_was_idle_for_long_enough(node: Node, other: Node) -> None:
    run = node.run(told("x"), idle_ms=60_000)
    reader = other.watch(run.spec)
    reader.wait_for(END)
    node.redis.hset(keys.state(*run.key), "idle_until", 1)

    other.hub.remote.tell_watched([other.hub._follows[run.key]])

    assert reader.wait_for(CLOSE).json == {"reason": "idle"}


@pytest.mark.slow
def test_a_stop_without_its_owner_is_not_confirmed(node: Node, make_node: Nodes) -> None:
    dead = make_node(started=False)
    run = dead.start()
    run.writer.lose()

    stopped = node.runs.stop(*run.key)

    assert stopped is not None
    assert (stopped.outcome, stopped.confirmed) == ("stopped", False)


def test_stopping_without_redis_is_told(make_node: Nodes, proxy: Forgetful) -> None:
    node = make_node(url=proxy.url)
    run = node.run(Script())
    proxy.refuse()

    with pytest.raises(errors.Unavailable):
        node.runs.stop(*run.key)
    node.runs._closer.orphan_found(*run.key)
    node.runs._closer.give_back(run.spec.run_id)
    proxy.accept()


def test_the_drain_lets_runs_end_and_interrupts_what_is_left(node: Node, other: Node) -> None:
    quick, stuck = Script().say("quick"), Script().say("stuck")
    runs = [node.run(quick), node.run(stuck)]
    readers = [other.watch(run.spec) for run in runs]
    for reader, text in zip(readers, ("quick", "stuck"), strict=True):
        reader.wait_for_text(text)
    notified: list[float] = []

    def notify() -> None:
        notified.append(time.monotonic())
        quick.end()

    node.runs.drain(seconds=0.5, notify=notify)

    assert [reader.wait_for(END).json["outcome"] for reader in readers] == ["completed", "interrupted"]
    assert stuck.closed.is_set()
    assert len(notified) >= 3
    until(lambda: node.runs.active == 0)
    for run in runs:
        check_log(node.entries(run.spec))


def test_a_drain_without_redis_ends_all_the_same(make_node: Nodes, proxy: Forgetful) -> None:
    node = make_node(url=proxy.url)
    node.run(Script())
    proxy.refuse()
    notified: list[float] = []

    with within(5):
        node.runs.drain(seconds=0, notify=lambda: notified.append(time.monotonic()))

    assert len(notified) == 1, "told at the end, before the worker closes what it holds"
    proxy.accept()


def test_entries_that_are_no_run_are_no_answer(node: Node) -> None:
    stranger = [Entry(1, 1, Event("delta", {"text": "x"}))]

    assert of_run(stranger, make_spec().run_id) == []


def test_a_sealed_run_whose_log_has_expired_is_ended_by_nobody(node: Node) -> None:
    spec = make_spec()

    node.runs._closer._close(spec.user_id, spec.stream_id, Sealed(2, 3, "1-1", "stopped"))

    assert node.settled == []
    assert not node.redis.exists(keys.log(spec.user_id, spec.stream_id), keys.state(spec.user_id, spec.stream_id))
