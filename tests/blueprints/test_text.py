"""What comes out of what the model said: clean text, counted in code points, proved by its hash (API.md, "Text")."""

import json
from hashlib import sha256
from typing import Any

import pytest

from tests.blueprints.people import Person, text_of
from tests.model_server import ModelServer, Script
from tests.sse import Frame


def chunk(content: str, *, ascii_only: bool = True) -> str:
    """A piece of an answer as the provider sends it; JSON escapes what is not ASCII, halves of pairs too."""
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": None}
    return json.dumps({"id": "c", "choices": [choice]}, ensure_ascii=ascii_only)


def said(*pieces: str) -> Script:
    """A model that says these pieces, one a chunk, and stops."""
    stop = json.dumps({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return Script(raw=[*map(chunk, pieces), stop, "[DONE]"])


def check_proof(frames: list[Frame]) -> None:
    text, end = text_of(frames), frames[-1].json
    assert end["content_length"] == len(text)
    assert end["content_sha256"] == sha256(text.encode()).hexdigest()


@pytest.mark.slow
@pytest.mark.req("T16", "R29")
@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["a\x00b\x01c\x1fd\x7f\x85"], "abcd\x7f\x85"),
        (["tab\there\nand line\n"], "tab\there\nand line\n"),
        (["a\r\nb\rc\n"], "a\nb\nc\n"),
        (["a\r", "\nb"], "a\nb"),
        (["a\r", "\x00", "\nb"], "a\nb"),
        (["a\r", "b\r"], "a\nb\n"),
        (["end\r"], "end\n"),
        (["x \ud83d", "\ude00 y"], "x 😀 y"),
        (["x \ud83d y"], "x \ufffd y"),
        (["y \ude00 x"], "y \ufffd x"),
        (["y \ud83d"], "y \ufffd"),
        (["\ufeffbom\u2028line\u2029para\u200djoin"], "\ufeffbom\u2028line\u2029para\u200djoin"),
        (["data: x\n\nevent: close\nid: 7\n\n: c"], "data: x\n\nevent: close\nid: 7\n\n: c"),
        (["<script>alert(1)</script> & \"quotes\" \\n"], "<script>alert(1)</script> & \"quotes\" \\n"),
        (["e\u0301 👩‍👩‍👧 ﷽"], "e\u0301 👩‍👩‍👧 ﷽"),
    ],
)  # fmt: skip
def test_text_is_cleaned_as_promised_and_untouched_otherwise(
    person: Person, model: ModelServer, pieces: list[str], text: str
) -> None:
    model.play(said(*pieces))

    stream_id, frames = person.answered()
    with person.follow(stream_id) as replayed:
        replayed.until("message.end")
    standing = person.standing(stream_id)
    conversation_id = person.client.get("/api/conversations").json["conversations"][0]["id"]
    stored = person.client.get(f"/api/conversations/{conversation_id}").json["messages"][-1]["content"]
    person.forget(stream_id)
    with person.follow(stream_id) as expired:
        expired.until("message.end")

    assert {text_of(read) for read in (frames, replayed.frames, expired.frames)} == {text}
    assert (standing["text"], stored) == (text, text)
    check_proof(frames)
    assert replayed.frames[-1] == expired.frames[-1] == frames[-1]


@pytest.mark.req("A6-15")
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_characters_and_events_cut_anywhere_are_whole_again(person: Person, model: ModelServer, size: int) -> None:
    text = "Grüße, 你好, 👋🏽 und ﷽.\nNoch eine Zeile."
    model.play(Script(text=text, frame_bytes=size))

    _, frames = person.answered()

    assert text_of(frames) == text
    check_proof(frames)


@pytest.mark.req("T16")
def test_every_event_is_one_line_of_json_between_line_feeds(person: Person, model: ModelServer) -> None:
    model.play(said("a\nb\u2028c\r\nd", "😀"))
    stream_id = person.asked()["stream_id"]
    body = bytearray()

    with person.follow(stream_id) as stream:
        for piece in stream.response.response:
            body += piece
            if b"message.end" in body:
                break

    assert b"\r" not in body
    assert b"\x00" not in body
    for block in body.decode().removesuffix("\n\n").split("\n\n"):
        lines = block.split("\n")
        assert [line.partition(":")[0] for line in lines] == ["id", "event", "data"], block
        assert json.loads(lines[2].removeprefix("data: "))


@pytest.mark.req("T13", "R19")
def test_a_tests_block_is_an_event_and_not_text(person: Person, model: ModelServer) -> None:
    block = '```tests\n{"input": "[]", "expected": "0", "why": "empty"}\nwhat about null?\n```\n'
    model.play(said("Try these:\n", *block, "Good luck.\n"))

    _, frames = person.answered()

    (tests,) = (frame.json for frame in frames if frame.name == "tool.suggested_tests")
    assert tests == {
        "tests": [{"input": "[]", "expected": "0", "why": "empty"}, {"input": "what about null?"}],
    }
    assert text_of(frames) == "Try these:\nGood luck.\n"
    check_proof(frames)


@pytest.mark.req("R19")
def test_suggested_tests_hold_no_character_that_cannot_be_sent(person: Person, model: ModelServer) -> None:
    model.play(said("Try:\n```tests\n" + '{"input": "a\\ud800b\\u0000c"}' + "\n\ud83d -> \x01 7\n```\nGood luck.\n"))

    _, frames = person.answered()

    (tests,) = (frame.json["tests"] for frame in frames if frame.name == "tool.suggested_tests")
    assert [test["input"] for test in tests] == ["a\ufffdbc", "\ufffd"]
    assert frames[-1].json["finish_reason"] == "stop"


@pytest.mark.slow
@pytest.mark.req("R19")
def test_a_tests_block_of_nothing_but_brackets_harms_nobody(person: Person, model: ModelServer) -> None:
    model.play(said("Try:\n```tests\n" + "[" * 12_000 + "\n" + '{"input": ' + "[" * 3_000 + "\n```\nGood luck.\n"))

    _, frames = person.answered()

    assert frames[-1].json["finish_reason"] == "stop"
    assert text_of(frames).endswith("Good luck.\n")


@pytest.mark.req("T27", "A6-8")
def test_controls_do_not_carry_code_past_the_guard(person: Person, model: ModelServer) -> None:
    code = "def solve(watts, budget):\n    seen = {}\n    for place, watt in enumerate(watts):\n        return place\n"
    model.play(said("Here:\n\n```python\n" + "\x01".join(code) + "```\n", *"\x00".join("for x in y: return x[0]\n")))

    stream_id, frames = person.answered()
    logged = str(person.services.log.read(person.user.id, stream_id))

    for text in (text_of(frames), logged):
        assert "enumerate" not in text
        assert "return x[0]" not in text


@pytest.mark.req("R19")
def test_a_tests_block_that_never_closes_is_text(person: Person, model: ModelServer) -> None:
    model.play(said("Try these:\n```tests\n[1, 2] -> 3\n"))

    _, frames = person.answered()

    assert "tool.suggested_tests" not in {frame.name for frame in frames}
    assert "[1, 2] -> 3" in text_of(frames)
    check_proof(frames)


def test_a_replay_after_the_log_has_expired_keeps_suggested_tests(person: Person, model: ModelServer) -> None:
    model.play(said("Try:\n```tests\n[] -> 0\n```\n"))
    stream_id, frames = person.answered()
    person.forget(stream_id)

    with person.follow(stream_id) as stream:
        again: list[Any] = stream.until("message.end")

    def suggested(read: list[Frame]) -> list[Any]:
        return [frame.json for frame in read if frame.name == "tool.suggested_tests"]

    assert suggested(again) == suggested(frames) != []


@pytest.mark.req("T43")
def test_a_question_is_cleaned_and_kept_as_it_was_meant(person: Person, model: ModelServer) -> None:
    person.answered("  Why\r\nnot\x00 \u2028 this: <b>😀</b>?\x07  ")
    conversation_id = person.client.get("/api/conversations").json["conversations"][0]["id"]

    asked = person.client.get(f"/api/conversations/{conversation_id}").json["messages"][0]

    assert asked["content"] == "Why\nnot \u2028 this: <b>😀</b>?"
    assert "Why\nnot \u2028 this: <b>😀</b>?" in model.calls[0].body["messages"][-1]["content"]


@pytest.mark.req("T43")
def test_neither_questions_nor_answers_nor_secrets_are_logged(
    person: Person, model: ModelServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    model.play(said("unspeakable words"))

    asked = person.asked("unmentionable question")
    with person.streams.open(f"{asked['stream_url']}&last_event_id=undisclosed") as stream:
        stream.until("message.end")
    person.client.get("/api/conversations?q=unmentionable")

    logged = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "stream accessed" in logged, "needs something that was logged"
    for secret in ("unspeakable", "unmentionable", "undisclosed", asked["stream_url"].partition("token=")[2]):
        assert secret not in logged
    assert person.token not in logged
