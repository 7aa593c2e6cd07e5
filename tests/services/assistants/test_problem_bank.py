import copy
import dataclasses
import json
import re

import pytest

from services.assistants import problem_bank
from services.assistants.problem_bank import Problem, agrees, bundled, own
from tests.clocks import cpu_within

BANK = bundled()
every_problem = pytest.mark.parametrize("problem", BANK.values(), ids=BANK.keys())

# What the bank promises of each hint: at least and at most so many words.
WORDS = ((40, 90), (60, 130), (90, 180))


def make_own(**changes: object) -> Problem:
    return own({"title": "A task of mine", "statement": "Do $x$ to the list.", **changes})


def function_of(problem: Problem):
    namespace: dict = {}
    exec(compile(problem.solution, problem.id, "exec"), namespace)
    return namespace["solve"]


# The bank


def test_the_bank_has_a_mix_of_difficulties_and_every_tag():
    levels = [problem.difficulty for problem in BANK.values()]

    assert len(BANK) >= 26
    assert levels == sorted(levels, key=problem_bank.DIFFICULTIES.index), "easy ones come first"
    assert (levels.count("easy"), levels.count("medium"), levels.count("hard")) >= (8, 10, 5)
    assert {tag for problem in BANK.values() for tag in problem.tags} == set(problem_bank.TAGS)


def test_titles_and_statements_are_unique():
    assert len({problem.title for problem in BANK.values()}) == len(BANK)
    assert len({problem.statement for problem in BANK.values()}) == len(BANK)
    assert any("$$" in problem.statement for problem in BANK.values())


def test_the_bank_is_read_once_and_quickly():
    with cpu_within(1):
        bundled.__wrapped__()

    assert bundled() is bundled()


def test_the_bank_cannot_be_changed():
    with pytest.raises(TypeError):
        BANK["new"] = make_own()


@every_problem
def test_the_solution_passes_every_test_and_example(problem):
    solve = function_of(problem)
    cases = [(case["input"], case["expected"]) for case in (*problem.tests, *problem.hidden_tests)]
    cases += [(example["input"], example["output"]) for example in problem.examples]

    for given, expected in cases:
        before = copy.deepcopy(given)
        assert agrees(problem, expected, solve(**given)), given
        assert given == before, "a solution leaves its input alone"


@every_problem
def test_a_problem_is_complete(problem):
    assert 4 <= len(problem.tests) <= 6
    assert len(problem.hidden_tests) >= 4
    assert 2 <= len(problem.examples) <= 3
    assert len(problem.edge_cases) >= 3
    assert 2 <= len(problem.mistakes) <= 4
    assert all(case.get("why") for case in (*problem.tests, *problem.hidden_tests))
    assert all(example.get("explanation") for example in problem.examples)
    assert re.search(r"\$[^$]+\$", problem.statement), "a formula"
    assert "**Constraints**" in problem.statement
    assert problem.statement.count("$") % 2 == 0, "formulas are closed"
    assert not problem.own


@every_problem
def test_hidden_tests_are_not_the_visible_ones(problem):
    visible = [json.dumps(case["input"]) for case in problem.tests]
    hidden = [json.dumps(case["input"]) for case in problem.hidden_tests]

    assert not set(visible) & set(hidden)
    assert len(set(visible)) == len(visible)
    assert len(set(hidden)) == len(hidden)


@every_problem
def test_all_cases_name_the_arguments_of_the_solution(problem):
    solve = function_of(problem)
    names = list(solve.__code__.co_varnames[: solve.__code__.co_argcount])

    cases = (*problem.tests, *problem.hidden_tests, *problem.examples)

    assert all(list(case["input"]) == names for case in cases)
    assert problem.signature == f"solve({', '.join(names)})"


@pytest.mark.req("T25")
@every_problem
def test_hints_grow_from_a_nudge_to_direction(problem):
    lengths = [len(hint.split()) for hint in problem.hints]

    assert all(least <= length <= most for length, (least, most) in zip(lengths, WORDS, strict=True)), lengths
    assert lengths == sorted(lengths)


@pytest.mark.req("T27")
@every_problem
def test_the_first_hint_asks(problem):
    assert "?" in problem.hints[0]


@pytest.mark.req("T27")
@every_problem
def test_hints_one_and_two_share_no_line_with_the_solution(problem):
    lines = [line.strip() for line in problem.solution.splitlines() if len(line.strip()) >= 8]
    assert lines, "needs something to look for"

    for hint in problem.hints[:2]:
        assert "```" not in hint
        assert not [line for line in lines if line in hint]


@every_problem
def test_no_hint_is_the_finished_program(problem):
    assert not any("```" in hint or "def " in hint for hint in problem.hints)


# What is shown


@pytest.mark.req("T26")
@every_problem
def test_solution_and_hidden_tests_stay_out_of_output_and_prompts(problem):
    shown = json.dumps([problem_bank.to_json(problem, reveal=False), problem_bank.for_prompt(problem)]) + repr(problem)

    assert "solution" not in problem_bank.to_json(problem, reveal=False)
    assert "hidden_tests" not in problem_bank.for_prompt(problem)
    assert json.dumps(problem.solution)[1:-1] not in shown
    assert "hidden_tests" not in shown


@every_problem
def test_revealed_output_is_the_whole_problem_as_json(problem):
    data = json.loads(json.dumps(problem_bank.to_json(problem, reveal=True)))

    assert own(data) == dataclasses.replace(problem, own=True)


def test_people_see_their_own_solution_but_prompts_do_not():
    problem = make_own(solution="def solve(): ...", hidden_tests=[{"input": {}, "expected": 1}])

    assert problem_bank.to_json(problem, reveal=False)["solution"] == "def solve(): ..."
    assert not problem_bank.SECRET_FIELDS & problem_bank.for_prompt(problem).keys()


def test_inputs_are_shown_as_people_write_them():
    assert (
        problem_bank.shown_input({"nums": [2, 7], "word": "ä", "flag": None})
        == 'nums = [2, 7], word = "ä", flag = null'
    )
    assert problem_bank.shown_input("as it is") == "as it is"
    assert problem_bank.shown(True) == "true"


def test_a_list_row_says_what_a_list_needs():
    assert problem_bank.summary(BANK["odd-sock"]) == {
        "id": "odd-sock",
        "title": "The odd sock",
        "difficulty": "easy",
        "tags": ["bits", "arrays"],
        "own": False,
    }


def test_an_own_problem_without_named_arguments_has_no_signature():
    assert make_own(tests=[{"input": "1 2", "expected": 3}]).signature == ""


def test_answers_agree_as_json():
    strict, loose = make_own(), make_own(any_order=True)

    assert agrees(strict, [[1], [2]], ([1], [2]))
    assert not agrees(strict, [1, 2], [2, 1])
    assert not agrees(strict, 1, True)
    assert agrees(loose, [[1, 2], [3]], [[3], [1, 2]])
    assert not agrees(loose, [[1, 2]], [[2, 1]])
    assert not agrees(loose, [1, 1, 2], [1, 2, 2])
    assert agrees(loose, None, None)
