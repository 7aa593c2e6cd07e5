"""The numbers in an answer: one form, no half ones, code left alone, however the text was cut."""

import re
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.assistants.search.citing import Cited, FirstCited, Markers, extract_citations, numbers_in, renumbered

COUNT = 8
# Whatever may matter to the reader of marks, and a little that does not.
PIECES = [
    "[", "]", "[[", "]]", "[1]", "[2]", "[9]", "[1, 3]", "[2-4]", "【1】", "【2†source】", "［4］", "[5†", "†", "1",
    "Source ", "[Sources 1 and 2]", "12", "2024", ",", "-", ":", "(", ")", "(http://x.example)", "`", "``", "```",
    "````", "~~~", "\n", "\n\n", " ", "  ", "\t", "a", "word ", "ü", "\\", "> ", "- ", "1. ", "#", "^", "\r\n",
]  # fmt: skip


def told(parts: Sequence[str]) -> tuple[str, list[Cited], list[str]]:
    """The text, the numbers that were given, and the text as it was after each part."""
    markers, shown, given_numbers, states = Markers(FirstCited(COUNT)), "", [], []
    for part in (*parts, None):
        for piece in markers.end() if part is None else markers.read(part):
            if isinstance(piece, Cited):
                given_numbers.append(piece)
            else:
                shown += piece
        states.append(shown)
    return shown, given_numbers, states


def same_at_every_cut(pieces: list[str]) -> None:
    text = "".join(pieces)
    whole = told([text])[:2]

    assert told(list(text))[:2] == whole
    for cut in range(1, len(text)):
        assert told([text[:cut], text[cut:]])[:2] == whole, cut


@pytest.mark.slow
@pytest.mark.req("Q11")
@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=10))
def test_what_comes_out_does_not_depend_on_how_the_text_was_cut(pieces: list[str]) -> None:
    same_at_every_cut(pieces)


@pytest.mark.slow
@settings(max_examples=3_000, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=16))
def test_what_comes_out_never_depends_on_how_the_text_was_cut(pieces: list[str]) -> None:
    same_at_every_cut(pieces)


@pytest.mark.slow
@given(st.text(alphabet="[]123 ,-`~\n()†a:\\【】", max_size=40), st.data())
@settings(max_examples=80, deadline=None)
def test_any_text_in_any_pieces_comes_out_the_same(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    parts = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    assert told(parts)[:2] == told([text])[:2]


@pytest.mark.slow
@given(
    st.lists(st.sampled_from(["[1]", "[2, 3]", "【4】", " [9]", "[5†source]", "word ", "a", ". ", "\n"]), max_size=12)
)
@settings(max_examples=80, deadline=None)
def test_half_a_mark_is_never_shown(pieces: list[str]) -> None:
    _, _, states = told(list("".join(pieces)))

    for state in states:
        last = state.rpartition("[")[2] if "[" in state else ""
        assert "[" not in state or "]" in last, state


@pytest.mark.parametrize(
    ("said", "shown", "sources"),
    [
        ("It is so [3].", "It is so [1].", [3]),
        ("A [3] b [1] c [3].", "A [1] b [2] c [1].", [3, 1]),
        ("A [1,2].", "A [1][2].", [1, 2]),
        ("A [1, 2; 4].", "A [1][2][3].", [1, 2, 4]),
        ("A [1][2].", "A [1][2].", [1, 2]),
        ("A [2-4].", "A [1][2][3].", [2, 3, 4]),
        ("A [2–4].", "A [1][2][3].", [2, 3, 4]),
        ("A 【1】.", "A [1].", [1]),
        ("A 【4:0†source】.", "A [1].", [4]),
        ("A [1†source].", "A [1].", [1]),
        ("A [1†L3-L9].", "A [1].", [1]),
        ("A ［2］.", "A [1].", [2]),
        ("A [[2]].", "A [1].", [2]),
        ("A [Source 2].", "A [1].", [2]),
        ("A [sources 1 and 2].", "A [1][2].", [1, 2]),
        ("A [^2].", "A [1].", [2]),
        ("A [1][1], [1].", "A [1], [1].", [1]),
        ("A [1,1].", "A [1].", [1]),
        # Numbers of no passage go, with the space before them.
        ("A [9].", "A.", []),
        ("A [9] b [2].", "A b [1].", [2]),
        ("A [0] [100].", "A.", []),
        ("A [2, 9].", "A [1].", [2]),
        # What is no mark stays.
        ("In [2024] it was.", "In [2024] it was.", []),
        ("See [the docs](http://x.example).", "See [the docs](http://x.example).", []),
        ("- [ ] to do\n- [x] done", "- [ ] to do\n- [x] done", []),
        ("Say \\[1\\].", "Say \\[1\\].", []),
        # A number leads to its passage and nowhere else.
        ("A [1](http://evil.example).", "A [1].", [1]),
        ('A [1](http://evil.example "t").', "A [1].", [1]),
        ("A [1](b(c)).", "A [1] (b(c)).", [1]),
        ("A [1] (b).", "A [1] (b).", [1]),
        ("[1]: http://evil.example\nA [1].", "[1] : http://evil.example\nA [1].", [1]),
        ("- [1]: http://evil.example", "- [1] : http://evil.example", [1]),
        ("Of [1]: this.", "Of [1]: this.", [1]),
        ("A [1](http://a.example)(http://b.example).", "A [1] (http://b.example).", [1]),
        ("[1](x): http://evil.example", "[1] : http://evil.example", [1]),
        ("A [1][evil].\n\n[evil]: http://evil.example", "A [1] [evil].\n\n[evil]: http://evil.example", [1]),
        # What is left when one goes is no mark, no link and no fence either.
        ("A [2][9](b(c)).", "A [1] (b(c)).", [2]),
        ("A [2] [9](b(c)).", "A [1] (b(c)).", [2]),
        ("[2][9]: http://evil.example", "[1] : http://evil.example", [2]),
        ("[2][2]: http://evil.example", "[1] : http://evil.example", [2]),
        ("Of [2][9]: this.", "Of [1]: this.", [2]),
        ("A [[9]7].", "A […7].", []),
        ("A [1[9]2].", "A [1…2].", []),
        ("A [[9]1](http://evil.example).", "A […1](http://evil.example).", []),
        ("``[9]` [2]", "``…` [1]", [2]),
        # Code.
        ("Use `a[1]` [2].", "Use `a[1]` [1].", [2]),
        ("Use ``a`[1]`` [2].", "Use ``a`[1]`` [1].", [2]),
        ("An ` alone [1].", "An ` alone [1].", [1]),
        ("```\na[1]\n```\n[2]", "```\na[1]\n```\n[1]", [2]),
        ("```python title\na[1]\n``` \n[2]", "```python title\na[1]\n``` \n[1]", [2]),
        ("~~~~\na[1]\n~~~\nb[1]\n~~~~\n[2]", "~~~~\na[1]\n~~~\nb[1]\n~~~~\n[1]", [2]),
        ("1. Do:\n   ```\n   a[1]\n   ```\n   so [2].", "1. Do:\n   ```\n   a[1]\n   ```\n   so [1].", [2]),
        ("> ```\n> a[1]\n> ```\n> so [2].", "> ```\n> a[1]\n> ```\n> so [1].", [2]),
        ("```a``` [1]", "```a``` [1]", [1]),
        ("~~no~~ [1]", "~~no~~ [1]", [1]),
        ("```\nnever closed [1]", "```\nnever closed [1]", []),
        ("\\`no code [1]\\`", "\\`no code [1]\\`", [1]),
        # The end.
        ("Cut off [1", "Cut off", []),
        ("Cut off [1, ", "Cut off", []),
        ("Cut off [", "Cut off", []),
        ("Cut off [Sour", "Cut off [Sour", []),
        ("Cut off [1](http://x", "Cut off [1] (http://x", [1]),
        ("", "", []),
    ],
)
@pytest.mark.req("Q11")
def test_marks_are_understood(said: str, shown: str, sources: list[int]) -> None:
    assert extract_citations(said, COUNT) == (shown, sources)


@pytest.mark.slow
@given(st.lists(st.sampled_from([piece for piece in PIECES if "`" not in piece and "~" not in piece]), max_size=12))
@settings(max_examples=80, deadline=None)
def test_every_number_that_is_shown_is_of_a_passage_and_leads_nowhere_else(pieces: list[str]) -> None:
    shown, sources = extract_citations("".join(pieces), COUNT)

    for found in re.finditer(r"(?<!\\)\[(\d{1,3})\](.?)", shown):
        assert 1 <= int(found[1]) <= len(sources), shown
        assert found[2] != "(", shown


def test_a_number_is_told_before_the_text_that_it_stands_in() -> None:
    markers = Markers(FirstCited(COUNT))

    pieces = [piece for part in ("So it is [", "5", "]", ". And [5][2].") for piece in markers.read(part)]
    pieces += markers.end()

    assert pieces == ["So it is", Cited(1, 5), " [1]. And [1]", Cited(2, 2), "[2]."]


def test_text_without_brackets_is_not_held_back() -> None:
    markers = Markers(FirstCited(COUNT))

    assert markers.read("Words flow") == ["Words flow"]
    assert markers.read(" as `they") == [" as `they"]
    assert markers.read(" come") == [" come"]


def test_an_answer_that_goes_on_keeps_its_numbers_and_its_code() -> None:
    markers = Markers(FirstCited(COUNT, {5: 1, 3: 2}))
    markers.follow("Said [1][2].\n```\nx = a")

    pieces = [*markers.read("[5]\n```\nMore [3][7]."), *markers.end()]

    assert "".join(piece for piece in pieces if isinstance(piece, str)) == "[5]\n```\nMore [2][3]."
    assert [piece for piece in pieces if isinstance(piece, Cited)] == [Cited(2, 3), Cited(3, 7)]


def test_numbers_can_be_given_back() -> None:
    assert renumbered("A [1] `[1]` b [2].", {1: 7, 2: 3}.get) == "A [7] `[1]` b [3]."
    assert renumbered("A [1], b [2].", lambda _number: None) == "A, b."
    assert numbers_in("A [3][1] `[2]` [3].") == [3, 1]


@pytest.mark.parametrize(
    "hostile",
    ["[" * 50_000, "[1" * 25_000, "`" * 50_001, "`a``b[" * 8_000, "[1](" * 12_000, " " * 50_000, "\\[" * 25_000,
     "```\n[1]\n" * 25_000, "[1, " * 12_000, "- " * 25_000, "> " * 25_000, "1. " * 15_000, "†[1†" * 12_000],
)  # fmt: skip
def test_no_text_takes_long(hostile: str) -> None:
    began_s = time.process_time()

    extract_citations(hostile, COUNT)

    # Quadratic would be tens of seconds.
    assert time.process_time() - began_s < 5
