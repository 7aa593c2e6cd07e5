"""Rechunking never changes what the client's parser reads, however the bytes were cut."""

import random

import h11
import pytest

from services.llm.rechunk import Rechunker

_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n"


def _read(pieces: list[bytes]) -> tuple[bytes, bool, int]:
    """What a parser reads: the body, whether it refused or missed something, and how many chunks it saw."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    client.send(h11.EndOfMessage())
    body, chunks = b"", 0
    try:
        for piece in [*pieces, b""]:
            if piece or pieces:
                client.receive_data(piece)
            while (event := client.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                if isinstance(event, h11.Data):
                    body, chunks = body + bytes(event.data), chunks + event.chunk_end
                if isinstance(event, h11.EndOfMessage):
                    return body, False, chunks
    except h11.RemoteProtocolError:
        return body, True, chunks
    return body, True, chunks


def _through(pieces: list[bytes]) -> list[bytes]:
    rechunker = Rechunker()
    return [out for piece in pieces if (out := rechunker.feed(piece))]


def _cut(data: bytes, rng: random.Random) -> list[bytes]:
    longest = rng.choice([1, 3, 20, 400])
    pieces = []
    while data:
        size = rng.randint(1, longest)
        pieces.append(data[:size])
        data = data[size:]
    return pieces


def _chunked(parts: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part)


@pytest.mark.parametrize("seed", range(40))
def test_any_body_in_any_cuts_reads_the_same(seed: int) -> None:
    rng = random.Random(seed)
    parts = [rng.choice([b"data: x\n\n", b"\r\n", b"0\r\n\r\n", b"a" * rng.randint(1, 700)]) for _ in range(30)]
    interim = rng.choice([b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"])
    data = interim + _HEAD + _chunked(parts) + b"0\r\n\r\n"
    pieces = _cut(data, rng)

    body, failed, _ = _read(_through(pieces))

    assert (body, failed) == (b"".join(parts), False)


def test_chunks_that_came_together_are_one() -> None:
    said = [b"data: %d\n\n" % number for number in range(100)]

    body, failed, chunks = _read(_through([_HEAD, _chunked(said), b"0\r\n\r\n"]))

    assert (body, failed, chunks) == (b"".join(said), False, 1)


def test_a_part_of_a_chunk_is_not_held_back() -> None:
    rechunker = Rechunker()
    rechunker.feed(_HEAD)

    assert rechunker.feed(b"10\r\n12345") == b"5\r\n12345\r\n"
    assert rechunker.feed(b"67") == b"2\r\n67\r\n"


@pytest.mark.parametrize(
    "broken",
    [
        b"5\r\nhelloXX\r\n0\r\n\r\n",
        b"5\r\nhello5\r\nworld\r\n0\r\n\r\n",
        b"zz\r\nhello\r\n",
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n" + b"1" * 3000,
        b"5\r\nhel",
        b"5\r\nhello\r\n",
        b"5\r\nhello\r\n\r\n0\r\n\r\n",
    ],
)
@pytest.mark.parametrize("seed", range(6))
def test_what_is_broken_or_cut_off_stays_so(broken: bytes, seed: int) -> None:
    rng = random.Random(seed)
    pieces = [_HEAD, broken] if seed == 0 else _cut(_HEAD + broken, rng)

    _, failed, _ = _read(_through(pieces))

    assert failed


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
        b"no HTTP at all",
    ],
)
def test_other_replies_pass_as_they_come(data: bytes) -> None:
    rng = random.Random(1)

    assert b"".join(_through(_cut(data, rng))) == data


def test_extensions_of_a_chunk_and_trailers_are_understood() -> None:
    data = _HEAD + b'5;name="v"\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n'

    assert _read(_through([data]))[:2] == (b"hello", False)
