"""The todo agent: a person's list, kept by talking to it.

One turn: the engine is asked with the tools it may use (`tools`, `schema`), each step is carried out and told
(`steps`), and its result goes back to the engine, until it has nothing left to do (`working`). Without a model plain
sentences become the same calls (`plain`, `phrases`, `pieces`, `matching`, `viewing`, `looking`, `wording`). `input`
checks what clients send, `resolving` makes a turn's facts and keeps the books, `done` knows what an answer really did,
`agreeing` what is a yes, `redact` what must not be seen of a result, `sentences` what a step is called in words, and
`telling` has the events.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from services.assistants.base import Engine, Turn
from services.assistants.todos.done import Did
from services.assistants.todos.input import TodosInput, client_name, parse_todos
from services.assistants.todos.looking import Looker
from services.assistants.todos.plain import Planner
from services.assistants.todos.prompt import now_of, zone_of
from services.assistants.todos.resolving import Desk, path_of
from services.assistants.todos.steps import Steps
from services.assistants.todos.tools import Tools
from services.assistants.todos.working import Working
from services.llm import builtin
from services.streaming.events import METADATA, Event
from services.todos.actions import Todos

__all__ = ["NAME", "Desk", "TodoAgent", "TodosInput", "client_name", "parse_todos", "path_of"]

logger = logging.getLogger(__name__)

NAME: Final = "Todo agent"


class TodoAgent:
    """Answers the agent's turns.

    Args:
        todos: The operations, as the pages use them.
        desk: Knows what earlier tries at a question have done.
    """

    name = "todos"

    def __init__(self, engine: Engine, todos: Todos, desk: Desk) -> None:
        self._engine = engine
        self._todos = todos
        self._desk = desk

    def reply(self, turn: Turn) -> Iterator[Event]:
        """Answer a stored turn: steps and text as they come, and `end` last (docs/assistants.md, "Todos").

        Raises:
            ModelError: The engine's own. What was done until then stays done.
            Unavailable: The database is away.
        """
        before = self._desk.done_before(turn)
        steps = self._steps(turn, before)
        began_s = time.monotonic()
        facts = {
            "name": NAME,
            "message_id": turn.message_id,
            "conversation_id": turn.conversation_id,
            "is_new": bool(turn.facts.get("is_new")),
        }
        engine = getattr(self._engine, "name", builtin.NAME)
        try:
            yield Event(METADATA, {**facts, "engine": engine, "fallback": False})
            yield from self._working(turn, steps, before, facts).events()
        finally:
            # Which tools in which order, however it ended: names and counts, never words.
            logger.info(
                "todo steps",
                extra={
                    "message_id": turn.message_id,
                    "sequence": " ".join(step.name + ("!" if step.is_error else "") for step in steps.done),
                    "duration_s": round(time.monotonic() - began_s, 3),
                },
            )

    def _steps(self, turn: Turn, before: Sequence[Did]) -> Steps:
        tools = Tools(
            self._todos,
            turn.user_id,
            turn.message_id,
            now_of(turn),
            zone_of(turn),
            may_delete=frozenset(str(one) for one in turn.facts.get("may_delete") or ()),
            answers=[str(one) for one in turn.facts.get("answers") or ()],
            made={todo_id for did in before for todo_id in did.made},
        )
        known: dict[str, list[Any]] = {}
        for did in before:
            known.setdefault(did.digest, []).append(did.output)
        return Steps(tools, known)

    def _working(self, turn: Turn, steps: Steps, before: Sequence[Did], facts: dict[str, Any]) -> Working:
        look = Looker(self._todos, turn.user_id, before)
        planner = Planner(turn.question, now_of(turn), zone_of(turn), look, turn.facts)
        tried = [did.output for did in before if not did.is_reworded]
        reworded = [did.output for did in before if did.is_reworded]
        return Working(turn, self._engine, steps, planner, facts, tried, reworded)
