"""Following what others write: notifications are hints, the log is the truth."""

from collections.abc import Callable
from typing import Any

import gevent

from services.streaming import keys
from services.streaming.events import DELTA
from tests.clocks import PATIENCE_S
from tests.services.streaming.nodes import Node, Script, lapse, make_spec, told, until
from tests.services.streaming.proxy import Forgetful

Nodes = Callable[..., Node]


def followed(node: Node, run: Any) -> Any:
    return node.hub._follows[run.key]


def test_the_poll_finds_what_no_notification_told(node: Node, other: Node) -> None:
    script = Script().say("a")
    run = node.run(script)
    reader = other.watch(run.spec)
    reader.wait_for_text("a")
    other.hub.remote._subscription.remove(keys.live(*run.key))
    script.say("b")
    until(lambda: len(node.entries(run.spec)) == 4)

    other.hub.remote.tell_watched([followed(other, run)])

    reader.wait_for_text("ab")


def test_a_wake_up_for_what_the_log_does_not_hold_yet_brings_nothing(node: Node, other: Node) -> None:
    script = Script().say("a")
    run = node.run(script)
    reader = other.watch(run.spec)
    reader.wait_for_text("a")

    for _ in range(50):
        node.redis.publish(keys.live(*run.key), b'1-9 ["delta",{"text":"from nowhere"}]')
    script.say("b").end()

    reader.wait_for("close")
    assert reader.text == "ab"


def test_after_a_lost_connection_nothing_is_believed_before_the_log_is_read(node: Node, other: Node) -> None:
    script = Script().say("a")
    run = node.run(script)
    reader = other.watch(run.spec)
    reader.wait_for_text("a")
    receive = other.hub.remote._subscription._receivers[keys.live(*run.key).encode()]
    other.hub.remote._lost()

    receive(b'1-4 ["delta",{"text":"refused by the log"}]')
    until(lambda: followed(other, run).is_sure)
    script.say("b").end()

    reader.wait_for("close")
    assert reader.text == "ab"


def test_a_log_that_is_gone_sends_its_readers_away(node: Node, other: Node) -> None:
    run = node.run(told("x"), idle_ms=60_000)
    reader = other.watch(run.spec)
    reader.wait_for("end")
    node.redis.delete(keys.log(*run.key), keys.state(*run.key))

    other.hub.remote.tell_watched([followed(other, run)])

    assert reader.ended.wait(PATIENCE_S)
    assert reader.reader.retry_ms is not None


def test_looking_after_streams_without_redis_waits(make_node: Nodes, node: Node, proxy: Forgetful) -> None:
    far = make_node(url=proxy.url)
    run = node.run(Script().say("x"), idle_ms=1)
    reader = far.watch(run.spec)
    reader.wait_for_text("x")
    follow = followed(far, run)
    proxy.refuse()

    far.hub.remote.tell_watched([follow])
    far.hub.remote.catch_up(follow)
    far.hub.remote.adopt(follow)
    far.hub.remote._close_idle(follow)
    far.hub.remote.forget(follow)

    assert far.hub._follows[run.key] is follow, "its viewer still watches"
    proxy.accept()


def test_a_stream_that_cannot_be_told_of_does_not_hide_the_others(node: Node, other: Node) -> None:
    broken, whole = (node.run(Script().say("x")) for _ in range(2))
    readers = [other.watch(run.spec) for run in (broken, whole)]
    for reader in readers:
        reader.wait_for_text("x")
    node.redis.delete(keys.viewers(*broken.key))
    node.redis.set(keys.viewers(*broken.key), "not a zset")
    node.redis.delete(keys.viewers(*whole.key))

    other.hub.remote.tell_watched([followed(other, run) for run in (broken, whole)])

    assert node.redis.zcard(keys.viewers(*whole.key)) == 1


def test_many_messages_behind_a_gap_read_the_log_once_or_twice(node: Node, other: Node) -> None:
    script = Script().say("a")
    run = node.run(script)
    reader = other.watch(run.spec)
    reader.wait_for_text("a")
    node.redis.config_resetstat()
    receive = other.hub.remote._subscription._receivers[keys.live(*run.key).encode()]

    for seq in range(10, 200):
        receive(b'1-%d ["delta",{"text":"x"}]' % seq)

    until(lambda: "cmdstat_xrange" in node.redis.info("commandstats"))
    with followed(other, run).lock:
        assert not followed(other, run).is_behind
    assert node.redis.info("commandstats")["cmdstat_xrange"]["calls"] <= 2


def test_the_owner_hears_its_own_entries_once(node: Node, other: Node) -> None:
    run = node.run(told("one"), idle_ms=60_000)
    reader = node.watch(run.spec)
    reader.wait_for("end")
    until(lambda: node.runs.active == 0 and followed(node, run).is_listening)
    script = Script()
    node.run(script, stream_id=run.spec.stream_id, follow=True)
    receive = node.hub.remote._subscription._receivers[keys.live(*run.key).encode()]
    seq = followed(node, run).tail

    receive(b'2-%d ["delta",{"text":"said by nobody"}]' % (seq + 1))
    script.say("two").end()

    reader.wait_for("close")
    assert reader.text == "onetwo"


def test_leaving_where_nothing_is_written_any_more_is_forgotten(node: Node, other: Node) -> None:
    run = node.run(told("x"), idle_ms=60_000)
    reader = other.watch(run.spec)
    reader.wait_for("end")

    reader.leave()

    until(lambda: not other.hub._follows)
    until(lambda: not node.redis.exists(keys.viewers(*run.key)))
    until(lambda: keys.live(*run.key).encode() not in node.redis.pubsub_channels())


def test_a_follow_that_was_dropped_is_not_attached_again(node: Node, other: Node) -> None:
    run = node.run(Script().say("x"))
    reader = other.watch(run.spec)
    reader.wait_for_text("x")
    follow = followed(other, run)
    reader.leave()
    until(lambda: not other.hub._follows)

    other.hub.remote.attach(follow)
    other.hub.remote.drop(follow)

    assert not follow.is_listening


def test_twenty_readers_at_once_on_a_cold_worker_share_one_look(node: Node, other: Node) -> None:
    script = Script().say("a")
    run = node.run(script)
    joining = [gevent.spawn(other.watch, run.spec) for _ in range(20)]
    readers = [each.get(timeout=PATIENCE_S) for each in joining]
    script.say("b").end()

    for reader in readers:
        reader.wait_for("close")
        assert reader.text == "ab"
    assert len(other.hub._follows) == 1


def test_a_message_for_a_run_that_is_not_here_is_nobodys(node: Node) -> None:
    run = node.run(Script())

    node.runs._controlled(make_spec().stream_id.encode())
    node.runs._controlled(f"+{run.spec.stream_id}".encode())

    assert run.writer.followed
    assert DELTA == "delta"


def test_looking_after_streams_goes_on_after_a_failure_that_nobody_foresaw(node: Node, other: Node) -> None:
    script = Script().say("a")
    run = node.run(script)
    reader = other.watch(run.spec)
    reader.wait_for_text("a")
    told: list[Any] = []

    def fail(*key: Any) -> None:
        told.append(key)
        raise ValueError("a fault of ours")

    other.hub.remote.on_orphan = fail
    until(lambda: lapse(node.redis, run.spec) or len(told) >= 2)

    script.say("b")
    reader.wait_for_text("ab")
