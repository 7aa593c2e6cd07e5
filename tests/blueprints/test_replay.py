"""Coming back: cursors, verdicts, and streams whose log has expired (API.md, "Subscribe")."""

import pytest

from tests.blueprints.people import Person, names, text_of
from tests.factories import make_answer
from tests.model_server import ModelServer


@pytest.mark.slow
@pytest.mark.req("R4", "R9")
def test_a_reader_that_comes_back_anywhere_gets_what_it_has_not_seen(person: Person, model: ModelServer) -> None:
    model.play("paced-20-3")
    stream_id, frames = person.answered()
    whole = text_of(frames)
    cursors = [frame.id for frame in frames[:-1]]
    assert len(cursors) > 5, "needs an answer in several parts"

    for place, cursor in enumerate(cursors):
        with person.follow(stream_id, cursor=cursor) as stream:
            start, *rest = stream.until("message.end")
        assert (start.name, start.id) == ("stream.start", cursor)
        assert (start.json["asked"], start.json["from"], start.json["verdict"]) == (cursor, cursor, "exact")
        assert text_of(frames[: place + 1]) + text_of(rest) == whole
        assert [frame.name for frame in rest].count("message.start") == (place < 1)
        assert rest[-1] == frames[-1]


@pytest.mark.slow
@pytest.mark.req("R4")
def test_the_cursor_may_stand_in_the_query_and_the_header_wins(person: Person, model: ModelServer) -> None:
    model.play("paced-20-3")
    stream_id, frames = person.answered()
    early, late = frames[2].id, frames[5].id

    with person.follow(stream_id, query=f"?last_event_id={early}") as stream:
        assert stream.until("stream.start")[0].json["from"] == early
    with person.follow(stream_id, query=f"?last_event_id={early}", cursor=late) as stream:
        assert stream.until("stream.start")[0].json["from"] == late


@pytest.mark.req("R10")
@pytest.mark.parametrize(
    "cursor",
    ["nonsense", "{id}", "{id}-", "{id}-x", "{id}--1", "{id}-1-1", "{id}-99999", "{id}-" + "9" * 30, "0" * 24 + "-2"],
)
def test_a_cursor_that_is_not_of_this_stream_replaces_the_text(person: Person, cursor: str) -> None:
    stream_id, frames = person.answered()
    asked = cursor.replace("{id}", stream_id)

    with person.follow(stream_id, cursor=asked) as stream:
        start, *rest = stream.until("message.end")

    assert (start.name, start.id) == ("stream.start", f"{stream_id}-0")
    assert (start.json["asked"], start.json["from"]) == (asked, f"{stream_id}-0")
    assert start.json["verdict"] == "snapshot"
    assert text_of(rest) == text_of(frames)


@pytest.mark.slow
@pytest.mark.req("R10")
def test_another_of_my_streams_cursors_counts_for_nothing(person: Person) -> None:
    stream_id, _ = person.answered()
    _, others = person.answered(session_id="s2")

    with person.follow(stream_id, cursor=others[3].id) as stream:
        assert stream.until("stream.start")[0].json["verdict"] == "snapshot"


@pytest.mark.slow
@pytest.mark.req("R9", "R11")
def test_a_replay_is_one_event_with_the_id_of_its_last_part(person: Person, model: ModelServer) -> None:
    model.play("paced-20-3")
    stream_id, frames = person.answered()
    live = [frame for frame in frames if frame.name == "message.delta"]
    assert len(live) > 3, "needs an answer in several parts"

    with person.follow(stream_id) as stream:
        replayed = [frame for frame in stream.until("message.end") if frame.name == "message.delta"]

    assert [frame.json["content"] for frame in replayed] == [text_of(frames)]
    assert replayed[0].id == live[-1].id


@pytest.mark.slow
@pytest.mark.req("R9")
@pytest.mark.parametrize("expired", [False, True], ids=["live", "expired"])
def test_a_reader_that_has_seen_a_closed_stream_to_its_end_gets_204(person: Person, expired: bool) -> None:
    stream_id, frames = person.stopped()
    tail = person.standing(stream_id)["last_event_id"]
    assert frames[-1].name == "stream.close", "needs a stream that is closed"
    if expired:
        person.forget(stream_id)

    for cursor in (frames[-1].id, tail):
        with person.follow(stream_id, cursor=cursor) as stream:
            assert stream.response.status_code == 204
            assert stream.rest() == []
        assert person.client.get(f"/api/streams/{stream_id}?last_event_id={cursor}").status_code == 204


@pytest.mark.slow
@pytest.mark.req("R9")
def test_a_reader_that_has_not_seen_the_close_gets_it(person: Person) -> None:
    stream_id, frames = person.stopped()
    end = next(frame for frame in frames if frame.name == "message.end")

    with person.follow(stream_id, cursor=end.id) as stream:
        assert [frame.name for frame in stream.rest()] == ["stream.start", "stream.close"]


@pytest.mark.slow
@pytest.mark.req("R16", "A6-4")
def test_a_reader_at_the_end_of_an_idle_stream_waits_for_the_next_answer(person: Person) -> None:
    stream_id, frames = person.answered()

    with person.follow(stream_id, cursor=frames[-1].id) as stream:
        assert stream.until("stream.start")[0].json["verdict"] == "exact"
        assert person.ask("And then?", stream_id=stream_id).status_code == 200
        again = stream.until("message.end")

    assert names(again) == ["message.start", "message.delta", "message.end"]
    assert again[0].seq > frames[-1].seq


@pytest.mark.req("R9", "A6-9")
@pytest.mark.parametrize("cursor", [None, 0, 3, 99_999, "nonsense"])
def test_an_expired_log_is_told_from_the_stored_answer(
    person: Person, model: ModelServer, cursor: int | str | None
) -> None:
    stream_id, frames = person.answered()
    calls = len(model.calls)
    person.forget(stream_id)

    asked = f"{stream_id}-{cursor}" if isinstance(cursor, int) else cursor
    with person.follow(stream_id, cursor=asked) as stream:
        start, *rest = stream.rest()

    assert (start.name, start.id) == ("stream.start", f"{stream_id}-0")
    assert (start.json["asked"], start.json["from"], start.json["verdict"]) == (asked, f"{stream_id}-0", "gone")
    assert names(rest) == ["message.start", "message.delta", "message.end", "stream.close"]
    assert text_of(rest) == text_of(frames)
    assert rest[0].json == frames[1].json
    assert rest[-2].json == frames[-1].json
    assert len(model.calls) == calls, "never a second generation"


@pytest.mark.slow
@pytest.mark.req("R9")
def test_what_a_worker_remembers_does_not_outlive_the_log(person: Person) -> None:
    stream_id, frames = person.stopped()
    with person.follow(stream_id) as stream:
        assert stream.rest()[0].json["verdict"] == "exact"
    person.forget(stream_id)

    with person.follow(stream_id) as stream:
        again = stream.rest()

    assert again[0].json["verdict"] == "gone"
    assert text_of(again) == text_of(frames)
    assert again[-2:] == frames[-2:]


@pytest.mark.slow
@pytest.mark.req("R9", "R10")
def test_an_expired_log_of_several_answers_has_rising_ids(person: Person) -> None:
    stream_id, first = person.answered()
    assert person.ask("And then?", stream_id=stream_id).status_code == 200
    with person.follow(stream_id, cursor=first[-1].id) as stream:
        second = stream.until("message.end")
    person.forget(stream_id)

    with person.follow(stream_id) as stream:
        frames = stream.rest()

    assert names(frames).count("message.end") == 2
    assert text_of(frames) == text_of(first) + text_of(second)
    seqs = [frame.seq for frame in frames]
    assert seqs == sorted(set(seqs))
    assert seqs[-2] == second[-1].seq, "the end keeps its place"


@pytest.mark.req("R9", "R14")
def test_a_stream_of_which_nothing_is_left_says_so(person: Person) -> None:
    answer = person.services.database.run(make_answer, person.user.id, stream_id="feedc0de")

    with person.follow("feedc0de") as stream:
        frames = stream.rest()
    row = person.client.get(f"/api/conversations/{answer.conversation_id}").json["messages"][-1]

    assert frames[0].json["verdict"] == "gone"
    errors = [frame.json for frame in frames if frame.name == "error"]
    assert [error["code"] for error in errors] == ["STREAM_GONE"]
    assert set(errors[0]) == {"code", "message", "retryable", "request_id"}
    assert errors[0]["request_id"] == stream.response.headers["X-Request-Id"]
    assert [frame.json["finish_reason"] for frame in frames if frame.name == "message.end"] == ["interrupted"]
    assert row["outcome"] == "interrupted"
