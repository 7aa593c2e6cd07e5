import random
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
    return [text[start:end] for start, end in zip(cuts, cuts[1:], strict=False)]


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
