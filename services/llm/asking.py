"""Short questions to the model's provider, answered whole or not at all, within a time. No HTTP.

For what stands beside an answer: whether a passage is fit to be shown, what goes with a chapter. There is one attempt,
and nobody stands in for the provider.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from services.errors import ModelBroken
from services.llm.call import Reply
from services.llm.failures import broken, unreachable
from services.llm.messages import Delta, Finish, Usage

_MAX_CHARS: Final = 40_000
# Categories that are refused by a smaller score than the provider's own: what is read here is for children.
_STRICT: Final = ("sexual/minors", "self-harm/instructions", "self-harm/intent", "sexual", "hate/threatening")
_STRICT_FROM: Final = 0.2


@dataclass(frozen=True, slots=True)
class Said:
    """A short answer. `is_whole`: it was not cut by its length."""

    text: str
    usage: Usage | None = None
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Moderated:
    """What a provider's moderation says of a text.

    Attributes:
        category: Why it is flagged, in the provider's word; empty if it is not.
        score: The highest of all categories, 0 to 1.
    """

    flagged: bool
    category: str = ""
    score: float = 0.0


def heard(reply: Reply, until_s: float) -> Said:
    """An answer as a whole; its call is ended in any case.

    Args:
        until_s: On `time.monotonic`'s clock.

    Raises:
        ModelError: It failed, or was not whole in time.
    """
    texts: list[str] = []
    usage: Usage | None = None
    finish: Finish | None = None
    length = 0
    try:
        for part in reply:
            match part:
                case Delta():
                    texts.append(part.text)
                    length += len(part.text)
                case Usage():
                    usage = part
                case Finish():
                    finish = part
            # What trickles in never lets a read wait for long.
            if finish is None and time.monotonic() > until_s:
                raise unreachable("MODEL_TIMEOUT")
            if length > _MAX_CHARS:
                raise broken("MODEL_BROKEN")
    finally:
        reply.close()
    if finish is None:
        raise ModelBroken
    return Said("".join(texts), usage, is_whole=finish.reason == "stop")


def moderated(answer: bytes) -> Moderated:
    """What the answer of a moderations endpoint says.

    Raises:
        ModelUnreachable: It is no such answer.
    """
    try:
        result = orjson.loads(answer)["results"][0]
        scores = {str(name): float(score) for name, score in (result.get("category_scores") or {}).items() if score}
        flagged = result["flagged"]
        named = [name for name, is_so in (result.get("categories") or {}).items() if is_so]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as exc:
        raise unreachable("MODEL_REJECTED") from exc
    if not isinstance(flagged, bool):
        raise unreachable("MODEL_REJECTED")
    return _of(named, scores, flagged=flagged)


def _of(named: list[Any], scores: Mapping[str, float], *, flagged: bool) -> Moderated:
    highest = min(max(scores.values(), default=0.0), 1.0)
    strict = [name for name in _STRICT if scores.get(name, 0.0) >= _STRICT_FROM]
    if flagged or strict:
        ranked = sorted({str(name) for name in named} | set(strict), key=lambda name: -scores.get(name, 0.0))
        return Moderated(True, ranked[0] if ranked else "flagged", highest)
    return Moderated(False, "", highest)
