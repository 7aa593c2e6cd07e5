"""How far an answer can be trusted."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from services.knowledge import confidence
from services.knowledge.fusion import COSINE, FEATURES, Weighed
from services.knowledge.passages import Found, Passage


def seen(has: Sequence[Sequence[int]], cosine: float) -> Weighed:
    """Candidates that have these of the question's words, all as similar."""
    rows = np.array(has, np.float32)
    features = np.zeros((len(rows), len(FEATURES)), np.float32)
    features[:, COSINE] = cosine
    return Weighed(features.sum(1), features, rows, rows)


def relevance(has: Sequence[Sequence[int]], cosine: float, *words: str) -> float:
    looked_for = words or [f"word{n}" for n in range(len(has[0]))]
    return confidence.relevance(seen(has, cosine), list(range(len(has))), looked_for)


def passage(text: str, **changes: Any) -> Passage:
    values: dict[str, Any] = {"words_rank": 1, "vector_rank": 1, "heading": "", "start": 0, **changes}
    return Passage(1, "d", "notes.md", "b", 1, end=len(text), text=text, **values)


def found(relevance: float = 0.9) -> Found:
    return Found([passage("x")], relevance=relevance)


def test_all_words_in_a_similar_passage_is_an_answer_and_none_in_others_is_not() -> None:
    assert relevance([[1, 1, 1], [1, 0, 0]], 0.7) > 0.8
    assert relevance([[0, 0, 1], [0, 0, 0]], 0.3) < 0.2


def test_a_word_that_stands_nowhere_tells_against_an_answer() -> None:
    assert relevance([[1, 1, 0]], 0.5) < relevance([[1, 1, 1]], 0.5)
    assert relevance([[1, 0, 0], [0, 1, 0]], 0.5) < relevance([[1, 0, 0], [0, 1, 1]], 0.5)


def test_one_odd_word_among_others_tells_less_than_its_share() -> None:
    full, one, two = (relevance([[1] * (6 - n) + [0] * n], 0.65) for n in (0, 1, 2))

    assert full > one >= confidence.THRESHOLD > two


def test_a_word_in_a_script_that_nothing_found_is_written_in_is_not_judged() -> None:
    assert relevance([[0, 1]], 0.6, "漢字", "zeppelin") == relevance([[1]], 0.6, "zeppelin")
    assert relevance([[0, 1]], 0.6, "airship", "zeppelin") < relevance([[1]], 0.6, "zeppelin")
    assert relevance([[0, 0]], 0.6, "漢字", "zeppelin") < confidence.THRESHOLD
    assert relevance([[0, 1]], 0.6, "дирижабль", "цеппелин") < relevance([[1]], 0.6, "цеппелин")


def test_without_vectors_words_alone_decide() -> None:
    assert relevance([[1, 1, 1]], 0.0) >= confidence.THRESHOLD
    assert relevance([[0, 1, 0]], 0.0) < confidence.THRESHOLD


def test_nothing_found_is_nothing_relevant() -> None:
    assert confidence.relevance(seen(np.zeros((0, 2)).tolist() or [[]], 0.0), [], []) == 0
    assert confidence.before(Found(relevance=0.9)) == 0


def test_sentences_that_stand_in_what_they_cite_are_covered() -> None:
    cited = {1: passage("A lease lapses after ten seconds."), 2: passage("Readers close orphaned streams.", start=99)}

    judged = confidence.after(
        found(), "A lease lapses after ten seconds [1]. Readers close orphaned streams. [2]", cited
    )

    assert judged.coverage == 1
    assert judged.agreement == 1
    assert judged.score == 90


def test_a_sentence_is_covered_by_what_it_cites_itself_and_not_by_others() -> None:
    cited = {1: passage("A lease lapses after ten seconds."), 2: passage("Readers close orphaned streams.")}

    judged = confidence.after(found(), "A lease lapses after ten seconds [2].", cited)

    assert judged.coverage < 0.3


def test_what_is_made_up_lowers_the_score() -> None:
    cited = {1: passage("A lease lapses after ten seconds.")}
    honest = confidence.after(found(), "A lease lapses after ten seconds [1].", cited)

    invented = confidence.after(
        found(), "A lease lapses after ten seconds [1].\nElephants migrate northwards every winter season.", cited
    )

    assert invented.score < honest.score
    assert "part" in invented.words or "most" in invented.words


def test_a_number_at_the_end_of_a_line_is_for_the_line() -> None:
    cited = {1: passage("A lease lapses after ten seconds. Its slot becomes free again.")}

    judged = confidence.after(found(), "- A lease lapses after ten seconds. Its slot becomes free again. [1]", cited)

    assert judged.coverage == 1


def test_found_by_one_search_and_in_one_place_only_agrees_less() -> None:
    answer = "A lease lapses after ten seconds [1]."
    alone = confidence.after(found(), answer, {1: passage("A lease lapses after ten seconds.", vector_rank=None)})
    both = confidence.after(found(), answer, {1: passage("A lease lapses after ten seconds.")})

    assert alone.agreement < both.agreement < 1


@pytest.mark.parametrize(
    "answer", ["", "[9] [[1]] [1][2]", "No mark at all in this long sentence.", "\n\n- \n", "[1] " * 5_000]
)
def test_any_answer_has_a_score_between_0_and_100(answer: str) -> None:
    for cited in ({}, {1: passage("words")}, {1: passage(""), 2: passage("more")}):
        judged = confidence.after(found(), answer, cited)

        assert 0 <= judged.score <= 100
        assert judged.words


def test_an_answer_without_citations_is_said_to_be_unsupported() -> None:
    judged = confidence.after(found(), "Everything is fine with all of the leases.", {})

    assert judged.score < 20
    assert "cites no passage" in judged.words
