"""From a question to a run; endings.py has what comes after it.

The order is: slots and stream in Redis, then the turn in the database, then the run. Whatever fails on
the way takes back what came before it, so that nothing of a refused question remains.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from services import errors
from services.assistants.base import Assistant, Hooks, Turn
from services.assistants.endings import Endings, turn_of
from services.settings import Settings
from services.store import conversations
from services.store.conversations import Conversation, Message
from services.store.database import Database, Session
from services.streaming.answers import Settled
from services.streaming.events import DELTA, END, METADATA, START, Event, RunId, StreamId, UserId
from services.streaming.runs import Runs, new_id
from services.streaming.starting import Repeated, StreamClosed
from services.streaming.state import NewRun

Kind = Literal["new", "follow", "successor"]
_TITLE_CHARS: Final = 80
_CAN_GO_ON: Final = frozenset({"stopped", "failed", "interrupted"})


@dataclass(frozen=True, slots=True)
class Ask:
    """A question that has passed every check of its own assistant.

    Attributes:
        client_name: The client's own name for the conversation; made on first use.
        new_conversation_id: What a conversation that is new gets as its id, where the first event tells it.
        parent_id: The message that the question comes after; None: the head of the conversation's path;
            `conversations.ROOT`: it is another first question.
        follow: A stream that this question goes on with.
        deadline_s: How long the answer may take.
        idle_s: How long the stream then stays open for another question; 0 closes it.
        record: What a repeated request with the same idempotency key is answered with, from the
            stream's id and how it came about; None without a key.
        also: More to do in the transaction that stores the turn.
    """

    user_id: int
    assistant: str
    question: str
    facts: Mapping[str, Any]
    deadline_s: float
    client_name: str | None = None
    conversation_id: str | None = None
    new_conversation_id: str | None = None
    parent_id: str | None = None
    title: str = ""
    follow: str | None = None
    idle_s: float = 0.0
    request_id: str = ""
    idempotency_key: str = ""
    fingerprint: str = ""
    record: Callable[[StreamId, Kind], str] | None = None
    also: Callable[[Session], object] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A run that has begun. `record` is what each request with its idempotency key is answered with, if it has one."""

    stream_id: StreamId
    kind: Kind
    message_id: str = ""
    conversation_id: str = ""
    record: str | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """The request that asks a stored question once more; each as in `Ask`."""

    request_id: str = ""
    idempotency_key: str = ""
    fingerprint: str = ""
    record: Callable[[StreamId, Kind], str] | None = None


@dataclass(frozen=True, slots=True)
class _Stored:
    """What `conversations.begin` is given besides the ids."""

    question: str | None
    turn: Mapping[str, Any]
    continues_id: str | None = None
    parent_id: str | None = None
    also: Callable[[Session], object] | None = None

    @property
    def partial(self) -> str:
        return str(self.turn.get("partial") or "")


class Turns:
    """Questions and their answers, for every assistant.

    Args:
        assistants: By name.
        engine: The name of whatever is asked first; an answer's `metadata` says who gave it.
        hooks: What assistants do besides answering, by name.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        runs: Runs,
        assistants: Mapping[str, Assistant],
        *,
        engine: str,
        hooks: Mapping[str, Hooks] = MappingProxyType({}),
    ) -> None:
        self._settings = settings
        self._database = database
        self._runs = runs
        self._assistants = assistants
        self._engine = engine
        self._hooks = hooks
        self._ends = Endings(database, runs, hooks)

    def ask(self, ask: Ask) -> Asked:
        """Start an answer.

        Raises:
            NotFound: The stream to go on with is unknown, or somebody else's.
            StreamBusy, IdempotencyMismatch, NoSlotFree, SiteFull, Unavailable: Nothing was started.
        """
        turn = {"question": ask.question, "facts": dict(ask.facts)}
        stored = _Stored(ask.question, turn, parent_id=ask.parent_id, also=ask.also)
        if ask.follow is None:
            return self._on_new_stream(ask, "new", stored)
        asked = self._start(ask, StreamId(ask.follow), "follow", stored)
        if asked is not None:
            return asked
        if not self._database.run(conversations.by_stream, ask.user_id, ask.follow):
            raise errors.NotFound("Stream not found")
        return self._on_new_stream(ask, "successor", stored)

    def go_on(
        self,
        user_id: int,
        stream_id: str,
        *,
        from_partial: bool,
        request_id: str,
        idempotency_key: str = "",
        fingerprint: str = "",
        record: Callable[[StreamId, Kind], str] | None = None,
    ) -> Asked:
        """Continue a cut-off answer, or try it again from its stored turn; what was there stays as an alternative.

        Args:
            from_partial: Whether the new text goes on from what came, or begins anew.
            request_id, idempotency_key, fingerprint, record: As in `Ask`.

        Raises:
            NotFound: No such stream of this user's.
            StreamBusy: It still runs.
            Conflict: A complete answer has nothing to go on from.
        """
        rows = [row for row in self._database.run(conversations.by_stream, user_id, stream_id) if row.turn is not None]
        if not rows:
            raise errors.NotFound("Stream not found")
        last = rows[-1]
        if last.outcome is None:
            raise errors.StreamBusy
        if from_partial and last.outcome not in _CAN_GO_ON and last.finish_reason != "length":
            raise errors.Conflict("This answer is complete; there is nothing to continue.", code="COMPLETE")
        again = Again(request_id, idempotency_key, fingerprint, record)
        turn = {"partial": "", **(last.turn or {})}
        if from_partial:
            stored = _Stored(None, {**turn, "partial": turn["partial"] + last.content}, last.id, last.id)
        else:
            asked = self._database.run(conversations.question_of, last.id)
            turn = {**turn, "facts": _anew(turn["facts"]), "partial": ""}
            stored = _Stored(None, turn, parent_id=asked.id if asked else None)
        return self._on_new_stream(self._once_more(user_id, last.conversation_id, stored, again), "new", stored)

    def edit(self, user_id: int, message_id: str, question: str, again: Again) -> Asked:
        """Ask one of the user's stored questions in other words; what was there becomes an alternative.

        Raises:
            NotFound: No such message of this user's.
            Conflict: It is not a question that can be asked again.
            InvalidInput: What its assistant does not take.
            NoSlotFree, SiteFull, Unavailable: Nothing was started.
        """
        asked, conversation, turn = self._database.run(_question, user_id, message_id)
        hooks = self._hooks.get(conversation.assistant, Hooks())
        if turn is None or hooks.resolve is None:
            raise errors.Conflict("This message cannot be edited.", code="NOT_EDITABLE")
        before = self._database.run(hooks.before, asked.parent_id, question) if asked.parent_id else ()
        facts = hooks.resolve(user_id, before, turn, question)
        stored = _Stored(
            question, {"question": question, "facts": dict(facts)}, parent_id=asked.parent_id or conversations.ROOT
        )
        return self._on_new_stream(self._once_more(user_id, conversation.id, stored, again), "new", stored)

    def _once_more(self, user_id: int, conversation_id: str, stored: _Stored, again: Again) -> Ask:
        """The `Ask` of a turn that is stored already, or is made of one that is."""
        assistant = self._database.run(conversations.get, user_id, conversation_id).assistant
        return Ask(
            user_id=user_id,
            assistant=assistant,
            question=stored.turn["question"],
            facts=stored.turn["facts"],
            deadline_s=self._settings.deadline_s(assistant),
            conversation_id=conversation_id,
            idle_s=self._settings.stream_idle_s if assistant == "tutor" else 0.0,
            request_id=again.request_id,
            idempotency_key=again.idempotency_key,
            fingerprint=again.fingerprint,
            record=again.record,
        )

    def _on_new_stream(self, ask: Ask, kind: Kind, stored: _Stored) -> Asked:
        asked = self._start(ask, StreamId(new_id()), kind, stored)
        assert asked is not None, "a new stream cannot be closed already"
        return asked

    def _start(self, ask: Ask, stream_id: StreamId, kind: Kind, stored: _Stored) -> Asked | None:
        if not self._settings.streaming_enabled:
            raise errors.Unavailable("New answers are switched off on this site for now.", code="STREAMING_OFF")
        spec = self._spec(ask, stream_id, kind, stored)
        try:
            run = self._runs.start(spec)
        except (errors.NoSlotFree, errors.SiteFull):
            self._refuse_for_points(ask, stored, spec)
            raise
        if isinstance(run, Repeated):
            return Asked(stream_id, kind, record=run.record)
        if isinstance(run, StreamClosed):
            return None
        try:
            turn = self._database.run(self._store, ask, stored, spec)
        except BaseException:
            self._runs.abandon(run)
            raise
        self._runs.begin(run, lambda: _named(self._assistants[ask.assistant], turn))
        return Asked(stream_id, kind, spec.message_id, turn.conversation_id, spec.record or None)

    def _refuse_for_points(self, ask: Ask, stored: _Stored, spec: NewRun) -> None:
        """Whoever has too few points is told so before they are told to wait for a slot (API.md, "Order of checks")."""
        affords = self._hooks.get(ask.assistant, Hooks()).affords
        if affords is not None:
            turn = turn_of(ask.user_id, ask.assistant, ask.conversation_id or "", spec.message_id, stored.turn)
            self._database.run(affords, turn)

    def _spec(self, ask: Ask, stream_id: StreamId, kind: Kind, stored: _Stored) -> NewRun:
        message_id, run_id = conversations.new_id(), RunId(new_id())
        return NewRun(
            user_id=UserId(ask.user_id),
            stream_id=stream_id,
            run_id=run_id,
            assistant=ask.assistant,
            conversation_id=ask.conversation_id or ask.new_conversation_id or "",
            message_id=message_id,
            first=Event(
                START,
                {
                    "run_id": run_id,
                    "message_id": message_id,
                    "assistant": ask.assistant,
                    "request_id": ask.request_id,
                    "engine": self._engine,
                    **({"partial": stored.partial} if stored.partial else {}),
                    **self.told(ask.assistant, stored.turn),
                },
            ),
            assistant_limit=self._settings.max_streams[ask.assistant],
            user_limit=self._settings.user_max_streams,
            deadline_ms=int(ask.deadline_s * 1000),
            ttl_ms=self._settings.stream_ttl_s * 1000,
            idle_ms=int(ask.idle_s * 1000),
            follow=kind == "follow",
            idempotency_key=ask.idempotency_key,
            record=ask.record(stream_id, kind) if ask.record and ask.idempotency_key else "",
            fingerprint=ask.fingerprint,
        )

    def told(self, assistant: str, turn: Mapping[str, Any]) -> Mapping[str, Any]:
        """What an assistant's first event tells of a turn besides, as it is stored."""
        tells = self._hooks.get(assistant, Hooks()).tells
        return tells(turn) if tells is not None else {}

    def _store(self, session: Session, ask: Ask, stored: _Stored, spec: NewRun) -> Turn:
        conversation = conversations.begin(
            session,
            user_id=ask.user_id,
            assistant=ask.assistant,
            client_name=ask.client_name,
            conversation_id=ask.conversation_id,
            new_conversation_id=ask.new_conversation_id,
            title=_title(ask.title or ask.question),
            question=stored.question,
            turn=stored.turn,
            stream_id=spec.stream_id,
            run_id=spec.run_id,
            message_id=spec.message_id,
            continues_id=stored.continues_id,
            parent_id=stored.parent_id,
        )
        if stored.also is not None:
            stored.also(session)
        turn = turn_of(ask.user_id, ask.assistant, conversation.id, spec.message_id, stored.turn)
        starts = self._hooks.get(ask.assistant, Hooks()).starts
        if starts is not None:
            starts(session, turn)
        return turn

    def settle(self, settled: Settled) -> None:
        """As `Endings.settle`."""
        self._ends.settle(settled)

    def recover(self, message: Message, user_id: int) -> bool:
        """As `Endings.recover`."""
        return self._ends.recover(message, user_id)

    def settle_of(self, user_id: int) -> None:
        """As `Endings.settle_of`."""
        self._ends.settle_of(user_id)

    def sweep(self) -> int:
        """As `Endings.sweep`."""
        return self._ends.sweep()

    def sweep_for_ever(self) -> None:
        """As `Endings.sweep_for_ever`."""
        self._ends.sweep_for_ever()


def _named(assistant: Assistant, turn: Turn) -> Iterator[Event]:
    """An assistant's events, its first with the message's id, its last with the time to the first words."""
    events, began_s, first_s = assistant.reply(turn), time.monotonic(), 0.0
    try:
        for event in events:
            if event.name == METADATA:
                yield Event(METADATA, {"message_id": turn.message_id, **event.data})
            elif event.name == END and event.data.get("usage"):
                timed = {**event.data["usage"], "first_token_s": round(first_s, 3)}
                yield Event(END, {**event.data, "usage": timed})
            else:
                if not first_s and event.name == DELTA:
                    first_s = time.monotonic() - began_s
                yield event
    finally:
        close = getattr(events, "close", None)
        if close is not None:
            close()


def _question(
    session: Session, user_id: int, message_id: str
) -> tuple[Message, Conversation, Mapping[str, Any] | None]:
    """A stored question, its conversation, and the turn that its newest answer was given."""
    asked, conversation = conversations.message(session, user_id, message_id)
    tries = [row for row in conversations.answers_to(session, asked.id) if row.turn] if asked.role == "user" else []
    return asked, conversation, tries[-1].turn if tries else None


def _anew(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts without an answer that was kept from before, and with new luck: whoever tries again wants another."""
    luck = {"seed": secrets.randbits(53)} if "seed" in facts else {}
    return {name: value for name, value in facts.items() if name != "cached"} | luck


def _title(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TITLE_CHARS else line[: _TITLE_CHARS - 1].rstrip() + "…"
