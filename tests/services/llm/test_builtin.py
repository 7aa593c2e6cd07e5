from time import monotonic

import gevent

from services.llm.builtin import BuiltinEngine, remainder
from services.llm.messages import Began, Delta, Finish, Message, Request, Usage
from tests.clocks import PATIENCE_S

AUTHORED = "Look at the pairs.\n\n```python\nfor a in b:\n    pass\n```\nThen **count**. "


def ask(authored: str = AUTHORED, partial: str = "") -> Request:
    return Request([Message("user", "Help me!")], authored, partial)


def spoken(request: Request) -> str:
    return "".join(part.text for part in BuiltinEngine(0).stream(request) if isinstance(part, Delta))


def test_the_authored_answer_is_spoken_word_by_word_and_to_the_letter() -> None:
    parts = list(BuiltinEngine(0).stream(ask()))

    assert parts[0] == Began("built-in")
    assert parts[1:4] == [Delta("Look"), Delta(" at"), Delta(" the")]
    assert "".join(part.text for part in parts if isinstance(part, Delta)) == AUTHORED
    assert parts[-2:] == [Usage(2, -(-len(AUTHORED) // 4), estimated=True), Finish("stop")]


def test_it_goes_on_right_after_the_partial_at_every_place() -> None:
    for cut in range(len(AUTHORED) + 1):
        assert AUTHORED[:cut] + spoken(ask(partial=AUTHORED[:cut])) == AUTHORED


def test_a_partial_of_somebody_else_is_followed_by_the_whole_answer() -> None:
    assert spoken(ask("Count.", "A model said")) == "\n\nCount."
    assert spoken(ask("Count.", "A model said\n")) == "\nCount."


def test_a_code_block_that_the_partial_left_open_is_closed_first() -> None:
    assert remainder("Count.", "So:\n```python\nx = 1") == "\n```\n\nCount."
    assert remainder("Count.", "So:\n```python\nx = 1\n```\n") == "\nCount."


def test_an_empty_answer_has_no_delta_and_finishes() -> None:
    parts = list(BuiltinEngine(0).stream(ask("")))

    assert parts == [Began("built-in"), Usage(2, 0, estimated=True), Finish("stop")]


def test_it_speaks_at_its_pace_and_lets_others_run() -> None:
    ticks: list[float] = []
    other = gevent.spawn(lambda: [ticks.append(monotonic()) or gevent.idle() for _ in range(3)])
    began_s = monotonic()

    list(BuiltinEngine(0.02).stream(ask("one two three four five six")))

    assert monotonic() - began_s >= 5 * 0.02
    assert len(ticks) == 3
    other.join(timeout=PATIENCE_S)


def test_closing_it_from_another_greenlet_ends_it_at_once() -> None:
    reply = BuiltinEngine(30.0).stream(ask("one two"))
    assert [next(reply), next(reply)] == [Began("built-in"), Delta("one")]
    reader = gevent.spawn(list, reply)
    gevent.idle()

    reply.close()

    assert reader.get(timeout=PATIENCE_S) == []


def test_it_keeps_to_its_limit_and_says_that_it_was_cut() -> None:
    request = Request([Message("user", "Help!")], AUTHORED, max_tokens=5)

    parts = list(BuiltinEngine(0).stream(request))

    text = "".join(part.text for part in parts if isinstance(part, Delta))
    assert text == "Look at the pairs."
    assert parts[-1] == Finish("length")
    assert text + spoken(ask(partial=text)) == AUTHORED


def test_a_word_longer_than_the_limit_is_cut_inside() -> None:
    parts = list(BuiltinEngine(0).stream(Request([], "x" * 100, max_tokens=2)))

    assert "".join(part.text for part in parts if isinstance(part, Delta)) == "x" * 8


def test_what_fits_exactly_is_whole() -> None:
    assert list(BuiltinEngine(0).stream(Request([], "abcd", max_tokens=1)))[-1] == Finish("stop")
