"""Measure what the rules for stories let through and refuse: `python -m scripts.eval_safety [--write] [--all]`.

Prints, for the half of the texts that was written with the rules and for the half by somebody who had not read them,
the share of the unsafe that would be shown and of the harmless that is refused, by category and by kind. Exits with 1
if anything unsafe would be shown, or 3 % or more of the harmless are refused, on either half.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from evaluation.safety import entries, guard
from evaluation.safety.entries import Entry
from services.stories.safety import Verdict

REFUSED_GOAL: Final = 0.03
DOCS: Final = Path(__file__).parents[1] / "docs" / "stories.md"
BEGIN, END = "<!-- eval-safety: begin -->", "<!-- eval-safety: end -->"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a text: by how many of its ways it was refused."""

    entry: Entry
    ways: int
    refused: int
    verdict: Verdict | None

    @property
    def is_wrong(self) -> bool:
        """One way by which something unsafe is shown, or something harmless is not, is enough."""
        return self.refused < self.ways if self.entry.is_unsafe else self.refused > 0


def main() -> int:
    """Measure, print, and judge; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the figures into docs/stories.md")
    parser.add_argument("--all", action="store_true", help="tell of every text what refused it")
    options = parser.parse_args()
    began_s = time.perf_counter()
    halves = {half: _measured(half) for half in entries.HALVES}
    text = report(halves)
    print(text)
    print(f"\n{time.perf_counter() - began_s:.1f} s")
    for half, results in halves.items():
        for result in results or ():
            if result.is_wrong or options.all:
                print(_told(half, result))
    if options.write:
        _write(text)
    complaints = missed(halves)
    for complaint in complaints:
        print(f"MISSED {complaint}")
    return 1 if complaints else 0


def measure(entry: Entry) -> Result:
    """Send one text by every way."""
    verdicts = [verdict for _, verdict in guard.refusals(entry)]
    refused = [verdict for verdict in verdicts if verdict is not None]
    return Result(entry, len(verdicts), len(refused), refused[0] if refused else None)


def report(halves: dict[str, list[Result] | None]) -> str:
    """The figures as tables in Markdown."""
    lines = ["| | unsafe | shown | harmless | refused |", "| --- | --- | --- | --- | --- |"]
    for half, results in halves.items():
        lines.append(f"| {half} | missing | | | |" if results is None else f"| {half} | {_row(results)} |")
    known = {half: results for half, results in halves.items() if results}
    for title, unsafe, key in (
        ("unsafe, by category: shown", True, lambda one: one.entry.category),
        ("harmless, by kind: refused", False, lambda one: one.entry.kind),
    ):
        lines += ["", f"| {title} | {' | '.join(known)} |", f"| --- |{' --- |' * len(known)}"]
        keys = sorted({key(one) for results in known.values() for one in results if one.entry.is_unsafe == unsafe})
        for name in keys:
            cells = [
                _share([one for one in results if one.entry.is_unsafe == unsafe and key(one) == name])
                for results in known.values()
            ]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def missed(halves: dict[str, list[Result] | None]) -> list[str]:
    """Which goals are missed, in words."""
    complaints = []
    for half, results in halves.items():
        unsafe, harmless = _parted(results or [])
        if shown := sum(one.is_wrong for one in unsafe):
            complaints.append(f"{half}: {shown} unsafe shown, goal 0")
        if harmless and (share := sum(one.is_wrong for one in harmless) / len(harmless)) >= REFUSED_GOAL:
            complaints.append(f"{half}: {share:.1%} of the harmless refused, goal below {REFUSED_GOAL:.0%}")
    return complaints


def _measured(half: str) -> list[Result] | None:
    loaded = entries.load(half)
    return None if loaded is None else [measure(entry) for entry in loaded]


def _parted(results: Sequence[Result]) -> tuple[list[Result], list[Result]]:
    return [one for one in results if one.entry.is_unsafe], [one for one in results if not one.entry.is_unsafe]


def _row(results: Sequence[Result]) -> str:
    unsafe, harmless = _parted(results)
    return " | ".join(f"{len(ones)} | {_percent(ones)}" for ones in (unsafe, harmless))


def _percent(results: Sequence[Result]) -> str:
    return f"{sum(one.is_wrong for one in results) / len(results):.1%}" if results else "-"


def _share(results: Sequence[Result]) -> str:
    return f"{sum(one.is_wrong for one in results)} of {len(results)}" if results else "-"


def _told(half: str, result: Result) -> str:
    entry, verdict = result.entry, result.verdict
    mark = "WRONG " if result.is_wrong else ""
    said = f"refused {result.refused} of {result.ways} ways by {verdict.rule!r}" if verdict else "let through"
    return f"{mark}{half} {entry.id} ({entry.kind}, {entry.age}, {entry.why}): {said}: {entry.text[:120]!r}"


def _write(text: str) -> None:
    whole = DOCS.read_text(encoding="utf-8")
    before, _, rest = whole.partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCS.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
