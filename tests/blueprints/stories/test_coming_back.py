"""The same GET is the same story: while it is told, a minute after, and with its cursor for ever (A6-9)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import gevent
import pytest
from flask import Flask
from sqlalchemy import update

from services.store.conversations import Message
from tests.blueprints.stories.tellers import GENERATE, JSON, SSE, Teller, kinds, read, text_of
from tests.blueprints.streams import Stream
from tests.conftest import sign_up

# Each tells several chapters.
pytestmark = pytest.mark.slow


@pytest.mark.req("Y37", "R4", "A6-9")
def test_the_same_get_is_the_same_story_while_it_is_told_and_a_minute_after(slow_teller: Teller) -> None:
    with Stream(slow_teller.get()) as one, Stream(slow_teller.get()) as two:
        first, second = one.rest(), two.rest()
    slow_teller.settle()
    after = slow_teller.get()
    last = read(after)

    assert first[-1].json == second[-1].json == last[-1]
    assert [frame.id for frame in first][-1] == [frame.id for frame in second][-1]
    assert text_of([frame.json for frame in first]) == text_of(last)
    assert len(slow_teller.shelf()) == 1
    assert slow_teller.told_today() == 1, "it is one chapter of the child's day"
    # Later it is another one; of that one the same holds again.
    _age(slow_teller, after.headers["X-Stream-Id"])
    later, again = slow_teller.get(headers=JSON), slow_teller.get(headers=JSON)
    assert later.json["stream_id"] != after.headers["X-Stream-Id"]
    assert again.json == later.json
    assert slow_teller.told_today() == 2


@pytest.mark.req("Y37", "R4", "A6-9")
def test_a_get_with_its_cursor_comes_back_whenever_and_is_told_what_is_left(teller: Teller) -> None:
    with Stream(teller.get()) as stream:
        frames = stream.rest()
    teller.settle()
    _age(teller, frames[0].json["stream_id"])
    middle = next(frame for frame in frames if frame.json["type"] == "content")

    again = read(teller.get(headers={**SSE, "Last-Event-ID": middle.id}))
    by_query = read(teller.get(last_event_id=middle.id))
    at_the_end = teller.get(headers={**SSE, "Last-Event-ID": frames[-1].id})
    # Whatever else the request says: the cursor names the stream.
    other = read(teller.get(theme="space", headers={**SSE, "Last-Event-ID": middle.id}))

    assert again == by_query == other
    assert again[0] == {
        "type": "stream",
        "stream_id": frames[0].json["stream_id"],
        "asked": middle.id,
        "from": middle.id,
        "tail": again[0]["tail"],
        "verdict": "exact",
    }
    assert again[1:] == [frame.json for frame in frames if frame.seq > middle.seq]
    assert (at_the_end.status_code, at_the_end.data) == (204, b"")
    assert len(teller.shelf()) == 1


@pytest.mark.req("Y37", "A6-9", "R9")
def test_a_chapter_whose_log_has_expired_is_told_from_what_is_stored(teller: Teller) -> None:
    with Stream(teller.get()) as stream:
        frames = stream.rest()
    teller.settle()
    stream_id = frames[0].json["stream_id"]
    teller.services.log.forget(teller.user.id, [stream_id])

    told = read(teller.get(headers={**SSE, "Last-Event-ID": frames[2].id}))
    followed = [frame.json for frame in _follow(teller, stream_id)]
    at_the_end = teller.get(headers={**SSE, "Last-Event-ID": frames[-1].id})

    assert told[0]["verdict"] == "gone"
    assert text_of(told) == text_of([frame.json for frame in frames])
    assert told[-1] == followed[-1] == frames[-1].json
    assert kinds(told[1:]) == kinds([frame.json for frame in frames]), "in the order in which it was told"
    assert at_the_end.status_code == 204
    assert len(teller.shelf()) == 1


@pytest.mark.req("Y4", "R5")
def test_a_cursor_of_nobodys_or_somebody_elses_stream_is_not_found_and_starts_nothing(
    teller: Teller, stranger: Teller
) -> None:
    with Stream(stranger.get()) as stream:
        theirs = stream.rest()[2].id

    for cursor in (theirs, "nothing-7"):
        refused = teller.get(headers={**SSE, "Last-Event-ID": cursor})
        assert (refused.status_code, refused.json["code"]) == (404, "NOT_FOUND"), cursor
    assert teller.shelf() == []
    # What is no cursor is none.
    malformed = teller.get(headers={**JSON, "Last-Event-ID": "not a cursor"})
    assert malformed.status_code == 201


def test_a_cursor_of_another_assistants_stream_is_not_found(teller: Teller) -> None:
    asked = teller.client.post("/api/todos", json={"item": "x"})
    assert asked.status_code == 201
    begun = teller.client.post("/api/todos/agent-create/stream", json={"message": "Hello"}, headers=JSON).json

    refused = teller.get(headers={**SSE, "Last-Event-ID": f"{begun['stream_id']}-1"})

    assert refused.status_code == 404
    teller.stop_all()


@pytest.mark.req("R4")
def test_a_post_always_starts_unless_its_key_or_its_cursor_says_that_it_is_the_same(teller: Teller) -> None:
    with Stream(teller.post()) as stream:
        frames = stream.rest()
    first = frames[0].json["stream_id"]

    anew = teller.post(headers=JSON).json["stream_id"]
    keyed = [teller.post(headers={**JSON, "Idempotency-Key": "k"}).json for _ in range(2)]
    other = teller.post(headers={**JSON, "Idempotency-Key": "k"}, theme="space")
    cursor = {**SSE, "Last-Event-ID": frames[3].id}
    back = read(teller.post(headers=cursor))
    elsewhere = teller.post(headers=cursor, theme="space")
    elsewhere.close()

    assert anew != first
    assert keyed[0] == keyed[1]
    assert (other.status_code, other.json["code"]) == (409, "IDEMPOTENCY_MISMATCH")
    assert (back[0]["type"], back[0]["stream_id"], back[0]["verdict"]) == ("stream", first, "exact")
    assert elsewhere.headers["X-Stream-Id"] not in {first, anew, keyed[0]["stream_id"]}
    assert len(teller.shelf()) == 4


@pytest.mark.req("R4", "A6-9")
def test_a_get_with_a_key_is_the_same_for_a_day(teller: Teller) -> None:
    headers = {**JSON, "Idempotency-Key": "today"}
    begun = teller.get(headers=headers)
    with teller.follow(begun.json["stream_id"]) as stream:
        stream.rest()
    teller.settle()
    _age(teller, begun.json["stream_id"])

    again = teller.get(headers=headers)
    other_key = teller.get(headers={**JSON, "Idempotency-Key": "tomorrow"})

    assert (begun.status_code, again.status_code) == (201, 200)
    assert again.json == begun.json
    assert other_key.json["stream_id"] != begun.json["stream_id"]
    assert teller.get(headers=headers, theme="space").status_code == 409


@pytest.mark.req("R4", "A6-9", "A6-11")
@pytest.mark.parametrize("method", ["get", "post"])
def test_of_many_at_the_same_moment_one_starts(teller: Teller, method: str) -> None:
    headers = {**JSON, **({"Idempotency-Key": "at once"} if method == "post" else {})}
    wish = {"query_string" if method == "get" else "json": teller.wish()}
    clients = [teller.client, *(teller.site.test_client() for _ in range(7))]
    for client in clients:
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {teller.token}"

    asking = [gevent.spawn(getattr(client, method), GENERATE, headers=headers, **wish) for client in clients]
    gevent.joinall(asking, timeout=30, raise_error=True)

    answers = [one.get() for one in asking]
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert len({answer.json["stream_id"] for answer in answers}) == 1
    assert teller.told_today() == 1
    assert len(teller.shelf()) == 1


@pytest.mark.req("Y32", "R7")
def test_coming_back_is_not_counted_as_a_start(make_app: Callable[..., Flask]) -> None:
    teller = Teller(make_app(STORIES_RATE_LIMIT="2/minute", BUILTIN_PACE_MS="0"))
    with Stream(teller.get()) as stream:
        cursor = stream.rest()[3].id

    for _ in range(4):
        assert teller.get(headers=JSON).status_code == 200
        teller.get(headers={**SSE, "Last-Event-ID": cursor}).close()
    second = teller.get(headers=JSON, theme="space")
    third = teller.get(headers=JSON, theme="forest")

    assert second.status_code == 201
    assert (third.status_code, third.json["code"]) == (429, "RATE_LIMITED")
    assert int(third.headers["Retry-After"]) >= 1
    # Who is at the limit still comes back to what there is.
    assert teller.get(headers=JSON, theme="space").status_code == 200
    assert teller.post(headers={**SSE, "Last-Event-ID": cursor}).status_code == 200


@pytest.mark.req("R4")
def test_another_site_cannot_have_a_visitors_browser_start_a_story(telling: Flask) -> None:
    visitor = sign_up(telling.test_client(), "story-visitor@example.org")
    child = visitor.post("/api/v1/children", json={"name": "Mia", "age": 6}).json
    query: dict[str, Any] = {"child_id": child["id"], "theme": "ocean"}

    refused = visitor.get(GENERATE, query_string=query, headers={**SSE, "Sec-Fetch-Site": "cross-site"})
    del visitor.environ_base["HTTP_X_CSRF_TOKEN"]
    forged = visitor.post(GENERATE, json=query, headers=SSE)

    assert (refused.status_code, refused.json["code"]) == (403, "CROSS_SITE")
    assert (forged.status_code, forged.json["code"]) == (403, "CSRF")
    assert visitor.get("/api/v1/stories").json["stories"] == []


def _follow(teller: Teller, stream_id: str) -> list[Any]:
    with teller.follow(stream_id) as stream:
        return stream.rest()


def _age(teller: Teller, stream_id: str) -> None:
    """Let a chapter have ended two minutes ago."""

    def older(session: Any) -> None:
        row = session.query(Message).filter(Message.stream_id == stream_id).one()
        ended = update(Message).where(Message.stream_id == stream_id)
        session.execute(ended.values(finished_at=row.finished_at - timedelta(seconds=120)))

    teller.services.database.run(older)
