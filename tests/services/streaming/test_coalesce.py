"""Text comes out the same, wherever a model cut it."""

import itertools
import re

from hypothesis import example, given
from hypothesis import strategies as st

from services.streaming import coalesce
from services.streaming.coalesce import Normaliser, merged, text_of
from services.streaming.events import DELTA, Entry, Event, delta

HOSTILE = st.text(st.sampled_from("ab\r\n\t\x00\x0b\x1f\x7f\ufeff\u2028\ud83d\ude00\ud800\udfff😀"), max_size=14)
PIECES = st.lists(HOSTILE, max_size=8)


def clean(*pieces: str) -> str:
    normaliser = Normaliser()
    return "".join(map(normaliser.add, pieces)) + normaliser.end()


def expected(text: str) -> str:
    text = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f]", "", text).replace("\r\n", "\n").replace("\r", "\n")
    text = re.sub("([\ud800-\udbff])([\udc00-\udfff])", lambda pair: _joined(*pair.groups()), text)
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def _joined(high: str, low: str) -> str:
    return chr(0x10000 + ((ord(high) - 0xD800) << 10) + ord(low) - 0xDC00)


def test_every_split_of_a_hostile_text_gives_the_same() -> None:
    text = "a\r\n\r\x00\n\ud83d\x00\ude00\ud800\udc00b\r\x0b\n\ufeff\udfff\ud83d"

    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1):
            assert clean(text[:first], text[first:second], text[second:]) == expected(text)
    assert clean(*text) == expected(text)


@given(PIECES)
@example(["\r", "\x00", "\n"])
@example(["\ud83d", "", "\x00", "\ude00"])
@example(["\ud83d", "\ud83d", "\ude00"])
def test_where_it_is_cut_does_not_matter(pieces: list[str]) -> None:
    assert clean(*pieces) == clean("".join(pieces)) == expected("".join(pieces))


@given(st.lists(st.text(max_size=8), max_size=8))
def test_what_comes_out_can_be_written(pieces: list[str]) -> None:
    text = clean(*pieces)

    assert text.encode().decode() == text
    assert "\r" not in text
    assert "\x00" not in text


def test_clean_text_is_the_same_object() -> None:
    text = "as it came\n\t"

    assert Normaliser().add(text) is text


@given(st.lists(st.one_of(st.text(max_size=5).map(delta), st.just(Event("step", {"name": "s"}))), max_size=20))
def test_a_merged_replay_is_byte_for_byte_the_text(events: list[Event]) -> None:
    entries = [Entry(1, seq, event) for seq, event in enumerate(events, 1)]

    result = merged(entries)

    assert text_of(result).encode("utf-8", "surrogatepass") == text_of(entries).encode("utf-8", "surrogatepass")
    assert [e for e in result if e.event.name != DELTA] == [e for e in entries if e.event.name != DELTA]
    names = [entry.event.name for entry in result]
    assert (DELTA, DELTA) not in itertools.pairwise(names)
    assert [entry.seq for entry in result] == sorted({entry.seq for entry in result})
    assert not entries or result[-1].seq == entries[-1].seq


@given(HOSTILE)
def test_a_whole_text_is_cleaned_as_one_that_comes_in_pieces(text: str) -> None:
    assert coalesce.clean(text) == expected(text)
