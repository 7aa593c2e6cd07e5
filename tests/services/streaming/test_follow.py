"""What a process knows of a stream: contiguous, whatever order news come in."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.streaming.events import Entry, StreamId, UserId, delta
from services.streaming.follow import Follow, place
from services.streaming.views import StreamFacts

STREAM = StreamId("s1")


def make_follow(*entries: Entry) -> Follow:
    follow = Follow(StreamFacts(UserId(1), STREAM, "tutor", "c"))
    assert follow.append(entries)
    return follow


def entry(seq: int, fence: int = 1) -> Entry:
    return Entry(fence, seq, delta(f"{fence}-{seq}"))


def test_news_are_taken_in_order_and_once() -> None:
    follow = make_follow(entry(1), entry(2))

    assert follow.append([entry(3)])
    assert follow.append([entry(2), entry(3), entry(4)])
    assert follow.append([entry(4)])

    assert [each.seq for each in follow.entries] == [1, 2, 3, 4]
    assert follow.top == "(1-4"
    assert follow.tail == 4


def test_a_gap_is_told_and_nothing_behind_it_is_taken() -> None:
    follow = make_follow(entry(1))

    assert not follow.append([entry(3)])
    assert not follow.append([entry(1), entry(3)])

    assert follow.tail == 1


def test_an_overtaken_writer_is_not_heard() -> None:
    follow = make_follow(entry(1), entry(2, fence=2))

    assert follow.append([entry(3, fence=1)])

    assert follow.tail == 2
    assert follow.append([entry(3, fence=2)])
    assert follow.entries[-1].fence == 2


def test_a_stream_that_nothing_is_known_of_begins_at_the_start() -> None:
    follow = make_follow()

    assert (follow.tail, follow.top) == (0, "-")
    assert not follow.append([entry(2)])
    assert follow.append([entry(1)])


@pytest.mark.slow
@given(st.lists(st.integers(1, 12), max_size=60))
def test_whatever_comes_it_stays_contiguous(seqs: list[int]) -> None:
    follow = make_follow()

    for seq in seqs:
        follow.append([entry(seq)])

    assert [each.seq for each in follow.entries] == list(range(1, follow.tail + 1))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (None, (0, "exact")),
        ("s1-0", (0, "exact")),
        ("s1-7", (7, "exact")),
        ("s1-9", (9, "exact")),
        ("s1-10", (0, "snapshot")),
        ("s2-7", (0, "snapshot")),
        ("s1-", (0, "snapshot")),
        ("", (0, "snapshot")),
        ("s1-٣", (0, "snapshot")),
        ("s1-7\n", (0, "snapshot")),
        ("x" * 10_000, (0, "snapshot")),
    ],
)
@pytest.mark.req("R10")
def test_a_cursor_is_exact_or_replaced_by_a_snapshot(asked: str | None, found: Any) -> None:
    assert place(asked, STREAM, 9) == found
