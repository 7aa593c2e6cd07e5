"""A document's text as blocks, a passage in its place."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueprints.marked import Text, marked

PAGE = "# Handbook\nEdition 2024.\n\n## Leaving\nFirst line,\nsecond line.\n\n\nThird paragraph. Its end."


def words(text: Text, *, only_marked: bool = False) -> str:
    """What is shown, or what of it is marked, without white space."""
    shown = []
    for block in text.blocks:
        for pieces in [block.pieces, *(cell for row in block.rows for cell in row)]:
            shown += [part for part, is_marked in pieces if is_marked or not only_marked]
    return "".join("".join(shown).split())


def mark_of(page: str, passage: str) -> Text:
    start = page.index(passage)
    return marked(page, start, start + len(passage))


def test_headings_and_paragraphs_are_blocks() -> None:
    blocks = marked(PAGE, 0, 0).blocks

    assert [(block.level, "".join(part for part, _ in block.pieces)) for block in blocks] == [
        (1, "Handbook"),
        (0, "Edition 2024."),
        (2, "Leaving"),
        (0, "First line,\nsecond line."),
        (0, "Third paragraph. Its end."),
    ]


@pytest.mark.req("Q4")
def test_a_passage_is_marked_where_it_stands_and_nowhere_else() -> None:
    text = mark_of(PAGE, "second line.\n\n\nThird paragraph.")

    assert words(text, only_marked=True) == "secondline.Thirdparagraph."
    assert text.blocks[3].pieces == [("First line,\n", False), ("second line.", True)]


def test_a_passage_that_begins_with_a_heading_marks_its_words() -> None:
    text = mark_of(PAGE, "## Leaving\nFirst line")

    assert words(text, only_marked=True) == "LeavingFirstline"
    assert text.blocks[2].pieces == [("Leaving", True)]


@pytest.mark.parametrize(("start", "end"), [(-5, 0), (5, 5), (10_000, 20_000), (30, 3)])
def test_places_outside_of_the_text_mark_nothing(start: int, end: int) -> None:
    text = marked(PAGE, start, end)

    assert words(text, only_marked=True) == ""
    assert words(text) == words(marked(PAGE, 0, 0))


def test_a_long_page_is_shown_around_its_passage_in_whole_paragraphs() -> None:
    page = "\n\n".join(f"Paragraph {number}. " + "word " * 40 for number in range(500))
    start = page.index("Paragraph 250.")

    text = marked(page, start, start + 14, around=3_000)

    assert words(text, only_marked=True) == "Paragraph250."
    assert len(words(text)) < 3_000
    assert text.is_cut_before
    assert text.is_cut_after
    assert all("".join(part for part, _ in block.pieces).startswith("Paragraph") for block in text.blocks)


@pytest.mark.slow
@given(
    page=st.text(alphabet="ab #\n\t|é", max_size=200),
    start=st.integers(0, 220),
    length=st.integers(0, 220),
    around=st.integers(1, 300),
)
def test_nothing_is_lost_or_doubled_and_the_mark_is_exact(page: str, start: int, length: int, around: int) -> None:
    whole = marked(page, start, start + length)
    part = marked(page, start, start + length, around=around)

    assert bare(words(whole)) == bare(page)
    assert bare(words(part, only_marked=True)) == bare(page[start : start + length])


def bare(text: str) -> str:
    """Without what says that something is a heading or a cell."""
    return re.sub(r"[\s#|]", "", text)


def test_lines_that_only_the_width_of_a_page_broke_run_on() -> None:
    line = "This line of a paragraph is as long as the page was wide, so "
    long = f"{line}it\nruns on here.\n- but this is an item\nshort\nlines"
    code = "```\nthis_is_a_line_of_code_that_is_longer_than_most_others_are()\nprint()\n```"
    text = marked(f"{long}\n\n{code}", long.index("it\nruns"), long.index(" on here"))

    assert text.blocks[0].pieces == [
        (line, False),
        ("it runs", True),
        (" on here.\n- but this is an item\nshort\nlines", False),
    ]
    assert text.blocks[1].is_code
    assert text.blocks[1].pieces == [(code.removeprefix("```\n").removesuffix("\n```"), False)]


def test_an_item_of_a_list_runs_on_further_in() -> None:
    page = "- This item of a list is so long that it had to be broken before\n  its end.\n- Another."

    assert words(marked(page, 0, 0)) == "".join(page.split())
    assert "before   its end.\n- Another." in marked(page, 0, 0).blocks[0].pieces[0][0]


def test_blank_lines_and_headings_in_code_are_code() -> None:
    page = "Before.\n```py\n# no heading\n\n  indented()\n```\nAfter.\n~~~\nnever closed"
    text = marked(page, page.index("  indented"), page.index("indented()") + 10)

    assert [block.is_code for block in text.blocks] == [False, True, False]
    assert text.blocks[1].pieces == [("# no heading\n\n", False), ("  indented()", True)]


def test_cells_between_bars_are_a_table_and_marked_cell_by_cell() -> None:
    page = "Before.\n\n| name | months |\n|---|:--:|\n| tenant | 3 |\n| landlord | 6 |  \n| | none |\n\nAfter."
    text = marked(page, page.index("tenant"), page.index("6 |") + 1)

    assert text.blocks[1].rows == [
        [[("name", False)], [("months", False)]],
        [[("tenant", True)], [("3", True)]],
        [[("landlord", True)], [("6", True)]],
        [[], [("none", False)]],
    ]
    assert marked("one | two\nthree | four", 0, 0).blocks[0].rows
    assert not marked("a | b stands alone", 0, 0).blocks[0].rows
