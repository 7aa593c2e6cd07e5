"""The subscription: what it promises, and what it survives."""

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event as Signal
from redis import Redis

from services.streaming import connections
from services.streaming.subscription import Subscription
from tests.clocks import PATIENCE_S
from tests.services.streaming.nodes import until
from tests.services.streaming.proxy import Forgetful

Open = Callable[..., "Listening"]


class Listening:
    """A subscription and what it has been told."""

    def __init__(self, url: str, **options: Any) -> None:
        self.came: list[bytes] = []
        self.lost, self.resumed, self.heard = Signal(), Signal(), Signal()
        self.subscription = Subscription(
            lambda: connections.connection(url, timeout_s=None),
            on_lose=self.lost.set,
            on_resume=self.resumed.set,
            **options,
        )
        self.subscription.start()

    def take(self, message: bytes) -> None:
        self.came.append(message)
        self.heard.set()

    def wait_for(self, message: bytes) -> None:
        while message not in self.came:
            self.heard.clear()
            assert message in self.came or self.heard.wait(5)


@pytest.fixture
def listen(redis_url: str) -> Iterator[Open]:
    made: list[Listening] = []

    def make(url: str = redis_url, **options: Any) -> Listening:
        made.append(Listening(url, **options))
        return made[-1]

    yield make
    for each in made:
        each.subscription.close()


def subscriber_ids(redis: "Redis") -> list[str]:
    return [each["id"] for each in redis.client_list(_type="pubsub")]


def test_messages_come_once_a_channel_is_confirmed_and_stop_when_it_is_removed(listen: Open, redis: "Redis") -> None:
    listening = listen()

    assert listening.subscription.add("a", listening.take, timeout_s=5)
    redis.publish("a", "1")
    listening.wait_for(b"1")
    listening.subscription.remove("a")
    listening.subscription.remove("a")
    assert listening.subscription.add("b", listening.take, timeout_s=5)

    assert redis.publish("a", "2") == 0
    assert listening.came == [b"1"]


def test_a_killed_connection_is_opened_again_with_all_channels(listen: Open, redis: "Redis") -> None:
    listening = listen()
    listening.subscription.add("a", listening.take, timeout_s=5)
    listening.subscription.add("b", listening.take, timeout_s=5)
    listening.resumed.clear()

    redis.client_kill_filter(_type="pubsub")

    assert listening.lost.wait(PATIENCE_S)
    assert listening.resumed.wait(PATIENCE_S), "told when every channel is confirmed"
    assert redis.publish("a", "1") == redis.publish("b", "2") == 1
    listening.wait_for(b"2")


def test_a_channel_that_is_added_while_redis_is_away_is_subscribed_when_it_is_back(
    listen: Open, redis: "Redis", proxy: Forgetful
) -> None:
    proxy.refuse()
    listening = listen(proxy.url)

    assert not listening.subscription.add("a", listening.take, timeout_s=0.05)
    proxy.accept()

    until(lambda: redis.publish("a", "1"))
    listening.wait_for(b"1")


def test_a_peer_that_vanished_without_a_word_is_left(listen: Open, redis: "Redis", proxy: Forgetful) -> None:
    listening = listen(proxy.url, ping_s=0.05, silence_s=0.2)
    listening.subscription.add("a", listening.take, timeout_s=5)
    until(lambda: proxy.connections == 1)

    proxy.freeze()

    assert listening.lost.wait(PATIENCE_S)
    listening.resumed.clear()
    proxy.thaw()
    assert listening.resumed.wait(PATIENCE_S)
    redis.publish("a", "1")
    listening.wait_for(b"1")


@pytest.mark.slow
def test_a_peer_that_says_nothing_but_answers_is_kept(listen: Open, redis: "Redis") -> None:
    listening = listen(ping_s=0.02, silence_s=1.0)
    listening.subscription.add("a", listening.take, timeout_s=5)
    before = subscriber_ids(redis)

    assert not listening.lost.wait(1.3)

    assert subscriber_ids(redis) == before


def test_a_receiver_that_fails_does_not_end_the_subscription(listen: Open, redis: "Redis") -> None:
    listening = listen()

    def fail(message: bytes) -> None:
        raise ValueError(message)

    listening.subscription.add("bad", fail, timeout_s=5)
    listening.subscription.add("good", listening.take, timeout_s=5)
    listening.resumed.clear()

    redis.publish("bad", "1")

    assert listening.resumed.wait(PATIENCE_S)
    redis.publish("good", "2")
    listening.wait_for(b"2")


def test_channels_are_added_and_removed_at_once_by_many(listen: Open, redis: "Redis") -> None:
    listening = listen()

    def come_and_go(number: int) -> None:
        assert listening.subscription.add(f"c{number}", listening.take, timeout_s=5)
        if number % 2:
            listening.subscription.remove(f"c{number}")

    gevent.joinall([gevent.spawn(come_and_go, number) for number in range(200)], raise_error=True)

    until(lambda: len(redis.pubsub_channels("c*")) == 100)


def test_it_waits_for_its_first_channel(listen: Open, redis: "Redis", proxy: Forgetful) -> None:
    listening = listen(proxy.url)
    until(lambda: proxy.connections == 1)
    until(lambda: listening.subscription._connection is not None)

    assert listening.subscription.add("a", listening.take, timeout_s=5)
    redis.publish("a", "1")

    listening.wait_for(b"1")


def test_a_channel_that_is_removed_before_it_is_confirmed_is_forgotten(
    listen: Open, redis: "Redis", proxy: Forgetful
) -> None:
    listening = listen(proxy.url)
    until(lambda: listening.subscription._connection is not None)
    proxy.freeze()

    assert not listening.subscription.add("a", listening.take, timeout_s=0.05)
    listening.subscription.remove("a")
    proxy.thaw()

    assert listening.subscription.add("b", listening.take, timeout_s=5), "the reader lives"
    assert redis.publish("a", "1") == 0


def test_a_connection_that_was_given_up_while_a_message_was_read_is_opened_again(listen: Open, redis: "Redis") -> None:
    listening = listen()
    assert listening.subscription.add("a", lambda _message: listening.subscription._disconnect(), timeout_s=5)
    assert listening.subscription.add("b", listening.take, timeout_s=5)
    listening.resumed.clear()

    redis.publish("a", "1")

    assert listening.lost.wait(PATIENCE_S)
    assert listening.resumed.wait(PATIENCE_S)
    redis.publish("b", "2")
    listening.wait_for(b"2")
