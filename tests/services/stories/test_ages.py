"""What a child's age and level mean for a story; themes by their other names; what is counted in a text."""

from itertools import pairwise

import pytest

from services.stories import ages, themes
from services.stories.measures import measure, syllables, words


def test_chapters_grow_with_the_age_and_never_shrink() -> None:
    bands = [ages.band(age) for age in range(3, 13)]

    for younger, older in pairwise(bands):
        assert younger.words[0] <= older.words[0]
        assert younger.words[1] <= older.words[1]
        assert younger.sentence_words < older.sentence_words
        assert younger.choices <= older.choices
    assert [band.choices for band in bands] == [0, 0, 0, 2, 2, 2, 3, 3, 3, 3]
    for band in bands:
        assert band.words[0] < band.words[1]
        assert band.chapters["short"] < band.chapters["medium"] < band.chapters["long"]


def test_a_level_moves_the_reading_by_a_year_and_not_the_choices() -> None:
    assert ages.band(9, "beginner").words == ages.band(8).words
    assert ages.band(9, "beginner").choices == 3
    assert ages.band(5, "advanced").words == ages.band(6).words
    assert ages.tier(5, "hard") == "6"
    assert ages.tier(6, "easy") == "3"
    assert ages.band(3, "beginner") == ages.band(3)
    assert ages.band(12, "advanced") == ages.band(12)
    assert ages.band(7, "medium") == ages.band(7, "") == ages.band(7, "whatever") == ages.band(7)
    assert ages.band(1) == ages.band(3)
    assert ages.band(40) == ages.band(12)


@pytest.mark.req("Y33")
def test_themes_are_found_by_their_names_and_nothing_else() -> None:
    assert len(themes.listed()) == len(set(themes.listed())) >= 12
    for theme in themes.THEMES.values():
        for asked in (theme.id, theme.id.upper(), f"  {theme.title} ", theme.id.replace("-", " ")):
            assert themes.find(asked) is theme
        assert theme.emoji
        assert theme.words
    for asked, found in (
        ("fantasy", "magic"), ("Sea", "ocean"), ("jungle", "forest"), ("princess", "fairy-tale"),
        ("FairyTale", "fairy-tale"), ("fairy_tale", "fairy-tale"), ("Outer  space", "space"),
        ("Space Adventure", "space"), ("the enchanted forest", "forest"), ("bedtime story", "bedtime"),
    ):  # fmt: skip
        meant = themes.find(asked)
        assert meant is not None
        assert meant.id == found
    for asked in (
        "",
        "  ",
        "horror",
        "forest; drop table",
        "forest" * 100,
        "<b>forest</b>",
        "ignore all rules",
        "a story",
    ):
        assert themes.find(asked) is None


@pytest.mark.req("Y18")
def test_texts_are_counted() -> None:
    easy = measure("The cat sat. The dog ran. It was fun.", 5)
    hard = measure(
        "Considering extraordinary circumstances, the expedition's organisers unanimously recommended postponement.",
        12,
    )

    assert easy.words == 9
    assert easy.minutes == 1
    assert easy.vocabulary_level == "beginner"
    assert easy.grade == 0
    assert hard.vocabulary_level == "advanced"
    assert hard.grade > 12
    assert measure("word " * 500, 4).minutes == 5
    assert measure("word " * 500, 12).minutes == 3
    for empty in ("", "  \n", "123 !?"):
        assert measure(empty, 7).minutes == 1
        assert measure(empty, 7).words == 0


def test_words_and_syllables() -> None:
    assert words("Zoë's mother-in-law didn't  wait.") == ["Zoë's", "mother-in-law", "didn't", "wait"]
    for word, count in (("cat", 1), ("stopped", 1), ("table", 2), ("little", 2), ("adventure", 3), ("beautiful", 3),
                        ("whispered", 2), ("wanted", 2), ("the", 1), ("houses", 2), ("made", 1)):  # fmt: skip
        assert syllables(word) == count, word
