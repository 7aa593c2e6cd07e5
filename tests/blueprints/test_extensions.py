import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import gevent
import pytest
from flask import Flask
from flask.testing import FlaskClient

from services.streaming.embedded_valkey import private_valkey
from tests.blueprints.conftest import bearer, login_token, register, same_person
from tests.clocks import LATE_S, within


def starts(client: FlaskClient, times: int) -> list[int]:
    return [client.post("/v1/create").status_code for _ in range(times)]


@pytest.mark.req("T43", "R7")
def test_five_starts_a_minute_then_429_with_figures(newcomer: FlaskClient) -> None:
    assert starts(newcomer, 5) == [200] * 5

    refused = newcomer.post("/v1/create")

    assert refused.status_code == 429
    assert refused.json["code"] == "RATE_LIMITED"
    assert (refused.json["limit"], refused.json["current"]) == (5, 5)
    assert 50 < int(refused.headers["Retry-After"]) <= 60


@pytest.mark.req("T43")
def test_the_rate_counts_a_person_whatever_the_credentials(
    site: Flask, newcomer: FlaskClient, ben: FlaskClient
) -> None:
    headers = bearer(login_token(site, newcomer.email))
    api = site.test_client()

    assert starts(newcomer, 3) == [200] * 3
    assert [api.post("/v1/create", headers=headers).status_code for _ in range(3)] == [200, 200, 429]
    assert ben.post("/v1/create").status_code == 200


@pytest.mark.slow
@pytest.mark.req("A6-11", "A6-12")
def test_starts_sent_all_at_once_are_counted_each(site: Flask, newcomer: FlaskClient) -> None:
    headers = bearer(login_token(site, newcomer.email))

    sent = [gevent.spawn(site.test_client().post, "/v1/create", headers=headers) for _ in range(20)]
    gevent.joinall(sent, timeout=30)

    statuses = [one.value.status_code for one in sent]
    assert statuses.count(200) == 5
    assert statuses.count(429) == 15


@pytest.mark.slow
def test_what_the_rate_refuses_is_not_counted(make_site: Callable[..., Flask]) -> None:
    ana = register(make_site(TUTOR_RATE_LIMIT="1/second"), "ana@example.org")
    assert ana.post("/v1/create").status_code == 200
    assert 429 in starts(ana, 3), "needs refusals within the second"

    deadline = time.monotonic() + 5
    while ana.post("/v1/create").status_code == 429:
        assert time.monotonic() < deadline, "refusals pushed the window on"


@pytest.mark.slow
def test_several_limits_hold_together(make_site: Callable[..., Flask]) -> None:
    ana = register(make_site(TUTOR_RATE_LIMIT="10/minute;3/hour"), "ana@example.org")

    assert starts(ana, 5) == [200, 200, 200, 429, 429]
    assert ana.post("/v1/create").json["limit"] == 3


def test_identity_and_csrf_come_before_the_rate(site: Flask, newcomer: FlaskClient) -> None:
    token = newcomer.environ_base.pop("HTTP_X_CSRF_TOKEN")
    assert [newcomer.post("/v1/create").status_code for _ in range(6)] == [403] * 6
    assert site.test_client().post("/v1/create").status_code == 401

    newcomer.environ_base["HTTP_X_CSRF_TOKEN"] = token
    assert starts(newcomer, 5) == [200] * 5


@pytest.mark.slow
def test_without_redis_nothing_is_started(make_site: Callable[..., Flask], tmp_path: Path) -> None:
    site = make_site(REDIS_URL=f"unix://{tmp_path}/nobody")
    ana = same_person(site, register(make_site(), "ana@example.org"))

    with within(2):
        response = ana.post("/v1/create")

    assert response.status_code == 503
    assert response.json["code"] == "UNAVAILABLE"
    assert int(response.headers["Retry-After"]) >= 1


@pytest.mark.slow
def test_a_redis_that_hangs_is_given_up_within_two_seconds(make_site: Callable[..., Flask], tmp_path: Path) -> None:
    with private_valkey(tmp_path / "own") as url:
        site = make_site(REDIS_URL=url)
        ana = register(site, "ana@example.org")
        assert ana.post("/v1/create").status_code == 200
        pid = site.extensions["rill"].redis.info("server")["process_id"]
        os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            response = ana.post("/v1/create")
            ready = ana.get("/readyz")
            took_s = time.monotonic() - began
        finally:
            os.kill(pid, signal.SIGCONT)

        assert response.status_code == 503
        assert ready.status_code == 503
        assert ready.json["redis"] == "away"
        assert took_s < 4 + LATE_S, "each within two seconds"
        assert ana.post("/v1/create").status_code == 200, "limits go on where they were"
