from typing import Any

import orjson
import pytest

from services.llm.chunks import BadChunk, ReplyState
from services.llm.messages import Finish, ToolCall, Usage


def delta(content: Any = None, *, finish: str | None = None, **more: Any) -> bytes:
    return orjson.dumps({"choices": [{"delta": {"content": content, **more}, "finish_reason": finish}]})


def piece(
    index: int | None = None, call_id: str | None = None, name: str | None = None, arguments: Any = None
) -> bytes:
    call = {"function": {"name": name, "arguments": arguments}}
    call |= {} if index is None else {"index": index}
    return delta(tool_calls=[call | ({} if call_id is None else {"id": call_id})])


def take(*chunks: bytes) -> tuple[str, ReplyState]:
    state = ReplyState()
    return "".join(state.take(chunk) for chunk in chunks), state


def test_text_finish_and_usage_are_understood() -> None:
    text, state = take(
        delta(None, role="assistant"),
        delta(""),
        delta("Hé"),
        delta("llo"),
        delta(finish="stop"),
        b'{"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}',
        b" [DONE] ",
    )

    assert text == "Héllo"
    assert state.finish == Finish("stop")
    assert state.usage == Usage(3, 2)
    assert state.is_done
    assert state.code_points == 5


def test_what_follows_done_is_ignored() -> None:
    text, state = take(delta("a"), b"[DONE]", delta("b", finish="length"), b"not json")

    assert text == "a"
    assert state.finish is None


def test_reasoning_is_no_text_but_a_sign_of_life() -> None:
    text, state = take(delta(None, reasoning_content="hm"))

    assert text == ""
    assert state.has_advanced


def test_role_and_empty_chunks_are_no_signs_of_life() -> None:
    _, state = take(delta(None, role="assistant"), delta(""), b'{"choices": []}', b'{"choices": null}')

    assert not state.has_advanced


def test_text_in_typed_parts_is_joined() -> None:
    assert take(delta([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}, {"type": "x"}]))[0] == "ab"


@pytest.mark.parametrize(
    ("word", "reason"),
    [("stop", "stop"), ("eos", "stop"), ("length", "length"), ("max_tokens", "length"), ("tool_calls", "tool_calls")],
)
def test_finish_reasons_of_other_servers_are_known(word: str, reason: Any) -> None:
    assert take(delta(finish=word))[1].finish == Finish(reason)


def test_a_filtered_reply_is_no_whole_one() -> None:
    _, state = take(delta("a", finish="content_filter"))

    assert state.is_filtered
    assert state.finish is None


@pytest.mark.parametrize(
    "bad",
    [
        b'{"choices": [{"del',
        b"[]",
        b'"text"',
        b'{"error": {"message": "overloaded"}}',
        b'{"choices": {"a": 1}}',
        b'{"choices": ["a"]}',
        b'{"choices": [{"delta": "a"}]}',
        b'{"choices": [{"delta": {"content": 5}}]}',
        b'{"choices": [{"delta": {"tool_calls": {"a": 1}}}]}',
        b'{"choices": [{"delta": {"tool_calls": [{"index": 0}]}}]}',
        b'{"choices": [{"delta": {}, "finish_reason": {"a": 1}}]}',
        delta(finish="abort"),
        b"\xff\xfe",
    ],
)
def test_what_is_no_chunk_is_refused(bad: bytes) -> None:
    with pytest.raises(BadChunk):
        take(bad)


def test_tool_calls_in_pieces_are_put_together_by_index() -> None:
    _, state = take(
        piece(0, "a", "look", ""),
        piece(1, "b", "add", '{"x"'),
        piece(0, arguments='{"at"'),
        piece(1, arguments=": 1}"),
        piece(0, arguments=": 2}"),
        delta(finish="tool_calls"),
    )

    assert state.tool_calls() == [ToolCall("a", "look", '{"at": 2}'), ToolCall("b", "add", '{"x": 1}')]
    assert state.finish == Finish("tool_calls")


def test_whole_tool_calls_with_the_same_index_are_told_apart_by_id() -> None:
    _, state = take(piece(0, "a", "look", "{}"), piece(0, "b", "look", "{}"), delta(finish="stop"))

    assert state.tool_calls() == [ToolCall("a", "look", "{}"), ToolCall("b", "look", "{}")]
    assert state.finish == Finish("tool_calls"), "Ollama says stop after tool calls"


def test_tool_calls_without_index_and_id_begin_with_a_name() -> None:
    _, state = take(
        piece(None, None, "look", '{"a":'),
        piece(None, None, None, " 1}"),
        piece(None, None, "add", {"b": 2}),
        delta(finish="tool_calls"),
    )

    assert state.tool_calls() == [ToolCall("call_1", "look", '{"a": 1}'), ToolCall("call_2", "add", '{"b":2}')]


def test_tool_calls_torn_by_the_length_are_dropped() -> None:
    _, state = take(piece(0, "a", "look", '{"at'), delta(finish="length"))

    assert state.tool_calls() == []
    assert state.finish == Finish("length", is_torn=True)


@pytest.mark.parametrize("usage", ['{"prompt_tokens": 3}', '{"prompt_tokens": null, "completion_tokens": 1}', '"many"'])
def test_half_a_usage_counts_as_none(usage: str) -> None:
    assert take(f'{{"choices": [], "usage": {usage}}}'.encode())[1].usage is None
