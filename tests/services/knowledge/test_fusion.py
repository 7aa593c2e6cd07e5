"""Weighing what two searches found."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from services.knowledge.fusion import COSINE, FEATURES, WEIGHTS, Candidate, Matrix, weighed
from services.knowledge.terms import terms


def same_words(words: Sequence[str]) -> Matrix:
    """Vectors by which each word is near to itself alone."""
    made = np.zeros((len(words), 512), np.float32)
    for row, word in zip(made, words, strict=True):
        row[sum(map(ord, word)) * 7 % 512] = 1
    return made


def candidate(number: int, text: str, **changes: Any) -> Candidate:
    values: dict[str, Any] = {"document_id": f"d{number}", "position": 0, "title": "", **changes}
    return Candidate(number, text=text, **values)


def order(question: str, *found: Candidate) -> list[int]:
    """The candidates' numbers, the best first."""
    scores = weighed(question, terms(question), found, same_words).scores
    return [found[place].chunk_id for place in np.argsort(-scores, kind="stable")]


def test_the_nearer_in_meaning_comes_first_and_so_does_what_is_of_its_document() -> None:
    near = candidate(1, "x", similarity=0.6)
    beside = candidate(2, "x", similarity=0.4, document_id="d1")
    far = candidate(3, "x", similarity=0.4)

    assert order("question", far, beside, near) == [1, 2, 3]


def test_what_the_document_is_about_and_where_it_begins_count() -> None:
    about = candidate(1, "It frees itself.", subject="leases.md Leases")
    other = candidate(2, "It frees itself.", subject="kites.md Kites")
    late = candidate(3, "It frees itself.", subject="leases.md Leases", position=9)

    assert order("lease", other, late, about) == [1, 3, 2]


def test_words_of_a_neighbour_count_under_the_same_heading_only() -> None:
    def beside(first: int, heading: str) -> list[Candidate]:
        place = {"document_id": f"d{first}"}
        return [
            candidate(first, "Who asks in time?", heading="A", position=6, **place),
            candidate(first + 1, "lease lease", heading=heading, position=7, **place),
        ]

    section = FEATURES.index("section")
    features = weighed("lease", ["lease"], [*beside(1, "A"), *beside(3, "B")], same_words).features

    assert features[0, section] > features[2, section] == 0


def test_a_word_twice_tells_more_and_in_a_long_text_less() -> None:
    once, twice = candidate(1, "lease and other things"), candidate(2, "lease and lease again")
    long = candidate(3, "lease " + "and other things " * 50)
    section = FEATURES.index("section")
    features = weighed("lease", ["lease"], [once, twice, long], same_words).features[:, section]

    assert 1 > features[1] > features[0] > features[2] > 0


def test_of_equals_the_one_with_more_of_the_questions_words_comes_first() -> None:
    one = candidate(1, "the lease of a slot")
    two = candidate(2, "the lease of a boat")

    assert order("slot lease", two, one) == [1, 2]


def test_words_side_by_side_as_in_the_question_count() -> None:
    apart = candidate(1, "only a heap holds one tuple more")
    together = candidate(2, "a heap-only tuple")

    assert order("heap-only tuple", apart, together) == [2, 1]


def test_endings_and_parts_of_joined_words_do_not_part_words() -> None:
    found = weighed("pg_dump archives", terms("pg_dump archives"), [candidate(1, "Archive it by pg_dump.")], same_words)

    assert found.has.tolist() == [[1.0, 1.0]]


def test_a_joined_word_is_not_found_in_its_parts_apart() -> None:
    found = weighed("pg_dump", terms("pg_dump"), [candidate(1, "dump of a pg")], same_words)

    assert found.has.tolist() == [[0.0]]


def test_a_word_near_in_meaning_counts_where_no_word_is_shared() -> None:
    def alike(words: Sequence[str]) -> Matrix:
        return np.array([[1.0, 0.0] if word in ("rights", "privileges") else [0.0, 1.0] for word in words], np.float32)

    scores = weighed("rights", ["rights"], [candidate(1, "privileges"), candidate(2, "shoes")], alike).scores

    assert scores[0] > scores[1]


def test_a_rare_word_weighs_more_than_one_that_all_have() -> None:
    found = [candidate(n, "server settings" + (" timeout" if n == 1 else "")) for n in range(1, 6)]

    rarity = weighed("server timeout", ["server", "timeout"], found, same_words).rarity

    assert rarity[1] > rarity[0]
    assert rarity.sum() == pytest.approx(1)


@pytest.mark.parametrize("question", ["", "?!", "the of and", "x"])
def test_questions_without_words_and_empty_candidates_are_no_error(question: str) -> None:
    for found in ([], [candidate(1, "")], [candidate(1, "", title="…")]):
        scores = weighed(question, terms(question), found, same_words).scores

        assert len(scores) == len(found)
        assert np.isfinite(scores).all()


def test_each_feature_has_its_weight() -> None:
    assert len(FEATURES) == len(WEIGHTS)
    assert FEATURES[COSINE] == "cosine"
