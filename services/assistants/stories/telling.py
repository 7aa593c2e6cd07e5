"""What a chapter's events tell besides its text (docs/assistants.md, "Stories"). Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.streaming.events import CHECK, MESSAGE, PROGRESS, STEP, Event

# The steps of the workflow, by their published names, in their order.
PLAN: Final = "plan"
WRITE: Final = "generate_content"
SAFETY: Final = "safety_check"
ENRICH: Final = "enrich"
FINISH: Final = "finish"
STEPS: Final = (PLAN, WRITE, SAFETY, ENRICH, FINISH)

# `kind` of the messages that a chapter tells.
CHAPTER: Final = "chapter"
MEMORY: Final = "memory"
FIGURES: Final = "figures"

APPROVED: Final = "approved"
REJECTED: Final = "rejected"
REWRITTEN: Final = "rewritten"
ENDED: Final = "ended"

RULES: Final = "rules"
MODEL: Final = "model"

_DESCRIPTIONS: Final[Mapping[str, str]] = {
    PLAN: "Thinking of what could happen",
    WRITE: "Writing the story",
    SAFETY: "Reading it through once more",
    ENRICH: "Thinking of what could come next",
    FINISH: "Closing the chapter",
}
# How far the telling is when a step begins and when it is done.
_FROM: Final[Mapping[str, int]] = {PLAN: 1, WRITE: 6, SAFETY: 86, ENRICH: 89, FINISH: 98}
_TO: Final[Mapping[str, int]] = {PLAN: 5, WRITE: 85, SAFETY: 88, ENRICH: 97, FINISH: 100}


class Progress:
    """How far a chapter is, in per cent; it never falls, and only its end is 100."""

    def __init__(self) -> None:
        self.percent = 0

    def begun(self, name: str) -> list[Event]:
        """A step begins."""
        return [step(name, "started"), self._at(name, _FROM[name])]

    def within(self, name: str, share: float) -> Event:
        """A step has come so far, 0 to 1."""
        low, high = _FROM[name], _TO[name]
        return self._at(name, low + int((high - low) * min(max(share, 0.0), 1.0)))

    def done(self, name: str) -> list[Event]:
        """A step is over."""
        return [self._at(name, _TO[name]), step(name, "completed")]

    def _at(self, name: str, percent: int) -> Event:
        self.percent = max(self.percent, percent)
        return Event(PROGRESS, {"stage": name, "description": _DESCRIPTIONS[name], "percent": self.percent})


def step(name: str, status: str) -> Event:
    """A step of the workflow begins or is over."""
    return Event(STEP, {"name": name, "status": status})


def approved(score: float, checked_by: Sequence[str], *, pieces: int, by_rules_alone: int) -> Event:
    """The check of the whole chapter.

    Args:
        score: The lowest of its pieces.
        checked_by: Who looked at every piece.
        by_rules_alone: Pieces that the model was to look at too, and gave no clear answer about.
    """
    told = {"status": APPROVED, "score": round(score, 3), "checked_by": list(checked_by)}
    return Event(CHECK, {**told, "pieces": pieces, "by_rules_alone": by_rules_alone})


def rejected(score: float, category: str, decided_by: str, action: str) -> Event:
    """A piece was withheld; its text is in no event."""
    told = {"status": REJECTED, "score": round(score, 3), "checked_by": [decided_by]}
    return Event(CHECK, {**told, "action": action, "category": category})


def message(kind: str, **data: Any) -> Event:
    """One of the messages that a chapter tells."""
    return Event(MESSAGE, {"kind": kind, **data})


def told(extras: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """The last message of a kind, from what is kept of an answer besides its text; None: there is none."""
    found = [one for one in extras.get(MESSAGE) or () if isinstance(one, Mapping) and one.get("kind") == kind]
    return found[-1] if found else None
