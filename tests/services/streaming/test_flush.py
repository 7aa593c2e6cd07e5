"""The writing connection: whatever is lost, cut, frozen or refused, the log gets each event once."""

import itertools
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from redis import Redis

from services.streaming import connections, keys
from services.streaming.embedded_valkey import private_valkey
from services.streaming.events import DELTA, END, PROGRESS, Event, delta
from services.streaming.flush import Flusher
from services.streaming.state import Started
from services.streaming.writer import Writer
from tests.clocks import PATIENCE_S
from tests.services.streaming.nodes import Node, Script, check_log, until
from tests.services.streaming.proxy import Forgetful

Nodes = Callable[..., Node]


@pytest.fixture(scope="module")
def own_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that these tests may stop, starve and restart."""
    with private_valkey(tmp_path_factory.mktemp("own")) as url:
        yield url


def forget_last(node: Node, spec: Any, count: int) -> None:
    """Leave the log as a server has it that lost its last second."""
    key = keys.log(spec.user_id, spec.stream_id)
    kept = node.redis.execute_command("XRANGE", key, "-", "+")[:-count]
    pipeline = node.redis.pipeline(transaction=True)
    pipeline.delete(key)
    for entry_id, (name, payload) in kept:
        pipeline.xadd(key, {name: payload}, id=entry_id)
    pipeline.pexpire(key, 60_000)
    pipeline.execute()


def finish(node: Node, run: Any, script: Script, reader: Any, text: str) -> None:
    script.end()
    reader.wait_for("close")
    assert reader.text == text
    assert reader.seqs == sorted(set(reader.seqs))
    until(lambda: node.runs.active == 0)
    entries = node.entries(run.spec)
    check_log(entries)
    assert [each.text for each in node.settled] == [text]
    end = next(entry.event.data for entry in entries if entry.event.name == END)
    assert (end["outcome"], end["content_length"]) == ("completed", len(text))


@pytest.mark.slow
def test_a_lost_reply_after_an_entry_neither_doubles_nor_loses_it(
    make_node: Nodes, node: Node, proxy: Forgetful
) -> None:
    far = make_node(url=proxy.url)
    script = Script().say("a")
    run = far.run(script)
    readers = [far.watch(run.spec), node.watch(run.spec)]
    for number in range(10):
        proxy.lose_reply_to(f"<{number}>".encode())
        script.say(f"<{number}>")
        assert proxy.lost.wait(PATIENCE_S), "needs a lost reply"
    text = "a" + "".join(f"<{number}>" for number in range(10))
    readers[1].wait_for_text(text)

    finish(far, run, script, readers[0], text)
    assert readers[1].wait_for(END)


@pytest.mark.slow
def test_a_lost_reply_to_the_end_does_not_end_it_twice(make_node: Nodes, proxy: Forgetful) -> None:
    far = make_node(url=proxy.url)
    for _ in range(5):
        script = Script().say("x")
        run = far.run(script)
        reader = far.watch(run.spec)
        reader.wait_for_text("x")
        proxy.lose_reply_to(b"content_sha256")
        finish(far, run, script, reader, "x")
        far.settled.clear()
        assert proxy.lost.is_set(), "needs a lost reply"


@pytest.mark.slow
def test_cuts_at_any_moment_lose_nothing(make_node: Nodes, node: Node, proxy: Forgetful) -> None:
    far = make_node(url=proxy.url)
    scripts = [Script().say("-") for _ in range(5)]
    runs = [far.run(script) for script in scripts]
    readers = [far.watch(run.spec) for run in runs] + [node.watch(run.spec) for run in runs]
    for number in range(60):
        for script in scripts:
            script.say(f"{number},")
        for _ in range(number % 7):
            gevent.sleep(0)
        if number % 10 == 3:
            proxy.cut()
    text = "-" + "".join(f"{number}," for number in range(60))
    for script in scripts:
        script.end()

    for reader in readers:
        reader.wait_for("close")
        assert reader.text == text
        assert reader.seqs == sorted(set(reader.seqs))
    for run in runs:
        check_log(node.entries(run.spec))


def test_killed_clients_come_back(make_node: Nodes, node: Node) -> None:
    script = Script().say("a")
    run = node.run(script)
    reader = node.watch(run.spec)
    reader.wait_for_text("a")
    for number in range(5):
        node.redis.client_kill_filter(skipme=True)
        script.say(str(number))

    finish(node, run, script, reader, "a01234")


@pytest.mark.req("T41")
def test_a_run_goes_on_when_redis_was_away(make_node: Nodes, node: Node, proxy: Forgetful) -> None:
    far = make_node(url=proxy.url)
    script = Script().say("before ")
    run = far.run(script)
    here, there = far.watch(run.spec), node.watch(run.spec)
    here.wait_for_text("before ")
    proxy.refuse()
    script.say("during ").say("it ")
    until(lambda: run.writer.backlog or run.writer.in_flight)
    for _ in range(3):
        far.runs._leases.renew([run])
    assert here.text == "before ", "commit before push"

    proxy.accept()
    script.say("after")

    here.wait_for_text("before during it after")
    finish(far, run, script, here, "before during it after")
    assert there.wait_for(END)


def test_a_run_that_ends_while_redis_is_away_ends_when_it_is_back(make_node: Nodes, proxy: Forgetful) -> None:
    far = make_node(url=proxy.url)
    script = Script().say("before ")
    run = far.run(script)
    reader = far.watch(run.spec)
    reader.wait_for_text("before ")
    proxy.refuse()
    script.say("during").end()
    assert not reader.ended.wait(0.3)

    proxy.accept()

    reader.wait_for("close")
    assert reader.text == "before during"
    check_log(far.entries(run.spec))


@pytest.mark.slow
def test_a_frozen_way_to_redis_is_left_and_what_was_sent_is_not_doubled(
    make_node: Nodes, node: Node, proxy: Forgetful
) -> None:
    far = make_node(url=proxy.url)
    script = Script().say("a")
    run = far.run(script)
    reader = far.watch(run.spec)
    reader.wait_for_text("a")
    proxy.freeze()
    script.say("b")
    until(lambda: run.writer.in_flight)

    # Longer than the connection waits for a reply; then everything that was held arrives at once.
    assert not reader.ended.wait(2.3)
    proxy.thaw()

    finish(far, run, script, reader, "ab")


@pytest.mark.slow
def test_a_paused_server_costs_time_only(node: Node) -> None:
    script = Script().say("a")
    run = node.run(script)
    reader = node.watch(run.spec)
    reader.wait_for_text("a")

    node.redis.client_pause(400)
    script.say("b")

    finish(node, run, script, reader, "ab")


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_entries_that_the_server_forgot_are_written_again_before_the_end(node: Node, lost: int) -> None:
    script = Script()
    run = node.run(script)
    reader = node.watch(run.spec)
    for count, text in enumerate("abc", 1):
        script.say(text)
        reader.wait_for(DELTA, count)
    forget_last(node, run.spec, lost)

    finish(node, run, script, reader, "abc")


def test_entries_that_the_server_forgot_are_written_again_after_a_reconnect(node: Node) -> None:
    script = Script().say("a")
    run = node.run(script)
    reader = node.watch(run.spec)
    reader.wait_for_text("a")
    forget_last(node, run.spec, 1)
    node.redis.client_kill_filter(skipme=True)
    script.say("b")

    finish(node, run, script, reader, "ab")


def test_a_log_that_is_gone_ends_its_run_whose_text_is_kept(node: Node) -> None:
    script = Script().say("a")
    run = node.run(script)
    reader = node.watch(run.spec)
    reader.wait_for_text("a")

    node.redis.flushall()
    script.say("b")

    assert script.closed.wait(PATIENCE_S)
    until(lambda: node.settled)
    assert node.runs.active == 0
    assert [(end.outcome, end.text, end.last) for end in node.settled] == [("interrupted", "ab", 0)]


def test_an_answer_is_kept_whose_log_goes_at_its_end(node: Node) -> None:
    script = Script().say("a")
    run = node.run(script)
    until(lambda: run.writer.committed == 3)

    node.redis.flushall()
    script.end()

    until(lambda: node.settled)
    assert [(end.outcome, end.text) for end in node.settled] == [("completed", "a")]


@pytest.mark.slow
def test_a_server_that_takes_no_writes_is_asked_again_with_pauses(make_node: Nodes, own_url: str) -> None:
    far = make_node(url=own_url)
    script = Script().say("a")
    run = far.run(script)
    reader = far.watch(run.spec)
    reader.wait_for_text("a")
    far.redis.config_set("maxmemory", 1)
    try:
        far.redis.config_resetstat()
        script.say("b").do(Event("step", {"name": "s"})).say("c")
        assert not reader.ended.wait(0.5)
        asked = far.redis.info("commandstats").get("cmdstat_xadd", {"calls": 0})["calls"]
        assert asked < 60, "not in a circle"
    finally:
        far.redis.config_set("maxmemory", 0)

    finish(far, run, script, reader, "abc")


@pytest.mark.slow
def test_a_server_that_refused_one_entry_and_took_the_next_leaves_no_hole(make_node: Nodes, own_url: str) -> None:
    # Several entries in one flush, while the server runs out of memory and back again all the time.
    far = make_node(url=own_url)
    starve = connections.client(own_url)
    flusher: Any = far.hub.flusher
    run = far.start()
    for number in range(40):
        starve.config_set("maxmemory", 1 if number % 2 else 0)
        for step in range(10):
            flusher.put(run.writer, Event("step", {"name": f"{number}.{step}"}))
            flusher.put(run.writer, delta("x"))
        gevent.sleep(0)
    starve.config_set("maxmemory", 0)
    starve.close()

    assert run.writer.settle(10)

    entries = far.entries(run.spec)
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert [e.event.data["name"] for e in entries if e.event.name == "step"] == [
        f"{number}.{step}" for number, step in itertools.product(range(40), range(10))
    ]


@pytest.mark.req("T41")
def test_a_server_that_is_stopped_or_killed_and_comes_back_has_everything(make_node: Nodes, own_url: str) -> None:
    far, there = make_node(url=own_url), make_node(url=own_url)
    script = Script().say("a")
    run = far.run(script)
    reader, other = far.watch(run.spec), there.watch(run.spec)
    other.wait_for_text("a")
    pid = int(far.redis.info("server")["process_id"])

    os.kill(pid, signal.SIGSTOP)
    script.say("b")
    assert not reader.ended.wait(0.3)
    os.kill(pid, signal.SIGCONT)
    other.wait_for_text("ab")
    os.kill(pid, signal.SIGKILL)
    script.say("c")

    finish(far, run, script, reader, "abc")
    other.wait_for("close")
    assert other.text == "abc"


def test_what_fails_behind_a_commit_does_not_end_the_flusher(redis: "Redis", redis_url: str) -> None:
    heard: list[str] = []

    def fail(accepted: Any) -> None:
        heard.extend(writer.stream_id for writer, _ in accepted)
        raise ValueError("a viewer's trouble")

    flusher = Flusher(lambda: connections.connection(redis_url, timeout_s=2.0), on_commit=fail)
    flusher.start()
    writers = []
    for name in ("s1", "s2"):
        redis.xadd(keys.log(7, name), {"e": '["start",{}]'}, id="1-1")  # type: ignore[arg-type]
        redis.hset(keys.state(7, name), mapping={"fence": 1, "status": "running"})  # type: ignore[arg-type]
        writer = Writer(7, name, Started(1, 1), on_lost=lambda: None)  # type: ignore[arg-type]
        flusher.put(writer, delta("x"))
        assert writer.settle(5)
        writers.append(writer)

    assert heard == ["s1", "s2"]
    assert [writer.committed for writer in writers] == [2, 2]
    flusher.close()


def test_a_writer_that_is_lost_takes_nothing_more(node: Node) -> None:
    run = node.start()
    run.writer.lose()
    run.writer.lose()

    node.hub.flusher.put(run.writer, delta("x"))
    node.hub.flusher.recheck(run.writer)

    assert run.writer.settle(1)
    assert run.writer.backlog == 0


def test_waiting_for_the_log_ends_when_the_time_is_up_and_later_when_it_has_everything(
    make_node: Nodes, proxy: Forgetful
) -> None:
    node = make_node(url=proxy.url)
    run = node.run(Script().say("a"))
    until(lambda: run.writer.committed == 3)
    proxy.freeze()
    node.hub.flusher.put(run.writer, delta("b"))

    assert not run.writer.settle(0.05)
    assert run.writer.waiting == [], "nobody may be woken on its account any more"

    proxy.thaw()
    assert run.writer.settle(5)
    assert run.writer.committed == 4


def test_a_worker_that_goes_closes_its_way_to_the_log(node: Node) -> None:
    run = node.run(Script().say("a"))
    until(lambda: run.writer.committed == 3)
    connection = node.hub.flusher._connection
    assert connection.is_connected

    node.hub.flusher.close()

    assert not connection.is_connected


def test_an_assistant_that_is_faster_than_the_log_waits_for_it(node: Node) -> None:
    waiting: list[int] = []

    def flood() -> Iterator[Event]:
        yield delta("a")
        for number in range(500):
            yield Event(PROGRESS, {"number": number})
            waiting.append(run.writer.pending)

    run = node.start()
    reader = node.watch(run.spec)
    node.runs.begin(run, flood)

    reader.wait_for(END)
    assert max(waiting) <= 8
    said = [entry.event.data["number"] for entry in node.entries(run.spec) if entry.event.name == PROGRESS]
    assert said == list(range(500))
