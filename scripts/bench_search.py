"""Measure the search with 100,000 chunks in SQLite: `make bench-search`, `python -m scripts.bench_search [--write]`.

How long finding passages takes; how long after a request the first token of the built-in engine's answer comes, on a
real server; and, while 50 answers stream from a paced model, how fast documents are taken in, and how much later words
come than without. Exits with 1 if a goal is missed. Takes some minutes, most of it for filling the store.
"""

import argparse
import bisect
import http.client
import itertools
import json
import os
import platform
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Final

import orjson

from bench.end_to_end import _ACCOUNT as ACCOUNT
from bench.end_to_end import _PASSWORD as PASSWORD
from bench.end_to_end import AnswerViewer, RillTutor
from bench.frames import Frame
from bench.load import Load, Target
from bench.measures import quantile
from bench.model import words
from bench.processes import ROOT, python

CHUNKS: Final = 100_000
RETRIEVAL_MS: Final = 60.0
FIRST_TOKEN_MS: Final = 150.0
INGESTION_PER_S: Final = 300.0
ADDED_MS: Final = 100.0
STREAMS: Final = 50
# 20 s at a pace at which people read, and a document each moment.
TOKENS, RATE = 400, 20.0
ASKED: Final = 60
PAGES_EACH: Final = 30
DOCS: Final = Path(ROOT) / "docs" / "search.md"
BEGIN, END = "<!-- bench-search: begin -->", "<!-- bench-search: end -->"


class Site(RillTutor):
    """The whole site on a store that was filled before.

    Attributes:
        store: The file that it works on a copy of.
        has_model: Whether a model answers, or the built-in engine.
    """

    name = "rill with 100,000 chunks"
    store: ClassVar[Path]
    has_model: ClassVar[bool] = True

    def env(self) -> dict[str, str]:
        values = {
            **super().env(),
            "SEARCH_MAX_STREAMS": "1000",
            "SEARCH_RATE_LIMIT": "100000/minute",
            "INGEST_PROCESSES": "1",
        }
        if not self.has_model:
            values |= {"OPENAI_BASE_URL": "", "OPENAI_API_KEY": ""}
        return values

    def argv(self) -> list[str]:
        shutil.copyfile(self.store, self.data_dir / "rill.sqlite3")
        return super(RillTutor, self).argv()


class WithoutModel(Site):
    """The same, without a model."""

    name = "rill, built-in engine"
    has_model = False


class Paced(AnswerViewer):
    """Notes when each word came, as it was spoken at an even pace."""

    __slots__ = ("_ends", "_said", "came")

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.came: dict[int, float] = {}
        self._said = 0
        self._ends = list(itertools.accumulate(len(word) for word in words(TOKENS)))

    def take(self, frame: Frame, now: float) -> None:
        before = len(self.parts)
        super().take(frame, now)
        self._said += sum(len(part) for part in self.parts[before:])
        if len(self.parts) > before:
            # The last whole word that has come: words before it in the same event came with it, in time or late.
            self.came.setdefault(bisect.bisect_right(self._ends, self._said), now)

    def lags(self) -> list[float]:
        """How much later than the quickest each event came, in seconds."""
        late = [now - number / RATE for number, now in self.came.items()]
        return [each - min(late) for each in late]


def main() -> int:
    """Measure, print, judge; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the figures into docs/search.md")
    options = parser.parse_args()
    # Whoever ends it ends the servers that it started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    Site.store = _filled()
    found = json.loads(_store("time", Site.store))
    with WithoutModel() as site:
        first = _first_tokens(site)
    with Site() as site:
        alone = _lags(site)
        during, per_s = _ingesting(site)
    added = max(0.0, quantile(during, 0.99) - quantile(alone, 0.99)) * 1000
    rows = [
        ("finding passages, p50 ms", quantile(found, 0.5), None),
        ("finding passages, p95 ms", quantile(found, 0.95), quantile(found, 0.95) < RETRIEVAL_MS),
        ("request to first token, built-in engine, p50 ms", quantile(first, 0.5) * 1000, None),
        (
            "request to first token, p95 ms",
            quantile(first, 0.95) * 1000,
            quantile(first, 0.95) * 1000 <= FIRST_TOKEN_MS,
        ),
        ("ingestion on one core beside 50 streams, chunks/s", per_s, per_s >= INGESTION_PER_S),
        ("words' lag without ingestion, p99 ms", quantile(alone, 0.99) * 1000, None),
        ("words' lag with it, p99 ms", quantile(during, 0.99) * 1000, None),
        ("added to it, p99 ms", added, added < ADDED_MS),
    ]
    text = _report(rows)
    print(text)
    missed = [name for name, _, is_met in rows if is_met is False]
    for name in missed:
        print(f"MISSED {name}")
    if options.write:
        _write(text)
    return 1 if missed else 0


def _filled() -> Path:
    """A store with 100,000 chunks, made now if it is not there yet."""
    path = Path(_store("path"))
    if not path.exists():
        making = path.with_suffix(f".{os.getpid()}.making")
        environ = {**os.environ, "DATABASE_URL": f"sqlite:///{making}", "SECRET_KEY": "for measuring only, long enough"}
        for command in (["db", "migrate"], ["users", "create", ACCOUNT, "--password-stdin"]):
            subprocess.run(
                python("-m", "flask", "--app", "app", *command),
                cwd=ROOT,
                env=environ,
                input=f"{PASSWORD}\n",
                text=True,
                check=True,
                capture_output=True,
            )
        _store("fill", making)
        with closing(sqlite3.connect(making)) as database:
            # One file to copy, without a log beside it.
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        making.replace(path)
    return path


def _store(command: str, *paths: Path) -> str:
    arguments = python("-m", "scripts.search_store", command, ACCOUNT, *map(str, paths))
    return subprocess.run(arguments, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


def _first_tokens(site: Site) -> list[float]:
    """Seconds from a request to the first `token` event of its answer, one request after the other."""
    lines = (ROOT / "evaluation" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    asked = [entry["question"] for line in lines if (entry := json.loads(line))["gold"]]
    taken = [_first_token(site, question) for question in asked[: ASKED + 10]]
    return [each for each in taken[10:] if each is not None]


def _first_token(site: Site, question: str) -> float | None:
    """None where the answer is that nothing was found: that is said as quickly, but is none."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    headers = {
        "Content-Type": "application/json",
        "Accept": "text/event-stream",
        "Authorization": f"Bearer {site.token}",
    }
    began = time.monotonic()
    connection.request("POST", "/api/v1/search", orjson.dumps({"query": question}), headers)
    response = connection.getresponse()
    first: float | None = None
    for line in response:
        if line.startswith(b"event: token"):
            first = first or time.monotonic() - began
        if line.startswith((b"event: done", b"event: error")):
            break
    connection.close()
    return first


def _lags(site: Site) -> list[float]:
    """Seconds that words came later than at their even pace, of all streams."""
    return [lag for lags in _streamed(site) for lag in lags]


def _streamed(site: Site) -> Iterator[list[float]]:
    connection = http.client.HTTPConnection("127.0.0.1", site.model_port, timeout=30)
    connection.request("POST", "/hold")
    connection.getresponse().read()
    connection.close()
    viewers = [Paced(target) for target in site.ask(STREAMS)]
    with Load(site.port) as load:
        load.open(viewers, wait_for_head=True)
        site.speak(tokens=TOKENS, rate=RATE)
        load.run(timeout_s=TOKENS / RATE + 60)
    return (viewer.lags() for viewer in viewers)


def _ingesting(site: Site) -> tuple[list[float], float]:
    """The same while documents are taken in, and how many chunks a second these gave."""
    base = site._api("POST", "/api/v1/kbs", name="Arriving")["id"]
    uploads = threading.Thread(target=_upload, args=(site, str(base), _handbooks()), daemon=True)
    rates: list[tuple[float, int]] = []
    ended = threading.Event()
    counting = threading.Thread(target=_count, args=(site.data_dir / "rill.sqlite3", str(base), rates, ended))
    uploads.start()
    counting.start()
    lags = _lags(site)
    ended.set()
    counting.join()
    growing = [each for each in rates if each[1] > 0]
    (begin, at_begin), (end, at_end) = growing[0], growing[-1]
    return lags, (at_end - at_begin) / (end - begin)


def _handbooks() -> Iterator[tuple[str, bytes]]:
    """Documents of some hundred chunks each, made of the corpus' pages."""
    pages = [page.read_bytes() for page in sorted(Path(_store("pages")).glob("*.html"))]
    for number, start in enumerate(range(0, len(pages), PAGES_EACH)):
        yield f"handbook-{number}.html", b"\n".join(pages[start : start + PAGES_EACH])


def _upload(site: Site, base: str, files: Iterator[tuple[str, bytes]]) -> None:
    boundary = "a-line-that-is-in-no-page"
    for name, content in files:
        body = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: text/html\r\n\r\n"
        ).encode()
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Authorization": f"Bearer {site.token}",
        }
        path = f"/api/v1/kbs/{base}/documents"
        connection.request("POST", path, body + content + f"\r\n--{boundary}--\r\n".encode(), headers)
        response = connection.getresponse()
        response.read()
        connection.close()
        if response.status != 202:
            raise SystemExit(f"a document was answered with {response.status}")


def _count(path: Path, base: str, rates: list[tuple[float, int]], ended: threading.Event) -> None:
    """Note every half second how many chunks of the base have their vector."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        while not ended.wait(0.5):
            (there,) = database.execute(
                "SELECT coalesce(sum(done), 0) FROM documents WHERE base_id = ?", (base,)
            ).fetchone()
            if not rates or there > rates[-1][1]:
                rates.append((time.monotonic(), there))


def _report(rows: Sequence[tuple[str, float, bool | None]]) -> str:
    goals = {
        "finding passages, p95 ms": f"below {RETRIEVAL_MS:.0f}",
        "request to first token, p95 ms": f"{FIRST_TOKEN_MS:.0f} at most",
        "ingestion on one core beside 50 streams, chunks/s": f"{INGESTION_PER_S:.0f} at least",
        "added to it, p99 ms": f"below {ADDED_MS:.0f}",
    }
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {os.cpu_count()} cores, Linux {platform.release()}, CPython "
        f"{platform.python_version()}. {CHUNKS:,} chunks in SQLite, one worker.",
        "",
        "| | measured | goal |",
        "| --- | --- | --- |",
        *(f"| {name} | {figure:.1f} | {goals.get(name, '')} |" for name, figure, _ in rows),
    ]
    return "\n".join(lines)


def _write(text: str) -> None:
    whole = DOCS.read_text()
    before, _, rest = whole.partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCS.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
