"""Numbers in brackets that are sources: links from the first, and never shown by half."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blueprints.dialects.markdown import BlockRenderer, render_markdown

CITED_PIECES = [
    "[1]",
    "[12]",
    " [3]",
    "word",
    " ",
    ". ",
    "**",
    "`",
    "\n\n",
    "- ",
    "[x](http://a.b)",
    "(",
    "[",
    "]:",
    "\n",
]


def cite(number: int) -> str:
    return f'<sup class="cite"><a href="#s-{number}" aria-label="Source {number}">{number}</a></sup>'


@pytest.mark.req("Q4")
def test_a_number_in_brackets_leads_to_its_source_and_stands_with_its_word() -> None:
    assert render_markdown("So it is [1]. And [2][3](http://x.y).", "s-") == (
        f"<p>So it is{cite(1)}. And{cite(2)}{cite(3)}(http://x.y).</p>\n"
    )


@pytest.mark.parametrize("text", ["`a[1]`", "```\na[1]\n```", "\\[1]", "[1234]", "[\u0661]", "[a]", "[ 1 ]"])
def test_what_is_no_number_of_a_source_leads_nowhere(text: str) -> None:
    assert "cite" not in render_markdown(text, "s-")


def test_without_sources_brackets_are_text() -> None:
    assert render_markdown("So [1].") == "<p>So [1].</p>\n"


def test_a_line_that_would_define_a_link_is_text_where_numbers_are_sources() -> None:
    assert render_markdown("[1]: see", "s-") == f"<p>{cite(1)}: see</p>\n"


@pytest.mark.parametrize(
    "text", ['<sup class="cite">1</sup>', '[<sup class="cite">1</sup>](http://a.b)', "![[1]](http://a.b)"]
)
def test_no_text_makes_a_number_that_is_none(text: str) -> None:
    html = render_markdown(text, "s-")

    assert "<sup" not in html or html.count("<sup") == html.count(cite(1))
    assert not re.search(r"<a[^>]*>[^<]*<(?:sup|a)", html), "no link within a link"


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(text=st.lists(st.sampled_from(CITED_PIECES), min_size=1, max_size=16).map("".join), step=st.integers(1, 7))
def test_numbers_are_the_same_however_they_come_and_never_shown_by_half(text: str, step: int) -> None:
    renderer = BlockRenderer("s-")
    for start in range(0, len(text), step):
        renderer.add(text[start : start + step])
        shown = "".join(renderer.blocks) + renderer.tail
        for number in re.findall(r">(\d+)<", shown):
            assert f"[{number}]" in text
    assert renderer.finish() is None

    assert "".join(renderer.blocks) == render_markdown(text, "s-")
