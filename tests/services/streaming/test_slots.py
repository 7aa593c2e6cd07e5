"""The site's slots: leases, never more than the limit."""

from collections.abc import Callable

import gevent
import pytest
from redis import Redis

from services import errors
from services.streaming import keys
from services.streaming.events import RunId
from services.streaming.slots import SiteSlots
from tests.services.streaming.nodes import Node
from tests.services.streaming.proxy import Forgetful


@pytest.mark.req("R1")
def test_twenty_at_once_get_exactly_as_many_slots_as_there_are(make_node: Callable[..., Node]) -> None:
    workers = [make_node(limit=3).site, make_node(limit=3).site]
    refusals: list[errors.SiteFull] = []

    def take(number: int) -> None:
        try:
            workers[number % 2].acquire(RunId(f"r{number}"))
        except errors.SiteFull as full:
            refusals.append(full)

    gevent.joinall([gevent.spawn(take, number) for number in range(20)], raise_error=True)

    assert len(refusals) == 17
    assert refusals[0].retry_after_s
    assert refusals[0].extra == {"limit": 3, "current": 3}


def test_a_slot_is_free_when_it_is_given_back_or_its_lease_has_lapsed(redis: "Redis") -> None:
    site = SiteSlots(redis, limit=1)
    site.acquire(RunId("r1"))
    site.release(RunId("r1"))
    site.acquire(RunId("r2"))
    redis.zadd(keys.SITE_SLOTS, {"r2": 1})

    site.acquire(RunId("r3"))

    assert redis.zrange(keys.SITE_SLOTS, 0, -1) == [b"r3"]
    assert redis.pttl(keys.SITE_SLOTS) > 0


def test_renewing_prolongs_the_lease_and_takes_it_again_after_an_outage(redis: "Redis") -> None:
    site = SiteSlots(redis, limit=1)
    site.renew([])
    assert not redis.exists(keys.SITE_SLOTS)
    site.acquire(RunId("r1"))
    redis.zadd(keys.SITE_SLOTS, {"r1": 1})

    site.renew([RunId("r1"), RunId("r2")])

    with pytest.raises(errors.SiteFull):
        site.acquire(RunId("r3"))
    assert redis.zcard(keys.SITE_SLOTS) == 2


def test_without_redis_nothing_is_taken(make_node: Callable[..., Node], proxy: Forgetful) -> None:
    site = make_node(url=proxy.url, started=False).site
    proxy.refuse()

    for call in (lambda: site.acquire(RunId("r")), lambda: site.renew([RunId("r")]), lambda: site.release(RunId("r"))):
        with pytest.raises(errors.Unavailable):
            call()
