"""A start whose answer from Redis was lost was refused: nothing of it may remain."""

from collections.abc import Callable

import pytest
from redis import Redis

from services import errors
from tests.services.streaming.nodes import Node, make_spec, until
from tests.services.streaming.proxy import Forgetful


@pytest.mark.req("T4", "R1")
def test_start_whose_answer_was_lost_leaves_no_slot_no_stream_and_no_record(
    make_node: Callable[..., Node], proxy: Forgetful, redis: Redis
) -> None:
    node = make_node(url=proxy.url)
    spec = make_spec(idempotency_key="k", record="[201, {}]", fingerprint="f", assistant_limit=1)
    proxy.lose_reply_to(spec.run_id.encode())

    with pytest.raises(errors.Unavailable):
        node.runs.start(spec)

    assert proxy.lost.is_set(), "Redis must have done what was asked"
    until(lambda: not redis.keys("rill:*"))
    assert node.runs.start(spec) is not None
