"""The bytes on the wire: any text in, the same text out, however the bytes are cut."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.streaming.events import StreamId
from services.streaming.wire import (
    HEARTBEAT,
    farewell,
    format_event_id,
    frame,
    parse_event_id,
    text_frame,
)
from tests.sse import Reader, frames

TEXT = st.text(st.characters(exclude_categories=("Cs",)))


@pytest.mark.req("T16", "A6-1")
def test_a_frame_is_id_event_data_and_a_blank_line() -> None:
    made = frame({"text": "é\r\n\u2028"}, name="delta", event_id="s1-7")

    assert made == 'id: s1-7\nevent: delta\ndata: {"text":"é\\r\\n\u2028"}\n\n'.encode()
    assert frame([1]) == b"data: [1]\n\n"
    assert text_frame("a\nb\r\nc\rd\x00", name="n", event_id="i") == (
        b"id: i\nevent: n\ndata: a\ndata: b\ndata: c\ndata: d\n\n"
    )
    assert text_frame("\ud800") == b"data: ?\n\n"
    assert farewell(250) == b"retry: 250\n\n"


@pytest.mark.req("T16", "A6-1")
def test_frames_one_after_another_are_read_apart() -> None:
    read = list(frames([frame({"n": 1}, event_id="s-1") + HEARTBEAT + frame({"n": 2}, name="x", event_id="s-2")]))

    assert [(each.name, each.json["n"], each.id) for each in read] == [("message", 1, "s-1"), ("x", 2, "s-2")]


@pytest.mark.slow
@given(TEXT, TEXT, TEXT)
def test_names_and_ids_cannot_break_a_frame(text: str, name: str, event_id: str) -> None:
    made = frame({"text": text}, name=name, event_id=event_id)

    (read,) = frames([made])

    assert read.json == {"text": text}
    assert made.endswith(b"\n\n")
    assert made.count(b"\n\n") == 1


@pytest.mark.slow
@given(TEXT)
def test_text_comes_out_line_by_line(text: str) -> None:
    (read,) = frames([text_frame(text)])

    assert read.data == text.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n")


def test_every_cut_of_the_bytes_reads_the_same() -> None:
    body = frame({"text": "é😀\n\r"}, name="delta", event_id="s-1") + HEARTBEAT + text_frame("ü\nz") + farewell(5)
    whole = list(frames([body]))
    assert [json.loads(whole[0].data)["text"], whole[1].data] == ["é😀\n\r", "ü\nz"]

    for cut in range(len(body) + 1):
        for second in range(cut, len(body) + 1):
            reader = Reader()
            read = reader.feed(body[:cut]) + reader.feed(body[cut:second]) + reader.feed(body[second:])
            assert read == whole
            assert reader.retry_ms == 5


@pytest.mark.slow
@pytest.mark.req("R10")
@given(st.from_regex(r"[a-z0-9]{1,64}", fullmatch=True), st.integers(0, 10**15 - 1))
def test_an_id_is_read_back(stream: str, seq: int) -> None:
    assert parse_event_id(format_event_id(StreamId(stream), seq)) == (stream, seq)


@pytest.mark.parametrize("text", ["", "-", "s-", "-1", "S-1", "s-1 ", "s-1\n", "s--1", "s-٣", "s-1e3", "s-" + "1" * 16])
def test_what_is_no_id_of_ours_is_none(text: str) -> None:
    assert parse_event_id(text) is None


@given(st.text())
def test_any_cursor_can_be_asked(text: str) -> None:
    found = parse_event_id(text)

    assert found is None or format_event_id(*found) == text or text.rpartition("-")[2].startswith("0")
