"""The coding tutor: hints that grow by level, never the solution.

One turn: prompt (`context`) and authored answer (`ladder`) go to the engine; what comes back passes the
`tests` filter (`fences`) and the guard (`guard`) before it becomes an event, so nothing that is withheld
ever reaches a log. `input` checks what clients send.
"""

import json
import logging
from collections.abc import Iterator
from math import ceil
from typing import Any

from services.assistants.base import Engine, Turn, close
from services.assistants.tutor import context
from services.assistants.tutor.context import facts
from services.assistants.tutor.fences import Tests, TestsFilter, tests_entry
from services.assistants.tutor.guard import Guard
from services.assistants.tutor.input import SubmissionInput, TutorInput, parse_message, parse_submission
from services.assistants.tutor.ladder import authored
from services.errors import ModelBroken, ModelError
from services.llm.messages import Began, Delta, Finish, Part, Request, ToolCall, Usage
from services.streaming.coalesce import Normaliser
from services.streaming.events import END, METADATA, TESTS, Event, delta

__all__ = ["SubmissionInput", "Tutor", "TutorInput", "facts", "parse_message", "parse_submission", "resolve"]

logger = logging.getLogger(__name__)

# A tool of this name is understood too; the prompt asks for the fenced block, which every model can write.
SUGGEST_TESTS = ("suggest_tests", "suggested_tests", "suggestTests")
ONLY_TESTS = "Try these inputs on your code, and compare what it returns with what you expect."


def resolve(
    sent: TutorInput, problem: Any, *, stored_messages: Any = (), stored_submissions: Any = ()
) -> dict[str, Any]:
    """The facts of a turn from a checked request; a sent context wins over the stored one.

    Args:
        stored_messages: The conversation's, oldest first.
        stored_submissions: The user's for this problem, oldest first.
    """
    return facts(
        problem,
        hint_level=sent.hint_level,
        messages=stored_messages if sent.messages is None else sent.messages,
        submissions=stored_submissions if sent.submissions is None else sent.submissions,
        code=sent.code,
        language=sent.language,
    )


class Tutor:
    """Answers the tutor's turns with an engine."""

    name = "tutor"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def reply(self, turn: Turn) -> Iterator[Event]:
        """Answer a stored turn: `metadata`, deltas and `tests`, and `end` last.

        Raises:
            ModelError: The engine's own; what was held back and may be shown is yielded before.
        """
        request = context.request(turn, authored=authored(turn))
        parts = self._engine.stream(request)
        try:
            yield from _events(parts, turn, request)
        finally:
            close(parts)


def _events(parts: Iterator[Part], turn: Turn, request: Request) -> Iterator[Event]:
    filters = _Filters(turn)
    usage: Usage | None = None
    finish: Finish | None = None
    try:
        for part in parts:
            match part:
                case Began():
                    level = context.hint_level(turn.facts)
                    described = {"engine": part.engine, "fallback": part.fallback, "hint_level": level}
                    yield Event(METADATA, {**part.facts, **described})
                case Delta():
                    yield from filters.feed(part.text)
                case ToolCall():
                    yield from filters.tool(part)
                case Usage():
                    usage = part
                case Finish():
                    finish = part
        if finish is None:
            raise ModelBroken()
    except ModelError:
        yield from filters.finish(whole=False)
        raise
    yield from filters.finish(whole=True)
    reason = "length" if finish.reason == "length" else "stop"
    yield Event(END, {"finish_reason": reason, "usage": (usage or filters.estimate(request)).as_json()})


class _Filters:
    """The `tests` filter and the guard, one behind the other."""

    def __init__(self, turn: Turn) -> None:
        # First of all: what is taken out later could join what the guard has seen apart.
        self._normaliser = Normaliser()
        self._tests = TestsFilter()
        self._guard = Guard(
            context.hint_level(turn.facts), reference=turn.facts.get("reference"), own=context.own_texts(turn)
        )
        self._has_text = bool(turn.partial.strip())
        self._has_tests = False
        self._received = 0
        if turn.partial:
            self._tests.prime(turn.partial)
            self._guard.prime(turn.partial)

    def feed(self, text: str) -> Iterator[Event]:
        self._received += len(text)
        for piece in self._tests.feed(self._normaliser.add(text)):
            yield from self._pass(piece)

    def finish(self, *, whole: bool) -> Iterator[Event]:
        for piece in (*self._tests.feed(self._normaliser.end()), *self._tests.finish()):
            yield from self._pass(piece)
        yield from self._say(self._guard.finish())
        if whole and self._has_tests and not self._has_text:
            yield from self._say(ONLY_TESTS)
        if self._guard.withheld:
            logger.info("solution code withheld")

    def tool(self, call: ToolCall) -> Iterator[Event]:
        """Suggested tests that came as a call of a function instead of a block."""
        if call.name not in SUGGEST_TESTS:
            return
        try:
            listed = json.loads(call.arguments)
        except (ValueError, RecursionError):
            return
        listed = listed.get("tests") if isinstance(listed, dict) else listed
        tests = [tests_entry(item) for item in listed] if isinstance(listed, list) else []
        yield from self._pass([test for test in tests if test])

    def estimate(self, request: Request) -> Usage:
        """Four characters to a token, for engines that name no usage."""
        sent = sum(len(message.content) for message in request.messages)
        return Usage(ceil(sent / 4), ceil(self._received / 4), estimated=True)

    def _pass(self, piece: str | Tests) -> Iterator[Event]:
        if isinstance(piece, str):
            yield from self._say(self._guard.feed(piece))
        elif tests := self._guard.tests(piece):
            self._has_tests = True
            yield Event(TESTS, {"tests": tests})

    def _say(self, text: str) -> Iterator[Event]:
        if text:
            self._has_text = self._has_text or bool(text.strip())
            yield delta(text)
