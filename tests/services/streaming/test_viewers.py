"""One contract for both ways out: frames that the generator yields, and frames that are pushed."""

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent import socket

from services.streaming import keys
from services.streaming.events import CLOSE, DELTA, END, Entry, Event, delta
from services.streaming.push import MAX_BEHIND_BYTES
from services.streaming.wire import format_event_id
from tests.clocks import LATE_S, PATIENCE_S, cpu_within
from tests.services.streaming.nodes import Node, PlainDialect, Script, told, until
from tests.services.streaming.responses import Way
from tests.sse import Frame

WAYS = ["push HTTP/1.1", "push HTTP/1.0", "yield HTTP/1.1", "yield HTTP/1.0"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, make_node: Callable[..., Node]) -> Iterator[Way]:
    kind, protocol = request.param.split()
    made = Way(make_node(push=kind == "push"), protocol)
    yield made
    for response in made.responses:
        response.close()
        assert response.ended.wait(PATIENCE_S)


def _replayed(way: Way, run: Any) -> list[Frame]:
    """What a reader who comes at the end is shown."""
    return [frame for frame in way.open(run.spec).rest() if frame.own_id]


def _fail(entries: Any) -> bytes:
    raise ValueError("hostile text")


def text_of(frames: list[Frame]) -> str:
    return "".join(frame.json["text"] for frame in frames if frame.name == DELTA)


def said(text: str) -> Callable[[Frame], bool]:
    return lambda frame: frame.name == DELTA and frame.json["text"].endswith(text)


@pytest.mark.req("T1", "R10")
def test_an_answer_comes_whole_and_its_response_ends(way: Way) -> None:
    script = Script().say("a", "b")
    run = way.node.run(script)
    response = way.open(run.spec)
    frames = response.until(said("b"))
    for number in range(100):
        script.say(str(number))
        if number % 3:
            gevent.sleep(0)
    script.end()

    frames += response.rest()

    assert text_of(frames) == "ab" + "".join(map(str, range(100)))
    seqs = [frame.seq for frame in frames if frame.own_id]
    assert seqs == sorted(set(seqs))
    assert frames[-1].name == "close"
    assert response.was_clean
    assert response.ended.wait(PATIENCE_S)
    assert way.node.hub.viewers == 0


def test_each_event_is_sent_as_it_comes(way: Way) -> None:
    script = Script().say("first")
    run = way.node.run(script)
    response = way.open(run.spec)
    response.until(said("first"))

    for number in range(20):
        script.say(f"<{number}>")
        assert text_of(response.until(said(f"<{number}>"))) == f"<{number}>"


@pytest.mark.slow
def test_small_buffers_and_a_slow_reader_change_nothing(way: Way) -> None:
    dice = random.Random(7)
    texts = ["".join(dice.choices("abcé😀\n", k=dice.randrange(1, 6000))) for _ in range(60)]
    script = Script()
    run = way.node.run(script)
    response = way.open(run.spec, send_bytes=2048)
    quick = way.open(run.spec)
    frames: list[Frame] = []
    for text in texts:
        script.say(text)
        gevent.sleep(0)
        if dice.random() < 0.3:
            frames += response.read(dice.randrange(1, 4000))
    script.end()

    frames += response.rest(size=1500)

    assert text_of(frames) == "".join(texts) == text_of(quick.rest())
    assert response.was_clean


@pytest.mark.slow
def test_a_reader_too_far_behind_is_cut_and_comes_back_without_loss(way: Way) -> None:
    script = Script().say("begin")
    run = way.node.run(script, deadline_ms=60_000)
    slow, quick = way.open(run.spec, send_bytes=2048), way.open(run.spec)
    seen = slow.until(said("begin"))
    reading = gevent.spawn(quick.rest)
    for count in range(90):
        script.do(Event("step", {"name": "x" * 20_000}))
        until(lambda count=count: run.writer.committed == 4 + count)
    assert 1.5 * MAX_BEHIND_BYTES < 90 * 20_000, "needs more than is kept"
    script.say("!").end()

    assert slow.ended.wait(PATIENCE_S), "its response is given up"
    whole = reading.get(timeout=10)
    seen += slow.rest()
    back = way.open(run.spec, last_event_id=[frame.id for frame in seen if frame.own_id][-1])
    again = [frame for frame in seen + back.rest() if frame.own_id]
    assert [(frame.seq, frame.data) for frame in again] == [(frame.seq, frame.data) for frame in _replayed(way, run)]
    assert text_of(whole).endswith("!")


@pytest.mark.req("T32")
@pytest.mark.parametrize("how", ["close", "half-close"])
def test_a_client_that_leaves_is_noticed_at_once(way: Way, how: str) -> None:
    run = way.node.run(Script().say("x"))
    took = []
    for _ in range(5):
        response = way.open(run.spec)
        response.until(said("x"))
        until(lambda: way.node.hub.viewers == 1)
        if how == "close":
            response.client.close()
        else:
            response.client.shutdown(socket.SHUT_WR)
        took.append(until(lambda: way.node.hub.viewers == 0))
        assert response.ended.wait(PATIENCE_S)

    assert min(took) < 0.5


def test_a_client_that_leaves_with_a_full_window_costs_nothing(way: Way) -> None:
    script = Script().say("begin")
    run = way.node.run(script)
    response = way.open(run.spec, send_bytes=2048)
    response.until(said("begin"))
    script.say("x" * 200_000)
    until(lambda: run.writer.committed == 4)

    with cpu_within(0.4):
        response.client.shutdown(socket.SHUT_WR)
        assert response.ended.wait(2 + LATE_S), "not kept until it is stalled for good"

    assert way.node.hub.viewers == 0


def test_a_pipelined_request_does_not_disturb(way: Way) -> None:
    script = Script().say("a")
    run = way.node.run(script)
    response = way.open(run.spec)
    response.until(said("a"))
    response.client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    began, spent = time.monotonic(), time.thread_time()
    assert not response.ended.wait(0.4)
    spent, took = time.thread_time() - spent, time.monotonic() - began
    assert spent < took / 2, "a watcher that is level-triggered would spin"

    script.say("b").end()

    assert text_of(response.rest()) == "b"


def test_a_reader_that_is_sent_away_is_told_when_to_come_back_and_ends_cleanly(way: Way) -> None:
    script = Script().say("a")
    run = way.node.run(script)
    response = way.open(run.spec)
    frames = response.until(said("a"))
    script.say("b")
    until(lambda: run.writer.committed == 4)

    way.node.hub.send_away(retry_ms=500)

    frames += response.rest()
    assert text_of(frames) == "ab", "what came before is sent before"
    assert 500 <= (response.reader.retry_ms or 0) <= 1000
    assert response.was_clean
    assert way.node.hub.viewers == 0


@pytest.mark.slow
def test_a_reader_that_is_sent_away_but_takes_nothing_is_cut_the_second_time(way: Way) -> None:
    script = Script().say("a")
    run = way.node.run(script)
    response = way.open(run.spec, send_bytes=2048)
    response.until(said("a"))
    script.say("x" * 100_000)
    until(lambda: run.writer.committed == 4)

    response.viewer.dismiss(100)
    response.viewer.dismiss(100)
    assert not response.ended.wait(0.6), "it may be on its way"
    response.viewer.dismiss(100)

    assert response.ended.wait(PATIENCE_S)


@pytest.mark.slow
def test_a_frame_larger_than_what_is_kept_reaches_those_who_read(way: Way) -> None:
    script = Script().say("begin")
    run = way.node.run(script)
    response = way.open(run.spec)
    response.until(said("begin"))

    script.do(Event("step", {"name": "x" * 2 * MAX_BEHIND_BYTES}))
    response.until(lambda frame: frame.name == "step")
    script.say("!").end()

    assert text_of(response.rest()) == "!"
    assert response.was_clean


@pytest.mark.req("R18")
def test_heartbeats_and_pings_are_sent_when_they_are_due(way: Way) -> None:
    run = way.node.run(Script().say("a"))
    response = way.open(run.spec)
    response.until(said("a"))
    channel = next(iter(way.node.hub._follows[run.key].channels.values()))
    now_s = time.monotonic()

    channel.beat(now_s + 14, every_s=15)
    channel.beat(now_s + 16, every_s=15)
    channel.beat(now_s + 20, every_s=15)
    channel.beat(now_s + 31, every_s=15)
    channel.beat(now_s + 32, every_s=15)
    channel.beat(now_s + 62, every_s=15)

    pings: list[Frame] = []
    while len(pings) < 2:
        pings += response.read()
    assert len(response.reader.comments) == 3
    assert all(frame.own_id is None for frame in pings)


def test_a_view_with_an_interval_gets_batches(way: Way) -> None:
    script = Script().say("a")
    run = way.node.run(script)
    dialect = PlainDialect("slow", interval_s=0.05)
    response, late = way.open(run.spec, dialect=dialect), None
    frames = response.until(said("a"))
    for number in range(30):
        script.say(str(number % 10))
        gevent.sleep(0)
    late = way.open(run.spec, dialect=dialect)
    script.end()

    frames += response.rest()

    text = "a" + "".join(str(number % 10) for number in range(30))
    assert text_of(frames) == text
    assert text_of(late.rest()) == text
    assert response.was_clean
    assert late.was_clean


def test_a_view_that_fails_costs_its_own_readers_only(way: Way) -> None:
    class Fragile(PlainDialect):
        def view(self, stream: Any) -> Any:
            view: Any = super().view(stream)
            view.feed = _fail
            return view

    script = Script().say("a")
    run = way.node.run(script)
    until(lambda: run.writer.committed == 3)
    response, broken = way.open(run.spec), way.open(run.spec, dialect=Fragile("fragile"))
    frames = response.until(said("a"))
    broken.until(said("a"))

    script.say("b").end()

    assert text_of(frames + response.rest()) == "ab"
    assert broken.ended.wait(PATIENCE_S), "its readers come back, to a new view"
    back = way.open(run.spec, dialect=Fragile("fragile"))
    assert text_of(back.rest()) == "ab"


def test_many_readers_share_what_is_sent(way: Way) -> None:
    script = Script().say("a")
    run = way.node.run(script)
    responses = [way.open(run.spec) for _ in range(30)]
    for response in responses[::2]:
        response.until(said("a"))
    for number in range(50):
        script.say(str(number))
        gevent.sleep(0)
    script.end()

    text = "a" + "".join(map(str, range(50)))
    for response in responses:
        assert text_of(response.rest()) in (text, text[1:])
        assert response.was_clean


def test_a_cursor_at_the_end_of_a_kept_frame_gets_the_next(way: Way) -> None:
    script = Script().say("a")
    run = way.node.run(script)
    response = way.open(run.spec)
    last = response.until(said("a"))[-1]
    script.say("b").do(Event("step", {"name": "s"})).say("c")
    response.until(said("c"))

    back = way.open(run.spec, last_event_id=format_event_id(run.spec.stream_id, last.seq))

    frames = back.until(said("c"))
    assert [frame.name for frame in frames] == ["replay", DELTA, "step", DELTA]
    assert delta("x").name == DELTA


class Discreet(PlainDialect):
    """Does not say that a stream is closed."""

    def view(self, stream: Any) -> Any:
        view: Any = super().view(stream)
        show = view.feed
        view.feed = lambda entries: show(entries) and b"" if entries[0].event.name == CLOSE else show(entries)
        return view


def test_a_close_that_a_dialect_does_not_show_ends_the_response_all_the_same(way: Way) -> None:
    run = way.node.run(told("x"), idle_ms=60_000)
    response = way.open(run.spec, dialect=Discreet("discreet"))
    frames = response.until(lambda frame: frame.name == END)
    way.node.redis.hset(keys.state(*run.key), "idle_until", 1)

    way.node.hub.remote.tell_watched([way.node.hub._follows[run.key]])

    assert [frame.name for frame in frames + response.rest()].count(CLOSE) == 0
    assert response.was_clean


def test_frames_that_come_together_keep_their_order_behind_one_that_the_window_has_no_room_for(way: Way) -> None:
    script = Script().say("a")
    run = way.node.run(script)
    response = way.open(run.spec, send_bytes=2048)
    frames = response.until(said("a"))
    until(lambda: way.node.hub._follows[run.key].tail == 3)
    texts = ["x" * 100_000, "y", "z"]

    way.node.hub._committed([(run.writer, [Entry(1, 4 + at, delta(text))]) for at, text in enumerate(texts)])

    assert text_of(frames + response.until(said("z"))) == "a" + "".join(texts)
