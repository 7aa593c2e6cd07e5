"""`?view=html`: always 200, a fragment for everything, and the end (API.md, "HTML flavour")."""

import re
from collections.abc import Iterable

import pytest

from tests.blueprints.people import Person
from tests.model_server import ModelServer, Script
from tests.sse import Frame

VIEW = "?view=html"
IDS = re.compile(r'\sid="([^"]*)"')


def refused(person: Person, url: str, **headers: str) -> list[Frame]:
    """The frames of a refusal, asked for without credentials."""
    with person.streams.open(url, client=person.site.test_client(), headers=headers) as stream:
        assert stream.response.status_code == 200
        assert stream.response.headers["Content-Type"] == "text/event-stream"
        assert stream.response.headers["Cache-Control"] == "no-cache"
        return stream.rest()


def check_ids(stream_id: str, frames: Iterable[Frame]) -> None:
    ids = {found for frame in frames for found in IDS.findall(frame.data)}
    assert ids
    assert all(found.startswith(f"answer-{stream_id}") for found in ids), ids


@pytest.mark.req("T42", "R15", "R29")
def test_an_answer_comes_as_fragments_of_its_element_and_ends_with_close(person: Person, model: ModelServer) -> None:
    model.play(Script(text="**bold** and <script>alert(1)</script>\n\nThe second paragraph."))
    stream_id = person.asked()["stream_id"]

    with person.follow(stream_id, query=VIEW) as stream:
        *fragments, close = stream.rest()

    assert close.name == "close"
    assert {frame.name for frame in fragments} == {"message"}
    check_ids(stream_id, fragments)
    shown = "".join(frame.data for frame in fragments)
    assert f'id="answer-{stream_id}"' in fragments[0].data
    assert "<strong>bold</strong>" in shown
    assert "<script" not in shown
    assert stream.response.headers["X-Stream-Id"] == stream_id


@pytest.mark.req("R5")
def test_the_tutors_own_address_takes_the_view_too(person: Person) -> None:
    asked = person.asked()

    with person.streams.open(f"{asked['stream_url']}&view=html", client=person.site.test_client()) as stream:
        frames = stream.rest()

    assert frames[-1].name == "close"
    check_ids(asked["stream_id"], frames)


@pytest.mark.slow
@pytest.mark.req("R9")
@pytest.mark.parametrize("how", ["idle", "closed", "expired"])
def test_a_finished_answer_is_shown_whole_whatever_the_reader_has_seen(person: Person, how: str) -> None:
    stream_id, frames = person.answered()
    if how != "idle":
        person.client.delete(f"/api/streams/{stream_id}")
    tail = person.standing(stream_id)["last_event_id"]
    if how == "expired":
        person.forget(stream_id)

    for cursor in (None, frames[2].id, tail, "nonsense"):
        with person.follow(stream_id, query=VIEW, cursor=cursor) as stream:
            assert stream.response.status_code == 200
            *fragments, close = stream.rest()
        assert close.name == "close"
        assert "word19" in "".join(frame.data for frame in fragments)
        check_ids(stream_id, fragments)


def test_json_in_the_accept_header_does_not_change_the_view(person: Person) -> None:
    stream_id, _ = person.answered()

    with person.follow(stream_id, query=VIEW, Accept="application/json") as stream:
        assert stream.rest()[-1].name == "close"


@pytest.mark.req("R5", "R29")
@pytest.mark.parametrize("path", ["/api/streams/{}?view=html", "/v1/tutor/stream?view=html&token={}"])
def test_without_a_login_a_fragment_says_so(person: Person, path: str) -> None:
    stream_id, _ = person.answered()

    fragment, close = refused(person, path.format(stream_id))

    assert close.name == "close"
    assert (fragment.own_id, close.own_id) == (None, None), "in-band refusals have no id"
    assert "word1" not in fragment.data
    if path.startswith("/api"):
        check_ids(stream_id, [fragment])
        assert "Sign in" in fragment.data


@pytest.mark.slow
@pytest.mark.req("T31")
def test_unknown_and_foreign_streams_are_a_fragment(person: Person, stranger: Person) -> None:
    stream_id, _ = person.answered()

    for asker, asked in ((person, "0" * 24), (stranger, stream_id)):
        with asker.follow(asked, query=VIEW) as stream:
            assert stream.response.status_code == 200
            fragment, close = stream.rest()
        assert close.name == "close"
        check_ids(asked, [fragment])
        assert "word1" not in fragment.data


@pytest.mark.parametrize("name", ['"><script>alert(1)', "a%0Adata: x", "a\nevent: close", "\x00", "é" * 200])
def test_a_hostile_name_of_a_stream_is_inert(person: Person, name: str) -> None:
    with person.streams.open(f"/api/streams/{name}?view=html") as stream:
        assert stream.response.status_code == 200
        frames = stream.rest()

    assert [frame.name for frame in frames] == ["message", "close"]
    assert "<script" not in frames[0].data


def test_a_bad_bearer_is_a_fragment_too(person: Person) -> None:
    stream_id, _ = person.answered()

    fragment, close = refused(person, f"/api/streams/{stream_id}?view=html", Authorization="Bearer nonsense")

    assert close.name == "close"
    check_ids(stream_id, [fragment])


@pytest.mark.slow
def test_an_answer_that_failed_or_was_stopped_says_so_and_offers_to_go_on(person: Person, model: ModelServer) -> None:
    stopped, _ = person.stopped()
    model.play("cut-after-8")
    failed, _ = person.answered(session_id="s2")

    for stream_id in (stopped, failed):
        with person.follow(stream_id, query=VIEW) as stream:
            shown = "".join(frame.data for frame in stream.rest())
        assert f"/api/streams/{stream_id}/continue" in shown
        assert f"/api/streams/{stream_id}/retry" in shown
