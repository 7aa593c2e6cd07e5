"""The one door to whatever answers: the model if one is set up, the built-in engine otherwise.

A model that cannot be reached before its first token is replaced by the built-in engine, labelled,
unless `MODEL_FALLBACK` is off. After the first token nothing is replaced.
"""

import logging

from services.errors import ModelUnreachable
from services.llm import builtin
from services.llm.asking import Moderated, Said
from services.llm.call import Reply
from services.llm.client import OpenAIEngine
from services.llm.messages import Part, Request
from services.settings import Settings

logger = logging.getLogger(__name__)


class Door:
    """The engine of this process; shared by all runs.

    Args:
        settings: Which model, if any, and whether the built-in engine may stand in for it.
        pace_s: The built-in engine's pace.
    """

    def __init__(self, settings: Settings, *, pace_s: float = builtin.PACE_S) -> None:
        self._builtin = builtin.BuiltinEngine(pace_s)
        self._model = OpenAIEngine(settings) if settings.model_configured else None
        self._falls_back = settings.model_fallback
        self.name = settings.openai_model if self._model else builtin.NAME

    def stream(self, request: Request) -> "Reply | FallbackReply":
        """Speak the answer; see `Engine.stream`. What is only to be spoken as it was written, no model is asked for.

        Raises:
            ModelUnreachable: Before the first token, and there is no falling back.
            ModelBroken: The model's answer broke off after its first token.
        """
        if self._model is None or request.authored_only:
            return self._builtin.stream(request, fallback=self._model is not None)
        reply = self._model.stream(request)
        return FallbackReply(reply, request, self._builtin) if self._falls_back else reply

    @property
    def is_hosted(self) -> bool:
        """Whether the model is asked for at OpenAI's own address, which has a moderations endpoint."""
        return self._model is not None and self._model.is_hosted

    def say(self, request: Request, *, timeout_s: float) -> Said:
        """A short answer of the model's, whole, by one attempt; nobody stands in for it.

        Raises:
            ModelError: There is no model, or it failed, or was not whole in time.
        """
        return self._there.say(request, timeout_s=timeout_s)

    def moderate(self, text: str, *, timeout_s: float) -> Moderated:
        """What the moderations endpoint of the model's server says of a text, by one attempt.

        Raises:
            ModelUnreachable: There is no model, or it failed.
        """
        return self._there.moderate(text, timeout_s=timeout_s)

    @property
    def _there(self) -> OpenAIEngine:
        if self._model is None:
            raise ModelUnreachable
        return self._model

    def close(self) -> None:
        """Close the model's connections; calls that still run break off."""
        if self._model is not None:
            self._model.close()


class FallbackReply:
    """The model's answer, or the built-in engine's if the model is unreachable; closed like `Reply`."""

    __slots__ = ("_builtin", "_has_fallen", "_reply", "_request")

    def __init__(self, reply: Reply, request: Request, engine: builtin.BuiltinEngine) -> None:
        self._reply = reply
        self._request = request
        self._builtin = engine
        self._has_fallen = False

    def __iter__(self) -> "FallbackReply":
        return self

    def __next__(self) -> Part:
        try:
            return next(self._reply)
        except ModelUnreachable as failure:
            if self._has_fallen:
                raise
            # The cause's own text may quote the key or the question: its kind has to do.
            logger.warning("model unreachable", extra={"code": failure.code, "cause": type(failure.__cause__).__name__})
            self._has_fallen = True
            self._reply = self._builtin.stream(self._request, fallback=True, facts={"fallback_code": failure.code})
            return next(self._reply)

    def close(self) -> None:
        """End the answer, from any greenlet."""
        self._reply.close()
