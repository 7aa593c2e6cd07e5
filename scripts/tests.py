"""`make test`: the tests in parts, three at a time for each core: they wait a lot.

The site is imported once; each part is a fork of this process, with a private Valkey and folders of its own.
(pytest-xdist cannot serve here: its threads start before gevent's patch.) A test that fails is run once more
alone. If it passes then, it is told as flaky and fails nothing: a fault of the site shows every time.
"""

import app as _site  # noqa: F401 - before all others: its first line is the gevent patch

# isort: split
import json
import os
import sys
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import gevent
import pytest
from gevent.monkey import get_original

from services.llm import static

TESTS = Path("tests")
E2E = TESTS / "e2e"
# So many that the last to end is a short one, and so few that what each makes for itself is little.
PARTS = 16
# Tests there wait for each other most: begun first.
FIRST = ("tests/services/streaming", "tests/blueprints")
# What fails in greater number is not flaky.
MOST_AGAIN = 10
# The site has imported packages that come with plugins of pytest's, whose asserts are of no interest here.
OPTIONS = ("-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
OUTCOMES = ("passed", "failed", "skipped")


@dataclass(eq=False)
class Record:
    """What came of a part; also the plugin that writes it down in the part's process."""

    given: Sequence[str]
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    failed: list[str] = field(default_factory=list)
    status: int = int(pytest.ExitCode.INTERNAL_ERROR)
    said: str = ""
    cpu_s: float = 0.0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and report.nodeid not in self.failed:
            self.failed.append(report.nodeid)
        if report.when == "call" or not report.passed:
            self.counts[report.outcome] += 1

    @property
    def last_line(self) -> str:
        return self.said.strip().rpartition("\n")[2]

    @property
    def is_whole(self) -> bool:
        """Whether every test was run: a part that could not begin, or died, has failed whatever passes."""
        return self.status in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)


def files() -> list[Path]:
    """Every file of tests but those that need a browser, in the order of their folders."""
    found = (path for path in TESTS.rglob("test_*.py") if not path.is_relative_to(E2E))
    return sorted(found, key=lambda path: (not str(path).startswith(FIRST), path))


def parts(paths: Sequence[Path], count: int) -> Iterator[list[str]]:
    """Neighbours together, for they share fixtures, in parts of about the same size."""
    total, done, part = sum(path.stat().st_size for path in paths), 0, 1
    taken: list[str] = []
    for path in paths:
        taken.append(str(path))
        done += path.stat().st_size
        if done >= total * part / count:
            yield taken
            taken, part = [], part + 1
    if taken:
        yield taken


def run(each: Iterable[Sequence[str]], at_once: int) -> Iterator[Record]:
    """A pytest for each of these arguments, so many at a time; as they end, with all that each says."""
    waiting, running = deque(each), {}
    with tempfile.TemporaryDirectory(prefix="rill-tests-") as name:
        while waiting or running:
            while waiting and len(running) < at_once:
                record = Record(waiting.popleft())
                folder = Path(tempfile.mkdtemp(dir=name))
                running[_fork(record, folder)] = (record, folder)
            child, _, used = os.wait3(0)
            record, folder = running.pop(child)
            yield _ended(record, folder, used.ru_utime + used.ru_stime)


def _fork(record: Record, folder: Path) -> int:
    """The part's process. gevent's own fork would run a loop in this process, which has none."""
    child = int(get_original("os", "fork")())
    if child:
        return child
    try:
        said = os.open(folder / "said", os.O_WRONLY | os.O_CREAT)
        os.dup2(said, 1)
        os.dup2(said, 2)
        gevent.reinit()
        record.status = int(pytest.main([*OPTIONS, *record.given], plugins=[record]))
        (folder / "record").write_text(json.dumps(vars(record)))
    except BaseException:  # the top of a process
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _ended(record: Record, folder: Path, cpu_s: float) -> Record:
    kept = folder / "record"
    told = Record(**json.loads(kept.read_text())) if kept.exists() else record
    told.cpu_s = cpu_s
    told.said = (folder / "said").read_text(errors="replace")
    return told


def main() -> int:
    """Run everything; the exit status is 1 if anything failed twice or nothing ran."""
    began = time.monotonic()
    # What pytest makes of the tests' asserts is kept, whatever the environment says: it takes a tenth of the time.
    sys.dont_write_bytecode = False
    static.loaded()  # the parts share its memory
    records = []
    for record in run(parts(files(), PARTS), at_once=3 * (os.cpu_count() or 1)):
        records.append(record)
        print(f"{record.given[0]} ...: {record.last_line}, {record.cpu_s:.0f} s of CPU", flush=True)
    failed = [name for record in records for name in record.failed]
    flaky = _flaky(records, failed)
    counts = {word: sum(record.counts[word] for record in records) for word in OUTCOMES}
    print(", ".join(f"{count} {word}" for word, count in counts.items()), f"in {time.monotonic() - began:.0f} s")
    for name in flaky:
        print(f"FLAKY {name}: failed, and passed alone")
    is_good = all(record.is_whole for record in records) and set(failed) == set(flaky)
    return 0 if is_good and counts["passed"] else 1


def _flaky(records: Sequence[Record], failed: Sequence[str]) -> list[str]:
    """Those that pass alone, when so few failed that it may have been chance; says what failed."""
    for record in records:
        if record.failed or not record.is_whole:
            print(record.said)
    if len(failed) > MOST_AGAIN:
        return []
    again = list(run([[name] for name in failed], at_once=1))
    for record in again:
        if record.failed:
            print(f"Failed alone too: {record.said}")
    return [record.given[0] for record in again if record.counts["passed"] and not record.failed]


if __name__ == "__main__":
    sys.exit(main())
