"""The hub: joining, replay, verdicts, and what it lets go."""

import time
from collections.abc import Callable

import gevent
import pytest

from services import errors
from services.streaming.events import DELTA, END, Entry, StreamId
from services.streaming.follow import Follow
from services.streaming.hub import Finished
from services.streaming.viewer import Viewer
from services.streaming.views import StreamFacts
from services.streaming.wire import format_event_id
from tests.clocks import PATIENCE_S
from tests.services.streaming.nodes import USER, Node, PlainDialect, Script, facts_of, make_spec, told, until
from tests.services.streaming.proxy import Forgetful

Nodes = Callable[..., Node]


@pytest.mark.req("T1", "R10")
def test_a_reader_gets_what_came_merged_and_then_what_comes(node: Node) -> None:
    script = Script().say("a", "b", "c")
    run = node.run(script)
    until(lambda: run.writer.committed >= 3)

    late = node.watch(run.spec)
    assert late.verdict == "exact"
    script.say("d").end()
    late.wait_for("close")

    assert late.text == "abcd"
    assert late.ended.wait(PATIENCE_S)
    assert late.seqs == sorted(set(late.seqs))


@pytest.mark.slow
def test_every_cursor_of_a_running_answer_gives_just_what_follows_it(node: Node, other: Node) -> None:
    script = Script()
    run = node.run(script)
    for text in "abcdefgh":
        seq = run.writer.committed
        script.say(text)
        until(lambda seq=seq: run.writer.committed > seq)
    entries = node.entries(run.spec)

    for worker in (node, other):
        for seen in range(len(entries) + 1):
            reader = worker.watch(run.spec, last_event_id=format_event_id(run.spec.stream_id, seen))
            assert reader.wait_for("replay").json["verdict"] == "exact"
            expected = "".join(e.event.data["text"] for e in entries[seen:] if e.event.name == DELTA)
            reader.wait_for_text(expected)
            assert [seq for seq in reader.seqs if seq <= seen] == []
            reader.leave()


def test_a_cursor_beyond_the_tail_is_looked_for_in_the_log_first(node: Node, other: Node) -> None:
    script = Script().say("a")
    run = node.run(script)
    first = other.watch(run.spec)
    first.wait_for_text("a")
    # No notification reaches the other node, but its reader has been on this one.
    other.redis.client_kill_filter(_type="pubsub", skipme=False)
    script.say("b")
    until(lambda: len(node.entries(run.spec)) == 4)

    reader = other.watch(run.spec, last_event_id=format_event_id(run.spec.stream_id, 4))

    assert reader.verdict == "exact"
    assert other.watch(run.spec, last_event_id=format_event_id(run.spec.stream_id, 5)).verdict == "snapshot"


def test_a_finished_stream_that_was_seen_whole_has_nothing_more(node: Node, other: Node) -> None:
    run = node.run(told("x"))
    until(lambda: node.runs.active == 0)
    last = len(node.entries(run.spec))

    for worker in (node, other):
        assert isinstance(worker.subscribe(run.spec, last_event_id=format_event_id(run.spec.stream_id, last)), Finished)
        assert worker.watch(run.spec, last_event_id=format_event_id(run.spec.stream_id, last + 1)).verdict == "snapshot"
        again = worker.watch(run.spec)
        assert again.ended.wait(PATIENCE_S)
        assert again.text == "x"


def test_a_stopped_stream_is_finished_at_its_end_even_where_it_was_followed(node: Node, other: Node) -> None:
    run = node.run(Script().say("x"))
    there = other.watch(run.spec)
    there.wait_for_text("x")
    node.runs.stop(run.spec.user_id, run.spec.stream_id)
    there.wait_for("close")

    last = len(node.entries(run.spec))

    assert isinstance(other.subscribe(run.spec, last_event_id=format_event_id(run.spec.stream_id, last)), Finished)


def test_an_unknown_stream_leaves_nothing_behind(node: Node) -> None:
    spec = make_spec()

    for _ in range(3):
        with pytest.raises(errors.NotFound):
            node.subscribe(spec)
    gevent.joinall([gevent.spawn(_swallow, node, spec) for _ in range(20)], raise_error=True)

    assert node.hub.facts(spec.user_id, spec.stream_id) is None
    assert node.hub._follows == {}
    until(lambda: node.redis.pubsub_channels("rill:{*") == [])


def _swallow(node: Node, spec: object) -> None:
    with pytest.raises(errors.NotFound):
        node.subscribe(spec)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_reader_who_comes_as_another_leaves_is_not_forgotten(node: Node, other: Node) -> None:
    script = Script().say("a")
    run = node.run(script)
    here = other.watch(run.spec)
    here.wait_for_text("a")
    cursor = format_event_id(run.spec.stream_id, here.seqs[-1])

    for number in range(30):
        # Leaving asks Redis and then forgets the stream; coming back with a cursor at the tail asks it as well.
        here.leave()
        here = other.watch(run.spec, last_event_id=cursor)
        script.say(str(number))
        frame = here.wait_for(DELTA)
        assert frame.json["text"] == str(number)
        cursor = frame.id


def test_viewers_are_capped_a_worker(make_node: Nodes) -> None:
    node = make_node(max_viewers=2)
    run = node.run(Script().say("x"))
    readers = [node.watch(run.spec) for _ in range(2)]

    with pytest.raises(errors.SiteFull) as full:
        node.subscribe(run.spec)
    assert (full.value.code, full.value.extra) == ("VIEWERS_FULL", {"limit": 2, "current": 2})
    readers[0].leave()
    assert isinstance(node.subscribe(run.spec), Viewer)


def test_viewers_that_join_at_once_are_capped_too(node: Node, make_node: Nodes) -> None:
    elsewhere = make_node(max_viewers=2)
    run = node.run(Script().say("x"))
    refused = []

    def join() -> None:
        try:
            elsewhere.subscribe(run.spec)
        except errors.SiteFull as full:
            refused.append(full.code)

    gevent.joinall([gevent.spawn(join) for _ in range(5)])

    assert (elsewhere.hub.viewers, refused) == (2, ["VIEWERS_FULL"] * 3)


def test_viewers_of_one_dialect_share_a_view_and_others_have_their_own(node: Node) -> None:
    run = node.run(Script().say("x"))
    node.watch(run.spec)
    node.watch(run.spec)
    node.watch(run.spec, dialect=PlainDialect("slow", 0.05))

    follow = node.hub._follows[run.key]

    assert {key: len(channel.viewers) for key, channel in follow.channels.items()} == {"plain": 2, "slow": 1}


@pytest.mark.slow
def test_two_hundred_runs_whose_readers_left_leave_what_lingers_only(node: Node, other: Node) -> None:
    for _ in range(200):
        run = node.run(told("x"))
        reader = node.watch(run.spec)
        reader.wait_for("close")
        assert reader.ended.wait(PATIENCE_S)
    until(lambda: node.runs.active == 0 and node.hub.viewers == 0)
    assert len(node.hub._follows) == 200, "closed streams linger for readers who come back"

    node.hub._retire(time.monotonic() + 61)

    assert node.hub._follows == {}
    assert other.hub._follows == {}


def test_no_more_than_so_many_streams_linger(node: Node) -> None:
    for _ in range(510):
        spec = make_spec()
        follow = node.hub._followed(facts_of(spec))
        follow.is_closed, follow.idle_since_s = True, time.monotonic()

    node.hub._retire(time.monotonic())

    assert len(node.hub._follows) == 500


def test_old_connections_are_sent_away_but_those_of_a_post(node: Node) -> None:
    run = node.run(Script().say("x"))
    by_get, by_post = node.watch(run.spec), node.watch(run.spec, stays=True)
    by_get.wait_for_text("x")

    node.hub._retire(time.monotonic() + 4000)

    assert by_get.ended.wait(PATIENCE_S)
    assert by_get.reader.retry_ms is not None
    assert 100 <= by_get.reader.retry_ms <= 1000
    assert not by_post.ended.is_set()


def test_at_a_deploy_readers_are_told_to_come_back_at_different_times(node: Node) -> None:
    run = node.run(Script().say("x"))
    readers = [node.watch(run.spec) for _ in range(20)]
    by_post = node.watch(run.spec, stays=True)
    for reader in readers:
        reader.wait_for_text("x")

    node.hub.send_away(retry_ms=300)

    for reader in readers:
        assert reader.ended.wait(PATIENCE_S)
        assert 300 <= (reader.reader.retry_ms or 0) <= 600
    assert len({reader.reader.retry_ms for reader in readers}) > 5
    assert not by_post.ended.is_set()


@pytest.mark.slow
def test_a_subscribe_while_redis_is_away_fails_and_a_later_one_works(
    make_node: Nodes, node: Node, proxy: Forgetful
) -> None:
    far = make_node(url=proxy.url)
    run = node.run(Script().say("x"))
    until(lambda: far.redis.ping())
    proxy.refuse()

    with pytest.raises(errors.Unavailable):
        far.subscribe(run.spec)
    proxy.accept()

    reader = far.watch(run.spec)
    reader.wait_for_text("x")


def test_news_of_a_run_that_ended_here_reach_readers_who_stay(node: Node, other: Node) -> None:
    run = node.run(told("one"), idle_ms=60_000)
    reader = node.watch(run.spec)
    reader.wait_for(END)
    until(lambda: node.runs.active == 0)

    other.run(told("two"), stream_id=run.spec.stream_id, follow=True)

    reader.wait_for("close")
    assert reader.text == "onetwo"


def test_what_a_run_writes_is_known_here_without_asking(node: Node, other: Node) -> None:
    run = node.run(Script().say("x"))

    assert node.hub.facts(*run.key) == facts_of(run.spec)
    assert node.hub.writes(*run.key)
    assert other.hub.facts(*run.key) is None
    assert not other.hub.writes(*run.key)


def test_a_gap_in_what_is_committed_here_is_read_from_the_log(node: Node) -> None:
    script = Script().say("a")
    run = node.run(script)
    reader = node.watch(run.spec)
    reader.wait_for_text("a")
    follow = node.hub._follows[run.key]
    until(lambda: follow.tail == 3)
    entry = Entry(1, 5, follow.entries[-1].event)

    node.hub._committed([(run.writer, [entry])])
    script.say("b").end()

    reader.wait_for("close")
    assert reader.text == "ab"


def test_what_is_not_known_here_ends_without_a_trace(node: Node) -> None:
    spec = make_spec()

    node.hub.close_local((spec.user_id, spec.stream_id), None, closed=False)

    assert node.hub.facts(spec.user_id, spec.stream_id) is None


def test_a_run_of_this_worker_whose_beginning_is_not_known_here_is_read_from_the_log(node: Node) -> None:
    script = Script().say("a")
    run = node.run(script)
    until(lambda: run.writer.committed == 3)
    follow = node.hub._follows[run.key] = Follow(facts_of(run.spec))
    follow.writer = run.writer

    reader = node.watch(run.spec)

    reader.wait_for_text("a")
    script.say("b").end()
    reader.wait_for("close")
    assert reader.text == "ab"


@pytest.mark.slow
def test_hundreds_of_streams_that_nobody_reads_are_let_go(node: Node) -> None:
    for number in range(401):
        facts = StreamFacts(USER, StreamId(f"old{number}"), "tutor", "c")
        node.hub._follows[USER, facts.stream_id] = Follow(facts, idle_since_s=-1000.0)

    until(lambda: not node.hub._follows)
