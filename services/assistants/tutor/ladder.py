"""The authored answer of a turn: what the built-in engine says. Pure, and the same for the same turn.

It climbs the problem's own hint ladder, answers to what was asked, to the newest submission and to what
it said before, and never repeats a rung word for word. It is honest about being a ladder: it reads counts
and words, not code.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.assistants.base import Turn
from services.assistants.problem_bank.problem import shown, shown_input
from services.assistants.tutor import asks
from services.assistants.tutor.context import hint_level
from services.assistants.tutor.general import general_rung, size_remark
from services.assistants.tutor.praise import is_solved, reaction

MAX_SUGGESTED: Final = 3
_LEVEL_WORDS: Final = {1: "the nudge", 2: "the guidance", 3: "the explicit directions"}


def authored(turn: Turn) -> str:
    """The whole answer in Markdown, a `tests` block last where it helps."""
    problem = turn.facts.get("problem") or {}
    submissions = turn.facts.get("submissions") or ()
    said = _said(turn.facts.get("messages") or ())
    ask = asks.ask_of(turn.question)
    if is_solved(submissions):
        return "\n\n".join(_solved(problem, submissions, ask, said))
    if ask == asks.THANKS:
        return (
            "You are welcome. Before you go on: what would you look at first if a problem like this came up tomorrow?"
        )
    if ask == asks.GREETING and not submissions:
        return "\n\n".join(_greeting(problem))
    level = hint_level(turn.facts)
    parts = [reaction(submissions), _answer(ask, problem, said, level)]
    if not parts[1] or ask in (asks.STUCK, asks.DEMAND, asks.APPROACH, asks.OTHER):
        parts += _rung(problem, level, said)
    if ask == asks.TESTS or level >= 2 or _failed(submissions):
        parts.append(_tests_block(problem, len(said)))
    return "\n\n".join(part for part in parts if part)


def _said(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the tutor has said, with blanks made even."""
    return [" ".join(str(item.get("content", "")).split()) for item in messages if item.get("role") != "user"]


def _greeting(problem: Mapping[str, Any]) -> list[str]:
    title = problem.get("title") or "this problem"
    return [
        f"Hello! We are looking at **{title}**. I will not write it for you, but I will get you there in steps: a "
        "nudge first, more when you ask for it.",
        "To begin: how would you explain in one sentence, without any code, what goes in and what has to come out?",
    ]


def _solved(
    problem: Mapping[str, Any], submissions: Sequence[Mapping[str, Any]], ask: str, said: list[str]
) -> list[str]:
    parts = [reaction(submissions)]
    if ask == asks.EDGES:
        parts.append(_edges(problem, said))
    elif ask == asks.COMPLEXITY:
        parts.append(size_remark(problem))
    else:
        parts.append(
            "Two things to take along: what do time and memory cost as the input grows, and which thought unlocked the "
            "problem? What would you try first next time?"
        )
    return [part for part in parts if part]


def _answer(ask: str, problem: Mapping[str, Any], said: list[str], level: int) -> str:
    """What is said to the question itself, before any rung."""
    if ask == asks.DEMAND:
        return (
            "I will not hand over the code, however it is asked for: the part you write yourself is the part you keep. "
            "What I can give you is the next step."
        )
    if ask == asks.COMPLEXITY:
        return size_remark(problem)
    if ask == asks.EDGES:
        return _edges(problem, said)
    if ask == asks.TESTS:
        return "Before you run one of these, say what you expect; the surprises are where the learning is."
    if ask == asks.APPROACH:
        return (
            "I compare counts here, I do not read your code, so here is a way to check the idea yourself: take the "
            "smallest example, follow your idea through it by hand, and write down what it remembers after each step."
        )
    if ask == asks.STUCK:
        return "Being stuck usually means one piece is missing, not all of them." if level == 1 else ""
    return ""


def _edges(problem: Mapping[str, Any], said: list[str]) -> str:
    cases = _fresh(problem.get("edge_cases") or (), said)[:2]
    if not cases:
        return (
            "Ask of each input: what is the smallest one allowed, what if everything in it is equal, and what is the "
            "largest? What does your code return for the smallest, before you run it?"
        )
    named = " and ".join(f"**{_inline(case)}**" for case in cases)
    inputs = "One input" if len(cases) == 1 else "Two inputs"
    return f"{inputs} to think through: {named}. What would your code return there, before you run it?"


def _rung(problem: Mapping[str, Any], level: int, said: list[str]) -> list[str]:
    hints = [str(hint).strip() for hint in problem.get("hints") or ()]
    text = hints[level - 1] if len(hints) >= level else general_rung(problem, level)
    if not any(" ".join(text.split()) in earlier for earlier in said):
        return [text, _offer(level) if level < 3 else ""]
    given = f"You have {_LEVEL_WORDS[level]} already, the hint that begins “{asks.first_words(text, 6)} …”."
    return [f"{given} {_another_angle(problem, said)}", _offer(level)]


def _another_angle(problem: Mapping[str, Any], said: list[str]) -> str:
    mistakes = _fresh(problem.get("mistakes") or (), said)
    if mistakes:
        return f"A trap that others met here: **{_inline(mistakes[0])}**. Could that be what happens in your code?"
    cases = _fresh(problem.get("edge_cases") or (), said)
    if cases:
        return f"Look at it from the other end: **{_inline(cases[0])}**. What should come out there, and why?"
    return (
        "Which sentence of it is unclear? Or follow one example by hand up to the first step where your code and you "
        "disagree, and tell me that step."
    )


def _offer(level: int) -> str:
    if level == 1:
        return "If that is not enough, ask for a bigger hint (level 2)."
    if level == 2:
        return "If you have tried that and it still does not come together, level 3 gives explicit directions."
    return "There is no bigger hint than this one; tell me which step you are at, and what your code does there."


def _fresh(items: Sequence[Any], said: list[str]) -> list[str]:
    """Those that the tutor has not named yet."""
    return [str(item) for item in items if not any(_inline(str(item)) in earlier for earlier in said)]


def _inline(text: str) -> str:
    """The text as a part of a sentence."""
    return " ".join(text.split()).rstrip(".")


def _failed(submissions: Sequence[Mapping[str, Any]]) -> bool:
    return bool(submissions) and not is_solved(submissions)


def _tests_block(problem: Mapping[str, Any], turns: int) -> str:
    """One to three visible tests, others than last time while there are others."""
    tests = list(problem.get("tests") or ())
    if not tests:
        tests = [{**item, "expected": item.get("output")} for item in problem.get("examples") or ()]
    start = turns * MAX_SUGGESTED % len(tests) if tests else 0
    chosen = tests[start : start + MAX_SUGGESTED]
    lines = [_test_line(test) for test in chosen]
    return "\n".join(["```tests", *lines, "```"]) if lines else ""


def _test_line(test: Mapping[str, Any]) -> str:
    fields = {"input": shown_input(test.get("input")), "expected": _expected(test.get("expected"))}
    if why := " ".join(str(test.get("why") or "").split()):
        fields["why"] = why
    plain = " ".join(fields.values())
    if "=>" in plain or "->" in plain or "|" in plain or "\n" in plain or not all(fields.values()):
        return json.dumps(fields, ensure_ascii=False)
    return f"{fields['input']} => {fields['expected']}" + (f" | {fields['why']}" if "why" in fields else "")


def _expected(value: Any) -> str:
    return value if isinstance(value, str) and "\n" in value else shown(value)
