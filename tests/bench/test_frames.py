"""The load tool's reader must be right before its figures can be."""

import pytest

from bench.frames import Body, Frame, Frames, WireError

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
STREAM = b": hello\n\nid: a-1\ndata: x\n\nid: a-2\nevent: e\ndata: y\ndata: z\n\n"
EXPECTED = [Frame(b"a-1", 1, None, b"x"), Frame(b"a-2", 2, b"e", b"y\nz")]


def chunked(data: bytes, size: int) -> bytes:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def pieces(data: bytes, step: int) -> list[bytes]:
    return [data[at : at + step] for at in range(0, len(data), step)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 19, 100])
@pytest.mark.parametrize("stream", [STREAM, STREAM.replace(b"\n", b"\r\n")], ids=["lf", "crlf"])
def test_frames_are_the_same_wherever_the_bytes_are_cut(size: int, stream: bytes) -> None:
    response = HEAD + chunked(stream, size)

    for step in range(1, len(response)):
        body, frames = Body(), Frames()
        got = [frame for piece in pieces(response, step) for frame in frames.feed(body.feed(piece))]

        assert got == EXPECTED
        assert body.ended
        assert frames.comments == 1


@pytest.mark.parametrize("step", [1, 2, 5, 100])
def test_a_chunk_of_the_wrong_size_is_refused(step: int) -> None:
    body = Body()

    def feed_all() -> None:
        for piece in pieces(HEAD + b"3\r\nabcX\r\n", step):
            body.feed(piece)

    with pytest.raises(WireError, match="a chunk ends with"):
        feed_all()


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(WireError, match="an unknown field"):
        Frames().feed(b"datum: x\n\n")


def test_a_frame_without_data_is_no_event() -> None:
    assert Frames().feed(b"id: a-1\n\nretry: 5\n\n") == []
