"""What rendering Markdown costs: hostile text holds nobody up."""

import time
from collections.abc import Callable

import pytest

from blueprints.dialects.markdown import BlockRenderer, render_markdown
from tests.clocks import SLOWER, cpu_within


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("```perl\n" + "s{" * 9_900 + "\n```\n", id="delimiters that stay open"),
        pytest.param("```java\n" + "a<" * 9_900 + "\n```\n", id="brackets that stay open"),
        pytest.param("![" * 150_000, id="more than is parsed at all"),
    ],
)
def test_text_made_to_be_slow_holds_nobody_up(text: str) -> None:
    with cpu_within(1):
        html = render_markdown(text)

    assert ("s{s{" in html) or ("a&lt;a&lt;" in html) or ("![![" in html)


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit", ["![", "![**", "[*", "_![", "a|b\n-|-\n", "- a\n", "- \\(- ![", "\n", "*_", '!["---\n']
)
def test_a_text_of_little_else_than_marks_holds_nobody_up(unit: str) -> None:
    text = (unit * 100_000)[:100_000]
    whole_s = measured_s(lambda: render_markdown(text))
    renderer = BlockRenderer()

    growing_s = measured_s(lambda: [renderer.add(text[at : at + 4]) for at in range(0, len(text), 4)])
    longest_s = measured_s(renderer.finish)

    # Before: 1.6 s at once; as it grew, a tenth of the time and 3 s at the end.
    assert whole_s < SLOWER
    assert growing_s < 4 * SLOWER
    assert longest_s < SLOWER


@pytest.mark.slow
def test_a_tail_that_is_slow_to_render_is_rendered_for_a_part_of_the_time_only() -> None:
    item = "1. a\n"
    renderer = BlockRenderer()
    renderer.add(item * 4_000)
    assert renderer.tail, "shown at once"
    before = renderer.parsed_chars

    for _ in range(20):
        renderer.add(item * 100)

    assert renderer.parsed_chars == before, "it rests"
    renderer.finish()
    assert "".join(renderer.blocks).count("<li>") == 6_000


def measured_s(act: Callable[[], object]) -> float:
    began_s = time.thread_time()
    act()
    return time.thread_time() - began_s
