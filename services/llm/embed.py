"""Texts to vectors: by the built-in model, or by the provider's if `EMBEDDING_MODEL` is set."""

import base64
import binascii
import math
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from services.errors import ModelUnreachable
from services.llm import static
from services.llm.client import OpenAIEmbeddings
from services.llm.failures import unreachable
from services.llm.vectors import MAX_WIDTH, WIDTH, Matrix, Vector, vectors
from services.settings import Settings

# Somebody waits for a question's vector; without one, words alone are searched.
QUERY_TIMEOUT_S: Final = 5.0
# A question that is longer says no more by its mean.
_MAX_QUERY_CHARS: Final = 2_000
# What the smallest models that are served take in (512 tokens of them) is refused beyond by some servers.
_MAX_TEXT_CHARS: Final = 8_000
# Answers of servers that only write numbers out: some hundred KB, which are read within milliseconds.
BATCH: Final = 16
_ATTEMPTS: Final = 5
_FIRST_PAUSE_S: Final = 1.0
_MOST_PAUSE_S: Final = 60.0
_WORTH_RETRYING: Final = frozenset({"MODEL_UNREACHABLE", "MODEL_TIMEOUT", "MODEL_BUSY"})
_MOST_KNOWN: Final = 256


class Embedder:
    """Makes vectors; one for a process, shared by its greenlets.

    Args:
        pause: Waits so many seconds, cooperatively; for tests.

    Attributes:
        model: Kept with every vector: only vectors of one model can be compared.
        is_built_in: Whether texts become vectors on this machine, by its processor.
    """

    def __init__(self, settings: Settings, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._provider = _provider(settings)
        self._timeout_s = settings.model_first_token_timeout_s
        self._pause = pause
        self._known: dict[str, Vector] = {}
        self.is_built_in = self._provider is None
        self.model = static.NAME if self.is_built_in else settings.embedding_model

    def start(self) -> None:
        """Load the built-in model, 0.2 s of this process' time: before anybody waits for its event loop."""
        if self.is_built_in:
            static.loaded()

    def query(self, text: str) -> Vector:
        """A question's vector. The built-in model takes below a millisecond for a short one.

        Raises:
            ModelUnreachable: The provider did not answer within seconds; there is one attempt only.
        """
        text = text[:_MAX_QUERY_CHARS]
        known = self._known.get(text)
        if known is None:
            known = self._embedded([text], self._asked_once)[0]
            if len(self._known) >= _MOST_KNOWN:
                self._known.pop(next(iter(self._known)))
            self._known[text] = known
        return known

    def documents(self, texts: Sequence[str]) -> list[Vector]:
        """Many texts' vectors. With the built-in model this computes: not on an event loop that others wait for.

        Raises:
            ModelUnreachable: The provider did not answer, after several attempts over a minute or more.
        """
        made: list[Vector] = []
        for start in range(0, len(texts), BATCH):
            made += self._embedded(texts[start : start + BATCH], self._asked_with_patience)
        return made

    def words(self, texts: Sequence[str]) -> Matrix:
        """The built-in model's rows for single words, whichever model embeds: for weighing what was found."""
        return static.loaded().embed(list(texts))

    def close(self) -> None:
        """Close the provider's connections."""
        if self._provider is not None:
            self._provider.close()

    def _embedded(self, texts: Sequence[str], ask: Callable[[Sequence[str]], list[Any]]) -> list[Vector]:
        if self.is_built_in:
            return vectors(static.loaded().embed(list(texts)))
        # An empty text is refused by most.
        answer = ask([text[:_MAX_TEXT_CHARS] if text.strip() else "-" for text in texts])
        try:
            return vectors(_matrix(answer, len(texts)))
        except (ValueError, TypeError, binascii.Error) as exc:
            raise unreachable("MODEL_REJECTED") from exc

    def _asked_once(self, texts: Sequence[str]) -> list[Any]:
        assert self._provider
        return self._provider.create(texts, timeout_s=min(QUERY_TIMEOUT_S, self._timeout_s))

    def _asked_with_patience(self, texts: Sequence[str]) -> list[Any]:
        assert self._provider
        for attempt in range(_ATTEMPTS):
            try:
                return self._provider.create(texts, timeout_s=self._timeout_s)
            except ModelUnreachable as failure:
                pause_s = _pause_s(failure, attempt)
                if attempt == _ATTEMPTS - 1 or pause_s > _MOST_PAUSE_S:
                    raise
                self._pause(pause_s)
        raise AssertionError("the last attempt returns or raises")


def _provider(settings: Settings) -> OpenAIEmbeddings | None:
    if not settings.embedding_model:
        return None
    return OpenAIEmbeddings(
        settings.embedding_base_url or settings.openai_base_url,
        # The one server's key is not for the other.
        settings.embedding_api_key or ("" if settings.embedding_base_url else settings.openai_api_key),
        settings.embedding_model,
        width=WIDTH,
        connect_timeout_s=settings.model_connect_timeout_s,
    )


def _pause_s(failure: ModelUnreachable, attempt: int) -> float:
    """How long to wait before the next attempt; infinite if it would fail like this one."""
    if failure.code not in _WORTH_RETRYING:
        return math.inf
    if failure.retry_after_s is not None:
        return float(failure.retry_after_s)
    return _FIRST_PAUSE_S * 2.0**attempt * (0.75 + random.random() / 2)  # noqa: S311 - spreads retries


def _matrix(answer: Sequence[Any], rows: int) -> Matrix:
    """What a server sent, as numbers.

    Raises:
        ValueError, TypeError: It does not make sense.
    """
    numbers = [
        np.frombuffer(base64.b64decode(one, validate=True), "<f4")
        if isinstance(one, str)
        else np.asarray(one, np.float32)
        for one in answer
    ]
    if len(numbers) != rows or {row.ndim for row in numbers} != {1} or not 0 < len(numbers[0]) <= MAX_WIDTH:
        raise ValueError("not one vector for each text")
    return np.stack(numbers)
