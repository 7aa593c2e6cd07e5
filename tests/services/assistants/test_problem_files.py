"""Problems as files, and problems that users bring."""

import dataclasses
import json
import re

import pytest

from services.assistants import problem_bank
from services.assistants.problem_bank import Problem, bundled, dump, own, parse
from services.errors import InvalidInput

BANK = bundled()
every_problem = pytest.mark.parametrize("problem", BANK.values(), ids=BANK.keys())
both_formats = pytest.mark.parametrize("kind", ["markdown", "json"])


def make_own(**changes: object) -> Problem:
    return own({"title": "A task of mine", "statement": "Do $x$ to the list.", **changes})


def wrong_fields(text: str, *, kind: str = "json", as_own: bool | None = None) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        parse(text, format=kind, own=as_own)
    return {error.field: error.message for error in caught.value.errors}


def wrong_own_fields(data: dict) -> set[str]:
    with pytest.raises(InvalidInput) as caught:
        own(data)
    return {error.field for error in caught.value.errors}


def as_data(problem: Problem, **changes: object) -> str:
    return json.dumps(dataclasses.asdict(problem) | changes)


@both_formats
@every_problem
def test_a_problem_is_read_back_from_its_file_unchanged(problem, kind):
    assert parse(dump(problem, format=kind), format=kind) == problem


@both_formats
def test_awkward_texts_are_read_back_unchanged(kind):
    problem = make_own(
        id="2024",
        title='Yes: #1 - [it\'s] "1:30" & *x 日本',
        statement="---\nFirst\n\n# Tests\n\n\\# Hint 1\n```\n# Solution\n```\n\ttab\u2028line",
        hints=["one\n\n# Hint 2", "- two", "`three`"],
        edge_cases=["- a dash", "null", "# Solution"],
        mistakes=["$a$ ~ b"],
        tests=[{"input": {"s": "```\n---\n"}, "expected": None, "why": "a fence\nand a line"}],
        examples=[{"input": "nums = [1]", "output": {"deep": [1.5, True, "é"]}}],
        solution="def solve(s):\n    # Solution\n    return '''\n```\n# Tests\n'''",
        tags=["my-own-tag"],
        any_order=True,
    )

    assert parse(dump(problem, format=kind), format=kind) == problem


@both_formats
def test_the_least_own_problem_is_read_back_unchanged(kind):
    assert parse(dump(make_own(), format=kind), format=kind) == make_own()


def test_windows_line_ends_and_a_byte_order_mark_do_not_matter():
    problem = BANK["fair-split-of-lamps"]
    text = "\ufeff" + dump(problem, format="markdown").replace("\n", "\r\n")

    assert parse(text, format="markdown") == problem


def test_a_file_that_a_user_brings_becomes_an_own_problem():
    text = dump(BANK["odd-sock"], format="markdown")

    assert parse(text, format="markdown", own=True) == dataclasses.replace(BANK["odd-sock"], own=True)


def test_every_bad_field_of_a_file_is_named():
    text = as_data(
        BANK["odd-sock"],
        id="Not A Slug",
        title=" ",
        difficulty="brutal",
        tags=["arrays", "no-such-tag"],
        hints=["one", "two"],
        tests={"input": 1},
        hidden_tests=[{"input": {"socks": []}, "wy": "typo"}],
        edge_cases=[3],
        solution=None,
        any_order="maybe",
        colour="red",
    )

    assert wrong_fields(text).keys() == {
        "id",
        "title",
        "difficulty",
        "tags",
        "hints",
        "tests",
        "hidden_tests[0].wy",
        "hidden_tests[0].expected",
        "edge_cases[0]",
        "solution",
        "any_order",
        "colour",
    }


def test_everything_that_a_bundled_problem_needs_is_named_when_absent():
    named = wrong_fields("{}")

    assert named.keys() == set(dataclasses.asdict(make_own())) - {"own", "any_order"}
    assert named["title"] == "is required"


def test_bad_fields_of_a_markdown_file_are_named_together():
    text = (
        "---\ntitle: Half\nlevel: easy\n---\nA statement.\n\n# Tests\n\nnot json\n\n# Hint 1\n\nOnly one\n\n# Hint 1\n"
    )

    named = wrong_fields(text, kind="markdown", as_own=True)

    assert named.keys() == {"level", "tests", "hints"}
    assert named["tests"] == "is not valid JSON"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "missing"),
        ("# No head\n\nText", "missing"),
        ("---\ntitle: Never closed\n\nText", "not closed"),
        ("---\ntitle: [open\n---\nText", "not valid YAML"),
        ("---\n- a list\n---\nText", "lines of name: value"),
        ("---\n---\nText", "lines of name: value"),
        ("---\ntitle: !!python/object/apply:os.getcwd []\n---\nText", "tags, anchors or aliases"),
        ("---\ntitle: !!str x\n---\nText", "tags, anchors or aliases"),
        ("---\na: &a [x, x]\nb: [*a, *a]\n---\nText", "tags, anchors or aliases"),
        ("---\ntitle: " + "[" * 2000 + "\n---\nText", "not valid YAML"),
        ("---\ntitle: " + "x" * 5000 + "\n---\nText", "longer than"),
        ("---\ntitle: \x01\n---\nText", "not valid YAML"),
        ("---\n[a]: b\n---\nText", "not valid YAML"),
    ],
)
def test_front_matter_that_cannot_be_trusted_is_refused(text, complaint):
    named = wrong_fields(text, kind="markdown", as_own=True)

    assert named.keys() == {"front matter"}
    assert complaint in named["front matter"]


@both_formats
def test_a_file_over_the_limit_is_refused_before_it_is_read(kind):
    named = wrong_fields("x" * (problem_bank.MAX_BYTES + 1), kind=kind)

    assert named == {"file": "is larger than 100 KB"}


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "[" * 50_000, '{"title": ' + "9" * 5000 + "}"])
def test_json_that_is_no_object_is_refused(text):
    assert wrong_fields(text).keys() == {"file"}


# Problems of a user's own


@pytest.mark.req("T26")
def test_an_own_problem_needs_a_title_and_a_statement_only():
    problem = own({"title": " Sum  of\nlists ", "statement": "\r\nAdd $a$ to $b$.\x00 "})

    assert (problem.id, problem.title, problem.statement) == ("sum-of-lists", "Sum of lists", "Add $a$ to $b$.")
    assert (problem.difficulty, problem.hints, problem.tests, problem.own) == ("medium", (), (), True)


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Ça va? It's 2 o'clock!", "ca-va-its-2-oclock"),
        ("x" * 100, "x" * 60),
        ("a" * 59 + " b", "a" * 59),
    ],
)
def test_an_id_is_made_from_the_title(title, slug):
    assert own({"title": title, "statement": "s"}).id == slug


def test_a_title_without_latin_letters_gets_an_id_of_its_own():
    first, second = (own({"title": title, "statement": "s"}).id for title in ("二つの和", "三つの和"))

    assert re.fullmatch(r"problem-[0-9a-f]{8}", first)
    assert first != second


def test_what_is_missing_or_wrong_in_an_own_problem_is_named():
    assert wrong_own_fields({}) == {"title", "statement"}
    assert wrong_own_fields({"title": 7, "statement": ["x"], "id": "../etc", "hints": ["one"], "tests": "[]"}) == {
        "title",
        "statement",
        "id",
        "hints",
        "tests",
    }


@pytest.mark.parametrize("slug", ["A", "a_b", "a--b", "-a", "a-", "a/b", "ä", "a\n", "x" * 61, "a b"])
def test_an_id_that_is_no_slug_is_refused(slug):
    assert wrong_own_fields({"title": "t", "statement": "s", "id": slug}) == {"id"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "x" * 201),
        ("statement", "x" * 40_001),
        ("hints", ["x", "y", "z" * 4001]),
        ("hints", ["x", "y", " "]),
        ("hints", [1, 2, 3]),
        ("tags", ["t"] * 11),
        ("tags", ["Two Words"]),
        ("tests", [{"input": {}, "expected": 0}] * 101),
        ("difficulty", ["easy"]),
        ("any_order", 1),
    ],
)
def test_a_value_beyond_its_bounds_is_named(field, value):
    assert wrong_own_fields({"title": "t", "statement": "s", field: value}) == {field}


@pytest.mark.parametrize(
    ("case", "field"),
    [
        ("text", "tests[0]"),
        ({"input": [1], "expected": 1}, "tests[0].input"),
        ({"input": {"not a name": 1}, "expected": 1}, "tests[0].input"),
        ({"input": {"a": float("nan")}, "expected": 1}, "tests[0].input"),
        ({"input": {"a": "\ud800"}, "expected": 1}, "tests[0].input"),
        ({"input": {"a": 1}, "expected": 2**63}, "tests[0].expected"),
        ({"input": {"a": 1}, "expected": {1, 2}}, "tests[0].expected"),
        ({"input": {"a": 1}}, "tests[0].expected"),
        ({"input": {"a": 1}, "expected": 1, "why": 3}, "tests[0].why"),
    ],
)
def test_a_malformed_case_is_named_with_its_place(case, field):
    assert wrong_own_fields({"title": "t", "statement": "s", "tests": [case]}) == {field}


def test_values_nested_too_deeply_are_refused():
    deep: list = []
    for _ in range(5000):
        deep = [deep]

    assert wrong_own_fields({"title": "t", "statement": "s", "tests": [{"input": {}, "expected": deep}]}) == {
        "tests[0].expected"
    }


def test_an_own_problem_that_no_file_could_hold_is_refused():
    tests = [{"input": {"text": "x" * 2000}, "expected": 0}] * 60

    assert wrong_own_fields({"title": "t", "statement": "s", "tests": tests}) == {"problem"}
