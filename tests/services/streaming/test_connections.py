"""Connections to Redis: what the pool asks of them, and replies that are read without redis-py."""

from collections.abc import Iterator
from typing import Any

import pytest
from redis.exceptions import ResponseError

from services.streaming import connections
from services.streaming.connections import Lost, Replies
from tests.services.streaming.proxy import Forgetful


@pytest.fixture
def connection(redis_url: str) -> Iterator[Any]:
    made = connections.connection(redis_url, timeout_s=2.0)
    made.connect()
    yield made
    made.disconnect()


@pytest.fixture
def pooled(redis_url: str) -> Iterator[Any]:
    """A connection as the cold paths' pool makes it."""
    client = connections.client(redis_url)
    made = client.connection_pool.get_connection()
    yield made
    client.connection_pool.release(made)
    client.close()


def test_a_connection_says_whether_something_waits_on_it(pooled: Any) -> None:
    assert not pooled.can_read()
    assert not pooled.can_read(timeout=0.01), "asked to wait, it waits"

    pooled.send_command("PING")

    assert pooled.can_read(timeout=2)
    assert pooled.can_read()
    assert pooled.read_response() == b"PONG"


def test_a_connection_that_is_not_open_has_to_be_opened_to_be_asked(pooled: Any) -> None:
    pooled.disconnect()

    assert not pooled.can_read()
    assert pooled.is_connected


def test_an_error_among_replies_is_given_or_raised_as_asked(connection: Any) -> None:
    replies = Replies(connection)
    for _ in range(2):
        connection.send_command("NONSENSE")
    connection.send_command("PING")

    assert isinstance(replies.following(), ResponseError)
    with pytest.raises(ResponseError, match="unknown command"):
        replies.good()
    assert replies.good() == b"PONG"


def test_a_connection_that_is_closed_by_the_server_is_lost(proxy: Forgetful) -> None:
    made = connections.connection(proxy.url, timeout_s=2.0)
    made.connect()

    proxy.cut()

    with pytest.raises(Lost):
        Replies(made).following()
    made.disconnect()
