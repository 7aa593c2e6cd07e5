"""The sweeper of answers that were never stored."""

from collections.abc import Callable
from typing import Any

from flask import Flask

from services.store import conversations
from tests.blueprints.streams import Streams
from tests.conftest import sign_up


def test_one_answer_that_cannot_be_settled_keeps_no_other_from_it(make_app: Callable[..., Flask], redis: Any) -> None:
    site = make_app(STREAM_IDLE="0")
    client = sign_up(site.test_client(), "ada@example.org")
    services = site.extensions["rill"]
    problem_id = client.get("/v1/tutor/problems").json["problems"][0]["id"]
    asked = [
        client.post("/v1/tutor/messages", json={"session_id": name, "problem_id": problem_id, "message": "How?"}).json
        for name in ("first", "second")
    ]
    for one in asked:
        with Streams(client).open(one["stream_url"]) as stream:
            stream.until("message.end")
    services.database.run(_unsettle)
    # What the first one's log holds makes no sense.
    broken = next(key for key in redis.scan_iter(match=f"*:state:{asked[0]['stream_id']}"))
    redis.delete(broken)
    redis.set(broken, "not a hash")

    settled = services.turns.sweep()

    assert settled == 1
    rows = services.database.run(conversations.unsettled, 0, 10)
    assert [row.stream_id for row in rows] == [asked[0]["stream_id"]]


def _unsettle(session: Any) -> None:
    session.connection().exec_driver_sql(
        "UPDATE messages SET outcome = NULL, created_at = '2020-01-01 00:00:00.000000' WHERE role = 'assistant'"
    )
