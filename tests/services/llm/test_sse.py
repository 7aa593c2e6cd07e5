import pytest

from services.llm.sse import MAX_EVENT_BYTES, EventReader, EventTooLarge

STREAM = 'data: {"a": "é"}\n\n: comment\n\nevent: x\ndata:two\ndata: lines\nid: 1\n\ndata: [DONE]\n\n'.encode()
EVENTS = ['{"a": "é"}'.encode(), b"two\nlines", b"[DONE]"]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_events_are_the_same_at_every_split_of_the_bytes(newline: bytes) -> None:
    stream = STREAM.replace(b"\n", newline)

    for cut in range(len(stream) + 1):
        reader = EventReader()
        events = reader.feed(stream[:cut]) + reader.feed(stream[cut:]) + reader.flush()

        assert events == EVENTS, f"split after {cut} bytes"


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_events_are_the_same_byte_by_byte(newline: bytes) -> None:
    reader = EventReader()

    events = [event for byte in STREAM.replace(b"\n", newline) for event in reader.feed(bytes([byte]))]

    assert events + reader.flush() == EVENTS


def test_an_event_without_its_blank_line_is_given_at_the_end() -> None:
    reader = EventReader()

    assert reader.feed(b"data: [DONE]\n") == []
    assert reader.flush() == [b"[DONE]"]
    assert reader.flush() == []


def test_no_space_after_the_colon_and_only_one_is_taken() -> None:
    assert EventReader().feed(b"data:[DONE]\n\ndata:  x\n\n") == [b"[DONE]", b" x"]


def test_an_event_without_end_is_refused() -> None:
    reader = EventReader()
    reader.feed(b"data: ")

    with pytest.raises(EventTooLarge):
        reader.feed(b"x" * (MAX_EVENT_BYTES + 1))


def test_an_event_of_endless_lines_is_refused() -> None:
    reader = EventReader()

    with pytest.raises(EventTooLarge):
        reader.feed(b"data:\n" * (MAX_EVENT_BYTES // 64 + 1))
