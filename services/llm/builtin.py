"""The engine without a model: speaks a turn's authored answer word by word, and says that it does.

It makes nothing up: what it says was written by an assistant for this very turn. It is also the
fallback of a model that cannot be reached.
"""

import math
import re
from collections.abc import Generator, Mapping
from functools import partial
from typing import Any, Final

from services.llm.call import Call, Reply
from services.llm.messages import Began, Delta, Finish, Part, Request
from services.llm.tokens import CODE_POINTS_PER_TOKEN, estimated_usage

NAME: Final = "built-in"
# About 50 words a second: faster than anybody reads, slow enough to be seen as growing.
PACE_S: Final = 0.02
# A word with the white space before it; pieces joined are the text again.
_WORD = re.compile(r"\s*\S+|\s+$")
_FENCE = re.compile(r"^ {0,3}(```|~~~)", re.MULTILINE)


class BuiltinEngine:
    """Speaks `request.authored`.

    Args:
        pace_s: Seconds between two words; 0 for none.
    """

    def __init__(self, pace_s: float = PACE_S) -> None:
        self._pace_s = pace_s

    def stream(self, request: Request, *, fallback: bool = False, facts: Mapping[str, Any] | None = None) -> Reply:
        """Speak what of the authored answer is not said yet.

        Args:
            request: `authored` is spoken from after `partial` on (see `remainder`).
            fallback: Whether it speaks in a model's place.
            facts: More that `Began` is to tell.
        """
        blind = {"blind": True} if any(message.images for message in request.messages) else {}
        began = Began(NAME, fallback, {**(facts or {}), **blind})
        return Reply(partial(self._speak, request, began), Call(math.inf))

    def _speak(self, request: Request, began: Began, call: Call) -> Generator[Part]:
        yield began
        text, is_whole = _within(remainder(request.authored, request.partial), request.max_tokens)
        for index, word in enumerate(_WORD.findall(text)):
            if index and self._pace_s:
                call.wait(self._pace_s)
            if call.is_closed:
                return
            yield Delta(word)
        yield estimated_usage(request, len(text))
        yield Finish("stop" if is_whole else "length")


def _within(text: str, max_tokens: int | None) -> tuple[str, bool]:
    """As much of the text as may be said, cut after a word where there is one; whether it is all of it."""
    limit = math.inf if max_tokens is None else max_tokens * CODE_POINTS_PER_TOKEN
    if len(text) <= limit:
        return text, True
    cut = text[: int(limit)]
    whole_words = re.match(r".*\S(?=\s)", cut + text[int(limit) : int(limit) + 1], re.DOTALL)
    return whole_words[0] if whole_words else cut, False


def remainder(authored: str, spoken: str) -> str:
    """What is left to say after `spoken`.

    When `spoken` is not how the authored answer begins (a model wrote it), no place in the authored
    answer follows it: the whole of it is said, in a paragraph of its own, after closing a code block
    that `spoken` left open.
    """
    if authored.startswith(spoken):
        return authored[len(spoken) :]
    in_code = len(_FENCE.findall(spoken)) % 2 == 1
    separator = "\n" if spoken.endswith("\n") else "\n\n"
    return ("\n```" if in_code else "") + separator + authored
