"""The study chat: answers for students about their questions, their photos and their files.

One turn: what is too old is summed up (`summary`), prompt (`prompt`) and extractive answer (`extract`) go to the
engine, and what comes back is text, the sources that it cites (`citing`) and questions that go on from it
(`onwards`). `input` checks what clients send, `context` chooses what a turn is made of, `resolving` brings it together
and keeps the books.
"""

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from math import ceil
from typing import Any, Final

from services.assistants.base import Engine, Turn, close
from services.assistants.study import prompt
from services.assistants.study.citing import Citations, of_excerpt
from services.assistants.study.context import SUMMARY
from services.assistants.study.extract import Extract, authored
from services.assistants.study.input import StudyInput, parse_message
from services.assistants.study.onwards import RELATED, Tail
from services.assistants.study.resolving import Desk, Shelf
from services.assistants.study.summary import extracted
from services.errors import AppError, ModelBroken, ModelError
from services.llm import builtin
from services.llm.messages import Began, Delta, Finish, Image, Request, Usage
from services.points import Prices
from services.streaming.answers import EmptyAnswer
from services.streaming.events import END, MESSAGE, METADATA, STEP, Event, delta

__all__ = ["Desk", "Shelf", "Study", "StudyInput", "parse_message"]

logger = logging.getLogger(__name__)

_SUMMING_UP: Final = "Summing up what was said before"
_BLIND_MODEL: Final = (
    "> The model of this site cannot see pictures, so it has not looked at {names}. Type what stands there, or attach "
    "it as a PDF or a text.\n\n"
)
_BLIND_BUILTIN: Final = (
    "> No model is answering that could see pictures, so nobody has looked at {names}. Type what stands there, or "
    "attach it as a PDF or a text.\n\n"
)
_BLIND_TO_SCANS: Final = (
    "> There is no text in {names} that could be read, only pictures of pages, and whoever answers here cannot see "
    "pictures. Type what stands there, or attach a version with text.\n\n"
)
_PARTLY: Final = (
    "> {names} has more pages without text than go with one question, so only some of them were looked at. Ask about "
    "another one by its number.\n\n"
)
_LOST: Final = "> {names} cannot be read any more, so this answer is without it.\n\n"
_UNREADABLE: Final = (
    "> There is no text in {names} that could be read; it may be a scan. Attach its pages as photos, or type what "
    "stands there.\n\n"
)
# A cached answer comes in pieces of about this size: at once, and still as a stream.
_CACHED_PIECE_CHARS: Final = 400


class Study:
    """Answers the study chat's turns with an engine.

    Args:
        shelf: Gives the pictures of a turn; without one there are none.
        prices: What an answer costs, told at its end.
    """

    name = "study"

    def __init__(self, engine: Engine, shelf: Shelf | None = None, prices: Prices | None = None) -> None:
        self._engine = engine
        self._shelf = shelf
        self._prices = prices or Prices()

    def reply(self, turn: Turn) -> Iterator[Event]:
        """Answer a stored turn: `metadata`, perhaps a summary, deltas and citations, and `end` last.

        Raises:
            ModelError: The engine's own.
        """
        cached = turn.facts.get("cached")
        if cached and not turn.partial:
            yield from self._again(turn, cached)
            return
        told = {"engine": getattr(self._engine, "name", builtin.NAME), "fallback": False}
        yield Event(METADATA, {**_facts(turn), **told})
        spent = _Spent()
        summary = yield from self._summary(turn, spent)
        images, lost = self._images(turn)
        extract = authored(turn)
        request = prompt.request(turn, summary=summary, images=images, authored=extract.text)
        logger.debug("prompt made", extra=_measures(turn, request, summary))
        yield from self._answer(turn, request, lost, told, extract, spent)

    def _answer(
        self,
        turn: Turn,
        request: Request,
        lost: Sequence[str],
        told: Mapping[str, Any],
        extract: Extract,
        spent: "_Spent",
    ) -> Iterator[Event]:
        citations = Citations([of_excerpt(entry) for entry in turn.facts.get("excerpts") or ()])
        finish: Finish | None = None
        engine, tail = "", Tail()
        parts = self._engine.stream(request)
        try:
            for part in parts:
                match part:
                    case Began():
                        engine = part.engine
                        if engine == builtin.NAME:
                            citations = Citations(extract.sources)
                        yield from _began(turn, request, part, told, lost)
                        yield from citations.read(turn.partial)
                    case Delta():
                        yield from _shown(tail.feed(part.text), citations, spent)
                    case Usage():
                        spent.add(part if engine != builtin.NAME else _of_builtin(turn, part, extract))
                    case Finish():
                        finish = part
        finally:
            close(parts)
        if finish is None:
            raise ModelBroken()
        yield from _shown(tail.finish(), citations, spent)
        if not spent.text:
            raise EmptyAnswer
        # Past its line the answer is whole, whatever became of the questions below it.
        reason = "length" if finish.reason == "length" and not tail.is_past else "stop"
        related = extract.related if engine == builtin.NAME else tail.questions(turn.question)
        if related and reason == "stop":
            yield Event(MESSAGE, {"kind": RELATED, "related": list(related)})
        logger.debug("answer read", extra={"engine": engine, "finish_reason": reason, "characters": spent.text})
        yield Event(END, {"finish_reason": reason, "usage": self._usage(turn, spent, request)})

    def _again(self, turn: Turn, cached: Mapping[str, Any]) -> Iterator[Event]:
        """The answer that was given to the same question before."""
        told = {"engine": cached.get("engine") or builtin.NAME, "fallback": False, "cached": True}
        yield Event(METADATA, {**_facts(turn), **told})
        text = str(cached["text"])
        for start in range(0, len(text), _CACHED_PIECE_CHARS):
            yield delta(text[start : start + _CACHED_PIECE_CHARS])
        extras = cached.get("extras") or {}
        for name in ("citation", "message"):
            for data in extras.get(name) or ():
                yield Event(name, data)
        usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "estimated": False, "points_cost": 0}
        yield Event(END, {"finish_reason": "stop", "usage": usage})

    def _summary(self, turn: Turn, spent: "_Spent") -> Generator[Event, None, str]:
        """What is too old to go word for word, summed up: by the model, or by sentences taken from it."""
        before, earlier = str(turn.facts.get("summary") or ""), turn.facts.get("earlier") or ()
        if not earlier:
            if before:
                yield Event(MESSAGE, {"kind": SUMMARY, "content": before, "upto": turn.facts.get("upto")})
            return before
        yield Event(STEP, {"name": "summary", "status": "started", "description": _SUMMING_UP})
        plain = extracted(before, earlier)
        text = self._told(prompt.summary_request(turn, authored=plain), spent).strip() or plain
        yield Event(STEP, {"name": "summary", "status": "completed", "description": _SUMMING_UP})
        yield Event(MESSAGE, {"kind": SUMMARY, "content": text, "upto": turn.facts.get("upto")})
        return text

    def _told(self, request: Request, spent: "_Spent") -> str:
        """What the engine says, as a whole; empty where it fails, which the answer itself will tell."""
        parts, texts = self._engine.stream(request), []
        engine = ""
        try:
            for part in parts:
                match part:
                    case Began():
                        engine = part.engine
                    case Delta():
                        texts.append(part.text)
                    case Usage():
                        is_builtin = engine == builtin.NAME
                        spent.add(Usage(0, part.completion_tokens, estimated=True) if is_builtin else part)
        except ModelError:
            return ""
        finally:
            close(parts)
        return "".join(texts)

    def _images(self, turn: Turn) -> tuple[list[Image], list[str]]:
        """The turn's pictures, and the names of those that are no longer there."""
        images: list[Image] = []
        lost: list[str] = []
        for entry in turn.facts.get("images") or ():
            try:
                if self._shelf is None:
                    raise LookupError
                mime, data = self._picture(self._shelf, turn.user_id, entry)
                images.append(Image(mime, data, str(entry["name"])))
            except (AppError, LookupError):
                lost.append(str(entry["name"]))
        return images, lost

    def _picture(self, shelf: Shelf, user_id: int, entry: Mapping[str, Any]) -> tuple[str, bytes]:
        if entry.get("page"):
            return shelf.drawn_page(user_id, str(entry["id"]), int(entry["page"]))
        return shelf.image(user_id, str(entry["id"]))

    def _usage(self, turn: Turn, spent: "_Spent", request: Request) -> dict[str, Any]:
        usage = spent.told(request)
        cost = self._prices.of_answer(
            outcome="completed", text="x", usage=usage, media_count=int(turn.facts.get("media_count") or 0)
        )
        return {**usage, "points_cost": cost}


def _shown(text: str, citations: Citations, spent: "_Spent") -> Iterator[Event]:
    if text:
        spent.text += len(text)
        yield delta(text)
        yield from citations.read(text)


class _Spent:
    """Tokens of all calls that one answer takes."""

    def __init__(self) -> None:
        self.text = 0
        self._usages: list[Usage] = []

    def add(self, usage: Usage) -> None:
        self._usages.append(usage)

    def told(self, request: Request) -> dict[str, Any]:
        """The sum; four characters to a token where no engine has counted."""
        usages = self._usages or [
            Usage(
                ceil(sum(len(message.content) for message in request.messages) / 4), ceil(self.text / 4), estimated=True
            )
        ]
        return sum(usages[1:], usages[0]).as_json()


def _facts(turn: Turn) -> dict[str, Any]:
    """What `metadata` tells of a turn, whoever answers it."""
    return {
        "message_id": turn.message_id,
        "conversation_id": turn.conversation_id,
        "is_new": bool(turn.facts.get("is_new")),
        "user_id": turn.user_id,
        "media_count": int(turn.facts.get("media_count") or 0),
        "cached": False,
    }


def _measures(turn: Turn, request: Request, summary: str) -> dict[str, int]:
    """How large a prompt is, and what of: never its words."""
    return {
        "messages": len(request.messages),
        "prompt_characters": sum(len(message.content) for message in request.messages),
        "summary_characters": len(summary),
        "excerpts": len(turn.facts.get("excerpts") or ()),
        "images": sum(len(message.images) for message in request.messages),
        "max_tokens": request.max_tokens or 0,
    }


def _began(turn: Turn, request: Request, part: Began, told: Mapping[str, Any], lost: Sequence[str]) -> Iterator[Event]:
    """Who answers, if it is not who was asked, and what was not looked at: never passed over in silence."""
    sent = [image.name for message in request.messages for image in message.images] if part.facts.get("blind") else []
    pages = {str(entry["name"]): _file(entry) for entry in turn.facts.get("images") or () if entry.get("page")}
    names, scans = (
        [name for name in sent if name not in pages],
        _each_once(pages[name] for name in sent if name in pages),
    )
    unreadable = [str(name) for name in turn.facts.get("unreadable") or ()]
    now = {"engine": part.engine, "fallback": part.fallback}
    partly = [] if scans else [str(name) for name in turn.facts.get("partly") or ()]
    unseen = [*names, *scans, *lost, *unreadable]
    if now != told or part.facts or unseen:
        yield Event(METADATA, {**_facts(turn), **part.facts, **now, "unseen": unseen})
    if turn.partial:
        return
    if names:
        told_blind = _BLIND_BUILTIN if part.engine == builtin.NAME else _BLIND_MODEL
        yield delta(told_blind.format(names=", ".join(names)))
    for words, of_which in ((_BLIND_TO_SCANS, scans), (_PARTLY, partly), (_LOST, lost), (_UNREADABLE, unreadable)):
        if of_which:
            yield delta(words.format(names=", ".join(of_which)))


def _file(entry: Mapping[str, Any]) -> str:
    """The name of the file that a page is of."""
    return str(entry["name"]).removesuffix(f", page {entry['page']}")


def _each_once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _of_builtin(turn: Turn, usage: Usage, extract: Extract) -> Usage:
    """What the built-in engine took: it has read the question, not the prompt that a model would have had.

    Where it found nothing it took nothing: that costs the least that an answer may.
    """
    if not extract.is_found:
        return Usage(0, 0, estimated=True)
    return Usage(ceil(len(turn.question) / 4), usage.completion_tokens, estimated=True)
