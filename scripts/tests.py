"""`make test`: the tests, one pytest for each part of the tree, two at a time for each core: they wait a lot.

Parts share nothing: each has a private Valkey and folders of its own. (pytest-xdist cannot serve here: its
threads start before gevent's patch.)
"""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TESTS = Path("tests")
# The longest first, so that the last to end is a short one.
LARGE = (
    "tests/services/streaming",
    "tests/blueprints",
    "tests/services/store",
    "tests/services/llm",
    "tests/services/cards",
    "tests/services/assistants",
    "tests/blueprints/dialects",
)
# Larger than the rest together: given in three.
_WIDE = "tests/blueprints"
_COUNT = re.compile(r"(\d+) (passed|failed|error|errors|skipped)\b")


def parts() -> list[list[str]]:
    """What each pytest is given: the large folders without each other, then the rest."""
    groups = [[large, *_without(large)] for large in LARGE if large != _WIDE]
    files = sorted(str(path) for path in Path(_WIDE).glob("test_*.py"))
    groups[1:1] = [files[start::3] for start in range(3)]
    rest = sorted(str(path) for path in TESTS.rglob("test_*.py") if not _is_in(path, (*LARGE, "tests/e2e")))
    return [*groups, rest]


def run(part: list[str]) -> subprocess.CompletedProcess[str]:
    """One pytest, its output kept."""
    command = [sys.executable, "-m", "pytest", "-q", *part]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def main() -> int:
    """Run everything; the exit status is 1 if anything failed or nothing ran."""
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    is_good = True
    with ThreadPoolExecutor(max_workers=2 * (os.cpu_count() or 1)) as pool:
        for part, done in zip(parts(), pool.map(run, parts()), strict=True):
            last = done.stdout.strip().rpartition("\n")[2]
            print(f"{part[0]} ...: {last}" if done.returncode == 0 else done.stdout)
            if done.returncode:
                print(done.stderr, file=sys.stderr)
            is_good = is_good and done.returncode == 0
            for number, word in _COUNT.findall(last):
                totals["failed" if word.startswith("err") else word] += int(number)
    print(", ".join(f"{count} {word}" for word, count in totals.items()))
    return 0 if is_good and totals["passed"] else 1


def _without(large: str) -> list[str]:
    return [f"--ignore={other}" for other in LARGE if other != large and other.startswith(f"{large}/")]


def _is_in(path: Path, folders: tuple[str, ...]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


if __name__ == "__main__":
    sys.exit(main())
