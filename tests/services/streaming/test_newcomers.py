"""Readers at another worker than the one that writes: nothing that was written while they came is missed."""

from collections.abc import Callable

import gevent

from services.streaming import keys
from tests.services.streaming.nodes import Node, Script, until

Nodes = Callable[..., Node]


def test_a_newcomer_elsewhere_sees_what_was_written_as_it_came(node: Node, other: Node) -> None:
    # Nothing is published while nobody follows: what falls between a newcomer's look and its owner's knowing
    # must be told at once, also when the model then pauses.
    other.hub.remote._greenlet.kill()  # the poll would tell it too, two seconds late
    for turns in range(60):
        script = Script().say("a")
        run = node.run(script)
        until(lambda run=run: run.writer.committed == 3)
        joining = gevent.spawn(other.watch, run.spec)
        for _ in range(turns % 20):
            gevent.sleep(0)
        script.say("b")
        reader = joining.get()
        until(lambda reader=reader: reader.text == "ab")
        node.runs.stop(*run.key)


def test_wake_ups_that_are_lost_cost_time_but_no_event(node: Node, other: Node) -> None:
    script = Script().say("a")
    run = node.run(script)
    reader = other.watch(run.spec)
    reader.wait_for_text("a")
    subscription = other.hub.remote._subscription
    subscription._send("UNSUBSCRIBE", keys.live(*run.key).encode())
    until(lambda: not node.redis.pubsub_numsub(keys.live(*run.key))[0][1])

    follow = other.hub._follows[run.key]
    script.say("b")
    until(lambda: run.writer.committed == 4)
    other.hub.remote.tell_watched([follow])  # as the poll does every two seconds
    reader.wait_for_text("ab")
    script.say("c").end()
    until(lambda: node.runs.active == 0)
    other.hub.remote.tell_watched([follow])

    reader.wait_for("close")
    assert reader.text == "abc"
