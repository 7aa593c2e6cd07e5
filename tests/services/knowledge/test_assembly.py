"""Chunks put together into passages."""

from collections.abc import Sequence

from services.knowledge import assembly
from services.knowledge.assembly import MAX_CHARS, SAME_DOCUMENT, Piece, Span


def spans(hits: Sequence[Piece], around: Sequence[Piece], limit: int) -> list[Span]:
    """With scores that leave the order as it is, whichever document a hit is of."""
    return assembly.spans(hits, [-100.0 * place for place in range(len(hits))], around, limit)


def pieces(count: int, *, document: str = "a", chars: int = 500, page: int = 1, heading: str = "") -> list[Piece]:
    """Chunks one after the other on one page."""
    return [Piece(document, n, heading, page, n * (chars + 2), n * (chars + 2) + chars) for n in range(count)]


def test_a_hit_takes_its_neighbours_along_up_to_the_limit() -> None:
    around = pieces(9)

    (span,) = spans([around[4]], around, 1)

    assert span.hit == 0
    assert span.end - span.start <= MAX_CHARS
    assert (span.first.position, span.last.position) == (4, 6)


def test_the_same_heading_comes_before_what_follows() -> None:
    around = [*pieces(2, heading="A"), Piece("a", 2, "B", 1, 1004, 1504)]

    (span,) = spans([around[1]], around, 1)

    assert (span.first.position, span.last.position) == (0, 2)
    (short,) = spans([around[1]], [*around[:2], Piece("a", 2, "B", 1, 1004, 2900)], 1)
    assert (short.first.position, short.last.position) == (0, 1)


def test_of_two_neighbours_the_one_that_was_found_too_comes_along_first() -> None:
    around = pieces(3, chars=900)

    (span,) = assembly.spans([around[1], around[0]], [2.0, 1.0], around, 1)

    assert (span.first.position, span.last.position) == (0, 1)


def test_two_hits_side_by_side_are_one_passage_and_make_room_for_another() -> None:
    around = pieces(3)
    other = pieces(1, document="b")[0]

    made = spans([around[1], around[2], other], [*around, other], 2)

    assert [span.hit for span in made] == [0, 2]


def test_no_chunk_is_in_two_passages() -> None:
    around = pieces(12)

    made = spans([around[n] for n in (5, 1, 9, 7, 3)], around, 5)

    covered = [n for span in made for n in range(span.first.position, span.last.position + 1)]
    assert len(covered) == len(set(covered))


def test_a_passage_stays_on_its_page() -> None:
    first, second = pieces(1)[0], Piece("a", 1, "", 2, 0, 100)

    (span,) = spans([first], [first, second], 1)

    assert span.first == span.last == first


def test_a_chunk_that_is_too_long_stands_alone() -> None:
    around = pieces(3, chars=MAX_CHARS)

    (span,) = spans([around[1]], around, 1)

    assert span.first == span.last


def test_one_document_gives_way_to_others_that_are_nearly_as_good_and_to_no_worse_ones() -> None:
    long = [Piece("a", 10 * n, "", n, 0, 100) for n in range(3)]
    near, far = pieces(1, document="b")[0], pieces(1, document="c")[0]
    scores = [9.0, 9.0, 9.0, 9.0 - SAME_DOCUMENT / 2, 1.0]

    made = assembly.spans([*long, near, far], scores, [], 20)

    assert [span.first.document_id for span in made] == ["a", "b", "a", "a", "c"]
