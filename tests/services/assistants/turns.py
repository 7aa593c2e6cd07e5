"""Turns of the tutor for tests, and an engine that says what it is told to."""

from collections.abc import Iterator, Sequence
from typing import Any

from services.assistants.base import Turn
from services.assistants.tutor import facts
from services.llm.messages import Began, Delta, Finish, Part, Request, Usage

SOLUTION = """\
def solve(nums, target):
    seen = {}
    for i, x in enumerate(nums):
        if target - x in seen:
            return [seen[target - x], i]
        seen[x] = i
    return []
"""
PROBLEM: dict[str, Any] = {
    "id": "pair-sum",
    "title": "A pair with a sum",
    "statement": (
        "Given a list `nums`, return the places of two elements with $a + b = t$.\n\n"
        "**Constraints**\n\n- $2 \\le n \\le 10^5$, where $n$ is the number of elements\n"
    ),
    "difficulty": "easy",
    "tags": ["arrays"],
    "examples": [{"input": {"nums": [2, 7], "target": 9}, "output": [0, 1], "explanation": "2 + 7 = 9"}],
    "tests": [
        {"input": {"nums": [2, 7, 11], "target": 9}, "expected": [0, 1], "why": "the plain case"},
        {"input": {"nums": [3, 3], "target": 6}, "expected": [0, 1], "why": "equal values"},
        {"input": {"nums": [], "target": 6}, "expected": []},
        {"input": {"nums": [1, 5, 2], "target": 7}, "expected": [1, 2]},
    ],
    "hidden_tests": [{"input": {"nums": [41, 43], "target": 84}, "expected": [0, 1], "why": "secretly large primes"}],
    "edge_cases": ["No pair at all", "Two equal values"],
    "hints": [
        "Stand at one value. Which other value would complete it?",
        "A dictionary tells you in one step whether and where you met a value. What would you keep in it?",
        "Walk once. Work out the partner, look it up, and only then remember the present value with its place.",
    ],
    "mistakes": ["Using one element twice", "Remembering a value before looking up its partner"],
    "solution": SOLUTION,
    "own": False,
}
SUBMISSION: dict[str, Any] = {
    "status": "wrong answer",
    "visible_passed": 3,
    "visible_total": 4,
    "hidden_passed": 2,
    "hidden_total": 6,
    "categories": ["duplicates", "large input"],
    "code": "for i in range(len(nums)):\n    pass\n",
    "language": "python",
}


def make_turn(
    question: str = "How do I start?",
    *,
    hint_level: int = 1,
    problem: dict[str, Any] | None = None,
    messages: Sequence[dict[str, str]] = (),
    submissions: Sequence[dict[str, Any]] = (),
    code: str | None = None,
    partial: str = "",
) -> Turn:
    resolved = facts(
        PROBLEM if problem is None else problem,
        hint_level=hint_level,
        messages=messages,
        submissions=submissions,
        code=code,
    )
    return Turn(
        assistant="tutor",
        user_id=1,
        conversation_id="01HCONVERSATION",
        message_id="01HMESSAGE",
        question=question,
        facts=resolved,
        partial=partial,
    )


class ScriptedEngine:
    """Says its parts, one after the other; an exception among them is raised in its turn."""

    def __init__(self, *parts: Part | Exception) -> None:
        self._parts = parts
        self.requests: list[Request] = []
        self.closed = False

    def stream(self, request: Request) -> Iterator[Part]:
        self.requests.append(request)
        try:
            for part in self._parts:
                if isinstance(part, Exception):
                    raise part
                yield part
        finally:
            self.closed = True


def whole_reply(*texts: str, reason: Any = "stop") -> ScriptedEngine:
    deltas = [Delta(text) for text in texts]
    return ScriptedEngine(Began("scripted"), *deltas, Usage(100, 20), Finish(reason))
