"""The model behind the openai SDK: the hosted API, or any server that speaks its chat completions.

The SDK brings the request, its authentication and its errors. The reply's bytes are read here, not
by its iterator, which costs ten times as much and takes a reply that was cut off for a whole one.
The only import of openai; sockets and deadlines are `transport`'s, chunks are `chunks`'. Embeddings are asked for here
too, one attempt at a time; `embed` tries again.
"""

import math
import random
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import httpcore2
import httpx2
import openai
import orjson

from services.errors import ModelBroken, ModelUnreachable
from services.llm import pictures
from services.llm.asking import Moderated, Said, heard, moderated
from services.llm.call import Call, Reply
from services.llm.chunks import BadChunk, ReplyState
from services.llm.failures import broken, pause_asked_s, refusal, unreachable
from services.llm.messages import Began, Delta, Message, Part, Request
from services.llm.sse import EventReader, EventTooLarge
from services.llm.tokens import estimated_usage
from services.llm.transport import Transport, working_for
from services.settings import Settings

HOSTED_URL: Final = "https://api.openai.com/v1"
MAX_RETRIES: Final = 2
_WORTH_RETRYING: Final = frozenset({"MODEL_UNREACHABLE", "MODEL_BUSY"})
_FIRST_PAUSE_S: Final = 0.25
# Usage and [DONE] follow the finish reason at once or, on some servers, never.
_TAIL_TIMEOUT_S: Final = 5.0
# The end of the HTTP body follows [DONE] at once, or the connection is not worth keeping.
_DRAIN_TIMEOUT_S: Final = 0.05
# What a server may not know (an old one) or not allow (a reasoning model): left out once it says so.
_OPTIONAL: Final = frozenset({"temperature", "max_tokens", "max_completion_tokens", "stream_options"})
# A batch of the longest vectors that there are, written out as text.
_MAX_EMBEDDED_BYTES: Final = 32 * 1024 * 1024
MODERATION_MODEL: Final = "omni-moderation-latest"
_MAX_MODERATION_BYTES: Final = 256 * 1024
_GO_ON: Final = (
    "Your answer was cut off there. Go on exactly where it stops, in mid-sentence if need be. "
    "Repeat nothing of it and do not comment on the interruption."
)
_Foreign = (
    openai.OpenAIError,
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpx2.HTTPError,
    httpx2.StreamError,
    BadChunk,
    EventTooLarge,
)


class OpenAIEngine:
    """One model on one server; shared by all runs of a process.

    Args:
        settings: Server, key, model and the three timeouts.
        jitter: Gives numbers from 0 to 1 that spread the retries of many runs.
    """

    def __init__(self, settings: Settings, *, jitter: Callable[[], float] = random.random) -> None:
        base_url = settings.openai_base_url or HOSTED_URL
        self.name = settings.openai_model
        self.is_hosted = base_url.rstrip("/") == HOSTED_URL
        self._settings = settings
        self._jitter = jitter
        self._unsupported: set[str] = set()
        # Hosted models want the new name; most other servers know only the old one.
        names = ("max_completion_tokens", "max_tokens")
        self._limit_names = names if base_url == HOSTED_URL else names[::-1]
        # An answer, and a question beside it (`say`), for each stream.
        self.transport = Transport(base_url, max_connections=2 * settings.max_streaming_connections + 16)
        self._client = _sdk(self.transport, base_url, settings.openai_api_key, settings.model_connect_timeout_s)
        self._create = self._client.chat.completions.with_streaming_response.create

    def stream(self, request: Request) -> Reply:
        """Ask the model; nothing is sent before the first part is asked for.

        Args:
            request: With `partial`, the model is told to go on where that stops.

        Returns:
            The parts, as `Engine.stream` says. Its `close` may be called from any greenlet, and
            closes the connection to the model at once.

        Raises:
            ModelUnreachable: While iterating, before the first token, after up to two retries within
                the first token's deadline.
            ModelBroken: While iterating, after the first token; or the provider withheld the answer.
        """
        return Reply(partial(self._speak, request), Call(0.0))

    def say(self, request: Request, *, timeout_s: float) -> Said:
        """A short answer, whole, by one attempt.

        Raises:
            ModelError: It failed, or was not whole in time.
        """
        until_s = time.monotonic() + timeout_s
        return heard(Reply(partial(self._once, request), Call(until_s, latest_s=until_s)), until_s)

    def moderate(self, text: str, *, timeout_s: float) -> Moderated:
        """What the server's moderations endpoint says of a text.

        Raises:
            ModelUnreachable: It failed, or what came is no answer.
        """
        call = Call(time.monotonic() + timeout_s)
        create = partial(self._client.moderations.with_streaming_response.create, input=text, model=MODERATION_MODEL)
        try:
            return moderated(_whole(create, call, _MAX_MODERATION_BYTES))
        except _Foreign as exc:
            raise _failure(exc, has_begun=False) from exc
        except ValueError as exc:
            raise unreachable("MODEL_REJECTED") from exc
        finally:
            call.release()

    def close(self) -> None:
        """Close all connections; calls that still run break off."""
        self._client.close()

    def _once(self, request: Request, call: Call) -> Generator[Part]:
        while not call.is_closed:
            try:
                yield from self._attempt(request, call, {})
                return
            except ModelUnreachable as failure:
                if not self._learn(failure.__cause__):
                    raise

    def _speak(self, request: Request, call: Call) -> Generator[Part]:
        until_s = time.monotonic() + self._settings.model_first_token_timeout_s
        retries = 0
        is_blind = not self._settings.model_vision and pictures.any_in(request)
        if is_blind:
            request = pictures.left_out(request)
        while not call.is_closed:
            call.deadline_s = until_s
            try:
                yield from self._attempt(request, call, {"blind": True} if is_blind else {})
                return
            except ModelUnreachable as failure:
                if self._learn(failure.__cause__):
                    continue
                if not is_blind and pictures.any_in(request) and _refuses_pictures(failure.__cause__):
                    request, is_blind = pictures.left_out(request), True
                    continue
                pause_s = self._pause_s(failure, retries)
                if retries == MAX_RETRIES or time.monotonic() + pause_s >= until_s:
                    raise
            retries += 1
            call.wait(pause_s)

    def _attempt(self, request: Request, call: Call, facts: Mapping[str, Any]) -> Generator[Part]:
        """One request and its reply. Closed from outside, it just ends."""
        state = ReplyState()
        has_begun = False
        try:
            for text in self._texts(request, call, state):
                if not has_begun:
                    has_begun = True
                    yield Began(self.name, facts=facts)
                if text:
                    yield Delta(text)
        except _Foreign as exc:
            if call.is_closed:
                return
            # Once the finish reason is known nothing is missing but the count of tokens.
            if state.finish is None and not state.is_filtered:
                raise _failure(exc, has_begun=has_begun) from exc
        finally:
            call.release()
        if call.is_closed:
            return
        if not has_begun and (state.finish or state.is_filtered):
            yield Began(self.name, facts=facts)
        yield from _ending(request, state, has_begun=has_begun)

    def _texts(self, request: Request, call: Call, state: ReplyState) -> Generator[str]:
        """The reply's texts, one of them empty where a tool call begins; moves the deadline on with each token."""
        reader = EventReader()
        with working_for(call):
            opened = self._create(**self._options(request))
            response = opened.__enter__()
        try:
            for piece in response.iter_bytes():
                # What came together goes on together, also what came before a chunk that is none.
                text, trouble = state.take_all(reader.feed(piece))
                if text or state.has_calls:
                    yield text
                if trouble is not None:
                    raise trouble
                self._move_deadline(call, state)
            yield from map(state.take, reader.flush())
        finally:
            opened.__exit__(None, None, None)

    def _move_deadline(self, call: Call, state: ReplyState) -> None:
        """Comments and empty chunks leave the deadline alone: only tokens are signs of life."""
        if state.is_done:
            call.deadline_s = time.monotonic() + _DRAIN_TIMEOUT_S
        elif state.finish:
            call.deadline_s = time.monotonic() + min(_TAIL_TIMEOUT_S, self._settings.model_token_timeout_s)
        elif state.has_advanced:
            state.has_advanced = False
            call.deadline_s = time.monotonic() + self._settings.model_token_timeout_s

    def _options(self, request: Request) -> dict[str, Any]:
        options: dict[str, Any] = {
            "model": self.name,
            "messages": [_as_json(message) for message in _with_partial(request)],
            "stream": True,
            "stream_options": {"include_usage": True},
            # Compression would hold tokens back until a block is full.
            "extra_headers": {"Accept-Encoding": "identity"},
        }
        if request.temperature is not None:
            options["temperature"] = request.temperature
        if request.max_tokens is not None:
            known = [name for name in self._limit_names if name not in self._unsupported]
            options |= dict.fromkeys(known[:1], request.max_tokens)
        if request.tools:
            options["tools"] = list(request.tools)
        return {name: value for name, value in options.items() if name not in self._unsupported}

    def _learn(self, cause: BaseException | None) -> bool:
        """Leave out, from now on, an option that the server has just refused; False if it was none."""
        name = cause.param if isinstance(cause, openai.BadRequestError) else None
        if name not in _OPTIONAL or name in self._unsupported:
            return False
        self._unsupported.add(name)
        return True

    def _pause_s(self, failure: ModelUnreachable, retries: int) -> float:
        """How long to wait before the next attempt; infinite if it would fail like this one."""
        if failure.code not in _WORTH_RETRYING:
            return math.inf
        cause = failure.__cause__
        asked_s = pause_asked_s(cause.response.headers) if isinstance(cause, openai.APIStatusError) else None
        return _FIRST_PAUSE_S * 2.0**retries * (0.75 + self._jitter() / 2) if asked_s is None else asked_s


class OpenAIEmbeddings:
    """One model for embeddings on one server; shared by all greenlets of a process.

    Args:
        base_url: The server; the hosted one if empty.
        width: How many numbers are asked for; a server that will not make as many says how many it makes.
    """

    def __init__(self, base_url: str, api_key: str, model: str, *, width: int, connect_timeout_s: float) -> None:
        base_url = base_url or HOSTED_URL
        # One for what is taken in, and some for the questions that come meanwhile.
        self._client = _sdk(Transport(base_url, max_connections=8), base_url, api_key, connect_timeout_s)
        self._create = self._client.embeddings.with_streaming_response.create
        # Binary numbers, for a quarter of the bytes and a tenth of the time to read them.
        self._options: dict[str, Any] = {"model": model, "dimensions": width, "encoding_format": "base64"}

    def create(self, texts: Sequence[str], *, timeout_s: float) -> list[Any]:
        """Each text's numbers, as the server sent them: a list, or base64 of little-endian floats. Not checked.

        Raises:
            ModelUnreachable: One attempt failed, or what came is no answer (`MODEL_REJECTED`).
        """
        call = Call(time.monotonic() + timeout_s)
        try:
            while True:
                try:
                    return _embedded(self._answer(texts, call))
                except openai.BadRequestError as refused:
                    if not self._learn(refused):
                        raise
        except _Foreign as exc:
            raise _failure(exc, has_begun=False) from exc
        except (ValueError, KeyError, TypeError) as exc:
            raise unreachable("MODEL_REJECTED") from exc
        finally:
            call.release()

    def close(self) -> None:
        """Close all connections; calls that still run break off."""
        self._client.close()

    def _answer(self, texts: Sequence[str], call: Call) -> bytes:
        return _whole(partial(self._create, input=list(texts), **self._options), call, _MAX_EMBEDDED_BYTES)

    def _learn(self, refused: openai.BadRequestError) -> bool:
        """Leave out, from now on, what the server will not have; False if there is nothing left to leave out."""
        named = refused.param if refused.param in self._options else None
        # Many servers refuse without a name. A width that a model was not made for is the likelier reason.
        name = named or next((name for name in ("dimensions", "encoding_format") if name in self._options), None)
        if name == "encoding_format" and self._options[name] != "float":
            # Left out, the SDK would ask for base64 by itself.
            self._options[name] = "float"
            return True
        return name == "dimensions" and self._options.pop(name) is not None


def _whole(create: Callable[[], Any], call: Call, most: int) -> bytes:
    """The whole body of an answer.

    Raises:
        ValueError: It has more bytes than there can be.
    """
    told = bytearray()
    with working_for(call), create() as response:
        for piece in response.iter_bytes():
            told += piece
            if len(told) > most:
                raise ValueError("too long")
    return bytes(told)


def _embedded(told: bytes) -> list[Any]:
    """The vectors of an answer, in the order of the texts."""
    data = orjson.loads(told)["data"]
    return [one["embedding"] for one in sorted(data, key=lambda one: int(one["index"]))]


def _sdk(transport: Transport, base_url: str, api_key: str, connect_timeout_s: float) -> openai.OpenAI:
    return openai.OpenAI(
        api_key=api_key or "none",
        base_url=base_url,
        max_retries=0,  # deliberate: the SDK's own are not bounded by the call's deadline
        # Reading and writing obey the call's own deadline; a full pool is like a server that does not answer.
        timeout=httpx2.Timeout(connect_timeout_s),
        http_client=httpx2.Client(transport=transport, follow_redirects=True),
    )


def _failure(exc: Exception, *, has_begun: bool) -> ModelUnreachable | ModelBroken:
    """Say what happened in the site's words; never in the exception's."""
    timed_out = isinstance(exc, httpcore2.TimeoutException)
    if has_begun:
        return broken("MODEL_STALLED" if timed_out else "MODEL_BROKEN")
    if isinstance(exc, openai.APIStatusError):
        return refusal(exc.status_code, exc.code, pause_asked_s(exc.response.headers))
    return unreachable("MODEL_TIMEOUT" if timed_out else "MODEL_UNREACHABLE")


def _ending(request: Request, state: ReplyState, *, has_begun: bool) -> Generator[Part]:
    if state.is_filtered:
        raise broken("CONTENT_FILTER")
    if state.finish is None:
        raise broken("MODEL_BROKEN") if has_begun else unreachable("MODEL_UNREACHABLE")
    yield from state.tool_calls()
    yield state.usage or estimated_usage(request, state.code_points)
    yield state.finish


def _with_partial(request: Request) -> list[Message]:
    """The messages, and what of the answer exists already as the last thing the model said."""
    messages = list(request.messages)
    if request.partial:
        messages += [Message("assistant", request.partial), Message("user", _GO_ON)]
    return messages


def _as_json(message: Message) -> dict[str, Any]:
    body: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.images:
        body["content"] = pictures.as_parts(message)
    if message.tool_call_id is not None:
        body["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        body["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    return body


def _refuses_pictures(cause: BaseException | None) -> bool:
    return isinstance(cause, openai.APIStatusError) and pictures.are_refused(cause.status_code, cause.message)
