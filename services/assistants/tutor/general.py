"""Guidance for problems without a ladder of their own, from what the statement itself says. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

from services.assistants.problem_bank.problem import shown, shown_input
from services.assistants.tutor.asks import constraint_lines, largest_size

# What a word of the statement lets one ask; the first that stands in it.
_QUESTIONS: Final = (
    (
        r"\bsorted\b|\bascending\b|\bincreasing order\b",
        "The statement says something about order. What can you rule out at once because of it?",
    ),
    (
        r"\bsubarray|\bsubstring|\bconsecutive\b|\bcontiguous\b",
        "The answer is one connected piece. When it grows by one element, what of your knowledge about it stays valid?",
    ),
    (
        r"\bpairs?\b|\btwo (?:numbers|elements|positions|different)\b",
        "If you hold one half of a pair, what exactly must the other half be? Where would you look for it?",
    ),
    (
        r"\btrees?\b|\bnodes?\b|\bnested\b",
        "What would each part have to report to the part above it, so that nobody looks twice?",
    ),
    (
        r"\bgraphs?\b|\bgrid\b|\bpaths?\b|\bedges?\b|\breach",
        "What makes two places neighbours, and how do you know that you have been somewhere before?",
    ),
    (
        r"\bbrackets?\b|\bparenthes|\bundo\b|\bmost recent",
        "Which of the open things has to be closed first? What does that say about how to keep them?",
    ),
    (
        r"\bhow many ways\b|\bnumber of ways\b|\bminimum (?:cost|number)\b|\bmaximum (?:sum|profit)\b",
        "If somebody told you the answers for all smaller inputs, how would the next one follow?",
    ),
    (
        r"\bcount|\bmost (?:often|frequent)|\bduplicates?\b|\boccur",
        "What do you have to remember about the elements that you have seen, and what can you forget?",
    ),
)
_ANY: Final = "What would you have to remember from the first part of the input to deal with the rest of it?"
_DIRECTIONS: Final = """\
Take it in this order, and stop at the first step that you cannot do:

1. Write down what goes in and what comes out, with the types.
2. Solve one example by hand, slowly, and note what you look at and what you remember.
3. Say in one sentence what is true after each step of that; it is the heart of the loop or the recursion.
4. Decide where it begins, when it ends, and what the smallest input gives.
5. Count the steps for the largest input. {limit}
6. Only then write it, one of these sentences at a time.

For step 3: {question}"""


def general_rung(problem: Mapping[str, Any], level: int) -> str:
    """A nudge, guidance or directions, made of the example, the constraints and the words of the statement."""
    statement = str(problem.get("statement", ""))
    question = next((text for words, text in _QUESTIONS if re.search(words, statement, re.IGNORECASE)), _ANY)
    if level == 1:
        return f"{_example(problem)} {question}"
    if level == 2:
        return f"{question}\n\n{size_remark(problem)}"
    return _DIRECTIONS.format(limit=_limit(statement), question=question)


def size_remark(problem: Mapping[str, Any]) -> str:
    """What the constraints say about the cost, as a question."""
    size = largest_size(str(problem.get("statement", "")))
    if size is None:
        return (
            "Name the size of the input first. How often does your code look at each element, and does that number "
            "itself grow with the input?"
        )
    bound = f"The constraints go up to about {size:,}".replace(",", " ")
    if size > 2_000:
        return (
            f"{bound}. Looking at every pair would be some {_power(size * size)} steps, too many for a second; going "
            "through once, or sorting first, is fine. How often does your code look at each element?"
        )
    if size > 30:
        return (
            f"{bound}, so even every pair is affordable, every subset is not. What does each of your loops run over, "
            "and which of them stand inside another?"
        )
    return (
        f"{bound} only; that small a bound often means that trying all choices is meant. What is one choice, and how "
        "many are there altogether?"
    )


def _example(problem: Mapping[str, Any]) -> str:
    examples = problem.get("examples") or problem.get("tests") or ()
    if not examples:
        return "Make up the smallest input that is not trivial, and work out its answer by hand."
    first = examples[0]
    given, result = shown_input(first.get("input")), shown(first.get("output", first.get("expected")))
    if len(given) + len(result) > 300 or "`" in given + result or "\n" in given + result:
        return "Work through the first example by hand, and note what you look at."
    return f"Take the example `{given}`, where `{result}` comes out. Which parts of the input decide that?"


def _limit(statement: str) -> str:
    lines = constraint_lines(statement)
    return f"The statement says: {lines[0]}" if lines else "The statement names no bound: assume that it is large."


def _power(steps: int) -> str:
    return f"$10^{{{len(str(steps)) - 1}}}$"
