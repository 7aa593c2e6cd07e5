"""Keys: one hash tag a user, nothing that a stranger's text could break out of."""

import re

import pytest

from services.streaming import keys
from services.streaming.events import StreamId, UserId

USER, STREAM = UserId(7), StreamId("abc")


@pytest.mark.req("T19")
def test_all_keys_of_a_user_share_one_hash_tag() -> None:
    names = [
        keys.log(USER, STREAM),
        keys.state(USER, STREAM),
        keys.viewers(USER, STREAM),
        keys.live(USER, STREAM),
        keys.slots(USER, "tutor"),
        keys.user_slots(USER),
        keys.idempotency(USER, "k"),
    ]

    assert len(set(names)) == len(names)
    assert {re.findall(r"\{(.*?)\}", name)[0] for name in names} == {"u7"}
    assert "{site}" in keys.SITE_SLOTS


def test_an_idempotency_key_may_be_any_text() -> None:
    hostile = keys.idempotency(USER, "}:x\r\n*\ud800")

    assert re.fullmatch(r"rill:\{u7\}:idem:[0-9a-f]{64}", hostile)
    assert hostile != keys.idempotency(UserId(8), "}:x\r\n*\ud800")
