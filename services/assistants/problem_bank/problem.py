"""What a problem is. Pure: no files, no formats.

A case's `input` is a JSON object of named arguments: `solve(**input)` gives the answer. Only problems of a user's own
may have a plain text there. An answer is right when it equals `expected` as JSON; a problem with `any_order` also takes
the elements of a list in another order (what is inside an element keeps its order).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, TypedDict, get_args

Difficulty = Literal["easy", "medium", "hard"]
DIFFICULTIES: tuple[str, ...] = get_args(Difficulty)

TAGS = (
    "arrays",
    "backtracking",
    "bfs",
    "binary-search",
    "bits",
    "dfs",
    "dynamic-programming",
    "graphs",
    "greedy",
    "hash-maps",
    "heaps",
    "intervals",
    "linked-lists",
    "maths",
    "prefix-sums",
    "recursion",
    "sliding-window",
    "sorting",
    "stacks",
    "strings",
    "trees",
    "two-pointers",
    "union-find",
)

# What a learner must not be handed: never in a prompt, on a page or in a log.
SECRET_FIELDS = frozenset({"solution", "hidden_tests"})


class Example(TypedDict):
    """One worked example of the statement."""

    input: Any
    output: Any
    explanation: NotRequired[str]


class Case(TypedDict):
    """One test; `why` says what it catches."""

    input: Any
    expected: Any
    why: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Problem:
    """One exercise with all that is needed to teach it.

    Attributes:
        id: A slug; unique in the bank, or among a user's own.
        statement: Markdown with `$...$` and `$$...$$` formulas, constraints included.
        tags: From `TAGS`; free slugs in problems of a user's own.
        tests: Shown to the learner; `hidden_tests` are not.
        hints: Three rungs in Markdown, from a nudge to explicit direction; may be empty in own problems.
        mistakes: What people commonly get wrong, one line each.
        solution: Python source with a function `solve`; empty in most own problems.
        any_order: Whether a list may come in another order than `expected`.
        own: Whether a user brought it, rather than the bank.
    """

    id: str
    title: str
    statement: str
    difficulty: Difficulty
    tags: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    tests: tuple[Case, ...] = ()
    hidden_tests: tuple[Case, ...] = field(default=(), repr=False)
    edge_cases: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    mistakes: tuple[str, ...] = ()
    solution: str = field(default="", repr=False)
    any_order: bool = False
    own: bool = False

    @property
    def signature(self) -> str:
        """The function a learner writes, as `solve(nums, target)`; empty when no case names arguments."""
        for case in (*self.tests, *self.examples):
            if isinstance(case["input"], Mapping):
                return f"solve({', '.join(case['input'])})"
        return ""


def agrees(problem: Problem, expected: Any, answer: Any) -> bool:
    """Whether an answer is right: equal as JSON, in any order if the problem says so."""
    if problem.any_order and isinstance(expected, list) and isinstance(answer, list):
        return sorted(map(_canonical, expected)) == sorted(map(_canonical, answer))
    return _canonical(expected) == _canonical(answer)


def shown(value: Any) -> str:
    """A JSON value as people read it in a test: `[1, 2]`, `"word"`, `true`."""
    return json.dumps(value, ensure_ascii=False)


def shown_input(value: Any) -> str:
    """A case's input as people read it: `nums = [2, 7], target = 9`; a plain text stays as it is."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {shown(argument)}" for name, argument in value.items())
    return value if isinstance(value, str) else shown(value)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
