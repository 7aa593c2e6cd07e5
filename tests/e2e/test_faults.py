"""Every fault of the model ends an answer once, in friendly words, and as what it was."""

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.clients import Account, Viewer
from tests.e2e.sites import Model, Site, prose, running
from tests.e2e.transcript import Transcript

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

MODEL = "scripted"
TEXT = prose(40, seed=3)
# What an exception, a library or the provider would say, and nobody should read.
NOT_FOR_READERS = re.compile(
    r"sk-|Error|Exception|Traceback|errno|https?:|127\.0\.0\.1|refused:|JSON|httpx|openai", re.I
)
# A model that is asked again answers as before: the door retries twice.
ATTEMPTS = 3


@dataclass(frozen=True)
class Fault:
    """What the model does, and what the answer must say if the built-in engine does not stand in.

    Attributes:
        is_early: Whether it comes before the first token, so that the built-in engine may stand in.
    """

    script: dict[str, Any]
    code: str
    is_early: bool = False
    retryable: bool = True
    is_away: bool = False


def early(code: str, *, retryable: bool = True, **script: Any) -> Fault:
    return Fault(script, code, is_early=True, retryable=retryable)


def late(code: str, *, retryable: bool = True, **script: Any) -> Fault:
    return Fault({"text": TEXT, **script}, code, retryable=retryable)


EARLY = {
    "bad key": early("MODEL_AUTH", status=401, retryable=False),
    "too busy": early("MODEL_BUSY", status=429),
    "too busy for an hour": early("MODEL_BUSY", status=429, retry_after="3600"),
    "server error": early("MODEL_UNREACHABLE", status=500),
    "refused port": Fault({}, "MODEL_UNREACHABLE", is_early=True, is_away=True),
    "silent before the headers": early("MODEL_TIMEOUT", stall_after=-1),
    "silent before the first token": early("MODEL_TIMEOUT", stall_after=0),
    "comments but no token": early("MODEL_TIMEOUT", stall_after=0, comment_every_s=0.2),
    "cut before the first token": early("MODEL_UNREACHABLE", cut_after=0),
    "malformed first chunk": early("MODEL_UNREACHABLE", malformed_after=0),
}
LATE = {
    "silent between tokens": late("MODEL_STALLED", stall_after=15),
    "comments instead of tokens": late("MODEL_STALLED", stall_after=15, comment_every_s=0.2),
    "cut": late("MODEL_BROKEN", cut_after=15),
    "cut without chunks": late("MODEL_BROKEN", cut_after=15, chunked=False),
    "reset": late("MODEL_BROKEN", cut_after=15, ending="reset"),
    "done without a finish reason": late("MODEL_BROKEN", cut_after=15, ending="done"),
    "whole but without a finish reason": late("MODEL_BROKEN", finish=None),
    "malformed chunk": late("MODEL_BROKEN", malformed_after=15),
    "error among the tokens": late("MODEL_BROKEN", error_after=15),
    "content filter": late("CONTENT_FILTER", finish="content_filter", retryable=False),
    "deadline": late("DEADLINE", pace_s=0.5),
}


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with Model() as server:
        yield server


@pytest.fixture(scope="module", params=["on", "off"], ids=["fallback", "no fallback"])
def fallback(request: pytest.FixtureRequest) -> str:
    setting: str = request.param
    return setting


@pytest.fixture(scope="module")
def site(fallback: str, model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = {
        "OPENAI_BASE_URL": model.base_url,
        "OPENAI_API_KEY": "sk-of-the-site",
        "OPENAI_MODEL": MODEL,
        "MODEL_FALLBACK": fallback,
        "MODEL_CONNECT_TIMEOUT": "0.5",
        # Above the pauses between the door's attempts, so that every attempt is made.
        "MODEL_FIRST_TOKEN_TIMEOUT": "1.5",
        "MODEL_TOKEN_TIMEOUT": "0.7",
        "STREAMING_TIMEOUT": "5",
        "STREAM_IDLE": "0",
    }
    with running(tmp_path_factory.mktemp("faults"), **settings) as started:
        yield started
        assert started.complaints() == []
        assert "sk-" not in started.log_path.read_text(), "neither the key nor the provider's words are logged"


@pytest.fixture(scope="module")
def ada(site: Site) -> Account:
    return Account(site)


@dataclass
class Played:
    """An answer to its end: what a viewer saw, what is stored, and the page's fragment."""

    seen: Transcript
    stored: dict[str, Any]
    page: str


@pytest.fixture
def play(model: Model, ada: Account) -> Callable[[Fault], Played]:
    def played(fault: Fault) -> Played:
        model.reset()
        if not fault.is_away:
            model.play(times=ATTEMPTS, **fault.script)
        with model.away() if fault.is_away else contextlib.nullcontext():
            # The shortest hint: the built-in engine speaks at a reader's pace.
            stream_id = ada.start(hint_level=1, problem_id="garden-path")
            seen = Viewer(ada, stream_id, until="stream.close").opened().done()
        page = ada.call("GET", f"/api/streams/{stream_id}?view=html")
        assert page.status == 200
        return Played(seen, ada.stored(stream_id), page.body.decode())

    return played


@pytest.mark.req("T17", "A6-7")
@pytest.mark.parametrize("name", EARLY)
def test_fault_before_the_first_token(name: str, fallback: str, play: Callable[[Fault], Played]) -> None:
    played = play(EARLY[name])

    if fallback == "on":
        _stood_in(played)
    else:
        _failed(played, EARLY[name])


@pytest.mark.req("T17", "A6-7")
@pytest.mark.parametrize("name", LATE)
def test_fault_after_the_first_token_is_a_failure_that_keeps_the_partial(
    name: str, play: Callable[[Fault], Played]
) -> None:
    played = play(LATE[name])

    _failed(played, LATE[name])
    assert played.seen.text
    assert TEXT.startswith(played.seen.text)
    start = played.seen.all("message.start")[0]
    assert start["metadata"] == {"engine": MODEL, "fallback": False}
    assert (played.stored["engine"], played.stored["fallback"]) == (MODEL, False)


@pytest.mark.req("T17", "A6-6")
def test_empty_answer_is_a_failure_that_may_be_tried_again(play: Callable[[Fault], Played]) -> None:
    played = play(Fault({"tokens": 0}, "EMPTY_ANSWER"))

    _failed(played, Fault({}, "EMPTY_ANSWER"))
    assert played.seen.text == ""


@pytest.mark.req("A6-6")
def test_answer_without_usage_is_complete_and_its_tokens_are_estimated(play: Callable[[Fault], Played]) -> None:
    played = play(Fault({"text": TEXT, "usage": False}, ""))

    assert played.seen.names == ["message.start", "message.delta", "message.end", "stream.close"]
    assert played.seen.end["estimated"] is True
    assert played.seen.end["total_tokens"] == played.stored["usage"]["total_tokens"] >= len(TEXT) // 4
    assert (played.stored["outcome"], played.stored["content"]) == ("completed", TEXT)


@pytest.mark.req("T17")
def test_answer_at_its_length_limit_says_so(play: Callable[[Fault], Played]) -> None:
    played = play(Fault({"text": TEXT, "finish": "length"}, ""))

    assert played.seen.end["finish_reason"] == played.stored["finish_reason"] == "length"
    assert (played.stored["outcome"], played.seen.text) == ("completed", TEXT)


def _stood_in(played: Played) -> None:
    """The built-in engine answered, and everybody is told."""
    seen, stored = played.seen, played.stored
    assert [name for name in seen.names if name != "tool.suggested_tests"] in (
        ["message.start", "message.delta", "message.end", "stream.close"],
        ["message.start", "message.delta", "message.delta", "message.end", "stream.close"],
    )
    assert seen.all("message.start")[0]["metadata"] == {"engine": "built-in", "fallback": True}
    assert seen.end["finish_reason"] == "stop"
    assert (stored["outcome"], stored["engine"], stored["fallback"]) == ("completed", "built-in", True)
    assert stored["content"] == seen.text != ""
    assert "built-in" in played.page.lower()


def _failed(played: Played, fault: Fault) -> None:
    """One error, one end, the same in the database and on the page."""
    seen, stored = played.seen, played.stored
    assert seen.names[-3:] == ["error", "message.end", "stream.close"]
    assert seen.names.count("error") == seen.names.count("message.end") == 1
    error = seen.all("error")[0]
    assert (error["code"], error["retryable"]) == (fault.code, fault.retryable)
    assert error["message"].endswith(".")
    assert not NOT_FOR_READERS.search(error["message"])
    assert error["request_id"]
    assert seen.end["finish_reason"] == stored["finish_reason"] == "error"
    assert (stored["outcome"], stored["error_code"]) == ("failed", fault.code)
    assert stored["content"] == seen.text
    assert error["message"] in played.page.replace("&#39;", "'")
