"""The progress of a base as a stream: for programs, for our pages, its end, and coming back to it."""

# ruff: noqa: F811 (fixtures are imported, and asked for by name)

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from services import errors
from tests.blueprints.libraries import (  # noqa: F401 (fixtures)
    Keeper,
    library_database,
    library_site,
    make_keeper,
    make_library_site,
    new_schema,
    owner,
    postgresql_url,
)
from tests.sse import Frame, Reader

SSE = {"Accept": "text/event-stream"}


def path(base_id: str) -> str:
    return f"/api/v1/kbs/{base_id}/progress"


@contextmanager
def following(keeper: Keeper, base_id: str, *, headers: Any = SSE, **query: str) -> Iterator[Iterator[Frame]]:
    """The frames of a base's progress, as they come."""
    response = keeper.client.get(path(base_id), headers=headers, query_string=query)
    assert response.status_code == 200, response.text
    assert response.content_type == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-cache"
    reader = Reader()
    try:
        yield (frame for piece in response.iter_encoded() for frame in reader.feed(piece))
    finally:
        response.close()


def all_of(keeper: Keeper, base_id: str, **more: Any) -> list[Frame]:
    """The frames of a stream that ends by itself."""
    with following(keeper, base_id, **more) as frames:
        return list(frames)


def told(frames: list[Frame]) -> list[tuple[str, str, float]]:
    return [(one.json["name"], one.json["status"], one.json["progress"]) for one in frames if one.name == "document"]


@pytest.mark.slow
@pytest.mark.req("B5")
def test_documents_are_followed_until_all_are_at_rest(owner: Keeper) -> None:
    base_id = owner.base()
    first, second = owner.add(base_id, "a.md", b"A"), owner.add(base_id, "b.md", b"B")

    with following(owner, base_id) as frames:
        assert told([next(frames), next(frames)]) == [("a.md", "queued", 0.0), ("b.md", "queued", 0.0)]
        owner.becomes(first, "embedding", done=1, total=4)
        assert told([next(frame for frame in frames if frame.json["status"] == "embedding")]) == [
            ("a.md", "embedding", 0.25)
        ]
        owner.becomes(first, "ready", done=4)
        owner.becomes(second, "failed", error="is broken")
        rest = list(frames)

    states = {frame.json["name"]: frame.json for frame in rest if frame.name == "document"}
    assert (states["a.md"]["status"], states["b.md"]["status"]) == ("ready", "failed")
    assert states["b.md"]["error"] == "is broken"
    assert rest[-1].name == "done"
    assert rest[-1].json == {"reason": "rest", "total": 2, "ready": 1, "failed": 1}


@pytest.mark.slow
def test_a_base_at_rest_is_told_at_once_and_ends(owner: Keeper) -> None:
    base_id = owner.base()
    assert [frame.name for frame in all_of(owner, base_id)] == ["done"]
    owner.becomes(owner.add(base_id), "ready")

    frames = all_of(owner, base_id)

    assert told(frames) == [("notes.md", "ready", 1.0)]
    assert frames[-1].json == {"reason": "rest", "total": 1, "ready": 1, "failed": 0}


@pytest.mark.slow
def test_who_comes_back_gets_what_changed_and_who_has_seen_all_gets_204(owner: Keeper) -> None:
    base_id = owner.base()
    first, second = owner.add(base_id, "a.md", b"A"), owner.add(base_id, "b.md", b"B")
    with following(owner, base_id) as frames:
        seen = [next(frames), next(frames)][-1].id
    owner.becomes(first, "ready")
    owner.becomes(second, "ready")

    again = all_of(owner, base_id, headers={**SSE, "Last-Event-ID": seen})

    assert told(again) == [("a.md", "ready", 1.0), ("b.md", "ready", 1.0)]
    end = again[-1].id
    for sent in ({"headers": {**SSE, "Last-Event-ID": end}}, {"headers": SSE, "query_string": {"last_event_id": end}}):
        finished = owner.client.get(path(base_id), **sent)
        assert (finished.status_code, finished.data) == (204, b"")
    owner.call("POST", f"/api/v1/documents/{first}/retry")
    with following(owner, base_id, headers={**SSE, "Last-Event-ID": end}) as frames:
        assert told([next(frames)]) == [("a.md", "queued", 0.0)]


@pytest.mark.parametrize("cursor", ["x", "a-b", "a-", "", "a-99999999999999999", "é-1"])
def test_a_cursor_that_is_none_begins_anew(owner: Keeper, cursor: str) -> None:
    base_id = owner.base()
    owner.add(base_id)

    with following(owner, base_id, last_event_id=cursor) as frames:
        first = next(frames)

    assert first.name in ("document", "done")
    assert told([first]) == [("notes.md", "queued", 0.0)]


# -- our pages


@pytest.mark.slow
@pytest.mark.req("B5")
def test_a_page_gets_the_list_then_what_changes_then_the_end(owner: Keeper) -> None:
    base_id = owner.base()
    document_id = owner.add(base_id, "<b>a.md", b"A")

    with following(owner, base_id, view="html") as frames:
        first = next(frames)
        next(frames)  # the first look of the process, which tells all again
        owner.becomes(document_id, "embedding", done=3, total=8)
        changed = next(frame for frame in frames if "3 of 8" in frame.data)
        owner.becomes(document_id, "ready", done=8)
        rest = list(frames)

    assert f'<ul id="base-{base_id}-documents" hx-swap-oob="innerMorph">' in first.data
    assert f'<li class="bases__document" id="document-{document_id}">' in first.data
    assert "&lt;b&gt;a.md" in first.data
    assert "<b>a" not in first.data
    assert "csrf_token" not in first.data, "frames are shared"
    assert f'<div id="document-{document_id}-state" hx-swap-oob="innerHTML">' in changed.data
    assert 'max="8" value="3"' in changed.data
    assert "<li" not in changed.data
    assert "All documents are ready" in rest[-2].data
    assert (rest[-1].name, rest[-1].data) == ("close", "rest")
    assert {frame.name for frame in (first, changed, *rest[:-1])} == {"message"}


def test_a_document_that_comes_or_goes_renews_the_list_of_those_who_watch(owner: Keeper) -> None:
    base_id = owner.base()
    first = owner.add(base_id, "a.md", b"A")

    with following(owner, base_id, view="html") as frames:
        next(frames)
        second = owner.add(base_id, "b.md", b"B")
        assert next(frame for frame in frames if second in frame.data and "innerMorph" in frame.data)
        owner.call("DELETE", f"/api/v1/documents/{first}")
        assert next(frame for frame in frames if first not in frame.data and "innerMorph" in frame.data)


def test_readers_are_shown_nothing_that_they_may_not_press(make_keeper: Callable[[], Keeper]) -> None:
    ada, rex = make_keeper(), make_keeper()
    base_id = ada.base()
    document_id = ada.add(base_id)
    ada.becomes(document_id, "failed", error="is broken")
    ada.let(base_id, rex)

    (theirs, *_), (own, *_) = (all_of(keeper, base_id, view="html") for keeper in (rex, ada))

    assert ("is broken" in theirs.data, "<button" in theirs.data, "<form" in theirs.data) == (True, False, False)
    assert "Try again" in own.data


def test_all_viewers_in_a_process_share_one_look(owner: Keeper) -> None:
    base_id = owner.base()
    owner.add(base_id)

    with following(owner, base_id, view="html") as one, following(owner, base_id) as two:
        next(one)
        next(two)
        bases = [watch for watch in owner.services.watches._watches if watch == base_id]

    assert bases == [base_id]


@pytest.mark.parametrize("view", ["html", ""])
def test_whoever_is_taken_out_hears_the_end(
    make_keeper: Callable[[], Keeper], view: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.watching.RECHECK_S", 0.0)
    ada, rex = make_keeper(), make_keeper()
    base_id = ada.base()
    ada.add(base_id)
    ada.let(base_id, rex)

    with following(rex, base_id, view=view) as frames:
        next(frames)
        ada.call("DELETE", f"/api/v1/kbs/{base_id}/members", json={"email": rex.email})
        last = list(frames)[-1]

    assert (last.name, "gone" in last.data) == ("close" if view else "done", True)
    assert rex.client.get(path(base_id), headers=SSE).status_code == 404


def test_a_base_that_is_deleted_ends_its_stream(owner: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.watching.RECHECK_S", 0.0)
    base_id = owner.base()
    owner.add(base_id)

    with following(owner, base_id, view="html") as frames:
        next(frames)
        owner.call("DELETE", f"/api/v1/kbs/{base_id}")
        last = list(frames)[-1]

    assert last.name == "close"


@pytest.mark.parametrize("base_id", ["unknown", "01M7ZD370G76F2F5EKFWJPXBZ2"])
def test_a_page_is_always_answered_by_200(owner: Keeper, base_id: str) -> None:
    text, close = all_of(owner, base_id, view="html")

    assert f'id="base-{base_id}-summary" hx-swap-oob="innerHTML"' in text.data
    assert "There is no such base." in text.data
    assert (close.name, close.data) == ("close", "refused")
    assert owner.client.get(path(base_id), headers=SSE).status_code == 404


def test_without_a_login_a_page_is_told_so_and_a_program_gets_401(owner: Keeper) -> None:
    stranger = owner.site.test_client()

    page = stranger.get(path("x"), query_string={"view": "html"}, headers=SSE)

    assert (page.status_code, page.content_type) == (200, "text/event-stream")
    assert "Sign in" in page.text
    assert "event: close" in page.text
    assert stranger.get(path("x"), headers=SSE).status_code == 401


def test_a_page_comes_back_when_the_database_does(owner: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    base_id = owner.base()
    owner.add(base_id)

    def away(*_: object) -> None:
        raise errors.Unavailable

    monkeypatch.setattr(owner.services.library, "get", away)

    page = owner.client.get(path(base_id), query_string={"view": "html"}, headers=SSE)

    assert (page.status_code, page.text) == (200, "retry: 3000\n\n")
    assert owner.client.get(path(base_id), headers=SSE).status_code == 503
    monkeypatch.undo()
    monkeypatch.setattr(owner.services.library, "pulse", away)
    begun = owner.client.get(path(base_id), query_string={"view": "html"}, headers=SSE)
    assert begun.text == "retry: 3000\n\n", "it went away after the stream had begun"


def test_viewers_are_sent_to_the_next_worker(owner: Keeper) -> None:
    base_id = owner.base()
    owner.add(base_id)
    hub = owner.services.hub

    with following(owner, base_id) as frames:
        next(frames)
        hub.draining = True
        try:
            assert "done" not in {frame.name for frame in frames}
            late = owner.client.get(path(base_id), headers=SSE)
        finally:
            hub.draining = False

    assert late.text == "retry: 300\n\n"


def test_who_leaves_is_forgotten(owner: Keeper) -> None:
    base_id = owner.base()
    owner.add(base_id)
    viewers = owner.services.watches._viewers

    with following(owner, base_id) as frames:
        next(frames)
        assert [viewer.key for viewer in viewers].count(base_id) == 1
    unread = owner.client.get(path(base_id), headers=SSE)
    unread.close()

    assert [viewer.key for viewer in viewers].count(base_id) == 0
