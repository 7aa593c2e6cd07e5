"""One answer on its way: the engine is heard, its steps are carried out, and it is told what came of them.

It ends when the engine has nothing more to do, when the person is asked something, or at a limit; whatever was done
until then stays done, and is told.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from services.assistants.base import Engine, Turn, close
from services.assistants.todos import prompt, sentences, telling, wording
from services.assistants.todos.plain import Planner
from services.assistants.todos.steps import MAX_CALLS, Step, Steps
from services.errors import ModelBroken
from services.llm import builtin
from services.llm.messages import Began, Delta, Finish, Message, Request, ToolCall, Usage
from services.streaming.answers import EmptyAnswer
from services.streaming.events import END, METADATA, Event, delta

MAX_TURNS: Final = 20
ENOUGH: Final = (
    f"I stopped here: one answer does at most {MAX_CALLS} steps. What is listed was done; ask me to go on with the "
    "rest."
)
TOO_LONG: Final = (
    f"I stopped here: after {MAX_TURNS} rounds there was still no end to it. What is listed was done; ask for the rest "
    "in smaller parts."
)
STUCK: Final = (
    "I stopped here: the same step gave the same result again and again. What is listed was done; ask in other words."
)
TORN: Final = (
    "My answer grew too long and broke off in the middle of a step, which was not carried out. Ask for less at once."
)
GONE: Final = "The model could not be reached any more. Until then:"


@dataclass(slots=True)
class _Heard:
    """One reply of an engine."""

    texts: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    finish: Finish | None = None
    fallback: Mapping[str, Any] | None = None

    @property
    def text(self) -> str:
        return "".join(self.texts)


@dataclass(slots=True)
class Working:
    """See the module's text.

    Args:
        planner: Plans the built-in engine's answer, when it is needed.
    """

    turn: Turn
    engine: Engine
    steps: Steps
    planner: Planner
    facts: Mapping[str, Any]
    before: Sequence[Mapping[str, Any]] = ()
    reworded: Sequence[Mapping[str, Any]] = ()
    usage: Usage | None = None
    reason: str = "stop"
    spoken: list[str] = field(default_factory=list)

    def events(self) -> Iterator[Event]:
        """Everything but the first event, `end` included.

        Raises:
            ModelError: The engine's own.
            EmptyAnswer: It has neither said nor done anything.
        """
        if getattr(self.engine, "name", builtin.NAME) == builtin.NAME:
            yield from self._plainly()
        else:
            yield from self._converse()
        yield from self._asking()
        if not self.spoken and not self.turn.partial:
            if not self.steps.done:
                raise EmptyAnswer
            yield from self._say(self._summary())
        yield Event(END, {"finish_reason": self.reason, **({"usage": self.usage.as_json()} if self.usage else {})})

    def _converse(self) -> Iterator[Event]:
        """The model and its tools in turns."""
        chat = prompt.messages(self.turn, self.before, self.reworded)
        for _ in range(MAX_TURNS):
            heard = _Heard()
            yield from self._hear(prompt.request(chat), heard)
            if heard.fallback is not None:
                yield from self._fall_back()
                return
            if heard.finish is None:
                raise ModelBroken
            if heard.text.strip():
                yield telling.said(heard.text.strip())
            if not heard.calls:
                yield from self._finished(heard.finish)
                return
            ended = yield from self._carry_out(heard, chat)
            if ended:
                return
        self.reason = "length"
        yield from self._say(TOO_LONG)

    def _hear(self, request: Request, heard: _Heard) -> Iterator[Event]:
        parts = self.engine.stream(request)
        try:
            for part in parts:
                match part:
                    case Began() if part.fallback and part.engine == builtin.NAME:
                        heard.fallback = {**self.facts, **part.facts, "engine": part.engine, "fallback": True}
                        yield Event(METADATA, heard.fallback)
                        return
                    case Delta():
                        yield from self._piece(part.text, heard)
                    case ToolCall():
                        heard.calls.append(part)
                    case Usage():
                        self.usage = part if self.usage is None else self.usage + part
                    case Finish():
                        heard.finish = part
        finally:
            close(parts)

    def _piece(self, text: str, heard: _Heard) -> Iterator[Event]:
        """More of a text, a new one in a paragraph of its own."""
        if not heard.text.strip():
            text = text.lstrip() if self.spoken else text
            if not text.strip():
                return
            text = self._apart() + text if self.spoken or _is_whole(self.turn.partial) else text
        heard.texts.append(text)
        self.spoken.append(text)
        yield delta(text)

    def _carry_out(self, heard: _Heard, chat: list[Message]) -> Generator[Event, None, bool]:
        """The steps that a reply asks for, in its order; whether the answer ends with them."""
        taken: list[Step] = []
        for call in heard.calls:
            if self.steps.is_full:
                self.reason = "length"
                yield from self._say(ENOUGH)
                return True
            yield from self.steps.take(call.name, call.arguments)
            taken.append(self.steps.done[-1])
            if self.steps.is_stuck:
                yield from self._say(STUCK)
                return True
        if self.steps.tools.asked is not None:
            return True
        calls = [ToolCall(step.call_id, step.name, step.asked) for step in taken]
        chat.append(Message("assistant", heard.text.strip(), tool_calls=calls))
        for step in taken:
            content = prompt.result(self.turn, step.name, step.content)
            chat.append(Message("tool", content, tool_call_id=step.call_id))
        return False

    def _finished(self, finish: Finish) -> Iterator[Event]:
        if finish.reason == "length":
            self.reason = "length"
        if finish.is_torn:
            yield from self._say(TORN)

    # -- without a model

    def _plainly(self) -> Iterator[Event]:
        """The built-in engine: its plan's steps, then what it has to say."""
        plan, results = self.planner.plan(), list[Mapping[str, Any]]()
        while True:
            try:
                calls = plan.send(results) if results else next(plan)
            except StopIteration as told:
                yield from self._speak(str(told.value))
                return
            results = []
            for call in calls:
                if self.steps.is_full:
                    plan.close()
                    self.reason = "length"
                    yield from self._speak(f"{self._summary()}\n\n{ENOUGH}")
                    return
                yield from self.steps.take(call.name, call.arguments)
                results.append(self.steps.done[-1].output)

    def _fall_back(self) -> Iterator[Event]:
        if self.steps.done or self.spoken:
            yield from self._speak(f"{GONE}\n\n{self._summary()}")
        else:
            yield from self._plainly()

    def _speak(self, text: str) -> Iterator[Event]:
        """What the built-in engine says, in its own pace."""
        if not text:
            return
        authored = self._apart() + text if self.spoken else text
        partial = "" if self.spoken else self.turn.partial
        request = Request([Message("user", self.turn.question)], authored, partial=partial, authored_only=True)
        parts = self.engine.stream(request)
        try:
            for part in parts:
                match part:
                    case Delta():
                        self.spoken.append(part.text)
                        yield delta(part.text)
                    case Usage():
                        self.usage = part if self.usage is None else self.usage + part
        finally:
            close(parts)
        yield telling.said(text)

    # -- what is said besides

    def _asking(self) -> Iterator[Event]:
        """What the person is asked at the end, with its options."""
        asked, tools = self.steps.tools.asked, self.steps.tools
        if asked is not None:
            if asked.question not in "".join(self.spoken):
                yield from self._say(asked.question)
            yield telling.ask(asked.question, asked.options, self.planner.choices)
        if tools.unconfirmed:
            question = wording.confirmation([one["item"] for one in tools.unconfirmed])
            yield from self._say(question)
            yield telling.confirm(tools.unconfirmed)

    def _say(self, text: str) -> Iterator[Event]:
        whole = self._apart() + text
        self.spoken.append(whole)
        yield delta(whole)
        yield telling.said(text)

    def _apart(self) -> str:
        """What stands between what was said and a new paragraph."""
        before = "".join(self.spoken) or self.turn.partial
        return "" if not before or before.endswith("\n\n") else "\n" if before.endswith("\n") else "\n\n"

    def _summary(self) -> str:
        told = [sentences.tell(step.name, step.arguments, step.output).markdown for step in self.steps.done]
        return "\n".join(f"- {sentence}." for sentence in dict.fromkeys(told)) or "Nothing was done."


def _is_whole(partial: str) -> bool:
    """Whether what was said so far ends with a sentence; else what follows goes on with it."""
    return partial.rstrip(' *_`"”’)').endswith((".", "!", "?", ":", "…", "\n"))
