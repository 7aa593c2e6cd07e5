"""Runs: from the first event to exactly one end, whatever comes between."""

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event as Signal

from services import errors, logs
from services.streaming.events import DELTA, END, ERROR, METADATA, TESTS, Event, delta
from services.streaming.producing import MAX_ANSWER_BYTES
from services.streaming.runs import new_id
from services.streaming.wire import parse_event_id
from tests.clocks import PATIENCE_S
from tests.services.streaming.nodes import Node, Script, check_log, told, until

Nodes = Callable[..., Node]


def end_of(node: Node, run: Any) -> Any:
    until(lambda: node.runs.active == 0)
    entries = node.entries(run.spec)
    check_log(entries)
    return next(entry.event.data for entry in entries if entry.event.name == END)


@pytest.mark.req("T17", "R10")
def test_a_run_writes_its_events_in_order_and_ends_once(node: Node) -> None:
    run = node.run(told("Hel", "lo"))

    end = end_of(node, run)

    names = [entry.event.name for entry in node.entries(run.spec)]
    assert names[:2] == ["start", "metadata"]
    assert names[-2:] == ["end", "close"]
    assert (end["outcome"], end["content_length"]) == ("completed", 5)
    assert end["content_sha256"] == "185f8db32271fe25f561a6fc938b2e264306ec304eda518007d1764826381969"
    assert [each.text for each in node.settled] == ["Hello"]


def test_an_event_that_json_cannot_hold_ends_neither_its_run_nor_the_others(node: Node) -> None:
    tests = [{"input": "\ud83d", "expected": 10**40, 3: {"nested": ["\udc00", b"bytes"]}}]
    odd = node.run(Script().say("a").do(Event(TESTS, {"tests": tests})).say("b").end())
    watching = node.watch(odd.spec)

    assert end_of(node, odd)["outcome"] == "completed"
    assert watching.wait_for(TESTS).json["tests"][0]["input"] == "\ufffd"
    assert watching.wait_for(TESTS).json == next(e.event.data for e in node.entries(odd.spec) if e.event.name == TESTS)
    assert end_of(node, node.run(told("next")))["outcome"] == "completed"


def test_usage_that_json_cannot_hold_does_not_keep_a_run(node: Node) -> None:
    run = node.run(Script().say("x").end(usage={"total_tokens": 2**70, "by": "\ud800"}))

    assert end_of(node, run)["usage"] == {"total_tokens": str(2**70), "by": "\ufffd"}


def test_what_is_logged_within_a_run_has_its_id(node: Node) -> None:
    seen: list[str | None] = []
    run = node.run(Script().say("x").do(lambda: seen.append(logs.run_id.get())).end())

    end_of(node, run)

    assert seen == [run.spec.run_id]


def test_text_is_cleaned_across_deltas(node: Node) -> None:
    run = node.run(told("a\r", "\nb\x00\ud83d", "\ude00", "c\ud800"))

    end_of(node, run)

    assert node.settled[0].text == "a\nb😀c\ufffd"


def test_an_answer_without_text_is_a_failure(node: Node) -> None:
    run = node.run(Script().say("", "\x00").end())

    end = end_of(node, run)

    assert (end["outcome"], end["finish_reason"], end["error"]["code"]) == ("failed", "error", "EMPTY_ANSWER")
    assert end["error"]["retryable"]


@pytest.mark.req("T17", "A6-7")
@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (errors.ModelBroken(), "MODEL_BROKEN"),
        (ValueError("secret: sk-123"), "INTERNAL"),
        (gevent.Timeout(3), "INTERNAL"),
    ],
)
def test_a_failure_becomes_one_error_and_the_end(node: Node, problem: Any, code: str) -> None:
    run = node.run(Script().say("partial").do(problem))

    end = end_of(node, run)

    failures = [entry.event.data for entry in node.entries(run.spec) if entry.event.name == ERROR]
    assert [failure["code"] for failure in failures] == [code]
    assert failures[0]["request_id"] == run.spec.first.data["request_id"]
    assert "sk-123" not in str(failures)
    assert (end["outcome"], end["content_length"]) == ("failed", 7)
    assert node.settled[0].text == "partial"
    assert node.settled[0].error_code == code


@pytest.mark.req("R8")
def test_the_deadline_ends_a_run_and_keeps_what_came(node: Node) -> None:
    script = Script().say("partial")

    run = node.run(script, deadline_ms=60)

    assert end_of(node, run)["error"]["code"] == "DEADLINE"
    assert script.closed.is_set()
    assert node.settled[0].text == "partial"


@pytest.mark.parametrize(("text", "outcome"), [("partial", "failed"), ("x" * 2 * MAX_ANSWER_BYTES, "completed")])
def test_an_assistant_that_fails_while_it_is_closed_does_not_keep_its_run(node: Node, text: str, outcome: str) -> None:
    def careless() -> Iterator[Event]:
        try:
            yield delta(text)
            Signal().wait()
        finally:
            raise OSError("the response was cut")

    run = node.run(careless, deadline_ms=60)

    assert end_of(node, run)["outcome"] == outcome


def test_an_assistant_may_be_any_iterator(node: Node) -> None:
    run = node.run(lambda: iter([delta("a"), delta("b")]))

    assert end_of(node, run)["content_length"] == 2


@pytest.mark.parametrize("more", ["x", "é", "", None])
def test_an_answer_may_be_exactly_as_long_as_it_may(node: Node, more: str | None) -> None:
    run = node.run(told("x" * (MAX_ANSWER_BYTES - 1), "x", *([more] if more is not None else [])))

    end = end_of(node, run)

    assert end["content_length"] == MAX_ANSWER_BYTES
    assert end["finish_reason"] == ("length" if more else "stop")


def test_a_run_that_is_taken_while_redis_is_away_leaves_all_the_same(make_node: Nodes, proxy: Any) -> None:
    node = make_node(url=proxy.url)
    script = Script()
    run = node.run(script)
    assert script.asked.wait(PATIENCE_S)
    proxy.refuse()

    run.writer.lose()

    assert script.closed.wait(PATIENCE_S)
    until(lambda: node.runs.active == 0)
    proxy.accept()


def test_ids_are_made_for_the_wire() -> None:
    made = {new_id() for _ in range(100)}

    assert len(made) == 100
    assert all(parse_event_id(f"{each}-1") for each in made)


def test_an_answer_of_more_than_a_mebibyte_is_cut(node: Node) -> None:
    run = node.run(told(*["é" * 50_000] * 40), deadline_ms=20_000)

    end = end_of(node, run)

    assert (end["outcome"], end["finish_reason"]) == ("completed", "length")
    assert len(node.settled[0].text.encode()) == MAX_ANSWER_BYTES


@pytest.mark.slow
def test_a_model_faster_than_the_loop_waits_for_the_log(node: Node) -> None:
    def endless() -> Iterator[Event]:
        for _ in range(20_000):
            yield delta("x")

    run = node.run(endless)
    watching = node.watch(run.spec)

    end_of(node, run)
    watching.wait_for("close")

    assert watching.text == "x" * 20_000
    assert len([entry for entry in node.entries(run.spec) if entry.event.name == DELTA]) > 100


def test_usage_of_the_provider_wins_over_the_estimate(node: Node) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "estimated": False}

    given = end_of(node, node.run(Script().say("12345").end(usage=usage)))
    estimated = end_of(node, node.run(told("12345")))

    assert given["usage"] == usage
    assert estimated["usage"] == {"prompt_tokens": 0, "completion_tokens": 2, "total_tokens": 2, "estimated": True}


@pytest.mark.req("R16", "A6-4")
def test_an_idle_stream_takes_a_follow_up_from_the_other_node(node: Node, other: Node) -> None:
    first = node.run(told("one"), idle_ms=60_000)
    here, there = node.watch(first.spec), other.watch(first.spec)
    until(lambda: node.runs.active == 0)
    here.wait_for(END)

    run = other.run(told("two"), stream_id=first.spec.stream_id, idle_ms=60_000, follow=True)

    for watching in (here, there):
        watching.wait_for(END, 2)
        assert watching.text == "onetwo"
        assert watching.seqs == sorted(set(watching.seqs))
    assert node.runs.stop(run.spec.user_id, run.spec.stream_id).outcome == "completed"  # type: ignore[union-attr]
    for watching in (here, there):
        assert watching.wait_for("close").json == {"reason": "stopped"}
        assert watching.ended.wait(PATIENCE_S)
    check_log(node.entries(run.spec), runs=2)


def test_a_follow_up_where_it_ran_before_is_seen_once(node: Node) -> None:
    first = node.run(told("one"), idle_ms=60_000)
    watching = node.watch(first.spec)
    for count in range(2, 5):
        watching.wait_for(END, count - 1)
        until(lambda: node.runs.active == 0)
        node.run(told(str(count)), stream_id=first.spec.stream_id, idle_ms=60_000, follow=True)
    watching.wait_for(END, 4)

    assert watching.text == "one234"
    check_log(node.entries(first.spec), runs=4)


def test_an_abandoned_start_leaves_nothing(node: Node) -> None:
    run = node.start(idempotency_key="k", record="{}", fingerprint="f")

    node.runs.abandon(run)

    assert node.runs.active == 0
    assert not list(node.redis.scan_iter("rill:*"))


def test_an_abandoned_follow_up_ends_as_failed(node: Node) -> None:
    first = node.run(told("one"), idle_ms=60_000)
    until(lambda: node.runs.active == 0)
    run = node.start(stream_id=first.spec.stream_id, follow=True, idle_ms=60_000)

    node.runs.abandon(run)

    until(lambda: node.runs.active == 0)
    outcomes = [entry.event.data["outcome"] for entry in node.entries(run.spec) if entry.event.name == END]
    assert outcomes == ["completed", "failed"]


def test_abandoning_while_redis_is_away_is_left_to_the_lease(make_node: Nodes, proxy: Any) -> None:
    node = make_node(url=proxy.url)
    run = node.start()
    proxy.refuse()

    node.runs.abandon(run)

    assert node.runs.active == 0
    proxy.accept()


def test_metadata_names_the_engine_that_is_stored(node: Node) -> None:
    run = node.run(Script().do(Event(METADATA, {"engine": "built-in", "fallback": True})).say("x").end())

    end_of(node, run)

    assert (node.settled[0].engine, node.settled[0].fallback) == ("built-in", True)


def test_a_run_that_has_left_already_leaves_nothing_more(node: Node) -> None:
    run = node.run(told("x"))
    end_of(node, run)

    node.runs._leave(run, None, closed=False)
    node.runs._left(*run.key)

    assert node.runs.active == 0
    assert run.left_s is None
