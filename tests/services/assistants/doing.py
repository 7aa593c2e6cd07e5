"""The todo agent in tests: a person with a list, a session that is stored as the site does, engines that say what
they are told to."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from services.assistants.base import Turn
from services.assistants.endings import turn_of
from services.assistants.todos import Desk, TodoAgent, TodosInput, path_of
from services.assistants.todos.input import client_name
from services.llm.builtin import BuiltinEngine
from services.llm.messages import Began, Delta, Finish, Part, Request, ToolCall, Usage
from services.store import conversations, users
from services.store.database import Database
from services.streaming.answers import Answer, Settled
from services.streaming.events import RunId, StreamId, UserId
from services.todos.actions import By, Draft, Filter, Todo, Todos
from tests.factories import make_user

ZONE = "Europe/Berlin"
# A Wednesday, ten in the morning there.
NOW = datetime(2026, 1, 14, 9, 0, tzinfo=UTC)
QUOTA = 200

Reply = Sequence[Part | Exception]


def says(*texts: str, finish: Any = "stop", calls: Sequence[tuple[str, str]] = (), torn: bool = False) -> list[Any]:
    """A reply: texts, then calls as names and JSON."""
    made = [ToolCall(f"their-{number}", name, arguments) for number, (name, arguments) in enumerate(calls)]
    reason = "tool_calls" if made and finish == "stop" else finish
    return [Began("scripted"), *map(Delta, texts), *made, Usage(100, 10), Finish(reason, is_torn=torn)]


class Model:
    """Gives its replies in order, and the last again and again; keeps what it was asked."""

    name = "scripted"

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.requests: list[Request] = []
        self._builtin = BuiltinEngine(0)

    def stream(self, request: Request) -> Iterator[Part]:
        if request.authored_only:
            yield from self._builtin.stream(request, fallback=True)
            return
        self.requests.append(request)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        for part in reply:
            if isinstance(part, Exception):
                raise part
            yield part


def unreachable() -> list[Part]:
    """What a door gives whose model cannot be reached."""
    return [Began("built-in", fallback=True, facts={"fallback_code": "MODEL_UNREACHABLE"})]


@dataclass(slots=True)
class Told:
    """One answer as it was told."""

    events: list[Any]
    turn: Turn
    error: Exception | None = None

    @property
    def text(self) -> str:
        return "".join(event.data["text"] for event in self.events if event.name == "delta")

    @property
    def calls(self) -> list[tuple[str, dict[str, Any]]]:
        return [(event.data["name"], event.data["arguments"]) for event in self.events if event.name == "tool_call"]

    @property
    def outputs(self) -> list[dict[str, Any]]:
        return [event.data["output"] for event in self.events if event.name == "tool_result"]

    def messages(self, kind: str) -> list[dict[str, Any]]:
        return [event.data for event in self.events if event.name == "message" and event.data["kind"] == kind]

    def of(self, name: str) -> list[dict[str, Any]]:
        return [event.data for event in self.events if event.name == name]


@dataclass(slots=True)
class Person:
    """Somebody who talks to the agent in one session; nothing of it is kept in memory but the database."""

    database: Database
    engine: Any = field(default_factory=lambda: BuiltinEngine(0))
    session: str = "talk"
    zone: str = ZONE

    def __post_init__(self) -> None:
        self.todos = Todos(self.database, clock=lambda: NOW)
        self.desk = Desk(self.database, quota=QUOTA)
        self.id = self.database.run(make_user).id
        self.database.run(users.update_profile, self.id, language="en", zone=self.zone)
        self._conversation_id = ""

    todos: Todos = field(init=False)
    desk: Desk = field(init=False)
    id: int = field(init=False)
    _conversation_id: str = field(init=False)

    def ask(
        self,
        question: str,
        *,
        until: Callable[[Any], bool] | None = None,
        logged: int | None = None,
        outcome: str = "interrupted",
    ) -> Told:
        """Ask, and settle the answer.

        Args:
            until: Where the answer is cut off: after the first event that this is true of.
            logged: How many of its events the log has then; None: all that came.
            outcome: How an answer that is cut off ends.
        """
        path = self.database.run(path_of, self.id, self.session)
        facts = self.desk.facts(self.id, TodosInput(question, (), self.session), path, now=NOW)
        return self._answered(question, {"question": question, "facts": facts}, None, None, until, logged, outcome)

    def retry(self, told: Told, *, until: Callable[[Any], bool] | None = None) -> Told:
        """Try to answer a question again."""
        asked = self.database.run(conversations.question_of, told.turn.message_id)
        turn = {"question": told.turn.question, "facts": dict(told.turn.facts), "partial": ""}
        return self._answered(None, turn, None, asked.id if asked else None, until, None)

    def edit(self, told: Told, question: str) -> Told:
        """Ask the first question of the session in other words."""
        asked = self.database.run(conversations.question_of, told.turn.message_id)
        assert asked is not None
        assert asked.parent_id is None, "not the session's first question"
        known = {"question": told.turn.question, "facts": dict(told.turn.facts)}
        turn = {"question": question, "facts": self.desk.resolve(self.id, [], known, question)}
        return self._answered(question, turn, None, conversations.ROOT, None, None)

    def go_on(self, told: Told) -> Told:
        """Continue an answer."""
        turn = {"question": told.turn.question, "facts": dict(told.turn.facts), "partial": told.text}
        return self._answered(None, turn, told.turn.message_id, None, None, None)

    def _answered(
        self,
        question: str | None,
        turn: Any,
        continues_id: str | None,
        parent_id: str | None,
        until: Any,
        logged: Any,
        cut_off: str = "interrupted",
    ) -> Told:
        message_id, run_id = conversations.new_id(), conversations.new_id()
        begun = self.database.run(
            conversations.begin,
            user_id=self.id, assistant="todos", client_name=client_name(self.id, self.session), conversation_id=None,
            title="t", question=question, turn=turn, stream_id=run_id, run_id=run_id, message_id=message_id,
            continues_id=continues_id, parent_id=parent_id,
        )  # fmt: skip
        stored = turn_of(self.id, "todos", begun.id, message_id, turn)
        self.database.run(self.desk.starts, stored)
        told = Told([], stored)
        events = TodoAgent(self.engine, self.todos, self.desk).reply(stored)
        outcome = "completed"
        try:
            for event in events:
                told.events.append(event)
                if until is not None and until(event):
                    outcome = cut_off
                    break
        except Exception as exc:
            told.error, outcome = exc, "failed"
        events.close()  # type: ignore[attr-defined]
        self.settle(told, outcome, logged)
        return told

    def settle(self, told: Told, outcome: str, logged: int | None = None) -> None:
        """As services/assistants/endings.py does."""
        answer = Answer()
        for event in told.events[:logged]:
            answer.take(event)
        closing = answer.closing(outcome, None)
        settled = answer.settled(
            UserId(self.id), StreamId("s"), RunId("r"), told.turn.message_id, closing[-1], last=len(told.events)
        )
        self.database.run(_settle, self.desk, settled, told.turn)

    def stored(self, told: Told) -> Any:
        """What is stored of an answer."""
        return self.database.run(conversations.message, self.id, told.turn.message_id)[0]

    def extras(self, told: Told) -> dict[str, Any]:
        return dict(self.stored(told).extras or {})

    def add(self, *items: str, **values: Any) -> list[Todo]:
        """Todos that the person made by hand."""
        return [self.todos.create(By(self.id), Draft(item, **values)).todo for item in items]

    def items(self, view: Any = "open") -> list[str]:
        """The names of the todos."""
        return [todo.item for todo in self.todos.listing(self.id, Filter(view=view))]


def _settle(session: Any, desk: Desk, settled: Settled, turn: Turn) -> None:
    extras = {**settled.extras, "last": settled.last}
    conversations.settle(
        session, settled.message_id, text=settled.text, outcome=settled.outcome, finish_reason=settled.finish_reason,
        engine=settled.engine or None, fallback=settled.fallback, usage=settled.usage, extras=extras, error_code=None,
    )  # fmt: skip
    more = desk.ends(session, settled, turn)
    if more:
        conversations.put_extras(session, settled.message_id, {**extras, **more})
