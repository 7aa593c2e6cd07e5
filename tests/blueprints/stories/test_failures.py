"""What goes wrong while a chapter is told: one `error`, last, with what came before it kept, and nothing withheld."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.blueprints.stories.tellers import GENERATE, JSON, SSE, Teller, chapter, kinds, prose, read, text_of
from tests.blueprints.streams import Stream
from tests.model_scripts import Script
from tests.model_server import ModelServer, refused_port

UNSAFE = "Then the bad man took his gun and shot the dog, and there was blood everywhere."


@pytest.fixture
def teller(modelled_teller: Teller) -> Teller:
    """Somebody whose model is scripted."""
    return modelled_teller


@pytest.mark.slow
@pytest.mark.req("Y20", "Y25", "Y39", "R14", "R15", "A6-6", "A6-7")
def test_a_model_that_breaks_off_is_an_error_and_the_partial_is_kept(teller: Teller, model: ModelServer) -> None:
    model.play(chapter(240, cut_after=150))

    with Stream(teller.get()) as stream:
        frames = stream.rest()
    events = [frame.json for frame in frames]

    assert [event["type"] for event in events].count("error") == 1
    error = events[-1]
    # An EventSource that has heard it and comes back by itself has nothing more to hear, and stops.
    assert teller.get(headers={**SSE, "Last-Event-ID": frames[-1].id}).status_code == 204
    assert (error["type"], error["error_code"], error["code"]) == ("error", "MODEL_BROKEN", "MODEL_BROKEN")
    assert error["retryable"] is True
    assert error["request_id"]
    assert "Traceback" not in error["message"]
    assert not any(event["type"] == "complete" for event in events)
    partial = text_of(events)
    assert partial
    assert prose(240).startswith(partial.rstrip())
    teller.settle()
    (told,) = teller.story(events[0]["story_id"])["chapters"]
    assert (told["outcome"], told["error_code"], told["story_content"]) == ("failed", "MODEL_BROKEN", partial)

    model.play(chapter(90))
    continued = teller.client.post(f"{events[0]['stream_url']}/continue", headers=JSON).json
    with teller.follow(continued["stream_id"]) as stream:
        rest = [frame.json for frame in stream.rest()]
    assert rest[-1]["story"]["success"] is True
    (told,) = teller.story(events[0]["story_id"])["chapters"]
    assert told["story_content"] == partial + text_of(rest)
    assert teller.told_today() == 1


@pytest.mark.slow
@pytest.mark.req("Y17", "Y20", "Y25", "R12", "A6-8", "D1-18")
def test_what_a_model_says_that_is_not_for_a_child_is_in_no_frame_and_the_story_goes_on(
    teller: Teller, model: ModelServer
) -> None:
    model.play(Script(text=f"{prose(60)}\n\n{UNSAFE} {prose(60)}"), chapter(120))

    events = teller.tell()

    assert "gun" not in str(events)
    assert "blood" not in str(events)
    rejected = [event for event in events if event["type"] == "safety_check" and event["status"] == "rejected"]
    assert len(rejected) == 1
    assert rejected[0]["action"] == "rewritten"
    assert "chunk" not in rejected[0]
    assert (events[-1]["type"], events[-1]["story"]["success"]) == ("complete", True)
    assert text_of(events) == events[-1]["story"]["story_content"]
    reviews = teller.services.stories.reviews(teller.user.id)
    assert any("gun" in review.text for review in reviews)


@pytest.mark.slow
@pytest.mark.req("Y20", "Y25", "R12", "A6-8", "D1-18")
def test_a_model_that_does_not_stop_it_ends_the_chapter_gently(teller: Teller, model: ModelServer) -> None:
    first = Script(text=f"{prose(60)}\n\n{UNSAFE} {prose(60)}")
    model.script = Script(text=f"{UNSAFE} {prose(60)}")
    model.play(first)

    events = teller.tell()

    assert (events[-1]["type"], events[-1]["error_code"]) == ("error", "SAFETY_REJECTED")
    assert events[-1]["retryable"] is True
    assert "gun" not in str(events)
    assert text_of(events)
    assert [event["action"] for event in events if event.get("status") == "rejected"][-1] == "ended"


@pytest.mark.slow
@pytest.mark.req("Y25", "R8")
def test_a_chapter_that_takes_too_long_ends_with_its_deadline(
    make_app: Callable[..., Flask], model: ModelServer
) -> None:
    settings = {"STREAMING_TIMEOUT": "3", "STORIES_CHECK": "rules", "STORIES_RATE_LIMIT": "1000/minute"}
    teller = Teller(make_app(OPENAI_BASE_URL=model.base_url, OPENAI_MODEL="scripted", **settings))
    model.play(chapter(240, stall_after=150))

    events = teller.tell()

    assert (events[-1]["type"], events[-1]["error_code"], events[-1]["retryable"]) == ("error", "DEADLINE", True)
    assert text_of(events)


@pytest.mark.slow
@pytest.mark.req("Y13", "Y25", "D1-18")
def test_without_its_model_the_built_in_storyteller_tells_and_says_so(make_app: Callable[..., Flask]) -> None:
    settings = {"OPENAI_BASE_URL": f"http://127.0.0.1:{refused_port()}/v1", "OPENAI_MODEL": "away"}
    teller = Teller(make_app(**settings, STORIES_CHECK="rules", BUILTIN_PACE_MS="0"))

    events = teller.tell()

    assert kinds(events)[-1] == "complete"
    end = events[-1]
    assert (end["engine"], end["fallback"]) == ("built-in", True)
    assert "Mia" in end["story"]["story_content"]


@pytest.mark.slow
@pytest.mark.req("Y25", "Y32")
def test_with_redis_away_nothing_starts_and_pages_of_the_api_still_answer(
    make_app: Callable[..., Flask], tmp_path_factory: pytest.TempPathFactory
) -> None:
    teller = Teller(make_app(REDIS_URL=f"unix://{tmp_path_factory.mktemp('no')}/redis"))

    wish: Any = teller.wish()
    for refused in (teller.get(), teller.post(), teller.client.post(GENERATE, json=wish, headers=JSON)):
        assert (refused.status_code, refused.json["code"]) == (503, "UNAVAILABLE")
        assert int(refused.headers["Retry-After"]) >= 1
    assert teller.shelf() == []
    assert teller.told_today() == 0
    assert len(teller.client.get("/api/v1/stories/themes").json["themes"]) >= 12


@pytest.mark.slow
@pytest.mark.req("Y40")
def test_a_chapter_keeps_how_long_it_took(teller: Teller, model: ModelServer) -> None:
    model.play(chapter(120))
    events = teller.tell()
    teller.settle()

    (told,) = teller.story(events[0]["story_id"])["chapters"]

    assert 0 <= told["first_chunk_ms"] <= told["duration_ms"]
    message = teller.client.get(f"/api/conversations/{events[0]['story_id']}").json["messages"][-1]
    assert message["usage"]["first_token_s"] >= 0
    assert read(teller.get())[-1] == events[-1], "who asks again within a minute is told the same"
