"""Stories for children: a chapter is told in steps that can be watched, and nothing of it is shown before its check.

One turn: the chapter is planned (`briefs`), written by a model or by the built-in storyteller (`writing`, `prompt`,
`prose`) with every piece checked first (`checking`), checked as a whole, enriched (`enriching`) and finished. `input`
checks what clients send, `choosing` knows which choice is meant, `resolving` makes a turn's facts and keeps the books,
and `telling` has the events.
"""

import logging
import time
from collections.abc import Iterator
from typing import Any, Final

from services.assistants.base import Engine, Turn
from services.assistants.stories import enriching, prompt, telling
from services.assistants.stories.briefs import brief_of
from services.assistants.stories.checking import TIMEOUT_S, Checks, Judge, Provider, check_of
from services.assistants.stories.enriching import Sieve, Values
from services.assistants.stories.input import SafetyRejected, StoryInput, parse_request
from services.assistants.stories.resolving import Desk, Place
from services.assistants.stories.telling import Progress
from services.assistants.stories.writing import StoryWithheld, Writing
from services.errors import AppError, ModelError
from services.llm import builtin
from services.stories import safety
from services.stories.grammar import tell
from services.stories.measures import measure
from services.streaming.events import END, METADATA, Event
from services.streaming.metrics import Metrics

__all__ = [
    "Desk",
    "Place",
    "SafetyRejected",
    "StoryInput",
    "StoryWithheld",
    "Storyteller",
    "check_of",
    "parse_request",
    "prepare",
]

logger = logging.getLogger(__name__)

# The second call: the chapter is there already, and somebody waits for its choices.
ENRICH_S: Final = 25.0


class Storyteller:
    """Tells chapters.

    Args:
        provider: Who is asked besides the rules, and for what goes with a chapter; None: nobody.
        check: `rules`, `moderation` or `model`: how the provider is asked about a piece.
        judge: The rules.
        check_timeout_s: How long the provider is waited for with each piece.
    """

    name = "stories"

    def __init__(
        self,
        engine: Engine,
        desk: Desk,
        *,
        provider: Provider | None = None,
        check: str = telling.RULES,
        judge: Judge = safety.judge,
        check_timeout_s: float = TIMEOUT_S,
        metrics: Metrics | None = None,
    ) -> None:
        self._engine = engine
        self._desk = desk
        self._provider = provider
        self._check = check
        self._judge = judge
        self._check_timeout_s = check_timeout_s
        self._metrics = metrics

    def reply(self, turn: Turn) -> Iterator[Event]:
        """Tell a stored chapter: steps, checked pieces, what goes with them, and `end` last.

        Raises:
            StoryWithheld, EmptyAnswer: As `Writing.events`.
            ModelError: The engine's own. What was approved until then stays.
        """
        began_s = time.monotonic()
        progress = Progress()
        checks = Checks(turn, self._judge, self._check, self._provider, self._check_timeout_s)
        facts = {
            "message_id": turn.message_id,
            "conversation_id": turn.conversation_id,
            "story_id": turn.conversation_id,
            "chapter_id": turn.message_id,
            "is_new": bool(turn.facts.get("is_new")),
        }
        yield Event(METADATA, {**facts, "engine": getattr(self._engine, "name", builtin.NAME), "fallback": False})
        yield from progress.begun(telling.PLAN)
        brief = brief_of(turn)
        told = tell(brief)
        yield from progress.done(telling.PLAN)
        writing = Writing(turn, self._engine, checks, self._desk, brief, told, progress, facts)
        is_whole = False
        try:
            yield from self._steps(turn, writing, began_s)
            is_whole = True
        except AppError:
            yield telling.message(telling.FIGURES, **_figures(writing, began_s))
            raise
        finally:
            self._note(turn, writing, began_s, is_whole=is_whole)

    def _steps(self, turn: Turn, writing: Writing, began_s: float) -> Iterator[Event]:
        progress, checks = writing.progress, writing.checks
        yield from progress.begun(telling.WRITE)
        yield from writing.events()
        yield from progress.done(telling.WRITE)
        yield from progress.begun(telling.SAFETY)
        alone = checks.by_rules_alone
        yield telling.approved(checks.score, checks.checked_by, pieces=checks.pieces, by_rules_alone=alone)
        yield from progress.done(telling.SAFETY)
        yield from progress.begun(telling.ENRICH)
        values = self._enriched(turn, writing)
        yield from progress.done(telling.ENRICH)
        yield from progress.begun(telling.FINISH)
        yield telling.message(telling.MEMORY, memory=dict(values.memory))
        yield telling.message(telling.FIGURES, **_figures(writing, began_s), replaced=list(values.replaced))
        yield telling.message(telling.CHAPTER, **enriching.chapter(turn, writing.text, values))
        yield from progress.done(telling.FINISH)
        yield Event(END, {"finish_reason": "stop", **_usage(writing)})

    def _enriched(self, turn: Turn, writing: Writing) -> Values:
        sieve = Sieve(turn, self._judge)
        if writing.is_builtin and writing.is_told:
            return sieve.of_told(writing.told)
        values = sieve.of_model(self._answer(turn, writing), heading=writing.heading, text=writing.text)
        if writing.is_builtin or not writing.checks.refuses(values.words):
            return values
        return Sieve(turn, self._judge).of_model("", heading="", text=writing.text)

    def _answer(self, turn: Turn, writing: Writing) -> str:
        """What the model says goes with the chapter; empty where there is none, or it fails."""
        if self._provider is None or writing.is_builtin:
            return ""
        try:
            said = self._provider.say(prompt.enrich(turn, writing.text), timeout_s=ENRICH_S)
        except ModelError as failure:
            logger.info("chapter not enriched", extra={"code": failure.code, "message_id": turn.message_id})
            return ""
        if said.usage is not None:
            writing.usages.append(said.usage)
        return said.text

    def _note(self, turn: Turn, writing: Writing, began_s: float, *, is_whole: bool) -> None:
        """One line for each chapter, however it ended: figures, never words."""
        figures = _figures(writing, began_s)
        logger.info("chapter told", extra={"message_id": turn.message_id, "whole": is_whole, **figures})
        if self._metrics is not None:
            self._metrics.chapter(
                shown=writing.shown,
                withheld=writing.rejected,
                by_rules_alone=writing.checks.by_rules_alone,
                check_s=writing.checks.seconds,
            )


def prepare() -> None:
    """Load rules and syllables, half a second of this process' time: before anybody waits for its event loop."""
    safety.judge("The fox sat in the sun.", age=9)
    measure("The fox sat in the sun.", 9)


def _figures(writing: Writing, began_s: float) -> dict[str, Any]:
    """What is kept of how a chapter came about, in ms and counts."""
    checks = writing.checks
    return {
        "first_piece_ms": _ms(writing.first_piece_s),
        "first_token_ms": _ms(writing.first_token_s),
        "check_ms": _ms(checks.seconds),
        "duration_ms": _ms(time.monotonic() - began_s),
        "pieces": writing.shown,
        "rejected": writing.rejected,
        "by_rules_alone": checks.by_rules_alone,
    }


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _usage(writing: Writing) -> dict[str, Any]:
    """Tokens of all calls that the chapter took."""
    usages = [*writing.usages, *writing.checks.usages]
    return {"usage": sum(usages[1:], usages[0]).as_json()} if usages else {}
