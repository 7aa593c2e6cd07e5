import pytest

from services.assistants.tutor.fences import MAX_BLOCK_CHARS, TestsFilter, parse_tests

BLOCK = "```tests\n[1] => 1 | a single one\n[] => 0\n```\n"
TESTS = [{"input": "[1]", "expected": "1", "why": "a single one"}, {"input": "[]", "expected": "0"}]


def filtered(parts: list[str]) -> list[object]:
    """What comes out, neighbouring texts joined."""
    tests_filter = TestsFilter()
    found = [piece for part in parts for piece in tests_filter.feed(part)]
    found += tests_filter.finish()
    out: list[object] = []
    for piece in found:
        if isinstance(piece, str) and out and isinstance(out[-1], str):
            out[-1] += piece
        else:
            out.append(piece)
    return out


def every_split(text: str) -> list[list[str]]:
    twos = [[text[:cut], text[cut:]] for cut in range(len(text) + 1)]
    return [*twos, list(text), [text]]


CASES = {
    "text around it": (f"Before\n\n{BLOCK}After `x`\n", ["Before\n\n", TESTS, "After `x`\n"]),
    "nothing around it": (BLOCK, [TESTS]),
    "no line end after it": (BLOCK.rstrip("\n"), [TESTS]),
    "two blocks": (f"{BLOCK}and\n{BLOCK}", [TESTS, "and\n", TESTS]),
    "a longer fence": ("````tests\n1 => 2\n```\n````\n", [[{"input": "1", "expected": "2"}, {"input": "```"}]]),
    "a longer closing fence": ("```tests\n1 => 2\n`````  \nx", [[{"input": "1", "expected": "2"}], "x"]),
    "tildes": ("~~~tests\n1 => 2\n```\n~~~\n", [[{"input": "1", "expected": "2"}, {"input": "```"}]]),
    "three spaces before it": ("   ``` tests\n1 => 2\n  ```\nx", [[{"input": "1", "expected": "2"}], "x"]),
    "more words after it": ("```tests for you\n1 => 2\n```\n", [[{"input": "1", "expected": "2"}]]),
    "capital letters": ("```Tests\n1 => 2\n```\n", [[{"input": "1", "expected": "2"}]]),
    "line ends of Windows": ("a\r\n```tests\r\n1 => 2\r\n```\r\nb", ["a\r\n", [{"input": "1", "expected": "2"}], "b"]),
    "an empty block": ("a\n```tests\n\n```\nb", ["a\nb"]),
}
TEXTS = {
    "four spaces before it": "    ```tests\n    1 => 2\n    ```\n",
    "inside another fence": "````markdown\n```tests\n1 => 2\n```\n````\nafter\n",
    "inside a fence of tildes": "~~~\n```tests\n1 => 2\n```\n~~~\n",
    "another info string": "```testsuite\n1 => 2\n```\n",
    "another language": "```python\nx = 1\n```\n",
    "inline": "Write ```tests``` or `tests` here.\n",
    "a backtick in the info string": "```tests `x`\n1 => 2\n",
    "never closed": "Look:\n```tests\n1 => 2\n",
    "never closed and cut": "Look:\n```tests\n1 =",
    "only its beginning": "Look:\n```te",
    "closed by the wrong character": "```tests\n1 => 2\n~~~\n",
    "closed by too short a fence": "````tests\n1 => 2\n```\n",
    "non-ASCII": "é 你好 🎉\n``\n`` `\n~~\n",
}


@pytest.mark.req("T13", "T28", "R19")
@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_a_tests_block_is_taken_out_at_every_split(text: str, expected: list[object]) -> None:
    assert all(filtered(parts) == expected for parts in every_split(text))


@pytest.mark.req("R19")
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_what_is_no_closed_tests_block_is_text_byte_for_byte_at_every_split(text: str) -> None:
    assert all(filtered(parts) == [text] for parts in every_split(text))


def test_prose_passes_at_once() -> None:
    tests_filter = TestsFilter()

    passed = [list(tests_filter.feed(part)) for part in ["Th", "ink", " of `", "x", "`\n", "a", "```tests\n"]]

    assert passed == [["Th"], ["ink"], [" of `"], ["x"], ["`\n"], ["a"], ["```tests\n"]]


def test_a_fence_of_another_language_passes_as_soon_as_it_is_known() -> None:
    tests_filter = TestsFilter()

    assert [list(tests_filter.feed(part)) for part in ["```", "p", "y\n", "x"]] == [[], ["```p"], ["y\n"], ["x"]]


def test_a_block_that_is_too_long_is_sent_as_text() -> None:
    text = "```tests\n" + "1 => 2\n" * (MAX_BLOCK_CHARS // 7 + 2) + "```\nafter"

    assert filtered([text]) == [text]
    assert filtered([text[start : start + 11] for start in range(0, len(text), 11)]) == [text]


@pytest.mark.parametrize("cut", range(len(f"Before\n{BLOCK}After") + 1))
def test_a_continued_text_loses_nothing_and_takes_out_only_blocks_that_begin_later(cut: int) -> None:
    whole = f"Before\n{BLOCK}After"
    tests_filter = TestsFilter()
    tests_filter.prime(whole[:cut])

    rest = [*tests_filter.feed(whole[cut:]), *tests_filter.finish()]

    begins_later = cut <= len("Before\n")
    assert [piece for piece in rest if not isinstance(piece, str)] == ([TESTS] if begins_later else [])
    text = "".join(piece for piece in rest if isinstance(piece, str))
    assert whole[:cut] + text == ("Before\nAfter" if begins_later else whole)


@pytest.mark.req("T28")
@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("[1, 2] => 3", {"input": "[1, 2]", "expected": "3"}),
        (
            "nums = [1], k = 2 => [] | nothing fits",
            {"input": "nums = [1], k = 2", "expected": "[]", "why": "nothing fits"},
        ),
        ('- "a => b"', {"input": '"a', "expected": 'b"'}),
        ("- 1 => 2", {"input": "1", "expected": "2"}),
        ("-1 => 2", {"input": "-1", "expected": "2"}),
        ("2) x -> y", {"input": "x", "expected": "y"}),
        ("[[1, 2, 3]]", {"input": "[[1, 2, 3]]"}),
        ("an empty list", {"input": "an empty list"}),
        ("=> 3", {"input": "=> 3"}),
        ('{"input": [1, 2], "expected": null, "why": "none"}', {"input": "[1, 2]", "why": "none"}),
        ('{"input": "ab", "expected": true}', {"input": "ab", "expected": "true"}),
        ('{"broken": ', {"input": '{"broken":'}),
        ('{"expected": 3}', {"input": '{"expected": 3}'}),
    ],
)
def test_a_line_of_the_block_is_read(line: str, entry: dict[str, str]) -> None:
    assert parse_tests(f"{line}\n") == [entry]


def test_a_block_may_be_one_json_array() -> None:
    assert parse_tests('[{"input": 1, "expected": 2},\n {"input": 3}]\n') == [
        {"input": "1", "expected": "2"},
        {"input": "3"},
    ]
