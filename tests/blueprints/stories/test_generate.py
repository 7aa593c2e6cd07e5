"""One chapter over HTTP: its order, its payloads, its headers, and how else it can be asked for."""

import hashlib
from typing import Any

import pytest
from flask import Flask

from tests.blueprints.stories.tellers import GENERATE, JSON, SSE, Teller, kinds, read, text_of, words
from tests.blueprints.streams import Stream

Y13 = [
    "node workflow started",
    "node generate_content started",
    "content",
    "node generate_content completed",
    "node safety_check started",
    "safety_check",
    "node safety_check completed",
    "metadata",
    "complete",
]


@pytest.mark.slow
@pytest.mark.req(
    "Y1", "Y2", "Y3", "Y6", "Y7", "Y13", "Y14", "Y15", "Y16", "Y17", "Y18", "Y19", "Y21", "Y27", "Y35", "R13"
)
def test_a_chapter_is_told_in_the_specifications_order_and_words(teller: Teller) -> None:
    response = teller.get()
    with Stream(response) as stream:
        frames = stream.rest()
    events = [frame.json for frame in frames]

    assert kinds(events) == Y13
    first, last = events[0], events[-1]
    stream_id = response.headers["X-Stream-Id"]
    assert {"stream_id": stream_id, "stream_url": f"/api/streams/{stream_id}"}.items() <= first.items()
    assert first["stop_url"] == f"/api/streams/{stream_id}/stop"
    assert first["engine"] == last["engine"] == "built-in"
    assert (first["story_id"], first["chapter_id"]) == (last["story"]["story_id"], last["story"]["chapter_id"])

    story, text = last["story"], text_of(events)
    assert text == story["story_content"]
    assert (len(text), hashlib.sha256(text.encode()).hexdigest()) == (last["content_length"], last["content_sha256"])
    assert (story["success"], story["content_approved"], last["finish_reason"]) == (True, True, "stop")
    assert len(story["choices"]) == 2, "a child of six chooses between two"
    assert story["choice_question"].endswith("?")
    assert 0.0 < story["safety_score"] <= 1.0
    assert "Mia" in text, "the child is the hero"

    (metadata,) = [event for event in events if event["type"] == "metadata"]
    for field in ("estimated_reading_time", "vocabulary_level", "educational_elements", "choices", "title"):
        assert metadata[field] == story[field], field
    assert isinstance(story["estimated_reading_time"], int)
    assert story["estimated_reading_time"] >= 1
    assert story["vocabulary_level"] in {"beginner", "intermediate", "advanced"}

    (check,) = [event for event in events if event["type"] == "safety_check"]
    assert (check["status"], check["score"]) == ("approved", story["safety_score"])
    percents = [event["progress"]["percent"] for event in events if event["type"] == "progress"]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert all(
        event["progress"]["stage"] and event["progress"]["description"]
        for event in events
        if event["type"] == "progress"
    )
    # Unnamed, so that `onmessage` hears each of them; each has an id, and they rise.
    assert {frame.name for frame in frames} == {"message"}
    assert [frame.seq for frame in frames] == sorted({frame.seq for frame in frames})


@pytest.mark.slow
@pytest.mark.req("Y27", "R11")
def test_pieces_are_paragraphs_of_fifty_to_two_hundred_words(teller: Teller) -> None:
    chunks = [event["chunk"] for event in teller.tell() if event["type"] == "content"]

    assert len(chunks) >= 2
    assert all(50 <= words(chunk) <= 200 for chunk in chunks[:-1])
    assert words(chunks[-1]) <= 200


@pytest.mark.slow
@pytest.mark.req("Y34", "R11", "R12")
def test_token_mode_tells_word_by_word(teller: Teller) -> None:
    events = teller.tell(mode="token")
    chunks = [event["chunk"] for event in events if event["type"] == "content"]

    assert kinds(events) == Y13
    assert "".join(chunks) == events[-1]["story"]["story_content"]
    # What came together may have been sent together; but not by paragraphs.
    assert min(words(chunk) for chunk in chunks) <= 5


@pytest.mark.req("Y5", "Y28", "Y38", "A6-17", "R30")
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_chapters_response_has_the_headers_of_every_stream(teller: Teller, method: str) -> None:
    response = getattr(teller, method)(headers={**SSE, "Accept-Encoding": "gzip, br"})
    with Stream(response) as stream:
        stream.until("message")

        assert response.headers["Content-Type"] == "text/event-stream"
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["X-Accel-Buffering"] == "no"
        assert response.headers["Content-Location"] == f"/api/streams/{response.headers['X-Stream-Id']}"
        assert not {"Connection", "Content-Encoding", "Content-Length"} & set(response.headers.keys())


@pytest.mark.slow
@pytest.mark.req("R4", "R22", "R23", "R33")
def test_the_post_twin_takes_json_and_forms(teller: Teller) -> None:
    as_json = teller.tell_anew(child_id=str(teller.child["id"]), chapter_number="1")
    as_form = read(teller.client.post(GENERATE, data=teller.wish(), headers=SSE))

    assert kinds(as_json) == kinds(as_form) == Y13
    assert as_json[0]["stream_id"] != as_form[0]["stream_id"]


@pytest.mark.slow
@pytest.mark.req("R4", "R23")
@pytest.mark.parametrize("method", ["get", "post"])
def test_who_wants_json_is_told_where_the_chapter_is(teller: Teller, method: str) -> None:
    begun = getattr(teller, method)(headers=JSON)

    told = begun.json
    assert begun.status_code == 201
    assert begun.headers["X-Stream-Id"] == told["stream_id"]
    with teller.follow(told["stream_id"]) as stream:
        events = [frame.json for frame in stream.rest()]
    assert kinds(events) == Y13
    assert (
        told.items() >= {name: events[0][name] for name in ("stream_url", "stop_url", "story_id", "chapter_id")}.items()
    )
    if method == "get":
        again = teller.get(headers=JSON)
        assert (again.status_code, again.json) == (200, told)


@pytest.mark.slow
@pytest.mark.req("R23")
@pytest.mark.parametrize("accept", [None, "*/*", "text/event-stream", "text/event-stream, text/html"])
def test_without_another_wish_a_chapter_streams(teller: Teller, accept: str | None) -> None:
    response = teller.get(headers={"Accept": accept} if accept else {})

    assert response.content_type == "text/event-stream"
    response.close()


@pytest.mark.slow
@pytest.mark.req("R23", "A6-16")
def test_pages_and_fragments_are_not_given_a_stream(teller: Teller) -> None:
    htmx = teller.post(headers={"Accept": "text/html, text/event-stream", "HX-Request": "true"})
    form = teller.client.post(GENERATE, data=teller.wish(), headers={"Accept": "text/html,*/*;q=0.8"})

    assert htmx.status_code == form.status_code == 200
    assert htmx.content_type.startswith("text/html")
    assert form.content_type.startswith("text/html")
    assert htmx.headers["X-Stream-Id"] != form.headers["X-Stream-Id"]
    form.close()


def test_asking_for_the_headers_alone_tells_nothing(teller: Teller) -> None:
    response = teller.client.head(GENERATE, query_string=teller.wish())

    assert (response.status_code, response.content_type, response.data) == (200, "text/event-stream", b"")
    assert teller.shelf() == []


@pytest.mark.slow
@pytest.mark.req("Y3", "Y4", "Y24", "Y31", "R5")
def test_a_token_in_the_query_says_who_asks(teller: Teller, telling: Flask) -> None:
    query = teller.wish(token=teller.token)
    anonymous = telling.test_client()

    assert anonymous.get(GENERATE, query_string=teller.wish(), headers=SSE).status_code == 401
    assert anonymous.get(GENERATE, query_string={**query, "token": "nonsense"}, headers=SSE).status_code == 401
    assert kinds(read(anonymous.get(GENERATE, query_string=query, headers=SSE))) == Y13


@pytest.mark.slow
@pytest.mark.req("Y31", "R5")
def test_a_stream_ticket_or_a_streams_id_starts_nothing(teller: Teller, telling: Flask) -> None:
    stream_id = teller.tell()[0]["stream_id"]

    query = teller.wish(token=stream_id, chapter_number=1)
    assert telling.test_client().get(GENERATE, query_string=query, headers=SSE).status_code == 401
    assert len(teller.shelf()) == 1


@pytest.mark.slow
@pytest.mark.req("Y19", "Y36", "Y39")
def test_a_stopped_chapter_ends_with_what_came(slow_teller: Teller) -> None:
    with Stream(slow_teller.get()) as stream:
        frames: list[Any] = []
        while not any(frame.json["type"] == "content" for frame in frames):
            frames += stream.until("message")
        stopped = slow_teller.client.post(frames[0].json["stop_url"], headers=JSON)
        events = [frame.json for frame in [*frames, *stream.rest()]]

    assert stopped.json["outcome"] == "stopped"
    end = events[-1]
    assert (end["type"], end["finish_reason"], end["story"]["success"]) == ("complete", "cancelled", False)
    assert end["story"]["story_content"] == text_of(events) != ""
    assert end["story"]["choices"] == []
    assert end["story"]["content_approved"] is True


@pytest.mark.slow
@pytest.mark.req("Y24", "Y5")
def test_other_sites_pages_get_cors_headers_where_they_are_named(telling_for_others: Teller) -> None:
    origin = "https://pages.example"
    preflight = telling_for_others.client.options(
        GENERATE, headers={"Origin": origin, "Access-Control-Request-Method": "GET"}
    )
    response = telling_for_others.get(headers={**SSE, "Origin": origin})
    response.close()
    strangers = telling_for_others.get(headers={**SSE, "Origin": "https://else.example"})
    strangers.close()

    assert preflight.status_code == 204
    for answer in (preflight, response):
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert "X-Stream-Id" in answer.headers["Access-Control-Expose-Headers"]
    assert "Last-Event-ID" in preflight.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Origin" not in strangers.headers


@pytest.mark.slow
@pytest.mark.req("R4", "Y36", "Y37")
def test_a_chapter_is_followed_stopped_and_looked_at_like_every_answer(slow_teller: Teller) -> None:
    begun = slow_teller.post(headers=JSON).json
    running = slow_teller.client.get("/api/streams").json["streams"]
    with slow_teller.follow(begun["stream_id"], query="?view=html") as page:
        shown = page.until("message")[-1].data
    stops = [slow_teller.client.delete(begun["stream_url"]).json for _ in range(2)]
    standing = slow_teller.client.get(begun["stream_url"], headers=JSON).json

    assert [(one["stream_id"], one["assistant"]) for one in running] == [(begun["stream_id"], "stories")]
    assert f"answer-{begun['stream_id']}" in shown
    assert stops[0] == stops[1] == {"message": "Stream closed", "outcome": "stopped", "confirmed": True}
    assert (standing["assistant"], standing["state"], standing["outcome"]) == ("stories", "closed", "stopped")
    assert slow_teller.client.get("/api/streams").json["streams"] == []
    with slow_teller.follow(begun["stream_id"]) as stream:
        end = stream.rest()[-1].json
    assert (end["type"], end["story"]["story_content"]) == ("complete", standing["text"])
