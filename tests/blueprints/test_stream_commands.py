from typing import Any

from flask import Flask

from tests.blueprints.streams import Streams


def run(app: Flask, *words: str) -> Any:
    return app.test_cli_runner().invoke(args=["streams", *words])


def answered(streams: Streams) -> str:
    problem_id = streams.client.get("/v1/tutor/problems").json["problems"][0]["id"]
    body = {"session_id": "s", "problem_id": problem_id, "message": "How?"}
    asked = streams.client.post("/v1/tutor/messages", json=body).json
    with streams.open(asked["stream_url"]) as stream:
        stream.until("message.end")
    streams.client.delete(asked["stop_url"])
    return str(asked["stream_id"])


def test_list_shows_each_stream_with_its_owner_and_outcome(app: Flask, streams: Streams) -> None:
    stream_id = answered(streams)

    listed = run(app, "list").output

    assert f"{stream_id} user=1 assistant=tutor status=closed outcome=completed" in listed


def test_tail_shows_events_by_name_but_not_their_text(app: Flask, streams: Streams) -> None:
    stream_id = answered(streams)

    shown = run(app, "tail", stream_id).output

    assert "1-1 start" in shown
    assert " end " in shown
    assert "level 2" not in shown


def test_tail_of_an_unknown_stream_is_one_line_and_exit_1(app: Flask) -> None:
    result = run(app, "tail", "nothing")

    assert result.exit_code == 1
    assert result.output == "Error: There is no such stream.\n"


def test_reap_settles_what_is_left(app: Flask, streams: Streams) -> None:
    answered(streams)

    result = run(app, "reap")

    assert result.exit_code == 0
    assert "0 answers settled." in result.output
