"""An answer folded from its events is the same whoever folds it."""

from hashlib import sha256
from typing import Any

import pytest

from services.errors import ModelBroken
from services.streaming.answers import Answer, folded, of_run
from services.streaming.events import END, ERROR, METADATA, SEAL, START, Entry, Event, RunId, StreamId, UserId, delta


def entries_of(*events: Event) -> list[Entry]:
    return [Entry(1, seq, event) for seq, event in enumerate(events, 1)]


def started(run_id: str = "r1") -> Event:
    return Event(START, {"run_id": run_id, "request_id": f"q-{run_id}"})


@pytest.mark.req("T17")
@pytest.mark.parametrize(
    ("outcome", "reason"),
    [("completed", "length"), ("stopped", "cancelled"), ("failed", "error"), ("interrupted", "interrupted")],
)
def test_the_end_carries_length_hash_and_reason(outcome: str, reason: str) -> None:
    answer = folded(entries_of(started(), delta("é"), delta("😀"), Event(END, {"finish_reason": "length"})))

    (end,) = answer.closing(outcome, None)

    assert end.data["content_length"] == 2
    assert end.data["content_sha256"] == sha256("é😀".encode()).hexdigest()
    assert (end.data["outcome"], end.data["finish_reason"]) == (outcome, reason)


def test_a_failure_is_one_error_and_the_end_that_names_it() -> None:
    answer = folded(entries_of(started(), Event(SEAL)))

    error, end = answer.closing("failed", ModelBroken())
    settled = answer.settled(UserId(1), StreamId("s"), RunId("r1"), "m", end, last=9)

    assert error.name == ERROR
    assert error.data["request_id"] == "q-r1"
    assert end.data["error"] == error.data
    assert (settled.error_code, settled.outcome, settled.last) == ("MODEL_BROKEN", "failed", 9)


def test_everything_but_text_is_kept_in_order() -> None:
    answer = Answer()
    assert answer.is_empty
    for event in (
        Event(METADATA, {"engine": "m", "fallback": True}),
        Event(METADATA, {"topic": "t"}),
        Event("tests", {"tests": [1]}),
        Event("tests", {"tests": [2]}),
        Event("history", {"messages": []}),
    ):
        answer.take(event)

    assert (answer.engine, answer.fallback) == ("m", True)
    assert answer.extras == {"tests": [{"tests": [1]}, {"tests": [2]}]}
    assert not answer.is_empty


def test_size_is_counted_in_bytes_of_utf8() -> None:
    answer = folded(entries_of(delta("abc"), delta("é😀")))

    assert (answer.size, answer.length, answer.text) == (9, 5, "abcé😀")


@pytest.mark.parametrize(("run_id", "texts"), [("r1", ["a"]), ("r2", ["b"]), ("r3", [])])
def test_a_streams_runs_are_told_apart(run_id: str, texts: list[str]) -> None:
    def end() -> Event:
        return Event(END, {})

    log: Any = entries_of(started("r1"), delta("a"), end(), started("r2"), delta("b"), end())

    found = of_run(log, RunId(run_id))

    assert [entry.event.data["text"] for entry in found if entry.event.name == "delta"] == texts
    assert not found or found[-1].event.name == END
