"""Searches that are left and come back to, stopped, continued, tried again and asked in other words."""

import logging

import pytest

from tests.blueprints.searchers import JSON, QUESTION, SSE, Searcher, names, of, text_of
from tests.blueprints.streams import Stream
from tests.model_server import ModelServer, Script


@pytest.mark.slow
@pytest.mark.req("Q2", "Q5", "Q14", "R9", "R24", "D1-1")
def test_whoever_loses_the_connection_comes_back_for_the_rest(
    modelled_searcher: Searcher, model: ModelServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    text = "Backups are kept for 30 days [1]. Mail is kept for 90 days [2]. That is all."
    model.play(Script(text=text, stall_after=6))
    with Stream(modelled_searcher.post()) as stream:
        stream.until("token")
        seen, cursor = text_of(stream.frames), stream.frames[-1].id
        stream_id = cursor.rpartition("-")[0]
    assert any(record.message == "viewer left" for record in caplog.records)
    model.release()

    with modelled_searcher.follow(stream_id, cursor) as stream:
        verdict, *rest = stream.rest()

    assert (verdict.name, verdict.json["verdict"], verdict.json["asked"]) == ("stream", "exact", cursor)
    assert seen + text_of(rest) == text
    assert rest[-1].name == "done"
    with modelled_searcher.streams.open(f"/api/streams/{stream_id}", headers={"Last-Event-ID": rest[-1].id}) as again:
        assert again.response.status_code == 204


@pytest.mark.slow
@pytest.mark.req("Q5")
def test_posting_the_question_again_with_its_last_event_id_starts_nothing(searcher: Searcher) -> None:
    frames = searcher.ask()
    cursor = frames[2].id

    with Stream(searcher.post(headers={**SSE, "Last-Event-ID": cursor})) as stream:
        rest = stream.rest()

    assert text_of(frames[:3]) + text_of(rest) == text_of(frames)
    assert rest[-1].json == frames[-1].json
    assert len(searcher.conversations()) == 1
    # With another question it is another question.
    assert searcher.ask("How long does restoring take?", headers={**SSE, "Last-Event-ID": cursor})[-1].name == "done"
    assert len(searcher.conversations()) == 2


@pytest.mark.slow
@pytest.mark.req("Q5", "R9")
def test_after_the_log_is_gone_the_stored_answer_tells_the_same(searcher: Searcher) -> None:
    frames = searcher.ask()
    stream_id = frames[0].json["stream_id"]
    searcher.settle()
    searcher.services.redis.flushdb()
    searcher.services.hub._follows.clear()

    with searcher.follow(stream_id) as stream:
        verdict, *told = stream.rest()

    assert verdict.json["verdict"] == "gone"
    assert text_of(told) == text_of(frames)
    assert names(told) == ["token", "citation", "done"]
    assert of(told, "citation") == of(frames, "citation")
    gone, was = of(told, "done")[0], of(frames, "done")[0]
    assert {name: gone[name] for name in was if name != "notes"} == {name: was[name] for name in was if name != "notes"}


@pytest.mark.slow
@pytest.mark.req("Q5", "R9")
def test_a_finished_stream_is_kept_for_a_minute_at_least(searcher: Searcher) -> None:
    stream_id = searcher.whole()["stream_id"]

    keys = [key for key in searcher.services.redis.scan_iter("*") if stream_id.encode() in key or stream_id in str(key)]

    assert keys, "needs the stream's keys"
    assert all(searcher.services.redis.ttl(key) >= 60 for key in keys)


# -- versions, stopping and what is kept


@pytest.mark.slow
@pytest.mark.req("D1-28")
def test_a_stopped_answer_keeps_its_citations_and_goes_on(modelled_searcher: Searcher, model: ModelServer) -> None:
    model.play(
        Script(text="Kept for 30 days [1], that is sure. And then", stall_after=8),
        Script(text=" more about mail [1][2]."),
    )
    with Stream(modelled_searcher.post()) as stream:
        while "sure" not in text_of(stream.frames):
            stream.until("token")
        stream_id = stream.frames[-1].id.rpartition("-")[0]
        modelled_searcher.client.post(f"/api/streams/{stream_id}/stop")
        rest = stream.rest()

    assert rest[-1].name == "done"
    assert rest[-1].json["finish_reason"] == "cancelled"
    assert [one["number"] for one in rest[-1].json["citations"]] == [1]
    before = text_of(stream.frames)
    modelled_searcher.settle()
    conversation = modelled_searcher.conversation(of(stream.frames, "token")[0]["conversation_id"])
    extras = conversation["messages"][-1]
    assert extras["outcome"] == "stopped"

    going_on = modelled_searcher.client.post(f"/api/streams/{stream_id}/continue", headers=JSON)
    assert going_on.status_code == 201, going_on.text
    with modelled_searcher.follow(going_on.json["stream_id"]) as stream:
        frames = stream.rest()

    assert text_of(frames) == " more about mail [1][2]."
    assert [one["number"] for one in of(frames, "citation")] == [1, 2]
    for name in ("document_id", "document_name", "page", "start", "end"):
        assert of(frames, "citation")[0][name] == rest[-1].json["citations"][0][name]
    assert before.strip() in str(model.calls[-1].body["messages"])


@pytest.mark.slow
@pytest.mark.req("D1-28")
def test_an_answer_is_tried_again_and_finds_what_has_come_in_since(searcher: Searcher) -> None:
    first = searcher.whole()
    searcher.index("news.md", "Backups are kept for 45 days since yesterday.")

    again = searcher.client.post(f"/api/streams/{first['stream_id']}/retry", headers=JSON)
    assert again.status_code == 201, again.text
    with searcher.follow(again.json["stream_id"]) as stream:
        frames = stream.rest()

    assert "45 days" in text_of(frames)
    assert "news.md" in {one["document_name"] for one in of(frames, "citation")}


@pytest.mark.slow
def test_a_question_is_asked_in_other_words(searcher: Searcher) -> None:
    first = searcher.whole(kb_ids=[searcher.base_id])
    searcher.settle()
    question = searcher.conversation(first["conversation_id"])["messages"][0]

    edited = searcher.client.post(
        f"/api/messages/{question['id']}/edit", json={"message": "When does the office open?"}, headers=JSON
    )
    assert edited.status_code == 201, edited.text
    with searcher.follow(edited.json["stream_id"]) as stream:
        frames = stream.rest()

    assert "The office opens at eight" in text_of(frames)
    refused = searcher.client.post(f"/api/messages/{question['id']}/edit", json={"message": "x" * 5000}, headers=JSON)
    assert refused.status_code == 400


@pytest.mark.slow
@pytest.mark.req("D1-9")
def test_a_search_stands_in_the_history_and_is_exported_with_its_sources(searcher: Searcher) -> None:
    told = searcher.whole()
    searcher.settle()

    assert [one["title"] for one in searcher.conversations()] == [QUESTION]
    text = searcher.client.get(f"/api/conversations/{told['conversation_id']}/export").text

    assert QUESTION in text
    assert told["answer"] in text
    assert "- [1] handbook.pdf, page 1" in text
