"""Chapters in tests: a turn as the desk makes it, models that say what they are told to, and what came of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.assistants.base import Turn
from services.assistants.stories import Storyteller
from services.errors import ModelUnreachable
from services.llm.asking import Moderated, Said
from services.llm.builtin import BuiltinEngine
from services.llm.messages import Began, Delta, Finish, Part, Request, Usage
from services.stories.safety import Verdict

CHILD: dict[str, Any] = {
    "id": 7,
    "name": "Mia",
    "age": 7,
    "level": "intermediate",
    "pronouns": "she",
    "interests": ["kites"],
    "avoid": [],
}


def facts_of(**changes: Any) -> dict[str, Any]:
    child = {**CHILD, **changes.pop("child", {})}
    facts = {
        "child_id": child["id"],
        "child": child,
        "theme": "forest",
        "chapter_number": 1,
        "title": "",
        "choice": "",
        "idea": "",
        "choices_before": [],
        "seed": 11,
        "chapters": 5,
        "length": "medium",
        "is_last": False,
        "bedtime": False,
        "mode": "paragraph",
        "chunk_words": 200,
        "memory": {},
        "recap": "",
        "tail": "",
        "story_id": None,
        "zone": "UTC",
        "is_new": True,
    }
    return {**facts, **changes}


def turn_of(*, partial: str = "", **changes: Any) -> Turn:
    return Turn("stories", 1, "01HSTORY", "01HCHAPTER", "Chapter 1", facts_of(**changes), partial)


def paragraph(words: str, *, sentences: int = 6) -> str:
    """A paragraph of more than fifty words that says `words` in its first sentence."""
    rest = " ".join(
        f"Then Mia took {number} small steps along the green path and looked around with care."
        for number in ("two", "three", "four", "five", "six", "seven")[: sentences - 1]
    )
    return f"{words} {rest}"


def story(*beginnings: str) -> str:
    return "\n\n".join(paragraph(words) for words in beginnings)


def says(text: str, *, size: int = 7, reason: Any = "stop", engine: str = "scripted") -> list[Part]:
    """A model's reply, in deltas of so many characters."""
    deltas = [Delta(text[start : start + size]) for start in range(0, len(text), size)]
    return [Began(engine), *deltas, Usage(100, 50), Finish(reason)]


def unreachable() -> list[Part]:
    """What a door gives whose model cannot be reached: the built-in engine begins, and speaks what was authored."""
    return [Began("built-in", fallback=True, facts={"fallback_code": "MODEL_UNREACHABLE"})]


@dataclass
class Model:
    """Gives its replies in order; keeps what it was asked, and which of its calls were closed."""

    replies: list[Sequence[Part | Exception]]
    name: str = "scripted"
    requests: list[Request] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)

    def stream(self, request: Request) -> Iterator[Part]:
        self.requests.append(request)
        number, reply = len(self.requests), self.replies.pop(0)
        try:
            for part in reply:
                if isinstance(part, Exception):
                    raise part
                yield part
                if isinstance(part, Began) and part.fallback:
                    parts = BuiltinEngine(0).stream(request, fallback=True)
                    next(parts)
                    yield from parts
                    return
        finally:
            self.closed.append(number)


@dataclass
class Provider:
    """Answers about pieces by their words, and to the second call with `values`; an exception is raised instead."""

    unsafe: Sequence[str] = ()
    values: str | Exception = ""
    answer: str | Exception = "SAFE"
    asked: list[str] = field(default_factory=list)
    enriched: list[Request] = field(default_factory=list)

    def say(self, request: Request, *, timeout_s: float) -> Said:
        said = request.messages[-1].content
        if "You check a passage" not in said:
            self.enriched.append(request)
            return _said(self.values, Usage(30, 20))
        passage = said.rpartition(" passage\n")[2]
        self.asked.append(passage)
        if any(words in passage for words in self.unsafe):
            return Said("UNSAFE frightening", Usage(10, 2))
        return _said(self.answer, Usage(10, 1))

    def moderate(self, text: str, *, timeout_s: float) -> Moderated:
        self.asked.append(text)
        if isinstance(self.answer, Exception):
            raise self.answer
        found = any(words in text for words in self.unsafe)
        return Moderated(found, "violence" if found else "", 0.9 if found else 0.01)


def _said(told: str | Exception, usage: Usage) -> Said:
    if isinstance(told, Exception):
        raise told
    return Said(told, usage)


@dataclass
class Desk:
    """Keeps what is withheld, in order."""

    kept: list[tuple[int, str, str, str]] = field(default_factory=list)
    failure: Exception | None = None

    def withheld(self, turn: Turn, index: int, text: str, verdict: Verdict, decided_by: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.kept.append((index, text, verdict.category, decided_by))


@dataclass
class Told:
    """A chapter as it was told."""

    events: list[Any]
    desk: Desk
    error: Exception | None = None

    @property
    def text(self) -> str:
        return "".join(event.data["text"] for event in self.events if event.name == "delta")

    @property
    def pieces(self) -> list[str]:
        return [event.data["text"] for event in self.events if event.name == "delta"]

    def of(self, name: str) -> list[Any]:
        return [event.data for event in self.events if event.name == name]

    def message(self, kind: str) -> Any:
        (found,) = [data for data in self.of("message") if data["kind"] == kind]
        return found

    @property
    def steps(self) -> list[str]:
        """Steps, texts and checks in their order, each run of texts once."""
        names: list[str] = []
        for event in self.events:
            name = event.name
            if name == "step":
                name = f"{event.data['name']} {event.data['status']}"
            elif name == "check":
                name = f"check {event.data['status']}"
            elif name == "message":
                name = f"message {event.data['kind']}"
            elif name == "progress":
                continue
            if not (names and names[-1] == name == "delta"):
                names.append(name)
        return names


def kind(_text: str, **_: Any) -> Verdict:
    """Rules that let everything through, and take no time."""
    return Verdict(allowed=True, score=1.0)


def tell(
    turn: Turn,
    engine: Any,
    *,
    desk: Desk | None = None,
    provider: Provider | None = None,
    check: str = "rules",
    judge: Any = kind,
    until: Any = None,
) -> Told:
    """Tell a chapter, up to its end, its failure, or the event where somebody stops it."""
    kept = desk or Desk()
    teller = Storyteller(engine, kept, provider=provider, check=check, judge=judge)  # type: ignore[arg-type]
    told = Told([], kept)
    events = teller.reply(turn)
    try:
        for event in events:
            told.events.append(event)
            if until is not None and until(event):
                break
    except Exception as exc:
        told.error = exc
    events.close()  # type: ignore[attr-defined]
    return told


def away() -> ModelUnreachable:
    return ModelUnreachable()
