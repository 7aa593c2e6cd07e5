"""Markdown and TeX as the words of one line."""

import pytest

from blueprints.dialects.plain import MAX_CHARS, plain
from tests.clocks import cpu_within


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("## Light\n\n**Blue** and *red*, `code`", "Light Blue and red, code"),
        ("- one\n- two\n> said\n1. first", "one two said 1. first"),
        ("a [link](https://example.org) and ![a picture](y.png)", "a link and a picture"),
        ("```python\nfor x in y:\n```\nDone.", "for x in y: Done."),
        ("| a | b |\n| --- | :-: |\n| 1 | 2 |", "a b 1 2"),
        ("\\*kept\\* ~~gone~~", "*kept* gone"),
        (r"so $a \oplus a = 0$ and \(x_1\)", "so a ⊕ a = 0 and x_1"),
        (r"$$\frac{a}{b^{2}} \le \sqrt{x}$$", "a/b^2 ≤ √(x)"),
        ("$x$ and $5x^2$", "x and 5x^2"),
    ],
)
def test_marks_go_and_words_stay(text: str, words: str) -> None:
    assert plain(text) == words


@pytest.mark.parametrize(
    "text",
    ["2 * 3 ** 4, n*m", "snake_case and a_b", "It costs $5 and $20 in all", "|x| > 1", r"C:\users", "", "A [1]."],
)
def test_what_is_no_mark_stays(text: str) -> None:
    assert plain(text) == text


def test_what_a_search_found_stays_marked_in_a_piece_that_was_cut_out() -> None:
    assert plain("…light** so \x02blue\x03** sky, *\x02red\x03* **cu") == "…light so \x02blue\x03 sky, \x02red\x03 cu"
    assert plain(r"as $$\frac{\x02a") == r"as {\x02a"


@pytest.mark.parametrize(
    "piece", ["$", "*", "[", "\\(", "|", "_a", "\\frac{", "$$", "$a ", "-", "|---", "$a=", "{", "`"]
)
def test_hostile_text_costs_little(piece: str) -> None:
    with cpu_within(0.5):
        plain(piece * MAX_CHARS)
