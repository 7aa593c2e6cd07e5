"""What the authored answer says about the newest submission: first what is right, then what is not. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any


def is_solved(submissions: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the newest submission passes every test there is."""
    if not submissions:
        return False
    newest = submissions[-1]
    total = newest["visible_total"] + newest["hidden_total"]
    return bool(total) and newest["visible_passed"] + newest["hidden_passed"] == total


def reaction(submissions: Sequence[Mapping[str, Any]]) -> str:
    """A sentence or two; empty without a submission."""
    if not submissions:
        return ""
    newest = submissions[-1]
    if is_solved(submissions):
        return f"All {newest['visible_total'] + newest['hidden_total']} tests pass: your code does what was asked."
    return " ".join(part for part in (_praise(newest, submissions[:-1]), _fault(newest)) if part)


def _praise(newest: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]]) -> str:
    passed, total = newest["visible_passed"], newest["visible_total"]
    gained = passed + newest["hidden_passed"] - _passed(earlier[-1]) if earlier else 0
    step = f", {gained} more than the time before" if gained > 0 else ""
    if total and passed == total:
        return (
            f"Your code passes all {total} visible tests{step}: you have read the task rightly, and "
            "the main path works."
        )
    if passed:
        tests = "test" if total == 1 else "tests"
        return f"Your code passes {passed} of {total} visible {tests}{step}, so its main path already works."
    return ""


def _fault(newest: Mapping[str, Any]) -> str:
    status = str(newest.get("status", "")).lower()
    categories = ", ".join(f"**{' '.join(str(item).split())}**" for item in newest.get("categories") or ())
    if re.search(r"\btime|\btle\b|slow", status):
        return "It ran out of time: how often does it look at the same element again?"
    if re.search(r"syntax|compil", status):
        return (
            "It does not run yet: the first message of the compiler names a line; read that line "
            "aloud, and the one above it."
        )
    if re.search(r"runtime|exception|crash|error", status):
        return (
            "It stopped with an error on the way: what does the last line of the error say was missing or out of range?"
        )
    if categories:
        return (
            f"What fails is in {categories}: which input of that kind can you make up yourself, as small as possible?"
        )
    if newest["visible_passed"] < newest["visible_total"]:
        return (
            "Take the first visible test that fails and follow it by hand: at which step does your "
            "code leave your plan?"
        )
    if newest["hidden_passed"] < newest["hidden_total"]:
        missing = newest["hidden_total"] - newest["hidden_passed"]
        return (
            f"{missing} hidden {'test fails' if missing == 1 else 'tests fail'}: which inputs do the "
            "visible ones leave out?"
        )
    return ""


def _passed(submission: Mapping[str, Any]) -> int:
    return int(submission["visible_passed"]) + int(submission["hidden_passed"])
