"""What the todo agent's events tell besides its text: steps, and what the person is asked. Pure.

Source: docs/assistants.md, "Todos".
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final

from services.assistants.todos import sentences, telling
from services.assistants.todos.sentences import Sentence
from services.streaming.events import MESSAGE, TOOL_CALL, TOOL_RESULT

# Its question is the answer's text, and its options are buttons.
_ASKS: Final = "ask_user"
# What the built-in engine says of a step that was done by an earlier try.
_BEFORE: Final = "It had been done already"
_MAX_OPTIONS: Final = 12
_MAX_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class Step:
    """One use of a tool.

    Attributes:
        changes: What it changed, each with the change that took it back, or nothing.
        is_repeated: Whether an earlier try at the same question had done it.
        is_shared: Whether it was taken back together with others, so that it cannot be done again alone.
    """

    call_id: str
    name: str
    arguments: Mapping[str, Any]
    sentence: Sentence
    changes: Mapping[str, str] = field(default_factory=dict)
    is_repeated: bool = False
    is_shared: bool = False

    @property
    def is_undone(self) -> bool:
        """Whether what it did has been taken back."""
        return bool(self.changes) and all(self.changes.values())


@dataclass(frozen=True, slots=True)
class Option:
    """A button that sends its words as the next message; `is_grave`: what it agrees to takes something away."""

    words: str
    is_grave: bool = False


@dataclass(frozen=True, slots=True)
class Steps:
    """What an answer has done so far, and what it asks.

    Attributes:
        all: In the order in which they were begun.
        options: What can be answered by pressing it; none where nothing is asked.
    """

    all: Sequence[Step] = ()
    options: Sequence[Option] = ()

    @property
    def shown(self) -> list[Step]:
        """Those that are worth a line."""
        return [step for step in self.all if step.name != _ASKS or step.sentence.state == "failed"]

    @property
    def told(self) -> set[str]:
        """What they say, as Markdown."""
        told = {step.sentence.markdown for step in self.shown if step.sentence.state != "running"}
        return told | {f"{step.sentence.markdown}. {_BEFORE}" for step in self.shown if step.is_repeated}

    @property
    def can_redo_all(self) -> bool:
        """Whether several were taken back together, and none has been done again."""
        return any(step.is_shared for step in self.changing) and not self.undoable

    @property
    def changing(self) -> list[Step]:
        """Those that have changed something."""
        return [step for step in self.all if step.changes]

    @property
    def undoable(self) -> list[Step]:
        """Those that can be taken back now."""
        return [step for step in self.changing if not step.is_undone]

    def called(self, data: Mapping[str, Any], today: date | None) -> "Steps":
        """This, with a tool that is being used."""
        name, arguments = str(data.get("name") or ""), _mapping(data.get("arguments"))
        step = Step(str(data.get("id") or ""), name, arguments, sentences.tell(name, arguments, today=today))
        return replace(self, all=[*self.all, step])

    def answered(self, data: Mapping[str, Any], today: date | None) -> "Steps":
        """This, with what came of a tool's use."""
        call_id, output = str(data.get("id") or ""), data.get("output")
        if call_id not in {step.call_id for step in self.all}:
            return self.called(data, today).answered(data, today)
        return replace(self, all=[_answered(step, call_id, output, today) for step in self.all])

    def asked(self, data: Mapping[str, Any]) -> "Steps":
        """This, with what the person is asked; what is no question changes nothing."""
        if data.get("kind") == telling.ASK:
            options = data.get("options")
            told = [one.strip() for one in options if isinstance(one, str)] if isinstance(options, list) else []
            return replace(self, options=[Option(one) for one in told if 0 < len(one) <= _MAX_CHARS][:_MAX_OPTIONS])
        if data.get("kind") == telling.CONFIRM:
            ids = data.get("todo_ids")
            what = "them" if isinstance(ids, list) and len(ids) > 1 else "it"
            return replace(self, options=[Option(f"Yes, delete {what}", is_grave=True), Option(f"No, keep {what}")])
        return self

    def known(self, undone_by: Mapping[str, str]) -> "Steps":
        """This, as the list knows it now.

        Args:
            undone_by: The changes that are kept, each with the one that took it back, or nothing.
        """
        steps = [
            replace(step, changes={one: undone_by[one] for one in step.sentence.change_ids if one in undone_by})
            for step in self.all
        ]
        shared = Counter(by for step in steps for by in set(step.changes.values()) if by)
        return replace(self, all=[replace(step, is_shared=_is_shared(step, shared)) for step in steps])


def stored_steps(extras: Mapping[str, Any], *, today: date | None) -> Steps:
    """What an answer that is stored had done; `extras`: its events other than text, by name."""
    found = Steps()
    for data in _events(extras, TOOL_CALL):
        found = found.called(data, today)
    for data in _events(extras, TOOL_RESULT):
        found = found.answered(data, today)
    for data in _events(extras, MESSAGE):
        found = found.asked(data)
    return found


def _events(extras: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    return [data for data in extras.get(name) or () if isinstance(data, Mapping)]


def _answered(step: Step, call_id: str, output: object, today: date | None) -> Step:
    if step.call_id != call_id:
        return step
    told = output if output is not None else {"error": "it gave no result"}
    sentence = sentences.tell(step.name, step.arguments, told, today=today)
    is_repeated = isinstance(told, Mapping) and bool(told.get("already_done"))
    changes = dict.fromkeys(sentence.change_ids, "")
    return replace(step, sentence=sentence, changes=changes, is_repeated=is_repeated)


def _is_shared(step: Step, shared: Mapping[str, int]) -> bool:
    return any(shared[by] > 1 for by in step.changes.values() if by)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
