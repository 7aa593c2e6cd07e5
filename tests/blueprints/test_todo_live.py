"""The list as others change it: what a tab is told, and the end of it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from flask.testing import FlaskClient

from blueprints import todo_stream
from services import errors
from services.store.todos import Draft
from services.todos.actions import By
from tests.sse import Frame, Reader

SSE = {"Accept": "text/event-stream"}
LIVE = "/todos/stream?view=html"


@contextmanager
def following(client: FlaskClient, path: str = LIVE) -> Iterator[Iterator[Frame]]:
    """The frames of a list, as they come."""
    response = client.get(path, headers=SSE)
    assert (response.status_code, response.content_type) == (200, "text/event-stream")
    assert response.headers["Cache-Control"] == "no-cache"
    reader = Reader()
    try:
        yield (frame for piece in response.iter_encoded() for frame in reader.feed(piece))
    finally:
        response.close()


def saying(frames: Iterator[Frame], words: str) -> str:
    return next(frame.data for frame in frames if words in frame.data)


@pytest.fixture
def live(app: Flask, signed_in: FlaskClient) -> FlaskClient:
    app.extensions["rill"].todo_watches._tick_s = 0.01
    return signed_in


@pytest.mark.slow
@pytest.mark.req("B3")
def test_every_tab_is_told_what_anybody_did_as_its_own_filter_shows_it(app: Flask, live: FlaskClient) -> None:
    todos = app.extensions["rill"].todos

    with following(live) as whole, following(live, "/todos/stream?show=done&view=html") as done:
        assert "Your list is empty" in next(whole).data
        assert "Nothing is done yet" in next(done).data
        made = todos.create(By(1, "ai"), Draft("Milk"))
        first = saying(whole, "Milk")
        assert ("Added by AI" in first, f'value="{made.revision}"' in first) == (True, True)
        todos.complete(By(1), made.todo.id)

        assert 'aria-checked="true"' in saying(done, "Milk")
        assert "Milk" not in saying(whole, "All done.")


@pytest.mark.slow
def test_a_tab_is_sent_to_the_next_worker_and_away_when_it_is_old(
    app: Flask, live: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = app.extensions["rill"]

    with following(live) as frames:
        next(frames)
        services.hub.draining = True
        try:
            assert list(frames) == []
            late = live.get(LIVE, headers=SSE)
        finally:
            services.hub.draining = False
    monkeypatch.setattr(todo_stream, "MAX_AGE_S", -1.0)
    old = live.get(LIVE, headers=SSE)

    assert late.text == "retry: 300\n\n"
    assert old.text.endswith("retry: 300\n\n")
    assert services.todo_watches._viewers == set(), "who leaves is forgotten"


def test_a_refusal_is_told_to_a_page_and_what_passes_is_waited_for(
    app: Flask, live: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = app.test_client().get(LIVE, headers=SSE)

    def away(*_: object, **__: object) -> None:
        raise errors.Unavailable

    monkeypatch.setattr(todo_stream, "read", away)

    assert ("Sign in" in stranger.text, "event: close" in stranger.text) == (True, True)
    assert live.get(LIVE, headers=SSE).text == "retry: 3000\n\n"
