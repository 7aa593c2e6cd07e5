"""Asking the engine for cards and a quiz: twice at most, within a time, and read strictly.

What the built-in engine would say is not asked for here: `Asked.made` is None then, and the caller extracts.
"""

import logging
import threading
import time
from dataclasses import dataclass
from typing import Final

from services.assistants import prompting
from services.cards import reply
from services.cards.made import Made
from services.cards.reply import BadReply
from services.errors import ModelBroken
from services.llm import builtin
from services.llm.door import Door
from services.llm.messages import Began, Delta, Finish, Message, Request, Usage
from services.store.decks import Source

logger = logging.getLogger(__name__)

# A request waits for this; proxies commonly give up on one after 60 s.
WITHIN_S: Final = 45.0
# Below that much time left, a second attempt would not come to its end.
_WORTH_TRYING_S: Final = 8.0
_ATTEMPTS: Final = 2
# Enough for twelve cards and eight questions.
MAX_TOKENS: Final = 3_000
# An answer may be a book; what is beyond this is not made into a dozen cards anyway.
MAX_MATERIAL_CHARS: Final = 24_000
_MAX_QUESTION_CHARS: Final = 2_000
_TEMPERATURE: Final = 0.2


@dataclass(frozen=True, slots=True)
class Asked:
    """What the engine said.

    Attributes:
        made: None if the built-in engine is to make them from the answer itself.
        engine: Who made them, or will.
        fallback: Whether the built-in engine stands in for a model.
        tokens: What the model used for what it made.
    """

    made: Made | None
    engine: str
    fallback: bool
    tokens: int = 0


def ask(engine: Door, source: Source, *, boundary: str, within_s: float) -> Asked:
    """Ask for cards and a quiz.

    Args:
        source: The answer that they are made from.
        boundary: Fences the material in the prompt; nobody can have known it when the answer was written.
        within_s: How long all attempts may take together.

    Raises:
        ModelUnreachable: There is no falling back to the built-in engine on this site.
    """
    until_s = time.monotonic() + within_s
    messages, tokens = prompt(source, boundary), 0
    for attempt in range(1, _ATTEMPTS + 1):
        left_s = until_s - time.monotonic()
        if attempt > 1 and left_s < _WORTH_TRYING_S:
            break
        try:
            said = _speak(engine, Request(messages, "", max_tokens=MAX_TOKENS, temperature=_TEMPERATURE), left_s)
            if said.is_builtin:
                return Asked(None, builtin.NAME, fallback=said.is_fallback or attempt > 1)
            tokens += said.tokens
            return Asked(reply.read(said.text), said.engine, fallback=False, tokens=tokens)
        except BadReply as bad:
            # Its text is ours; what the model wrote stays out of the log.
            logger.warning("cards not usable", extra={"attempt": attempt, "reason": str(bad)})
            messages = [*messages, Message("user", prompting.render("cards", "again", reason=str(bad)))]
        except ModelBroken as broken:
            logger.warning("cards broke off", extra={"attempt": attempt, "code": broken.code})
            if not broken.retryable:
                break
    return Asked(None, builtin.NAME, fallback=True)


def prompt(source: Source, boundary: str) -> list[Message]:
    """What a model is asked. The material stands between fences that it cannot close."""
    material = prompting.render(
        "cards",
        "material",
        boundary=boundary,
        question=source.question[:_MAX_QUESTION_CHARS].replace(boundary, ""),
        answer=source.text[:MAX_MATERIAL_CHARS].replace(boundary, ""),
    )
    return [Message("system", prompting.render("cards", "system", boundary=boundary)), Message("user", material)]


@dataclass(slots=True)
class _Said:
    text: str = ""
    engine: str = ""
    tokens: int = 0
    is_builtin: bool = False
    is_fallback: bool = False


def _speak(engine: Door, request: Request, within_s: float) -> _Said:
    """One reply, to its end.

    Raises:
        BadReply: It became too long or too late, and was ended.
    """
    said = _Said()
    pieces, length, is_whole = [], 0, False
    spoken = engine.stream(request)
    too_late = threading.Timer(within_s, spoken.close)
    too_late.start()
    try:
        for part in spoken:
            if isinstance(part, Began):
                said.engine, said.is_fallback = part.engine, part.fallback
                said.is_builtin = part.engine == builtin.NAME
                if said.is_builtin:
                    return said
            elif isinstance(part, Delta):
                pieces.append(part.text)
                length += len(part.text)
                if length > reply.MAX_REPLY_CHARS:
                    raise BadReply("it is too long")
            elif isinstance(part, Usage):
                said.tokens = part.total_tokens
            elif isinstance(part, Finish):
                is_whole = part.reason == "stop"
    finally:
        too_late.cancel()
        spoken.close()
    if not is_whole:
        raise BadReply("it was cut off")
    said.text = "".join(pieces)
    return said
