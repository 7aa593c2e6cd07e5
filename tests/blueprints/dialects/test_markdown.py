"""Markdown becomes inert HTML, and the same HTML whether it came at once or in pieces."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from blueprints.dialects.markdown import BlockRenderer, render_markdown

PIECES = [
    *["a", "b c", "10", "x^2", "\n", "\n\n", "\n\n\n", "  \n", "  ", "    ", "\t"],
    *["- ", "* ", "+ ", "1. ", "2. ", "> ", "# ", "---", "===", "***", "```", "```py\n", "~~~"],
    *["$$", "$", "\\(", "\\)", "\\[", "\\]", "**", "*", "_", "`", "\\", "[", "]", "(", "![", "[x](http://a.b)"],
    *["|", "| a | b |\n", "|---|---|\n", "| 1 | 2 |\n", "a | b\n", "--- | ---\n", "<b>", "&amp;"],
]
DEFINITIONS = ["[a]: http://x\n", "[a]", '"t\n']
texts = st.lists(st.sampled_from(PIECES), min_size=1, max_size=24).map("".join)
texts_with_definitions = st.lists(st.sampled_from(PIECES + DEFINITIONS), min_size=1, max_size=24).map("".join)

ANSWER = """Think about **the bounds** first: `n` goes up to $10^5$.

- a list with *emphasis*
- and [a link](https://example.org/x_(y))

| a | b |
|---|--:|
| 1 | 2 |

```python
def f(x):
    return x < 3
```

$$
\\frac{a}{b} \\le \\sqrt{n}
$$

Then look at \\(x^2\\) again.
"""


def streamed(text: str, step: int) -> tuple[BlockRenderer, Markup | None]:
    renderer = BlockRenderer()
    for start in range(0, len(text), step):
        renderer.add(text[start : start + step])
    return renderer, renderer.finish()


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(text=texts, step=st.integers(1, 9))
def test_finished_blocks_of_any_text_split_anywhere_equal_the_full_render(text: str, step: int) -> None:
    renderer, correction = streamed(text, step)

    assert correction is None
    assert "".join(renderer.blocks) == render_markdown(text)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(text=texts_with_definitions, step=st.integers(1, 9))
def test_link_definitions_anywhere_are_settled_by_the_end(text: str, step: int) -> None:
    renderer, correction = streamed(text, step)

    final = "".join(renderer.blocks) if correction is None else correction
    assert final == render_markdown(text)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(text=texts_with_definitions)
def test_finished_blocks_never_change(text: str) -> None:
    renderer = BlockRenderer()
    seen: list[str] = []

    for character in text:
        renderer.add(character)
        assert [str(block) for block in renderer.blocks[: len(seen)]] == seen
        seen = [str(block) for block in renderer.blocks]


def test_forward_link_reference_is_resolved_by_one_full_render_at_the_end() -> None:
    text = "See [the page][p].\n\nMore.\n\n[p]: https://example.org/p\n"

    renderer, correction = streamed(text, 1)

    assert "href" not in "".join(renderer.blocks)
    assert correction is not None
    assert 'href="https://example.org/p"' in correction


def test_backward_link_reference_needs_no_correction() -> None:
    renderer, correction = streamed("[p]: https://example.org/p\n\nSee [it][p].\n", 1)

    assert correction is None
    assert 'href="https://example.org/p"' in "".join(renderer.blocks)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("A paragraph of some words and more.\n\n" * 100, id="paragraphs"),
        pytest.param("word " * 2_000, id="one paragraph"),
        pytest.param("```python\n" + "x = 1\n" * 2_000, id="one long fence"),
        pytest.param("- an item\n" * 1_000, id="one long list"),
        pytest.param("| 1 | 2 |\n" * 1_000, id="pipes"),
    ],
)
def test_work_stays_proportional_to_the_text(text: str) -> None:
    renderer, _ = streamed(text, 1)

    assert renderer.parsed_chars < 260 * len(text)


@pytest.mark.slow
def test_a_long_answer_with_much_code_is_still_rendered() -> None:
    text = f"{ANSWER}\n" * 200

    assert len(text) > 50_000, "needs the length of the longest answers"
    assert render_markdown(text).count("<strong>the bounds</strong>") == 200


@pytest.mark.slow
def test_finished_paragraphs_are_not_parsed_again() -> None:
    paragraph = "Some forty characters of a paragraph..\n\n"

    renderer, _ = streamed(paragraph * 200, 4)

    per_paragraph = renderer.parsed_chars / 200
    assert per_paragraph < 20 * len(paragraph)
    assert len(renderer.blocks) == 200


def tails(text: str) -> list[str]:
    renderer = BlockRenderer()
    shown = []
    for character in text:
        renderer.add(character)
        shown.append("".join(renderer.blocks) + renderer.tail)
    return shown


@pytest.mark.req("T3")
def test_markers_and_half_links_are_never_shown() -> None:
    for html in tails("See **bold text** and `code here` and [words](https://example.org/a) end."):
        text = re.sub(r"<[^>]*>", "", html)
        assert "*" not in text
        assert "`" not in text
        assert "[" not in text
        assert "](" not in text
        assert "https:" not in text
        assert 'href="https://example.org/a"' in html or "<a" not in html


@pytest.mark.req("T3")
@pytest.mark.parametrize("formula", [r"\(\frac{a}{b}\)", r"\[\sqrt{x}\]", r"$$x^{2}$$", r"$x^{2} + y$"])
def test_half_formulas_are_never_shown(formula: str) -> None:
    for html in tails(f"Let {formula} be."):
        text = re.sub(r"<[^>]*>", "", html)
        assert "\\" not in text
        assert "$" not in text
        assert "{" not in text


@pytest.mark.parametrize("text", ["Title\n---\n", "Title\n===\n", "| a | b |\n|---|---|\n", "```python\nx\n```\n"])
def test_a_line_that_may_become_something_else_waits(text: str) -> None:
    for html in tails("Before.\n\n" + text):
        assert "|" not in html
        assert "`" not in html
        assert "--" not in html
        assert "<p>=" not in html


def test_an_open_fence_is_plain_and_coloured_when_it_closes() -> None:
    renderer = BlockRenderer()

    renderer.add("```python\ndef f(): pass\n")
    open_html = str(renderer.tail)
    renderer.add("```\n")

    assert "<pre" in open_html
    assert "tok-" not in open_html
    assert "tok-k" in renderer.blocks[0]


@pytest.mark.req("T43")
@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '<img src=x onerror="alert(1)">',
        "![x](https://evil.example/leak.png)",
        "[x](javascript:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "[x](vbscript:x)",
        '<div hx-get="/account" hx-trigger="load"></div>',
        '[x](https://e.org "a\\" onclick=\\"alert(1)")',
        '[x](https://e.org/" onmouseover="alert(1))',
        '```python" onclick="alert(1)\nx\n```',
        "$$\\href{javascript:alert(1)}{x}$$",
        "$$\\text{</math><script>alert(1)</script>}$$",
        r"$x\class{evil}{y}\style{color:red}{z}$",
        "<style>*{display:none}</style>",
        "<svg/onload=alert(1)>",
        "[a]: javascript:alert(1)\n\n[a]",
        '<https://e.org/"onclick=alert(1)>',
    ],
)
def test_hostile_text_becomes_inert(hostile: str) -> None:
    renderer, correction = streamed(hostile, 3)

    for html in (str(render_markdown(hostile)), "".join(renderer.blocks), str(correction or "")):
        for tag in re.findall(r"<[^>]*>", html):
            assert not re.search(r"\s(on\w+|hx-[\w-]+|style|src|id)\s*=", re.sub(r'"[^"]*"', '""', tag)), tag
            assert not re.match(r"</?(script|img|style|svg|iframe|form|input|button)\b", tag)
            href = re.search(r'href="([^"]*)"', tag)
            assert href is None or href[1].startswith(("https://", "http://", "mailto:"))


def test_links_tell_nothing_to_where_they_lead() -> None:
    html = render_markdown("[x](https://example.org)")

    assert 'rel="noopener noreferrer nofollow"' in html


def test_links_into_the_site_itself_lead_nowhere() -> None:
    assert "href" not in render_markdown("[x](/logout) [y](//evil.example) [z](../x)")


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 and $6.",
        "Pay $5/month or $50/year.",
        "US$5 is A$7.",
        "I have $20, you have 30$ then",
        r"\$x\$",
        "`$x$`",
    ],
)
def test_money_is_not_a_formula(text: str) -> None:
    assert "<math" not in render_markdown(text)


@pytest.mark.req("T3")
@pytest.mark.parametrize(
    "text",
    [r"$n$", r"$1 \le n \le 10^5$", r"$O(n \log n)$", r"\(a_1\)", r"\[a\]", "$$a$$", "$$\na\n$$", "text\n$$\na\n$$"],
)
def test_formulas_become_mathml_with_their_source(text: str) -> None:
    html = render_markdown(text)

    assert "<math" in html
    assert "data-tex=" in html


@pytest.mark.parametrize("tex", [r"\frac{", r"\left(", "a_b_c", r"\unknowncommand x", "{" * 900, "x" * 3000, "^"])
def test_malformed_tex_is_shown_as_code(tex: str) -> None:
    html = render_markdown(f"$${tex}$$")

    assert "<math" not in html
    assert "<code>" in html


def test_tables_keep_their_alignment_without_style_attributes() -> None:
    html = render_markdown("| a |\n|--:|\n| 1 |\n")

    assert 'class="align-right"' in html
    assert "style=" not in html


def test_headings_stand_below_the_pages_own() -> None:
    assert "<h3>Top</h3>" in render_markdown("# Top")


def test_the_whole_answer_of_a_tutor_renders_its_parts() -> None:
    html = render_markdown(ANSWER)

    for part in ("<strong>", "<ul>", "<table>", "<pre", "math--display", "<em>", "<code>"):
        assert part in html
