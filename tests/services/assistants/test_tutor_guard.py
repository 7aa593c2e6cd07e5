import itertools
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.assistants.tutor.guard import WITHHELD, Guard
from services.assistants.tutor.reference import fingerprints
from tests.services.assistants.transcripts import Transcript, transcripts

TRANSCRIPTS = transcripts()


@dataclass(frozen=True, slots=True)
class Verdict:
    output: str
    withheld: bool


def pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def ragged(text: str, seed: int) -> list[str]:
    chance = random.Random(seed)
    cuts = sorted({0, len(text), *(chance.randrange(len(text) + 1) for _ in range(max(1, len(text) // 5)))})
    return [text[start:end] for start, end in itertools.pairwise(cuts)]


def judge(transcript: Transcript, parts: list[str]) -> Verdict:
    guard = make_guard(transcript)
    output = "".join([guard.feed(part) for part in parts]) + guard.finish()
    return Verdict(output, guard.withheld)


def make_guard(transcript: Transcript) -> Guard:
    solution = transcript.solution
    reference = fingerprints(solution, problem_id=transcript.problem) if solution else None
    return Guard(transcript.level, reference=reference, own=[transcript.own] if transcript.own else [])


def splits(text: str) -> list[list[str]]:
    return [[text], pieces(text, 1), pieces(text, 3), pieces(text, 17), ragged(text, 1), ragged(text, 2)]


@pytest.mark.req("T27")
def test_the_transcripts_are_enough_and_of_both_kinds() -> None:
    harmless = [item for item in TRANSCRIPTS if not item.withheld]

    assert len(TRANSCRIPTS) >= 40
    assert len(harmless) >= 15
    assert {item.level for item in TRANSCRIPTS} == {1, 2, 3}


@pytest.mark.req("T27")
@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda item: item.name)
def test_a_transcript_is_judged_as_expected_however_its_deltas_are_split(transcript: Transcript) -> None:
    verdicts = {judge(transcript, parts) for parts in splits(transcript.text)}

    assert len(verdicts) == 1, "the verdict hangs on the split"
    (verdict,) = verdicts
    assert verdict.withheld is transcript.withheld
    if transcript.withheld:
        assert verdict.output.count(WITHHELD) == 1
        assert [leak for leak in transcript.leaks if leak in verdict.output] == []
    else:
        assert verdict.output == transcript.text


@pytest.mark.req("T27")
@pytest.mark.parametrize("transcript", [item for item in TRANSCRIPTS if item.withheld], ids=lambda item: item.name)
def test_each_leak_of_a_transcript_stands_in_its_text(transcript: Transcript) -> None:
    assert transcript.leaks
    assert all(leak in transcript.text for leak in transcript.leaks)


@pytest.mark.slow
@pytest.mark.req("T27")
def test_misses_and_false_alarms_stay_within_their_bounds(record_property: Callable[[str, object], None]) -> None:
    verdicts = {item.name: judge(item, pieces(item.text, 4)) for item in TRANSCRIPTS}
    misses = [
        item.name
        for item in TRANSCRIPTS
        if item.withheld
        and (not verdicts[item.name].withheld or any(leak in verdicts[item.name].output for leak in item.leaks))
    ]
    alarms = [item.name for item in TRANSCRIPTS if not item.withheld and verdicts[item.name].withheld]

    record_property("misses", misses)
    record_property("false alarms", alarms)
    sys.stdout.write(report(misses, alarms))
    assert misses == []
    assert len(alarms) <= 1


def report(misses: list[str], alarms: list[str]) -> str:
    """The figures of docs/assistants.md, by category."""
    lines = []
    for withheld, wrong, what in ((True, misses, "missed"), (False, alarms, "false alarms")):
        items = [item for item in TRANSCRIPTS if item.withheld is withheld]
        lines.append(f"{'to withhold' if withheld else 'harmless'}: {len(items)}, {what}: {len(wrong)}")
        for category in sorted({item.category for item in items}):
            names = [item.name for item in items if item.category == category]
            lines.append(f"  {category}: {len(names)}, {what}: {len(set(names) & set(wrong))}")
    return "\n".join(lines)


def test_the_documented_figures_are_those_of_the_set() -> None:
    doc = (Path(__file__).parents[3] / "docs" / "assistants.md").read_text(encoding="utf-8")
    to_withhold = sum(item.withheld for item in TRANSCRIPTS)

    assert f"{to_withhold} answers that must be stopped" in doc
    assert f"{len(TRANSCRIPTS) - to_withhold} harmless ones" in doc


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda item: item.name)
def test_what_was_passed_on_is_a_beginning_of_what_the_end_allows(transcript: Transcript) -> None:
    guard = make_guard(transcript)
    passed, whole = "", judge(transcript, [transcript.text]).output
    for letter in transcript.text:
        passed += guard.feed(letter)

        assert whole.startswith(passed)


@pytest.mark.parametrize(
    "text",
    [
        "What would you need to know about the rest of the list before you could answer at once, and who could tell?",
        "There are 3 cases here, and 12 ways (or 13) to see 7 of them. See number 2, then step3 comes before step4.",
        "word0 word1 word2 word3 word4 word5 word6 word7",
    ],
)
def test_prose_is_held_for_a_few_words_at_most(text: str) -> None:
    guard = Guard(1)
    given = ""
    for number, word in enumerate(text.split(" "), start=1):
        given += guard.feed(f"{word} ")

        assert number - len(given.split()) <= 5


def test_a_line_is_held_no_longer_than_to_its_end() -> None:
    guard = Guard(1)

    given = guard.feed("Is `x") + guard.feed(" and y = 3 or what\n")

    assert given == "Is `x and y = 3 or what\n"


@pytest.mark.parametrize("name", ["unfenced-block", "fenced-python", "harmless-own-loop", "harmless-formulas", "table"])
def test_going_on_after_sent_text_repeats_nothing_and_withholds_the_same(name: str) -> None:
    transcript = next(item for item in TRANSCRIPTS if item.name == name)
    first = make_guard(transcript)
    sent = ""
    for position, letter in enumerate(transcript.text, start=1):
        grown = first.feed(letter)
        sent += grown
        if not grown or WITHHELD in sent:
            continue
        held = len(sent) < position
        second = make_guard(transcript)
        second.prime(sent)
        rest = second.feed(transcript.text[len(sent) :]) + second.finish()

        assert held or rest is not None
        assert second.withheld is transcript.withheld
        assert [leak for leak in transcript.leaks if leak in sent + rest] == []
        if not transcript.withheld:
            assert sent + rest == transcript.text


def test_the_account_goes_on_where_the_partial_answer_ended() -> None:
    shown = "First `total = total + gain` here.\n"
    alone, continued = Guard(1), Guard(1)
    continued.prime(shown)

    text = "Then `best = max(best, total)` there.\n"

    assert alone.feed(text) == text
    assert "max(best, total)" not in continued.feed(text) + continued.finish()


def test_after_a_refusal_nothing_is_given_on_credit() -> None:
    guard = Guard(2)
    guard.prime(f"{WITHHELD}\n")

    assert "n - 1" not in guard.feed("Use `n = n - 1` now.\n")


def test_suggested_tests_that_are_programs_are_dropped() -> None:
    guard = Guard(1)
    value = {
        "input": "nums = [2, 7], target = 9",
        "expected": "[0, 1]",
        "why": "for each pair in the list: the first one",
    }
    program = {"input": "for i, x in enumerate(nums):"}
    second = {"input": "[1]", "why": "return [seen[target - x], i]"}

    assert guard.tests([program, value, second, {"input": "def solve(nums, target):"}]) == [value]


@pytest.mark.slow
@pytest.mark.parametrize("opening", ["", "```python\n", "| "])
@pytest.mark.parametrize("unit", ["> ", "1 ", "`a` ", "a = ", "[for x in ", "if (a=", "<b ", "nruter", "ﷺ fed "])
def test_no_text_makes_it_slow(unit: str, opening: str) -> None:
    guard = Guard(2)
    text = opening + (unit * 200_000)[:200_000] + "\n```\n"
    started = time.process_time()

    for part in pieces(text, 4):
        guard.feed(part)
    guard.finish()

    # 200 KB of it, which is 50,000 deltas: seconds would be everybody's.
    assert time.process_time() - started < 4


@pytest.mark.slow
def test_what_asks_for_endless_looking_is_withheld_to_its_end_and_says_so_once() -> None:
    guard = Guard(3)
    first = "Look at `i` first.\n"

    given = guard.feed(first)
    for part in pieces("`a` " * 20_000, 40):
        given += guard.feed(part)
    given += guard.feed("\nThen say it in plain words.\n") + guard.finish()

    assert given.startswith(first)
    assert guard.withheld
    assert given.count(WITHHELD) == 1
    assert "plain words" not in given


@pytest.mark.slow
def test_long_prose_is_never_taken_for_too_much() -> None:
    guard = Guard(1)
    text = "Look at the list once more: which value do you need, and `where` have you seen it (say in step 2)?\n" * 300

    given = "".join(map(guard.feed, pieces(text, 4))) + guard.finish()

    assert given == text


@pytest.mark.slow
@pytest.mark.parametrize("unit", ['\\"', "\\'", "<b ", "<code", "ﷺ"])
@pytest.mark.parametrize("line_chars", [1_000, 50_000])
def test_no_code_of_the_person_makes_it_slow(unit: str, line_chars: int) -> None:
    line = (unit * line_chars)[:line_chars]
    own = ["\n".join([line] * (50_000 // line_chars))] * 5
    started = time.process_time()

    Guard(1, own=own, reference=fingerprints(own[0][:20_000], problem_id="own"))

    # The largest code with five submissions of it; before, a line of escaped quotes took 8 s.
    assert time.process_time() - started < 2
